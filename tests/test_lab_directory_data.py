"""What the embedded directory holds besides people, as a plain ldap3 client sees it."""

from contextlib import contextmanager

import ldap3
import people
import pytest

from kit.lab import directory
from kit.lab.domain import Domain

EMEA = Domain("emea.contoso.example", "EMEA")
SHOW_DELETED = [("1.2.840.113556.1.4.417", True, None)]
DELETED_OBJECTS = f"CN=Deleted Objects,{people.BASE}"
GONE = f"CN=Gone,OU=Staff,{people.BASE}"
STAFF = f"CN=Staff 01,OU=Staff,{people.BASE}"


@pytest.fixture
def server(tmp_path):
    running = directory.start(
        people.DOMAIN, people.entries(), people.ACCOUNTS, tmp_path, forest=[people.DOMAIN, EMEA]
    )
    yield running
    running.stop()


@pytest.fixture
def writer(server):
    with connect(server, people.WRITER) as opened:
        yield opened


@pytest.fixture
def reader(server):
    with connect(server) as opened:
        yield opened


@contextmanager
def connect(server, account=people.READER, url=""):
    address = ldap3.Server(url or server.plain_url, get_info=ldap3.NONE)
    opened = ldap3.Connection(address, f"CONTOSO\\{account.name}", account.password, check_names=False)
    opened.bind()
    try:
        yield opened
    finally:
        opened.unbind()


def search(connection, search_filter, base=people.BASE, **options):
    connection.search(base, search_filter, attributes=["*"], **options)
    return [entry for entry in connection.response if entry["type"] == "searchResEntry"]


def delete(writer, name=GONE):
    guid = search(writer, "(objectClass=*)", name)[0]["raw_attributes"]["objectGUID"]
    assert writer.delete(name)
    return guid


def test_a_deleted_object_is_gone_for_an_ordinary_search(writer):
    delete(writer)
    assert search(writer, "(sAMAccountName=gone)") == []


def test_a_deleted_object_is_a_tombstone_below_deleted_objects(writer):
    guid = delete(writer)
    (entry,) = search(writer, "(sAMAccountName=gone)", DELETED_OBJECTS, controls=SHOW_DELETED)
    values = entry["raw_attributes"]
    assert entry["dn"].startswith("CN=Gone\\0ADEL:")
    assert entry["dn"].endswith(f",{DELETED_OBJECTS}")
    assert (values["objectGUID"], values["isDeleted"]) == (guid, [b"TRUE"])
    assert values["lastKnownParent"] == [f"OU=Staff,{people.BASE}".encode()]
    assert not {"thumbnailPhoto", "userPrincipalName", "objectCategory"} & set(values)


def test_a_deletion_counts_as_a_change(writer):
    before = int(search(writer, "(cn=Gone)")[0]["raw_attributes"]["uSNChanged"][0])
    delete(writer)
    (entry,) = search(writer, "(sAMAccountName=gone)", controls=SHOW_DELETED)
    assert int(entry["raw_attributes"]["uSNChanged"][0]) > before


def test_tombstones_are_not_for_readers(writer, reader):
    delete(writer)
    found = search(reader, "(isDeleted=TRUE)", DELETED_OBJECTS, controls=SHOW_DELETED)
    assert [entry["dn"] for entry in found] == [DELETED_OBJECTS]


def test_a_deleted_account_cannot_sign_in(server, writer):
    delete(writer, f"CN=svc-reader,CN=Users,{people.BASE}")
    with connect(server) as opened:
        assert "data 525" in opened.result["message"]


def test_a_reader_may_not_delete(reader):
    reader.delete(GONE)
    assert reader.result["description"] == "insufficientAccessRights"


def test_what_holds_others_is_not_deleted(writer):
    writer.delete(f"OU=Staff,{people.BASE}")
    assert writer.result["description"] == "notAllowedOnNonLeaf"


def test_what_is_deleted_is_no_longer_there_to_be_deleted(writer):
    delete(writer)
    writer.delete(GONE)
    assert writer.result["description"] == "noSuchObject"


def test_a_modification_has_its_precondition_in_itself(writer):
    change = [(ldap3.MODIFY_DELETE, [b"not this one"]), (ldap3.MODIFY_ADD, [b"new"])]
    writer.modify(STAFF, {"thumbnailPhoto": change})
    assert writer.result["description"] == "noSuchAttribute"
    assert search(writer, "(objectClass=*)", STAFF)[0]["raw_attributes"]["thumbnailPhoto"] == [
        people.photo(1)
    ]


def test_the_catalogue_holds_no_photos(server):
    with connect(server, url=server.catalog_url) as opened:
        (entry,) = search(opened, "(cn=Staff 01)")
        assert "thumbnailPhoto" not in entry["raw_attributes"]
        assert search(opened, "(thumbnailPhoto=*)") == []


def test_the_catalogue_is_for_reading(server):
    with connect(server, people.WRITER, server.catalog_url) as opened:
        opened.modify(STAFF, {"department": [(ldap3.MODIFY_REPLACE, ["x"])]})
        assert opened.result["description"] == "unwillingToPerform"


def test_child_domains_and_the_configuration_are_references_away(reader):
    reader.search(people.BASE, "(cn=nobody)")
    assert sorted(entry["uri"][0] for entry in reader.response) == [
        f"ldap://contoso.example/CN=Configuration,{people.BASE}",
        f"ldap://emea.contoso.example/{EMEA.base_dn}",
    ]


def test_only_domains_are_marked_as_such(reader):
    found = search(
        reader, "(systemFlags:1.2.840.113556.1.4.803:=2)", f"CN=Partitions,CN=Configuration,{people.BASE}"
    )
    assert {entry["raw_attributes"]["nETBIOSName"][0] for entry in found} == {b"CONTOSO", b"EMEA"}


def test_a_silent_limit_looks_like_success(tmp_path):
    limited = directory.start(people.DOMAIN, people.entries(), people.ACCOUNTS, tmp_path, silent_limit=5)
    with connect(limited) as opened:
        assert len(search(opened, "(objectClass=user)")) == 5
        assert opened.result["description"] == "success"
    limited.stop()
