# ruff: noqa: D102, ARG002 - the methods are those of kit.lab.engine.Engine
"""A synchronisation service that does what a test tells it, for tests of the wire around it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace

from kit.lab.engine import SyncConcurrencyError
from kit.lab.layers import ConnectorSpaceView
from kit.lab.space import Delta

AGENTS = {"SPMA": "{0A0A0A0A-0000-4000-8000-00000000000A}", "ADMA": "{0B0B0B0B-0000-4000-8000-00000000000B}"}
PROFILES = ("FullImport", "FullSync", "Export")
STARTED = datetime(2024, 5, 1, 10, 0, 0, 123000, UTC)
ENDED = datetime(2024, 5, 1, 10, 5, 0, 0, UTC)
RUN_DETAILS = (
    "<run-history><run-details><ma-name>{agent}</ma-name><run-number>{number}</run-number>"
    "<run-profile-name>{profile}</run-profile-name></run-details></run-history>"
)


@dataclass
class ScriptedRun:
    """A run as the engine's history has it."""

    agent: str
    agent_guid: str
    run_number: int
    profile: str
    status: str = "in-progress"
    started: datetime = STARTED
    ended: datetime | None = None

    def details_xml(self) -> str:
        return RUN_DETAILS.format(agent=self.agent, number=self.run_number, profile=self.profile)


def person(number: int, agent: str, **layers: object) -> ConnectorSpaceView:
    view = ConnectorSpaceView(
        guid=f"{{{number:08X}-0000-4000-8000-{'A' if agent == 'SPMA' else 'B':0>12}}}",
        dn=f"CN=Person {number},OU=Staff,DC=contoso,DC=example",
        anchor=f"anchor-{number}",
        agent=agent,
        agent_guid=AGENTS[agent],
        metaverse_guid=f"{{{number:08X}-0000-4000-8000-0000000000FF}}",
        account=f"person{number}",
        domain="CONTOSO",
        user_principal_name=f"person{number}@contoso.example",
        object_type="user",
        partition_name="default",
        hologram={"displayName": f"Person {number} <&> 'x'", "thumbnailPhoto": bytes(range(256)) * 12},
        pending_import=None,
        unapplied_export=None,
        unconfirmed_export=None,
    )
    return replace(view, **layers)


class ScriptedEngine:
    """Has what the WMI provider needs of the engine; ``outcome`` and ``during_run`` are the script."""

    def __init__(self) -> None:
        self.agents = {
            name: SimpleNamespace(name=name, guid=guid, type="Extensible2") for name, guid in AGENTS.items()
        }
        self.history: list[ScriptedRun] = []
        self.executed: list[tuple[str, str, str]] = []
        self.outcome = "success"
        self.during_run: Callable[[], object] = lambda: None
        self.started = threading.Event()
        self.cleared: list[datetime] = []
        self.objects = [
            person(1, "SPMA"),
            person(1, "ADMA", unapplied_export=Delta("update", {"thumbnailPhoto": b"new"})),
            person(2, "ADMA", unapplied_export=Delta("delete", {})),
        ]

    def execute(self, agent: str, profile: str, security_id: str) -> str:
        self.executed.append((agent, profile, security_id))
        if profile not in PROFILES:
            return "no-start-unknown-profile-name"
        if self.outcome == "concurrent":
            raise SyncConcurrencyError("FullSync was refused", "ADMA is synchronising", "wait")
        if self.outcome == "crash":
            raise RuntimeError
        number = 1 + max((run.run_number for run in self.runs(agent)), default=0)
        run = ScriptedRun(agent, AGENTS[agent], number, profile)
        self.history.insert(0, run)
        self.started.set()
        self.during_run()
        run.status, run.ended = self.outcome, ENDED
        return self.outcome

    def stop_run(self, agent: str) -> str:
        return "success" if any(run.ended is None for run in self.runs(agent)) else "ma-not-running"

    def counters(self, agent: str) -> dict[str, int]:
        from kit.mim import COUNTERS

        return {name: number for number, name in enumerate(COUNTERS)}

    def runs(self, agent: str | None = None) -> list[ScriptedRun]:
        return [run for run in self.history if agent in {None, run.agent}]

    def clear_runs(self, ending_before: datetime) -> None:
        self.cleared.append(ending_before)
        self.history = [run for run in self.history if run.ended is None]

    def connector_space_objects(
        self, wanted: Callable[[ConnectorSpaceView], bool] = lambda _: True
    ) -> Iterator[ConnectorSpaceView]:
        return filter(wanted, self.objects)
