from pathlib import Path

import cases
import pytest

from kit.conclusion import conclude, count_rows, of_case
from kit.folder import CaseFolder
from kit.journal import Journal

CHECK = {"check": "bytes kept", "result": "ok"}


@pytest.mark.parametrize(
    ("before", "after", "started", "state"),
    [
        ({}, {}, False, "unknown"),
        ({"stale": 0, "in_sync": 5}, {}, False, "nothing_to_fix"),
        ({"stale": 2}, {}, False, "not_applied"),
        ({"stale": 2}, {}, True, "unfinished"),
        ({"stale": 2}, {"in_sync": 2}, True, "held"),
        ({"stale": 2}, {"stale": 1, "in_sync": 1}, True, "not_held"),
        ({"stale": 2}, {"missing_in_ad": 1, "in_sync": 1}, True, "not_held"),
        ({"stale": 2}, {"unreadable": 1, "in_sync": 1}, True, "not_held"),
        ({"stale": 2, "unknown": 1}, {"unknown": 1, "in_sync": 2}, True, "held"),
    ],
)
def test_state_follows_from_the_counts(
    before: dict[str, int], after: dict[str, int], started: bool, state: str
) -> None:
    assert conclude(before, after, [CHECK], started=started).state == state


def cause(name: str, people: int, *, reset: bool = False, harmless: bool = False) -> dict[str, object]:
    return {
        "cause": name,
        "people": people,
        "remedy_is_reset": reset,
        "harmless": harmless,
        "fix": f"Mend {name}.",
    }


RESET, FLOW = cause("overlooked_by_full_import", 2, reset=True), cause("no_export_flow", 3)


@pytest.mark.parametrize(
    ("before", "findings", "state"),
    [
        ({"stale": 2}, [RESET, FLOW], "not_applied"),
        ({"stale": 2}, [FLOW], "other_cause"),
        ({"missing_in_ad": 2}, [FLOW], "other_cause"),
        ({"in_sync": 2}, [cause("placeholder_as_picture", 1)], "nothing_to_fix"),
        ({"stale": 2}, [cause("cached_picture", 2, harmless=True)], "unexplained"),
        ({"stale": 2}, [], "unexplained"),
    ],
)
def test_what_was_found_out_decides_what_is_to_be_done(
    before: dict[str, int], findings: list[dict[str, object]], state: str
) -> None:
    assert conclude(before, {}, [], started=False, diagnosed={"findings": findings}).state == state


def test_another_cause_is_named_with_what_mends_it() -> None:
    found = conclude(
        {"stale": 2}, {}, [], started=False, diagnosed={"findings": [cause("throttled", 1), FLOW]}
    )
    assert found.reasons == ("No export flow explains 3 people.", "Next: Mend no_export_flow.")


def test_a_cause_of_the_farm_blames_nobody() -> None:
    diagnosed = {"findings": [cause("export_never_runs", 0)]}
    found = conclude({"missing_in_ad": 1}, {}, [], started=False, diagnosed=diagnosed)
    assert found.reasons[0] == "Export never runs explains the farm as a whole."


def test_whom_the_fix_would_mend_is_said_before_it() -> None:
    found = conclude({"stale": 5}, {}, [], started=False, diagnosed={"findings": [RESET, FLOW]})
    assert found.reasons == ("Deleting the SharePoint connector space mends it for 2 people.",)


def test_a_failed_check_is_a_reason_not_to_say_held() -> None:
    found = conclude({"stale": 2}, {"in_sync": 2}, [CHECK, {"check": "x", "result": "failed"}], started=True)
    assert (found.state, found.reasons) == ("not_held", ("1 of 2 checks failed.",))


def test_every_reason_is_given() -> None:
    found = conclude({"stale": 2}, {"stale": 1, "missing_in_ad": 2}, [], started=True)
    assert found.reasons == ("1 person is still stale.", "2 more people than before: missing_in_ad.")


def test_counts_that_were_never_taken_are_not_zero() -> None:
    assert count_rows({"stale": 2}, {})[0]["after"] is None


@pytest.fixture
def folder(tmp_path: Path) -> CaseFolder:
    return CaseFolder(cases.case(tmp_path))


def test_a_new_case_is_not_known_yet(folder: CaseFolder) -> None:
    assert of_case(folder).state == "unknown"


def test_a_case_is_judged_by_its_manifest(folder: CaseFolder) -> None:
    folder.update(counts={"before": {"stale": 2}})
    assert of_case(folder).sentence == "2 people are stale, and nothing has been changed."


def test_a_case_whose_fix_has_begun_is_unfinished(folder: CaseFolder) -> None:
    folder.update(counts={"before": {"stale": 2}})
    Journal(folder.journal).write("intent", 5, kind="run", name="sharepoint full_import")
    assert of_case(folder).state == "unfinished"


def test_a_failed_check_in_the_manifest_counts(folder: CaseFolder) -> None:
    folder.update(counts={"before": {"stale": 2}, "after": {"in_sync": 2}}, checks=[CHECK])
    assert of_case(folder).state == "held"
    folder.update(checks=[CHECK, {**CHECK, "result": "failed"}])
    assert of_case(folder).state == "not_held"
