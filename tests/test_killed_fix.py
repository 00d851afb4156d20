"""A fix whose process dies at every moment of its journal ends as one that nothing disturbs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from practice import Practice

from kit import expectation, runner
from kit.lab import farm as lab
from kit.lab.operator import StandIn
from kit.sequence import Step

TOLD = ("kind", "name", "agent", "profile", "result", "status", "run_number", "pending_exports", "changed")
"""What the outcome of a step says in whatever process it was reached."""


@dataclass(frozen=True)
class Fixed:
    """A farm on which the fix was carried out, and how it stood before."""

    practice: Practice
    numbers: dict[str, int]
    photos: dict[str, bytes | None] = field(repr=False)
    moments: tuple[str, ...] = ()
    """When its processes died: before a line of the journal, within it, or after it."""

    def runs(self) -> list[Step]:
        """Return the runs of the plan."""
        return [step for step in self.practice.plan().steps if step.kind == "run"]

    def outcomes(self) -> dict[int, dict[str, Any]]:
        """Return what became of each step."""
        told = self.practice.journal.outcomes()
        return {step: {name: event.get(name) for name in TOLD} for step, event in told.items()}

    def exported(self) -> pd.DataFrame:
        """Return the record of what the directory agent was asked to export."""
        return pd.read_parquet(self.practice.folder.path / expectation.READ)


@pytest.fixture(scope="module")
def practices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Practice, Practice]]:
    """Return the same measured case twice, each on a farm of its own."""
    folders = [tmp_path_factory.mktemp("farm") for _ in range(2)]
    farms = [lab.start(folder, users=20, outputs=folder, case_id="practice") for folder in folders]
    practices = [Practice(farm) for farm in farms]
    for practice in practices:
        practice.measured()
    yield practices[0], practices[1]
    for farm in farms:
        farm.stop()


@pytest.fixture(scope="module")
def undisturbed(practices: tuple[Practice, Practice]) -> Fixed:
    practice, _ = practices
    fixed = Fixed(practice, practice.run_numbers(), practice.photos())
    practice.fix()
    return fixed


@pytest.fixture(scope="module")
def killed(practices: tuple[Practice, Practice]) -> Fixed:
    _, practice = practices
    numbers, photos, farm = practice.run_numbers(), practice.photos(), practice.farm
    moments = farm.folder / "moments"
    moments.touch()
    script = Path(__file__).with_name("resync_process.py")
    with StandIn(farm.console.url, practice.folder.journal, farm.configuration_folder):
        subprocess.run(
            [sys.executable, script, practice.case_file, moments],
            env={**os.environ, "PYTHONPATH": str(runner.PROJECT)},
            check=True,
        )
    return Fixed(practice, numbers, photos, tuple(moments.read_text().splitlines()))


def test_a_process_died_before_and_after_each_line_of_the_journal(killed: Fixed, undisturbed: Fixed) -> None:
    lines = {(event["event"], event["step"]) for event in undisturbed.practice.journal.events()}
    assert {f"{when} {event} {step}" for event, step in lines for when in ("before", "after")} <= {
        *killed.moments
    }


def test_a_process_died_with_half_of_the_outcome_of_each_run_on_disk(killed: Fixed) -> None:
    assert {f"within outcome {step.number}" for step in killed.runs()} <= {*killed.moments}


def test_photos_end_as_undisturbed(killed: Fixed, undisturbed: Fixed) -> None:
    assert killed.practice.photos() == undisturbed.practice.photos()


def test_the_fix_changed_photos(undisturbed: Fixed) -> None:
    assert undisturbed.practice.photos() != undisturbed.photos


def test_provisioning_ends_as_undisturbed(killed: Fixed, undisturbed: Fixed) -> None:
    ended = [fixed.practice.farm.engine.rules.provisioning_enabled for fixed in (killed, undisturbed)]
    assert ended == [True, True]


def test_the_journal_ends_as_undisturbed(killed: Fixed, undisturbed: Fixed) -> None:
    assert killed.outcomes() == undisturbed.outcomes()


def test_no_step_is_skipped(killed: Fixed) -> None:
    assert list(killed.outcomes()) == [step.number for step in killed.practice.plan().steps]


def test_steps_end_in_their_order(killed: Fixed) -> None:
    steps = [event["step"] for event in killed.practice.journal.events() if event["event"] == "outcome"]
    assert steps == sorted(steps)


def test_no_execute_is_sent_twice(killed: Fixed) -> None:
    assert killed.practice.farm.wsman.received["Execute"] == len(killed.runs())


def test_runs_take_place_once_in_their_order(killed: Fixed, undisturbed: Fixed) -> None:
    runs = [fixed.practice.runs_after(fixed.numbers) for fixed in (killed, undisturbed)]
    assert (runs[0], len(runs[0])) == (runs[1], len(killed.runs()))


def test_the_numbers_of_the_runs_are_those_of_the_server(killed: Fixed) -> None:
    server = {(run.agent, run.run_number, run.profile) for run in killed.practice.farm.engine.runs()}
    told = [one for one in killed.outcomes().values() if one["kind"] == "run"]
    assert {(one["agent"], one["run_number"], one["profile"]) for one in told} <= server


def test_every_photo_of_before_is_kept(killed: Fixed) -> None:
    people = killed.practice.folder.people("before").set_index("person")["account"]
    kept = {people[person]: photo for person, photo in killed.practice.kept().items()}
    assert kept == {account: photo for account, photo in killed.photos.items() if photo}


def test_the_record_of_what_was_exported_ends_as_undisturbed(killed: Fixed, undisturbed: Fixed) -> None:
    pd.testing.assert_frame_equal(killed.exported(), undisturbed.exported())
