"""The kinds of objects, and photos written on a condition: the same on both servers."""

import crowd
import people
import pytest

from kit.errors import ConflictError, ParameterError, RightsError
from kit.ldap import Session
from kit.users import domain_of, parse

NEW, OTHER = people.photo(111), people.photo(112)


def find(directory, account_name, **options):
    (user,) = directory.users(extra_filter=f"(sAMAccountName={account_name})", **options)
    return user


def staff(number):
    return f"CN=Staff {number:02},OU=Staff,{people.BASE}"


def photo(directory, number):
    return find(directory, f"staff{number:02}", photos=True).photo


def test_a_person_is_a_user(full_reader):
    assert find(full_reader, "staff01").kind == "user"


def test_a_disabled_account_is_a_user_too(full_reader):
    gone = find(full_reader, "gone")
    assert (gone.kind, gone.enabled) == ("user", False)


def test_a_user_that_runs_a_service_is_told(full_reader):
    assert find(full_reader, "svc-robot").kind == "service"


def test_a_contact_is_no_user(full_reader):
    assert list(full_reader.users(extra_filter="(cn=Contact)")) == []


def test_contacts_are_read_on_their_own(full_reader):
    (contact,) = full_reader.contacts()
    assert (contact.kind, contact.account, contact.mail) == ("contact", "", "c@partner.example")


def test_a_deleted_user_is_read_by_whoever_may(full_domain, full_writer):
    leaver = find(full_writer, "leaver")
    delete(full_domain, leaver.distinguished_name)
    (deleted,) = full_writer.deleted(extra_filter="(sAMAccountName=leaver)")
    assert (deleted.person, deleted.account) == (leaver.person, "contoso\\leaver")
    assert (deleted.kind, deleted.photo, deleted.display_name) == ("deleted", None, "")
    assert ",CN=Deleted Objects," in deleted.distinguished_name
    assert not list(full_writer.users(extra_filter="(sAMAccountName=leaver)"))


def test_whoever_may_not_sees_no_deleted_users(full_reader):
    assert list(full_reader.deleted()) == []


def delete(server, distinguished_name):
    endpoint = crowd.connect(server, people.WRITER).endpoint
    session = Session(endpoint)
    connection = session.connect()
    connection.delete(distinguished_name)
    assert connection.result["description"] == "success"
    session.close()


def test_a_photo_is_replaced_by_whoever_read_it(full_writer):
    full_writer.replace_photo(staff(1), NEW, current=people.photo(1))
    assert photo(full_writer, 1) == NEW


def test_a_photo_that_somebody_else_replaced_is_kept(full_writer):
    full_writer.replace_photo(staff(2), OTHER, current=people.photo(2))
    with pytest.raises(ConflictError, match=r"Staff 02.*no longer there.*read it again"):
        full_writer.replace_photo(staff(2), NEW, current=people.photo(2))
    assert photo(full_writer, 2) == OTHER


def test_a_photo_that_came_where_none_was_is_kept(full_writer):
    with pytest.raises(ConflictError, match=r"Staff 03.*a value already"):
        full_writer.replace_photo(staff(3), NEW, current=None)
    assert photo(full_writer, 3) == people.photo(3)


def test_a_photo_that_is_gone_is_not_taken_away_again(full_writer):
    full_writer.replace_photo(staff(4), None, current=people.photo(4))
    with pytest.raises(ConflictError, match=r"no photo for .*Staff 04"):
        full_writer.replace_photo(staff(4), None, current=people.photo(4))
    assert photo(full_writer, 4) is None


def test_a_first_photo_is_added(full_writer):
    gone = find(full_writer, "gone").distinguished_name
    full_writer.replace_photo(gone, NEW, current=None)
    assert find(full_writer, "gone", photos=True).photo == NEW


@pytest.mark.parametrize("current", [None, b"", people.photo(5)])
def test_an_empty_value_is_no_photo(full_writer, current):
    with pytest.raises(ParameterError, match=r"0 bytes for .*Staff 05.*give None, which takes it away"):
        full_writer.replace_photo(staff(5), b"", current=current)
    assert photo(full_writer, 5) == people.photo(5)


@pytest.mark.parametrize("same", [None, people.photo(5)])
def test_nothing_to_change_sends_nothing(full_writer, same):
    before = full_writer.highest_usn()
    full_writer.replace_photo(staff(5), same, current=same)
    assert full_writer.highest_usn() == before


def test_a_reader_may_not_write_even_with_the_right_condition(full_reader):
    with pytest.raises(RightsError, match=r"Staff 06.*insufficientAccessRights"):
        full_reader.replace_photo(staff(6), NEW, current=people.photo(6))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"objectClass": [b"top", b"computer", b"msDS-GroupManagedServiceAccount"]}, "service"),
        ({"objectClass": [b"top", b"computer", b"msDS-ManagedServiceAccount"]}, "service"),
        ({"objectClass": [b"top", b"user"], "servicePrincipalName": [b"HTTP/a", b"HTTP/b"]}, "service"),
        ({"objectClass": [b"top", b"contact"]}, "contact"),
        ({"objectClass": [b"top", b"contact"], "isDeleted": [b"TRUE"]}, "deleted"),
        ({"objectClass": [b"top", b"user"], "isDeleted": [b"FALSE"]}, "user"),
        ({}, "user"),
    ],
)
def test_kinds_are_told_by_class_and_names(values, kind):
    assert parse("CN=x", {"objectGUID": [bytes(16)], **values}, "CONTOSO").kind == kind


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("CN=anna,OU=Staff,DC=EMEA,DC=Contoso,DC=example", "dc=emea,dc=contoso,dc=example"),
        ("DC=contoso, DC=example", "dc=contoso,dc=example"),
        ("CN=x\\0ADEL:1,CN=Deleted Objects,DC=contoso,DC=example", "dc=contoso,dc=example"),
        ("CN=nobody", ""),
    ],
)
def test_the_domain_is_in_the_name(name, domain):
    assert domain_of(name) == domain
