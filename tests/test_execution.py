from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from memory_farm import MemoryFarm, case_farm

from kit.endpoint import Endpoint
from kit.errors import OutcomeUnknownError, RunError
from kit.execution import Execution, Patience
from kit.journal import Journal
from kit.lab import wsman
from kit.lab.domain import Account, Domain
from kit.lab.wsman import WSManServer
from kit.mim import Run, SynchronizationService
from kit.plan import Step
from kit.wsman import Connection

KIT = Account("svc-kit", "Corr3ct horse", frozenset({"sync-operator"}))
STEP = Step(5, "run", "sharepoint full_sync", "SPMA", "FullSync")
FACTS = {"kind": STEP.kind, "name": STEP.name, "agent": STEP.agent, "profile": STEP.profile}


class Fix:
    """One step of a fix on a farm in memory, as often as a test wants it carried out."""

    def __init__(self, farm: MemoryFarm, service: SynchronizationService, journal: Journal) -> None:
        self.farm, self.service, self.journal = farm, service, journal
        self.before = self.runs()
        self.said: list[str] = []
        self.on_say: Callable[[], object] = lambda: None
        self.looks = 0

    def run(self, *, fresh: bool = True, **patience: float) -> Run:
        """Carry the step out, as one process does."""
        execution = Execution(
            self.service, self.journal, Patience(**{"grace": 0.0, **patience}), pause=0.02, say=self._say
        )
        return execution.run(STEP, FACTS, self._look_again, fresh=fresh)

    def runs(self) -> list[tuple[int, str]]:
        """Return the engine's own list of the agent's runs, oldest first."""
        return [(run.run_number, run.profile) for run in reversed(self.farm.engine.runs("SPMA"))]

    def begun(self) -> list[str]:
        """Return the profiles that were run in the test."""
        return [profile for _, profile in self.runs()[len(self.before) :]]

    def intend(self, age: float = 0.0) -> None:
        """Leave an intent behind, as a process does that dies."""
        self.journal.write("intent", STEP.number, **FACTS, run_number_before=self.before[-1][0])
        time = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
        [event] = self.journal.events()
        self.journal.path.write_text(self.journal.path.read_text().replace(event["time"], time))

    def events(self) -> list[str]:
        """Return the kinds of the journal's lines."""
        return [event["event"] for event in self.journal.events()]

    def _say(self, sentence: str) -> None:
        self.said.append(sentence)
        self.on_say()

    def _look_again(self) -> None:
        self.looks += 1


@pytest.fixture
def farm() -> MemoryFarm:
    return case_farm()


@pytest.fixture
def server(farm: MemoryFarm) -> Iterator[WSManServer]:
    server = wsman.start(farm.engine, Domain(), [KIT])
    yield server
    server.stop()


@pytest.fixture
def fix(farm: MemoryFarm, server: WSManServer, tmp_path: Path) -> Iterator[Fix]:
    endpoint = Endpoint(server.url, "CONTOSO\\svc-kit", KIT.password)
    with SynchronizationService(endpoint, poll_interval=0.02, grace=0.2) as service:
        yield Fix(farm, service, Journal(tmp_path / "journal.jsonl"))


@pytest.fixture
def standing(farm: MemoryFarm) -> Iterator[Callable[[str], Callable[[], None]]]:
    """Return a function that lets somebody else's run of the directory agent stand still until released."""
    with farm.engine.disturbances.hold("ADMA") as reached, ThreadPoolExecutor(1) as pool:

        def start(profile: str) -> Callable[[], None]:
            run = pool.submit(farm.engine.execute, "ADMA", profile)
            assert reached.wait(10)

            def end() -> None:
                farm.engine.disturbances.release("ADMA")
                run.result(10)

            return end

        yield start
        farm.engine.disturbances.release("ADMA")


# What is in the way, and passes.


def test_an_undisturbed_run_is_announced_and_begun(fix: Fix) -> None:
    run = fix.run()
    assert ((run.run_number, run.profile), fix.events()) == (fix.runs()[-1], ["intent"])


def test_a_run_of_another_agent_is_waited_for(
    fix: Fix, standing: Callable[[str], Callable[[], None]]
) -> None:
    fix.on_say = standing("DeltaImport")
    fix.run()
    assert fix.said[0].startswith("'FullSync' of 'SPMA' has to wait: run ")
    assert "of 'ADMA' (DeltaImport) is in progress" in fix.said[0]


def test_a_run_that_does_not_end_stops_the_fix_before_anything_is_announced(
    fix: Fix, standing: Callable[[str], Callable[[], None]]
) -> None:
    standing("DeltaImport")
    with pytest.raises(
        RunError, match=r"'FullSync' of 'SPMA' was not started: run \d+ of 'ADMA'.*still after"
    ):
        fix.run(turn=0.1)
    assert (fix.begun(), fix.events()) == ([], [])


@pytest.mark.parametrize(
    ("token", "meaning"),
    [
        ("no-start-ma-already-running", "the agent is running already"),
        ("no-start-ma-update-in-progress", "an agent is being created, changed or deleted"),
    ],
)
def test_a_refusal_that_passes_is_waited_out(fix: Fix, token: str, meaning: str) -> None:
    fix.farm.engine.disturbances.end_next("SPMA", token)
    assert fix.run().status == "success"
    assert fix.said == [f"'FullSync' of 'SPMA' has to wait: MIM says {token}, {meaning}."]
    assert (fix.begun(), fix.events()) == (["FullSync"], ["intent", "refused", "intent"])


def test_a_refusal_that_does_not_pass_in_time_stops_the_fix(fix: Fix) -> None:
    for _ in range(50):
        fix.farm.engine.disturbances.end_next("SPMA", "no-start-ma-update-in-progress")
    with pytest.raises(RunError, match=r"was not started: .*no-start-ma-update-in-progress.*goes on here"):
        fix.run(turn=0.1)
    assert fix.begun() == []


def test_a_synchronization_refused_for_another_one_is_waited_out(
    fix: Fix, standing: Callable[[str], Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke_once = Connection.invoke_once

    def late(connection: Connection, *arguments: object, **named: str) -> str | None:
        if not fix.said:
            fix.on_say = standing("FullSync")
        return invoke_once(connection, *arguments, **named)

    monkeypatch.setattr(Connection, "invoke_once", late)
    assert fix.run().status == "success"
    assert "MIM says 0x8023063D, another agent is synchronizing" in fix.said[0]
    assert (fix.begun(), fix.events()) == (["FullSync"], ["intent", "refused", "intent"])


@pytest.mark.parametrize(
    ("token", "meaning"),
    [
        ("no-start-unknown-profile-name", "the agent has no run profile of this name"),
        ("no-start-concurrent-execution-not-support", "agents of this type cannot run at the same time"),
    ],
)
def test_any_other_refusal_stops_the_fix_with_its_meaning(fix: Fix, token: str, meaning: str) -> None:
    fix.farm.engine.disturbances.end_next("SPMA", token)
    with pytest.raises(RunError, match=f"'FullSync' of 'SPMA' was not started, MIM says {token}: {meaning}"):
        fix.run()
    assert fix.begun() == []


# When to look again.


def test_nothing_is_looked_at_again_where_no_time_has_passed(fix: Fix) -> None:
    fix.run()
    assert fix.looks == 0


def test_what_was_prepared_is_looked_at_again_after_a_wait(
    fix: Fix, standing: Callable[[str], Callable[[], None]]
) -> None:
    fix.on_say = standing("DeltaImport")
    fix.run()
    assert fix.looks == 1


def test_what_was_prepared_is_looked_at_again_after_a_refusal(fix: Fix) -> None:
    fix.farm.engine.disturbances.end_next("SPMA", "no-start-ma-already-running")
    fix.run()
    assert fix.looks == 1


def test_what_was_prepared_is_looked_at_again_by_another_process(fix: Fix) -> None:
    fix.intend()
    fix.run()
    assert fix.looks == 1


# What became of a run that a dead process had announced.


def test_a_run_that_took_place_is_found(fix: Fix) -> None:
    fix.intend()
    fix.farm.run("SPMA", "FullSync")
    run = fix.run()
    assert ((run.run_number, run.profile), fix.begun()) == (fix.runs()[-1], ["FullSync"])


def test_a_run_that_never_began_is_begun(fix: Fix) -> None:
    fix.intend()
    fix.run()
    assert fix.begun() == ["FullSync"]


def test_a_request_that_is_still_on_its_way_is_waited_for(fix: Fix) -> None:
    fix.intend()
    late = threading.Timer(0.2, fix.farm.run, ["SPMA", "FullSync"])
    late.start()
    fix.run(grace=5.0)
    late.join()
    assert fix.begun() == ["FullSync"]


def test_an_old_request_is_not_waited_for(fix: Fix) -> None:
    fix.intend(age=3600)
    fix.run(grace=600.0)
    assert fix.begun() == ["FullSync"]


def test_a_run_is_found_under_those_of_others(fix: Fix) -> None:
    fix.intend()
    fix.farm.run("SPMA", "FullSync", "DeltaImport")
    run = fix.run()
    assert ((run.run_number, run.profile), run.status) == (fix.runs()[-2], "success")
    assert fix.said == [
        f"Somebody else has run 'SPMA' meanwhile: {run.run_number + 1} (DeltaImport). Freeze all schedules."
    ]


def test_a_run_is_begun_where_only_others_took_place(fix: Fix) -> None:
    fix.intend()
    fix.farm.run("SPMA", "DeltaImport")
    fix.run()
    assert fix.begun() == ["DeltaImport", "FullSync"]


def test_a_run_that_may_be_somebody_elses_is_an_unknown_outcome(fix: Fix) -> None:
    fix.intend()
    fix.farm.run("SPMA", "DeltaImport", "FullSync")
    with pytest.raises(OutcomeUnknownError, match=r"'SPMA' stands at run \d+ \(FullSync\), expected \d+"):
        fix.run()
    assert fix.begun() == ["DeltaImport", "FullSync"]


def test_a_cleared_history_is_an_unknown_outcome(fix: Fix) -> None:
    fix.intend()
    fix.farm.engine.clear_runs(datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(OutcomeUnknownError, match="or cleared its run history"):
        fix.run()
    assert fix.runs() == []


def test_a_run_that_hangs_is_an_unknown_outcome(fix: Fix, farm: MemoryFarm) -> None:
    fix.intend()
    with farm.engine.disturbances.hold("SPMA") as reached, ThreadPoolExecutor(1) as pool:
        pool.submit(farm.engine.execute, "SPMA", "FullSync")
        assert reached.wait(10)
        with pytest.raises(OutcomeUnknownError, match=r"run \d+ of 'SPMA' is still in progress: it may hang"):
            fix.run(run=0.1)
        farm.engine.disturbances.release("SPMA")
    assert fix.begun() == ["FullSync"]
