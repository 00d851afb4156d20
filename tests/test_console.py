from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from memory_farm import MemoryConnector

from kit import configuration
from kit.errors import NotFoundError, ParameterError, RightsError, SafetyError, UnreachableError
from kit.lab import console
from kit.lab.clock import Clock
from kit.lab.connector import DiscoveryError, ImportedObject
from kit.lab.console import ConsoleServer, deletion_path, press, run_path
from kit.lab.engine import Engine
from kit.lab.site import field_rules


@dataclass
class WaitingConnector(MemoryConnector):
    """A connected system whose full import waits until the test lets it go on."""

    reading: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def full_import(self, attributes: frozenset[str]) -> Iterator[ImportedObject | DiscoveryError]:
        """Say that the import has begun, and wait."""
        self.reading.set()
        assert self.go_on.wait(10)
        yield from super().full_import(attributes)


@pytest.fixture
def connector() -> WaitingConnector:
    connector = WaitingConnector()
    connector.put("anna", UserName="anna")
    connector.put("berta", UserName="berta")
    return connector


@pytest.fixture
def engine(connector: WaitingConnector) -> Engine:
    engine = Engine(field_rules(), {"ADMA": MemoryConnector(), "SPMA": connector}, clock=Clock())
    connector.go_on.set()
    assert engine.execute("SPMA", "FullImport", "") == "success"
    connector.reading.clear()
    return engine


@pytest.fixture
def server(engine: Engine) -> Iterator[ConsoleServer]:
    server = console.start(engine)
    yield server
    server.stop()


@pytest.fixture
def busy(engine: Engine, connector: WaitingConnector) -> Iterator[None]:
    """Keep a full import in progress for as long as the test lasts."""
    connector.go_on.clear()
    run = threading.Thread(target=engine.execute, args=("SPMA", "FullImport", ""))
    run.start()
    assert connector.reading.wait(10)
    yield
    connector.go_on.set()
    run.join()


def send(
    server: ConsoleServer, method: str, path: str, body: str = "", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response.headers, content


def state(server: ConsoleServer) -> dict[str, object]:
    return json.loads(send(server, "GET", "/state")[2])


def test_page_offers_every_task_without_any_outside_resource(server: ConsoleServer) -> None:
    status, headers, page = send(server, "GET", "/")
    assert (status, headers.get_content_type()) == (200, "text/html")
    assert all(
        path in page for path in (b"delete-connector-space", b"/provisioning", b"/export-configuration")
    )
    assert b"http://" not in page
    assert b"https://" not in page


def test_state_lists_agents_with_counters_and_last_run(server: ConsoleServer) -> None:
    shown = state(server)
    assert shown["provisioning_enabled"] is True
    agents = {agent["name"]: agent for agent in shown["agents"]}
    assert list(agents) == ["ADMA", "SPMA"]
    assert agents["SPMA"]["counters"]["NumCSObjects"] == 2
    assert agents["SPMA"]["last_run"]["profile"] == "FullImport"
    assert agents["SPMA"]["last_run"]["status"] == "success"
    assert agents["ADMA"]["last_run"] is None


def test_deletion_empties_the_connector_space_and_counts(server: ConsoleServer, engine: Engine) -> None:
    assert press(server.url, deletion_path("SPMA")) == {"deleted": 2}
    assert engine.counters("SPMA")["NumCSObjects"] == 0


@pytest.mark.usefixtures("busy")
def test_deletion_is_refused_while_a_run_is_in_progress(server: ConsoleServer, engine: Engine) -> None:
    with pytest.raises(SafetyError, match="in progress"):
        press(server.url, deletion_path("SPMA"))
    assert engine.counters("SPMA")["NumCSObjects"] == 2


@pytest.mark.usefixtures("busy")
def test_refusal_is_a_conflict_with_what_cause_and_next_step(server: ConsoleServer) -> None:
    body = '{"enabled": false}'
    status, _, content = send(server, "POST", "/provisioning", body, Content_Type="application/json")
    assert status == 409
    assert set(json.loads(content)) == {"what", "cause", "next_step"}


def test_provisioning_is_switched_off_and_on(server: ConsoleServer, engine: Engine) -> None:
    assert press(server.url, "/provisioning", {"enabled": False}) == {"provisioning_enabled": False}
    assert engine.rules.provisioning_enabled is False
    assert press(server.url, "/provisioning", {"enabled": True}) == {"provisioning_enabled": True}


@pytest.mark.parametrize("value", ["false", 0, None, [False]])
def test_provisioning_takes_only_a_boolean(server: ConsoleServer, engine: Engine, value: object) -> None:
    with pytest.raises(ParameterError, match="'enabled' is"):
        press(server.url, "/provisioning", {"enabled": value})
    assert engine.rules.provisioning_enabled is True


def test_a_run_tells_its_status(server: ConsoleServer, engine: Engine) -> None:
    assert press(server.url, run_path("SPMA"), {"profile": "fullsync"}) == {"status": "success"}
    assert engine.runs("SPMA")[0].profile == "FullSync"


def test_a_run_of_an_unknown_profile_is_the_services_to_refuse(server: ConsoleServer) -> None:
    told = press(server.url, run_path("SPMA"), {"profile": "Nothing"})
    assert told == {"status": "no-start-unknown-profile-name"}


def test_exported_configuration_can_be_read(server: ConsoleServer, tmp_path: Path) -> None:
    files = press(server.url, "/export-configuration", {"folder": str(tmp_path / "saved")})["files"]
    assert len(files) == 3
    assert configuration.read(tmp_path / "saved").sharepoint_agent.name == "SPMA"


def test_unknown_agent_and_unknown_address_are_not_found(server: ConsoleServer) -> None:
    with pytest.raises(NotFoundError, match="'NO/MA'"):
        press(server.url, deletion_path("NO/MA"))
    with pytest.raises(NotFoundError, match="no address '/agents'"):
        press(server.url, "/agents")
    assert send(server, "GET", "/favicon.ico")[0] == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/json", "Origin": "http://elsewhere.example"},
        {"Content_Type": "application/json", "Host": "elsewhere.example"},
    ],
)
def test_call_made_by_another_web_page_is_refused(
    server: ConsoleServer, engine: Engine, headers: dict[str, str]
) -> None:
    assert send(server, "POST", deletion_path("SPMA"), "{}", **headers)[0] == 403
    assert engine.counters("SPMA")["NumCSObjects"] == 2


@pytest.mark.parametrize("body", ["{", "[]", '"x"'])
def test_body_that_is_no_object_is_refused(server: ConsoleServer, body: str) -> None:
    assert send(server, "POST", "/provisioning", body, Content_Type="application/json")[0] == 400


def test_console_that_is_gone_is_unreachable(engine: Engine) -> None:
    server = console.start(engine)
    server.stop()
    with pytest.raises(UnreachableError, match=server.url):
        press(server.url, "/provisioning", {"enabled": True})


def test_refusal_by_another_name_of_the_host_says_which_address_to_open(server: ConsoleServer) -> None:
    with pytest.raises(RightsError, match=server.url):
        press(server.url.replace("127.0.0.1", "localhost"), "/provisioning", {"enabled": True})
