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
from kit.photos import DIFFERENT_CORRELATION, DIFFERENT_DISTANCE, SAME_CORRELATION, SAME_DISTANCE

MARKERS = {"in_sync": ("o", BLUE), "stale": ("X", VERMILION), "uncertain": ("^", ORANGE)}
CLOSEST = 5e-4
"""Under this value of 1 - correlation, two photos are drawn as equal."""


def agreement(people: pd.DataFrame) -> Figure:
    """Draw how alike the photos in SharePoint and AD are, one mark per compared person.

    Parameters
    ----------
    people : DataFrame
        One row per person with ``verdict``, ``distance`` (bits of 256) and ``correlation`` (-1 to 1). People
        without both numbers were not compared and are left out.

    Returns
    -------
    Figure
        The decision regions are those of `kit.photos`. Both axes are stretched where it matters: close to 0
        bits and close to a correlation of 1.
    """
    compared = people.reindex(columns=["verdict", "distance", "correlation"])
    compared = compared.dropna(subset=["distance", "correlation"])
    figure = Chart(height=5.6)
    axis = figure.add_subplot()
    _draw_regions(axis)
    for name, group in compared.groupby(compared["verdict"].astype(str), sort=True):
        marker, colour = MARKERS.get(str(name), ("s", PURPLE))
        distances = group["distance"].to_numpy(dtype=float)
        heights = _unlikeness(group["correlation"].to_numpy(dtype=float))
        axis.scatter(
            distances,
            heights,
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
        f"Same picture: at most {SAME_DISTANCE} bits apart and a correlation of at least {SAME_CORRELATION}. "
        f"Different: at least {DIFFERENT_DISTANCE} bits apart or a correlation under {DIFFERENT_CORRELATION}."
    )
    figure.tell(
        f"{len(compared):,} photos compared: {told}" if len(compared) else "No photos were compared", rule
    )
    return figure


def _unlikeness(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1 - correlation, CLOSEST)


def _draw_regions(axis: Axes) -> None:
    """Draw where the rules say same, different and uncertain, on the stretched axes."""
    same, different, bottom = 1 - SAME_CORRELATION, 1 - DIFFERENT_CORRELATION, 2.0
    top = CLOSEST * 0.8
    axis.set_xscale("function", functions=(_root, _square))
    axis.set_yscale("log")
    axis.add_patch(Rectangle((-1, top), 257, bottom - top, color=VERMILION, alpha=0.09, linewidth=0))
    for box, colour in (((DIFFERENT_DISTANCE, different), ORANGE), ((SAME_DISTANCE, same), BLUE)):
        width, height = box[0] + 1, box[1] - top
        axis.add_patch(Rectangle((-1, top), width, height, facecolor="white", linewidth=0))
        axis.add_patch(Rectangle((-1, top), width, height, facecolor=colour, alpha=0.16, edgecolor=INK))
    places = (
        (0.35, same * 0.92, "same picture"),
        (0.35, different * 0.9, "uncertain"),
        (60, 1.7, "different"),
    )
    for x, y, text in places:
        halo = [withStroke(linewidth=3, foreground="white")]
        axis.text(
            x, y, text, fontsize=TEXT, style="italic", color=INK, va="bottom", zorder=4, path_effects=halo
        )
    axis.set_xlim(-0.25, 256)
    axis.set_ylim(bottom, top)
    axis.set_xticks([0, 5, SAME_DISTANCE, DIFFERENT_DISTANCE, 80, 128, 256])
    marks = [1.0, 0.995, SAME_CORRELATION, DIFFERENT_CORRELATION, 0.8, 0.5, 0.0]
    axis.set_yticks(_unlikeness(np.array(marks)), [f"{mark:g}" for mark in marks])
    axis.yaxis.set_minor_locator(NullLocator())
    axis.tick_params(labelsize=TEXT, labelcolor=INK)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel("hash distance, bits of 256 (stretched close to 0)", fontsize=TEXT)
    axis.set_ylabel("correlation (stretched close to 1)", fontsize=TEXT)


def _root(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(value) * np.sqrt(np.abs(value))


def _square(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(value) * np.square(value)
