"""Reading only what has changed, and everything where that cannot be told: the same on both servers."""

import re
from dataclasses import replace

import crowd
import people
import pytest

from kit.directory import Watermark

NEW = people.photo(113)


def test_a_watermark_names_controller_database_and_number(full_reader):
    mark = full_reader.watermark()
    assert mark.controller.startswith("CN=NTDS Settings,CN=DC1,CN=Servers,")
    assert len(mark.invocation_id) == 36
    assert mark.usn == full_reader.highest_usn()


def test_the_first_reading_is_full(full_reader):
    reading = full_reader.changed_since(None)
    assert (reading.full, reading.reason) == (True, "nothing was read before")


def test_nobody_has_changed_since_just_now(full_reader):
    reading = full_reader.changed_since(full_reader.watermark())
    assert (list(reading.users), reading.full, reading.reason) == ([], False, "")


def test_only_who_has_changed_is_read_and_with_the_photo(full_writer):
    mark = full_writer.watermark()
    full_writer.replace_photo(f"CN=Staff 10,OU=Staff,{people.BASE}", NEW, current=people.photo(10))
    reading = full_writer.changed_since(mark, photos=True)
    assert [(user.account_name, user.photo) for user in reading.users] == [("staff10", NEW)]


def test_the_next_watermark_goes_on_from_there(full_writer):
    mark = full_writer.watermark()
    full_writer.replace_photo(f"CN=Staff 11,OU=Staff,{people.BASE}", NEW, current=people.photo(11))
    following = full_writer.changed_since(mark).watermark
    assert following.usn > mark.usn
    assert list(full_writer.changed_since(following).users) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"controller": "CN=NTDS Settings,CN=DC9"}, r"another domain controller answers"),
        ({"invocation_id": "00000000-0000-0000-0000-000000000000"}, r"database .* was restored"),
        ({"usn": 10**12}, r"went back from 1000000000000"),
    ],
)
def test_whatever_makes_numbers_meaningless_makes_the_reading_full(full_reader, change, reason):
    reading = full_reader.changed_since(replace(full_reader.watermark(), **change))
    assert reading.full
    assert re.search(reason, reading.reason)


def test_the_controllers_name_may_be_spelt_otherwise(full_reader):
    mark = full_reader.watermark()
    spelt = Watermark(mark.controller.upper(), mark.invocation_id, mark.usn)
    assert not full_reader.changed_since(spelt).full


def test_where_nobodys_number_is_seen_nobody_seems_unchanged(full_domain):
    with crowd.connect(full_domain, user_filter="(sAMAccountName=nobody)") as directory:
        reading = directory.changed_since(directory.watermark())
    assert (reading.full, reading.reason) == (True, "uSNChanged is seen of nobody")
