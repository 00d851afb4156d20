"""How many people's photos each cause explains, and how sure that is."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from kit.cause import CERTAINTIES, spoken
from kit.figure import (
    BLUE,
    ORANGE,
    QUIET,
    TEXT,
    VERMILION,
    Chart,
    count_axis,
    name_rows,
    plain,
    swatch,
    write_beside,
)

STYLES = {
    "confirmed": (BLUE, "", "white"),
    "probable": (ORANGE, "//", "white"),
    "suspected": ("white", "...", QUIET),
    "unexplained": (VERMILION, "xx", "white"),
}
"""Colour, hatch and edge of people by how sure their cause is, the surest first."""

HARMED = ("stale", "missing_in_ad", "uncertain")
"""Verdicts that no harmless cause explains."""


def causes(findings: pd.DataFrame, people: pd.DataFrame, top: int = 20) -> Figure:
    """Draw how many people each cause explains, by certainty, and how many no rule explains.

    Parameters
    ----------
    findings : DataFrame
        Of a diagnosis: ``cause``, ``harmless`` and ``checked`` are used. Harmless causes are left out: the
        photo is right, or there is none.
    people : DataFrame
        Of the same diagnosis: ``verdict``, ``cause`` and ``certainty``. Each person counts once, for the
        primary cause.
    top : int
        Causes to show one by one; the people of the others are put together.

    Returns
    -------
    Figure
    """
    counts = _counts(findings, people)
    unexplained, explained = int(counts["unexplained"].sum()), int(counts[list(CERTAINTIES)].sum().sum())
    known = counts[counts["unexplained"] == 0]
    title = _title(explained, unexplained, len(known), len(people))
    counts = _at_most(counts, top)
    figure = Chart(height=1.9 + 0.42 * max(len(counts), 1))
    axis = plain(figure.add_subplot())
    start = pd.Series(0, index=counts.index)
    for name, (colour, hatch, edge) in STYLES.items():
        rows = [row for row, number in enumerate(counts[name]) if number]
        lengths, starts = counts[name].iloc[rows], start.iloc[rows]
        axis.barh(rows, lengths, 0.62, starts, color=colour, hatch=hatch, edgecolor=edge, zorder=2)
        start = start + counts[name]
    notes = [_note(row) for row in counts.to_dict("records")]
    for row, (end, note) in enumerate(zip(start, notes, strict=True)):
        write_beside(axis, end, row, note)
    name_rows(axis, [spoken(str(name)) for name in counts.index])
    count_axis(axis, start.max() if len(start) else 1, "people")
    used = [swatch(name, *STYLES[name]) for name in STYLES if counts[name].any()]
    if used:
        figure.legend(handles=used, loc="outside lower right", ncols=4, frameon=False, fontsize=TEXT)
    unchecked = findings.loc[~findings["checked"], "cause"].map(spoken).tolist()
    told = [f"{spoken(name)}: {note}." for name, note in zip(counts.index, notes, strict=True)]
    told += [f"Not checked: {', '.join(unchecked)}."] if unchecked else []
    figure.tell(title, " ".join(told))
    return figure


def _counts(findings: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Count drifted people per cause (index) and certainty (columns), most first, the unexplained last."""
    harmless = people["cause"].isin(findings.loc[findings["harmless"], "cause"])
    harmed = people["verdict"].isin(HARMED)
    drifted = people[harmed | ~people["verdict"].isin(["in_sync", "no_photo"]) & ~harmless]
    unexplained = (drifted["cause"] == "") | harmless[drifted.index]
    certainty = drifted["certainty"].mask(unexplained, "unexplained")
    cause = drifted["cause"].mask(unexplained, "no rule explains it")
    counts = pd.crosstab(cause, certainty).reindex(columns=list(STYLES), fill_value=0)
    order = pd.DataFrame({"last": counts["unexplained"] > 0, "people": -counts.sum(axis=1)})
    return counts.loc[order.sort_values(["last", "people"], kind="stable").index]


def _at_most(counts: pd.DataFrame, top: int) -> pd.DataFrame:
    """Put the rarest causes together, if there are more than a number."""
    known, rest = counts[counts["unexplained"] == 0], counts[counts["unexplained"] > 0]
    if len(known) <= top:
        return counts
    others = known.iloc[top:].sum().to_frame(f"{len(known) - top} rarer causes").T
    return pd.concat([known.iloc[:top], others, rest])


def _note(row: dict[object, int]) -> str:
    """Say how many, and how sure, where it is a cause."""
    parts = {name: row[name] for name in STYLES if row[name]}
    told = ", ".join(f"{number:,} {name}" for name, number in parts.items())
    return told if len(parts) == 1 else f"{sum(parts.values()):,}: {told}"


def _title(explained: int, unexplained: int, found: int, people: int) -> str:
    if not explained + unexplained:
        return f"No photo has drifted; n = {people:,}"
    drifted = explained + unexplained
    whom = "the only drifted photo" if drifted == 1 else f"{drifted:,} drifted photos"
    of = "" if drifted == 1 else f"{explained:,} of " if unexplained else "all "
    by = f"{found} cause{'' if found == 1 else 's'} explain{'s' if found == 1 else ''}"
    told = f"{by} {of}{whom}" if explained else f"No cause explains {'' if drifted == 1 else 'any of '}{whom}"
    return f"{told}; n = {people:,} people"
