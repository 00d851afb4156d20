"""The figures of a case: verdicts and pending exports here, the others each in its own module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kit.ages import ages
from kit.agreement import agreement
from kit.attribution import causes
from kit.departments import departments
from kit.figure import (
    BLUE,
    GREEN,
    ORANGE,
    SMALL,
    TEXT,
    VERMILION,
    Chart,
    alt_text,
    bars,
    count_axis,
    plain,
    save,
    swatch,
    write_beside,
)
from kit.funnel import funnel
from kit.past import history
from kit.schema import VERDICTS
from kit.timeline import timeline

__all__ = [
    "ages",
    "agreement",
    "alt_text",
    "causes",
    "departments",
    "exports",
    "funnel",
    "history",
    "save",
    "timeline",
    "verdicts",
]

EXPECTED_EXPORTS = ("expected_updates", "re_encoded_only")
"""Pending exports that may go out; every other kind stops the sequence."""

STYLES = {"before": (ORANGE, "////"), "after": (BLUE, "")}
OWN_SCALE = 12
"""So many times more people in sync than with any other verdict give ``in_sync`` a panel of its own."""


def verdicts(before: Mapping[str, int], after: Mapping[str, int] | None = None) -> Figure:
    """Draw how many people have each verdict, before and after the fix.

    Every bar carries its number. Where nearly everybody is in sync, that verdict gets a panel and a scale of
    its own: the few who matter stay visible, on a scale that starts at 0 and is neither broken nor bent.

    Parameters
    ----------
    before, after : Mapping[str, int]
        People per verdict; a verdict that nobody has may be left out. ``after`` None: one series.

    Returns
    -------
    Figure
    """
    series = {"before": before} if after is None else {"before": before, "after": after}
    met = {name for counts in series.values() for name, number in counts.items() if number}
    shown = [name for name in VERDICTS if name in met | {"in_sync", "stale"}] + sorted(met - set(VERDICTS))
    panels = _panels(shown, series)
    figure = Chart(height=1.6 + (0.52 if after else 0.42) * len(shown) + 0.55 * (len(panels) - 1))
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[len(names) for names in panels])[
        :, 0
    ]
    for axis, names in zip(axes, panels, strict=True):
        _draw_counts(axis, names, series)
    axes[-1].set_xlabel(
        "people" if len(panels) == 1 else "people; each panel has its own scale", fontsize=TEXT
    )
    if after is not None:
        swatches = [swatch(label, *STYLES[label]) for label in series]
        figure.legend(handles=swatches, loc="outside lower right", ncols=2, frameon=False, fontsize=TEXT)
    rows = [
        f"{name} " + ", ".join(f"{c.get(name, 0):,} {label}" for label, c in series.items()) for name in shown
    ]
    figure.tell(_verdicts_title(before, after), f"People per verdict: {'; '.join(rows)}.")
    return figure


def exports(summary: Mapping[str, int], limit: int | None = None) -> Figure:
    """Draw what waits to be exported to AD: what was expected, and what stops the sequence.

    Parameters
    ----------
    summary : Mapping[str, int]
        Number of pending exports by kind: ``expected_updates``, ``re_encoded_only``, ``unexpected_people``,
        ``unexpected_attributes``, ``deletes``. Any other kind counts as unexpected.
    limit : int, optional
        Most photos that one export may change; more of them stop the sequence as well.

    Returns
    -------
    Figure
    """
    kinds = list(summary)
    stops = sum(number for kind, number in summary.items() if kind not in EXPECTED_EXPORTS)
    names = [kind.replace("_", " ").replace("re encoded", "re-encoded") for kind in kinds]
    figure = Chart(height=1.9 + 0.44 * max(len(kinds), 1))
    axis = plain(figure.add_subplot())
    labels = [f"{summary[kind]:,}" for kind in kinds]
    bars(axis, names, [summary[kind] for kind in kinds], labels, kind=(GREEN, ""))
    for kind, bar in zip(kinds, axis.patches, strict=True):
        if kind in EXPECTED_EXPORTS:
            continue
        bar.set(facecolor=VERMILION, hatch="xx", hatchcolor="white")
        if summary[kind]:  # a single delete must be seen beside thousands of updates
            bar.set(edgecolor=VERMILION, linewidth=3)
    count_axis(axis, max([*summary.values(), 1]), "pending exports to AD")
    swatches = [swatch("may go out", GREEN, ""), swatch("stops the export", VERMILION, "xx")]
    figure.legend(handles=swatches, loc="outside lower right", ncols=2, frameon=False, fontsize=TEXT)
    updates, again = (summary.get(kind, 0) for kind in EXPECTED_EXPORTS)
    verdict = f"stopped by {stops:,} other{'s' if stops > 1 else ''}" if stops else "nothing else is pending"
    if limit is not None:
        verdict += f"; {'stopped by the limit of' if updates + again > limit else 'the limit is'} {limit:,}"
    title = f"{updates:,} expected photo updates, {again:,} re-encoded only; {verdict}"
    figure.tell(
        title, "".join(f"{name}: {summary[kind]:,}. " for kind, name in zip(kinds, names, strict=True))
    )
    return figure


def _panels(shown: Sequence[str], series: Mapping[str, Mapping[str, int]]) -> list[list[str]]:
    """Split the verdicts into panels: one, or ``in_sync`` apart from the rest."""
    rest = [name for name in shown if name != "in_sync"]
    largest = max((counts.get(name, 0) for counts in series.values() for name in rest), default=0)
    in_sync = max(counts.get("in_sync", 0) for counts in series.values())
    return [["in_sync"], rest] if in_sync > OWN_SCALE * max(largest, 1) else [list(shown)]


def _draw_counts(axis: Axes, names: Sequence[str], series: Mapping[str, Mapping[str, int]]) -> None:
    plain(axis)
    thickness = 0.74 / len(series)
    largest = max((counts.get(name, 0) for counts in series.values() for name in names), default=0)
    for place, (when, counts) in enumerate(series.items()):
        colour, hatch = STYLES[when]
        middles = [row + (place - (len(series) - 1) / 2) * thickness for row in range(len(names))]
        numbers = [counts.get(name, 0) for name in names]
        axis.barh(
            middles, numbers, thickness * 0.9, color=colour, hatch=hatch, edgecolor="white", linewidth=0
        )
        for middle, number in zip(middles, numbers, strict=True):
            write_beside(axis, number, middle, f"{number:,}")
    labels = [f"{name}\n{VERDICTS[name]}" if name in VERDICTS else name for name in names]
    axis.set_yticks(range(len(names)), labels, fontsize=SMALL, linespacing=1.25)
    axis.set_ylim(len(names) - 0.5, -0.5)
    count_axis(axis, largest, "")


def _verdicts_title(before: Mapping[str, int], after: Mapping[str, int] | None) -> str:
    stale, people = before.get("stale", 0), sum(before.values())
    noun = "person" if stale == 1 else "people"
    if after is None:
        return f"{stale:,} {noun} stale; n = {people:,}"
    same = sum(after.values()) == people
    sizes = f"n = {people:,}" if same else f"n = {people:,} before, {sum(after.values()):,} after"
    return f"{stale:,} {noun} stale before, {after.get('stale', 0):,} after; {sizes}"
