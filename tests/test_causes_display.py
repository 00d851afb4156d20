"""Rules about what only looks wrong, on frames made by hand."""

from datetime import timedelta

import pytest

from kit.causes import display
from kit.profiles import picture_seconds
from tests.observations import MY_SITE, NOW, ago, observe

CAUSES = {cause.name: cause for cause in display.CAUSES}
FILE = f"{MY_SITE}/User%20Photos/Profile%20Pictures/p0_MThumb.jpg"


def of(row, **farm):
    seen = observe(row, **farm)
    found = {name: cause.applies(seen).iloc[0] for name, cause in CAUSES.items()}
    return {name: certainty for name, certainty in found.items() if certainty}


@pytest.mark.parametrize(
    ("column", "cause"), [("site_copy", "site_copy_is_old"), ("search_picture", "search_index_is_old")]
)
@pytest.mark.parametrize(
    ("address", "is_old"),
    [
        (FILE, False),
        (FILE.replace(MY_SITE, "http://default-zone"), False),
        (FILE.replace("%20", " ").upper().replace("HTTPS", "https"), False),
        (f"{FILE}?t={picture_seconds(ago(5))}", False),
        (f"{FILE}?t={picture_seconds(ago(9))}", True),
        (FILE.replace("Profile%20Pictures", "Profilbilder"), True),
        ("", False),
    ],
)
def test_a_copy_is_old_where_it_names_another_file_or_an_earlier_moment(column, cause, address, is_old):
    assert of({column: address}) == ({cause: "confirmed"} if is_old else {})


def test_copies_of_somebody_who_has_drifted_say_nothing():
    assert of({"verdict": "stale", "site_copy": f"{FILE}?t=1", "search_picture": "http://x/a.jpg"}) == {}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"verdict": "stale", "fresh_sha256": "aa"}, {"cached_picture": "confirmed"}),
        ({"verdict": "stale", "fresh_sha256": "cc"}, {}),
        ({"fresh_sha256": "cc"}, {"cached_picture": "suspected"}),
        ({"fresh_sha256": "cc", "cached_picture": False}, {}),
    ],
)
def test_a_cache_is_harmless_where_the_photo_in_the_directory_is_the_one_behind_it(row, found):
    assert of({"cached_picture": True} | row) == found


@pytest.mark.parametrize(
    ("ahead", "error", "found"),
    [
        (timedelta(hours=2), timedelta(), {"clocks_disagree": "confirmed"}),
        (timedelta(minutes=3), timedelta(), {}),
        (timedelta(hours=2), timedelta(hours=-3), {}),
    ],
)
def test_a_picture_of_the_future_is_told_beyond_the_error_of_the_clocks(ahead, error, found):
    assert of({"picture_timestamp": NOW + ahead}, clock_errors={"sharepoint": error}) == found
