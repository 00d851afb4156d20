"""The MIM 2016 synchronisation service, through its WMI provider (Microsoft Learn ms698311)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Self

import pandas as pd

from kit.admission import Gate, closed_gate
from kit.csexport import read_csexport
from kit.endpoint import Endpoint
from kit.errors import NotFoundError, OutcomeUnknownError, ProtocolError, RightsError, SourceError
from kit.holograms import ConnectorSpaceObject
from kit.lookup import object_query
from kit.outcome import Outcome, Run
from kit.runs import (
    LIVE_STATUSES,
    classify,
    parse_outbound_flows,
    parse_run_details,
    parse_time,
    tabulate,
    write_time,
)
from kit.wsman import Connection, select

__all__ = [
    "ConnectorSpaceObject",
    "Gate",
    "Run",
    "SynchronizationService",
    "classify",
    "parse_outbound_flows",
    "parse_run_details",
    "read_csexport",
]

logger = logging.getLogger(__name__)

NAMESPACE = "root/MicrosoftIdentityIntegrationServer"
COUNTERS = (
    *("NumCSObjects", "NumTotalConnectors", "NumConnectors", "NumExplicitConnectors"),
    *("NumTotalDisconnectors", "NumDisconnectors", "NumExplicitDisconnectors", "NumFilteredDisconnectors"),
    *("NumPlaceHolders", "NumImportAdd", "NumImportUpdate", "NumImportDelete", "NumImportNoChange"),
    *("NumExportAdd", "NumExportUpdate", "NumExportDelete"),
)
"""The counting methods of MIIS_ManagementAgent (Microsoft Learn ms697768)."""

# The two failures may stand for a run that goes on: the provider lost sight of the service.
_NO_OUTCOME = LIVE_STATUSES | {"call-failure", "connection-failure"}
_AGENT = "MIIS_ManagementAgent"
_RUN_HISTORY = "MIIS_RunHistory"


class SynchronizationService:
    r"""A client of one synchronisation server; a context manager, for one thread.

    It connects on the first call. Every method raises a :class:`kit.errors.SourceError` when the server
    cannot be reached (UnreachableError), its certificate is not trusted (CertificateError), it refuses the
    account (SignInError), WinRM, WMI or the provider denies access (RightsError), or the answer is not
    understood (ProtocolError); and NotFoundError, with the agents there are, when the named one is not
    among them.

    Parameters
    ----------
    endpoint : Endpoint
        The WinRM listener, such as ``http://mim01:5985/wsman``, and an account in a MIM sync group; kinds of
        sign-in: :class:`kit.transport.Transport`. The time-out is that of one call; a run may take longer,
        its outcome is then polled.
    poll_interval : float
        Seconds between two looks at a run.
    grace : float
        Seconds for which a run whose Execute was not answered may stay unseen before its outcome is unknown.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        poll_interval: float = 1.0,
        grace: float = 60.0,
    ) -> None:
        self.url = endpoint.url
        self._connection = Connection(endpoint, NAMESPACE)
        self._poll_interval = poll_interval
        self._grace = grace

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def identify(self) -> Mapping[str, str]:
        """Ask, without signing in, what answers at the URL.

        Returns
        -------
        Mapping[str, str]
            ``ProtocolVersion``, ``ProductVendor`` and ``ProductVersion``.
        """
        return self._connection.identify()

    def closed_gate(self) -> tuple[Gate, RightsError] | None:
        """Find the first gate at which the account is turned away; see :func:`kit.admission.closed_gate`."""
        return closed_gate(self._connection, NAMESPACE)

    def agents(self) -> pd.DataFrame:
        """List the management agents.

        Returns
        -------
        pandas.DataFrame
            ``name``, ``guid`` (in braces, upper case) and ``type``, as strings.
        """
        agents = self._connection.query(select(_AGENT))
        columns = {"name": "Name", "guid": "Guid", "type": "Type"}
        return pd.DataFrame(
            {
                column: pd.Series([agent.get(name, "") for agent in agents], dtype="string")
                for column, name in columns.items()
            }
        )

    def require(self, agent: str) -> None:
        """Raise NotFoundError, naming the agents there are, unless the agent is one of them."""
        names = self.agents()["name"].tolist()
        if agent.casefold() not in {name.casefold() for name in names}:
            raise NotFoundError(
                f"management agent {agent!r} does not exist on {self.url}",
                f"the agents there are {', '.join(map(repr, names)) or 'none'}",
                "correct the agent's name",
            )

    def counters(self, agent: str) -> Mapping[str, int]:
        """Read every count of an agent's connector space, by the name of its WMI method.

        ``NumCSObjects`` is ``NumTotalConnectors`` + ``NumTotalDisconnectors`` + ``NumPlaceHolders``.
        """
        return {name: self._count(agent, name) for name in COUNTERS}

    def last_run(self, agent: str) -> Run:
        """Read the agent's current or last run; all but ``agent`` is empty if it never ran."""
        number = self._call(agent, "RunNumber")
        while True:
            run = self._read_run(agent, number)
            number, before = self._call(agent, "RunNumber"), number
            if number == before:  # no other run began while this one was read
                return run

    def in_progress(self) -> str:
        """Name a run in progress on any agent; empty where none is. Its status does not say who began it."""
        for agent in self.agents()["name"]:
            run = self.last_run(str(agent))
            if run.status in LIVE_STATUSES:
                return f"run {run.run_number} of '{agent}' ({run.profile}) is in progress"
        return ""

    def execute(
        self,
        agent: str,
        profile: str,
        *,
        progress: Callable[[str], None] | None = None,
        deadline: float = 7200,
    ) -> Run:
        """Start a run and wait for its end.

        Execute blocks until the run has ended, longer than WinRM waits (MaxTimeoutms). It is sent exactly
        once; when no outcome comes back, the agent's run number and status are read until they tell.

        Parameters
        ----------
        agent, profile : str
            The management agent and one of its run profiles.
        progress : Callable[[str], None] or None
            Is told, now and then, how the run stands.
        deadline : float
            Seconds to wait for the end.

        Returns
        -------
        Run
            With its final status, not judged: an unknown profile is ``no-start-unknown-profile-name``.

        Raises
        ------
        OutcomeUnknownError
            The run may have taken place or may still go on, and that could not be read back.
        RunError
            Another agent is synchronising; nothing was started.
        """
        before = self.last_run(agent)
        outcome = Outcome(before, profile, grace=self._grace, deadline=deadline)
        status = self._connection.invoke_once(_AGENT, {"Name": agent}, "Execute", RunProfileName=profile)
        if status and status not in _NO_OUTCOME:
            self._checked(status, f"run {profile!r} of {agent!r}")
            if completed := self._answered(before, profile, status):
                return completed
        logger.info("%s: %s was not answered (%s), polling", agent, profile, status)
        while not outcome.has_come(run := self._look(before)):
            if progress:
                progress(f"{agent}: {profile} goes on, {outcome.elapsed:.0f} s")
            time.sleep(self._poll_interval)  # nothing on the server signals the end
        return run

    def stop(self, agent: str) -> bool:
        """Stop the agent's run, whoever began it; it ends as ``stopped-user-termination-from-wmi-or-ui``.

        Stop is sent exactly once, because a second one could meet another run. What the run did before
        stays done. The call may return before the run has ended: :meth:`last_run` tells.

        Returns
        -------
        bool
            False if no run was in progress.

        Raises
        ------
        OutcomeUnknownError
            It was not answered, or not with a documented word.
        """
        answer = self._connection.invoke_once(_AGENT, {"Name": agent}, "Stop")
        if answer not in {"success", "ma-not-running"}:
            self._checked(answer or "", f"the end of the run of {agent!r}")
            raise OutcomeUnknownError(
                f"it is not known whether the run of {agent!r} was stopped",
                f"the synchronisation service answered {answer!r}" if answer else "no answer came",
                "look at Operations in miisclient.exe before anything else is started",
            )
        return answer == "success"

    def run_details(self, agent: str, run_number: int | None = None) -> str:
        """Read a run's details as XML for :func:`parse_run_details`; without a number, the last run's."""
        if run_number is None:
            return self._call(agent, "RunDetails")
        runs = self._connection.query(_run_query(agent, run_number))
        if not runs:
            self.require(agent)
            raise NotFoundError(
                f"run {run_number} of {agent!r} is not in the run history",
                "it never took place, or the history was cleared",
                "choose a run from run_history()",
            )
        return self._checked(
            self._connection.invoke(_RUN_HISTORY, {"Key": runs[0]["Key"]}, "RunDetails"),
            f"the details of run {run_number} of {agent!r}",
        )

    def run_history(
        self, agent: str | None = None, *, profile: str = "", since: datetime | None = None
    ) -> pd.DataFrame:
        """List the runs, newest first.

        Parameters
        ----------
        agent : str or None
            Of one management agent only.
        profile : str
            Of one run profile only.
        since : datetime or None
            Those that began at that time or later; with a time zone.

        Returns
        -------
        pandas.DataFrame
            The columns of :data:`kit.runs.HISTORY`; a run in progress has the status ``in-progress`` and no
            ``ended``.
        """
        if agent is not None:
            self.require(agent)
        wanted = {"MaName": agent or "", "RunProfile": profile}
        query = select(
            _RUN_HISTORY,
            {} if since is None else {"RunStartTime": write_time(since)},
            **{name: value for name, value in wanted.items() if value},
        )
        return tabulate(self._connection.query(query))

    def connector_space_objects(self, **key: str) -> list[ConnectorSpaceObject]:
        """Find connector-space objects in one of the provider's few ways (Microsoft Learn ms697741).

        Parameters
        ----------
        **key : str
            Those of :func:`kit.lookup.object_query`: ``account``, or ``dns_domain`` and ``account``, or
            ``domain`` and ``user_principal_name``, or ``metaverse_guid``, or ``agent_guid`` and ``dn``, or
            ``guid``.

        Raises
        ------
        ParameterError
            The parameters are none of these ways.
        """
        instances = self._connection.query(object_query(**key))
        return [ConnectorSpaceObject.of(instance) for instance in instances]

    def _call(self, agent: str, method: str) -> str:
        try:
            value = self._connection.invoke(_AGENT, {"Name": agent}, method)
        except (NotFoundError, ProtocolError):
            self.require(agent)
            raise
        return self._checked(value, f"{method} of management agent {agent!r}")

    def _count(self, agent: str, method: str) -> int:
        return _number(self._call(agent, method), f"{method} of management agent {agent!r}")

    def _checked(self, value: str, what: str) -> str:
        if value == "access-denied":
            raise RightsError(
                f"{what} was denied by the synchronisation service of {self.url}",
                "the account is in no group that may do it (FIMSyncAdmins, FIMSyncOperators)",
                "add the account to FIMSyncOperators and sign in again",
            )
        if value in {"call-failure", "connection-failure"}:
            raise ProtocolError(
                f"{what} could not be had from the synchronisation service of {self.url}",
                f"it answered {value!r}: the service is down, or the account has left its group",
                "look at the server's Application event log",
            )
        return value

    def _read_run(self, agent: str, number: str) -> Run:
        if not number:
            return Run(agent)
        status = self._call(agent, "RunStatus")
        ended = "" if status in LIVE_STATUSES else self._call(agent, "RunEndTime")
        return Run(
            agent,
            _number(number, f"RunNumber of management agent {agent!r}"),
            self._call(agent, "RunProfile"),
            status,
            parse_time(self._call(agent, "RunStartTime")),
            parse_time(ended),
        )

    def _answered(self, before: Run, profile: str, status: str) -> Run | None:
        """Complete what Execute answered with the number and times of the run, if there was one.

        None if those cannot be read at present.
        """
        try:
            after = self._run_after(before)
        except SourceError as error:
            logger.info("%s: its last run could not be read: %s", before.agent, error)
            return None
        if after.run_number != before.run_number and after.is_of(profile) and after.status == status:
            return replace(after, profile=profile)
        return Run(before.agent, profile=profile, status=status)

    def _look(self, before: Run) -> Run:
        """Return the run after another, or the other: a service that starts again is looked for on."""
        try:
            return self._run_after(before)
        except SourceError as error:
            logger.info("%s: its last run could not be read: %s", before.agent, error)
            return before

    def _run_after(self, before: Run) -> Run:
        """Return the agent's first run after another, from the history if more have followed it."""
        last = self.last_run(before.agent)
        following = before.run_number + 1
        if before.run_number == 0 or last.run_number <= following:
            return last
        runs = self._connection.query(_run_query(before.agent, following))
        return _run(runs[0]) if runs else last


def _run(instance: Mapping[str, str]) -> Run:
    """Read an instance of MIIS_RunHistory."""
    return Run(
        instance["MaName"],
        _number(instance["RunNumber"], "RunNumber"),
        instance["RunProfile"],
        instance["RunStatus"],
        parse_time(instance["RunStartTime"]),
        parse_time(instance["RunEndTime"]),
    )


def _run_query(agent: str, run_number: int) -> str:
    return select(_RUN_HISTORY, MaName=agent, RunNumber=str(run_number))


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ProtocolError(f"{what} is {text!r}", "it should be a number", "look at the server's event log")
    return int(text)
