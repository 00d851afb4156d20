from datetime import timedelta

import pytest
from profile_farm import ANNA, BERIT, CARL, FAULT, photo, running, scripted, signed_in

from kit.errors import ProtocolError, RightsError
from kit.lab.variant import Variant


@pytest.fixture
def farm():
    with running() as farm:
        yield farm


@pytest.fixture
def client(farm):
    with signed_in(farm) as opened:
        yield opened


def test_an_upload_is_logged_by_its_timestamp_alone(client, farm):
    token = client.current_token()
    farm.store.upload(ANNA, photo("blue"))
    changes = client.changes(token).changes
    rows = [(row.account, row.property_name, row.change_types, row.object_types) for row in changes]
    kinds = (frozenset({"Modify"}), frozenset({"SingleValueProperty"}))
    assert rows == [("contoso\\anna", "SPS-PictureTimestamp", *kinds)]


def test_a_first_upload_is_logged_with_the_address(client, farm):
    token = client.current_token()
    farm.store.upload(BERIT, photo("blue"))
    names = {row.property_name for row in client.changes(token).changes}
    assert names == {"PictureURL", "SPS-PictureTimestamp", "SPS-PicturePlaceholderState"}


def test_all_pages_are_drained_in_order(client, farm):
    token = client.current_token()
    for number in range(2, 12):
        farm.store.modify(ANNA, {"WorkPhone": str(number)})
    assert [row.value for row in client.changes(token).changes] == [str(number) for number in range(2, 12)]


def test_the_token_of_an_answer_leads_on(client, farm):
    farm.store.modify(ANNA, {"WorkPhone": "2"})
    token = client.changes().token
    farm.store.modify(ANNA, {"WorkPhone": "3"})
    assert [row.value for row in client.changes(token).changes] == ["3"]


def test_without_a_token_the_whole_log_is_read(client, farm):
    farm.store.delete(CARL)
    found = [
        (row.account, *sorted(row.change_types)) for row in client.changes().changes if not row.property_name
    ]
    assert found == [(f"contoso\\{who}", "Add") for who in ("anna", "berit", "carl")] + [
        ("contoso\\carl", "Delete")
    ]


@pytest.mark.parametrize("token", ["rubbish", "MTs="])
def test_a_refused_token_is_a_gap_and_all_that_is_left_of_the_log(client, token):
    found = client.changes(token)
    assert found.changes == client.changes().changes
    assert "is not valid" in found.gap.reason
    assert client.changes(found.token).gap is None


def test_a_token_expires_after_fourteen_days(client, farm):
    token = client.current_token()
    farm.clock.set_offset(timedelta(days=-60 + 13))
    assert client.changes(token).gap is None
    farm.clock.set_offset(timedelta(days=-60 + 15))
    assert "has expired" in client.changes(token).gap.reason


def test_a_gap_ends_with_the_oldest_change_that_is_left(client, farm):
    token = client.current_token()
    farm.clock.set_offset(timedelta(days=-60 + 5))
    farm.store.modify(ANNA, {"WorkPhone": "2"})
    farm.clock.set_offset(timedelta(days=-60 + 15))
    found = client.changes(token)
    assert [change.value for change in found.changes] == ["2"]
    assert found.gap.until == found.changes[0].time


def test_a_gap_before_an_empty_log_reaches_up_to_now(client, farm):
    token = client.current_token()
    farm.clock.set_offset(timedelta(days=-60 + 15))
    assert (client.changes(token).changes, client.changes(token).gap.until) == ((), None)


def test_the_log_forgets_after_fourteen_days(client, farm):
    farm.clock.set_offset(timedelta(days=-60 + 15))
    assert client.changes().changes == ()


@pytest.mark.parametrize("operation", ["GetChanges", "GetAllChanges", "GetCurrentChangeToken"])
def test_the_log_needs_manage_profiles_where_the_farm_asks_for_it(farm, operation):
    farm.variant = Variant(guarded=frozenset({operation}))
    with signed_in(farm, ANNA) as client, pytest.raises(RightsError, match="Manage Profiles"):
        client.changes("rubbish")


# A service that misbehaves

ROW = "<UserProfileChangeData><Id>1</Id></UserProfileChangeData>"


def page(rows, token, exceeded="false", operation="GetChanges"):
    return (
        f"<{operation}Response><{operation}Result><Changes>{rows}</Changes><ChangeToken>{token}</ChangeToken>"
        f"<HasExceededCountLimit>{exceeded}</HasExceededCountLimit></{operation}Result></{operation}Response>"
    )


@pytest.mark.parametrize("exceeded", ["false", "true"])
def test_a_change_log_without_end_is_stopped(exceeded):
    with (
        scripted(page(ROW, "t", exceeded)) as (client, _),
        pytest.raises(ProtocolError, match="came to no end"),
    ):
        client.changes("t")


@pytest.mark.parametrize("rows", [ROW, ""])
def test_a_change_log_that_goes_in_a_circle_is_stopped(rows):
    pages = [page(rows, token, "true") for token in ("u", "v") * 3]
    with (
        scripted(*pages, FAULT) as (client, calls),
        pytest.raises(ProtocolError, match="came to no end: the service gave the same token twice"),
    ):
        client.changes("t")
    assert len(calls) == 3


def test_an_empty_page_before_the_last_one_is_not_the_end():
    with scripted(page("", "u", "true"), page(ROW, "v"), page("", "v")) as (client, _):
        found = client.changes("t")
    assert ([change.event for change in found.changes], found.token) == ([1], "v")


def test_a_fault_about_missing_rights_is_not_a_gap():
    with (
        scripted(FAULT.replace("no index", "Access is denied.")) as (client, _),
        pytest.raises(RightsError, match="GetChanges"),
    ):
        client.changes("t")


def test_a_service_that_refuses_a_token_it_just_gave_is_broken_and_that_is_no_gap():
    now = "<GetCurrentChangeTokenResponse><GetCurrentChangeTokenResult>u</GetCurrentChangeTokenResult>"
    with (
        scripted(FAULT, f"{now}</GetCurrentChangeTokenResponse>", FAULT) as (client, _),
        pytest.raises(ProtocolError, match="no index"),
    ):
        client.changes("t")
