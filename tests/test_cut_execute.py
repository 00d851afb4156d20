"""Execute on a line that is cut at some moment: the run takes place once, and its outcome is found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from memory_farm import MemoryFarm, case_farm
from severed_line import Cut, SeveredLine

from kit.endpoint import Endpoint
from kit.errors import OutcomeUnknownError
from kit.execution import Execution, Patience
from kit.journal import Journal
from kit.lab import wsman
from kit.lab.domain import Account, Domain
from kit.lab.wsman import WSManServer
from kit.mim import Run, SynchronizationService
from kit.plan import Step
from kit.wsman import Connection

KIT = Account("svc-kit", "Corr3ct horse", frozenset({"sync-operator"}))
STEP = Step(5, "run", "sharepoint full_import", "SPMA", "FullImport")
FACTS = {"kind": STEP.kind, "name": STEP.name, "agent": STEP.agent, "profile": STEP.profile}

NOT_BEGUN = {
    "before the request": Cut(answer=False, head=0, body=0),
    "after one byte of the request": Cut(answer=False, head=0, body=0, extra=1),
    "in the head of the request": Cut(answer=False, head=0.5, body=0),
    "in the head of the request, by a reset": Cut(answer=False, head=0.5, body=0, reset=True),
    "before the last byte of the head of the request": Cut(answer=False, body=0, extra=-1),
    "after the head of the request": Cut(answer=False, body=0),
    "after one byte of the body of the request": Cut(answer=False, body=0, extra=1),
    "in the body of the request": Cut(answer=False, body=0.5),
    "in the body of the request, by a reset": Cut(answer=False, body=0.5, reset=True),
    "one byte before the end of the request": Cut(answer=False, extra=-1),
}
BEGUN = {
    "after the request": Cut(answer=False),
    "after the request, by a reset": Cut(answer=False, reset=True),
    "before the answer": Cut(answer=True, head=0, body=0),
    "before the answer, by a reset": Cut(answer=True, head=0, body=0, reset=True),
    "after one byte of the answer": Cut(answer=True, head=0, body=0, extra=1),
    "in the head of the answer": Cut(answer=True, head=0.5, body=0),
    "after the head of the answer": Cut(answer=True, body=0),
    "in the body of the answer": Cut(answer=True, body=0.5),
    "in the body of the answer, by a reset": Cut(answer=True, body=0.5, reset=True),
    "before the last byte of the answer": Cut(answer=True, extra=-1),
    "after the answer": Cut(answer=True),
}


@pytest.fixture
def farm() -> MemoryFarm:
    return case_farm()


@pytest.fixture
def server(farm: MemoryFarm) -> Iterator[WSManServer]:
    server = wsman.start(farm.engine, Domain(), [KIT])
    yield server
    server.stop()


@pytest.fixture
def line(server: WSManServer) -> Iterator[SeveredLine]:
    with SeveredLine(server.url) as line:
        yield line


@pytest.fixture
def run(line: SeveredLine, tmp_path: Path) -> Iterator[Callable[[], Run]]:
    """Carry out the step as the fix does, each time as after an interruption."""
    endpoint = Endpoint(line.url, "CONTOSO\\svc-kit", KIT.password)
    with SynchronizationService(endpoint, poll_interval=0.02, grace=0.2) as service:
        execution = Execution(
            service, Journal(tmp_path / "journal.jsonl"), Patience(grace=0.2), pause=0.02, say=lambda _: None
        )
        yield lambda: execution.run(STEP, FACTS)


@pytest.fixture
def cut(line: SeveredLine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Arrange for the line to be cut in the next Execute, which alone is sent by ``invoke_once``."""
    due: list[tuple[object, ...]] = []
    invoke_once = Connection.invoke_once

    def invoke(connection: Connection, *arguments: object, **named: str) -> str | None:
        if due:
            line.cut_next(*due.pop())
        return invoke_once(connection, *arguments, **named)

    monkeypatch.setattr(Connection, "invoke_once", invoke)
    return lambda *arranged: due.append(arranged)


def runs(farm: MemoryFarm) -> list[tuple[int, str, str]]:
    """Return the engine's own list of the agent's runs, oldest first."""
    return [(run.run_number, run.profile, run.status) for run in reversed(farm.engine.runs("SPMA"))]


def told(run: Run) -> tuple[int, str, str]:
    return run.run_number, run.profile, run.status


def test_there_are_twenty_moments() -> None:
    assert len({*NOT_BEGUN.values(), *BEGUN.values()}) >= 20


@pytest.mark.parametrize("moment", BEGUN.values(), ids=BEGUN)
def test_a_run_whose_answer_is_lost_is_found_and_not_begun_again(
    farm: MemoryFarm,
    line: SeveredLine,
    cut: Callable[..., None],
    run: Callable[[], Run],
    moment: Cut,
) -> None:
    before = runs(farm)
    cut(moment)
    found = run()
    assert (runs(farm), line.cuts) == ([*before, told(found)], 1)


@pytest.mark.parametrize("moment", NOT_BEGUN.values(), ids=NOT_BEGUN)
def test_a_run_whose_request_is_lost_is_begun_once_the_fix_goes_on(
    farm: MemoryFarm,
    line: SeveredLine,
    cut: Callable[..., None],
    run: Callable[[], Run],
    moment: Cut,
) -> None:
    before = runs(farm)
    cut(moment)
    with pytest.raises(OutcomeUnknownError, match="no sign of it was seen"):
        run()
    assert (runs(farm), line.cuts) == (before, 1)
    found = run()
    assert runs(farm) == [*before, told(found)]


def test_execute_reaches_the_server_once(
    server: WSManServer, cut: Callable[..., None], run: Callable[[], Run]
) -> None:
    cut(BEGUN["before the answer"])
    run()
    assert server.received["Execute"] == 1


def test_a_run_during_which_the_line_is_cut_is_awaited(
    farm: MemoryFarm, cut: Callable[..., None], run: Callable[[], Run]
) -> None:
    before = runs(farm)
    with farm.engine.disturbances.hold("SPMA") as standing:
        cut(BEGUN["after the request"], standing.wait)
        release = threading.Timer(0.3, farm.engine.disturbances.release, ["SPMA"])
        release.start()
        found = run()
        release.join()
    assert (runs(farm), found.status) == ([*before, told(found)], "success")
