"""Causes in the export to Active Directory, and the words of every status, on observations made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.causes import ALL
from kit.causes.failures import explain as explain_failure
from kit.causes.tokens import TOKENS, explain
from kit.observation import Observation
from kit.runs import OK, STATUSES, parse_run_details
from tests.observations import ARRIVED, OVERLOOKED, ago, configuration, observe, run

WAITS = ARRIVED | {"pending_export": "current", "stopped_at": "active_directory"}
EXPORTED = ARRIVED | {"ad_connector_space": "current", "writer": "another_writer"}
CYCLE = [run("SPMA", "FullSync", 2), run("ADMA", "Export", 1.9), run("ADMA", "DeltaImport", 1.8)]


def certainty(name: str, observation: Observation) -> list[str]:
    """Return how surely a cause applies to each person."""
    (cause,) = (one for one in ALL if one.name == name)
    return cause.applies(observation).tolist()


def farm(name: str, observation: Observation) -> str:
    """Return how surely a cause applies to the farm."""
    (cause,) = (one for one in ALL if one.name == name)
    return cause.farm(observation) if cause.farm else ""


def refusal(error_type: str, name: str = "p0") -> dict[str, Any]:
    """Return an export error of the directory agent."""
    where = f"CN={name},DC=contoso,DC=example"
    return {"agent": "ADMA", "side": "export", "error_type": error_type, "dn": where, "run_number": 1}


def test_an_agent_without_an_export_profile_keeps_photos_from_leaving(tmp_path: Path) -> None:
    without = configuration(tmp_path, steps=("Voll", "Delta", "VollSync", "DeltaSync"))
    observation = observe(WAITS, OVERLOOKED, {}, configuration=without, history=CYCLE)

    assert certainty("export_never_runs", observation) == ["confirmed", "probable", ""]
    assert farm("export_never_runs", observation) == "confirmed"


def test_a_history_without_exports_says_that_none_is_run() -> None:
    observation = observe(WAITS, OVERLOOKED, history=[run("ADMA", "DeltaImport", 1)])

    assert certainty("export_never_runs", observation) == ["confirmed", ""]
    assert farm("export_never_runs", observation) == "confirmed"


def test_a_schedule_that_went_on_twice_without_an_export_has_none() -> None:
    once, twice = (
        [run("SPMA", "DeltaSync", 1 - number / 10) for number in range(rounds)] for rounds in (1, 2)
    )

    assert certainty("export_never_runs", observe(WAITS, history=[*CYCLE, *once])) == [""]
    assert certainty("export_never_runs", observe(WAITS, history=[*CYCLE, *twice])) == ["probable"]


@pytest.mark.parametrize(
    ("name", "error_type"),
    [("export_not_permitted", "permission-issue"), ("photo_too_large", "constraint-violation")],
)
def test_an_export_that_was_refused_tells_why(name: str, error_type: str) -> None:
    observation = observe(WAITS, WAITS, {}, incidents=[refusal(error_type)], history=CYCLE)

    assert certainty(name, observation) == ["confirmed", "", ""]
    assert certainty("not_yet_due", observation)[0] == ""


def test_a_refusal_that_a_later_export_overcame_is_over() -> None:
    later = [run("ADMA", "Export", 1, number=2)]
    error = refusal("permission-issue") | {"run_profile": "Export"}

    assert certainty("export_not_permitted", observe(WAITS, incidents=[error], history=later)) == [""]


@pytest.mark.parametrize(("size", "left"), [(102_400, ""), (102_401, "probable")])
def test_a_picture_larger_than_the_directory_takes_is_probably_refused(size: int, left: str) -> None:
    assert certainty("photo_too_large", observe(WAITS | {"sharepoint_bytes": size})) == [left]


@pytest.mark.parametrize(
    ("name", "column", "least", "below"),
    [
        ("too_large_for_outlook", "directory_bytes", 10_241, 10_240),
        ("thumbnail_too_small", "directory_photo_side", 71, 72),
    ],
)
def test_what_only_looks_bad_is_told_of_people_in_sync(
    name: str, column: str, least: int, below: int
) -> None:
    observation = observe({column: least}, {column: below}, OVERLOOKED | {column: least})

    assert certainty(name, observation) == ["confirmed", "", ""]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"directory_changed_at": ago(0.5)}, "confirmed"),
        ({"directory_changed_at": ago(3)}, "suspected"),  # later than the upload, before any export
        ({"directory_changed_at": ago(6)}, ""),
        ({"directory_changed_at": ago(0.5), "writer": "synchronization_service"}, ""),
        ({"directory_changed_at": ago(0.5), "exchange_sync_state": 1}, ""),
        ({"directory_changed_at": ago(0.5), "sharepoint_connector_space": "old"}, ""),
        ({"directory_changed_at": ago(0.5), "picture_timestamp": ago(-1)}, "suspected"),
    ],
)
def test_another_writer_is_blamed_after_an_export_of_the_upload(change: dict[str, Any], left: str) -> None:
    assert certainty("overwritten_by_another_writer", observe(EXPORTED | change, history=CYCLE)) == [left]


def test_a_change_that_did_not_come_back_points_to_another_writer() -> None:
    error = {
        "agent": "ADMA",
        "side": "import",
        "error_type": "exported-change-not-reimported",
        "run_number": 1,
    }
    error |= {"dn": "CN=p0,DC=contoso,DC=example", "detail": "thumbnailPhoto"}
    unwritten = EXPORTED | {"writer": ""}

    assert certainty("overwritten_by_another_writer", observe(unwritten, incidents=[error])) == ["probable"]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"directory_changed_at": ago(8)}, "confirmed"),
        ({"writer": "never_written", "active_directory": "none"}, "confirmed"),
        ({"directory_changed_at": None}, "suspected"),
        ({"directory_changed_at": ago(1)}, ""),
        ({"directory_changed_at": ago(8), "ad_connector_space": "old"}, ""),
        ({"directory_changed_at": ago(8), "active_directory": "current", "verdict": "in_sync"}, ""),
    ],
)
def test_a_controller_that_holds_less_than_was_imported_is_behind(change: dict[str, Any], left: str) -> None:
    behind = EXPORTED | {"writer": "synchronization_service"} | change

    assert certainty("domain_controllers_differ", observe(behind, history=CYCLE)) == [left]


def test_somebody_without_an_object_of_the_directory_agent_is_outside_its_scope() -> None:
    outside = OVERLOOKED | {"ad_connector_space": "absent", "joined": False}
    alone = outside | {"in_sharepoint": False, "verdict": "unmatched"}

    observation = observe(outside, alone, outside | {"verdict": "in_sync"})
    assert certainty("outside_directory_agent_scope", observation) == ["confirmed", "", ""]


@pytest.mark.parametrize(
    ("status", "left"),
    [
        ("success", ""),
        ("completed-no-objects", ""),
        ("completed-warnings", "suspected"),
        ("completed-export-errors", "probable"),
        ("stopped-server", "confirmed"),
        ("no-start-full-import-required", "confirmed"),
        ("stopped-by-gremlins", "suspected"),
    ],
)
def test_the_last_run_of_an_agent_counts(status: str, left: str) -> None:
    history = [
        run("SPMA", "FullImport", 1),
        run("ADMA", "Export", 1, status),
        run("ADMA", "Export", 2, "stopped-ma"),
    ]

    assert farm("run_did_not_complete", observe({}, history=history)) == left


def test_a_failed_export_is_blamed_on_those_who_wait_for_it() -> None:
    observation = observe(WAITS, OVERLOOKED, history=[run("ADMA", "Export", 1, "stopped-connectivity")])

    assert certainty("run_did_not_complete", observation) == ["probable", ""]


def test_no_status_that_is_not_ok_is_without_words() -> None:
    assert set(TOKENS) == {status for status, kind in STATUSES.items() if kind != OK}


def test_every_status_says_what_it_means_for_photos_and_what_to_do() -> None:
    silent = [
        status
        for status, token in TOKENS.items()
        if not (token.meaning and token.consequence and token.remedy)
    ]

    assert silent == []


def test_a_status_that_is_new_is_called_so() -> None:
    assert explain("stopped-by-gremlins").startswith("This status is not documented")


NO_PHOTO_WAITS = OVERLOOKED | {"pending_export": "none"}


@pytest.mark.parametrize("error_type", ["dn-attributes-failure", "kerberos-logon-failure", "brand-new-error"])
def test_any_other_error_of_an_export_keeps_a_waiting_photo_back(error_type: str) -> None:
    people = (WAITS, NO_PHOTO_WAITS | {"account": "contoso\\p0b"})
    errors = [refusal(error_type), refusal(error_type, "p0b")]
    observation = observe(*people, incidents=errors, history=CYCLE)

    assert certainty("export_refused", observation) == ["confirmed", ""]
    (cause,) = (one for one in ALL if one.name == "export_refused")
    assert cause.found is not None
    assert cause.found(observation).startswith(f"2 of {error_type}: ")


@pytest.mark.parametrize("name", ["export_not_permitted", "photo_too_large"])
def test_a_refusal_of_something_else_than_the_photo_is_not_its_cause(name: str) -> None:
    error_type = {"export_not_permitted": "permission-issue"}.get(name, "constraint-violation")

    assert certainty(name, observe(NO_PHOTO_WAITS, incidents=[refusal(error_type)])) == [""]


def test_a_constraint_that_a_small_picture_breaks_is_not_about_its_size() -> None:
    small = observe(WAITS | {"sharepoint_bytes": 5_000}, incidents=[refusal("constraint-violation")])

    assert certainty("photo_too_large", small) == [""]
    assert certainty("export_refused", small) == ["confirmed"]


@pytest.mark.parametrize(("detail", "left"), [("title", ""), ("title; thumbnailPhoto", "probable")])
def test_another_attribute_that_did_not_come_back_is_not_the_photo(detail: str, left: str) -> None:
    error = refusal("exported-change-not-reimported") | {"side": "import", "detail": detail}

    assert certainty("overwritten_by_another_writer", observe(ARRIVED, incidents=[error])) == [left]


def test_exports_under_another_name_are_exports() -> None:
    steps = parse_run_details(
        "<run-history><run-details><ma-name>adma</ma-name><run-number>4</run-number>"
        "<run-profile-name>Schreiben</run-profile-name><step-details><step-description>"
        '<step-type type="export"/></step-description></step-details></run-details></run-history>'
    )
    history = [run("ADMA", "SCHREIBEN", 1, number=4), run("ADMA", "DeltaImport", 1)]
    observation = observe(WAITS, history=history, steps=steps)

    assert certainty("export_never_runs", observation) == [""]
    assert farm("export_never_runs", observation) == ""


def test_a_run_that_failed_before_others_that_ended_well_is_told_of() -> None:
    history = [run("ADMA", "DeltaImport", 1, number=2), run("ADMA", "Export", 2, "stopped-server")]
    (cause,) = (one for one in ALL if one.name == "run_did_not_complete")
    assert cause.found is not None

    assert cause.found(observe({}, history=history)).startswith("The last Export of ADMA ended with stopped-")
    assert farm("run_did_not_complete", observe({}, history=history)) == ""


@pytest.mark.parametrize("side", ["discovery", "import", "export"])
def test_no_error_type_is_without_words(side: str) -> None:
    assert explain_failure(side, "brand-new").endswith("and run it again")
    assert "a documented error" not in explain_failure(side, "")
