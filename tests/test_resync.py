from __future__ import annotations

import io
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import pytest
from practice import SERVICES, Practice

from kit import drift, expectation, record, runner, sources
from kit.directory import Directory
from kit.endpoint import Endpoint
from kit.errors import (
    ExportError,
    GateError,
    LockedError,
    OutcomeUnknownError,
    ParameterError,
    RunError,
    SafetyError,
)
from kit.journal import Journal
from kit.lab import farm as lab
from kit.lab.console import press
from kit.lab.endpoint import Trouble
from kit.lab.farm import Farm
from kit.lab.operator import StandIn
from kit.lab.portraits import portrait
from kit.lab.rules import DeletionRule, Rules
from kit.lab.site import DIRECTORY_AGENT, SHAREPOINT_AGENT, field_rules
from kit.mim import SynchronizationService
from kit.plan import RUN_ORDER, Step
from kit.resync import Resync
from kit.runner import NotebookError
from kit.sequence import CONFIRMATIONS, FINAL_CYCLE

PROFILES = {
    "full_import": "FullImport",
    "full_sync": "FullSync",
    "delta_import": "DeltaImport",
    "delta_sync": "DeltaSync",
    "export": "Export",
}
ALL_RUNS = (*RUN_ORDER, *FINAL_CYCLE)
RUNS = [("SPMA" if run.startswith("sharepoint") else "ADMA", PROFILES[run.split()[1]]) for run in ALL_RUNS]
"""Agent and profile of every run of the fix."""
Starter = Callable[..., Farm]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """Start farms that stop with the module."""
    farms: list[Farm] = []

    def started(users: int = 60) -> Farm:
        folder = tmp_path_factory.mktemp("farm")
        farms.append(lab.start(folder, users=users, outputs=folder / "outputs", case_id="practice"))
        return farms[-1]

    yield started
    for farm in farms:
        farm.stop()


# A whole fix that nothing disturbs.


@dataclass(frozen=True)
class Fixed:
    """A farm on which the fix was carried out."""

    practice: Practice
    before: pd.DataFrame
    photos: dict[str, bytes | None] = field(repr=False)
    numbers: dict[str, int]
    steps: pd.DataFrame
    after: pd.DataFrame
    log: str = field(repr=False)


@pytest.fixture(scope="module")
def fixed(start: Starter) -> Fixed:
    practice = Practice(start())
    before = practice.measured().people
    photos, numbers = practice.photos(), practice.run_numbers()
    with logged() as log:
        steps = practice.fix()
    after = practice.measured("after").people
    return Fixed(practice, before, photos, numbers, steps, after, log.getvalue())


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Collect everything that is logged, by everybody."""
    text, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(text), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def verdicts(people: pd.DataFrame) -> dict[str, str]:
    """Return verdicts by account, without those of service accounts."""
    of_people = people[~people["account"].str.contains("svc-")]
    return of_people.set_index("account")["verdict"].to_dict()


def story(practice: Practice, phase: str) -> dict[str, str]:
    """Return the verdict that everybody's story expects."""
    return {
        f"contoso\\{person.account_name}".lower(): getattr(person, f"expected_{phase}")
        for person in practice.farm.people
        if not person.account_name.startswith("svc-")
    }


def test_everybody_is_found_as_their_story_says_before_the_fix(fixed: Fixed) -> None:
    assert verdicts(fixed.before) == story(fixed.practice, "before")


def test_everybody_is_found_as_their_story_says_after_the_fix(fixed: Fixed) -> None:
    assert verdicts(fixed.after) == story(fixed.practice, "after")


def test_nobody_is_stale_any_longer(fixed: Fixed) -> None:
    stale = [people["verdict"].eq("stale").sum() for people in (fixed.before, fixed.after)]
    assert stale == [7, 0]


def test_every_step_ended_well(fixed: Fixed) -> None:
    assert set(fixed.steps["result"]) == {"ok"}


def test_every_run_of_the_plan_took_place_once_in_its_order(fixed: Fixed) -> None:
    assert fixed.practice.runs_after(fixed.numbers) == RUNS


def test_whoever_was_in_sync_has_the_same_bytes(fixed: Fixed) -> None:
    in_sync = fixed.before.loc[fixed.before["verdict"] == "in_sync", "account"]
    now = fixed.practice.photos()
    assert {one: now[one] for one in in_sync} == {one: fixed.photos[one] for one in in_sync}


def test_the_backup_has_every_photo_as_it_was(fixed: Fixed) -> None:
    people = fixed.before.set_index("person")["account"]
    kept = {people[person]: photo for person, photo in fixed.practice.kept().items()}
    assert kept == {account: photo for account, photo in fixed.photos.items() if photo}


def test_run_again_it_changes_nothing_and_says_the_same(fixed: Fixed) -> None:
    state = fixed.practice.state()
    again = fixed.practice.fix()
    assert (again.to_dict(), fixed.practice.state()) == (fixed.steps.to_dict(), state)


def test_no_password_is_logged(fixed: Fixed) -> None:
    assert fixed.log
    assert not [name for name, password in fixed.practice.farm.passwords.items() if password in fixed.log]


def test_no_password_is_in_the_case_folder(fixed: Fixed) -> None:
    files = [path for path in fixed.practice.folder.path.rglob("*") if path.is_file()]
    secrets = {password.encode() for password in fixed.practice.farm.passwords.values()}
    assert not [path for path in files for secret in secrets if secret in path.read_bytes()]


# What is refused before anything is done, on a farm that stays as it is.


@pytest.fixture(scope="module")
def untouched(start: Starter) -> Farm:
    return start()


@pytest.fixture
def practice(untouched: Farm, request: pytest.FixtureRequest) -> Iterator[Practice]:
    """Return a case of its own, measured; the test must leave the farm alone."""
    case_id = "".join(letter if letter.isalnum() else "-" for letter in request.node.name).strip("-")
    practice = Practice(untouched, case_id)
    practice.measured()
    state = practice.state()
    yield practice
    assert practice.state() == state


@pytest.mark.parametrize("apply", ["false", "true", "True", 1, 0, None])
def test_apply_is_a_boolean_or_refused(practice: Practice, apply: object) -> None:
    with pytest.raises(SafetyError, match=r"apply is .*only the boolean true"):
        practice.fix(apply=apply)
    assert not practice.folder.journal.exists()


def test_without_apply_nothing_is_run(practice: Practice) -> None:
    steps = practice.fix(apply=False)
    assert (set(steps["result"]), practice.folder.journal.exists()) == ({"not run"}, False)


def test_the_backup_is_whole_before_the_first_gate(practice: Practice) -> None:
    (practice.folder.path / "before" / "photos.sqlite").unlink()
    with pytest.raises(GateError):
        practice.fix(operator=False, gate_seconds=0.1)
    photos = Counter(photo for photo in practice.photos().values() if photo)
    assert Counter(practice.kept().values()) == photos
    told = [(event.get("name") or event["gate"], event["event"]) for event in practice.journal.events()]
    assert told.index(("backup", "outcome")) < told.index(("provisioning_off", "gate"))


def test_a_backup_that_cannot_be_read_back_stops_before_the_first_gate(practice: Practice) -> None:
    with closing(sqlite3.connect(practice.folder.path / "before" / "photos.sqlite")) as store, store:
        store.execute("UPDATE photos SET content = x'00'")
    with pytest.raises(SafetyError, match="cannot be read back from the backup"):
        practice.fix(operator=False)
    assert "provisioning_off" not in [event.get("gate") for event in practice.journal.events()]


def test_a_backup_that_lacks_somebody_stops_before_the_first_gate(start: Starter) -> None:
    practice = Practice(start(users=20))
    practice.measured()
    farm, account = practice.farm, practice.somebody("in_sync").lower()
    writer = Endpoint(
        farm.directory.url,
        "CONTOSO\\svc-adma",
        farm.passwords["svc-adma"],
        ca_file=farm.directory.ca_file,
    )
    with Directory(writer) as directory:
        gone = next(user for user in directory.users() if user.account == account)
        directory._session.connect().delete(gone.distinguished_name)
    told = re.escape(f"1 people are not seen in the directory any more, first '{account}'")
    with pytest.raises(SafetyError, match=told):
        practice.fix()
    assert practice.folder.phase == "before"


def test_a_gate_that_nobody_passes_says_what_is_missing(practice: Practice) -> None:
    with pytest.raises(GateError, match=r"'provisioning_off' was not seen.*says provisioning is on.*goes on"):
        practice.fix(operator=False, gate_seconds=0.1)


def test_an_order_that_exports_early_is_refused(practice: Practice) -> None:
    with pytest.raises(ParameterError, match="begin with 'sharepoint full_import'"):
        practice.plan("directory export", *RUN_ORDER)


PREPARATIONS = (
    Step(1, "verify", "backup"),
    Step(2, "run", "sharepoint full_sync"),
    Step(3, "run", "directory full_sync"),
    Step(4, "verify", "pending_exports"),
    Step(5, "confirm", "approve_exports"),
)


@pytest.mark.parametrize("missing", PREPARATIONS, ids=lambda step: step.name)
def test_an_export_that_is_not_prepared_is_refused_whatever_the_plan(
    practice: Practice, missing: Step
) -> None:
    done = [step for step in PREPARATIONS if step != missing]
    for step in done:
        journal_as_done(practice, step)
    export = Step(9, "run", "directory export", DIRECTORY_AGENT, "Export")
    hasty = replace(practice.plan(), steps=(*done, export))
    with pytest.raises(SafetyError, match=f"'Export' of 'ADMA' was not started: {missing.name} is not done"):
        practice.fix(hasty)


def journal_as_done(practice: Practice, step: Step) -> None:
    facts = {name: value for name, value in vars(step).items() if name != "number"}
    practice.journal.write("outcome", step.number, **facts, result="ok")


HAZARDS = {
    "recall with nulls": field_rules(recall=True, suppress_deletions=False),
    "recall without a second provider": field_rules(
        recall=True, suppress_deletions=False, directory_second=False
    ),
    "a deletion rule that names SharePoint": field_rules(
        deletion_rule=DeletionRule("declared-any", (SHAREPOINT_AGENT,))
    ),
}


@pytest.fixture
def exported(practice: Practice) -> Iterator[Callable[[Rules], None]]:
    """Put rules in force and export them, as at miisclient; at the end the old ones again."""
    farm, before = practice.farm, practice.farm.engine.rules

    def export(rules: Rules) -> None:
        farm.engine.change_rules(rules)
        press(farm.console.url, "/export-configuration", {"folder": str(farm.configuration_folder)})

    yield export
    export(before)


@pytest.mark.parametrize("rules", HAZARDS.values(), ids=HAZARDS)
def test_a_hazardous_configuration_is_refused_before_anything(
    practice: Practice, exported: Callable[[Rules], None], rules: Rules
) -> None:
    exported(rules)
    with pytest.raises(SafetyError, match=r"the fix must not go on, \d hazards?:"):
        practice.fix()
    assert not practice.folder.journal.exists()


def test_a_hazard_that_the_last_export_did_not_show_stops_at_the_gate(start: Starter) -> None:
    practice = Practice(start(users=20))
    practice.measured()
    practice.farm.engine.change_rules(field_rules(recall=True, suppress_deletions=False))
    held = practice.farm.engine.counters("SPMA")["NumCSObjects"]
    with pytest.raises(SafetyError, match=r"the fix must not go on, \d hazards?:"):
        practice.fix()
    assert practice.farm.engine.counters("SPMA")["NumCSObjects"] == held


def test_the_plan_and_its_findings_are_on_record_before_the_journal_begins(
    practice: Practice, exported: Callable[[Rules], None]
) -> None:
    exported(HAZARDS["a deletion rule that names SharePoint"])
    with pytest.raises(NotebookError, match="the fix must not go on"):
        runner.run(practice.case, ["30_reset_and_full_sync"], {"apply": True})
    manifest = practice.folder.manifest()
    assert [step["name"] for step in manifest["plan"] if step["kind"] == "run"] == list(ALL_RUNS)
    assert manifest["findings"][0]["severity"] == "stop"
    assert not practice.folder.journal.exists()


@pytest.fixture
def unread(practice: Practice) -> Practice:
    """Return a case that names no folder for MIM's configuration."""
    other = Practice(practice.farm, f"{practice.case.case_id}-unread", configuration_folder=None)
    other.measured()
    return other


def test_without_mims_configuration_the_fix_is_refused(unread: Practice) -> None:
    with pytest.raises(SafetyError, match=r"MIM's configuration was not read.*Export Server Configuration"):
        unread.fix()
    assert not unread.folder.journal.exists()


def test_without_mims_configuration_there_is_a_plan(unread: Practice) -> None:
    assert list(unread.fix(apply=False)["result"]) == ["not run"] * 26


def test_a_second_run_of_the_case_is_told_who_holds_the_lock(practice: Practice) -> None:
    with (
        practice.folder.locked("the first run"),
        pytest.raises(LockedError, match=r"held by process \d+ of .* for the first run"),
    ):
        practice.fix()
    assert not practice.folder.journal.exists()


# What stops the fix at its beginning.


def test_a_run_in_progress_stops_the_fix(start: Starter) -> None:
    practice = Practice(start(users=20))
    practice.measured()
    with slow_run(practice.farm, DIRECTORY_AGENT, "DeltaImport") as ended:
        with pytest.raises(SafetyError, match=r"of 'ADMA' \(DeltaImport\) is in progress"):
            practice.fix(gate_seconds=0.1)
        assert not ended.is_set()


@contextmanager
def slow_run(farm: Farm, agent: str, profile: str) -> Iterator[threading.Event]:
    """Keep a run going: somebody searches the connector spaces meanwhile, and takes his time."""
    searching, enough, ended = threading.Event(), threading.Event(), threading.Event()

    def search() -> None:
        list(farm.engine.connector_space_objects(lambda _: searching.set() or not enough.wait(30)))

    def run() -> None:
        farm.engine.execute(agent, profile)
        ended.set()

    threads = [threading.Thread(target=search), threading.Thread(target=run)]
    number = len(farm.engine.runs())
    threads[0].start()
    assert searching.wait(10)
    threads[1].start()
    await_that(lambda: len(farm.engine.runs()) > number)
    try:
        yield ended
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def await_that(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Look until a condition holds that nothing signals."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.002)


def test_exports_that_wait_already_stop_the_fix(start: Starter) -> None:
    practice = Practice(start(users=20))
    practice.measured()
    practice.run("SPMA", "DeltaImport", "DeltaSync")
    photos = practice.photos()
    with pytest.raises(SafetyError, match=r"'ADMA' has pending exports already: \{'NumExportUpdate'"):
        practice.fix()
    assert practice.photos() == photos


# Pending exports that were not planned.


@pytest.fixture(scope="module")
def waiting(start: Starter) -> Practice:
    """Return a farm whose fix stands before the export: the limit was too low."""
    practice = Practice(start())
    practice.measured()
    with pytest.raises(ExportError, match="9 photos would change: the limit is 1"):
        practice.fix(practice.plan(limit=1))
    return practice


def flow(practice: Practice) -> None:
    """Bring what changed in SharePoint to where it waits to be exported."""
    practice.run("SPMA", "DeltaImport", "DeltaSync")


def test_more_exports_than_the_limit_stop_the_fix(waiting: Practice) -> None:
    numbers, photos = waiting.run_numbers(), waiting.photos()
    with pytest.raises(ExportError, match=r"9 photos would change: the limit is 1; .*export_limit_percent"):
        waiting.fix(waiting.plan(limit=1))
    assert (waiting.run_numbers(), waiting.photos()) == (numbers, photos)


def test_what_stopped_the_fix_is_in_its_chart(waiting: Practice) -> None:
    assert record.pending_exports(waiting.folder)["expected_updates"] == 9


def test_an_attribute_besides_the_photo_stops_the_fix(waiting: Practice) -> None:
    account, photos = waiting.somebody("in_sync"), waiting.photos()
    store = waiting.farm.sharepoint.store
    before = store.get(account).properties["WorkPhone"]
    store.modify(account, {"WorkPhone": "+1 425 555 0000"})
    flow(waiting)
    with pytest.raises(ExportError, match=r"1 pending exports are of kind unexpected_attribute.*telephone"):
        waiting.fix()
    store.modify(account, {"WorkPhone": before})
    flow(waiting)
    assert waiting.photos() == photos


def test_what_waits_is_read_again_when_the_fix_goes_on(start: Starter) -> None:
    practice = Practice(start(users=20))
    practice.measured()
    photos = practice.photos()
    with pytest.raises(KeyboardInterrupt):
        practice.fix(say=interrupt)
    practice.farm.sharepoint.store.modify(practice.somebody("in_sync"), {"WorkPhone": "+1 425 555 0000"})
    flow(practice)
    with pytest.raises(ExportError, match="of kind unexpected_attribute"):
        practice.fix()
    assert practice.photos() == photos


def interrupt(sentence: str) -> None:
    """Press Ctrl-C when the export is about to begin."""
    if "directory export" in sentence:
        raise KeyboardInterrupt


def test_a_picture_that_changed_since_the_full_sync_stops_the_fix(waiting: Practice) -> None:
    account, photos = waiting.somebody("stale"), waiting.photos()
    waiting.farm.sharepoint.store.upload(account, portrait(4711, size=300))
    with pytest.raises(ExportError, match="1 pending exports are of kind unexpected_picture"):
        waiting.fix()
    flow(waiting)
    assert waiting.photos() == photos


def test_somebody_whose_picture_could_not_be_judged_stops_the_fix(waiting: Practice) -> None:
    account, photos = waiting.somebody("stale"), waiting.photos()
    waiting.let_read(account, SERVICES[1:])
    with pytest.raises(ExportError, match="1 pending exports are of kind unexpected_person"):
        waiting.fix()
    waiting.let_read(account)
    assert waiting.photos() == photos


def test_pictures_that_break_off_before_the_export_stop_the_fix(
    waiting: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "BATCH", 5)
    photos, troubles = waiting.photos(), waiting.farm.sharepoint.troubles
    troubles.add("/User Photos/*", "headers", times=8)
    troubles.add("/User Photos/*", "reset", times=None)
    with pytest.raises(SafetyError, match="not everybody was read: The photos were read until: "):
        waiting.fix()
    troubles.clear()
    assert waiting.photos() == photos


def test_somebody_whom_the_inventory_does_not_know_stops_the_fix(waiting: Practice) -> None:
    people, photos = waiting.folder.people("before"), waiting.photos()
    waiting.folder.save_inventory(people[people["account"] != waiting.somebody("stale").lower()], "before")
    with pytest.raises(ExportError, match=r"'Update': 9.*account for 8 updates"):
        waiting.fix()
    people.to_parquet(waiting.folder.path / "before" / "people.parquet", index=False)
    assert waiting.photos() == photos


def test_a_deletion_stops_the_fix(start: Starter) -> None:
    practice = Practice(start(users=20))
    practice.measured()
    rules = field_rules(suppress_deletions=False, directory_second=False, provisioning=False)
    photos = practice.photos()

    def let_nulls_out(sentence: str) -> None:
        if "sharepoint full_import" in sentence:
            practice.farm.engine.change_rules(rules)

    with pytest.raises(ExportError, match=r"pending exports are of kind delete, first .*thumbnailPhoto"):
        practice.fix(say=let_nulls_out)
    assert practice.photos() == photos


# Calls whose outcome is unknown, and processes that die.


def test_an_execute_that_is_not_answered_is_never_sent_again(start: Starter) -> None:
    practice = Practice(start(users=20))
    practice.measured()
    numbers, wsman = practice.run_numbers(), practice.farm.wsman
    troubles = [Trouble.DROP_AFTER, Trouble.UNREPORTABLE] * 6

    def cut(sentence: str) -> None:
        if ". run " in sentence:
            wsman.faults.next_execute = troubles.pop()

    steps = practice.fix(say=cut)
    assert set(steps["result"]) == {"ok"}
    assert (wsman.received["Execute"], practice.runs_after(numbers)) == (len(RUNS), RUNS)


def test_a_run_that_never_began_is_begun_when_the_fix_goes_on(start: Starter) -> None:
    practice = Practice(start(users=20))
    practice.measured()
    numbers, wsman = practice.run_numbers(), practice.farm.wsman
    wsman.faults.next_execute = Trouble.DROP_BEFORE
    with pytest.raises(OutcomeUnknownError, match="not known how run 'FullImport' of 'SPMA' ended"):
        impatient(practice)
    practice.fix()
    assert (wsman.received["Execute"], practice.runs_after(numbers)) == (1 + len(RUNS), RUNS)


def impatient(practice: Practice) -> None:
    """Carry out the fix, and give an unanswered Execute half a second to be seen."""
    farm, settings = practice.farm, practice.case.mim
    password = farm.passwords["svc-photo-kit"]
    with (
        SynchronizationService(
            Endpoint(settings.url, settings.username, password), poll_interval=0.05, grace=0.5
        ) as service,
        sources.directory(practice.case) as directory,
        sources.sharepoint(practice.case) as sharepoint,
        StandIn(farm.console.url, practice.folder.journal, farm.configuration_folder),
    ):
        fixing = Resync(
            practice.folder, practice.plan(), service, directory, sharepoint, confirmed=CONFIRMATIONS
        )
        fixing.run(apply=True)


KILLED_DURING = ("sharepoint full_import", "directory export")
"""Runs that have begun and may not have ended when the process is killed; see test_killed_fix for others."""


@pytest.fixture(scope="module")
def killed(start: Starter) -> Fixed:
    practice = Practice(start())
    before = practice.measured().people
    photos, numbers = practice.photos(), practice.run_numbers()
    farm = practice.farm
    with StandIn(farm.console.url, practice.folder.journal, farm.configuration_folder):
        for name in KILLED_DURING:
            kill_during(practice, numbers, name)
    steps = practice.fix()
    after = practice.measured("after").people
    return Fixed(practice, before, photos, numbers, steps, after, "")


def kill_during(practice: Practice, numbers: dict[str, int], name: str) -> None:
    """Go on with the fix in another process, and kill that once a run has begun."""

    def reached() -> bool:
        return len(practice.runs_after(numbers)) > RUN_ORDER.index(name)

    script = Path(__file__).with_name("resync_process.py")
    command = [sys.executable, str(script), str(practice.case_file)]
    with subprocess.Popen(command, cwd=runner.PROJECT, env=environment()) as process:
        await_that(lambda: reached() or process.poll() is not None)
        process.kill()
    assert process.returncode == -signal.SIGKILL


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(runner.PROJECT)}


def test_a_killed_fix_ends_as_an_undisturbed_one(killed: Fixed, fixed: Fixed) -> None:
    assert killed.practice.photos() == fixed.practice.photos()


def test_a_killed_fix_leaves_everybody_as_their_story_says(killed: Fixed) -> None:
    assert verdicts(killed.after) == story(killed.practice, "after")


def test_a_killed_fix_runs_every_profile_once_in_its_order(killed: Fixed) -> None:
    assert killed.practice.runs_after(killed.numbers) == RUNS


def test_a_killed_fix_ends_with_every_step_well(killed: Fixed) -> None:
    assert set(killed.steps["result"]) == {"ok"}


# What waits to be exported, when the fix died before the export was asked for, or it ended half-way.


@pytest.fixture
def dying(start: Starter, monkeypatch: pytest.MonkeyPatch) -> Practice:
    """Return a case whose fix died with the export announced and not asked for."""
    practice, write = Practice(start(users=20)), Journal.write
    practice.measured()

    def write_and_die(journal: Journal, event: str, step: int, **facts: object) -> None:
        write(journal, event, step, **facts)
        if (event, facts.get("name")) == ("intent", "directory export"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "write", write_and_die)
        with pytest.raises(KeyboardInterrupt):
            practice.fix()
    return practice


def asked(practice: Practice) -> list[str]:
    """Return whose photos are on record as asked to be exported, in the order of their accounts."""
    return sorted(pd.read_parquet(practice.folder.path / expectation.ASKED)["account"])


def test_what_was_announced_is_read_again_before_it_is_asked_for(dying: Practice) -> None:
    photos, record = dying.photos(), asked(dying)
    dying.farm.sharepoint.store.upload(dying.somebody("in_sync"), portrait(4711, size=300))
    flow(dying)
    with pytest.raises(ExportError, match="1 pending exports are not as they were checked"):
        dying.fix()
    assert (dying.photos(), asked(dying)) == (photos, record)


def test_what_has_changed_since_it_was_announced_is_checked_anew_and_then_exported(dying: Practice) -> None:
    record = asked(dying)
    dying.farm.sharepoint.store.upload(dying.somebody("in_sync"), portrait(4711, size=300))
    flow(dying)
    with pytest.raises(ExportError):
        dying.fix()
    dying.fix()
    assert asked(dying) == sorted([*record, dying.somebody("in_sync").lower()])
    assert dying.measured("after").counts["stale"] == 0


def test_an_export_that_ended_half_way_keeps_all_that_it_was_asked_for_on_record(start: Starter) -> None:
    practice = Practice(start(users=20))
    practice.measured()
    disturbances = practice.farm.engine.disturbances

    def break_off(sentence: str) -> None:
        if "directory export" in sentence:
            disturbances.end_next(DIRECTORY_AGENT, "stopped-server-down", after=1)

    with pytest.raises(RunError, match="ended 'stopped-server-down'"):
        practice.fix(say=break_off)
    record = asked(practice)
    steps = practice.fix().set_index("name")["result"]
    assert (asked(practice), steps["photos_after"]) == (record, "ok")


# An agent's run that ends badly.


@pytest.fixture(scope="module")
def stopped(start: Starter) -> tuple[Practice, RunError]:
    """Return a farm whose SharePoint agent may not read one picture, and how its fix stopped."""
    practice = Practice(start(users=20))
    practice.measured()
    practice.let_read(practice.somebody("stale"), SERVICES[:1])
    with pytest.raises(RunError) as stopped:
        practice.fix()
    return practice, stopped.value


def test_a_run_that_fails_is_named_with_its_status(stopped: tuple[Practice, RunError]) -> None:
    number = stopped[0].run_numbers()["SPMA"]
    status = "stopped-extension-dll-exception"
    assert str(stopped[1]).startswith(f"run {number} of 'SPMA', FullImport, ended '{status}': ")


def test_after_a_run_that_failed_nothing_is_exported(stopped: tuple[Practice, RunError]) -> None:
    assert not [event for event in stopped[0].journal.events() if event["agent"] == "ADMA"]


def test_after_a_run_that_failed_the_fix_goes_on_once_its_cause_is_mended(
    stopped: tuple[Practice, RunError],
) -> None:
    practice, _ = stopped
    numbers, photos = practice.run_numbers(), practice.photos()
    practice.let_read(practice.somebody("stale"))
    practice.fix()
    assert practice.runs_after(numbers) == RUNS
    assert practice.measured("after").counts["stale"] == 0
    assert practice.photos() != photos
