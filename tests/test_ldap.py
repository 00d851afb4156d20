import contextlib
import itertools
import logging
import ssl
from datetime import timedelta

import people
import pytest
import scripted_directory
from hypothesis import given
from hypothesis import strategies as st
from test_tls import serving

from kit import tls
from kit.endpoint import Endpoint
from kit.errors import CertificateError, ConflictError, ParameterError, ProtocolError, UnreachableError
from kit.lab import certificates
from kit.lab import directory as embedded
from kit.ldap import Session, escape

STAFF = f"CN=Staff 03,OU=Staff,{people.BASE}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("directory")
    running = embedded.start(people.DOMAIN, people.entries(), people.ACCOUNTS, folder)
    yield running
    running.stop()


@pytest.fixture
def session(server):
    opened = connect(server)
    yield opened
    opened.close()


def connect(server, *, url="", password=people.WRITER.password, start_tls=False, clear_text=False, **options):
    options = {"ca_file": server.ca_file, **options}
    endpoint = Endpoint(url or server.url, f"CONTOSO\\{people.WRITER.name}", password, **options)
    return Session(endpoint, start_tls=start_tls, clear_text=clear_text)


@pytest.fixture
def scripted():
    """Open a session with a server that answers as it is told."""
    with contextlib.ExitStack() as stack:

        def start(answer, scheme="ldap", **options):
            address = stack.enter_context(scripted_directory.running(answer))
            endpoint = Endpoint(f"{scheme}://{address}", "kit@contoso.example", "secret", timeout=1)
            session = Session(endpoint, **options)
            stack.callback(session.close)
            return session

        yield start


def photo(session):
    ((_, values),) = session.search(STAFF, "(objectClass=*)", ["thumbnailPhoto"], 10)
    return list(values.get("thumbnailPhoto", []))


@pytest.mark.parametrize("start_tls", [False, True])
def test_the_servers_certificate_can_be_looked_at(server, start_tls):
    session = connect(server, url=server.plain_url if start_tls else "", start_tls=start_tls)
    expected = tls.Certificate.of(
        ssl.PEM_cert_to_DER_cert((server.ca_file.parent / "server.pem").read_text())
    )
    assert session.certificate() == expected
    session.close()


def test_the_certificate_is_shown_to_whoever_does_not_get_in(server):
    session = connect(server, password="wrong")
    assert session.certificate().issuer == "CN=Practice farm CA"
    session.close()


def test_the_root_is_shown_to_whoever_does_not_get_in(server):
    session = connect(server, password="wrong")
    assert session.root(sign_in=False)["defaultNamingContext"] == [people.BASE.encode()]
    session.close()


def test_a_connection_that_was_there_before_the_sign_in_is_the_one_that_signs_in(server):
    session = connect(server)
    session.certificate()
    session.root(sign_in=False)
    assert len(list(session.search(people.BASE, "(sAMAccountName=staff03)", ["cn"], 10))) == 1
    session.close()


@pytest.mark.parametrize("auth", ["", "simple"])
def test_a_password_is_not_sent_in_clear(server, auth):
    told = (
        rf"^simple sign-in to '{server.plain_url}': the password would be sent in clear; "
        "use ldaps:// or start_tls, or auth: ntlm or kerberos"
    )
    with pytest.raises(ParameterError, match=told):
        connect(server, url=server.plain_url, auth=auth)


def test_a_password_is_sent_in_clear_where_that_is_asked_for(server):
    session = connect(server, url=server.plain_url, clear_text=True)
    assert photo(session) == [people.photo(3)]
    session.close()


def test_without_tls_there_is_no_certificate(server):
    session = connect(server, url=server.plain_url, clear_text=True)
    assert session.certificate() is None
    session.close()


def test_a_certificate_nobody_vouches_for_is_refused(server):
    session = connect(server, ca_file=None)
    with pytest.raises(
        CertificateError, match="give the PEM file of the authority that signed it as ca_file"
    ):
        session.root()


def test_an_expired_certificate_is_refused(server, tmp_path):
    files = certificates.issue(tmp_path, ["127.0.0.1"], lifetime=timedelta(hours=-1))
    with serving(files.certificate_file, files.key_file) as port:
        session = connect(server, url=f"ldaps://127.0.0.1:{port}", ca_file=files.ca_file)
        with pytest.raises(
            CertificateError, match=r"certificate has expired\); have the certificate renewed"
        ):
            session.root()


@pytest.mark.parametrize(
    ("code", "name"), [(1, "operationsError"), (2, "protocolError"), (52, "unavailable"), (53, "unwilling")]
)
def test_a_refused_start_tls_is_told(scripted, code, name):
    session = scripted(scripted_directory.refusing_start_tls(code), start_tls=True)
    told = rf"the server refuses StartTLS \({name}.*; have a certificate installed on the controller"
    with pytest.raises(ProtocolError, match=told):
        session.root()


@pytest.mark.parametrize(("scheme", "start_tls"), [("ldap", True), ("ldaps", False)])
def test_a_tls_handshake_that_is_not_answered_is_told(scripted, scheme, start_tls):
    session = scripted(scripted_directory.silent_after_start_tls, scheme, start_tls=start_tls)
    with pytest.raises(UnreachableError, match="no answer to the TLS handshake within 1 s; see whether"):
        session.root()


@pytest.mark.parametrize("answer", ["30050201019900", "3003020101", "3006020101610100"])
def test_an_answer_that_is_no_ldap_is_told(scripted, answer):
    session = scripted(lambda *_: bytes.fromhex(answer), clear_text=True)
    with pytest.raises(
        ProtocolError, match=r"the answer is no LDAP message \(.*; check that address and port"
    ):
        session.root()


@pytest.mark.parametrize("names", [["CN=Anna"], ["CN=Anna", "CN=Bert"]])
def test_a_page_that_comes_again_ends_the_search(scripted, names):
    session = scripted(scripted_directory.paging(itertools.repeat(names)), clear_text=True)
    with pytest.raises(ProtocolError, match="the server goes on for ever, with one page; ask another"):
        list(session.search("DC=x", "(cn=*)", ["cn"], 10))


def test_empty_pages_without_end_end_the_search(scripted):
    session = scripted(scripted_directory.paging(itertools.repeat([])), clear_text=True)
    with pytest.raises(ProtocolError, match="the server goes on for ever, with empty pages; ask another"):
        list(session.search("DC=x", "(cn=*)", ["cn"], 10))


def test_some_empty_pages_are_no_end(scripted):
    pages = [["CN=Anna"], *[[]] * 20, ["CN=Anna"], ["CN=Bert"], None]
    session = scripted(scripted_directory.paging(pages), clear_text=True)
    found = [name for name, _ in session.search("DC=x", "(cn=*)", ["cn"], 10)]
    assert found == ["CN=Anna", "CN=Anna", "CN=Bert"]


@pytest.mark.parametrize("search_filter", ["objectClass=user", "(&objectClass=user(cn=a))", "(cn=a"])
def test_a_filter_that_cannot_be_parsed_names_the_setting(session, search_filter):
    told = "the filter cannot be parsed; correct user_filter, which must be enclosed in parentheses"
    with pytest.raises(ParameterError, match=told):
        list(session.search(people.BASE, search_filter, ["cn"], 10))


def test_an_unchecked_certificate_is_warned_about_once(server, caplog):
    session = connect(server, ca_file=None, verify_tls=False)
    with caplog.at_level(logging.WARNING, "kit.tls"):
        session.root()
        session.root()
    session.close()
    assert len(caplog.messages) == 1


def test_no_password_is_logged(server, caplog):
    session = connect(server)
    with caplog.at_level(logging.DEBUG):
        session.root()
    session.close()
    assert people.WRITER.password not in caplog.text


def test_a_write_that_names_what_was_read_takes_its_place(session):
    before = photo(session)
    session.modify(STAFF, "thumbnailPhoto", [b"new"], "photo", current=before)
    assert photo(session) == [b"new"]


def test_a_write_over_a_value_that_was_not_read_is_a_conflict(session):
    session.modify(STAFF, "thumbnailPhoto", [b"theirs"], "photo")
    with pytest.raises(ConflictError, match=r"no longer there \(noSuchAttribute"):
        session.modify(STAFF, "thumbnailPhoto", [b"ours"], "photo", current=[b"what was read"])
    assert photo(session) == [b"theirs"]


def test_a_write_where_a_value_has_appeared_is_a_conflict(session):
    session.modify(STAFF, "thumbnailPhoto", [b"theirs"], "photo")
    with pytest.raises(ConflictError, match=r"a value already \(attributeOrValueExists"):
        session.modify(STAFF, "thumbnailPhoto", [b"ours"], "photo", current=[])
    assert photo(session) == [b"theirs"]


def test_a_removal_of_what_was_read_leaves_nothing(session):
    session.modify(STAFF, "thumbnailPhoto", [b"one"], "photo")
    session.modify(STAFF, "thumbnailPhoto", [], "photo", current=[b"one"])
    assert photo(session) == []


def test_an_address_that_is_none_is_refused():
    with pytest.raises(ParameterError, match=r"^url 'http://dc1' cannot be used: .*ldaps://host"):
        Session(Endpoint("http://dc1", "anna", "secret"))


def test_the_password_is_not_in_a_representation():
    assert "very-secret" not in repr(Endpoint("ldap://dc1", "anna", "very-secret"))


@given(st.binary())
def test_an_escaped_value_comes_back_from_the_filter(value):
    assert bytes.fromhex(escape(value).replace("\\", "")) == value
