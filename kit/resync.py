"""The reset-and-full-sync sequence, carried out: step by step, journalled, resumable."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from kit import drift, exports, gates, plan
from kit.delta import DIRECTORY
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
from kit.store import Link, PhotoStore, Reading

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
        self.service, self.directory, self.sharepoint = service, directory, sharepoint
        self.gate_seconds, self.say, self.progress = gate_seconds, say, progress
        self.journal = Journal(folder.journal)
        self.people = folder.people("before")

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
        checks = {
            plan.QUIET: self._quiet,
            plan.BACKUP: self._backup,
            plan.PENDING: self._pending,
            plan.AFTER: self._photos_after,
        }
        return checks[step.name](step)

    def _baseline(self) -> dict[str, int]:
        events = self.journal.outcomes().values()
        return next((dict(event["baseline"]) for event in events if event["name"] == plan.QUIET), {})

    def _quiet(self, _: Step) -> Facts:
        agents = [str(name) for name in self.service.agents()["name"]]
        for agent in agents:
            run = self.service.last_run(agent)
            if run.status in LIVE_STATUSES:
                what = f"run {run.run_number} of '{agent}' ({run.profile}) is in progress"
                raise SafetyError(
                    what, "a schedule or another person started it", "freeze all schedules, wait for its end"
                )
        waiting = self.service.counters(self.case.mim.directory_agent)
        pending = {
            name: number for name, number in waiting.items() if name.startswith("NumExport") and number
        }
        if pending:
            what = f"'{self.case.mim.directory_agent}' has pending exports already: {pending}"
            raise SafetyError(
                what, "they would go out with the fix", "export or discard them first, then run again"
            )
        objects = {agent: self.service.counters(agent)["NumCSObjects"] for agent in agents}
        return {
            "baseline": objects,
            "detail": ", ".join(f"{name}: {number} objects" for name, number in objects.items()),
        }

    def _backup(self, _: Step) -> Facts:
        """Read every photo of the directory once more, keep it, and read it back by its hash."""
        kept = 0
        with self.folder.store("before") as store:
            for links in self._kept(store, "backup"):
                damaged = [link.person for link in links if link.sha256 and not store.verify(link.sha256)]
                if damaged:
                    what = f"the photo of '{damaged[0]}' cannot be read back from the backup"
                    raise SafetyError(
                        what, "the disk or the file is damaged", "check the disk, then run again"
                    )
                kept += sum(link.sha256 is not None for link in links)
        return {"photos": kept, "detail": f"{kept} photos of the directory kept and verified"}

    def _pending(self, step: Step) -> Facts:
        """Read what would be exported and compare it with what SharePoint and the directory hold now."""
        agent = self.case.mim.directory_agent
        with self.folder.store("after") as store:
            now = drift.measure(self.people, self.directory, self.sharepoint, store, progress=self.progress)
        if now.partial:
            what = "what should change cannot be said, because not everybody was read"
            raise SafetyError(what, now.partial, "export nothing; mend the cause, run this notebook again")
        pending = exports.read(
            self.service, agent, now.people, plan.changes(now.people), progress=self.progress
        )
        self.folder.write_frame(pending, Path("exports.parquet"))
        counts = exports.summary(pending)
        self.journal.write("read", step.number, kind="verify", name=step.name, pending_exports=counts)
        exports.require_safe(pending, self.service.counters(agent), self.plan.export_limit)
        return {
            "pending_exports": counts,
            "detail": f"{len(pending)} photo updates, of the expected people only",
        }

    def _photos_after(self, _: Step) -> Facts:
        """Compare every photo of the directory with what it should be now, byte by byte."""
        exported = pd.read_parquet(self.folder.path / "exports.parquet").set_index("account")["sha256"]
        accounts = self.people.set_index("person")["account"]
        lost: list[str] = []
        not_exported: list[str] = []
        changed = 0
        with self.folder.store("after") as after, self.folder.store("before") as before:
            for link in chain.from_iterable(self._kept(after, "photos after the fix")):
                held = before.held(link.person, DIRECTORY)
                wanted = exported.get(accounts[link.person], held.sha256 if held else None)
                changed += bool(held and held.sha256 != link.sha256)
                if wanted == link.sha256:
                    continue
                waits = bool(held and held.sha256 == link.sha256)
                (not_exported if waits else lost).append(str(accounts[link.person]))
        if lost:
            what = f"{len(lost)} photos are neither the old nor the exported ones, first {lost[0]}"
            cause = "something else wrote thumbnailPhoto meanwhile"
            raise SafetyError(what, cause, "compare them with the backup in before/photos.sqlite")
        detail = f"{changed} photos changed as planned, {len(not_exported)} were not exported, none lost"
        return {"changed": changed, "not_exported": not_exported, "lost": 0, "detail": detail}

    def _kept(self, store: PhotoStore, description: str) -> Iterator[list[Link]]:
        """Read every photo of the directory into a store, batch by batch; yield what each person has."""
        people = self.people.loc[self.people["in_directory"], "person"].tolist()
        batches = [people[start : start + drift.BATCH] for start in range(0, len(people), drift.BATCH)]
        for batch in self.progress(batches, description, len(batches)):
            now = datetime.now(UTC)
            held = dict(self.directory.photos(batch))
            self._require_seen(batch, held)
            yield store.record(Reading(person, DIRECTORY, photo, now) for person, photo in held.items())

    def _require_seen(self, people: Sequence[str], seen: Container[str]) -> None:
        """Refuse to go on where somebody is not in the directory any more, or not to be seen."""
        missing = [person for person in people if person not in seen]
        if missing:
            first = str(self.people.set_index("person").loc[missing[0], "account"])
            what = f"{len(missing)} people are not seen in the directory any more, first '{first}'"
            cause = "they were deleted or moved, or the account may not see them"
            raise SafetyError(
                what, cause, "find them; leavers go with a new 10_inventory and 20_compare_photos"
            )


def _times(run: Run) -> Facts:
    return {
        "run_started": run.started.isoformat() if run.started else "",
        "run_ended": run.ended.isoformat() if run.ended else "",
    }
