"""Rules about profiles and their files, on frames made by hand."""

import pytest

from kit.causes import delivery, display, profiles
from tests.observations import MY_SITE, ago, observe

CAUSES = {cause.name: cause for cause in profiles.CAUSES}
READ = {"picture_kind": "image"}
LOGGED = READ | {"change_logged_at": ago(3)}
LOST = {
    "verdict": "missing_in_sharepoint",
    "picture_kind": "missing",
    "sharepoint_sha256": "",
    "thumbnails": "-",
}
FOLDER = "User%20Photos/Profile%20Pictures"
IMPORTED = f"/{FOLDER}/0c37852b-34d0-418e-91c6-2ac25af4be5b_10.jpg"
CLAIM = "i:0#.w|contoso\\p0"


def certainties(observation, row=0):
    found = {name: cause.applies(observation).iloc[row] for name, cause in CAUSES.items()}
    return {name: certainty for name, certainty in found.items() if certainty}


def of(row, *others, **farm):
    return certainties(observe(row, *(others or (LOGGED, READ, READ)), **farm))


@pytest.mark.parametrize("verdict", ["no_photo", "missing_in_sharepoint"])
def test_an_empty_address_is_no_picture(verdict):
    assert of({"verdict": verdict, "picture_url": ""}) == {"no_picture_in_sharepoint": "confirmed"}


def test_a_photo_that_an_export_took_away_is_no_picture_that_never_was():
    removed = {"verdict": "no_photo", "picture_url": "", "writer": "synchronization_service"}
    assert of(removed) == {}


def test_a_lost_picture_without_a_change_in_the_log_was_deleted():
    assert of(LOST) == {"picture_file_missing": "confirmed"}


def test_an_old_one_was_deleted_whatever_the_log_says():
    old = LOST | {"picture_timestamp": ago(20)}
    assert of(old, READ) == {"picture_file_missing": "confirmed"}


@pytest.mark.parametrize("sizes", ["S", "L", "SL"])
def test_other_sizes_tell_an_incomplete_set(sizes):
    assert of(LOST | {"thumbnails": sizes, "change_logged_at": ago(2)}) == {
        "thumbnails_incomplete": "confirmed"
    }


@pytest.mark.parametrize("url", [IMPORTED, MY_SITE + IMPORTED, f"/{FOLDER}/p0_MThumb.jpg"])
@pytest.mark.parametrize(
    ("account", "cause"),
    [("CONTOSO\\p0", "imported_without_thumbnails"), (CLAIM, "thumbnails_fail_for_claims_account")],
)
def test_an_imported_address_is_told_by_its_form(url, account, cause):
    row = LOST | {"picture_url": url, "profile_account": account, "change_logged_at": ago(1)}
    assert of(row) == {cause: "confirmed"}


def test_an_imported_address_that_works_is_a_suspicion_only():
    assert of(READ | {"verdict": "stale", "picture_url": IMPORTED}) == {
        "imported_without_thumbnails": "suspected"
    }


@pytest.mark.parametrize(("my_site", "certainty"), [(MY_SITE, "confirmed"), ("", "probable")])
def test_an_address_on_a_former_host_is_told(my_site, certainty):
    row = LOST | {"picture_url": f"http://former/{FOLDER}/p0_MThumb.jpg", "change_logged_at": ago(1)}
    assert of(row, my_site=my_site) == {"my_site_host_moved": certainty}


def test_a_former_host_that_does_not_answer_is_told():
    silent = {"verdict": "unknown", "picture_kind": "unreachable", "error": "no connection: name not known"}
    assert of(silent | {"picture_url": "http://former/a_MThumb.jpg"}) == {"my_site_host_moved": "confirmed"}


def test_a_picture_that_can_be_read_on_another_host_is_no_move():
    assert of(READ | {"verdict": "stale", "picture_url": "http://former/a_MThumb.jpg"}) == {}


@pytest.mark.parametrize(
    ("my_site", "path"), [(MY_SITE, "/my"), (f"{MY_SITE}/my/", ""), (f"{MY_SITE}:443/my", "/personal")]
)
def test_an_address_below_another_managed_path_is_told(my_site, path):
    row = LOST | {"picture_url": f"{MY_SITE}{path}/{FOLDER}/p0_MThumb.jpg", "change_logged_at": ago(1)}
    assert of(row, {"change_logged_at": ago(1)}, my_site=my_site) == {"managed_path_changed": "confirmed"}


def test_a_path_that_most_pictures_have_is_no_other_one():
    row = LOST | {"picture_url": f"{MY_SITE}/my/{FOLDER}/p0_MThumb.jpg"}
    there = LOGGED | {"picture_url": f"{MY_SITE}/my/{FOLDER}/p1_MThumb.jpg"}
    assert of(row, there) == {"picture_file_missing": "confirmed"}


def test_another_folder_is_told_of_pictures_in_sync():
    other = {"picture_url": f"{MY_SITE}/User%20Photos/Profilbilder/p0_MThumb.jpg"}
    assert of(READ | other) == {"library_language_changed": "confirmed"}
    assert of(READ | other | {"verdict": "stale"}) == {}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"detail": "first placeholder; first: ..."}, {"placeholder_as_picture": "confirmed"}),
        ({"detail": "first and second placeholder; ..."}, {"placeholder_as_picture": "confirmed"}),
        ({"detail": "second placeholder; first: ..."}, {}),
        ({"sharepoint_sha256": ""}, {}),
    ],
)
def test_a_stand_in_counts_where_sharepoint_has_it(row, found):
    assert of(READ | {"verdict": "placeholder"} | row) == found


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"writer": "another_writer", "directory_changed_at": ago(1)}, "confirmed"),
        ({"writer": "another_writer", "directory_changed_at": ago(400)}, "suspected"),
        ({"writer": "before_history", "directory_photo_side": 48}, "probable"),
        ({"directory_photo_side": 96}, "suspected"),
        ({"writer": "synchronization_service", "directory_photo_side": 48}, None),
        ({"writer": "another_writer", "exchange_sync_state": 0}, None),
        ({"writer": "another_writer", "verdict": "in_sync"}, None),
    ],
)
def test_exchange_is_blamed_as_surely_as_the_writer_is_known(row, found):
    owned = READ | {"verdict": "stale", "exchange_sync_state": 1} | row
    assert of(owned).get("exchange_overwrites") == found


SECOND = {
    "account": "old\\p0",
    "in_directory": False,
    "verdict": "unmatched",
    "profile_of": "contoso\\p0",
    "picture_kind": "image",
}


def test_the_owner_of_a_second_profile_with_the_picture_is_told_and_so_is_that_profile():
    seen = observe({"verdict": "missing_in_sharepoint", "picture_url": ""}, SECOND)
    assert certainties(seen, 0) == {"two_profiles": "confirmed"}
    assert certainties(seen, 1) == {"two_profiles": "confirmed"}


def test_an_owner_in_sync_is_not_blamed():
    seen = observe(READ, SECOND)
    assert (certainties(seen, 0), certainties(seen, 1)) == ({}, {"two_profiles": "confirmed"})


def test_two_profiles_of_one_account_are_told_by_their_error():
    error = {"error_kind": "Duplicate", "error": "SharePoint has more than one profile of this account"}
    assert of({"verdict": "unknown"} | error) == {"two_profiles": "confirmed"}


@pytest.mark.parametrize("editable", [True, False, None])
def test_a_picture_that_nobody_may_change_is_a_matter_of_the_farm(editable):
    seen = observe(READ, picture_editable=editable)
    assert CAUSES["picture_not_editable"].farm(seen) == ("confirmed" if editable is False else "")
    assert certainties(seen) == {}


ACCOUNT_ONLY = {"verdict": "unmatched", "in_sharepoint": False, "picture_url": ""}
PROFILE_ONLY = {"verdict": "unmatched", "in_directory": False}


def test_who_is_in_one_system_only_is_told():
    seen = observe(ACCOUNT_ONLY, PROFILE_ONLY)
    assert [certainties(seen, row) for row in (0, 1)] == [
        {"no_profile": "confirmed"},
        {"no_account": "confirmed"},
    ]


def test_a_profile_with_a_wrong_prefix_is_neither_without_account_nor_the_account_without_profile():
    seen = observe(ACCOUNT_ONLY, PROFILE_ONLY, READ)
    seen.people["account"] = ["contoso\\anna", "wrong\\anna", "contoso\\berit"]
    assert [certainties(seen, row) for row in (0, 1)] == [{}, {}]


def test_a_namesake_of_a_known_domain_is_another_person():
    seen = observe(ACCOUNT_ONLY, PROFILE_ONLY, domains=frozenset({"contoso", "fabrikam"}))
    seen.people["account"] = ["contoso\\anna", "fabrikam\\anna"]
    assert certainties(seen, 1) == {"no_account": "confirmed"}


def test_a_disabled_account_whose_photo_has_drifted_is_a_suspicion():
    assert of(READ | {"enabled": False, "verdict": "stale"}) == {"no_account": "suspected"}
    assert of(READ | {"enabled": False}) == {}


def test_nothing_is_known_of_a_farm_that_was_not_looked_at():
    unknown = {"verdict": "stale"}
    assert certainties(observe(unknown, unknown, my_site="")) == {}


@pytest.mark.parametrize(
    "cause", [*delivery.CAUSES, *profiles.CAUSES, *display.CAUSES], ids=lambda one: one.name
)
def test_an_empty_farm_is_no_trouble(cause):
    assert cause.applies(observe()).tolist() == []
