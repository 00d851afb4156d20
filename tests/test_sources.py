from pathlib import Path

import cases
import people
import pytest
from scripted_engine import AGENTS, ScriptedEngine

from kit import sources
from kit.errors import CaseError, CertificateError, SignInError, UnreachableError
from kit.lab import directory, sharepoint, wsman
from kit.lab.clock import Clock
from kit.lab.domain import Account, Domain, Entry

KIT = Account("kit", "Corr3ct horse", frozenset({"sync-operator", "profile-manager"}))


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    running = {
        "directory": directory.start(Domain(), people.entries(), [KIT], folder),
        "sharepoint": sharepoint.start(Domain(), [KIT], clock=Clock()),
        "mim": wsman.start(ScriptedEngine(), Domain(), [KIT]),
    }
    yield running
    for server in running.values():
        server.stop()


@pytest.fixture
def case(servers, tmp_path, monkeypatch):
    monkeypatch.setenv("KIT_TEST_SECRET", KIT.password)
    settings = {name: {"url": server.url} for name, server in servers.items()}
    settings["directory"]["ca_file"] = str(servers["directory"].ca_file)
    return cases.case(tmp_path, **settings)


def test_the_directory_is_opened_as_the_case_says(case):
    with sources.directory(case) as opened:
        assert "contoso\\anna.m" in {user.account for user in opened.users()}


def test_sharepoint_is_opened_as_the_case_says(case):
    with sources.sharepoint(case) as opened:
        assert opened.count() == 0


def test_the_synchronization_service_is_opened_as_the_case_says(case):
    with sources.synchronization(case) as opened:
        assert opened.agents()["name"].tolist() == list(AGENTS)


def test_certificates_are_checked(case):
    settings = case.directory.model_copy(update={"ca_file": None})
    with (
        sources.directory(case.model_copy(update={"directory": settings})) as opened,
        pytest.raises(CertificateError),
    ):
        opened.highest_usn()


@pytest.mark.parametrize("system", ["directory", "sharepoint", "synchronization"])
def test_a_wrong_secret_is_refused_by_the_server(case, monkeypatch, system):
    monkeypatch.setenv("KIT_TEST_SECRET", "wrong")
    reads = {"directory": "highest_usn", "sharepoint": "count", "synchronization": "agents"}
    with getattr(sources, system)(case) as opened, pytest.raises(SignInError) as caught:
        getattr(opened, reads[system])()
    assert "wrong" not in str(caught.value).replace("is wrong", "")


@pytest.mark.parametrize("opener", [sources.directory, sources.sharepoint, sources.synchronization])
def test_without_a_secret_nothing_is_opened(opener, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)  # nobody to ask
    settings = {name: {"password_name": "KIT_NO_SUCH_SECRET"} for name in ("directory", "sharepoint", "mim")}
    with pytest.raises(CaseError, match="secret 'KIT_NO_SUCH_SECRET' was not found"):
        opener(cases.case(Path(tmp_path), **settings))


def test_further_domains_are_read_as_well(servers, case, tmp_path):
    emea = Domain("emea.contoso.example", "EMEA")
    # A trust would let the account of the one domain in; here the other one knows it by the same name.
    known = people.user("Kit", "kit", userPrincipalName="kit@contoso.example")
    entries = [Entry(known.dn.replace(people.BASE, emea.base_dn), known.attributes)]
    other = directory.start(emea, entries, [KIT], tmp_path / "emea", forest=(Domain(), emea))
    try:
        pem = servers["directory"].ca_file.read_text() + other.ca_file.read_text()
        (tmp_path / "both.pem").write_text(pem)
        settings = case.directory.model_copy(
            update={
                "further_domains": [other.url],
                "ca_file": tmp_path / "both.pem",
                "username": "kit@contoso.example",
            }
        )
        with sources.directory(case.model_copy(update={"directory": settings})) as opened:
            accounts = {user.account for user in opened.users()}
    finally:
        other.stop()
    assert {"contoso\\anna.m", "emea\\kit"} <= accounts


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_busy_server_is_asked_as_often_as_the_case_says(servers, case, attempts):
    # The last of the attempts is the first to be answered with 429.
    troubles = servers["sharepoint"].troubles
    troubles.add("/_vti_bin/*", "status", times=attempts - 1, status=503, headers={"Retry-After": "0"})
    troubles.add("/_vti_bin/*", "status", times=None, status=429, headers={"Retry-After": "0"})
    settings = case.sharepoint.model_copy(update={"attempts": attempts})
    with (
        sources.sharepoint(case.model_copy(update={"sharepoint": settings})) as opened,
        pytest.raises(UnreachableError, match="gave 429"),
    ):
        opened.count()
    troubles.clear()
