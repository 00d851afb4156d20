import pytest
from profile_farm import ANNA, BERIT, CARL, FAULT, running, scripted, signed_in

from kit.errors import ProtocolError, RightsError, UnreachableError
from kit.lab.variant import Variant
from kit.sharepoint import UnreadableProfile, normalise_account


@pytest.fixture
def farm():
    with running() as farm:
        yield farm


@pytest.fixture
def client(farm):
    with signed_in(farm) as opened:
        yield opened


def test_the_walk_meets_everyone_in_record_order(client):
    assert [profile.account_name for profile in client.profiles()] == [ANNA, BERIT, CARL]


def test_the_walk_carries_sparse_record_numbers_forward(client, farm):
    walked = [profile.record for profile in client.profiles()]
    assert walked[1:] == [farm.store.get(BERIT).record, farm.store.get(CARL).record]


def test_the_walk_over_an_empty_farm_is_empty(client, farm):
    for name in (ANNA, BERIT, CARL):
        farm.store.delete(name)
    assert list(client.profiles()) == []


@pytest.mark.parametrize("name", [ANNA, BERIT, CARL])
def test_a_profile_with_an_illegal_character_is_told_and_the_walk_goes_on(client, farm, name):
    farm.store.modify(name, {"Title": "bell\x07"})
    walked = list(client.profiles())
    bad = [found for found in walked if isinstance(found, UnreadableProfile)]
    assert ([found.account for found in walked], [found.account for found in bad]) == (
        [normalise_account(who) for who in (ANNA, BERIT, CARL)],
        [normalise_account(name)],
    )


def test_an_unreadable_profile_has_a_kind_and_a_sentence(client, farm):
    farm.store.modify(BERIT, {"Title": "bell\x07"})
    bad = next(found for found in client.profiles() if isinstance(found, UnreadableProfile))
    assert (bad.error_kind, bad.record, "not XML" in bad.error) == (
        "Protocol",
        farm.store.get(BERIT).record,
        True,
    )


def names(found):
    return [one.account for one in found]


EVERYONE = [normalise_account(name) for name in (ANNA, BERIT, CARL)]


def test_a_farm_that_begins_at_zero_is_walked_whole(client, farm):
    farm.variant = Variant(first_index=0)
    assert names(client.profiles()) == EVERYONE


@pytest.mark.parametrize("leads_on", [False, True])
def test_a_profile_deleted_in_the_middle_of_a_walk_hides_nobody_else(client, farm, leads_on):
    farm.variant = Variant(deleted_records_lead_on=leads_on)
    walk = client.profiles()
    first = next(walk)
    farm.store.delete(BERIT)
    assert names([first, *walk]) == [EVERYONE[0], EVERYONE[2]]


@pytest.mark.parametrize("second", ["i:05.t|adfs|anna@contoso.example", "CONTOSO\\anna "])
def test_two_profiles_of_one_person_are_two_accounts(client, farm, second):
    farm.store.create(second, {"SPS-SavedAccountName": ANNA})
    walked = list(client.profiles())
    assert names(walked) == [*EVERYONE, second.lower()]
    assert len({profile.profile_guid for profile in walked}) == 4


def test_a_walk_needs_manage_profiles_where_the_farm_asks_for_it(farm):
    farm.variant = Variant(guarded=frozenset({"GetUserProfileByIndex"}))
    with signed_in(farm, ANNA) as client, pytest.raises(RightsError, match="Manage Profiles"):
        next(client.profiles())


def test_a_farm_that_dies_in_the_middle_of_a_walk_is_an_error_and_no_end(client, farm):
    walk = client.profiles()
    first = next(walk)
    farm.troubles.add("/_vti_bin/*", "die_after", times=None)
    assert first.account_name == ANNA
    with pytest.raises(UnreachableError, match="could not be reached"):
        list(walk)


# A service that misbehaves


def answered(name, following):
    profile = (
        f"<PropertyData><Name>AccountName</Name><Values><ValueData><Value>{name}</Value></ValueData></Values>"
        "</PropertyData>"
    )
    return response(f"<NextValue>{following}</NextValue><UserProfile>{profile if name else ''}</UserProfile>")


def response(content):
    return (
        f"<GetUserProfileByIndexResponse><GetUserProfileByIndexResult>{content}"
        "</GetUserProfileByIndexResult></GetUserProfileByIndexResponse>"
    )


def test_a_walk_in_circles_is_stopped():
    with (
        scripted(answered("a", 5), answered("b", 3)) as (client, _),
        pytest.raises(ProtocolError, match="from record 5 to 3"),
    ):
        list(client.profiles())


def test_a_fault_for_one_record_does_not_end_the_walk():
    with scripted(answered("a", 5), FAULT, answered("b", -1)) as (client, _):
        assert [(one.account, one.record) for one in client.profiles()] == [("a", -1), ("", 5), ("b", 6)]


def test_fault_after_fault_ends_the_walk_with_its_text():
    with scripted(FAULT) as (client, _), pytest.raises(ProtocolError, match="no index"):
        list(client.profiles())


NOTHING = response("")


def counted(number):
    result = f"<GetUserProfileCountResult>{number}</GetUserProfileCountResult>"
    return f"<GetUserProfileCountResponse>{result}</GetUserProfileCountResponse>"


def asked(calls):
    return [call.partition("<index>")[2].partition("<")[0] for call in calls]


def test_an_answer_without_a_profile_that_says_so_is_the_end():
    with scripted(answered("a", 5), answered("", -1)) as (client, calls):
        assert (names(client.profiles()), asked(calls)) == (["a"], ["-1", "5"])


@pytest.mark.parametrize("following", [0, 5])
def test_an_answer_without_a_profile_that_leads_back_is_a_circle(following):
    with (
        scripted(answered("a", 5), answered("", following), answered("b", -1)) as (client, _),
        pytest.raises(ProtocolError, match=f"from record 5 to {following}: the service turns in circles"),
    ):
        list(client.profiles())


@pytest.mark.parametrize("nothing", ["<GetUserProfileByIndexResponse/>", NOTHING])
def test_an_answer_that_says_nothing_hides_nobody_behind_it(nothing):
    with scripted(answered("a", 2), answered("b", 5), nothing, answered("c", -1)) as (client, calls):
        assert (names(client.profiles()), asked(calls)) == (["a", "b", "c"], ["-1", "2", "5", "6"])


@pytest.mark.parametrize("count", [0, 1])
def test_answers_that_say_nothing_are_the_end_when_everyone_was_met(count):
    with scripted(answered("a", 5), NOTHING, NOTHING, counted(count)) as (client, _):
        assert names(client.profiles()) == ["a"]


def test_answers_that_say_nothing_are_no_end_when_somebody_was_not_met():
    ended = "ended at record 6 without saying so: the farm counts 2 profiles, but the walk met only 1; repeat"
    with scripted(answered("a", 5), NOTHING, NOTHING, counted(2)) as (client, _):
        walk = client.profiles()
        assert next(walk).account == "a"
        with pytest.raises(ProtocolError, match=ended):
            next(walk)


def test_a_farm_that_says_nothing_at_all_is_empty_only_if_it_counts_nobody():
    with scripted(NOTHING, NOTHING, NOTHING, counted(0)) as (client, _):
        assert list(client.profiles()) == []
    with (
        scripted(NOTHING, NOTHING, NOTHING, counted(7)) as (client, _),
        pytest.raises(ProtocolError, match="counts 7 profiles, but the walk met only 0"),
    ):
        list(client.profiles())


def test_an_answer_without_a_profile_that_leads_on_is_not_the_end():
    with scripted(answered("a", 5), answered("", 9), answered("b", -1)) as (client, _):
        assert names(client.profiles()) == ["a", "b"]


def test_answers_that_lead_on_for_ever_end_the_walk():
    script = [answered("", number) for number in range(100)]
    with scripted(*script) as (client, _), pytest.raises(ProtocolError, match="no readable profile"):
        list(client.profiles())


def test_many_profiles_with_illegal_characters_do_not_end_the_walk():
    script = [answered(f"a{number}&#x7;", number) for number in range(40)]
    with scripted(*script, answered("b", -1)) as (client, _):
        assert names(client.profiles()) == [*(f"a{number}" for number in range(40)), "b"]


def test_the_walk_asks_for_minus_one_and_then_for_what_it_was_told():
    with scripted(answered("a", 7), answered("b", -1)) as (client, calls):
        list(client.profiles())
        assert asked(calls) == ["-1", "7"]
