"""Photos put back into Active Directory as they were before the fix: journalled, resumable, read back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import count
from typing import Any

import pandas as pd

from kit import backup
from kit.backup import THUMBNAIL, Backup, Held, batches, look_up
from kit.checks import COLUMNS as CHECKS
from kit.directory import Directory
from kit.errors import ConflictError, NotFoundError, ProtocolError, RightsError, SafetyError
from kit.folder import CaseFolder
from kit.forest import Forest
from kit.journal import Journal
from kit.progress import Progress, quiet
from kit.undo import JOURNAL

logger = logging.getLogger(__name__)

Facts = dict[str, Any]
Outcome = tuple[str, str]
"""A result and what there is to say about it."""

_OF_ONE_PERSON = (ConflictError, NotFoundError, ProtocolError, RightsError)
"""What keeps one person's photo from going back, and nobody else's."""


class Restore:
    """One execution of a plan of `kit.undo.plan`, or its resumption.

    A run that was killed is resumed with a new plan: whoever has the photo back is ``same`` in it. What
    became of a write whose outcome was not journalled is read back first.

    Parameters
    ----------
    folder : CaseFolder
    planned : DataFrame
        Columns of `kit.undo.COLUMNS`.
    directory : Directory or Forest
        Signed in as somebody who may write ``thumbnailPhoto``.
    progress : Progress
    """

    def __init__(
        self,
        folder: CaseFolder,
        planned: pd.DataFrame,
        directory: Directory | Forest,
        *,
        progress: Progress = quiet,
    ) -> None:
        self.folder, self.planned, self.directory, self.progress = folder, planned, directory, progress
        self.chosen = planned[planned["chosen"]]
        self.journal = Journal(folder.path / JOURNAL)
        self._outcomes: dict[str, Outcome] = {}

    def run(self, *, apply: bool) -> pd.DataFrame:
        """Put the chosen photos back, or nothing at all.

        A photo that is no longer the one that the plan shows is left as it is. Every photo that is
        overwritten is in the case's store first.

        Parameters
        ----------
        apply : bool
            Only the boolean true writes.

        Returns
        -------
        DataFrame
            The plan with ``result`` (empty for people who were not chosen, else ``ok``, ``conflict``,
            ``failed``, ``differs`` or ``not run``) and ``detail``.

        Raises
        ------
        SafetyError
            ``apply`` is no boolean; somebody else holds the case's lock.
        RightsError
            The account may write nobody's photo; nothing was written.
        OutcomeUnknownError
            The connection broke during a write and its outcome cannot be read back; run it again.
        SourceError, OutputError
            The directory, the store or the journal failed; nothing was written after that.
        """
        if apply is not True and apply is not False:
            cause = "only the boolean true puts photos back"
            raise SafetyError(f"apply is {apply!r}", cause, "give True or False")
        if apply:
            with self.folder.locked("90_restore_photos"):
                self._settle()
                self._require_rights()
                self._put_all_back()
        return self.frame()

    def frame(self) -> pd.DataFrame:
        """Return the plan with what became of each person's photo."""
        told = [
            self._outcomes.get(row["person"], ("not run", "")) if row["chosen"] else ("", "")
            for row in self.planned.to_dict("records")
        ]
        return self.planned.assign(
            result=[result for result, _ in told], detail=[detail for _, detail in told]
        ).astype({"result": "str", "detail": "str"})

    def _settle(self) -> None:
        """Find out what became of writes whose outcome was not journalled."""
        last = {event["step"]: event for event in self.journal.events()}
        for step, intent in last.items():
            if intent["event"] != "intent":
                continue
            held = look_up(self.directory, [intent["person"]]).get(intent["person"])
            known = {intent["now"]: "not written", intent["back"]: "ok"}
            result = known.get(held.sha256, "conflict") if held else "failed"
            facts = {name: intent[name] for name in ("kind", "person", "account", "class", "now", "back")}
            detail = "read back after an interruption"
            self.journal.write("outcome", step, **facts, result=result, detail=detail)

    def _require_rights(self) -> None:
        """Refuse to begin where not one photo may be written.

        Some people may be out of reach all the same: accounts that AdminSDHolder protects inherit no rights
        (Microsoft Learn, "Appendix C: Protected Accounts and Groups in Active Directory").
        """
        if len(self.chosen) and not self.chosen["writable"].fillna(value=False).any():
            what = f"{THUMBNAIL} of none of the {len(self.chosen):,} people may be written"
            cause = f"'{self.folder.case.directory.username}' has no right to (allowedAttributesEffective)"
            advice = f"delegate Write {THUMBNAIL} of user objects to it, or name an account that has it"
            raise RightsError(what, cause, advice)

    def _put_all_back(self) -> None:
        steps = count(max((event["step"] for event in self.journal.events()), default=0) + 1)
        try:
            with backup.opened(self.folder) as kept:
                for batch in batches(self.chosen, self.progress, "photos put back"):
                    held = look_up(self.directory, [row["person"] for row in batch])
                    kept.keep(held)
                    for row in batch:
                        step = next(steps)
                        self._end(step, row, self._put_back(step, row, held.get(row["person"]), kept))
            self._read_back(next(steps))
        finally:
            self._put_on_record()

    def _put_back(self, step: int, row: Mapping[str, Any], held: Held | None, kept: Backup) -> Outcome:
        """Write one person's photo, unless something speaks against it."""
        if held is None:
            return "failed", "the person is no longer in the directory, or not to be seen"
        if held.sha256 != row["now_sha256"]:
            return "conflict", "somebody has changed the photo since the plan was made"
        if not row["writable"]:
            return "failed", f"the account may not write {THUMBNAIL} of this person"
        photo = kept.photo(row["back_sha256"])
        self.journal.write("intent", step, **_told(row))
        try:
            self.directory.replace_photo(held.distinguished_name, photo, current=held.photo)
        except _OF_ONE_PERSON as error:
            logger.warning("the photo of %s was not put back: %s", row["account"], error)
            return ("conflict" if isinstance(error, ConflictError) else "failed"), str(error)
        return "ok", ""

    def _end(self, step: int, row: Mapping[str, Any], outcome: Outcome) -> None:
        result, detail = self._outcomes[row["person"]] = outcome
        self.journal.write("outcome", step, **_told(row), result=result, detail=detail)

    def _read_back(self, step: int) -> None:
        """Read everything once more that was put back: somebody may have written again meanwhile."""
        done = [person for person, (result, _) in self._outcomes.items() if result == "ok"]
        put_back = self.chosen[self.chosen["person"].isin(done)]
        for batch in batches(put_back, self.progress, "photos read back"):
            held = look_up(self.directory, [row["person"] for row in batch])
            for row in batch:
                found = held.get(row["person"])
                if found is None or found.sha256 != row["back_sha256"]:
                    self._end(step, row, ("differs", "it was written over meanwhile"))

    def _put_on_record(self) -> None:
        """Write into the manifest what was put back, in this run and in earlier ones."""
        last = _last_outcomes(self.journal)
        done = [event for event in last.values() if event["result"] == "ok"]
        if not last:
            return
        classes = pd.Series([event["class"] for event in done], dtype="str").value_counts()
        self.folder.update(
            restored={
                "people": len(done),
                "classes": {str(name): int(number) for name, number in classes.items()},
                "last": max((event["time"] for event in done), default=""),
                "journal": JOURNAL,
            }
        )
        self.folder.save_checks("restore", checks(self.journal))


def checks(journal: Journal) -> pd.DataFrame:
    """Check that everybody whose photo was to go back has it, by the last that the journal tells of each.

    Returns
    -------
    DataFrame
        As `kit.checks.of_photos`.
    """
    last = _last_outcomes(journal)
    left = [f"{event['account']} ({event['result']})" for event in last.values() if event["result"] != "ok"]
    detail = f"{len(last) - len(left)} of {len(last)}" + (f"; not {', '.join(left[:5])}" if left else "")
    name = "every photo that was to go back is in Active Directory again, byte for byte"
    row = (name, "failed" if left else "ok", detail)
    return pd.DataFrame([row], columns=list(CHECKS)).astype(CHECKS)


def conclusion(done: pd.DataFrame, *, apply: bool) -> str:
    """Say in one sentence what became of the photos.

    Parameters
    ----------
    done : DataFrame
        Of `Restore.run`.
    apply : bool

    Examples
    --------
    >>> conclusion(pd.DataFrame({"chosen": [True, False], "result": ["ok", ""]}), apply=True)
    'All of the 1 chosen photos are back, byte for byte.'
    """
    chosen = done[done["chosen"]]
    if chosen.empty:
        return "There is nothing to put back."
    if not apply:
        return f"Nothing was changed: {len(chosen):,} photos would go back, with apply True."
    left = chosen[chosen["result"] != "ok"]
    if left.empty:
        return f"All of the {len(chosen):,} chosen photos are back, byte for byte."
    some = left.iloc[0]
    return (
        f"{len(chosen) - len(left):,} of {len(chosen):,} chosen photos are back; "
        f"not that of {some['account']}: {some['result']}, {some['detail'] or 'not reached'}."
    )


def _told(row: Mapping[str, Any]) -> Facts:
    """Return what the journal tells of a person's photo beside its outcome."""
    told = {name: row[name] for name in ("person", "account", "class")}
    return {"kind": "restore", **told, "now": row["now_sha256"], "back": row["back_sha256"]}


def _last_outcomes(journal: Journal) -> dict[str, Facts]:
    """Return the last outcome of each person."""
    return {event["person"]: event for event in journal.events() if event["event"] == "outcome"}
