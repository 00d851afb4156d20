"""Is deleting the SharePoint connector space the remedy? What the causes found say of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kit.cause import spoken
from kit.findings import Finding

REFUSED = "deleting the SharePoint connector space is not the remedy"
"""The finding where nobody's cause is one that the reset mends."""
UNPROVEN = "it is not proven that deleting the SharePoint connector space is the remedy"
_NOTEBOOK = "20_compare_photos"
_SURE = re.compile(r"([\d,]+) (?:confirmed|probable)")
_MOST = 5  # causes that are told of


@dataclass(frozen=True)
class Judgement:
    """What the causes say of the reset.

    Parameters
    ----------
    kind : str
        ``remedy``: somebody's cause, confirmed or probable, is one that only the reset mends; ``suspected``:
        such a cause is suspected; ``other``: other causes were found; ``unknown``: people have drifted and no
        cause was found; ``nothing``: nobody has drifted.
    helped : int
        People whom the reset helps for all that is known.
    sentence : str
    """

    kind: str
    helped: int
    sentence: str


def settle(findings: Sequence[Mapping[Any, Any]], unexplained: int) -> Judgement:
    """Decide by the causes found whether the reset is the remedy; a suspicion is not enough to delete.

    Parameters
    ----------
    findings : sequence of Mapping
        Rows of `kit.diagnosis.met`, as a case's manifest keeps them.
    unexplained : int
        People whom no cause explains.

    Examples
    --------
    >>> settle([], 0).sentence
    "The reset is not needed: nobody's photo has drifted."
    """
    causes = [row for row in findings if not row["harmless"]]
    mended = [row for row in causes if row["remedy_is_reset"] and row["people"]]
    others = [row for row in causes if not row["remedy_is_reset"]]
    helped = sum(_sure(row) for row in mended)
    if helped:
        named = "; ".join(_told(row) for row in mended)
        return Judgement("remedy", helped, f"The reset is the remedy for {people(helped)} ({named}).")
    if mended:
        suspected = people(sum(row["people"] for row in mended))
        sentence = f"That the reset is the remedy is only suspected, of {suspected}: {_look()}."
        return Judgement("suspected", 0, sentence)
    if others:
        first = max(others, key=lambda row: row["people"])
        return Judgement("other", 0, f"The reset is not the remedy: {explains(first)}. {first['fix']}")
    if unexplained:
        whom = people(unexplained)
        sentence = f"Nothing shows that the reset is the remedy: no known cause explains {whom}."
        return Judgement("unknown", 0, sentence)
    return Judgement("nothing", 0, "The reset is not needed: nobody's photo has drifted.")


def judge(diagnosed: Mapping[str, Any]) -> Finding:
    """Say whether the reset is what the people need whose photos have drifted.

    Parameters
    ----------
    diagnosed : Mapping
        As `kit.folder.CaseFolder.diagnosis` returns it; empty where the causes were not looked for.

    Returns
    -------
    Finding
        ``stop`` where every cause found is another one, or none was found; ``warn`` where the case is
        suspected only or the causes were not looked for; ``note`` where the reset is the remedy, with how
        many people it does not help.

    Examples
    --------
    >>> judge({}).severity
    'warn'
    """
    if not diagnosed:
        return Finding(
            "warn",
            "the causes were not looked for",
            f"the case folder has no diagnosis of {_NOTEBOOK}",
            "the drift may have another cause, which deleting the connector space does not mend",
            f"run {_NOTEBOOK} again",
        )
    causes = [row for row in diagnosed.get("findings", []) if not row["harmless"]]
    unexplained = int(diagnosed.get("unexplained", 0))
    judgement = settle(causes, unexplained)
    evidence = "; ".join(_told(row) for row in causes[:_MOST]) or judgement.sentence
    if judgement.kind == "suspected":
        return Finding("warn", UNPROVEN, evidence, "only times speak for it", _look())
    if judgement.kind == "remedy":
        apart = sum(row["people"] for row in causes) - judgement.helped
        return Finding(
            "note",
            f"deleting the SharePoint connector space is the remedy for {people(judgement.helped)}",
            evidence,
            f"of the others, {people(apart)} have another or a suspected cause, and {people(unexplained)} "
            "none that was found; the reset may change nothing for them",
            "see the causes in the same notebook" if apart else "carry out the plan",
        )
    if judgement.kind == "other":
        first = max(causes, key=lambda row: row["people"])
        return Finding(
            "stop", REFUSED, evidence, f"it would mend nobody's photo: {first['explanation']}", first["fix"]
        )
    step = f"read the causes in {_NOTEBOOK}"
    return Finding("stop", REFUSED, evidence, "it would be done without a reason", step)


def is_refused(findings: pd.DataFrame) -> bool:
    """Whether the reset is not the remedy, by the findings of a plan."""
    return bool(findings["finding"].eq(REFUSED).any())


def explains(row: Mapping[Any, Any]) -> str:
    """Say whom a finding explains, and how surely.

    Examples
    --------
    >>> explains({"cause": "not_joined", "people": 2, "certainty": "2 confirmed"})
    'not joined explains 2 people (2 confirmed)'
    """
    whom = people(row["people"]) if row["people"] else "the farm as a whole"
    return f"{spoken(row['cause'])} explains {whom} ({row['certainty']})"


def people(count: int) -> str:
    """Return a number of people in words."""
    return f"{count:,} {'person' if count == 1 else 'people'}"


def _sure(row: Mapping[Any, Any]) -> int:
    """Count whom a finding explains more surely than by suspicion."""
    return sum(int(count.replace(",", "")) for count in _SURE.findall(row["certainty"]))


def _told(row: Mapping[Any, Any]) -> str:
    whom = people(row["people"]) if row["people"] else "the farm"
    return f"{spoken(row['cause'])}: {whom}, {row['certainty']}"


def _look() -> str:
    return f"look at the connector space of these people in {_NOTEBOOK} before anything is deleted"
