"""The diagnosis: which cause explains whose photo, how surely, and what would refute it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from kit import exhibits, remedy, schema, signs
from kit.cause import CERTAINTIES, Cause
from kit.causes import ALL
from kit.errors import NotFoundError
from kit.observation import Observation
from kit.remedy import explains

DIAGNOSED = {
    "person": "str",
    "account": "str",
    "verdict": "str",
    "cause": "str",  # the primary one; empty: none applies
    "certainty": "str",  # one of kit.cause.CERTAINTIES
    "also": "str",  # the other causes that apply, the likeliest first, comma-separated
}
"""One row per person."""

FINDINGS = {
    "cause": "str",
    "people": "int64",  # whose primary cause it is
    "also": "int64",  # to whom it applies beside another
    "farm": "bool",  # it is told of the farm as a whole
    "certainty": "str",  # in words, with numbers
    "symptom": "str",
    "explanation": "str",
    "looked_at": "str",  # what is looked at for it
    "evidence": "str",  # what was seen there of the people it explains, in numbers
    "refuted_by": "str",
    "fix": "str",
    "next_notebook": "str",
    "remedy_is_reset": "bool",
    "harmless": "bool",
    "checked": "bool",
    "not_checked": "str",  # why not, or of whom not
}
"""One row per cause that applies to somebody, to the farm, or that could not be checked."""

_WORDS = {
    "trace": "connector spaces",
    "steps": "details of runs",
    "looks": "closer looks at pictures",
    "history": "run history",
    "picture_editable": "schema of user profiles",
}
"""What parts of an observation are called where one lacks."""
_REASONS = {"steps": "details of a run"}
"""How the reasons in `Observation.missing` begin, where it is not with the part's own name."""
_ARTICLES = frozenset({"A", "An", "Both", "No", "Nothing", "Somebody", "The", "Thumbnails"})
_IN_ORDER = ("in_sync", "no_photo")
_STRENGTH = {"": 0} | {word: rank for rank, word in enumerate(CERTAINTIES, 1)}


@dataclass(frozen=True)
class Diagnosis:
    """What explains the drift.

    Parameters
    ----------
    people : DataFrame
        Columns of `DIAGNOSED`.
    findings : DataFrame
        Columns of `FINDINGS`; the cause that explains most people first, what was not checked last.
    unexplained : DataFrame
        Columns of `DIAGNOSED`: people whose photo is not in order and whom no cause explains.
    """

    people: pd.DataFrame = field(repr=False)
    findings: pd.DataFrame = field(repr=False)
    unexplained: pd.DataFrame = field(repr=False)


def diagnose(observation: Observation, causes: Sequence[Cause] = ALL) -> Diagnosis:
    """Ask every cause whom it explains.

    Of the causes that apply to a person one is primary: any that does harm before one that does not, then
    the surest, then the first in order of evaluation. A person whom none explains stays unexplained.

    Parameters
    ----------
    observation : Observation
    causes : sequence of Cause
        In the order of evaluation.

    Returns
    -------
    Diagnosis
    """
    unchecked = {cause.name: _unchecked(cause, observation) for cause in causes}
    checked = [cause for cause in causes if not unchecked[cause.name]]
    certainties = {cause.name: cause.applies(observation) for cause in checked}
    people = _diagnosed(observation.people, certainties, checked)
    rows = [
        _finding(cause, observation, people, certainties.get(cause.name), unchecked[cause.name])
        for cause in causes
    ]
    findings = schema.conform(pd.DataFrame(rows, columns=list(FINDINGS)), FINDINGS)
    told = findings[findings["certainty"].ne("") | ~findings["checked"]]
    ordered = told.sort_values(
        ["checked", "harmless", "people", "farm", "also"],
        ascending=[False, True, False, False, False],
        kind="stable",
    )
    unexplained = _unexplained(people, causes, signs.affected(observation))
    return Diagnosis(people, ordered.reset_index(drop=True), unexplained)


def met(diagnosis: Diagnosis) -> pd.DataFrame:
    """Return the findings that are somebody's primary cause, or the farm's; not those that only might be."""
    findings = diagnosis.findings
    return findings.loc[findings["checked"] & (findings["people"].gt(0) | findings["farm"])]


def leading(diagnosis: Diagnosis) -> pd.DataFrame:
    """Return the findings that explain drift, by the number of people they explain."""
    found = met(diagnosis)
    return found.loc[~found["harmless"]]


def evidence(
    diagnosis: Diagnosis, observation: Observation, whom: str, causes: Sequence[Cause] = ALL
) -> pd.DataFrame:
    """Return what was seen, person by person, of what a cause looks at.

    Parameters
    ----------
    diagnosis : Diagnosis
    observation : Observation
        That it was made of.
    whom : str
        A cause, for everybody whom it explains; or a person, or an account, for that one and its cause.
    causes : sequence of Cause
        As they were asked.

    Returns
    -------
    DataFrame
        ``account``, ``verdict``, ``cause`` and ``certainty``, then the cause's columns of
        `kit.observation.OBSERVED`; one row per person.

    Raises
    ------
    NotFoundError
        There is neither a cause nor a person of that name.
    """
    people = diagnosis.people
    names = people[["cause", "person", "account"]].apply(lambda column: column.str.casefold())
    chosen: pd.DataFrame = people.loc[names.eq(whom.casefold()).any(axis="columns") & bool(whom)]
    by_name = {cause.name: cause for cause in causes}
    if chosen.empty and whom not in by_name:
        cause = "neither a cause, a person nor an account of this diagnosis is called so"
        raise NotFoundError(f"there is no evidence about {whom!r}", cause, "take a name out of its frames")
    asked = by_name.get(whom) or by_name.get(next(iter(chosen["cause"]), ""))
    columns = [name for name in (asked.evidence if asked else ()) if not name.startswith("farm: ")]
    shown = ["account", "verdict", "cause", "certainty"]
    seen = observation.people.loc[chosen.index, [name for name in columns if name not in shown]]
    return pd.concat([chosen[shown], seen], axis="columns")


def conclusion(diagnosis: Diagnosis) -> str:
    """Say how many are explained, how surely, and how many not; then the three causes of most of them."""
    explained, unexplained = _blamed(diagnosis), len(diagnosis.unexplained)
    first = leading(diagnosis).head(3).to_dict("records")
    drifting = len(explained) + unexplained
    if not drifting and not first:
        return "Nobody's photo has drifted: there is nothing to explain."
    causes = [f"{_sentence(explains(row))}: {_first_sentence(row['explanation'])}" for row in first]
    if not drifting:
        return " ".join(["Nobody's photo has drifted.", *causes])
    surely = f" ({_certainty(explained['certainty'])})" if len(explained) else ""
    left = f"{unexplained:,} by no known cause" if unexplained else "nobody is left unexplained"
    number = "photo is" if drifting == 1 else "photos are"
    total = f"{drifting:,} {number} not in order: {len(explained):,} explained{surely}, {left}."
    return " ".join([total, *causes])


def reset_is_remedy(diagnosis: Diagnosis) -> tuple[bool, str]:
    """Tell whether deleting the SharePoint connector space is what this farm needs.

    It is for whoever's primary cause is one that nothing else mends, confirmed or probable; see
    `kit.remedy.settle`, which decides the same of what a case has saved.

    Returns
    -------
    tuple of (bool, str)
        The sentence says for how many, or which cause leads instead and what mends that.
    """
    judgement = remedy.settle(met(diagnosis).to_dict("records"), len(diagnosis.unexplained))
    return judgement.kind == "remedy", judgement.sentence


def _diagnosed(
    people: pd.DataFrame, certainties: Mapping[str, pd.Series], causes: Sequence[Cause]
) -> pd.DataFrame:
    """Choose everybody's primary cause, and list the others."""
    rank = {cause.name: (cause.harmless, order) for order, cause in enumerate(causes)}
    applying: dict[Any, list[tuple[bool, int, int, str]]] = {index: [] for index in people.index}
    for name, certainty in certainties.items():
        harmless, order = rank[name]
        for index, word in certainty[certainty.ne("")].items():
            applying[index].append((harmless, -_STRENGTH[word], order, name))
    chosen = {index: sorted(found) for index, found in applying.items()}
    frame = people[["person", "account", "verdict"]].assign(
        cause=[found[0][3] if found else "" for found in chosen.values()],
        certainty=[CERTAINTIES[-found[0][1] - 1] if found else "" for found in chosen.values()],
        also=[", ".join(name for *_, name in found[1:]) for found in chosen.values()],
    )
    return schema.conform(frame, DIAGNOSED)


def _finding(
    cause: Cause, observation: Observation, people: pd.DataFrame, certainty: pd.Series | None, unchecked: str
) -> dict[str, Any]:
    mine = people["cause"].eq(cause.name)
    applies = pd.Series("", index=people.index) if certainty is None else certainty
    farm = cause.farm(observation) if cause.farm and not unchecked else ""
    found = cause.found(observation) if cause.found and not unchecked else ""
    count = int(mine.sum())
    return {
        "cause": cause.name,
        "people": count,
        "also": int((applies.ne("") & ~mine).sum()),
        "farm": bool(farm),
        "certainty": _certainty(applies[mine]) or farm or _certainty(applies[applies.ne("")]),
        "symptom": cause.symptom,
        "explanation": f"{cause.cause} {found}".strip(),
        "looked_at": cause.checked,
        "evidence": exhibits.told(cause, observation, mine) if count or farm else "",
        "refuted_by": cause.refuted_by,
        "fix": cause.fix,
        "next_notebook": cause.next_notebook,
        "remedy_is_reset": cause.remedy_is_reset,
        "harmless": cause.harmless,
        "checked": not unchecked,
        "not_checked": unchecked,
    }


def _certainty(words: pd.Series) -> str:
    """Count certainties, the surest first.

    Examples
    --------
    >>> _certainty(pd.Series(["probable", "confirmed", "probable"]))
    '1 confirmed, 2 probable'
    """
    counts = words.value_counts()
    return ", ".join(f"{counts[word]:,} {word}" for word in reversed(CERTAINTIES) if word in counts)


def _unchecked(cause: Cause, observation: Observation) -> str:
    """Say why a cause cannot be checked; empty if it can."""
    lacking = [need for need in cause.needs if not observation.has(need)]
    if not lacking:
        return ""
    parts = [part for need in lacking for part in need.split(" or ")]
    begins = tuple(_REASONS.get(part, part) for part in parts)
    reasons = [reason for reason in observation.missing if reason.startswith(begins)]
    needs = [" or ".join(_WORDS.get(part, part) for part in need.split(" or ")) for need in lacking]
    return f"not known: {', '.join(needs)}" + (f" ({' '.join(reasons)})" if reasons else "")


def _blamed(diagnosis: Diagnosis) -> pd.DataFrame:
    """Return the people whose photo is not in order and whom a cause that does harm explains."""
    people, findings = diagnosis.people, diagnosis.findings
    harmful = people["cause"].isin(findings.loc[~findings["harmless"], "cause"])
    explained = harmful & ~people["verdict"].isin(_IN_ORDER)
    return people[explained & ~people["person"].isin(diagnosis.unexplained["person"])]


def _unexplained(people: pd.DataFrame, causes: Sequence[Cause], affected: pd.Series) -> pd.DataFrame:
    """Return those without a cause, or with a harmless one where harm was done."""
    harmless = [cause.name for cause in causes if cause.harmless]
    nothing = people["cause"].eq("") & ~people["verdict"].isin(_IN_ORDER)
    too_little = people["cause"].isin(harmless) & affected
    return people[nothing | too_little].reset_index(drop=True)


def _first_sentence(text: str) -> str:
    """Return a text's first sentence as it goes on behind a colon.

    Examples
    --------
    >>> _first_sentence("The flow is barred. It stands in MV.XML.")
    'the flow is barred.'
    """
    first = text.partition(". ")[0].removesuffix(".") + "."
    word, _, rest = first.partition(" ")
    return f"{word.lower()} {rest}" if word in _ARTICLES else first


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
