"""The behaviour of the case, measured on one test account: what a Full and a Delta Import see of a change.

Only imports are run, and only of the SharePoint agent: nothing is synchronized or exported.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from kit import incidents, photos, plan, testcard, trials
from kit.behaviour import MISSED, NOT_MEASURED, SEEN, Behaviour, conclusion, read, table
from kit.confirmation import PAUSED, Confirmations
from kit.errors import OutcomeUnknownError, ProtocolError, RightsError, RunError, SafetyError
from kit.execution import Execution, Patience
from kit.folder import CaseFolder
from kit.journal import Journal
from kit.mim import SynchronizationService, classify
from kit.runs import LIVE_STATUSES
from kit.sequence import Step
from kit.sharepoint import SharePoint
from kit.store import PhotoStore
from kit.subject import PHONE, PICTURE, SAME, Staged, Subject, Value, compared, is_same, staged
from kit.trials import CATCH_UP, PUT_BACK, READY, TRIALS
from kit.turns import Say

__all__ = ["JOURNAL", "Experiment", "conclusion", "table", "unfinished"]

logger = logging.getLogger(__name__)

JOURNAL = "experiment.jsonl"
STORE = "experiment.sqlite"
"""Where the former picture is kept, and what SharePoint made of the test cards."""

Facts = dict[str, Any]


class Experiment:
    """One execution of the experiment, or its resumption.

    Parameters
    ----------
    folder : CaseFolder
    service : SynchronizationService
    sharepoint : SharePoint
        Signed in as the test account; see `kit.sources.as_test_account`.
    confirmed : sequence of str
        `kit.confirmation.PAUSED`, where a person has done that.
    patience : Patience
        How long to wait for runs, and for the sign of a write whose answer was lost.
    say : callable
        Told one sentence per step.
    """

    def __init__(
        self,
        folder: CaseFolder,
        service: SynchronizationService,
        sharepoint: SharePoint,
        *,
        confirmed: Sequence[str] = (),
        patience: Patience = Patience(),  # noqa: B008 - it is frozen
        say: Say = logger.info,
    ) -> None:
        self.case, self.folder, self.service = folder.case, folder, service
        self.steps = trials.steps(self.case)
        self.agent = self.case.mim.sharepoint_agent
        self.account = self.case.experiment.account if self.case.experiment else ""
        self.subject = Subject(sharepoint, self.account)
        self.journal = Journal(folder.path / JOURNAL)
        self.confirmations, self.confirmed = Confirmations(folder.path), confirmed
        self.patience, self.say = patience, say
        pause = self.case.mim.poll_interval
        self._execution = Execution(service, self.journal, patience, pause=pause, say=say)

    def state(self) -> pd.DataFrame:
        """Compare what SharePoint and the connector space hold of the account; see `kit.subject.compared`."""
        return compared(self.subject, staged(self.service, self.case, self.subject.account))

    def run(self, *, apply: bool, restart: bool = False) -> pd.DataFrame:
        """Carry out every step that is not done yet, or nothing at all.

        A step that fails keeps nothing from being put back: what depends on it is skipped and counts as not
        measured. What was not put back is tried again by the next call.

        Parameters
        ----------
        apply : bool
            Only the boolean true writes.
        restart : bool
            Measure again although this phase was measured with this account.

        Returns
        -------
        DataFrame
            Columns of `kit.schema.PLAN`, ``result`` and ``detail``.

        Raises
        ------
        SafetyError
            It must not begin, or not go on; see `kit.errors`.
        OutcomeUnknownError
            No answer came to a write or a run; run it again: it reads back what became of it.
        SourceError
            SharePoint or MIM failed; run it again, it goes on there.
        """
        if apply is not True and apply is not False:
            cause = "only the boolean true starts the experiment"
            raise SafetyError(f"apply is {apply!r}", cause, "give True or False")
        if not apply:
            return self.frame()
        with self.folder.locked("60_experiment"):
            left = self._left(restart=restart)
            if left:
                self._require_allowed(left[0])
            try:
                for step in left:
                    self._do(step)
            finally:
                self._put_on_record()
            self.confirmations.take(PAUSED)
        return self.frame()

    def frame(self) -> pd.DataFrame:
        """Return the plan with what the journal says of each step."""
        last = {event["step"]: event for event in self.journal.events()}
        told = [last.get(step.number, {}) for step in self.steps]
        return trials.frame(self.case).assign(
            result=[str(event.get("result", event.get("event", "not run"))) for event in told],
            detail=[str(event.get("detail", "")) for event in told],
        )

    def _left(self, *, restart: bool) -> list[Step]:
        """Return the steps to do; a journal that has come to its end is put aside for another experiment."""
        left, ready = _not_done(self.journal, self.steps), self._ready()
        mine = (ready.get("account"), ready.get("phase")) == (self.subject.account, self.folder.phase)
        untouched = all(event["kind"] != "write" for event in self.journal.events())
        if (not left and restart) or (not mine and (not left or untouched)):
            self.journal.archive()
            return list(self.steps)
        if ready and ready["account"] != self.subject.account:
            what = f"the experiment was begun with '{ready['account']}', not '{self.subject.account}'"
            raise SafetyError(what, "its test picture may still be there", "name that one, and end it first")
        return left

    def _require_allowed(self, step: Step) -> None:
        fix = Journal(self.folder.journal).outcomes().values()
        if self.folder.phase == "after" and not any(event["name"] == plan.AFTER for event in fix):
            what, cause = "the experiment was not begun", "the fix stands before its last verification"
            raise SafetyError(what, cause, "end 30_reset_and_full_sync first")
        if PAUSED not in self.confirmed and not self.confirmations.given(PAUSED):
            what, cause = "the experiment was not begun", "nobody has confirmed that every schedule is paused"
            raise SafetyError(what, cause, f"pause them, then {self.confirmations.ways(PAUSED)}")
        own = step.kind == "run" and self.journal.open_intent(step.number)
        if not own and (running := self.service.in_progress()):
            raise SafetyError(running, "it would be measured too", "wait for its end, then run this again")
        self.subject.require_own()

    def _do(self, step: Step) -> None:
        facts = {"kind": step.kind, "name": step.name, "agent": step.agent, "profile": step.profile}
        self.say(f"{step.number}. {step.kind} {step.name} {step.profile}".rstrip() + ".")
        handlers: Mapping[str, Callable[[Step, Facts], Facts]] = {
            "verify": self._make_ready,
            "write": self._write,
            "run": self._run,
            "look": self._look,
        }
        reason = self._why_skipped(step)
        try:
            outcome = {"result": "skipped", "detail": reason} if reason else handlers[step.kind](step, facts)
        except OutcomeUnknownError:
            raise  # the intent stays open: the next attempt reads the outcome back
        except SafetyError as error:
            self.journal.write("outcome", step.number, **facts, result="stopped", detail=str(error))
            raise
        self.journal.write("outcome", step.number, **facts, **{"result": "ok", **outcome})

    def _why_skipped(self, step: Step) -> str:
        """Say why a step of a trial cannot measure anything; empty if it can."""
        if step.name not in TRIALS:
            return ""
        if self._ready()["phase"] != self.folder.phase:
            return "the fix was begun meanwhile"
        failed = [one for one in self._of(step.name) if one["result"] != "ok" and one["step"] < step.number]
        return f"step {failed[0]['step']} did not end well" if failed else ""

    def _make_ready(self, step: Step, facts: Facts) -> Facts:
        """Keep what is there, and find the account in MIM."""
        self.journal.write("intent", step.number, **facts)
        held = staged(self.service, self.case, self.subject.account)
        picture, large = self.subject.picture(), self.subject.picture("L")
        if not is_same(picture, large):
            what = f"the picture of the test account '{self.account}' could not be put back"
            cause = "its sizes are not one picture, or it is a placeholder"
            raise SafetyError(what, cause, "take another test account, or give this one a photo")
        return {
            "account": self.subject.account,
            "phase": self.folder.phase,
            "account_kind": self._account_kind(picture, held),
            "moment": datetime.now(UTC).isoformat(timespec="seconds"),
            PHONE: self.subject.profile().work_phone,
            PICTURE: self._keep(large),
            "detail": "its picture is kept, to be put back" if large else "it has no picture",
        }

    def _account_kind(self, picture: bytes | None, held: Staged) -> str:
        """Tell what is known of the account's past; a time of an upload may be that of our own test card."""
        if picture or held.imported[PICTURE] or held.directory_photo:
            return "has_a_photo"
        never = {one.account for one in read(self.folder) if one.account_kind == "never_had_a_photo"}
        had = self.subject.profile().picture_timestamp and self.subject.account not in never
        return "had_a_photo" if had else "never_had_a_photo"

    def _write(self, step: Step, facts: Facts) -> Facts:
        """Set a value once; where that may have happened before, it is read back first."""
        attribute, value = self._wanted(step)
        intent = self.journal.open_intent(step.number)
        number = intent["run_number_before"] if intent else self._last_ended()
        if not (self.subject.shows(attribute, value) or (intent and self._arrives(attribute, value, intent))):
            self.journal.write("intent", step.number, **facts, run_number_before=number)
            try:
                self.subject.write(attribute, value)
            except (RightsError, ProtocolError) as error:
                logger.warning("%s was not written: %s", attribute, error)
                return {"result": "refused", "detail": str(error)}
        shown = self.subject.value(attribute)
        if not is_same(shown, value):
            return {"result": "differs", "detail": f"SharePoint shows another {attribute} than was written"}
        kept = self._keep(shown) if attribute == PICTURE else shown
        return {"shown": kept, "run_number_before": number}

    def _last_ended(self) -> int:
        """Return the number of the last run that has ended: one in progress may see what is written."""
        last = self.service.last_run(self.agent)
        return last.run_number - (last.status in LIVE_STATUSES)

    def _arrives(self, attribute: str, value: Value, intent: Facts) -> bool:
        """Wait for a write that may still be on its way, as long as it can be."""
        age = (datetime.now(UTC) - datetime.fromisoformat(intent["time"])).total_seconds()
        deadline = time.monotonic() + self.patience.grace - age
        while time.monotonic() < deadline:
            threading.Event().wait(self.case.mim.poll_interval)
            if self.subject.shows(attribute, value):
                return True
        return False

    def _wanted(self, step: Step) -> tuple[str, Value]:
        """Return what a write is to set."""
        ready, second = self._ready(), step.name.endswith("delta_import")
        moment = datetime.fromisoformat(ready["moment"])
        attribute = PICTURE if PICTURE in step.name.split() else PHONE
        if step.name.startswith(PUT_BACK):
            return attribute, self._kept(ready[PICTURE]) if attribute == PICTURE else ready[PHONE]
        if attribute == PICTURE:
            return attribute, testcard.draw(moment, inverted=second)
        return attribute, f"TEST {moment:%Y%m%d%H%M%S} {'delta' if second else 'full'}"

    def _run(self, step: Step, facts: Facts) -> Facts:
        """Run an import; one that fails measures nothing, and keeps nothing from being put back."""
        resumed = self.journal.open_intent(step.number) is not None
        try:
            run = self._execution.run(step, facts)
        except OutcomeUnknownError as error:
            if not resumed:
                raise
            return {"result": "unknown", "detail": str(error)}
        except RunError as error:
            if step.name == CATCH_UP:
                raise
            return {"result": "not begun", "detail": str(error)}
        detail = f"run {run.run_number}: {run.status}"
        told = {"run_number": run.run_number, "status": run.status, "detail": detail}
        if classify(run.status) == "ok" or run.status.startswith("completed-"):
            return told
        if step.name == CATCH_UP:
            what = f"run {run.run_number} of '{step.agent}', {step.profile}, ended '{run.status}'"
            raise RunError(what, "nothing was changed yet", "mend the cause, then run this notebook again")
        return {"result": "ended badly", **told}

    def _look(self, step: Step, facts: Facts) -> Facts:
        """Look what the connector space holds now."""
        self.journal.write("intent", step.number, **facts)
        held = staged(self.service, self.case, self.subject.account)
        if step.name == PUT_BACK:
            wanted = {PICTURE: self.subject.picture(), PHONE: self._ready()[PHONE]}
            other = [name for name, value in wanted.items() if not is_same(held.imported[name], value)]
            detail = f"the next synchronization takes over another {' and '.join(other)}" if other else ""
            return {"result": "differs" if other else "ok", "detail": detail}
        write, run, *_ = self._of(step.name)
        last = self.service.last_run(self.agent).run_number
        if not write["run_number_before"] + 1 == run["run_number"] == last:
            return {"measured": NOT_MEASURED, "detail": "somebody else has run the agent meanwhile"}
        attribute = step.name.split()[0]
        shown = self._kept(write["shown"]) if attribute == PICTURE else write["shown"]
        seen = _judged(held.imported[attribute], shown)
        if seen == MISSED and self._failed_for(held.dn, run["run_number"]):
            return {"measured": NOT_MEASURED, "detail": "the import could not read the test account"}
        return {"measured": seen, "detail": seen}

    def _failed_for(self, dn: str, run_number: int) -> bool:
        """Say whether an import tells of an error with the test account's object."""
        told = incidents.parse(self.service.run_details(self.agent, run_number))
        names = pd.concat([told["dn"], told["anchor"]])
        return bool(names.str.casefold().eq(dn.casefold()).any())

    def _of(self, name: str) -> list[Facts]:
        """Return the last outcomes of the steps of a name, in their order."""
        return [event for _, event in sorted(_outcomes(self.journal).items()) if event["name"] == name]

    def _ready(self) -> Facts:
        """Return what was kept before the first change; empty if it was not."""
        return next((event for event in self._of(READY) if event["result"] == "ok"), {})

    def _keep(self, picture: Value) -> str:
        if not isinstance(picture, bytes):
            return ""
        with PhotoStore(self.folder.path / STORE) as store:
            return store.put(picture)

    def _kept(self, sha256: str) -> bytes | None:
        if not sha256:
            return None
        with PhotoStore(self.folder.path / STORE) as store:
            return store.get(sha256)

    def _put_on_record(self) -> None:
        if not (ready := self._ready()):
            return
        looks = {one["name"]: one for one in _outcomes(self.journal).values() if one["kind"] == "look"}
        measured = {name: str(looks.get(name, {}).get("measured", NOT_MEASURED)) for name in TRIALS}
        Behaviour(
            phase=ready["phase"],
            account=ready["account"],
            account_kind=ready["account_kind"],
            began=ready["time"],
            measured=measured,
            put_back=not _not_done(self.journal, self.steps),
        ).save(self.folder)


def unfinished(folder: CaseFolder) -> str:
    """Say whose experiment has not come to its end; empty where there is none.

    Until it has, SharePoint and the connector space may hold a test card, which a synchronization would take
    over and an export would write into Active Directory.
    """
    journal = Journal(folder.path / JOURNAL)
    written = [event for event in journal.events() if event["kind"] == "write"]
    if not written or not _not_done(journal, trials.steps(folder.case)):
        return ""
    ready = next(event for event in _outcomes(journal).values() if event["name"] == READY)
    return f"the experiment with '{ready['account']}' has not come to its end"


def _judged(held: Value, shown: Value) -> str:
    """Say whether what the connector space holds is what SharePoint shows."""
    if isinstance(held, bytes) and isinstance(shown, bytes):
        verdict = photos.compare(held, shown).verdict
        return SEEN if verdict in SAME else MISSED if verdict == "different" else NOT_MEASURED
    return SEEN if held == shown else MISSED


def _outcomes(journal: Journal) -> dict[int, Facts]:
    """Return the last outcome of every step."""
    return {event["step"]: event for event in journal.events() if event["event"] == "outcome"}


def _not_done(journal: Journal, steps: Sequence[Step]) -> list[Step]:
    """Return the steps to do; of those that put things back all from the first that did not end well."""
    done = _outcomes(journal)
    ended = {number for number, event in done.items() if event["result"] != "stopped"}
    back = [step.number for step in steps if step.name.startswith(PUT_BACK)]
    bad = [number for number in back if done.get(number, {}).get("result") != "ok"]
    first = min(bad, default=len(steps) + 1)
    return [step for step in steps if step.number not in ended or step.number >= first]
