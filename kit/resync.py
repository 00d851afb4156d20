"""The reset-and-full-sync sequence, carried out: step by step, journalled, resumable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from kit import expectation, experiment, exports, gates, plan, sequence
from kit.confirmation import Confirmations
from kit.directory import Directory
from kit.errors import OutcomeUnknownError, RunError, SafetyError
from kit.execution import Execution, Patience
from kit.folder import CaseFolder
from kit.forest import Forest
from kit.gates import Say
from kit.journal import Journal
from kit.mim import Run, SynchronizationService, classify
from kit.plan import Plan, Step
from kit.progress import Progress, quiet
from kit.rejoin import require_rejoined
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
    confirmed : sequence of str
        Gates that a person has confirmed already; see `kit.sequence.CONFIRMATIONS`.
    patience : Patience
        How long to wait for runs, one's own and others'.
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
        confirmed: Sequence[str] = (),
        patience: Patience = Patience(),  # noqa: B008 - it is frozen
        say: Say = logger.info,
        progress: Progress = quiet,
    ) -> None:
        self.case, self.folder, self.plan = folder.case, folder, plan
        self.service, self.gate_seconds, self.say = service, gate_seconds, say
        self.confirmations, self.confirmed = Confirmations(folder.path), confirmed
        self.journal = Journal(folder.journal)
        self._execution = Execution(
            service, self.journal, patience, pause=self.case.mim.poll_interval, say=say
        )
        self._verifications = Verifications(folder, plan, service, directory, sharepoint, progress=progress)

    def run(self, *, apply: bool, restart: bool = False, until: str = "") -> pd.DataFrame:
        """Carry out every step that is not done yet, or nothing at all.

        Parameters
        ----------
        apply : bool
            Only the boolean true writes; with false the result is the journal as it is.
        restart : bool
            Begin again although the journal says that all is done; the old journal is put aside.
        until : str
            Name of the step to stop before; empty goes on to the end.

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
        if unfinished := experiment.unfinished(self.folder):
            cause = "SharePoint and the connector space may hold a test picture, which the fix would export"
            raise SafetyError(unfinished, cause, "run 60_experiment again: it puts everything back")
        with self.folder.locked("30_reset_and_full_sync"):
            self.plan.put_on_record(self.folder)
            if restart:
                self._require_complete()
                self.confirmations.forget()
            if restart or self.folder.phase == "before":
                self.journal.archive()  # nothing was changed yet: what was verified then may not be so now
            done = self._done()
            for step in self.plan.steps:
                if step.name == until:
                    break
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
        """Return what need not be done again: what waited when it was last read may have changed by now.

        While it is not known whether the export was begun, the record of what waited must stay as it is.
        """
        done = self.journal.outcomes()
        self._require_same_plan(done)
        left = [step for step in self.plan.steps if step.name in sequence.DIRECTORY_EXPORTS]
        left = [step for step in left if step.number not in done]
        if not left or self.journal.open_intent(left[0].number) or not exports.moved(self.service, done):
            return done
        checks = {plan.PENDING, sequence.APPROVE}
        return {number: event for number, event in done.items() if event["name"] not in checks}

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
            "confirm": self._gate,
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
        checked = step.name in sequence.DIRECTORY_EXPORTS
        run = self._export(step, facts) if checked else self._execution.run(step, facts)
        if not step.accepts(run.status):
            what = f"run {run.run_number} of '{step.agent}', {step.profile}, ended '{run.status}'"
            next_step = "look at the run in miisclient (Operations), mend the cause, run this notebook again"
            raise RunError(what, f"that is of class {classify(run.status)}", next_step)
        if step.name.startswith("sharepoint full"):
            details = self.service.run_details(step.agent, run.run_number or None)
            require_rejoined(step, details, self._baseline())
        return {"status": run.status, "run_number": run.run_number, "detail": self._told(run), **_times(run)}

    def _export(self, step: Step, facts: Facts) -> Run:
        """Begin the export once what waits is on record, and only while that is still what waits."""
        pending = next(one for one in self.plan.steps if one.name == plan.PENDING)
        done = self.journal.outcomes()
        begun = any(event["name"] == sequence.FIRST_EXPORT for event in done.values())

        def look_again() -> None:
            self._verifications.run(pending)
            expectation.require_same(self.folder, partly=begun)

        if not self.journal.open_intent(step.number):
            asked_before = any(event["step"] == step.number for event in self.journal.events())
            expectation.keep(self.folder, again=asked_before or begun)
        return self._execution.run(step, facts, look_again, fresh=not exports.moved(self.service, done))

    def _told(self, run: Run) -> str:
        counted = self.service.counters(run.agent)
        pending = [name for name in counted if "Export" in name and counted[name]]
        words = ", ".join(f"{name.removeprefix('NumExport').lower()} {counted[name]}" for name in pending)
        return f"{counted['NumCSObjects']} objects; pending exports: {words or 'none'}"

    def _require_prepared(self, step: Step) -> None:
        """Refuse a directory export before SharePoint's objects are back and the exports were checked."""
        if step.name not in sequence.DIRECTORY_EXPORTS:
            return
        done = {event["name"] for event in self.journal.outcomes().values()}
        needed = {plan.BACKUP, "sharepoint full_sync", "directory full_sync", plan.PENDING, sequence.APPROVE}
        missing = needed - done
        if missing:
            what = f"'{step.profile}' of '{step.agent}' was not started"
            raise SafetyError(what, f"{', '.join(sorted(missing))} is not done", "run the plan in its order")

    def _gate(self, step: Step, facts: Facts) -> Facts:
        seen = step.kind == "gate"
        if seen and not gates.settled(step, self.case, self.service, self._baseline()):
            self.journal.write("intent", step.number, **facts)
            return {"detail": f"{step.expected}, already"}
        asked = {name: value for name, value in facts.items() if name != "name"}
        self.journal.write(
            "gate", step.number, **asked, gate=step.name, instruction=gates.instruction(step, self.case)
        )
        if step.name in self.confirmed:
            self.confirmations.give(step.name, "parameter")
        opened = gates.wait(
            step, self.case, self.service, self._baseline(), seconds=self.gate_seconds, say=self.say
        )
        return {"detail": opened}

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
