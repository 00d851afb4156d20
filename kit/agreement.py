"""How alike the photos of two systems are, against the thresholds that decide."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from kit.figure import BLUE, INK, ORANGE, PURPLE, TEXT, VERMILION, Chart
from kit.photos import DIFFERENT_LIKENESS, SAME_LIKENESS, SAME_MIDDLE

MARKERS = {"in_sync": ("o", BLUE), "stale": ("X", VERMILION), "uncertain": ("^", ORANGE)}
CLOSEST = 5e-4
"""Under this value of 1 - correlation, two photos are drawn as equal."""
FARTHEST = 2.0
"""1 - correlation of a picture and its negative."""
NUMBERS = ["core_likeness", "likeness"]


def agreement(people: pd.DataFrame) -> Figure:
    """Draw how alike the photos in SharePoint and AD are, one mark per compared person.

    Parameters
    ----------
    people : DataFrame
        One row per person with ``verdict``, ``likeness`` and ``core_likeness`` (-1 to 1, as of
        `kit.photos.Comparison`). People without both numbers were not compared and are left out.

    Returns
    -------
    Figure
        The decision regions are those of `kit.photos`. Both axes are stretched where it matters: close to a
        correlation of 1. Nothing lies right of the diagonal: the middle is part of the whole.
    """
    compared = people.reindex(columns=["verdict", *NUMBERS]).dropna(subset=NUMBERS)
    figure = Chart(height=5.6)
    axis = figure.add_subplot()
    _draw_regions(axis)
    for name, group in compared.groupby(compared["verdict"].astype(str), sort=True):
        marker, colour = MARKERS.get(str(name), ("s", PURPLE))
        middle, anywhere = (_unlikeness(group[column].to_numpy(dtype=float)) for column in NUMBERS)
        axis.scatter(
            middle,
            anywhere,
            s=48,
            color=colour,
            marker=marker,
            alpha=0.75,
            edgecolors="white",
            linewidths=0.6,
            label=f"{name} ({len(group):,})",
            zorder=3,
        )
    if len(compared):
        figure.legend(loc="outside lower right", ncols=5, frameon=False, fontsize=TEXT)
    counts = compared["verdict"].value_counts()
    words = {"in_sync": "agree", "stale": "differ", "uncertain": "undecided"}
    told = ", ".join(f"{counts.get(name, 0):,} {word}" for name, word in words.items())
    rule = (
        f"Same picture: every place correlates with at least {SAME_LIKENESS}, one photo laid over the other. "
        f"Different: one has less than {DIFFERENT_LIKENESS}, and one in the middle less than {SAME_MIDDLE}."
    )
    figure.tell(
        f"{len(compared):,} photos compared: {told}" if len(compared) else "No photos were compared", rule
    )
    return figure


def _unlikeness(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1 - correlation, CLOSEST)


def _draw_regions(axis: Axes) -> None:
    """Draw where the rules say same, different and uncertain, on the stretched axes."""
    same, different, middle = 1 - SAME_LIKENESS, 1 - DIFFERENT_LIKENESS, 1 - SAME_MIDDLE
    low, high = CLOSEST * 0.8, FARTHEST * 1.1
    regions = (
        ((low, same), high - low, high - same, ORANGE),
        ((middle, different), high - middle, high - different, VERMILION),
        ((low, low), high - low, same - low, BLUE),
    )
    for corner, width, height, colour in regions:
        axis.add_patch(Rectangle(corner, width, height, facecolor="white", linewidth=0))
        axis.add_patch(Rectangle(corner, width, height, facecolor=colour, alpha=0.14, edgecolor=INK))
    axis.set_xscale("log")
    axis.set_yscale("log")
    halo = [withStroke(linewidth=3, foreground="white")]
    for x, y, text in ((high, same, "same picture"), (middle, high, "uncertain"), (high, high, "different")):
        axis.text(
            x * 0.9,
            y * 0.9,
            text,
            fontsize=TEXT,
            style="italic",
            color=INK,
            va="bottom",
            zorder=4,
            path_effects=halo,
        )
    axis.set_xlim(high, low)
    axis.set_ylim(high, low)
    marks = [1.0, 0.99, 0.95, 0.5, 0.0, -1.0]
    limits = ((axis.xaxis, [SAME_MIDDLE]), (axis.yaxis, [SAME_LIKENESS]))
    for side, thresholds in limits:
        ticks = np.array(marks + thresholds)
        side.set_ticks(_unlikeness(ticks), [f"{tick:g}" for tick in ticks])
        side.set_minor_locator(NullLocator())
    axis.tick_params(labelsize=TEXT, labelcolor=INK)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel("least correlation in the middle (stretched close to 1)", fontsize=TEXT)
    axis.set_ylabel("least correlation anywhere (stretched close to 1)", fontsize=TEXT)
