"""The embedded directory as a plain ldap3 client sees it."""

import socket
import stat
from contextlib import contextmanager
from datetime import timedelta

import ldap3
import people
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.directory import parse_time
from kit.errors import ProtocolError
from kit.lab import certificates, directory, distinguished_names
from kit.lab.clock import Clock
from kit.lab.domain import Entry
from kit.results import check

ANNA = f"CN=Müller\\, Anna,OU=Staff,{people.BASE}"
PAGED_RESULTS = "1.2.840.113556.1.4.319"
BIT_AND = "1.2.840.113556.1.4.803"
MAX_PAGE_SIZE = 12


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = directory.start(
        people.DOMAIN,
        people.entries(),
        people.ACCOUNTS,
        tmp_path_factory.mktemp("directory"),
        max_page_size=MAX_PAGE_SIZE,
    )
    yield running
    running.stop()


@contextmanager
def connect(server, user=None, password=None):
    opened = ldap3.Connection(
        ldap3.Server(server.plain_url, get_info=ldap3.NONE), user, password, check_names=False
    )
    opened.bind()
    try:
        yield opened
    finally:
        opened.unbind()


@pytest.fixture
def anonymous(server):
    with connect(server) as opened:
        yield opened


@pytest.fixture
def reader(server):
    with connect(server, f"CN=svc-reader,CN=Users,{people.BASE}", people.READER.password) as opened:
        yield opened


@pytest.fixture
def writer(server):
    with connect(server, "CONTOSO\\svc-writer", people.WRITER.password) as opened:
        yield opened


def search(connection, base=people.BASE, search_filter="(objectClass=*)", scope=ldap3.SUBTREE, **options):
    options = {"attributes": ["*"], **options}
    connection.search(base, search_filter, scope, **options)
    return [entry for entry in connection.response if entry["type"] == "searchResEntry"]


def names(found):
    return {entry["raw_attributes"]["name"][0].decode() for entry in found}


def read(connection, distinguished_name=ANNA):
    (entry,) = search(connection, distinguished_name, scope=ldap3.BASE)
    return entry["raw_attributes"]


def page(connection, size, cookie=None):
    found = search(connection, paged_size=size, paged_cookie=cookie)
    return found, connection.result["controls"][PAGED_RESULTS]["value"]["cookie"]


def test_everybody_may_read_the_root(anonymous):
    (root,) = search(anonymous, "", scope=ldap3.BASE)
    values = root["raw_attributes"]
    assert values["defaultNamingContext"] == [people.BASE.encode()]
    assert values["configurationNamingContext"] == [f"CN=Configuration,{people.BASE}".encode()]
    assert values["dnsHostName"] == [b"dc1.contoso.example"]
    assert PAGED_RESULTS.encode() in values["supportedControl"]


def test_ldap3_reads_its_server_information(server):
    with ldap3.Connection(ldap3.Server(server.plain_url, get_info=ldap3.DSA)) as opened:
        assert opened.server.info.supported_ldap_versions == ["3"]


def test_nobody_may_search_before_a_sign_in(anonymous):
    search(anonymous)
    assert anonymous.result["description"] == "operationsError"
    assert anonymous.result["message"].startswith("000004DC: LdapErr")


@pytest.mark.parametrize(
    ("user", "password", "code"),
    [
        ("svc-reader@contoso.example", "wrong", "52e"),
        ("CONTOSO\\staff01", "any", "52e"),
        ("nobody@contoso.example", "any", "525"),
        ("CONTOSO\\gone", people.GONE.password, "533"),
        ("CONTOSO\\gone", "wrong", "52e"),
    ],
)
def test_a_refused_sign_in_says_why_in_active_directorys_words(server, user, password, code):
    with connect(server, user, password) as opened:
        assert opened.result["result"] == 49
        assert opened.result["message"] == (
            f"80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data {code}, v4563"
        )


def test_an_unpaged_search_ends_at_max_page_size(reader):
    assert len(search(reader)) == MAX_PAGE_SIZE
    with pytest.raises(ProtocolError, match="sizeLimitExceeded"):
        check(reader.result, "search")


def test_the_default_max_page_size_is_a_thousand(tmp_path):
    many = [people.user(f"Many {number}", f"many{number}") for number in range(1001)]
    server = directory.start(people.DOMAIN, many, people.ACCOUNTS, tmp_path)
    with connect(server, "CONTOSO\\svc-reader", people.READER.password) as opened:
        assert len(search(opened, attributes=["cn"])) == 1000
    server.stop()


def test_a_clients_own_size_limit_is_kept(reader):
    assert len(search(reader, size_limit=3)) == 3
    assert reader.result["description"] == "sizeLimitExceeded"


def test_a_page_is_never_larger_than_max_page_size(reader):
    assert len(page(reader, 1000)[0]) == MAX_PAGE_SIZE


def test_pages_together_hold_everything_once(reader):
    found, cookie = page(reader, 10)
    while cookie:
        more, cookie = page(reader, 10, cookie)
        found += more
    domain_users_staff_and_accounts = 3 + 2 + people.STAFF + 2
    assert len(found) == len({entry["dn"] for entry in found}) == domain_users_staff_and_accounts


def test_a_cookie_of_another_connection_is_refused(reader, writer):
    _, cookie = page(reader, 10)
    search(writer, paged_size=10, paged_cookie=cookie)
    assert writer.result["description"] == "unavailableCriticalExtension"


def test_an_unknown_critical_control_is_refused(reader):
    search(reader, controls=[("1.2.3.4", True, None)])
    assert reader.result["description"] == "unavailableCriticalExtension"


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (ldap3.BASE, {"Users"}),
        (ldap3.LEVEL, {"svc-reader", "svc-writer"}),
        (ldap3.SUBTREE, {"Users", "svc-reader", "svc-writer"}),
    ],
)
def test_scopes(reader, scope, expected):
    assert names(search(reader, f"CN=Users,{people.BASE}", scope=scope)) == expected


@pytest.mark.parametrize(
    ("search_filter", "expected"),
    [
        ("(sAMAccountName=ANNA.M)", {"Müller, Anna"}),
        ("(displayName=anna MÜLLER)", {"Müller, Anna"}),
        (f"(distinguishedName={ANNA.replace(chr(92), chr(92) + '5c')})", {"Müller, Anna"}),
        ("(sn=*)", {"Müller, Anna"}),
        ("(sAMAccountName=staff0*)", {f"Staff {number:02}" for number in range(10)}),
        ("(sAMAccountName=s*f*07)", {"Staff 07"}),
        ("(sAMAccountName=*taff08)", {"Staff 08"}),
        ("(&(sAMAccountName=staff*)(sAMAccountName=*0))", {"Staff 00", "Staff 10", "Staff 20"}),
        ("(|(sAMAccountName=gone)(sn=müller))", {"Müller, Anna", "Gone"}),
        ("(&(objectCategory=person)(!(department=Support))(!(cn=svc*)))", {"Müller, Anna", "Gone"}),
        ("(objectCategory=organizationalUnit)", {"Staff"}),
        (f"(userAccountControl:{BIT_AND}:=2)", {"Gone"}),
        (f"(&(objectCategory=user)(userAccountControl:{BIT_AND}:=514))", {"Gone"}),
        ("(userAccountControl>=513)", {"Gone"}),
        ("(&(uSNCreated<=5)(objectClass=container))", {"Users"}),
        ("(sAMAccountName=nobody)", set()),
    ],
)
def test_filters(reader, search_filter, expected):
    assert names(search(reader, search_filter=search_filter)) == expected


def test_an_object_is_found_by_its_guid(reader):
    escaped = "".join(f"\\{byte:02x}" for byte in read(reader)["objectGUID"][0])
    assert names(search(reader, search_filter=f"(objectGUID={escaped})")) == {"Müller, Anna"}


def test_an_unknown_matching_rule_is_refused(reader):
    search(reader, search_filter="(cn:1.2.3:=x)")
    assert reader.result["description"] == "inappropriateMatching"


def test_only_the_attributes_asked_for_are_answered(reader):
    (entry,) = search(reader, ANNA, scope=ldap3.BASE, attributes=["SN", "mail"])
    assert set(entry["raw_attributes"]) == {"sn", "mail"}


def test_a_base_that_does_not_exist_names_the_nearest(reader):
    search(reader, f"CN=x,OU=Nowhere,{people.BASE}")
    assert reader.result["description"] == "noSuchObject"
    assert reader.result["dn"] == people.BASE


def test_a_base_that_is_no_name_is_refused(reader):
    search(reader, "nonsense")
    assert reader.result["description"] == "invalidDNSyntax"


def test_the_configuration_is_a_reference_away(reader):
    reader.search(people.BASE, "(cn=Partitions)")
    (reference,) = reader.response
    assert reference["uri"] == [f"ldap://contoso.example/CN=Configuration,{people.BASE}"]


def test_a_new_object_has_what_a_domain_controller_gives_it(reader):
    values = read(reader)
    assert values["cn"] == values["name"] == ["Müller, Anna".encode()]
    assert values["distinguishedName"] == [ANNA.encode()]
    assert values["objectCategory"] == [f"CN=Person,CN=Schema,CN=Configuration,{people.BASE}".encode()]
    assert values["objectSid"][0].startswith(b"\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00")
    assert values["uSNCreated"] == values["uSNChanged"]


def test_every_object_has_a_sid_of_its_own(reader):
    found = search(reader, search_filter="(|(cn=Gone)(sn=*))")
    assert len({entry["raw_attributes"]["objectSid"][0] for entry in found}) == 2


def test_the_same_seed_gives_the_same_guids(reader, tmp_path):
    again = directory.start(people.DOMAIN, people.entries(), people.ACCOUNTS, tmp_path)
    with connect(again, "CONTOSO\\svc-reader", people.READER.password) as opened:
        assert read(opened)["objectGUID"] == read(reader)["objectGUID"]
    again.stop()


def test_times_come_from_the_farms_clock(tmp_path):
    clock = Clock(timedelta(days=-3650))
    server = directory.start(people.DOMAIN, people.entries(), people.ACCOUNTS, tmp_path, clock=clock)
    with connect(server, "CONTOSO\\svc-reader", people.READER.password) as opened:
        changed = parse_time(read(opened)["whenChanged"][0])
    assert timedelta(0) <= clock.now() - changed < timedelta(minutes=1)
    server.stop()


def test_a_modification_counts_as_a_change(writer):
    before = read(writer)
    writer.modify(ANNA, {"department": [(ldap3.MODIFY_REPLACE, ["Marketing"])]})
    after = read(writer)
    assert after["department"] == [b"Marketing"]
    assert int(after["uSNChanged"][0]) > int(before["uSNChanged"][0])


def test_values_are_added_and_deleted_one_by_one(writer):
    staff = f"CN=Staff 03,OU=Staff,{people.BASE}"
    writer.modify(staff, {"otherTelephone": [(ldap3.MODIFY_ADD, ["1", "2"])]})
    writer.modify(staff, {"otherTelephone": [(ldap3.MODIFY_DELETE, ["1"])]})
    assert read(writer, staff)["otherTelephone"] == [b"2"]


def test_an_attribute_is_deleted_as_a_whole(writer):
    staff = f"CN=Staff 04,OU=Staff,{people.BASE}"
    writer.modify(staff, {"thumbnailPhoto": [(ldap3.MODIFY_DELETE, [])]})
    assert "thumbnailPhoto" not in read(writer, staff)


@pytest.mark.parametrize(
    ("attribute", "operation", "value", "expected"),
    [
        ("thumbnailPhoto", ldap3.MODIFY_REPLACE, bytes(102_401), "constraintViolation"),
        ("thumbnailPhoto", ldap3.MODIFY_ADD, b"second", "attributeOrValueExists"),
        ("title", ldap3.MODIFY_DELETE, b"none", "noSuchAttribute"),
        ("objectGUID", ldap3.MODIFY_REPLACE, b"x", "unwillingToPerform"),
    ],
)
def test_what_the_schema_forbids_changes_nothing(writer, attribute, operation, value, expected):
    staff = f"CN=Staff 05,OU=Staff,{people.BASE}"
    before = read(writer, staff)
    writer.modify(staff, {"department": [(ldap3.MODIFY_REPLACE, ["x"])], attribute: [(operation, [value])]})
    assert writer.result["description"] == expected
    assert read(writer, staff) == before


def test_a_photo_that_is_too_large_is_refused_in_active_directorys_words(writer):
    writer.modify(ANNA, {"thumbnailPhoto": [(ldap3.MODIFY_REPLACE, [bytes(102_401)])]})
    assert writer.result["message"].startswith("00002082: AtrErr: ")


def test_a_photo_is_nothing_for_an_organizational_unit(writer):
    writer.modify(f"OU=Staff,{people.BASE}", {"thumbnailPhoto": [(ldap3.MODIFY_REPLACE, [b"x"])]})
    assert writer.result["description"] == "objectClassViolation"
    with pytest.raises(ProtocolError, match=r"class have no such attribute \(objectClassViolation: 0000207D"):
        check(writer.result, "photo")


def test_a_photo_at_the_limit_is_taken(writer):
    staff = f"CN=Staff 06,OU=Staff,{people.BASE}"
    writer.modify(staff, {"thumbnailPhoto": [(ldap3.MODIFY_REPLACE, [bytes(102_400)])]})
    assert read(writer, staff)["thumbnailPhoto"] == [bytes(102_400)]


def test_only_a_directory_writer_may_modify(reader):
    reader.modify(ANNA, {"department": [(ldap3.MODIFY_REPLACE, ["x"])]})
    assert reader.result["description"] == "insufficientAccessRights"


def test_an_account_among_the_people_keeps_its_entry(reader):
    assert read(reader, f"CN=Gone,OU=Staff,{people.BASE}")["sAMAccountName"] == [b"gone"]


def test_missing_containers_are_made(tmp_path):
    deep = Entry(f"CN=Eva,OU=B,OU=A,{people.BASE}", people.user("Eva", "eva").attributes)
    server = directory.start(people.DOMAIN, [deep], people.ACCOUNTS, tmp_path)
    with connect(server, "CONTOSO\\svc-reader", people.READER.password) as opened:
        units = search(opened, search_filter="(objectClass=organizationalUnit)")
    server.stop()
    assert names(units) == {"A", "B"}


def test_what_is_not_ldap_ends_the_connection(server):
    address = ("127.0.0.1", int(server.plain_url.rsplit(":", 1)[1]))
    with socket.create_connection(address, timeout=5) as opened:
        opened.sendall(b"\x16\x03\x01 TLS, say")
        with pytest.raises(ConnectionResetError):
            opened.recv(1)


def test_the_private_key_is_its_owners_alone(tmp_path):
    files = certificates.issue(tmp_path, ["127.0.0.1"])
    assert stat.S_IMODE(files.key_file.stat().st_mode) == 0o600


@given(st.text(st.characters(exclude_characters='\\,=+"<>;#', exclude_categories=["C"]), min_size=1))
def test_every_spelling_of_a_name_is_one_key(value):
    value = value.strip() or "x"
    escaped = "".join(f"\\{byte:02X}" for byte in value.encode())
    assert distinguished_names.key(f"CN={value},DC=x") == distinguished_names.key(f"cn={escaped}, dc=X")
