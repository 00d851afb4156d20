import logging
import ssl

import people
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import tls
from kit.endpoint import Endpoint
from kit.errors import CertificateError, ConflictError, ParameterError
from kit.lab import directory as embedded
from kit.ldap import Session, escape, split_url

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


def connect(server, *, url="", start_tls=False, **options):
    options = {"ca_file": server.ca_file, **options}
    endpoint = Endpoint(
        url or server.url, f"CONTOSO\\{people.WRITER.name}", people.WRITER.password, **options
    )
    return Session(endpoint, start_tls=start_tls)


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


def test_without_tls_there_is_no_certificate(server):
    session = connect(server, url=server.plain_url)
    assert session.certificate() is None
    session.close()


def test_a_certificate_nobody_vouches_for_is_refused(server):
    session = connect(server, ca_file=None)
    with pytest.raises(
        CertificateError, match="give the PEM file of the authority that signed it as ca_file"
    ):
        session.root()


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


@pytest.mark.parametrize(
    "url", ["", "dc1", "http://dc1", "ldap://", "ldap://dc1/DC=x", "ldap://dc1:port", "ldap://dc1:99999"]
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ParameterError, match="ldaps://host"):
        split_url(url)


def test_the_password_is_not_in_a_representation():
    assert "very-secret" not in repr(Endpoint("ldap://dc1", "anna", "very-secret"))


@given(st.binary())
def test_an_escaped_value_comes_back_from_the_filter(value):
    assert bytes.fromhex(escape(value).replace("\\", "")) == value
