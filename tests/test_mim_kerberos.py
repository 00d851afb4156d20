"""Sign-in to WinRM with tickets of Samba's KDC, the messages sealed with the tickets' keys."""

import kerberos_realm
import people
import pytest
from scripted_engine import AGENTS, ScriptedEngine

from kit.endpoint import Endpoint
from kit.errors import SignInError
from kit.lab import wsman
from kit.lab.domain import Account
from kit.mim import SynchronizationService

READER = Account(people.READER.name, people.READER.password, frozenset({"sync-operator"}))


@pytest.fixture(scope="module")
def realm(tmp_path_factory):
    directory = kerberos_realm.start(tmp_path_factory.mktemp("realm"))
    yield directory.kerberos
    directory.stop()


@pytest.fixture(scope="module")
def keytab(realm):
    return realm.keytab("host/127.0.0.1", kerberos_realm.SERVICE.name)


@pytest.fixture
def server(realm, keytab, monkeypatch):
    kerberos_realm.environment(monkeypatch, realm)
    running = wsman.start(ScriptedEngine(), people.DOMAIN, [READER])
    running.credentials.keytab = keytab
    yield running
    running.stop()


@pytest.mark.parametrize("auth", ["kerberos", "negotiate"])
def test_a_password_gets_a_ticket(server, auth):
    endpoint = Endpoint(server.url, f"{READER.name}@contoso.example", READER.password, auth=auth)
    with SynchronizationService(endpoint) as service:
        assert service.agents()["name"].tolist() == list(AGENTS)


@pytest.mark.parametrize("auth", ["kerberos", "negotiate"])
def test_whoever_holds_a_ticket_needs_no_password(server, realm, monkeypatch, tmp_path, auth):
    kerberos_realm.environment(monkeypatch, realm, tmp_path / "tickets")
    kerberos_realm.take_ticket(realm, people.READER, tmp_path / "tickets")
    with SynchronizationService(Endpoint(server.url, auth=auth)) as service:
        assert service.execute("SPMA", "FullImport").status == "success"


def test_without_a_ticket_kerberos_says_so(server):
    with (
        SynchronizationService(Endpoint(server.url, auth="kerberos")) as service,
        pytest.raises(SignInError, match=r"no ticket on this machine"),
    ):
        service.agents()


def test_a_wrong_password_is_told_without_the_password(server):
    endpoint = Endpoint(server.url, f"CONTOSO\\{READER.name}", "Wr0ng horse", auth="kerberos")
    refusal = rf"'CONTOSO.*{READER.name}' .*the password is wrong"
    with (
        SynchronizationService(endpoint) as service,
        pytest.raises(SignInError, match=refusal) as caught,
    ):
        service.agents()
    assert "horse" not in str(caught.value)
