"""Sign-in to a web server with tickets of Samba's KDC, and what becomes of it without one."""

import base64

import kerberos_realm
import people
import pytest
from web_server import CORRELATION, client, running

from kit.errors import SignInError

READER = f"CONTOSO\\{people.READER.name}"


@pytest.fixture(scope="module")
def kerberos(tmp_path_factory):
    """Run a realm in which the address of this machine's web servers has a service name."""
    directory = kerberos_realm.start(tmp_path_factory.mktemp("realm"))
    yield directory.kerberos
    directory.stop()


@pytest.fixture(scope="module")
def keytab(kerberos):
    return kerberos.keytab("HTTP/127.0.0.1", kerberos_realm.SERVICE.name)


@pytest.fixture
def service(kerberos, keytab, monkeypatch):
    """Run a web server that accepts the realm's tickets, on a machine where nobody holds one."""
    kerberos_realm.environment(monkeypatch, kerberos)
    with running(accounts=people.ACCOUNTS) as started:
        started.credentials.keytab = keytab
        yield started


@pytest.fixture
def ticket(kerberos, service, monkeypatch, tmp_path):  # noqa: ARG001 - the service's environment comes first
    """Hold the reader's ticket."""
    kerberos_realm.environment(monkeypatch, kerberos, tmp_path / "tickets")
    kerberos_realm.take_ticket(kerberos, people.READER, tmp_path / "tickets")


@pytest.mark.parametrize("auth", ["kerberos", "negotiate"])
@pytest.mark.usefixtures("ticket")
def test_whoever_holds_a_ticket_needs_no_password(service, auth):
    with client(service.url, auth, "", "") as session:
        assert session.expect("GET", "").text == READER


@pytest.mark.parametrize("auth", ["kerberos", "negotiate"])
def test_a_password_gets_a_ticket(service, auth):
    with client(service.url, auth, people.READER.password, READER) as session:
        assert (session.expect("GET", "").text, mechanism(service)) == (READER, "kerberos")


@pytest.mark.usefixtures("ticket")
def test_kerberos_signs_in_by_one_token(service):
    with client(service.url, "kerberos", "", "") as session:
        assert len(session.expect("GET", "").history) == 1


@pytest.mark.usefixtures("ticket")
def test_a_ticket_is_used_again_on_a_new_connection(service):
    with client(service.url, "kerberos", "", "") as session:
        session.expect("GET", "")
        service.close_connections()
        assert session.expect("GET", "").text == READER


def test_negotiate_falls_back_to_ntlm_where_the_realm_knows_no_such_service(service):
    url = service.url.replace("127.0.0.1", "localhost")
    with client(url, "negotiate", people.READER.password, READER) as session:
        assert (session.expect("GET", "").text, mechanism(service)) == (READER, "ntlm")


def test_negotiate_does_not_try_a_wrong_password_twice(service):
    with (
        client(service.url, "negotiate", "wrong", READER) as session,
        pytest.raises(SignInError, match="the password is wrong"),
    ):
        session.expect("GET", "")
    assert mechanism(service) == ""


def test_kerberos_without_a_ticket_says_how_to_get_one(service):
    with (
        client(service.url, "kerberos", "", "") as session,
        pytest.raises(
            SignInError, match=f"as the owner of the ticket.*{CORRELATION}.*there is no ticket.*kinit"
        ),
    ):
        session.expect("GET", "")


@pytest.mark.usefixtures("ticket")
def test_a_host_without_a_service_name_is_told(service):
    with (
        client(service.url.replace("127.0.0.1", "localhost"), "kerberos", "", "") as session,
        pytest.raises(SignInError, match=r"no service of that name.*setspn"),
    ):
        session.expect("GET", "")


@pytest.mark.usefixtures("ticket")
def test_kerberos_where_only_ntlm_is_offered_is_told():
    with (
        running(schemes=["NTLM"]) as server,
        client(server.url, "kerberos", "", "") as session,
        pytest.raises(SignInError, match="offers NTLM only"),
    ):
        session.expect("GET", "")


def mechanism(server):
    """Say which mechanism's token a client sent last under Negotiate; empty for none."""
    sent = [h["Authorization"].split()[1] for h in server.headers if "Authorization" in h]
    if not sent:
        return ""
    return "ntlm" if base64.b64decode(sent[-1]).startswith(b"NTLMSSP") else "kerberos"
