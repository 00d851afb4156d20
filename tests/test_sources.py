from pathlib import Path

import cases
import people
import pytest
from scripted_engine import AGENTS, ScriptedEngine

from kit import sources
from kit.errors import CaseError, CertificateError, SignInError
from kit.lab import directory, sharepoint, wsman
from kit.lab.clock import Clock
from kit.lab.domain import Account, Domain

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
