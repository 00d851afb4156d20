import pickle
from collections import Counter

import pytest

from kit.errors import ParameterError
from kit.lab.population import (
    LAST_RUN_DAYS_AGO,
    Person,
    Story,
    directory_photo,
    new_photo,
    original_photo,
    people,
)
from kit.photos import compare, fingerprint

EVERYONE = people(300, seed=1)
VERDICTS = {
    "in_sync",
    "stale",
    "missing_in_ad",
    "missing_in_sharepoint",
    "no_photo",
    "placeholder",
    "unreadable",
    "uncertain",
    "unmatched",
    "unknown",
}


def having(story) -> list[Person]:
    return [person for person in EVERYONE if person.story == story]


def test_a_seed_always_makes_the_same_people():
    assert people(300, seed=1) == EVERYONE


def test_another_seed_makes_other_people():
    assert people(300, seed=2) != EVERYONE


@pytest.mark.parametrize("users", [20, 59, 60, 61, 300, 2000])
def test_there_are_as_many_people_as_asked_for(users):
    assert len(people(users, seed=3)) == users


@pytest.mark.parametrize(("users", "least"), [(20, 1), (59, 1), (60, 2), (300, 2)])
def test_every_story_has_its_people(users, least):
    counts = Counter(person.story for person in people(users, seed=3))
    assert min(counts[story] for story in Story) >= least


def test_counts_do_not_depend_on_the_seed():
    first, second = (Counter(person.story for person in people(100, seed=seed)) for seed in (1, 2))
    assert first == second


def test_counts_at_the_default_population():
    counts = Counter(person.story.value for person in EVERYONE)
    assert (counts["in_sync"], counts["stale"], counts["no_photo"]) == (193, 36, 18)


def test_most_people_are_in_sync():
    assert len(having(Story.IN_SYNC)) > len(EVERYONE) / 2


@pytest.mark.parametrize("users", [-1, 0, 19])
def test_too_few_users_are_refused_by_name(users):
    with pytest.raises(ParameterError, match=f"users is {users}"):
        people(users, seed=1)


def test_every_verdict_occurs():
    assert {person.expected_before for person in EVERYONE} == VERDICTS


def test_the_fix_changes_stale_and_recent_uploads_only():
    changed = {person.story for person in EVERYONE if person.expected_before != person.expected_after}
    assert changed == {Story.STALE, Story.UPLOADED_SINCE}


def test_nobody_is_stale_after_the_fix():
    assert "stale" not in {person.expected_after for person in EVERYONE}


@pytest.mark.parametrize("attribute", ["account_name", "display_name", "portrait_seed"])
def test_names_and_portraits_are_unique(attribute):
    everyone = people(3000, seed=1)
    assert len({getattr(person, attribute) for person in everyone}) == 3000


def test_accounts_are_valid():
    accounts = [person.account_name for person in people(3000, seed=1)]
    assert all(
        account.isascii() and account == account.lower() and len(account) <= 20 for account in accounts
    )


@pytest.mark.parametrize("text", ["'", ",", "(", "é", "ø", "山", "-"])
def test_display_names_need_care(text):
    assert any(text in person.display_name for person in EVERYONE)


def test_a_department_needs_escaping_in_xml():
    assert "Research & Development" in {person.department for person in EVERYONE}


def test_uploads_spread_over_twenty_days():
    days = [person.upload_days_ago for person in having(Story.STALE)]
    assert (min(days) < 5, max(days) > 15, max(days) <= 20, min(days) > LAST_RUN_DAYS_AGO) == (True,) * 4


def test_recent_uploads_came_after_the_last_run():
    assert all(0 < person.upload_days_ago < LAST_RUN_DAYS_AGO for person in having(Story.UPLOADED_SINCE))


def test_people_in_sync_never_uploaded():
    assert {person.upload_days_ago for person in having(Story.IN_SYNC)} == {None}


def test_stories_that_stay_are_outside_the_management_agent():
    units = {
        p.organizational_unit
        for s in (Story.MISSING_IN_AD, Story.UNREADABLE, Story.UNCERTAIN)
        for p in having(s)
    }
    assert units == {"Contractors"}


def test_leavers_are_in_sharepoint_only():
    assert {
        (p.organizational_unit, p.in_directory, p.in_sharepoint) for p in having(Story.UNMATCHED_SHAREPOINT)
    } == {("Leavers", False, True)}


def test_service_accounts_and_new_hires_are_in_the_directory_only():
    units = {
        (p.organizational_unit, p.in_directory, p.in_sharepoint) for p in having(Story.UNMATCHED_DIRECTORY)
    }
    assert units == {("Service Accounts", True, False), ("Contractors", True, False)}


def test_photos_break_on_either_side():
    assert {person.broken_side for person in having(Story.UNREADABLE)} == {"sharepoint", "directory"}


def test_a_person_carries_no_photo():
    assert len(pickle.dumps(EVERYONE[0])) < 1500


def test_the_original_photo_is_a_small_jpeg():
    found = fingerprint(original_photo(EVERYONE[0]))
    assert (found.format, found.width, found.height, found.byte_count < 10_000) == ("JPEG", 96, 96, True)


def test_the_new_photo_comes_from_a_camera():
    assert {fingerprint(new_photo(person)).width for person in EVERYONE[:30]} == {300, 360, 420, 480, 600}


def test_a_stale_photo_differs_from_the_upload():
    verdicts = {compare(original_photo(person), new_photo(person)).verdict for person in having(Story.STALE)}
    assert verdicts == {"different"}


@pytest.mark.parametrize(
    ("story", "verdict"),
    [
        (Story.PLACEHOLDER, "placeholder"),
        (Story.IN_SYNC_REENCODED, "same_picture"),
        (Story.UNCERTAIN, "uncertain"),
    ],
)
def test_the_directory_holds_what_the_story_needs(story, verdict):
    person = having(story)[0]
    assert compare(directory_photo(person), new_photo(person)).verdict == verdict


@pytest.mark.parametrize(("side", "kind"), [("directory", "unreadable"), ("sharepoint", "image")])
def test_the_directory_holds_half_a_file_where_that_is_the_story(side, kind):
    person = next(person for person in having(Story.UNREADABLE) if person.broken_side == side)
    assert fingerprint(directory_photo(person)).kind == kind


@pytest.mark.parametrize(
    "story", [Story.NO_PHOTO, Story.MISSING_IN_AD, Story.UPLOADED_SINCE, Story.SEEN_BY_FULL_IMPORT]
)
def test_the_directory_begins_without_a_photo(story):
    assert directory_photo(having(story)[0]) is None
