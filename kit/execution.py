"""One run of the fix: announced on disk, begun once, and found again after an interruption."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from kit.errors import OutcomeUnknownError, RunError
from kit.journal import Journal
from kit.mim import Run, SynchronizationService
from kit.plan import Step
from kit.runs import LIVE_STATUSES
from kit.turns import CONCURRENT, PASSING, Say, Turn, meaning, refusal

logger = logging.getLogger(__name__)

Facts = dict[str, Any]


def _nothing() -> None:
    """Look at nothing."""


@dataclass(frozen=True)
class Patience:
    """How long the fix waits for what it cannot hasten, in seconds.

    Parameters
    ----------
    turn : float
        For other runs to end, before each run.
    grace : float
        For the sign of a run that was asked for just before the process died: the request may still be on
        its way.
    run : float
        For the end of a run that was found in progress.
    """

    turn: float = 1800.0
    grace: float = 60.0
    run: float = 7200.0


class Execution:
    """Carries out the runs of a plan, each exactly once.

    Parameters
    ----------
    service : SynchronizationService
    journal : Journal
    patience : Patience
    pause : float
        Seconds between two looks.
    say : callable
        Told why nothing moves.
    """

    def __init__(
        self, service: SynchronizationService, journal: Journal, patience: Patience, *, pause: float, say: Say
    ) -> None:
        self._service, self._journal, self._patience = service, journal, patience
        self._pause, self._say = pause, say

    def run(
        self, step: Step, facts: Facts, look_again: Callable[[], object] = _nothing, *, fresh: bool = True
    ) -> Run:
        """Return the run of a step: the one that an earlier attempt began, or a new one.

        Parameters
        ----------
        step : Step
        facts : dict
            What the journal says of the step.
        look_again : callable
            Called before the run is begun when time has passed since the steps before it; raises where the
            run must not begin any more.
        fresh : bool
            Whether the steps before it have only just ended.

        Returns
        -------
        Run
            Ended, with its status, not judged.

        Raises
        ------
        RunError
            The run was refused, or others were in progress for too long; nothing was begun.
        OutcomeUnknownError
            It may have taken place, and that could not be read back.
        """
        intent = self._journal.open_intent(step.number)
        if intent and (found := self._read_back(step, intent)):
            return found
        fresh = fresh and intent is None
        turn = Turn(
            self._service,
            f"'{step.profile}' of '{step.agent}'",
            seconds=self._patience.turn,
            pause=self._pause,
            say=self._say,
        )
        while True:
            if not fresh:
                look_again()
            fresh = turn.come()
            if not fresh:
                continue
            run = self._begin(step, facts)
            if not (token := refusal(run)):
                return run
            self._refused(step, facts, token)
            turn.wait(f"MIM says {token}, {meaning(token)}")
            fresh = False

    def _begin(self, step: Step, facts: Facts) -> Run:
        before = self._service.last_run(step.agent)
        self._journal.write("intent", step.number, **facts, run_number_before=before.run_number)
        try:
            return self._service.execute(step.agent, step.profile)
        except RunError as error:  # the one refusal that is a fault
            logger.info("%s", error)
            return Run(step.agent, profile=step.profile, status=CONCURRENT)

    def _refused(self, step: Step, facts: Facts, token: str) -> None:
        """Close the intent, because nothing was begun; stop where waiting would not help."""
        if token not in PASSING:
            what = f"'{step.profile}' of '{step.agent}' was not started, MIM says {token}"
            next_step = "mend the cause in miisclient, run this notebook again: it goes on here"
            raise RunError(what, meaning(token), next_step)
        self._journal.write("refused", step.number, **facts, status=token, detail=meaning(token))

    def _read_back(self, step: Step, intent: Facts) -> Run | None:
        """Find out what became of an Execute whose outcome was not journalled; None if it never began."""
        number = int(intent.get("run_number_before", 0))
        last = self._last_run(step, number, time.monotonic() + self._grace(intent))
        if last.run_number == number:
            return None
        later = [last] if last.run_number == number + 1 else self._runs_after(step.agent, number)
        if later and last.run_number > number:
            if not any(run.is_of(step.profile) for run in later):
                return None
            if later[0].is_of(step.profile) and (later[0].run_number == number + 1 or number == 0):
                self._tell_of(later[1:])
                return later[0]
        what = f"'{step.agent}' stands at run {last.run_number} ({last.profile}), expected {number + 1}"
        cause = "somebody else has run this agent since the fix was interrupted, or cleared its run history"
        raise OutcomeUnknownError(
            what, cause, "freeze all schedules, check the connector spaces, restart the case"
        )

    def _last_run(self, step: Step, number: int, patience: float) -> Run:
        """Return the agent's last run, ended; if there is no new one, as it is once patience has run out."""
        deadline = time.monotonic() + self._patience.run
        while True:
            run = self._service.last_run(step.agent)
            if run.status in LIVE_STATUSES:
                if time.monotonic() > deadline:
                    what = f"run {run.run_number} of '{step.agent}' is still in progress"
                    cause = f"it may hang: {self._patience.run / 3600:g} hours have passed"
                    raise OutcomeUnknownError(what, cause, "look at it in miisclient, then run this again")
            elif run.run_number != number or time.monotonic() >= patience:
                return run
            threading.Event().wait(self._pause)

    def _grace(self, intent: Facts) -> float:
        """Return for how long the request of an intent may still begin a run."""
        age = (datetime.now(UTC) - datetime.fromisoformat(intent["time"])).total_seconds()
        return min(self._patience.grace - age, self._patience.grace)

    def _runs_after(self, agent: str, number: int) -> list[Run]:
        """Return the runs of an agent that came after a number, oldest first."""
        history = self._service.run_history(agent)
        later = history[history["run_number"] > number].sort_values("run_number")
        return [
            Run(agent, row["run_number"], row["run_profile"], row["status"], *_times(row))
            for row in later.to_dict("records")
        ]

    def _tell_of(self, others: list[Run]) -> None:
        if others:
            told = ", ".join(f"{run.run_number} ({run.profile})" for run in others)
            self._say(f"Somebody else has run '{others[0].agent}' meanwhile: {told}. Freeze all schedules.")


def _times(row: Mapping[Hashable, Any]) -> tuple[datetime | None, ...]:
    times = (row["started"], row["ended"])
    return tuple(None if pd.isna(time) else time.to_pydatetime() for time in times)
