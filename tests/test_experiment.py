"""The behaviour of the case, measured on practice farms before and after the fix."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
from experiment_case import ExperimentCase
from practice import Practice
from severed_line import Cut, SeveredLine

from kit import experiment, photos, runner, sources, trials
from kit.behaviour import ACCOUNTS, COLUMNS, MISSED, NOT_MEASURED, SEEN, conclusion, table
from kit.confirmation import PAUSED, Confirmations
from kit.errors import CaseError, LockedError, NotFoundError, OutcomeUnknownError, SafetyError
from kit.lab import farm as lab
from kit.lab.delivery import Delivery
from kit.lab.endpoint import Trouble
from kit.lab.farm import Farm
from kit.lab.population import Person
from kit.lab.variant import Variant
from kit.subject import SAME

CASE = (MISSED, SEEN)
BOTH = (SEEN, SEEN)
RUNS = [("SPMA", profile) for profile in ("DeltaImport", *["FullImport", "DeltaImport"] * 2, "DeltaImport")]


def somebody(farm: Farm, story: str, unit: str = "Staff", *, turn: int = 0) -> Person:
    found = [one for one in farm.people if one.story == story and one.organizational_unit == unit]
    return found[turn]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Practice]]:
    farms: list[Farm] = []

    def started() -> Practice:
        folder = tmp_path_factory.mktemp("farm")
        farms.append(lab.start(folder, users=20, outputs=folder / "outputs", case_id="practice"))
        return Practice(farms[-1])

    yield started
    for farm in farms:
        farm.stop()


# Before the fix and after it, with both kinds of account.


@dataclass(frozen=True)
class Told:
    """What one experiment has met and left behind."""

    case: ExperimentCase
    measured: dict[str, tuple[str, str]]
    directory: tuple[object, object] = field(repr=False)
    runs: list[tuple[str, str]]
    phone: tuple[str, str]
    pictures: tuple[bytes | None, bytes | None] = field(repr=False)
    state: pd.DataFrame = field(repr=False)
    confirmed: bool


def tell(case: ExperimentCase, phase: str) -> Told:
    numbers, phone = case.practice.run_numbers(), case.profile().work_phone
    photos_before, picture = case.practice.photos(), case.picture()
    confirmations = Confirmations(case.folder.path)
    confirmations.give(PAUSED, "button")
    case.run(confirmed=())
    return Told(
        case,
        case.measured(phase),
        (photos_before, case.practice.photos()),
        case.practice.runs_after(numbers),
        (phone, case.profile().work_phone),
        (picture, case.picture()),
        case.state(),
        confirmations.given(PAUSED),
    )


@pytest.fixture(scope="module")
def told(start: Callable[[], Practice]) -> dict[tuple[str, str], Told]:
    """Make the experiment four times: before and after the fix, with each kind of account."""
    practice = start()
    practice.measured()
    cases = {
        story: ExperimentCase(practice, somebody(practice.farm, story)) for story in ("in_sync", "no_photo")
    }
    before = {("before", story): tell(case, "before") for story, case in cases.items()}
    practice.fix()
    return before | {("after", story): tell(case, "after") for story, case in cases.items()}


every_time = pytest.mark.parametrize("phase", ["before", "after"])
every_account = pytest.mark.parametrize("story", ["in_sync", "no_photo"])


def test_before_the_fix_a_full_import_does_not_see_a_new_picture(told) -> None:
    assert told["before", "in_sync"].measured["picture"] == CASE


def test_the_picture_of_somebody_who_never_had_one_is_seen_by_both(told) -> None:
    assert told["before", "no_photo"].measured["picture"] == BOTH


@every_account
def test_after_the_fix_both_see_a_new_picture(told, story) -> None:
    assert told["after", story].measured["picture"] == BOTH


@every_time
@every_account
def test_a_new_phone_number_is_seen_by_both(told, phase, story) -> None:
    assert told[phase, story].measured["WorkPhone"] == BOTH


@every_time
@every_account
def test_nothing_but_imports_of_the_sharepoint_agent_is_run(told, phase, story) -> None:
    assert told[phase, story].runs == RUNS


@every_time
@every_account
def test_no_photo_of_the_directory_changes(told, phase, story) -> None:
    before, after = told[phase, story].directory
    assert after == before


@every_time
@every_account
def test_the_phone_number_is_put_back(told, phase, story) -> None:
    before, after = told[phase, story].phone
    assert (after, bool(after)) == (before, True)


@every_time
def test_the_picture_is_put_back_in_other_bytes(told, phase) -> None:
    before, after = told[phase, "in_sync"].pictures
    assert (photos.compare(before, after).verdict in SAME, before == after) == (True, False)


@every_time
def test_who_had_no_picture_has_none_again(told, phase) -> None:
    assert told[phase, "no_photo"].pictures == (None, None)


@every_time
@every_account
def test_the_connector_space_holds_the_former_values(told, phase, story) -> None:
    state = told[phase, story].state
    assert state.set_index("attribute")["same"].to_dict() == {"picture": True, "WorkPhone": True}


def test_the_table_shows_before_and_after_together(told) -> None:
    shown = table(told["after", "no_photo"].case.folder)
    assert [tuple(row) for row in shown[["fix", "test account"]].drop_duplicates().to_numpy()] == [
        (phase, ACCOUNTS[kind])
        for phase in ("before", "after")
        for kind in ("has_a_photo", "never_had_a_photo")
    ]


def test_the_conclusion_says_that_the_farm_behaves_like_the_case_and_that_the_fix_has_held(told) -> None:
    said = conclusion(table(told["after", "no_photo"].case.folder))
    assert said.startswith("Before the fix the farm behaves like the case for an account that has a photo: ")
    assert "After the fix changes are seen for an account that has a photo: " in said


def test_the_manifest_tells_of_it_without_the_account(told) -> None:
    folder = told["after", "no_photo"].case.folder
    kept = json.loads((folder.path / "experiment.json").read_text(encoding="utf-8"))["experiments"]
    manifest = folder.manifest()["experiment"]
    assert [one | {"account": mine["account"]} for one, mine in zip(manifest, kept, strict=True)] == kept
    assert "account" not in manifest[0]


def test_the_journal_of_each_experiment_stays(told) -> None:
    folder = told["after", "no_photo"].case.folder.path
    assert len([*folder.glob("experiment-*.jsonl"), *folder.glob("experiment.jsonl")]) == 4


@every_time
@every_account
def test_a_confirmation_by_file_is_good_for_one_experiment(told, phase, story) -> None:
    assert not told[phase, story].confirmed


def test_once_measured_it_is_not_measured_again_unasked(told) -> None:
    case = told["after", "no_photo"].case
    before = untouched(case)
    case.run()
    assert untouched(case) == before


def test_the_notebook_measures_again_and_says_what_it_found(told) -> None:
    case = told["after", "no_photo"].case
    uploads = case.uploads()
    values = {"apply": True, "restart": True, "confirmed": PAUSED}
    runner.run(case.case, ["60_experiment"], values)
    text = (case.folder.path / "notebooks" / "60_experiment.ipynb").read_text(encoding="utf-8")
    assert "Before the fix the farm behaves like the case" in text
    assert case.uploads() == uploads + 2


# What keeps it from writing.


@pytest.fixture(scope="module")
def practice(start: Callable[[], Practice]) -> Practice:
    """Return a farm on which no test leaves anything behind."""
    return start()


@pytest.fixture
def case(practice: Practice) -> Iterator[ExperimentCase]:
    made = ExperimentCase(practice, somebody(practice.farm, "in_sync"))
    yield made
    for file in made.folder.path.glob("experiment*"):
        file.unlink()


def untouched(case: ExperimentCase) -> tuple[object, ...]:
    return dict(case.profile().properties), case.picture(), case.practice.run_numbers()


@pytest.mark.parametrize("apply", ["false", "true", 1, None])
def test_only_the_boolean_true_starts_it(case, apply) -> None:
    before = untouched(case)
    with pytest.raises(SafetyError, match="only the boolean true starts the experiment"):
        case.run(apply=apply)
    assert (untouched(case), case.journal.path.exists()) == (before, False)


def test_without_apply_the_plan_is_shown_and_nothing_changed(case) -> None:
    before = untouched(case)
    shown = case.run(apply=False)
    assert (untouched(case), case.journal.path.exists()) == (before, False)
    assert (len(shown), set(shown["result"])) == (len(trials.steps(case.case)), {"not run"})


def refused(case: ExperimentCase, kind: type[Exception], match: str, **options) -> None:
    before = untouched(case)
    with pytest.raises(kind, match=match):
        case.run(**options)
    assert untouched(case) == before


def test_schedules_must_be_paused(case) -> None:
    refused(case, SafetyError, "nobody has confirmed that every schedule is paused", confirmed=())


def test_a_run_in_progress_stops_it(case) -> None:
    farm = case.farm
    with farm.engine.disturbances.hold("ADMA") as reached:
        running = threading.Thread(target=farm.engine.execute, args=("ADMA", "DeltaImport"))
        running.start()
        assert reached.wait(10)
        with pytest.raises(SafetyError, match=r"of 'ADMA' \(DeltaImport\) is in progress"):
            case.run()
        farm.engine.disturbances.release("ADMA")
        running.join()
    assert not case.journal.path.exists()


def test_somebody_who_holds_the_lock_is_told(case) -> None:
    with case.folder.locked("the fix"):
        refused(case, LockedError, "for the fix")


def test_a_fix_that_stands_in_the_middle_stops_it(case) -> None:
    case.practice.journal.write("outcome", 9, kind="run", name="sharepoint full_sync", result="ok")
    try:
        refused(case, SafetyError, "the fix stands before its last verification")
    finally:
        case.practice.journal.path.unlink()


def test_the_sign_in_of_somebody_else_is_refused(practice) -> None:
    first, second = (somebody(practice.farm, "in_sync", turn=turn) for turn in range(2))
    case = ExperimentCase(practice, first, signed_in=second)
    refused(case, SafetyError, f"is that of 'contoso\\\\{second.account_name}'")


def test_an_account_that_mim_does_not_read_is_refused(practice) -> None:
    case = ExperimentCase(practice, somebody(practice.farm, "in_sync_reencoded", "Contractors"))
    refused(case, NotFoundError, "is not in the connector space of 'ADMA'")


def test_a_placeholder_could_not_be_put_back(practice) -> None:
    case = ExperimentCase(practice, somebody(practice.farm, "placeholder"))
    refused(case, SafetyError, "could not be put back")


def test_a_case_without_a_test_account_is_told_so(practice) -> None:
    with pytest.raises(CaseError, match="case 'practice' has no test account"):
        sources.as_test_account(practice.case.model_copy(update={"experiment": None}))


# What goes wrong meanwhile.


def test_a_phone_number_that_may_not_be_edited_is_not_measured(case) -> None:
    case.farm.sharepoint.variant = Variant(phone_user_editable=False)
    try:
        case.run()
    finally:
        case.farm.sharepoint.variant = Variant()
    assert case.measured() == {"picture": CASE, "WorkPhone": (NOT_MEASURED, NOT_MEASURED)}
    assert case.results()["write WorkPhone full_import"] == "refused"


def at(number: int, act: Callable[[], object]) -> Callable[[str], None]:
    """Return what to be told by, so that something happens as a step begins."""

    def say(sentence: str) -> None:
        if sentence.startswith(f"{number}. "):
            act()

    return say


UPLOAD = "/_api/SP.UserProfiles.PeopleManager/SetMyProfilePicture"


def test_an_upload_that_is_refused_is_not_measured(case) -> None:
    case.farm.sharepoint.troubles.add(UPLOAD, "status", status=403, times=2)
    case.run()
    assert case.measured() == {"picture": (NOT_MEASURED, NOT_MEASURED), "WorkPhone": BOTH}
    assert experiment.unfinished(case.folder) == ""


def test_what_may_not_be_put_back_is_tried_again(case) -> None:
    picture = case.picture()
    case.run(say=at(16, lambda: case.farm.sharepoint.troubles.add(UPLOAD, "status", status=500, times=1)))
    assert (case.results()["write put_back picture"], experiment.unfinished(case.folder) != "") == (
        "refused",
        True,
    )
    case.run()
    assert (photos.compare(picture, case.picture()).verdict in SAME, experiment.unfinished(case.folder)) == (
        True,
        "",
    )


def test_an_import_without_an_answer_is_waited_for_and_not_begun_again(case) -> None:
    before = case.practice.run_numbers()
    case.run(say=at(4, lambda: case.farm.wsman.faults.arrange("Execute", Trouble.TIMED_OUT)))
    assert (case.practice.runs_after(before), case.measured()["picture"]) == (RUNS, CASE)


def test_an_import_that_stumbles_over_the_test_account_is_not_measured(case) -> None:
    store = case.farm.sharepoint.store
    title = case.profile().properties["Title"]

    def say(sentence: str) -> None:
        if sentence.startswith("4. "):
            store.rewrite(case.account, {"Title": "\x07"})
        elif sentence.startswith("5. "):
            store.rewrite(case.account, {"Title": title})

    case.run(say=say)
    assert case.measured()["picture"] == (NOT_MEASURED, SEEN)


def test_a_run_in_progress_while_something_is_written_makes_the_measurement_worthless(case) -> None:
    engine = case.farm.engine
    running = threading.Thread(target=engine.execute, args=("SPMA", "DeltaImport"))
    with ExitStack() as held:

        def say(sentence: str) -> None:
            if sentence.startswith("3. "):
                reached = held.enter_context(engine.disturbances.hold("SPMA"))
                running.start()
                assert reached.wait(10)
            elif sentence.startswith("4. "):
                held.close()
                running.join()

        case.run(say=say)
    assert case.measured()["picture"] == (NOT_MEASURED, SEEN)


def test_who_had_a_photo_did_not_never_have_one(practice) -> None:
    case = ExperimentCase(practice, somebody(practice.farm, "no_photo"))
    case.farm.sharepoint.store.rewrite(case.account, {"SPS-PictureTimestamp": "63783110969"})
    with pytest.raises(KeyboardInterrupt):
        case.run(say=at(2, interrupt))
    told = next(event for event in case.journal.events() if event["event"] == "outcome")
    case.journal.path.unlink()
    assert told["account_kind"] == "had_a_photo"


def interrupt() -> None:
    raise KeyboardInterrupt


def test_an_import_that_fails_is_not_measured_and_everything_is_put_back(case) -> None:
    phone = case.profile().work_phone
    disturbances = case.farm.engine.disturbances
    case.run(say=at(4, lambda: disturbances.end_next("SPMA", "stopped-extension-dll-exception")))
    assert case.measured() == {"picture": (NOT_MEASURED, SEEN), "WorkPhone": BOTH}
    assert (case.profile().work_phone, case.state()["same"].all()) == (phone, True)


def test_a_run_of_somebody_else_makes_the_measurement_worthless(case) -> None:
    case.run(say=at(4, lambda: case.practice.run("SPMA", "DeltaImport")))
    assert case.measured()["picture"] == (NOT_MEASURED, SEEN)


def test_a_first_import_that_fails_ends_it_before_anything_is_written(case) -> None:
    picture = case.picture()
    case.farm.engine.disturbances.end_next("SPMA", "stopped-connectivity")
    with pytest.raises(SafetyError, match="nothing was changed yet"):
        case.run()
    assert (case.picture(), experiment.unfinished(case.folder)) == (picture, "")


@pytest.mark.parametrize("cached", [False, True])
def test_an_upload_whose_answer_is_lost_is_read_back_and_not_sent_again(practice, cached) -> None:
    """Also where its address goes on to answer with the former picture; then nothing is measured."""
    store = practice.farm.sharepoint.store
    with SeveredLine(practice.farm.sharepoint.url) as line:
        case = ExperimentCase(
            practice, somebody(practice.farm, "in_sync"), url=line.url, my_site=practice.farm.sharepoint.url
        )
        uploads, former = case.uploads(), case.picture()
        severed = Cut(answer=True, head=0.0, body=0.0)
        with pytest.raises(OutcomeUnknownError):
            case.run(say=at(3, lambda: line.cut_next(severed, holding=b"SetMyProfilePicture")))
        assert experiment.unfinished(case.folder)
        if cached:
            store.cache(case.account, former)
        case.run(say=at(6, lambda: store.deliver(case.account, Delivery.WHOLE)))
    expected = (NOT_MEASURED, SEEN) if cached else CASE
    assert (case.uploads() - uploads, case.measured()["picture"]) == (3, expected)
    for file in case.folder.path.glob("experiment*"):
        file.unlink()


def test_another_account_has_to_wait_until_the_first_is_as_it_was(case) -> None:
    with pytest.raises(KeyboardInterrupt):
        case.run(say=at(4, interrupt))
    other = ExperimentCase(case.practice, somebody(case.farm, "no_photo"))
    with pytest.raises(SafetyError, match="the experiment was begun with"):
        other.run()
    case.run()
    assert experiment.unfinished(case.folder) == ""


# A process that dies at every moment.


@dataclass(frozen=True)
class Killed:
    """An experiment whose processes died one after the other."""

    case: ExperimentCase
    moments: tuple[str, ...]
    uploads: int
    runs: list[tuple[str, str]]


REMARKABLE = (1, 2, 3, 4, 5, 9, 15, 16, 17, 18)
"""Of each kind of step one, and all that put things back."""


def unremarkable(case: ExperimentCase) -> Iterator[str]:
    """Yield moments that are like others: before an intent is after an outcome, and looks change nothing."""
    for step in trials.steps(case.case):
        yield f"before intent {step.number}"
        yield f"within outcome {step.number}"
        if step.kind in {"verify", "look"} or step.number not in REMARKABLE:
            yield f"after intent {step.number}"
            yield f"before outcome {step.number}"
        if step.number not in REMARKABLE:
            yield f"after outcome {step.number}"


@pytest.fixture(scope="module")
def killed(start: Callable[[], Practice]) -> Killed:
    practice = start()
    case = ExperimentCase(practice, somebody(practice.farm, "in_sync"))
    uploads, numbers = case.uploads(), practice.run_numbers()
    moments = practice.farm.folder / "moments"
    moments.write_text("".join(f"{moment}\n" for moment in unremarkable(case)))
    subprocess.run(
        [sys.executable, Path(__file__).with_name("experiment_process.py"), case.case_file, moments],
        env={**os.environ, "PYTHONPATH": str(runner.PROJECT)},
        check=True,
    )
    met = tuple(moments.read_text().splitlines())
    return Killed(case, met, case.uploads() - uploads, practice.runs_after(numbers))


def test_a_process_died_around_every_kind_of_step_and_between_them(killed) -> None:
    steps = [step for step in trials.steps(killed.case.case) if step.number in REMARKABLE]
    assert {(step.kind, step.profile) for step in steps} == {
        (step.kind, step.profile) for step in trials.steps(killed.case.case)
    }
    between = {f"after outcome {step.number}" for step in steps}
    acts = [step.number for step in steps if step.kind in {"write", "run"}]
    around = {f"{moment} {number}" for number in acts for moment in ("after intent", "before outcome")}
    assert between | around <= {*killed.moments}


def test_killed_at_every_moment_it_measures_the_same(killed) -> None:
    assert killed.case.measured() == {"picture": CASE, "WorkPhone": BOTH}


def test_killed_at_every_moment_it_does_nothing_twice(killed) -> None:
    assert (killed.uploads, killed.runs) == (3, RUNS)


def test_killed_at_every_moment_it_puts_everything_back(killed) -> None:
    assert killed.case.state()["same"].all()
    assert set(killed.case.results().values()) == {"ok"}


# What the table is taken for.


def rows(fix: str, kind: str, picture: tuple[str, str], *, put_back: bool = True) -> pd.DataFrame:
    pairs = {"picture": picture, "WorkPhone": BOTH}
    return pd.DataFrame(
        [(fix, ACCOUNTS[kind], name, *pair, put_back) for name, pair in pairs.items()], columns=list(COLUMNS)
    )


@pytest.mark.parametrize(
    ("fix", "kind", "picture", "said"),
    [
        ("before", "has_a_photo", CASE, "Before the fix the farm behaves like the case for"),
        (
            "before",
            "has_a_photo",
            BOTH,
            "does not behave like the case, unless this photo never came from AD",
        ),
        ("before", "has_a_photo", (MISSED, MISSED), "the farm does not behave like the case for"),
        ("before", "has_a_photo", (NOT_MEASURED, SEEN), "it is not known whether the farm behaves like"),
        ("before", "never_had_a_photo", BOTH, "Before the fix the farm behaves like the case for"),
        ("before", "never_had_a_photo", CASE, "the farm does not behave like the case for"),
        ("after", "has_a_photo", BOTH, "After the fix changes are seen for"),
        ("after", "has_a_photo", CASE, "After the fix the farm does not see every change for"),
    ],
)
def test_the_conclusion_compares_what_was_measured_with_the_case(fix, kind, picture, said) -> None:
    assert said in conclusion(rows(fix, kind, picture))


def test_the_conclusion_says_so_where_the_account_is_not_as_it_was() -> None:
    assert "NOT as it was" in conclusion(rows("before", "has_a_photo", CASE, put_back=False))


def test_without_an_experiment_there_is_nothing_to_conclude() -> None:
    assert conclusion(pd.DataFrame(columns=list(COLUMNS))) == "Nothing was measured yet."
