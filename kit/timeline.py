"""The fix over time: one bar per run of a management agent and per gate."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kit.figure import (
    BLUE,
    ORANGE,
    QUIET,
    SMALL,
    TEXT,
    VERMILION,
    Chart,
    name_rows,
    plain,
    swatch,
    write_beside,
)
from kit.runs import ATTENTION, OK, WARNING, classify

STYLES = {
    "succeeded": (BLUE, ""),
    "completed with warnings": (ORANGE, "//"),
    "failed": (VERMILION, "xx"),
    "unfinished": ("white", "\\\\"),
    "gate": ("#aeb6bf", ".."),
}
"""Colour and hatch of a bar by how the step ended."""

Step = dict[Hashable, Any]

UNITS = (("hours", 3 * 3600, 3600), ("minutes", 180, 60), ("seconds", 0, 1))
"""Unit of the time axis, the span in seconds from which it is used, its length in seconds."""
NOTE_WIDTH = 46
NOTHING = 0.6  # inches: of a title alone


def timeline(runs: pd.DataFrame) -> Figure:
    """Draw the runs and gates of the fix, in order, over the time since the first began.

    Parameters
    ----------
    runs : DataFrame
        One row per step: ``agent``, ``run_profile``, ``started`` and ``ended`` (UTC; null while unfinished),
        ``status`` as MIM words it, ``counts`` (text, may be empty). A row whose ``kind`` is ``gate``, or that
        has no agent, is a gate, named by its ``run_profile``.

    Returns
    -------
    Figure
    """
    columns = ["agent", "run_profile", "started", "ended", "status", "counts", "kind"]
    frame = runs.reindex(columns=columns).copy()
    frame["started"] = pd.to_datetime(frame["started"], utc=True)
    frame["ended"] = pd.to_datetime(frame["ended"], utc=True)
    text = ["agent", "run_profile", "status", "counts", "kind"]
    frame[text] = frame[text].astype("string").fillna("")
    frame = frame.dropna(subset=["started"]).sort_values("started", kind="stable")
    figure = Chart(height=1.9 + 0.44 * len(frame) if len(frame) else NOTHING)
    if frame.empty:
        figure.tell("Nothing of the fix has run yet", "")
        return figure
    steps = frame.to_dict("records")
    last = frame[["started", "ended"]].max().max()
    outcomes = ["gate" if _is_gate(step) else outcome(step["status"]) for step in steps]
    _draw(figure, steps, outcomes, last)
    legend = [swatch(name, *STYLES[name], QUIET) for name in STYLES if name in outcomes]
    figure.legend(handles=legend, loc="outside lower right", ncols=5, frameon=False, fontsize=TEXT)
    gates, took = outcomes.count("gate"), _took(steps[0]["started"], last)
    ends = [f"{outcomes.count(name)} {name}" for name in STYLES if name in outcomes and name != "gate"]
    steps_told = f"{_number(len(steps) - gates, 'run')} and {_number(gates, 'gate')}"
    title = f"{steps_told} in {took}: {', '.join(ends) or 'no run yet'}"
    figure.tell(title, " ".join(f"{_name(step)}: {_note(step, ', ')}." for step in steps))
    return figure


def _draw(figure: Chart, steps: list[Step], outcomes: list[str], last: pd.Timestamp) -> None:
    axis = plain(figure.add_subplot())
    first = steps[0]["started"]
    span = (last - first).total_seconds()
    unit, length = next((name, length) for name, least, length in UNITS if span >= least)
    shortest = max(span, 0.1) * 0.006  # a step much shorter than the whole still shows as a thin bar
    for row, (step, outcome) in enumerate(zip(steps, outcomes, strict=True)):
        end: pd.Timestamp = last if pd.isna(step["ended"]) else step["ended"]
        start, width = (step["started"] - first).total_seconds(), (end - step["started"]).total_seconds()
        colour, hatch = STYLES[outcome]
        edge = QUIET if outcome in ("unfinished", "gate") else "white"
        bar = (max(width, shortest) / length, 0.6, start / length)
        axis.barh(row, *bar, color=colour, hatch=hatch, edgecolor=edge, linewidth=0.6)
        note = textwrap.fill(_note(step, " · "), NOTE_WIDTH)
        write_beside(axis, 1, row, note, size=SMALL, bold=False, x_is_share=True)
    name_rows(axis, [_name(step).replace(" · ", "\n") for step in steps])
    axis.set_xlim(0, max(span + shortest, 0.1) / length)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axis.set_xlabel(f"{unit} since {first:%Y-%m-%d %H:%M:%S} UTC", fontsize=TEXT)


_OUTCOMES = {OK: "succeeded", WARNING: "completed with warnings", ATTENTION: "completed with warnings"}


def outcome(status: str) -> str:
    """How a run ended, as a key of `STYLES`, by MIM's words for its status."""
    if status in ("", "in-progress"):
        return "unfinished"
    return _OUTCOMES.get(classify(status), "failed")


def _is_gate(step: Step) -> bool:
    return bool(step["kind"] == "gate" or not step["agent"])


def _name(step: Step) -> str:
    return " · ".join(filter(None, [step["agent"], step["run_profile"]]))


def _note(step: Step, between: str) -> str:
    return between.join(filter(None, [step["status"], _took(step["started"], step["ended"]), step["counts"]]))


def _took(started: pd.Timestamp, ended: pd.Timestamp) -> str:
    if pd.isna(ended):
        return "not ended"
    seconds = (ended - started).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
