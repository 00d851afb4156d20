"""Whether a reading is whole, at the size where servers begin to cut."""

import crowd
import people
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.completeness import Roll
from kit.errors import ProtocolError, UnreachableError
from kit.lab import directory as embedded
from kit.users import parse


def test_five_thousand_users_are_read_once_each(full_reader):
    found = [user.account_name for user in full_reader.users() if user.account_name.startswith(crowd.FIRST)]
    assert len(found) == len(set(found)) == crowd.SIZE


def test_a_page_larger_than_the_server_gives_loses_nobody(full_domain):
    with crowd.connect(full_domain, page_size=100_000) as directory:
        found = sum(1 for _ in directory.entries("(sAMAccountName=crowd*)", ["cn"]))
    assert found == crowd.SIZE


def test_a_search_that_silently_stops_at_a_thousand_is_an_error_after_its_last_user(tmp_path):
    server = crowd.start_embedded(tmp_path, silent_limit=1000)
    read = []
    with (
        crowd.connect(server) as directory,
        pytest.raises(ProtocolError, match=r"ended it after 1,000 entries"),
    ):
        read.extend(directory.users())
    server.stop()
    assert len(read) == 1000


@pytest.mark.parametrize("limit", [2, 7, people.STAFF, people.STAFF + 3])
def test_a_silent_limit_of_any_size_is_found(tmp_path, limit):
    server = start(tmp_path, silent_limit=limit)
    with crowd.connect(server) as directory, pytest.raises(ProtocolError, match=f"ended it after {limit} "):
        list(directory.users())
    server.stop()


def test_a_silent_limit_that_nobody_reaches_is_no_matter(tmp_path):
    server = start(tmp_path, silent_limit=people.STAFF + 4)
    with crowd.connect(server) as directory:
        assert len(list(directory.users())) == people.STAFF + 4
    server.stop()


def test_who_is_changed_while_being_read_is_not_missed(tmp_path):
    server = start(tmp_path)
    with crowd.connect(server, page_size=10) as reader, crowd.connect(server, people.WRITER) as writer:
        users = reader.users()
        first = next(users)
        for number in range(people.STAFF):
            name = f"CN=Staff {number:02},OU=Staff,{people.BASE}"
            writer.replace_photo(name, None, current=people.photo(number))
        assert len([first, *users]) == people.STAFF + 4
    server.stop()


def test_a_server_that_dies_after_some_pages_gives_no_whole_result(tmp_path):
    server = start(tmp_path)
    read = []
    with crowd.connect(server, page_size=10) as directory:
        assert directory.netbios_name == "CONTOSO"
        server.drop_after(3)  # the highest sequence number, and two pages
        with pytest.raises(UnreachableError, match="connection was lost"):
            read.extend(directory.users())
    server.stop()
    assert len(read) == 20


def test_a_server_that_died_stays_dead(tmp_path):
    server = start(tmp_path)
    server.drop_after(0)
    with crowd.connect(server) as directory:
        with pytest.raises(UnreachableError, match="connection was lost"):
            directory.highest_usn()
        with pytest.raises(UnreachableError, match="no LDAP connection"):
            directory.highest_usn()
    server.stop()


def start(folder, **switches):
    return embedded.start(people.DOMAIN, people.entries(), people.ACCOUNTS, folder, **switches)


@given(
    numbers=st.lists(st.integers(1, 50), min_size=2, max_size=40),
    limit=st.integers(2, 39),
)
def test_every_limit_that_cuts_is_found_by_one_of_the_halves(numbers, limit):
    everybody = [user(index, number) for index, number in enumerate(numbers)]
    roll = Roll(highest=50)
    for one in everybody[:limit]:
        roll.add(one)
    halves = list(roll.filters())
    if len(everybody) <= limit or not halves:
        return
    middle = int(halves[0].strip("()").partition("<=")[2])
    below = [one.person for one in everybody if one.usn_changed <= middle][:limit]
    above = [one.person for one in everybody if one.usn_changed > middle][:limit]
    seen = {one.person for one in everybody[:limit]}
    assert {*below, *above} - seen


def user(index, number):
    values = {"objectGUID": [index.to_bytes(16, "little")], "uSNChanged": [b"%d" % number]}
    return parse("CN=x", values, "CONTOSO")


def test_a_directory_that_hides_sequence_numbers_is_told_of(caplog):
    roll = Roll(highest=9)
    roll.add(user(1, 0))
    assert list(roll.filters()) == []
    assert "uSNChanged is not readable" in caplog.text


def test_nobody_needs_no_second_look(caplog):
    assert list(Roll(highest=9).filters()) == []
    assert caplog.text == ""
