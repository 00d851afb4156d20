from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import profiles
from kit.errors import ProtocolError
from kit.profiles import normalise_account

unhurried = settings(deadline=None)  # the machine may be busy


@pytest.mark.parametrize(
    "name",
    ["CONTOSO\\anna", "contoso\\ANNA", "i:0#.w|contoso\\anna", "I:0#.W|CONTOSO\\Anna", "0#.w|contoso\\anna"],
)
def test_a_windows_account_is_one_identity_in_every_form(name):
    assert normalise_account(name) == "contoso\\anna"


@pytest.mark.parametrize(
    "name",
    [
        "i:05.t|adfs|anna@contoso.example",
        "i:0#.f|members|anna",
        "i:0).w|s-1-5-21-1-2-3-1104",
        "contoso\\anna ",
    ],
)
def test_another_claim_and_a_trailing_blank_are_other_identities(name):
    assert normalise_account(name) == name


@pytest.mark.parametrize("name", ["i:05.t|adfs|anna@contoso.example", "i:0#.f|members|anna"])
def test_what_is_a_claim_already_is_asked_for_as_it_is(name):
    assert profiles.claim(name) == name


@unhurried
@given(st.text())
def test_normalising_an_account_twice_changes_nothing(name):
    assert normalise_account(normalise_account(name)) == normalise_account(name)


@unhurried
@given(st.text(alphabet=st.characters(exclude_characters="|")))
def test_the_claim_and_the_classic_form_are_one_account(name):
    assert normalise_account(profiles.claim(name)) == normalise_account(name)


@unhurried
@given(st.datetimes(min_value=datetime(1, 1, 1)))
def test_picture_timestamps_hold_whole_seconds(time):
    seconds = profiles.picture_seconds(time.replace(tzinfo=UTC))
    assert profiles.picture_time(str(seconds)) == time.replace(microsecond=0, tzinfo=UTC)


json = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["d", "results", "UserProfileProperties", "Key", "Value"]), inner, max_size=3
        )
    ),
)


@unhurried
@given(json)
def test_any_json_is_a_profile_or_none_or_a_kit_error(payload):
    try:
        found = profiles.person(payload)
    except ProtocolError:
        return
    assert found is None or isinstance(found, profiles.Profile)
