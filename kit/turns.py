"""When a run may begin: while no other run is in progress, and what MIM says when it refuses to begin one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from kit.errors import RunError
from kit.mim import Run, SynchronizationService

logger = logging.getLogger(__name__)

Say = Callable[[str], None]

NO_START = "no-start-"
REMINDER_SECONDS = 60.0
"""How often a wait says again what it waits for."""

CONCURRENT = "0x8023063D"
"""How newer synchronization services refuse to let two agents synchronize at once, as a fault or a status."""

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        CONCURRENT: "another agent is synchronizing",
        "no-start-ma-already-running": "the agent is running already",
        "no-start-ma-update-in-progress": "an agent is being created, changed or deleted",
        "no-start-bad-ma-configuration": "the agent's configuration is damaged",
        "no-start-change-log-not-enabled": "the connected system keeps no change log",
        "no-start-concurrent-execution-not-support": "agents of this type cannot run at the same time",
        "no-start-connection": "the agent could not connect to its system",
        "no-start-credentials": "the connected system refused the agent's account",
        "no-start-delta-step-type-not-configured": "the agent is not set up for delta imports",
        "no-start-full-import-required": "a full import is needed first",
        "no-start-ma": "the agent's own code refused",
        "no-start-missing-partition-for-run-step": "a step of the run profile names no partition",
        "no-start-no-domain-controller": "no domain controller answered the agent",
        "no-start-no-steps-in-profile": "the run profile has no steps",
        "no-start-partition-delete": "the partition of a step was deleted",
        "no-start-partition-not-configured": "the partition of a step is not selected in the agent",
        "no-start-partition-rename": "the partition of a step was renamed",
        "no-start-server": "the synchronization service failed; see the Application event log",
        "no-start-unknown-profile-name": "the agent has no run profile of this name",
    }
)
"""What the tokens mean, in plain words (Microsoft Learn ms697765); the others name their cause themselves."""

PASSING = frozenset({CONCURRENT, "no-start-ma-already-running", "no-start-ma-update-in-progress"})
"""Refusals that end by themselves, so that they are waited out."""


def refusal(run: Run) -> str:
    """Return the token with which MIM refused to begin a run; empty where a run has taken place.

    Examples
    --------
    >>> refusal(Run("SPMA", status="no-start-ma-already-running"))
    'no-start-ma-already-running'
    >>> refusal(Run("SPMA", status="0x8023063d"))
    '0x8023063D'
    >>> refusal(Run("SPMA", 7, "FullImport", "no-start-connection"))
    ''
    """
    if run.run_number:
        return ""
    if CONCURRENT.casefold() in run.status.casefold():  # that a status ever says so is unproven
        return CONCURRENT
    return run.status if run.status.startswith(NO_START) else ""


def meaning(token: str) -> str:
    """Say in plain words why a run was refused.

    Examples
    --------
    >>> meaning("no-start-no-steps-in-profile"), meaning("no-start-file-not-found")
    ('the run profile has no steps', 'file not found')
    """
    return MEANINGS.get(token) or token.removeprefix(NO_START).replace("-", " ")


class Turn:
    """The wait until a run may begin, bounded over all its causes; tells what it waits for.

    Parameters
    ----------
    service : SynchronizationService
    wanted : str
        The run that is to begin, in words.
    seconds : float
        Longest wait.
    pause : float
        Seconds between two looks.
    say : callable
        Told what is in the way, at once and then every minute.
    """

    def __init__(
        self, service: SynchronizationService, wanted: str, *, seconds: float, pause: float, say: Say
    ) -> None:
        self._service, self._wanted, self._say = service, wanted, say
        self._seconds, self._pause = seconds, pause
        self._deadline = time.monotonic() + seconds
        self._told, self._told_at = "", 0.0

    def come(self) -> bool:
        """Wait until no agent of the server has a run in progress.

        Returns
        -------
        bool
            True if none had at the first look; False if something may have changed meanwhile.

        Raises
        ------
        RunError
            The bound is reached; nothing was begun.
        """
        at_once = True
        while reason := self._service.in_progress():
            at_once = False
            self.wait(reason)
        return at_once

    def wait(self, reason: str) -> None:
        """Wait a moment because of something that passes.

        Raises
        ------
        RunError
            The bound is reached; nothing was begun.
        """
        now = time.monotonic()
        if now >= self._deadline:
            cause = f"{reason}, still after {self._seconds / 60:g} minutes"
            next_step = "freeze all schedules, wait for its end, run this notebook again: it goes on here"
            raise RunError(f"{self._wanted} was not started", cause, next_step)
        if reason != self._told or now - self._told_at >= REMINDER_SECONDS:
            self._told, self._told_at = reason, now
            self._say(f"{self._wanted} has to wait: {reason}.")
        threading.Event().wait(self._pause)  # nothing on the server signals the end
