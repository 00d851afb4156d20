"""Rules about the way from the library to whoever downloads a picture, on frames made by hand."""

import pytest

from kit.causes import delivery
from tests.observations import MY_SITE, ago, observe, run

CAUSES = {cause.name: cause for cause in delivery.CAUSES}
READ = {"picture_kind": "image"}
LOST = {
    "verdict": "missing_in_sharepoint",
    "picture_kind": "missing",
    "thumbnails": "-",
    "sharepoint_sha256": "",
}
UNREAD = {"verdict": "unknown", "sharepoint_sha256": ""}
REFUSED = UNREAD | {"picture_kind": "login_page", "error_kind": "SignIn"}
ELSEWHERE = "http://other.contoso.example/User%20Photos/p0_MThumb.jpg"
STOPPED = "stopped-extension-dll-exception"
DENIED = {"agent": "SPMA", "side": "connection", "detail": "error-literal: The remote server returned (401)."}


def certainties(observation):
    """Return what every rule says of the first person."""
    found = {name: cause.applies(observation).iloc[0] for name, cause in CAUSES.items()}
    return {name: certainty for name, certainty in found.items() if certainty}


def of(row, *others, **farm):
    return certainties(observe(row, *(others or (READ, READ, READ)), **farm))


def test_a_sign_in_page_in_the_picture_s_place_is_told():
    page = {"verdict": "unreadable", "picture_kind": "login_page"}
    assert of(page) == {"sign_in_page_as_picture": "confirmed"}


def test_another_web_page_is_probably_one():
    page = {"verdict": "unreadable", "picture_kind": "not_an_image", "detail": "4 bytes: an HTML page"}
    assert of(page) == {"sign_in_page_as_picture": "probable"}


def test_half_a_file_is_no_sign_in_page():
    assert (
        of({"verdict": "unreadable", "picture_kind": "image", "detail": "9 bytes: cannot be decoded"}) == {}
    )


def test_one_refusal_is_no_zone():
    assert of(REFUSED) == {"sign_in_page_as_picture": "confirmed"}


@pytest.mark.parametrize(
    ("history", "certainty"),
    [
        ([run("SPMA", "FullImport", 1, STOPPED)], "confirmed"),
        ([run("SPMA", "FullImport", 1), run("SPMA", "DeltaImport", 2, STOPPED)], "suspected"),
        ([], "probable"),
    ],
)
def test_a_zone_that_refuses_most_is_as_sure_as_the_agent_s_import(history, certainty):
    assert of(REFUSED, REFUSED, READ, history=history) == {"my_site_zone_without_windows_sign_in": certainty}


def test_a_forbidden_picture_where_none_can_be_read_is_less_sure():
    forbidden = UNREAD | {"picture_kind": "forbidden", "error_kind": "Rights", "error": "gave HTTP 403"}
    assert of(forbidden, REFUSED, REFUSED) == {"picture_may_not_be_read": "probable"}


def test_who_has_no_account_has_no_picture_to_deliver():
    assert of(REFUSED | {"verdict": "unmatched", "in_directory": False}) == {}


def test_a_lost_picture_whose_upload_was_logged_was_removed_since():
    assert of(LOST | {"change_logged_at": ago(5)}) == {"picture_removed_after_upload": "confirmed"}


def test_without_a_log_a_recent_upload_makes_it_probable():
    assert of(LOST) == {"picture_removed_after_upload": "probable"}


def test_a_lost_picture_beside_a_log_without_it_was_not_removed_lately():
    assert of(LOST, {"change_logged_at": ago(5)}) == {}


def test_a_forbidden_picture_beside_others_that_are_read_is_told():
    forbidden = UNREAD | {"picture_kind": "forbidden", "error_kind": "Rights", "error": "gave HTTP 403"}
    assert of(forbidden) == {"picture_may_not_be_read": "confirmed"}


def test_a_host_elsewhere_that_takes_nobody_is_told():
    refused = {"picture_kind": "forbidden", "error_kind": "Rights", "error": "sign-in was refused"}
    assert of(UNREAD | refused | {"picture_url": ELSEWHERE}) == {"windows_sign_in_fails": "confirmed"}


def test_a_forbidden_file_elsewhere_is_a_matter_of_rights():
    refused = {"picture_kind": "forbidden", "error_kind": "Rights", "error": "it gave HTTP 403: denied"}
    assert of(UNREAD | refused | {"picture_url": ELSEWHERE}) == {"picture_may_not_be_read": "confirmed"}


@pytest.mark.parametrize(("status", "found"), [(503, {"throttled": "confirmed"}), (500, {})])
def test_a_busy_server_is_told_from_a_broken_one(status, found):
    busy = {"picture_kind": "unreachable", "error_kind": "Unreachable", "error": f"it gave HTTP {status}: no"}
    assert of(UNREAD | busy) == found


def test_a_certificate_is_blamed_for_everybody_of_its_host():
    url = ELSEWHERE.replace("http:", "https:")
    unreachable = UNREAD | {"picture_kind": "unreachable", "error_kind": "Unreachable", "picture_url": url}
    told = unreachable | {"error": "the server's certificate is not trusted"}
    not_asked = unreachable | {"error": f"{url} was not asked"}
    assert of(told) == {"certificate_not_trusted": "confirmed"}
    assert of(not_asked, told) == {"certificate_not_trusted": "probable"}
    assert of(not_asked) == {}


WAITING = {
    "verdict": "stale",
    "picture_kind": "image",
    "full_import_since": False,
    "delta_import_since": False,
}


def test_an_import_that_dies_of_401_while_pictures_can_be_read_is_the_loopback_check():
    broken = {"history": [run("SPMA", "FullImport", 1, STOPPED)], "incidents": [DENIED]}
    assert of(WAITING, READ, **broken) == {"loopback_check": "probable"}


@pytest.mark.parametrize(
    "farm",
    [
        {"history": [run("SPMA", "FullImport", 1, STOPPED)]},
        {"history": [run("SPMA", "FullImport", 1)], "incidents": [DENIED]},
        {"history": [run("SPMA", "FullImport", 1, STOPPED)], "incidents": [DENIED | {"agent": "ADMA"}]},
    ],
    ids=["no 401", "the last import went through", "another agent"],
)
def test_without_its_signs_it_is_not(farm):
    assert of(WAITING, READ, **farm) == {}


def test_an_import_since_the_upload_clears_the_loopback_check_of_this_person():
    broken = {"history": [run("SPMA", "FullImport", 1, STOPPED)], "incidents": [DENIED]}
    assert of(WAITING | {"full_import_since": True}, READ, **broken) == {}


def test_nobody_in_sync_is_blamed():
    logged = {"change_logged_at": ago(1), "picture_url": f"{MY_SITE}/User%20Photos/0.jpg"}
    assert of(READ | logged) == {}


FORBIDDEN = DENIED | {"detail": "error-literal: The remote server returned an error: (403) Forbidden."}


def test_a_zone_that_refuses_the_agent_alone_is_told_by_its_403():
    waiting = READ | {"verdict": "stale", "full_import_since": False, "delta_import_since": False}
    farm = {"history": [run("SPMA", "FULLIMPORT", 1, STOPPED)], "incidents": [FORBIDDEN]}
    found = observe(waiting, READ, READ, **farm)

    assert certainties(found)["my_site_zone_without_windows_sign_in"] == "probable"
    assert "loopback_check" not in certainties(found)
    assert CAUSES["my_site_zone_without_windows_sign_in"].found(found).endswith("was stopped by HTTP 403.")


@pytest.mark.parametrize(("number", "certainty"), [(2, "probable"), (1, "")])
def test_only_the_last_import_tells_of_the_loopback_check(number, certainty):
    history = [run("SPMA", "FullImport", 1, STOPPED, 2), run("SPMA", "FullImport", 2, STOPPED, 1)]
    found = observe(READ, READ, history=history, incidents=[DENIED | {"run_number": number}])

    assert CAUSES["loopback_check"].farm(found) == certainty


def test_a_tls_connection_that_broke_off_is_probably_the_host_s_tls():
    broken = UNREAD | {"picture_kind": "unreachable", "error": "https://x broke the TLS connection off: EOF"}

    assert of(broken | {"picture_url": MY_SITE + "/a_MThumb.jpg"}) == {"certificate_not_trusted": "probable"}


def test_where_the_agent_and_the_kit_both_meet_403_it_may_be_the_zone_or_the_rights():
    forbidden = UNREAD | {"picture_kind": "forbidden", "error": "x gave HTTP 403"}
    farm = {"history": [run("SPMA", "FullImport", 1, STOPPED)], "incidents": [FORBIDDEN]}

    assert certainties(observe(forbidden, forbidden, **farm)) == {
        "my_site_zone_without_windows_sign_in": "suspected",
        "picture_may_not_be_read": "probable",
    }
