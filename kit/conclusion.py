"""Did the fix hold? Computed from the counts and the checks, never from what a run says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.cause import spoken
from kit.folder import CaseFolder
from kit.schema import VERDICTS

LABELS = {
    "held": "Held",
    "not_held": "Not held",
    "unfinished": "Unfinished",
    "not_applied": "Not applied yet",
    "other_cause": "Another cause",
    "unexplained": "Not explained yet",
    "nothing_to_fix": "Nothing to fix",
    "unknown": "Not known yet",
}
"""Every state a case can be in, as shown."""

MUST_NOT_GROW = ("missing_in_ad", "unreadable", "unknown")
"""Verdicts that hide lost photos: more people with one of them after the fix means that it did harm."""


@dataclass(frozen=True)
class Conclusion:
    """What became of the case: a key of `LABELS`, a sentence, and the reasons it is not better than that."""

    state: str
    sentence: str
    reasons: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The state in words."""
        return LABELS[self.state]


def conclude(
    before: Mapping[str, int],
    after: Mapping[str, int],
    checks: Sequence[Mapping[str, Any]],
    *,
    started: bool,
    partial: Sequence[str] = (),
    diagnosed: Mapping[str, Any] | None = None,
) -> Conclusion:
    """Judge a case.

    Parameters
    ----------
    before, after : Mapping[str, int]
        People per verdict; empty where they were not counted.
    checks : Sequence[Mapping]
        Each with ``check`` and ``result`` (``ok`` or ``failed``).
    started : bool
        Whether any step of the fix was begun.
    partial : Sequence[str]
        Why not everybody was read, before or after; counts of a part conclude nothing.
    diagnosed : Mapping, optional
        What was found out about the causes before any fix, as `kit.folder.CaseFolder.diagnosis` returns it.

    Returns
    -------
    Conclusion

    Examples
    --------
    >>> conclude({"stale": 2, "in_sync": 3}, {"in_sync": 5}, [], started=True).sentence
    '2 people were stale before the fix, nobody is now.'
    >>> conclude({"stale": 2}, {"missing_in_ad": 2}, [], started=True).state
    'not_held'
    """
    stale = before.get("stale", 0)
    if not before:
        return Conclusion("unknown", "Nobody's photos have been compared yet.")
    if partial:
        told = "The counts are those of a part of the people."
        return Conclusion("unknown", told, tuple(partial))
    if not after and started:
        return Conclusion(
            "unfinished", f"The fix was begun and is not finished; {_people(stale)} stale before it."
        )
    if not after:
        return _untouched(stale, before.get("missing_in_ad", 0), diagnosed or {})
    reasons = tuple(_reasons(before, after, checks))
    told = f"{_people(stale)} stale before the fix, {_after(after.get('stale', 0))} now."
    return Conclusion("not_held" if reasons else "held", told, reasons)


def of_case(folder: CaseFolder) -> Conclusion:
    """Judge the case that a case folder tells."""
    manifest = folder.manifest()
    counts = manifest.get("counts", {})
    started = folder.phase == "after"
    return conclude(
        counts.get("before", {}),
        counts.get("after", {}),
        manifest.get("checks", []),
        started=started,
        partial=[reason for reason in manifest.get("partial", {}).values() if reason],
        diagnosed=folder.diagnosis("before"),
    )


def count_rows(before: Mapping[str, int], after: Mapping[str, int]) -> list[dict[str, Any]]:
    """Lay the counts out as rows: verdict, meaning, before, after, change; verdicts nobody has are left out.

    Examples
    --------
    >>> count_rows({"stale": 2}, {"stale": 0})
    [{'verdict': 'stale', 'meaning': 'AD shows a different picture', 'before': 2, 'after': 0, 'change': -2}]
    """
    names = [*VERDICTS, *sorted({*before, *after} - set(VERDICTS))]
    return [
        {
            "verdict": name,
            "meaning": VERDICTS.get(name, ""),
            "before": before.get(name, 0) if before else None,
            "after": after.get(name, 0) if after else None,
            "change": after.get(name, 0) - before.get(name, 0) if before and after else None,
        }
        for name in names
        if before.get(name) or after.get(name)
    ]


def _untouched(stale: int, missing: int, diagnosed: Mapping[str, Any]) -> Conclusion:
    """Judge a case whose fix was not begun: by what was found out, it may be another one than the kit's."""
    have = "has" if missing == 1 else "have"
    lacking = f"{missing:,} {have} no photo in Active Directory" if missing else ""
    if not stale and not (missing and diagnosed):
        return Conclusion("nothing_to_fix", "Active Directory shows nobody an outdated photo.")
    told = ", ".join(filter(None, [f"{_people(stale, 'is')} stale" if stale else "Nobody is stale", lacking]))
    causes = [row for row in diagnosed.get("findings", []) if not row["harmless"]]
    reset = sum(row["people"] for row in causes if row["remedy_is_reset"])
    if reset or not diagnosed:
        step = f"Deleting the SharePoint connector space mends it for {_people(reset, '')}."
        return Conclusion("not_applied", f"{told}, and nothing has been changed.", (step,) if reset else ())
    if not causes:
        return Conclusion("unexplained", f"{told}. No known cause explains it, and nothing has been changed.")
    leading = max(causes, key=lambda row: row["people"])
    whom = _people(leading["people"], "") if leading["people"] else "the farm as a whole"
    explained = f"{spoken(leading['cause'])} explains {whom}."
    return Conclusion(
        "other_cause",
        f"{told}. The cause is not the one that the reset mends, and nothing has been changed.",
        (explained[0].upper() + explained[1:], f"Next: {leading['fix']}"),
    )


def _reasons(
    before: Mapping[str, int], after: Mapping[str, int], checks: Sequence[Mapping[str, Any]]
) -> list[str]:
    reasons = []
    if after.get("stale"):
        reasons.append(f"{_people(after['stale'], 'is')} still stale.")
    for verdict in MUST_NOT_GROW:
        grown = after.get(verdict, 0) - before.get(verdict, 0)
        if grown > 0:
            reasons.append(f"{grown:,} more {'person' if grown == 1 else 'people'} than before: {verdict}.")
    failed = sum(check.get("result") != "ok" for check in checks)
    if failed:
        reasons.append(f"{failed:,} of {len(checks):,} checks failed.")
    return reasons


def _people(number: int, verb: str = "was") -> str:
    noun = "1 person" if number == 1 else f"{number:,} people"
    plural = {"was": "were", "is": "are", "": ""}[verb]
    return f"{noun} {verb if number == 1 else plural}".rstrip()


def _after(number: int) -> str:
    return f"{number:,} {'is' if number == 1 else 'are'}" if number else "nobody is"
