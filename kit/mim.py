"""The MIM 2016 synchronisation service, through its WMI provider (Microsoft Learn ms698311)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, Self

import pandas as pd

from kit.csexport import read_csexport
from kit.endpoint import Endpoint
from kit.errors import (
    NotFoundError,
    ParameterError,
    ProtocolError,
    RightsError,
    UnreachableError,
)
from kit.faults import comes_from_wmi
from kit.holograms import ConnectorSpaceObject
from kit.outcome import Outcome, Run
from kit.runs import LIVE_STATUSES, classify, parse_outbound_flows, parse_run_details, parse_time
from kit.wsman import Connection, select

__all__ = [
    "ConnectorSpaceObject",
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

Gate = Literal["listener", "namespace", "group"]
"""What an account must pass on its way to the provider, from the outside in."""

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
        The WinRM listener, such as ``http://mim01:5985/wsman``, and an account in a MIM sync group; sign-in
        by ``ntlm`` (the usual one), ``negotiate``, ``kerberos``, ``basic`` or ``credssp``. The time-out is
        that of one call; a run may take longer, its outcome is then polled.
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
        """Find the first gate of WMI at which the account is turned away.

        Returns
        -------
        tuple of (Gate, RightsError) or None
            The gate and what to do there; None when the account passes all three. ``listener``: WinRM itself
            (Remote Management Users). ``namespace``: Enable Account and Remote Enable on the provider's
            namespace; ``__Namespace`` is a class of WMI's own, so its answer needs no provider. ``group``:
            the provider, which asks for a MIM sync group.
        """
        try:
            self._connection.query(select("__Namespace"))
        except RightsError as error:
            if not comes_from_wmi(error.__cause__):
                return "listener", error
            step = f"allow it Enable Account and Remote Enable on {NAMESPACE} in wmimgmt.msc"
            return "namespace", RightsError(error.what, error.cause, step)
        try:
            self._connection.query(select("MIIS_Server"))
        except RightsError as error:
            step = "add it to FIMSyncOperators, which may read and run the agents"
            return "group", RightsError(error.what, error.cause, step)
        return None

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
        # The two failures may stand for a run that goes on: the provider lost sight of the service.
        if status and status not in {"call-failure", "connection-failure"}:
            return self._answered(before, profile, self._checked(status, f"run {profile!r} of {agent!r}"))
        logger.info("%s: %s was not answered (%s), polling", agent, profile, status)
        while not outcome.has_come(run := self._look(before)):
            if progress:
                progress(f"{agent}: {profile} goes on, {outcome.elapsed:.0f} s")
            time.sleep(self._poll_interval)  # nothing on the server signals the end
        return run

    def run_details(self, agent: str, run_number: int | None = None) -> str:
        """Read a run's details as XML for :func:`parse_run_details`; without a number, the last run's."""
        if run_number is None:
            return self._call(agent, "RunDetails")
        runs = self._connection.query(select(_RUN_HISTORY, MaName=agent, RunNumber=str(run_number)))
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

    def run_history(self, agent: str | None = None) -> pd.DataFrame:
        """List the runs, newest first.

        Returns
        -------
        pandas.DataFrame
            ``agent``, ``agent_guid``, ``run_number`` (Int64), ``run_profile``, ``status``, ``started`` and
            ``ended`` (UTC; ``ended`` is missing while it runs).
        """
        if agent is not None:
            self.require(agent)
        where = {} if agent is None else {"MaName": agent}
        runs = self._connection.query(select(_RUN_HISTORY, **where))
        times = "datetime64[us, UTC]"
        return pd.DataFrame(
            {
                "agent": pd.Series([run["MaName"] for run in runs], dtype="string"),
                "agent_guid": pd.Series([run["MaGuid"] for run in runs], dtype="string"),
                "run_number": pd.Series(
                    [_number(run["RunNumber"], "RunNumber") for run in runs], dtype="Int64"
                ),
                "run_profile": pd.Series([run["RunProfile"] for run in runs], dtype="string"),
                "status": pd.Series([run["RunStatus"] for run in runs], dtype="string"),
                "started": pd.Series([parse_time(run["RunStartTime"]) for run in runs], dtype=times),
                "ended": pd.Series([parse_time(run["RunEndTime"]) for run in runs], dtype=times),
            }
        )

    def connector_space_objects(
        self,
        *,
        account: str = "",
        metaverse_guid: str = "",
        agent_guid: str = "",
        dn: str = "",
        guid: str = "",
    ) -> list[ConnectorSpaceObject]:
        r"""Find connector-space objects in one of the provider's few ways (Microsoft Learn ms697741).

        Parameters
        ----------
        account : str
            ``contoso\anna``: that account's objects.
        metaverse_guid : str
            One object per connector of that metaverse object.
        agent_guid, dn : str
            Together: the object with that distinguished name, or anchor where the agent has none.
        guid : str
            The object with that GUID.

        Raises
        ------
        ParameterError
            The parameters are none of these ways.
        """
        domain, _, name = account.rpartition("\\")
        forms = (
            {"Domain": domain, "Account": name},
            {"MvGuid": metaverse_guid},
            {"MaGuid": agent_guid, "Dn": dn},
            {"Guid": guid},
        )
        given = [form for form in forms if any(form.values())]
        if len(given) != 1 or not all(given[0].values()):
            raise ParameterError(
                f"connector-space objects cannot be looked up by {given or 'nothing'}",
                "exactly one of account, metaverse_guid, agent_guid with dn, and guid is needed",
                "give an account as DOMAIN\\name, or one of the others",
            )
        instances = self._connection.query(select("MIIS_CSObject", **given[0]))
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

    def _answered(self, before: Run, profile: str, status: str) -> Run:
        """Complete what Execute answered with the number and times of the run, if there was one."""
        after = self.last_run(before.agent)
        if after.run_number != before.run_number and after.is_of(profile) and after.status == status:
            return replace(after, profile=profile)
        return Run(before.agent, profile=profile, status=status)

    def _look(self, before: Run) -> Run:
        try:
            return self.last_run(before.agent)
        except UnreachableError as error:
            logger.info("%s: its last run could not be read: %s", before.agent, error)
            return before


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ProtocolError(f"{what} is {text!r}", "it should be a number", "look at the server's event log")
    return int(text)
