"""A fix with everything that a plan can have: a first small export, an approval, and a canary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pytest
from practice import Practice

from kit import plan, record, sources
from kit.baseline import Baseline
from kit.errors import ExportError, GateError, RunError
from kit.lab import farm as lab
from kit.lab.farm import Farm
from kit.lab.portraits import portrait
from kit.lab.rules import RunProfile, Step, StepType
from kit.lab.site import DIRECTORY_AGENT
from kit.plan import Plan
from kit.sequence import APPROVE, CONFIRMATIONS, UNFREEZE, UPLOAD

FIRST = 3
"""Objects that the first export takes."""


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Return a farm whose directory agent has an export profile with an object threshold."""
    folder = tmp_path_factory.mktemp("farm")
    with lab.start(folder, users=60, outputs=folder / "outputs", case_id="practice") as farm:
        rules = farm.engine.rules
        profiles = next(agent for agent in rules.agents if agent.name == DIRECTORY_AGENT).run_profiles
        few = RunProfile("ExportFew", (Step(StepType.EXPORT, object_limit=FIRST),))
        farm.engine.change_rules(rules.with_agent(DIRECTORY_AGENT, run_profiles=(*profiles, few)))
        farm.engine.export_configuration(farm.configuration_folder)
        yield farm


@dataclass(frozen=True)
class Fixed:
    """A practice case whose fix was carried out, and how."""

    practice: Practice
    numbers: dict[str, int]
    chosen: Plan
    steps: pd.DataFrame
    replaced_before_approval: int

    def detail(self, name: str) -> str:
        """Return what a step's outcome says."""
        return str(self.steps.set_index("name")["detail"][name])

    def expected(self, name: str) -> str:
        """Return what the plan said of a step."""
        return str(self.steps.set_index("name")["expected"][name])


@pytest.fixture(scope="module")
def fixed(farm: Farm) -> Fixed:
    practice = Practice(farm)
    practice.measured()
    numbers = practice.run_numbers()
    chosen = planned(practice, first_export="ExportFew", canary=practice.somebody("stale"))
    practice.fix(chosen, until=APPROVE)
    shown = len(record.replacements(practice.folder, 60))
    steps = practice.fix(chosen, say=lambda sentence: upload(practice, sentence))
    return Fixed(practice, numbers, chosen, steps, shown)


def planned(practice: Practice, **options: str) -> Plan:
    with sources.synchronization(practice.case) as service:
        baseline = Baseline.of(practice.folder, service)
    return plan.make(
        practice.case,
        practice.folder.people("before"),
        plan.read_configuration(practice.case),
        (),
        export_limit_percent=30.0,
        baseline=baseline,
        **options,
    )


def upload(practice: Practice, sentence: str) -> None:
    """Do what the canary's gate asks for."""
    if f"confirm {UPLOAD}" in sentence:
        practice.farm.sharepoint.store.upload(practice.somebody("stale"), portrait(815, size=300))


def test_every_step_ends_well(fixed: Fixed) -> None:
    assert set(fixed.steps["result"]) == {"ok"}


def test_the_first_export_stops_at_its_threshold(fixed: Fixed) -> None:
    status = [event["status"] for event in fixed.practice.journal.events() if "status" in event]
    assert status.count("stopped-object-limit") == 1


def test_only_the_first_few_photos_change_before_the_rest(fixed: Fixed) -> None:
    assert fixed.detail("first_photos") == "3 photos changed as planned, 6 were not exported, none lost"


def test_after_the_rest_everybody_has_the_photo_that_was_checked(fixed: Fixed) -> None:
    assert fixed.detail("photos_after") == "9 photos changed as planned, 0 were not exported, none lost"


def test_both_exports_count_as_written(fixed: Fixed) -> None:
    assert fixed.detail("exported") == "9 updates written, no errors"


def test_both_exports_are_confirmed(fixed: Fixed) -> None:
    told = "9 of 9 exports confirmed; 0 came back otherwise; 0 updates wait again"
    assert fixed.detail("confirmed") == told


def test_the_full_import_sees_the_canary(fixed: Fixed) -> None:
    account = fixed.practice.somebody("stale").lower()
    assert fixed.detail("canary_seen") == f"1 objects staged as changed, {account} among them"


def test_the_canary_is_not_exported(fixed: Fixed) -> None:
    practice = fixed.practice
    account = practice.somebody("stale").lower()
    wanted = fixed.chosen.changes.set_index("account").loc[account, "sha256"]
    with practice.folder.store("after") as store:
        assert practice.photos()[account] == store.get(wanted)


def test_the_numbers_of_the_plan_are_those_of_the_runs(fixed: Fixed) -> None:
    runs = ("sharepoint full_import", "directory full_import")
    objects = {run: fixed.expected(run).rpartition(": ")[2] for run in runs}
    assert objects == {run: fixed.detail(run).partition(";")[0] for run in runs}


def test_what_is_about_to_be_written_can_be_looked_at_before_it_is(fixed: Fixed) -> None:
    assert fixed.replaced_before_approval == 9


def test_every_confirmation_is_on_record_with_who_gave_it(fixed: Fixed) -> None:
    told = {name: fixed.detail(name) for name in CONFIRMATIONS}
    assert [name for name, words in told.items() if not words.startswith("confirmed by ")] == []


def test_nothing_is_left_confirmed(fixed: Fixed) -> None:
    assert list((fixed.practice.folder.path / "confirmed").iterdir()) == []


def test_every_run_took_place_once(fixed: Fixed) -> None:
    runs = [(step.agent, step.profile) for step in fixed.chosen.steps if step.kind == "run"]
    assert fixed.practice.runs_after(fixed.numbers) == runs


# What is approved is what is exported.


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """Return a case that stands before the approval of its exports."""
    folder = tmp_path_factory.mktemp("checked")
    with lab.start(folder, users=20, outputs=folder / "outputs", case_id="practice") as farm:
        practice = Practice(farm)
        practice.measured()
        practice.fix(until=APPROVE)
        yield practice


def test_what_nobody_approves_is_not_exported(checked: Practice) -> None:
    numbers, photos = checked.run_numbers(), checked.photos()
    ways = rf"make the empty file '.*{APPROVE}', or run the notebook with confirmed=\['{APPROVE}'\]"
    with pytest.raises(GateError, match=ways):
        checked.fix(operator=False, confirmed=(), gate_seconds=0.1)
    assert (checked.run_numbers(), checked.photos()) == (numbers, photos)


def test_what_waits_is_not_read_again_while_nothing_runs(checked: Practice) -> None:
    readings = [event for event in checked.journal.events() if event["event"] == "read"]
    with pytest.raises(GateError):
        checked.fix(operator=False, confirmed=(), gate_seconds=0.1)
    assert [event for event in checked.journal.events() if event["event"] == "read"] == readings


def test_what_changes_after_its_approval_is_not_exported(checked: Practice) -> None:
    photos = checked.photos()

    def change(sentence: str) -> None:
        if f"confirm {APPROVE}" in sentence:
            checked.farm.sharepoint.store.upload(checked.somebody("stale"), portrait(99, size=300))
            checked.run("SPMA", "DeltaImport", "DeltaSync")

    with pytest.raises(ExportError, match=r"\d pending exports are not as they were checked"):
        checked.fix(say=change)
    assert checked.photos() == photos


def test_once_it_is_checked_anew_it_is_exported(checked: Practice) -> None:
    assert set(checked.fix()["result"]) == {"ok"}


# A canary that is not seen.


def test_a_canary_that_nobody_changed_is_told(checked: Practice) -> None:
    checked.journal.archive()
    with pytest.raises(RunError, match=r"staged 0 changed objects, the picture of .* is not among them"):
        checked.fix(planned(checked, canary=checked.somebody("in_sync")))
    assert UNFREEZE not in {event.get("name") for event in checked.journal.events()}
