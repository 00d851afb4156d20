"""How a run of a management agent came out, also when nobody answered."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from kit.errors import KitError, OutcomeUnknownError
from kit.runs import LIVE_STATUSES


@dataclass(frozen=True)
class Run:
    """One run of a management agent.

    Parameters
    ----------
    agent : str
        The management agent's name.
    run_number : int
        Its number in the agent's sequence; 0 if there is none, because nothing ran.
    profile : str
        The run profile's name.
    status : str
        MIM's status token; :func:`kit.runs.classify` says what it means. Empty if the agent never ran.
    started, ended : datetime or None
        UTC.
    """

    agent: str
    run_number: int = 0
    profile: str = ""
    status: str = ""
    started: datetime | None = None
    ended: datetime | None = None

    def is_of(self, profile: str) -> bool:
        """Say whether this is a run of the profile; MIM does not mind the case of its name."""
        return self.profile.casefold() == profile.casefold()


class Outcome:
    """Finds the end of a run that was asked for and of which nothing was heard.

    Parameters
    ----------
    before : Run
        The agent's last run before.
    profile : str
        The run profile that was asked for.
    grace : float
        Seconds for which no sign of the run is tolerated.
    deadline : float
        Seconds the run may take.
    """

    def __init__(self, before: Run, profile: str, *, grace: float, deadline: float) -> None:
        self._before = before
        self._profile = profile
        self._grace = grace
        self._deadline = deadline
        self._asked = self._seen = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the run was asked for."""
        return time.monotonic() - self._asked

    def has_come(self, run: Run) -> bool:
        """Judge what was last seen as the agent's current or last run.

        Returns
        -------
        bool
            True if it is the run that was asked for, and it has ended.

        Raises
        ------
        OutcomeUnknownError
            Looking on is of no use.
        """
        if run.run_number != self._before.run_number:
            self._require_ours(run)
            if run.status and run.status not in LIVE_STATUSES:
                return True
            self._seen = time.monotonic()
        if time.monotonic() - self._seen > self._grace:
            raise self._unknown(f"no sign of it was seen for {self._grace:.0f} s")
        if self.elapsed > self._deadline:
            raise self._unknown(f"it has not ended within {self._deadline:.0f} s")
        return False

    def _require_ours(self, run: Run) -> None:
        follows = run.run_number == self._before.run_number + 1
        # Once the history was cleared, the last number is not known.
        if not run.is_of(self._profile) or not (follows or self._before.run_number == 0):
            raise self._unknown(f"run {run.run_number} ({run.profile}) was started by someone else")

    def _unknown(self, cause: str) -> KitError:
        return OutcomeUnknownError(
            f"it is not known how run {self._profile!r} of {self._before.agent!r} ended",
            cause,
            "look at Operations in miisclient.exe before anything else is started",
        )
