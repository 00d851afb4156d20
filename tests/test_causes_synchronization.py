"""Causes in MIM's synchronization, on observations made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.causes import ALL
from kit.observation import Observation
from tests.observations import ARRIVED, OVERLOOKED, configuration, observe, run
from tests.saved_site import DIRECTORY, SHAREPOINT

DIRECTORY_FIRST = ((DIRECTORY, "thumbnailPhoto"), (SHAREPOINT, "Picture"))
UNJOINED = ARRIVED | {"joined": False}
FAILED_RULE = {
    "agent": "SPMA",
    "run_number": 3,
    "run_profile": "FullSync",
    "side": "import",
    "error_type": "extension-dll-exception",
    "algorithm_step": "import-flow",
    "dn": "p0",
}


def certainty(name: str, observation: Observation) -> list[str]:
    """Return how surely a cause applies to each person."""
    (cause,) = (one for one in ALL if one.name == name)
    return cause.applies(observation).tolist()


def farm(name: str, observation: Observation) -> str:
    """Return how surely a cause applies to the farm."""
    (cause,) = (one for one in ALL if one.name == name)
    return cause.farm(observation) if cause.farm else ""


def test_two_objects_without_a_join_are_not_joined() -> None:
    absent = UNJOINED | {"ad_connector_space": "absent"}
    unknown = UNJOINED | {"joined": None}

    assert certainty("not_joined", observe(UNJOINED, absent, unknown, ARRIVED)) == ["confirmed", "", "", ""]


def test_the_join_to_another_account_or_to_several_is_a_wrong_one() -> None:
    other = OVERLOOKED | {"sharepoint_object_account": "fabrikam\\p0"}
    own = OVERLOOKED | {"sharepoint_object_account": "CONTOSO\\p1"}
    several = OVERLOOKED | {"sharepoint_objects": 2}

    observation = observe(other, own, several)
    assert certainty("joined_to_wrong_person", observation) == ["confirmed", "", "confirmed"]


def test_a_second_object_that_waits_to_be_added_is_provisioned_twice_and_nothing_else() -> None:
    twice = OVERLOOKED | {"sharepoint_export_operation": "add", "sharepoint_objects": 2}
    newcomer = twice | {"in_sharepoint": False, "verdict": "unmatched"}
    observation = observe(twice, newcomer)

    assert certainty("provisioned_twice", observation) == ["confirmed", ""]
    assert certainty("joined_to_wrong_person", observation) == ["", ""]


def test_an_export_that_met_an_object_that_exists_is_provisioned_twice() -> None:
    error = {"agent": "SPMA", "side": "export", "error_type": "cd-existing-object", "dn": "p0"}

    assert certainty("provisioned_twice", observe(OVERLOOKED, incidents=[error])) == ["confirmed"]


def test_a_pending_deletion_is_told_of_the_person_and_of_the_farm() -> None:
    gone = OVERLOOKED | {"sharepoint_export_operation": "delete", "ad_connector_space": "absent"}
    counters = {"SPMA": {"NumExportDelete": 1}, "ADMA": {"NumExportDelete": 0}}

    assert certainty("deletions_pending", observe(gone, {}, counters=counters)) == ["confirmed", ""]
    assert farm("deletions_pending", observe({}, counters=counters)) == "suspected"
    assert farm("deletions_pending", observe({}, counters={"ADMA": {"NumExportDelete": 4}})) == "confirmed"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("directory_takes_precedence", {"providers": DIRECTORY_FIRST}),
        ("directory_takes_precedence", {"precedence": "equal"}),
        ("no_import_flow", {"providers": ((DIRECTORY, "thumbnailPhoto"),)}),
        ("no_export_flow", {"exports": ()}),
        ("wrong_directory_attribute", {"exports": (("jpegPhoto", "photo"),)}),
        ("photos_flow_both_ways", {"sharepoint_exports": (("Picture", "photo"),)}),
    ],
)
def test_an_obstacle_is_surely_blamed_on_whose_picture_stopped_there(
    tmp_path: Path, name: str, settings: dict[str, Any]
) -> None:
    beyond = ARRIVED | {"pending_export": "current"}
    barred = configuration(tmp_path, **settings)
    observation = observe(ARRIVED, OVERLOOKED, UNJOINED, {}, configuration=barred)

    assert certainty(name, observation) == ["confirmed", "probable", "", ""]
    assert certainty(name, observe(beyond, configuration=barred))[0] in {"", "probable"}
    assert farm(name, observation) == "confirmed"


@pytest.mark.parametrize(
    "name",
    [
        *("directory_takes_precedence", "no_import_flow", "no_export_flow"),
        *("photos_flow_both_ways", "export_never_runs"),
    ],
)
def test_a_configuration_that_nothing_speaks_against_has_no_obstacle(tmp_path: Path, name: str) -> None:
    observation = observe(ARRIVED, OVERLOOKED, configuration=configuration(tmp_path))

    assert certainty(name, observation) == ["", ""]
    assert farm(name, observation) == ""


def test_precedence_does_not_keep_a_photo_from_somebody_who_has_none(tmp_path: Path) -> None:
    first = configuration(tmp_path, providers=DIRECTORY_FIRST)
    empty = ARRIVED | {"verdict": "missing_in_ad", "directory_sha256": ""}

    assert certainty("directory_takes_precedence", observe(empty, configuration=first)) == [""]


@pytest.mark.parametrize(
    ("against", "left"),
    [
        ({}, "confirmed"),
        ({"writer": "another_writer"}, ""),
        ({"writer": ""}, ""),
        ({"directory_version": 0}, ""),
        ({"directory_sha256": "aa"}, ""),
        ({"verdict": "in_sync"}, ""),
    ],
)
def test_a_photo_that_an_export_emptied_was_removed_by_a_null_flow(
    tmp_path: Path, against: dict[str, Any], left: str
) -> None:
    lost = {
        "verdict": "no_photo",
        "directory_sha256": "",
        "directory_version": 3,
        "writer": "synchronization_service",
    }
    nulls = configuration(tmp_path, suppress_deletions="false")

    assert certainty("photo_removed_by_null_flow", observe(lost | against, configuration=nulls)) == [left]


def test_a_flow_that_suppresses_deletions_removed_nothing(tmp_path: Path) -> None:
    lost = {"verdict": "no_photo", "directory_sha256": "", "directory_version": 3}
    lost |= {"writer": "synchronization_service"}
    observation = observe(lost, configuration=configuration(tmp_path))

    assert certainty("photo_removed_by_null_flow", observation) == [""]


def test_whom_the_code_fails_for_is_blamed_on_the_extension() -> None:
    waits = OVERLOOKED | {"pending_import": "current"}
    observation = observe(waits, waits, incidents=[FAILED_RULE])

    assert certainty("rules_extension_fails", observation) == ["confirmed", ""]


def test_code_that_failed_once_and_went_through_since_is_not_blamed() -> None:
    waits = OVERLOOKED | {"pending_import": "current"}
    history = [run("SPMA", "FullSync", 1, "success", 4)]

    observation = observe(waits, incidents=[FAILED_RULE], history=history)
    assert certainty("rules_extension_fails", observation) == [""]


def test_a_synchronization_that_code_broke_off_is_told_of_the_farm() -> None:
    history = [run("SPMA", "FullSync", 1, "stopped-extension-dll-load")]
    waits = OVERLOOKED | {"pending_import": "current"}
    observation = observe(waits, OVERLOOKED, history=history)

    assert certainty("rules_extension_fails", observation) == ["probable", ""]
    assert farm("rules_extension_fails", observation) == "confirmed"


def failure(error_type: str) -> dict[str, Any]:
    """Return an error of a synchronization about the first person."""
    return {"agent": "SPMA", "side": "import", "error_type": error_type, "dn": "p0", "run_number": 1}


@pytest.mark.parametrize("error_type", ["unique-index-violation", "mv-constraint-violation", "brand-new"])
def test_an_error_of_the_rules_keeps_a_photo_that_arrived(error_type: str) -> None:
    beyond = ARRIVED | {"pending_export": "current"}

    assert certainty("synchronization_fails", observe(ARRIVED, incidents=[failure(error_type)])) == [
        "confirmed"
    ]
    for other in (OVERLOOKED, beyond, ARRIVED | {"verdict": "in_sync"}):
        assert certainty("synchronization_fails", observe(other, incidents=[failure(error_type)])) == [""]


@pytest.mark.parametrize("error_type", ["extension-dll-exception", "exported-change-not-reimported"])
def test_errors_with_a_cause_of_their_own_are_not_told_twice(error_type: str) -> None:
    assert certainty("synchronization_fails", observe(ARRIVED, incidents=[failure(error_type)])) == [""]


@pytest.mark.parametrize(
    ("held", "left"),
    [
        ("contoso.example\\p0", ""),
        ("fabrikam.example\\p0", "confirmed"),
        ("contoso\\other", "confirmed"),
    ],
)
def test_a_domain_by_its_dns_name_is_no_other_person(held: str, left: str) -> None:
    observation = observe(OVERLOOKED | {"sharepoint_object_account": held})

    assert certainty("joined_to_wrong_person", observation) == [left]


def test_a_photo_that_an_export_is_about_to_remove_is_lost_to_an_empty_value(tmp_path: Path) -> None:
    doomed = OVERLOOKED | {"removal_pending": True}
    nulls, none = (
        configuration(tmp_path / word, suppress_deletions=word)
        for word in ("false", "true")
        if not (tmp_path / word).mkdir()
    )

    assert certainty("photo_removed_by_null_flow", observe(doomed, configuration=nulls)) == ["probable"]
    assert certainty("photo_removed_by_null_flow", observe(doomed, configuration=none)) == [""]


def test_a_photo_taken_out_of_sharepoint_is_no_null_flow_while_the_directory_has_one(tmp_path: Path) -> None:
    both = configuration(tmp_path, sharepoint_exports=(("Picture", "photo"),), suppress_deletions="false")
    removed = {"verdict": "missing_in_sharepoint", "picture_url": "", "sharepoint_export_operation": "update"}

    assert certainty("photo_removed_by_null_flow", observe(removed, configuration=both)) == [""]
