"""The reset-and-full-sync sequence, carried out: step by step, journalled, resumable."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from kit import gates, plan
from kit.directory import Directory
from kit.errors import OutcomeUnknownError, RunError, SafetyError
from kit.folder import CaseFolder
from kit.forest import Forest
from kit.gates import Say
from kit.journal import Journal
from kit.mim import Run, SynchronizationService, classify
from kit.plan import Plan, Step
from kit.progress import Progress, quiet
from kit.rejoin import require_rejoined
from kit.runs import LIVE_STATUSES
from kit.sharepoint import SharePoint
from kit.verifications import Verifications

logger = logging.getLogger(__name__)

Facts = dict[str, Any]


class Resync:
    """One execution of a plan, or its resumption.

    Parameters
    ----------
    folder : CaseFolder
        With the people and photos as measured before the fix.
    plan : Plan
    service, directory, sharepoint
        The three systems.
    gate_seconds : float
        Longest wait for each gate.
    say : callable
        Told one sentence per step.
    progress : Progress
    """

    def __init__(
        self,
        folder: CaseFolder,
        plan: Plan,
        service: SynchronizationService,
        directory: Directory | Forest,
        sharepoint: SharePoint,
        *,
        gate_seconds: float = 1800.0,
        say: Say = logger.info,
        progress: Progress = quiet,
    ) -> None:
        self.case, self.folder, self.plan = folder.case, folder, plan
        self.service, self.gate_seconds, self.say = service, gate_seconds, say
        self.journal = Journal(folder.journal)
        self._verifications = Verifications(folder, plan, service, directory, sharepoint, progress=progress)

    def run(self, *, apply: bool, restart: bool = False) -> pd.DataFrame:
        """Carry out every step that is not done yet, or nothing at all.

        Parameters
        ----------
        apply : bool
            Only the boolean true writes; with false the result is the journal as it is.
        restart : bool
            Begin again although the journal says that all is done; the old journal is put aside.

        Returns
        -------
        DataFrame
            One row per step: the plan's columns, ``result`` and ``detail``.

        Raises
        ------
        SafetyError
            Something is not as it must be; nothing was done after that. See `kit.errors`.
        """
        if apply is not True and apply is not False:
            raise SafetyError(
                f"apply is {apply!r}", "only the boolean true starts the fix", "give True or False"
            )
        if not apply:
            return self.frame()
        self.plan.refuse_hazards()
        with self.folder.locked("30_reset_and_full_sync"):
            self.plan.put_on_record(self.folder)
            if restart:
                self._require_complete()
            if restart or self.folder.phase == "before":
                self.journal.archive()  # nothing was changed yet: what was verified then may not be so now
            done = self._done()
            for step in self.plan.steps:
                if step.number not in done:
                    self._do(step)
        return self.frame()

    def frame(self) -> pd.DataFrame:
        """Return the plan with what the journal says of each step."""
        last: dict[int, Facts] = {}
        for event in self.journal.events():
            last[event["step"]] = event
        told = [last.get(step.number, {}) for step in self.plan.steps]
        results = [str(event.get("result", event.get("event", "not run"))) for event in told]
        return self.plan.frame().assign(
            result=results, detail=[str(event.get("detail", "")) for event in told]
        )

    def _require_complete(self) -> None:
        missing = {step.number for step in self.plan.steps} - set(self.journal.outcomes())
        if missing and self.folder.phase == "after":
            cause = f"the fix stands before step {min(missing)}"
            raise SafetyError("restart is True", cause, "run without restart: it goes on there")

    def _done(self) -> dict[int, Facts]:
        """Return what need not be done again: what waited when it was last read may have changed by now."""
        done = self.journal.outcomes()
        self._require_same_plan(done)
        if any(event.get("name") == "directory export" for event in self.journal.events()):
            return done
        return {number: event for number, event in done.items() if event["name"] != plan.PENDING}

    def _require_same_plan(self, done: Mapping[int, Facts]) -> None:
        planned = {step.number: (step.name, step.agent, step.profile) for step in self.plan.steps}
        for number, event in done.items():
            begun = (event["name"], event["agent"], event["profile"])
            if planned.get(number) != begun:
                what = (
                    f"step {number} of the plan is {planned.get(number)}, of the fix that was begun {begun}"
                )
                raise SafetyError(
                    what, "the parameters have changed since", "finish it with its own parameters"
                )

    def _do(self, step: Step) -> None:
        facts = {"kind": step.kind, "name": step.name, "agent": step.agent, "profile": step.profile}
        self.say(f"{step.number}. {step.kind} {step.name} {step.agent} {step.profile}".rstrip() + ".")
        handlers: Mapping[str, Callable[[Step, Facts], Facts]] = {
            "run": self._run,
            "gate": self._gate,
            "verify": self._verify,
        }
        try:
            outcome = handlers[step.kind](step, facts)
        except OutcomeUnknownError:
            raise  # the intent stays open: the next attempt reads the outcome back
        except SafetyError as error:
            self.journal.write("outcome", step.number, **facts, result="stopped", detail=str(error))
            raise
        self.journal.write("outcome", step.number, **facts, result="ok", **outcome)

    def _run(self, step: Step, facts: Facts) -> Facts:
        self._require_prepared(step)
        intent = self.journal.open_intent(step.number)
        run = self._read_back(step, intent) if intent else None
        if run is None:
            before = self.service.last_run(step.agent)
            self.journal.write("intent", step.number, **facts, run_number_before=before.run_number)
            run = self.service.execute(step.agent, step.profile)
        judgement = classify(run.status)
        exported = step.name.endswith("export")
        if judgement not in {"ok", "warning"} and not (exported and judgement == "attention"):
            what = f"run {run.run_number} of '{step.agent}', {step.profile}, ended '{run.status}'"
            next_step = "look at the run in miisclient (Operations), mend the cause, run this notebook again"
            raise RunError(what, f"that is of class {judgement}", next_step)
        if step.name.startswith("sharepoint full"):
            details = self.service.run_details(step.agent, run.run_number or None)
            require_rejoined(step, details, self._baseline())
        return {"status": run.status, "run_number": run.run_number, "detail": self._told(run), **_times(run)}

    def _read_back(self, step: Step, intent: Facts) -> Run | None:
        """Find out what became of an Execute whose outcome was not journalled; None if it never began."""
        number = int(intent.get("run_number_before", 0))
        deadline = time.monotonic() + 7200
        while (run := self.service.last_run(step.agent)).status in LIVE_STATUSES:
            if time.monotonic() > deadline:
                what = f"run {run.run_number} of '{step.agent}' is still in progress after two hours"
                raise OutcomeUnknownError(
                    what, "it may hang", "look at it in miisclient, then run this notebook again"
                )
            threading.Event().wait(self.case.mim.poll_interval)
        if run.run_number == number:
            return None
        if run.run_number == number + 1 and run.is_of(step.profile):
            return run
        what = f"'{step.agent}' stands at run {run.run_number} ({run.profile}), expected {number + 1}"
        cause = "somebody else has run this agent since the fix was interrupted"
        raise OutcomeUnknownError(
            what, cause, "freeze all schedules, check the connector spaces, restart the case"
        )

    def _told(self, run: Run) -> str:
        counted = self.service.counters(run.agent)
        pending = [name for name in counted if "Export" in name and counted[name]]
        words = ", ".join(f"{name.removeprefix('NumExport').lower()} {counted[name]}" for name in pending)
        return f"{counted['NumCSObjects']} objects; pending exports: {words or 'none'}"

    def _require_prepared(self, step: Step) -> None:
        """Refuse a directory export before SharePoint's objects are back and the exports were checked."""
        if step.name != "directory export":
            return
        done = {event["name"] for event in self.journal.outcomes().values()}
        missing = {plan.BACKUP, "sharepoint full_sync", "directory full_sync", plan.PENDING} - done
        if missing:
            what = f"'{step.profile}' of '{step.agent}' was not started"
            raise SafetyError(what, f"{', '.join(sorted(missing))} is not done", "run the plan in its order")

    def _gate(self, step: Step, facts: Facts) -> Facts:
        if not gates.settled(step, self.case, self.service, self._baseline()):
            self.journal.write("intent", step.number, **facts)
            return {"detail": f"{step.expected}, already"}
        asked = {name: value for name, value in facts.items() if name != "name"}
        self.journal.write(
            "gate", step.number, **asked, gate=step.name, instruction=gates.instruction(step, self.case)
        )
        gates.wait(step, self.case, self.service, self._baseline(), seconds=self.gate_seconds, say=self.say)
        return {"detail": step.expected}

    def _verify(self, step: Step, facts: Facts) -> Facts:
        self.journal.write("intent", step.number, **facts)
        return self._verifications.run(step)

    def _baseline(self) -> dict[str, int]:
        events = self.journal.outcomes().values()
        return next((dict(event["baseline"]) for event in events if event["name"] == plan.QUIET), {})


def _times(run: Run) -> Facts:
    return {
        "run_started": run.started.isoformat() if run.started else "",
        "run_ended": run.ended.isoformat() if run.ended else "",
    }
