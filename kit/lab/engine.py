"""The synchronization service: management agents, their runs, their connector spaces and the metaverse."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from kit.errors import NotFoundError, ParameterError, SafetyError
from kit.lab.clock import Clock
from kit.lab.connector import Connector
from kit.lab.disturbances import Disturbances, Ending
from kit.lab.layers import ConnectorSpaceView
from kit.lab.metaverse import Metaverse
from kit.lab.rules import AgentRules, Rules, RunProfile
from kit.lab.runs import (
    MA_ALREADY_RUNNING,
    MA_UPDATE_IN_PROGRESS,
    UNKNOWN_PROFILE,
    WITHOUT_RUN,
    Counters,
    RunRecord,
    StepRecord,
    goes_on,
)
from kit.lab.saved import save
from kit.lab.space import ConnectorSpace, ConnectorSpaceObject
from kit.lab.steps import StepRunner
from kit.lab.synchronization import Synchronization

logger = logging.getLogger(__name__)


class SyncConcurrencyError(SafetyError):
    """Another agent is synchronising; the service answers 0x8023063D."""

    code = 0x8023063D


class EngineBusyError(SafetyError):
    """A run is in progress, or a connector space is being deleted."""


@dataclass(frozen=True)
class Agent:
    """A management agent as WMI shows it; ``guid`` is in braces and upper case."""

    name: str
    guid: str
    type: str


class Engine:
    """The synchronization service.

    Parameters
    ----------
    rules : Rules
        The configuration.
    connectors : Mapping[str, Connector]
        By agent name, one for every agent of the rules.
    clock : Clock
        The farm's time.
    run_as : str
        The account that run history shows when none is given.
    picture_model : bool
        Whether full imports overlook pictures as the case describes (see `kit.lab.staging`).
    rules_at_deletion : bool
        Whether deleting a connector space disconnects its objects by the rules, recall and deletion rule
        included. Microsoft has both checked beforehand; that they run at that moment on MIM 2016 too is
        inferred, not stated.

    Attributes
    ----------
    disturbances : Disturbances
        What is to go wrong.
    """

    def __init__(
        self,
        rules: Rules,
        connectors: Mapping[str, Connector],
        *,
        clock: Clock,
        run_as: str = "CONTOSO\\svc-mim",
        picture_model: bool = True,
        rules_at_deletion: bool = True,
    ) -> None:
        self.disturbances = Disturbances()
        self._connectors = dict(connectors)
        self._clock = clock
        self._run_as = run_as
        self._picture_model = picture_model
        self._rules_at_deletion = rules_at_deletion
        self._state = (
            threading.RLock()
        )  # connector spaces, metaverse and rules; held for one object at a time
        self._admission = threading.Lock()  # who may run; never held while waiting
        self._running: dict[str, RunRecord] = {}
        self._synchronising = ""
        self._reconfiguring = False
        self._history: list[RunRecord] = []
        self._run_numbers: dict[str, int] = {}
        self._spaces = {agent.name: ConnectorSpace(agent.name, agent.partition) for agent in rules.agents}
        self._metaverse = Metaverse(rules)
        self._set_rules(rules)

    @property
    def rules(self) -> Rules:
        """The configuration in force."""
        return self._synchronization.rules

    @property
    def agents(self) -> Mapping[str, Agent]:
        """The management agents by name."""
        return MappingProxyType(
            {agent.name: Agent(agent.name, agent.guid, agent.type) for agent in self.rules.agents}
        )

    @property
    def metaverse_count(self) -> int:
        """The number of metaverse objects."""
        return len(self._metaverse)

    def execute(self, agent: str, profile: str, security_id: str = "") -> str:
        """Run a profile in the caller's thread, step by step (MIIS_ManagementAgent.Execute, ms697765).

        Parameters
        ----------
        agent : str
            Name of the management agent.
        profile : str
            Name of the run profile; case does not count.
        security_id : str
            The account to name in the run history.

        Returns
        -------
        str
            The run's final status, or one of `kit.lab.runs.WITHOUT_RUN`, after which there is no run in the
            history.

        Raises
        ------
        NotFoundError
            No such agent.
        SyncConcurrencyError
            The profile synchronises while another agent's run does.
        """
        configuration = self._agent(agent)
        run_profile = configuration.run_profile(profile)
        if run_profile is None:
            return UNKNOWN_PROFILE
        ending = self.disturbances.next_ending(agent)
        if ending and ending.status in WITHOUT_RUN:
            return ending.status
        run = self._admit(configuration, run_profile, security_id or self._run_as)
        if isinstance(run, str):
            return run
        try:
            self._run_steps(run, configuration, run_profile, ending)
        finally:
            for step in run.steps:
                if step.ended is None:  # only a defect of the service leaves a step like this
                    step.ended, step.result = self._clock.now(), "stopped-server"
            with self._admission:
                status = run.finish(self._clock.now())
                del self._running[agent]
                if self._synchronising == agent:
                    self._synchronising = ""
        logger.info("run %d of %s, %s: %s", run.run_number, agent, run.profile, status)
        return status

    def stop_run(self, agent: str) -> str:
        """Ask the agent's run to stop before its next object; ``success`` or ``ma-not-running``."""
        self._agent(agent)
        with self._admission:
            run = self._running.get(agent)
        if run is None:
            return "ma-not-running"
        run.stop_requested.set()
        self.disturbances.release(agent)
        return "success"

    def counters(self, agent: str) -> dict[str, int]:
        """Return the counts of WMI's ``Num*`` methods, by method name."""
        self._agent(agent)
        with self._state:
            return self._spaces[agent].counters()

    def runs(self, agent: str | None = None) -> list[RunRecord]:
        """Return the run history, newest first, with the runs in progress."""
        with self._admission:
            return [run for run in reversed(self._history) if agent is None or run.agent == agent]

    def clear_runs(self, ending_before: datetime) -> None:
        """Forget the runs that ended at or before a time (MIIS_Server.ClearRuns)."""
        with self._admission:
            self._history = [run for run in self._history if run.ended is None or run.ended > ending_before]

    def connector_space_objects(
        self, wanted: Callable[[ConnectorSpaceObject], bool] = lambda _: True
    ) -> Iterator[ConnectorSpaceView]:
        """Show the objects of every connector space.

        Parameters
        ----------
        wanted : Callable[[ConnectorSpaceObject], bool]
            Which of them; by default all.
        """
        for agent in self.rules.agents:
            with self._state:
                found = filter(wanted, self._spaces[agent.name])
                views = [ConnectorSpaceView.of(item, agent) for item in found]
            yield from views

    def delete_connector_space(self, agent: str) -> int:
        """Do what "Delete connector space only" does; return how many objects were discarded.

        Holograms, joins, pending and unconfirmed changes, errors and the watermark go, object by object. What
        recall and deletion rule do to a person leaves pending exports on the other agents.

        Raises
        ------
        NotFoundError
            No such agent.
        EngineBusyError
            A run is in progress.
        """
        self._agent(agent)
        with self._alone(f"delete the connector space of {agent}"):
            space, counters = self._spaces[agent], Counters()
            discarded, passage = len(space), self.disturbances.passage(agent)
            for item in space:
                passage.next_object()
                with self._state:
                    self._synchronization.discard(item, counters, by_the_rules=self._rules_at_deletion)
            with self._state:
                space.clear()
        logger.info("connector space of %s deleted: %d objects", agent, discarded)
        return discarded

    def set_provisioning(self, enabled: bool) -> None:
        """Switch the provisioning code on or off; not possible while an agent runs.

        Raises
        ------
        EngineBusyError
            A run is in progress.
        """
        self.change_rules(replace(self.rules, provisioning_enabled=enabled))

    def change_rules(self, rules: Rules) -> None:
        """Put another configuration in force; objects, values and joins stay until the next synchronisation.

        Raises
        ------
        ParameterError
            The rules have other agents.
        EngineBusyError
            A run is in progress.
        """
        before, after = (sorted((one.name, one.guid) for one in some.agents) for some in (self.rules, rules))
        if before != after:
            cause = f"the service has {', '.join(self._spaces)}"
            what = f"rules for {[name for name, _ in after]} were refused"
            raise ParameterError(what, cause, "keep names and GUIDs")
        with self._alone("change the configuration"), self._state:
            self._metaverse.change_rules(rules)
            self._set_rules(rules)

    def export_configuration(self, folder: Path) -> list[Path]:
        """Write the configuration as Export Server Configuration does: a file per agent and ``MV.xml``.

        Raises
        ------
        OutputError
            The folder cannot be written.
        """
        return save(self.rules, folder, self._clock.now())

    def _agent(self, name: str) -> AgentRules:
        if name not in self.rules.by_name:
            cause = f"the service has {', '.join(self.rules.by_name)}"
            what = f"management agent {name!r} is unknown"
            raise NotFoundError(what, cause, "use one of those")
        return self.rules.by_name[name]

    def _set_rules(self, rules: Rules) -> None:
        self._synchronization = Synchronization(rules, self._spaces, self._metaverse)

    def _admit(self, agent: AgentRules, profile: RunProfile, security_id: str) -> RunRecord | str:
        """Open a run, or return the status of one that may not start."""
        synchronises = any(step.type.synchronises for step in profile.steps)
        with self._admission:
            if self._reconfiguring:
                return MA_UPDATE_IN_PROGRESS
            if agent.name in self._running:
                return MA_ALREADY_RUNNING
            if synchronises and self._synchronising:
                cause = f"{self._synchronising} is synchronising"
                what = f"{profile.name} of {agent.name} was refused (0x8023063D)"
                raise SyncConcurrencyError(what, cause, "wait until it has ended")
            number = self._run_numbers.get(agent.name, 0) + 1
            self._run_numbers[agent.name] = number
            run = RunRecord(
                agent.name, agent.guid, number, profile.name, security_id, self._clock.now(), self.rules
            )
            self._running[agent.name] = run
            self._history.append(run)
            if synchronises:
                self._synchronising = agent.name
        return run

    def _run_steps(
        self, run: RunRecord, agent: AgentRules, profile: RunProfile, ending: Ending | None
    ) -> None:
        connector = self._connectors[agent.name]
        passage = self.disturbances.passage(agent.name, run.stop_requested, ending)
        for number, step in enumerate(profile.steps, start=1):
            record = StepRecord(number, step, self._clock.now(), connector.server)
            run.steps.append(record)
            StepRunner(
                agent=agent,
                space=self._spaces[agent.name],
                connector=connector,
                record=record,
                synchronization=self._synchronization,
                lock=self._state,
                clock=self._clock,
                passage=passage,
                disturbances=self.disturbances,
                picture_model=self._picture_model,
            ).run()
            if not goes_on(record.result):
                return

    @contextmanager
    def _alone(self, task: str) -> Iterator[None]:
        """Keep every run out, or refuse because one is in progress."""
        with self._admission:
            if self._running or self._reconfiguring:
                cause = f"{', '.join(self._running) or 'another change'} is in progress"
                what = f"cannot {task}"
                raise EngineBusyError(what, cause, "wait until it has ended")
            self._reconfiguring = True
        try:
            yield
        finally:
            with self._admission:
                self._reconfiguring = False
