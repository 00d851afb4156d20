from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from memory_farm import MemoryConnector, MemoryFarm, case_farm

from kit import configuration, sequence
from kit.confirmation import Confirmations
from kit.journal import Journal
from kit.lab import console
from kit.lab.connector import DiscoveryError, ImportedObject
from kit.lab.console import ConsoleServer
from kit.lab.engine import Engine
from kit.lab.operator import CONFIRMATIONS, SecondOperator, StandIn

SECONDS = 10.0


@dataclass
class WaitingConnector(MemoryConnector):
    """A connected system whose full import waits until the test lets it go on."""

    reading: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def full_import(self, attributes: frozenset[str]) -> Iterator[ImportedObject | DiscoveryError]:
        """Say that the import has begun, and wait."""
        self.reading.set()
        assert self.go_on.wait(SECONDS)
        yield from super().full_import(attributes)


@pytest.fixture
def engine() -> Engine:
    return case_farm().engine


@pytest.fixture
def server(engine: Engine) -> Iterator[ConsoleServer]:
    server = console.start(engine)
    yield server
    server.stop()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


@pytest.fixture
def stand_in(server: ConsoleServer, journal: Journal, tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(server.url, journal.path, tmp_path / "configuration") as person:
        yield person


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait for what a person at another desk does; nothing else announces it."""
    deadline, pause = time.monotonic() + SECONDS, threading.Event()
    while not holds():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.02)
    return True


def ask(journal: Journal, gate: str, step: int, agent: str = "SPMA") -> None:
    journal.write("gate", step, gate=gate, agent=agent)


@pytest.mark.usefixtures("stand_in")
def test_it_deletes_the_connector_space_when_asked(journal: Journal, engine: Engine) -> None:
    ask(journal, "delete_connector_space", 3)
    assert eventually(lambda: engine.counters("SPMA")["NumCSObjects"] == 0)


def test_it_leaves_the_other_connector_space_alone(
    stand_in: StandIn, journal: Journal, engine: Engine
) -> None:
    before = engine.counters("ADMA")["NumCSObjects"]
    ask(journal, "delete_connector_space", 3)
    eventually(lambda: bool(stand_in.actions))
    assert engine.counters("ADMA")["NumCSObjects"] == before


@pytest.mark.parametrize(("gate", "enabled"), [("provisioning_off", False), ("provisioning_on", True)])
def test_it_switches_provisioning_where_the_exported_files_show_it(
    server: ConsoleServer, journal: Journal, tmp_path: Path, gate: str, enabled: bool
) -> None:
    server.engine.set_provisioning(not enabled)
    ask(journal, gate, 1, agent="")
    folder = tmp_path / "configuration"
    with StandIn(server.url, journal.path, folder) as stand_in:
        assert eventually(lambda: bool(stand_in.actions))
    assert configuration.read(folder).provisioning_enabled is enabled


@pytest.mark.parametrize("gate", sorted(CONFIRMATIONS))
@pytest.mark.usefixtures("stand_in")
def test_it_confirms_what_can_only_be_said(journal: Journal, gate: str) -> None:
    ask(journal, gate, 1, agent="")
    assert eventually(lambda: Confirmations(journal.path.parent).given(gate))


def test_it_confirms_every_gate_that_asks_for_it() -> None:
    assert set(sequence.CONFIRMATIONS) == CONFIRMATIONS


def test_it_works_once_for_each_gate(stand_in: StandIn, journal: Journal) -> None:
    ask(journal, "delete_connector_space", 3)
    eventually(lambda: bool(stand_in.actions))
    ask(journal, "provisioning_on", 4)
    eventually(lambda: len(stand_in.actions) > 1)
    assert [action.split()[0] for action in stand_in.actions] == ["deleted", "switched"]


def test_a_gate_that_is_closed_asks_for_nothing(stand_in: StandIn, journal: Journal) -> None:
    lines = [
        {"event": "gate", "gate": "delete_connector_space", "agent": "SPMA", "step": 3},
        {"event": "outcome", "step": 3, "result": "ok"},
        {"event": "gate", "gate": "provisioning_on", "step": 9},
    ]
    journal.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    eventually(lambda: bool(stand_in.actions))
    assert [action.split()[0] for action in stand_in.actions] == ["switched"]


def test_a_gate_asked_for_again_is_done_again(stand_in: StandIn, journal: Journal) -> None:
    ask(journal, "delete_connector_space", 3)
    eventually(lambda: len(stand_in.actions) == 1)
    journal.write("outcome", 3, result="stopped")
    ask(journal, "delete_connector_space", 3)
    assert eventually(lambda: len(stand_in.actions) == 2)


def test_a_journal_put_aside_is_followed_by_the_new_one(stand_in: StandIn, journal: Journal) -> None:
    ask(journal, "delete_connector_space", 3)
    eventually(lambda: len(stand_in.actions) == 1)
    journal.archive()
    ask(journal, "delete_connector_space", 3)
    assert eventually(lambda: len(stand_in.actions) == 2)


def test_a_line_that_is_half_written_is_waited_for(stand_in: StandIn, journal: Journal) -> None:
    line = json.dumps({"event": "gate", "gate": "delete_connector_space", "agent": "SPMA", "step": 3})
    journal.path.write_text(line[:30])
    pause = threading.Event()
    pause.wait(0.3)  # three looks at the half of it
    early = list(stand_in.actions)
    with journal.path.open("a") as file:
        file.write(line[30:] + "\n")
    assert (early, eventually(lambda: bool(stand_in.actions))) == ([], True)


def test_it_waits_for_a_run_in_progress(tmp_path: Path, journal: Journal) -> None:
    connector = WaitingConnector()
    engine = MemoryFarm(sharepoint=connector).engine
    server = console.start(engine)
    running = threading.Thread(target=engine.execute, args=("SPMA", "FullImport"))
    running.start()
    assert connector.reading.wait(SECONDS)
    ask(journal, "delete_connector_space", 3)
    with StandIn(server.url, journal.path, tmp_path / "configuration") as stand_in:
        threading.Event().wait(0.3)  # three refusals
        early = list(stand_in.actions)
        connector.go_on.set()
        running.join()
        done = eventually(lambda: bool(stand_in.actions))
    server.stop()
    assert (early, done) == ([], True)


# Somebody who knows nothing of the fix


@pytest.fixture
def second(server: ConsoleServer, journal: Journal) -> Iterator[SecondOperator]:
    moment = {"event": "outcome", "name": "delete_connector_space"}
    with SecondOperator(server.url, journal.path, "ADMA", "Export", **moment) as person:
        yield person


def test_a_second_operator_runs_once_at_the_moment(
    second: SecondOperator, journal: Journal, engine: Engine
) -> None:
    runs = len(engine.runs("ADMA"))
    for step in (3, 4):
        journal.write("outcome", step, name="delete_connector_space")
    assert eventually(lambda: bool(second.actions))
    pause = threading.Event()
    pause.wait(0.3)  # three more looks
    assert (second.actions, len(engine.runs("ADMA"))) == (
        ["ran Export of ADMA: completed-no-objects"],
        runs + 1,
    )


def test_a_second_operator_waits_for_the_moment(second: SecondOperator, journal: Journal) -> None:
    journal.write("intent", 3, name="delete_connector_space")
    pause = threading.Event()
    pause.wait(0.3)  # three looks
    assert second.actions == []


def test_a_second_operator_is_told_why_a_run_is_refused(
    server: ConsoleServer, journal: Journal, engine: Engine
) -> None:
    moment = {"event": "gate", "name": "provisioning_off"}
    with engine.disturbances.hold("SPMA") as reached:
        running = threading.Thread(target=engine.execute, args=("SPMA", "FullSync"))
        running.start()
        assert reached.wait(SECONDS)
        ask(journal, "provisioning_off", 2)
        with SecondOperator(server.url, journal.path, "ADMA", "FullSync", **moment) as second:
            assert eventually(lambda: bool(second.actions))
    running.join()
    assert "0x8023063D" in second.actions[0]
