import cases
import pandas as pd
import pytest

from kit import drift
from kit.collection import Photos
from kit.drift import judge
from kit.lab import portraits
from kit.schema import VERDICTS

ANNA = portraits.portrait(3)
BERTA = portraits.portrait(8)


def small(photo, size=96):
    return portraits.reencode(photo, size)


def row(directory, sharepoint, *, matched=True, **error):
    rows, _ = judge([Photos("anna", matched, directory, sharepoint, **error)])
    return rows[0]


@pytest.mark.parametrize(
    ("directory", "sharepoint", "verdict"),
    [
        (ANNA, ANNA, "in_sync"),
        (small(ANNA), small(ANNA, 72), "in_sync"),
        (small(BERTA), small(ANNA, 72), "stale"),
        (small(portraits.portrait(3, sitting_seed=99)), small(ANNA, 72), "stale"),
        (None, ANNA, "missing_in_ad"),
        (ANNA, None, "missing_in_sharepoint"),
        (None, None, "no_photo"),
        (ANNA, portraits.silhouette(), "placeholder"),
        (None, portraits.silhouette(), "placeholder"),
        (portraits.silhouette(), None, "placeholder"),
        (ANNA, portraits.login_page(), "unreadable"),
        (portraits.truncated(ANNA), ANNA, "unreadable"),
        (None, portraits.login_page(), "unreadable"),
        (b"", ANNA, "unreadable"),
    ],
)
def test_the_verdict_follows_from_the_photos(directory, sharepoint, verdict):
    assert row(directory, sharepoint)["verdict"] == verdict


def test_what_only_a_person_can_tell_is_uncertain():
    assert row(small(portraits.badge(ANNA)), small(ANNA, 72))["verdict"] == "uncertain"


def test_somebody_in_one_system_only_has_not_drifted():
    assert row(ANNA, None, matched=False)["verdict"] == "unmatched"


def test_a_failure_is_not_drift():
    failed = row(ANNA, BERTA, error_kind="Rights", error="the picture answers 403")
    assert (failed["verdict"], failed["error"]) == ("unknown", "the picture answers 403")


def test_every_verdict_is_one_of_the_vocabulary():
    pictures = [None, ANNA, BERTA, portraits.silhouette(), b"x"]
    everyone = [Photos("x", True, left, right) for left in pictures for right in pictures]
    assert {one["verdict"] for one in judge(everyone)[0]} <= set(VERDICTS)


def test_the_longest_sides_are_told_in_pixels():
    found = row(small(ANNA, 48), small(BERTA, 72))
    assert (found["directory_photo_side"], found["sharepoint_photo_side"]) == (48, 72)


def test_what_is_no_image_has_no_side():
    found = row(portraits.login_page(), None)
    assert (found["directory_photo_side"], found["sharepoint_photo_side"]) == (None, None)


def test_photos_are_known_by_their_hash():
    rows, seen = judge([Photos("anna", True, ANNA, BERTA), Photos("carl", True, ANNA, None)])
    assert set(seen) == {rows[0]["directory_sha256"], rows[0]["sharepoint_sha256"]}
    assert rows[1]["directory_sha256"] == rows[0]["directory_sha256"]


def test_sizes_are_in_bytes_and_missing_without_a_photo():
    found = row(ANNA, None)
    assert (found["directory_bytes"], found["sharepoint_bytes"], found["sharepoint_sha256"]) == (
        len(ANNA),
        None,
        "",
    )


def test_a_comparison_is_told_with_its_numbers():
    found = row(small(ANNA), small(ANNA, 72))
    assert found["comparison"] == "same_picture"
    assert found["distance"] < 40
    assert found["correlation"] > 0.9


def test_without_two_photos_nothing_is_compared():
    found = row(None, ANNA)
    assert (found["comparison"], found["distance"], found["correlation"]) == ("", None, None)


def test_photos_are_not_shown_in_logs():
    assert "\\xff" not in repr(Photos("anna", True, ANNA, BERTA))


def everyone():
    verdicts = ["stale", "stale", "in_sync", "missing_in_ad", "uncertain", "unknown"]
    return cases.people(*({"account": str(number), "verdict": name} for number, name in enumerate(verdicts)))


def test_every_verdict_is_counted_in_its_order():
    counts = drift.counts(everyone())
    assert list(counts) == list(VERDICTS)
    assert (counts["stale"], counts["in_sync"], counts["no_photo"]) == (2, 1, 0)


def test_the_conclusion_is_computed():
    assert drift.conclusion(everyone()) == (
        "2 of 6 people are stale, 1 have no photo in Active Directory yet, 1 are uncertain, "
        "1 could not be read."
    )


def test_whoever_shows_another_picture_or_none_or_perhaps_is_affected():
    people = pd.DataFrame({"verdict": list(VERDICTS)})
    assert set(drift.affected(people)["verdict"]) == {"stale", "missing_in_ad", "uncertain"}
