"""Sign-in with tickets of Samba's KDC, through the directory's own client; NTLM there, too."""

import logging
import socket

import kerberos_realm
import people
import pytest
import spnego

from kit import kerberos
from kit.directory import Directory
from kit.endpoint import Endpoint
from kit.errors import NotFoundError, SetupError, SignInError, UnreachableError
from kit.lab import directory as embedded

READER = f"{people.READER.name}@contoso.example"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = kerberos_realm.start(tmp_path_factory.mktemp("samba"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def outsider(tmp_path_factory):
    """Give a directory that the realm has no service name for."""
    folder = tmp_path_factory.mktemp("directory")
    running = embedded.start(people.DOMAIN, people.entries(), people.ACCOUNTS, folder)
    yield running
    running.stop()


@pytest.fixture
def realm(server, monkeypatch):
    """Be a machine of the realm on which nobody holds a ticket."""
    kerberos_realm.environment(monkeypatch, server.kerberos)
    return server.kerberos


@pytest.fixture
def ticket(realm, monkeypatch, tmp_path):
    """Hold the reader's ticket."""
    kerberos_realm.environment(monkeypatch, realm, tmp_path / "tickets")
    kerberos_realm.take_ticket(realm, people.READER, tmp_path / "tickets")


def count(server, username="", password="", *, auth="kerberos", url="", start_tls=False):
    """Sign in and return how many people of the staff can be read."""
    endpoint = Endpoint(url or server.url, username, password, auth=auth, ca_file=server.ca_file)
    with Directory(endpoint, start_tls=start_tls) as directory:
        return len(list(directory.users(extra_filter="(department=Support)")))


@pytest.mark.parametrize(
    "username", [READER, f"CONTOSO\\{people.READER.name}", f"contoso.example\\{people.READER.name}"]
)
@pytest.mark.usefixtures("realm")
def test_a_password_gets_a_ticket(server, username):
    assert count(server, username, people.READER.password) == people.STAFF


@pytest.mark.usefixtures("ticket")
def test_whoever_holds_a_ticket_needs_no_password(server):
    assert count(server) == people.STAFF


@pytest.mark.usefixtures("ticket")
def test_an_account_without_a_password_takes_its_own_ticket(server):
    assert count(server, READER) == people.STAFF


@pytest.mark.usefixtures("ticket")
def test_tickets_sign_in_over_start_tls(server):
    assert count(server, url=server.plain_url, start_tls=True) == people.STAFF


@pytest.mark.usefixtures("ticket")
def test_negotiate_uses_the_ticket(server):
    assert count(server, auth="negotiate") == people.STAFF


@pytest.mark.usefixtures("realm")
def test_negotiate_gets_a_ticket_by_password_before_it_falls_back(server, caplog):
    with caplog.at_level(logging.INFO, "kit.negotiation"):
        count(server, READER, people.READER.password, auth="negotiate")
    assert caplog.messages == []


@pytest.mark.usefixtures("realm")
def test_negotiate_falls_back_to_ntlm_where_the_realm_knows_no_such_service(outsider, caplog):
    with caplog.at_level(logging.INFO, "kit.negotiation"):
        assert count(outsider, READER, people.READER.password, auth="negotiate") == people.STAFF
    assert "no Kerberos, so NTLM" in caplog.text


@pytest.mark.usefixtures("realm")
def test_negotiate_does_not_try_a_wrong_password_twice(server, caplog):
    with (
        caplog.at_level(logging.INFO, "kit.negotiation"),
        pytest.raises(SignInError, match="the password is wrong"),
    ):
        count(server, READER, "wrong", auth="negotiate")
    assert caplog.messages == []


@pytest.mark.usefixtures("realm")
def test_ntlm_signs_in_to_samba(server):
    username = f"CONTOSO\\{people.READER.name}"
    assert count(server, username, people.READER.password, auth="ntlm") == people.STAFF


@pytest.mark.usefixtures("ticket")
def test_plain_ldap_is_refused_with_the_fix(server):
    with pytest.raises(SignInError, match=r"strongerAuthRequired.*use ldaps:// or start_tls"):
        count(server, url=server.plain_url)


@pytest.mark.usefixtures("realm")
@pytest.mark.parametrize(
    ("username", "password", "cause"),
    [
        (READER, "wrong", "the password is wrong"),
        ("nobody@contoso.example", "x", "the realm has no such account"),
        (
            f"{people.GONE.name}@contoso.example",
            people.GONE.password,
            "it is disabled, expired or locked out",
        ),
        ("", "", "there is no ticket on this machine.*kinit"),
        (READER, "", "there is no ticket on this machine"),
    ],
)
def test_every_refusal_of_the_realm_says_why(server, username, password, cause):
    with pytest.raises(SignInError, match=cause):
        count(server, username, password)


@pytest.mark.usefixtures("realm")
def test_a_realm_that_this_machine_does_not_know_is_told(server):
    with pytest.raises(SetupError, match=r"does not know the realm \(.*OTHER.EXAMPLE"):
        count(server, "anna@other.example", "x")


@pytest.mark.usefixtures("ticket")
def test_a_server_without_a_service_name_is_told(outsider):
    with pytest.raises(SignInError, match=r"of that name \(Server not found in Kerberos database\); use"):
        count(outsider)


def test_a_realm_that_does_not_answer_is_told(server, monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        silent = f"127.0.0.1:{taken.getsockname()[1]}"
    address = server.url.removeprefix("ldaps://")
    text = server.kerberos.configuration.read_text().replace(f"{address}:88", silent)
    (tmp_path / "krb5.conf").write_text(text)
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    with pytest.raises(UnreachableError, match=r"no domain controller answers on port 88.*; check DNS"):
        count(server, READER, people.READER.password)
    fix = "write the account as name@domain: without, this machine's default realm was taken; or check DNS"
    with pytest.raises(UnreachableError, match=fix):
        count(server, f"CONTOSO\\{people.READER.name}", people.READER.password)


@pytest.mark.usefixtures("ticket")
def test_a_ticket_that_the_server_has_no_key_for_is_told(server, outsider):
    server.kerberos.register("ldap/localhost", kerberos_realm.SERVICE.name)
    with pytest.raises(SignInError, match=r"this machine's ticket.*cannot use the sign-in's token"):
        count(outsider, url=outsider.url.replace("127.0.0.1", "localhost"))


@pytest.mark.usefixtures("ticket")
def test_a_service_accepts_tickets_with_its_keytab(realm, monkeypatch):
    keytab = realm.keytab("HTTP/127.0.0.1", kerberos_realm.SERVICE.name)
    monkeypatch.setenv("KRB5_KTNAME", str(keytab))
    client = spnego.client(hostname="127.0.0.1", service="HTTP")
    service = spnego.server(hostname="127.0.0.1", service="HTTP")
    client.step(service.step(client.step()))
    assert service.client_principal == f"{people.READER.name}@{realm.realm}"


def test_a_keytab_can_be_exported_again(server):
    first = server.kerberos.keytab("HTTP/again", kerberos_realm.SERVICE.name).read_bytes()
    assert len(server.kerberos.keytab("HTTP/again", kerberos_realm.SERVICE.name).read_bytes()) == len(first)


def test_a_service_name_for_nobody_is_refused(server):
    with pytest.raises(NotFoundError, match="account 'nobody'"):
        server.kerberos.keytab("HTTP/nobody", "nobody")


class CodedError(Exception):
    """An error as the C library's packages raise it."""

    def __init__(self, number):
        super().__init__("text of the library")
        self.err_code = number - 1765328384


@pytest.mark.parametrize(
    ("number", "kind", "cause"),
    [
        (14, SignInError, "no encryption type"),
        (23, SignInError, "password has expired"),
        (31, SignInError, "the password is wrong"),
        (32, SignInError, "the ticket has expired"),
        (37, SignInError, "the clocks differ"),
        (136, SetupError, r"krb5\.conf cannot be read"),
        (224, SetupError, "no default realm"),
        (99, SignInError, "Kerberos failed"),
    ],
)
def test_every_error_of_kerberos_is_translated(number, kind, cause):
    refusal = kerberos.refusal("account 'anna'", CodedError(number))
    assert type(refusal) is kind
    assert cause.replace("\\", "") in str(refusal)


@pytest.mark.parametrize("number", [6, 7, 154, 156])
@pytest.mark.parametrize(
    ("username", "default"),
    [("CONTOSO\\anna", True), ("anna", True), ("anna@contoso.example", False), ("", False)],
)
def test_a_realm_that_was_only_taken_for_the_accounts_is_told(number, username, default):
    refusal = kerberos.refusal("account", CodedError(number), username=username)
    assert ("this machine's default realm was taken" in refusal.next_step) == default


def test_a_wrong_password_is_not_put_down_to_the_realm():
    refusal = kerberos.refusal("account", CodedError(24), username="CONTOSO\\anna")
    assert refusal.next_step == "correct the password"


def test_an_error_that_is_none_of_kerberos_has_no_number():
    assert kerberos.code(ValueError("x")) is None
