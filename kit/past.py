"""The runs of the management agents over time, against the uploads that Active Directory never got."""

from __future__ import annotations

import pandas as pd
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kit.figure import (
    BLUE,
    INK,
    ORANGE,
    QUIET,
    SMALL,
    TEXT,
    VERMILION,
    Chart,
    name_rows,
    plain,
    write_beside,
)
from kit.timeline import NOTHING, outcome

MARKS = {
    "succeeded": ("o", BLUE),
    "completed with warnings": ("^", ORANGE),
    "failed": ("X", VERMILION),
    "unfinished": ("s", QUIET),
}
"""Shape and colour of a run by how it ended."""
UPLOADS = "uploads of stale people"
FORMATS = ["%Y", "%b %Y", "%d %b", "%d %b %H:%M", "%d %b %H:%M", "%H:%M:%S"]
"""How the marks of the time axis are written, by what they count: years, months, days and so on."""


def history(runs: pd.DataFrame, people: pd.DataFrame) -> Figure:
    """Draw when which run profiles ran, and when stale people uploaded the photos that did not arrive.

    A full import to the right of an upload saw a photo and did not carry it on.

    Parameters
    ----------
    runs : DataFrame
        Columns of `kit.runs.HISTORY`, of both agents.
    people : DataFrame
        ``verdict`` and ``picture_timestamp`` are used.

    Returns
    -------
    Figure
        One row per agent and run profile, noting the runs since the last of those uploads.
    """
    started = runs.dropna(subset=["started"])
    lanes = list(started.groupby(["agent", "run_profile"], sort=True))
    uploads = people.loc[people["verdict"] == "stale", "picture_timestamp"].dropna().sort_values()
    figure = Chart(height=2.1 + 0.42 * (len(lanes) + 1) if lanes else NOTHING)
    if not lanes:
        figure.tell("No run of a management agent is in the history", "")
        return figure
    axis = plain(figure.add_subplot())
    notes = [_note(lane["started"], uploads) for _, lane in lanes]
    used = [_draw_lane(axis, row, lane) for row, (_, lane) in enumerate(lanes, 1)]
    before = _draw_uploads(axis, uploads, started["started"].min(), len(lanes))
    names = [" · ".join(map(str, name)) for name, _ in lanes]
    name_rows(axis, [UPLOADS, *(name.replace(" · ", "\n") for name in names)])
    told = f"{len(uploads):,}" + (f", {before:,} before the first run" if before else "")
    for row, note in enumerate([told, *notes]):
        write_beside(axis, 1, row, note, size=SMALL, bold=False, x_is_share=True)
    _lay_out_time(axis)
    shown = [name for name in MARKS if any(name in ends for ends in used)]
    marks = [Line2D([], [], marker=MARKS[n][0], color=MARKS[n][1], linestyle="", label=n) for n in shown]
    figure.legend(handles=marks, loc="outside lower right", ncols=4, frameon=False, fontsize=TEXT)
    title = f"{len(started):,} runs since {started['started'].min():%Y-%m-%d}, {len(uploads):,} {UPLOADS}"
    sentences = [f"{name}: {note}" for name, note in zip([UPLOADS, *names], [told, *notes], strict=True)]
    figure.tell(title, f"{'. '.join(sentences)}.")
    return figure


def _draw_lane(axis: Axes, row: int, lane: pd.DataFrame) -> set[str]:
    """Mark the runs of one profile; return how they ended."""
    ends = lane["status"].fillna("").map(outcome)
    for name, some in lane["started"].groupby(ends):
        shape, colour = MARKS[str(name)]
        axis.scatter(some, [row] * len(some), s=44, marker=shape, color=colour, edgecolors="white", zorder=3)
    return set(ends)


def _draw_uploads(axis: Axes, uploads: pd.Series, first: pd.Timestamp, lanes: int) -> int:
    """Mark the uploads since the first run, and the last one over all lanes; return how many were before."""
    later = uploads[uploads >= first]
    axis.scatter(later, [0] * len(later), s=90, marker="|", color=INK, zorder=3)
    if len(later):
        axis.plot([later.iloc[-1]] * 2, [0, lanes + 0.5], color=INK, linestyle="--", linewidth=1)
    return len(uploads) - len(later)


def _note(started: pd.Series, uploads: pd.Series) -> str:
    runs = f"{len(started):,} run{'' if len(started) == 1 else 's'}"
    if uploads.empty:
        return runs
    return f"{runs}, {int((started > uploads.iloc[-1]).sum()):,} since the last upload"


def _lay_out_time(axis: Axes) -> None:
    locator = dates.AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call]  # not annotated
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(
        dates.ConciseDateFormatter(locator, formats=FORMATS, zero_formats=FORMATS, show_offset=False)  # type: ignore[no-untyped-call]  # the same
    )
    axis.margins(x=0.03)
    axis.set_xlabel("time, UTC; dashed: the last upload", fontsize=TEXT)
