"""The same cases against the embedded directory and against Samba's domain controller."""

import os
import socket
import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import people
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.directory import Directory, DirectoryUser, parse_time
from kit.endpoint import Endpoint
from kit.errors import (
    CertificateError,
    NotFoundError,
    OutcomeUnknownError,
    ParameterError,
    ProtocolError,
    RightsError,
    SignInError,
    UnreachableError,
)
from kit.lab import certificates, samba
from kit.lab import directory as embedded

ANNA = f"CN=Müller\\, Anna,OU=Staff,{people.BASE}"

CLIENT_OPTIONS = {"base_dn", "clear_text", "page_size", "start_tls", "user_filter"}


def start_embedded(folder):
    return embedded.start(people.DOMAIN, people.entries(), people.ACCOUNTS, folder)


def start_samba(folder):
    if reason := samba.available():
        if os.environ.get("CI"):
            pytest.fail(f"the pipeline must test against Samba: {reason}")
        pytest.skip(reason)
    return samba.start(people.DOMAIN, people.entries(), people.ACCOUNTS, folder)


@pytest.fixture(scope="module", params=[start_embedded, start_samba], ids=["embedded", "samba"])
def server(request, tmp_path_factory):
    running = request.param(tmp_path_factory.mktemp("directory"))
    yield running
    running.stop()


@pytest.fixture
def private_server(tmp_path):
    """Give an embedded directory that the test may disturb."""
    running = start_embedded(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def reader(server):
    with connect(server) as directory:
        yield directory


@pytest.fixture
def writer(server):
    with connect(server, people.WRITER) as directory:
        yield directory


def connect(server, account=people.READER, **options):
    options = {"ca_file": server.ca_file, **options}
    client = {name: options.pop(name) for name in CLIENT_OPTIONS & options.keys()}
    url = options.pop("url", server.url)
    return Directory(Endpoint(url, f"CONTOSO\\{account.name}", account.password, **options), **client)


def find(directory, account_name, *, photos=False):
    (user,) = directory.users(photos=photos, extra_filter=f"(sAMAccountName={account_name})")
    return user


def test_a_user_is_read_with_every_field(reader):
    user = find(reader, "anna.m", photos=True)
    expected = DirectoryUser(
        person=user.person,
        account="contoso\\anna.m",
        account_name="Anna.M",
        distinguished_name=ANNA,
        user_principal_name="Anna.M@contoso.example",
        display_name="Anna Müller",
        department="Sales",
        mail="anna@contoso.example",
        telephone_number="+49 30 1234",
        given_name="Anna",
        surname="Müller",
        enabled=True,
        photo=people.photo(200),
        usn_changed=user.usn_changed,
        when_changed=user.when_changed,
    )
    assert user == expected


def test_the_time_of_the_last_change_is_utc_and_recent(reader):
    age = datetime.now(UTC) - find(reader, "anna.m").when_changed
    assert abs(age) < timedelta(minutes=10)


def test_a_disabled_account_is_told(reader):
    assert not find(reader, "gone").enabled


def test_absent_text_is_empty(reader):
    assert find(reader, "gone").department == ""


def test_photos_come_only_when_asked_for(reader):
    assert find(reader, "anna.m").photo is None


def test_users_beyond_one_page_are_all_read_once(server):
    with connect(server, page_size=10) as directory:
        names = [user.account_name for user in directory.users()]
    expected = {f"staff{number:02}" for number in range(people.STAFF)}
    assert sorted(name for name in names if name.startswith("staff")) == sorted(expected)


def test_photos_are_read_by_person(reader):
    users = {user.account_name: user.person for user in reader.users()}
    people_wanted = [users["Anna.M"], users["gone"], users["staff03"]]
    found = dict(reader.photos(people_wanted, batch=2))
    assert found == dict(zip(people_wanted, [people.photo(200), None, people.photo(3)], strict=True))


def test_a_person_who_is_not_in_the_directory_is_left_out(reader):
    assert list(reader.photos(["00000000-0000-0000-0000-000000000001"])) == []


def test_only_who_is_in_the_directory_is_present(reader):
    anna = find(reader, "anna.m").person
    assert list(reader.present([anna, "00000000-0000-0000-0000-000000000001"], batch=1)) == [anna]


def test_a_person_that_is_no_guid_is_named(reader):
    with pytest.raises(ParameterError, match=r"'contoso.*anna'"):
        list(reader.photos(["contoso\\anna"]))


def test_base_dn_comes_from_the_root(reader):
    assert reader.base_dn == people.BASE


def test_users_outside_the_base_are_not_read(server):
    with connect(server, base_dn=f"OU=Staff,{people.BASE}") as directory:
        names = {user.account_name for user in directory.users()}
    assert people.READER.name not in names


def test_netbios_name_comes_from_the_partitions(reader):
    assert reader.netbios_name == "CONTOSO"


def test_an_extra_filter_narrows_the_users(reader):
    sales = [user.account_name for user in reader.users(extra_filter="(department=sales)")]
    assert sales == ["Anna.M"]


def test_a_filter_that_cannot_be_parsed_is_the_callers_fault(reader):
    with pytest.raises(ParameterError, match="department"):
        list(reader.users(extra_filter="(department="))


@pytest.mark.parametrize(
    "username", [f"svc-reader@{people.DOMAIN.dns_name}", f"CN=svc-reader,CN=Users,{people.BASE}"]
)
def test_other_forms_of_the_account_name_sign_in(server, username):
    with Directory(
        Endpoint(server.url, username, people.READER.password, ca_file=server.ca_file)
    ) as directory:
        assert directory.base_dn == people.BASE


def test_start_tls_protects_the_plain_port(server):
    with connect(server, url=server.plain_url, start_tls=True) as directory:
        assert find(directory, "anna.m").display_name == "Anna Müller"


def test_a_wrong_password_is_told_without_showing_it(server):
    with (
        connect(server, replace(people.READER, password="not-this-one")) as directory,
        pytest.raises(SignInError, match=r"svc-reader.*password is wrong") as caught,
    ):
        directory.highest_usn()
    assert "not-this-one" not in str(caught.value)


def test_an_empty_password_is_not_taken_for_a_sign_in(server):
    with (
        connect(server, replace(people.READER, password="")) as directory,
        pytest.raises(SignInError, match="password is empty"),
    ):
        directory.highest_usn()


def test_a_disabled_account_is_refused_with_its_reason(server):
    with connect(server, people.GONE) as directory, pytest.raises(SignInError, match="disabled"):
        directory.highest_usn()


def test_a_wrong_base_dn_names_itself_and_the_right_one(server):
    with (
        connect(server, base_dn=f"OU=Nowhere,{people.BASE}") as directory,
        pytest.raises(NotFoundError, match=f"'OU=Nowhere,{people.BASE}'.*use '{people.BASE}'"),
    ):
        list(directory.users())


def test_an_untrusted_certificate_is_refused(server):
    with connect(server, ca_file=None) as directory, pytest.raises(CertificateError, match="ca_file"):
        directory.highest_usn()


def test_an_untrusted_certificate_is_refused_under_start_tls(server):
    with (
        connect(server, url=server.plain_url, start_tls=True, ca_file=None) as directory,
        pytest.raises(CertificateError, match="ca_file"),
    ):
        directory.highest_usn()


def test_the_check_can_be_switched_off_by_name(server):
    with connect(server, ca_file=None, verify_tls=False) as directory:
        assert directory.base_dn == people.BASE


def test_a_missing_ca_file_is_named(server, tmp_path):
    with (
        connect(server, ca_file=tmp_path / "absent.pem") as directory,
        pytest.raises(CertificateError, match=r"absent\.pem"),
    ):
        directory.highest_usn()


def test_a_photo_beyond_the_schemas_limit_is_refused_with_its_size(writer):
    named = r"102,401 bytes.*Anna.*(constraintViolation|invalidAttributeSyntax).*102,400 bytes"
    with pytest.raises(ProtocolError, match=named):
        writer.replace_photo(ANNA, bytes(102_401), current=people.photo(200))
    assert find(writer, "anna.m", photos=True).photo == people.photo(200)


def test_a_write_without_the_right_is_refused(reader):
    with pytest.raises(RightsError, match=r"Staff 07.*insufficientAccessRights"):
        reader.replace_photo(f"CN=Staff 07,OU=Staff,{people.BASE}", b"new", current=people.photo(7))


def test_a_written_photo_is_read_back(writer):
    writer.replace_photo(f"CN=Staff 01,OU=Staff,{people.BASE}", people.photo(99), current=people.photo(1))
    assert find(writer, "staff01", photos=True).photo == people.photo(99)


def test_a_photo_can_be_taken_away(writer):
    writer.replace_photo(f"CN=Staff 02,OU=Staff,{people.BASE}", None, current=people.photo(2))
    assert find(writer, "staff02", photos=True).photo is None


def test_a_write_raises_the_users_sequence_number(writer):
    before = find(writer, "staff04").usn_changed
    writer.replace_photo(f"CN=Staff 04,OU=Staff,{people.BASE}", people.photo(98), current=people.photo(4))
    assert before < find(writer, "staff04").usn_changed <= writer.highest_usn()


def test_a_photo_for_nobody_is_refused(writer):
    with pytest.raises(NotFoundError, match="CN=Nobody"):
        writer.replace_photo(f"CN=Nobody,OU=Staff,{people.BASE}", b"new", current=None)


@pytest.mark.parametrize("server", [start_samba], ids=["samba"], indirect=True)
def test_samba_wants_tls_for_a_password(server):
    with (
        connect(server, url=server.plain_url, clear_text=True) as directory,
        pytest.raises(SignInError, match=r"strongerAuthRequired.*ldaps://"),
    ):
        directory.highest_usn()


def test_a_closed_port_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (
        Directory(Endpoint(f"ldaps://127.0.0.1:{port}", "anna", "password")) as directory,
        pytest.raises(UnreachableError, match=str(port)),
    ):
        directory.highest_usn()


def test_a_name_that_does_not_resolve_is_named():
    with (
        Directory(Endpoint(f"ldaps://{'x' * 64}.invalid", "anna", "password")) as directory,
        pytest.raises(UnreachableError, match="does not resolve"),
    ):
        directory.highest_usn()


def test_ldaps_at_a_plain_port_is_told(private_server):
    with (
        connect(private_server, url=private_server.plain_url.replace("ldap:", "ldaps:")) as directory,
        pytest.raises(UnreachableError, match="no TLS there"),
    ):
        directory.highest_usn()


def test_a_certificate_for_another_name_is_refused(tmp_path):
    files = certificates.issue(tmp_path, ["other.example", "127.0.0.9"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate_file, files.key_file)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse_one, args=(listener, context))
        thread.start()
        url = f"ldaps://127.0.0.1:{listener.getsockname()[1]}"
        with (
            Directory(Endpoint(url, "anna", "password", ca_file=files.ca_file)) as directory,
            pytest.raises(CertificateError, match="host name that the certificate holds"),
        ):
            directory.highest_usn()
        thread.join()


def refuse_one(listener, context):
    connection, _ = listener.accept()
    with pytest.raises(ssl.SSLError), connection:
        context.wrap_socket(connection, server_side=True)


def test_a_read_survives_a_connection_that_was_dropped(private_server):
    with connect(private_server) as directory:
        before = directory.highest_usn()
        private_server.drop_connections()
        assert directory.highest_usn() == before


def test_a_write_is_not_sent_again_over_a_new_connection(private_server):
    with connect(private_server, people.WRITER) as directory:
        before = directory.highest_usn()
        private_server.drop_connections()
        with pytest.raises(OutcomeUnknownError, match="old photo is still there"):
            directory.replace_photo(ANNA, b"new", current=people.photo(200))
        assert directory.highest_usn() == before


def test_a_write_whose_answer_was_lost_is_found_by_reading_back(private_server):
    with connect(private_server, people.WRITER) as directory:
        private_server.lose_answers(1)
        directory.replace_photo(ANNA, b"new", current=people.photo(200))
        assert find(directory, "anna.m", photos=True).photo == b"new"


def test_a_write_after_which_the_server_is_gone_has_an_unknown_outcome(private_server):
    with connect(private_server, people.WRITER) as directory:
        directory.highest_usn()
        private_server.lose_answers(1)
        private_server.drop_after(0)
        with pytest.raises(OutcomeUnknownError, match=r"Anna.*cannot be read back"):
            directory.replace_photo(ANNA, b"new", current=people.photo(200))


def test_a_stopped_server_is_unreachable(tmp_path):
    server = start_embedded(tmp_path)
    with connect(server) as directory:
        directory.highest_usn()
        server.stop()
        with pytest.raises(UnreachableError, match=server.url):
            directory.highest_usn()


@given(st.datetimes(min_value=datetime(1601, 1, 1), timezones=st.just(UTC)))
def test_every_time_active_directory_writes_can_be_read(time):
    written = f"{time:%Y%m%d%H%M%S}.0Z".rjust(17, "0")
    assert parse_time(written.encode()) == time.replace(microsecond=0)


@given(st.binary(max_size=20))
def test_bytes_that_are_no_time_are_none_or_a_time(value):
    assert isinstance(parse_time(value), datetime | None)
