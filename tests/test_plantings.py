"""Causes planted on the practice farm: whom they hit, and what can be seen of them over the wire."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from memory_farm import DELTA, FULL, MemoryFarm, case_farm

from kit import case
from kit.benchmarks import diagnosis
from kit.causes import ALL
from kit.environment import PROJECT
from kit.errors import ParameterError
from kit.incidents import parse
from kit.lab import conditions, courses, plantings
from kit.lab import farm as lab
from kit.lab.conditions import CONDITIONS
from kit.lab.farm import Farm
from kit.lab.plantings import PLANTINGS
from kit.lab.population import Person, Story, people
from kit.store import PhotoStore

USERS, SEED = 90, 2

EFFECTS: dict[str, dict[str, Any]] = {
    "sign_in_page_as_picture": {"picture_kind": "login_page"},
    "picture_removed_after_upload": {"picture_kind": "missing", "thumbnails": "-"},
    "picture_may_not_be_read": {"picture_kind": "forbidden", "error_kind": "Rights"},
    "windows_sign_in_fails": {"picture_kind": "forbidden", "sharepoint_connector_space": "unknown"},
    "throttled": {"picture_kind": "unreachable"},
    "certificate_not_trusted": {"picture_kind": "unreachable"},
    "no_picture_in_sharepoint": {"picture_url": ""},
    "picture_file_missing": {"picture_kind": "missing", "thumbnails": "-"},
    "thumbnails_incomplete": {"picture_kind": "missing", "thumbnails": "SL"},
    "imported_without_thumbnails": {"picture_kind": "missing", "thumbnails": "-"},
    "thumbnails_fail_for_claims_account": {"picture_kind": "missing", "thumbnails": "-"},
    "my_site_host_moved": {"picture_kind": "missing", "thumbnails": "-"},
    "managed_path_changed": {"picture_kind": "missing", "thumbnails": "-"},
    "library_language_changed": {"picture_kind": "image", "verdict": "in_sync"},
    "placeholder_as_picture": {"sharepoint": "current", "active_directory": "current"},
    "exchange_overwrites": {
        "exchange_sync_state": 1,
        "directory_photo_side": 48,
        "writer": "another_writer",
        "ad_connector_space": "current",
    },
    "two_profiles": {"picture_url": "", "active_directory": "old"},
    "no_profile": {"in_sharepoint": False},
    "no_account": {"in_directory": False},
    "overlooked_by_full_import": {"sharepoint_connector_space": "old", "pending_import": "none"},
    "delta_import_never_ran": {"sharepoint_connector_space": "old", "full_import_since": False},
    "missed_by_delta_import": {"sharepoint_connector_space": "old", "delta_import_since": True},
    "not_yet_due": {"sharepoint_connector_space": "none", "full_import_since": False},
    "profile_not_imported": {"sharepoint_connector_space": "absent", "ad_connector_space": "old"},
    "import_aborts_on_profile": {"error_kind": "Protocol", "in_sharepoint": True},
    "wrong_domain_prefix": {"in_sharepoint": False, "joined": True},
    "not_joined": {"joined": False, "sharepoint_connector_space": "current"},
    "joined_to_wrong_person": {"joined": True, "sharepoint_objects": 1},
    "rules_extension_fails": {"sharepoint_connector_space": "none", "pending_import": "current"},
    "synchronization_fails": {"sharepoint_connector_space": "none", "pending_import": "current"},
    "provisioned_twice": {"sharepoint_export_operation": "add", "sharepoint_connector_space": "none"},
    "deletions_pending": {"sharepoint_export_operation": "delete"},
    "export_not_permitted": {"pending_export": "current", "active_directory": "none"},
    "photo_too_large": {"pending_export": "current", "active_directory": "none"},
    "export_refused": {"pending_export": "current", "active_directory": "none"},
    "too_large_for_outlook": {"writer": "", "verdict": "in_sync"},
    "overwritten_by_another_writer": {"ad_connector_space": "current", "writer": "another_writer"},
    "domain_controllers_differ": {"ad_connector_space": "current", "writer": "synchronization_service"},
    "outside_directory_agent_scope": {"ad_connector_space": "absent", "in_directory": True},
    "thumbnail_too_small": {"directory_photo_side": 48, "verdict": "in_sync"},
    "site_copy_is_old": {"picture_kind": "image", "verdict": "in_sync"},
    "cached_picture": {"cached_picture": True, "writer": "synchronization_service"},
    "search_index_is_old": {"picture_kind": "image", "verdict": "in_sync"},
    "clocks_disagree": {"picture_kind": "image", "verdict": "in_sync"},
}
"""What is seen of a planted person, by cause; what is no value of one column is tested below."""


class Seen:
    """A farm with every cause that concerns single persons, as the kit sees it."""

    def __init__(self, farm: Farm, folder: Path) -> None:
        self.farm = farm
        with PhotoStore(folder / "photos.sqlite") as store:
            self.observation = diagnosis.observe(case.load(farm.case_file), store)
        self.people = self.observation.people.set_index("account")

    def planted(self, cause: str) -> pd.Series:
        """Return what is seen of the one person of a cause."""
        (person,) = (person for person in self.farm.people if person.planted == cause)
        return self.people.loc[f"contoso\\{person.account_name}"]

    def incidents(self, agent: str, side: str) -> list[str]:
        """Return the error types of one agent's incidents in its last run of each profile."""
        found = self.observation.incidents
        chosen = found[(found["agent"] == agent) & (found["side"] == side)]
        return chosen["error_type"].tolist()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("planted")
    options = {"users": USERS, "seed": SEED, "causes": tuple(PLANTINGS)}
    with lab.start(folder / "farm", **options, outputs=folder, case_id="planted") as farm:
        yield Seen(farm, folder)


# Whom causes are planted on.


def test_every_cause_of_the_diagnosis_can_be_planted_and_no_other() -> None:
    assert {*PLANTINGS, *CONDITIONS} == {cause.name for cause in ALL}


def test_without_causes_people_stay_as_they_are() -> None:
    everyone = people(60, seed=1)
    assert courses.cast(everyone, (), 1, "embedded") == everyone


@pytest.mark.parametrize(("users", "times"), [(299, 1), (300, 2)])
def test_causes_are_planted_twice_on_many_people(users: int, times: int) -> None:
    planted = plantings.plant(people(users, seed=1), PLANTINGS, seed=1)
    assert Counter(person.planted for person in planted if person.planted) == dict.fromkeys(PLANTINGS, times)


def test_a_seed_always_plants_the_same_people() -> None:
    everyone = people(100, seed=1)
    first, again, other = (plantings.plant(everyone, PLANTINGS, seed) for seed in (1, 1, 2))
    assert (first == again, first == other) == (True, False)


def test_only_people_without_a_story_are_planted() -> None:
    everyone = people(100, seed=1)
    planted = plantings.plant(everyone, PLANTINGS, seed=1)
    hit = [before for before, after in zip(everyone, planted, strict=True) if after.planted]
    assert {(person.story, person.organizational_unit) for person in hit} == {(Story.IN_SYNC, "Staff")}


def test_the_stories_have_their_diagnosis() -> None:
    found = {(person.story, person.broken_side): person.cause for person in people(60, seed=1)}
    assert found == {
        (Story.IN_SYNC, ""): "",
        (Story.STALE, ""): "overlooked_by_full_import",
        (Story.SEEN_BY_FULL_IMPORT, ""): "",
        (Story.UPLOADED_SINCE, ""): "not_yet_due",
        (Story.MISSING_IN_AD, ""): "outside_directory_agent_scope",
        (Story.MISSING_IN_SHAREPOINT, ""): "no_picture_in_sharepoint",
        (Story.NO_PHOTO, ""): "no_picture_in_sharepoint",
        (Story.PLACEHOLDER, ""): "placeholder_as_picture",
        (Story.UNREADABLE, "sharepoint"): "sign_in_page_as_picture",
        (Story.UNREADABLE, "directory"): "outside_directory_agent_scope",
        (Story.UNCERTAIN, ""): "outside_directory_agent_scope",
        (Story.IN_SYNC_REENCODED, ""): "",
        (Story.UNMATCHED_DIRECTORY, ""): "no_profile",
        (Story.UNMATCHED_SHAREPOINT, ""): "no_account",
        (Story.UNREADABLE_FOR_KIT, ""): "picture_may_not_be_read",
    }


@pytest.mark.parametrize("cause", CONDITIONS)
def test_what_concerns_the_whole_farm_leaves_no_other_reason_for_an_old_photo(cause: str) -> None:
    afflicted = conditions.afflict(people(60, seed=1), cause)
    stale = {person.cause for person in afflicted if person.expected_before == "stale"}
    assert stale <= {cause}


@pytest.mark.parametrize(
    ("causes", "directory", "told"),
    [
        (("bad_luck",), "embedded", "'bad_luck' cannot be planted"),
        (("throttled",), "samba", "with samba"),
        (("no_import_flow", "throttled"), "embedded", "beside others"),
        (tuple(PLANTINGS), "embedded", f"{len(PLANTINGS)} causes cannot be planted on 20 people"),
    ],
)
def test_what_cannot_be_planted_is_refused(causes: tuple[str, ...], directory: str, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        courses.cast(people(20, seed=1), causes, 1, directory)


def test_the_command_refuses_a_cause_that_it_does_not_know() -> None:
    command = [sys.executable, "-m", "kit", "lab", "--users", "20", "--causes", "throttled,bad_luck"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
    assert (done.returncode != 0, "'bad_luck' cannot be planted" in done.stderr) == (True, True)


# What is seen of them.


def test_everyone_gets_the_verdict_that_was_promised(seen: Seen) -> None:
    promised = {
        f"contoso\\{person.account_name}": (person.planted, person.expected_before)
        for person in seen.farm.people
    }
    found = {
        account: (cause, seen.people.loc[account, "verdict"]) for account, (cause, _) in promised.items()
    }
    assert found == promised


def test_everyone_whom_the_kit_meets_has_an_expected_diagnosis(seen: Seen) -> None:
    assert sorted(seen.farm.diagnoses) == sorted(seen.people.index)


def test_every_planting_promises_an_effect() -> None:
    assert list(EFFECTS) == list(PLANTINGS)


@pytest.mark.parametrize("cause", EFFECTS)
def test_a_planting_has_its_effect(seen: Seen, cause: str) -> None:
    person = seen.planted(cause)
    assert {column: person[column] for column in EFFECTS[cause]} == EFFECTS[cause]


@pytest.mark.parametrize(
    ("cause", "part"),
    [
        ("imported_without_thumbnails", "/User Photos/Profile Pictures/0c37852b-"),
        ("thumbnails_fail_for_claims_account", "/User Photos/Profile Pictures/0c37852b-"),
        ("managed_path_changed", "/my/User%20Photos/"),
        ("library_language_changed", "/Profilbilder/"),
    ],
)
def test_an_address_is_of_the_kind_that_was_planted(seen: Seen, cause: str, part: str) -> None:
    assert part in seen.planted(cause)["picture_url"]


@pytest.mark.parametrize("cause", ["windows_sign_in_fails", "certificate_not_trusted", "my_site_host_moved"])
def test_an_address_names_another_host(seen: Seen, cause: str) -> None:
    assert not seen.planted(cause)["picture_url"].startswith(seen.farm.sharepoint.url)


def test_one_account_is_stored_as_a_claim(seen: Seen) -> None:
    stored = seen.people["profile_account"]
    claimed = stored[stored.str.startswith("i:0#.w|")].index.tolist()
    assert claimed == [seen.planted("thumbnails_fail_for_claims_account").name]


def test_a_second_profile_has_the_mail_of_its_owner(seen: Seen) -> None:
    owner = seen.planted("two_profiles")
    name = owner.name.rpartition("\\")[2]
    assert seen.people.loc[f"i:05.t|adfs|{name}@contoso.example", "work_email"] == owner["mail"]


def test_a_stranger_is_joined_in_the_place_of_a_person(seen: Seen) -> None:
    person = seen.planted("joined_to_wrong_person")
    name = person.name.rpartition("\\")[2]
    assert person["sharepoint_object_account"] == f"i:05.t|fabrikam|{name}"


def test_a_profile_has_the_prefix_of_no_domain(seen: Seen) -> None:
    name = seen.planted("wrong_domain_prefix").name.rpartition("\\")[2]
    assert seen.people.loc[f"wrong\\{name}", "verdict"] == "unmatched"


@pytest.mark.parametrize("copy", ["site_copy", "search_picture"])
def test_a_copy_elsewhere_shows_another_address(seen: Seen, copy: str) -> None:
    cause = {"site_copy": "site_copy_is_old", "search_picture": "search_index_is_old"}[copy]
    differs = seen.people[seen.people[copy].str.contains("_old_")]
    assert differs.index.tolist() == [seen.planted(cause).name]


def test_a_picture_is_from_the_future(seen: Seen) -> None:
    late = seen.people[seen.people["picture_timestamp"] > seen.farm.clock.now()]
    assert late.index.tolist() == [seen.planted("clocks_disagree").name]


@pytest.mark.parametrize(
    ("cause", "column", "least"),
    [("photo_too_large", "sharepoint_bytes", 102_401), ("too_large_for_outlook", "directory_bytes", 10_241)],
)
def test_a_photo_is_large(seen: Seen, cause: str, column: str, least: int) -> None:
    assert seen.planted(cause)[column] >= least


def test_an_earlier_photo_has_an_earlier_stamp(seen: Seen) -> None:
    person = seen.planted("domain_controllers_differ")
    assert 11 > (seen.farm.clock.now() - person["directory_changed_at"]).days >= 7


@pytest.mark.parametrize(
    ("agent", "side", "error_type"),
    [
        ("SPMA", "discovery", "read-error"),
        ("SPMA", "import", "extension-dll-exception"),
        ("ADMA", "export", "permission-issue"),
        ("ADMA", "export", "constraint-violation"),
    ],
)
def test_runs_tell_of_the_errors_that_were_planted(
    seen: Seen, agent: str, side: str, error_type: str
) -> None:
    assert error_type in seen.incidents(agent, side)


# The switches of the synchronization service.


@pytest.fixture
def memory() -> MemoryFarm:
    return case_farm()


def test_the_rules_extension_fails_at_one_object_only(memory: MemoryFarm) -> None:
    memory.upload("anna", b"new photo")
    memory.upload("berta", b"new photo")
    memory.engine.disturbances.fail_synchronizations("SPMA", "extension-dll-exception", ["anna"])
    assert memory.run("SPMA", *DELTA) == ["success", "completed-sync-errors"]
    assert list(memory.pending("ADMA")) == ["berta"]


def test_an_object_synchronises_again_once_the_extension_is_mended(memory: MemoryFarm) -> None:
    memory.engine.disturbances.fail_synchronizations("SPMA", "extension-dll-exception", ["anna"])
    memory.run("SPMA", *FULL)
    memory.engine.disturbances.fail_synchronizations("SPMA", "", ["anna"])
    assert memory.run("SPMA", *FULL) == ["success", "success"]


def test_the_log_of_a_connection_tells_why_a_run_ended(memory: MemoryFarm) -> None:
    told = "The remote server returned an error: (401) Unauthorized."
    memory.engine.disturbances.end_next(
        "SPMA", "stopped-extension-dll-exception", connection="failed-authentication", told=told
    )
    memory.run("SPMA", "FullImport")
    incident = parse(memory.engine.runs("SPMA")[0].details_xml()).iloc[0]
    assert (incident["error_type"], told in incident["detail"]) == ("failed-authentication", True)


def test_the_person_of_the_experiment_is_nobody_who_was_planted(seen: Seen) -> None:
    person: Person | None = seen.farm.test_person
    assert person is None or not person.planted
