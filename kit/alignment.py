"""Find the part that two pictures share, and tell how alike they are in the part's least alike place.

A photo tool that cuts a portrait to a frame, or fills a frame up with bars, moves every pixel, and no hash of
a whole picture survives that. And company portraits share backdrop, pose and suit, so that whole pictures of
two people correlate at 0.99. Both are answered here: one picture is laid over the other by a search over
scale and offset of either axis, and the shared part is then compared place by place, so that a face that
differs is not outvoted by the backdrop around it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.floating[Any]]
"""A grey picture, or a stack of them; levels 0 to 255."""
Interval = tuple[float, float]
"""Begin and end along one axis, as shares of the picture."""
Part = tuple[Interval, Interval]
"""A part of a picture: across, down."""
WHOLE: Part = ((0.0, 1.0), (0.0, 1.0))

SIDE = 64
"""Side of the grey pictures that are aligned, whatever their proportions were."""
COARSE, FINE = 16, 32
"""Sides on which the shared part is searched for and compared; FINE is less than the smallest thumbnail."""
CUTS = tuple((low / 20, high / 20) for low in range(4) for high in range(4))
"""What may be cut off an axis' two ends before the search: up to 15 % each; the steps are refined later."""
MARGIN = 0.03
"""Left out along the shared part's edges, where bars and neighbouring pixels blend in."""
CANDIDATES = 3
ITERATIONS = 4
PROMISING = 0.8
"""Correlation on the coarse grid under which a candidate is no shared part; true ones reach 0.9."""
LEAST_PART = 0.5
"""Share of an axis under which two pictures are not said to share a part."""
PLACE = 6
"""Side of a place on the FINE grid: a fifth of the picture, less than a face."""
NOISE = 100.0
"""Variance of grey levels, about what coding costs a place: flat places are alike, not unlike by noise."""
CORE = (slice(3, 19), slice(4, 23))
"""Places (rows, columns) that show head and shoulders, not the edges with their badges and banners."""
VISIBLE = 0.015
"""Share of a picture under which a difference of framing is not told."""
LARGEST_BAR = 15
"""Rows of SIDE that a bar is looked for in: nearly a quarter of the picture."""
BAR_NOISE = 5.0
"""Grey levels by which coding moves a bar's pixels from its shade, on average over a row."""


@dataclass(frozen=True)
class Alignment:
    """How two pictures lie over each other. The numbers are correlations, -1 to 1.

    Parameters
    ----------
    correlation : float
        Of the shared part as a whole.
    least : float
        Of the least alike place in it.
    core : float
        Of the least alike place in its middle, where a portrait has its face.
    first, second : Part
        Where the shared part lies in each picture.
    """

    correlation: float
    least: float
    core: float
    first: Part = WHOLE
    second: Part = WHOLE

    def turned(self) -> Alignment:
        """Return the same with first and second exchanged."""
        return Alignment(self.correlation, self.least, self.core, self.second, self.first)


@dataclass(frozen=True)
class _Map:
    """Where the second picture lies in the first, per axis (across, down): offset + scale * position."""

    offset: tuple[float, float]
    scale: tuple[float, float]

    def shared(self, axis: int, margin: float = MARGIN) -> tuple[Interval, Interval]:
        """Return the interval of first and second that both show, less a margin."""
        offset, scale = self.offset[axis], self.scale[axis]
        begin, end = max(0.0, -offset / scale), min(1.0, (1 - offset) / scale)
        begin, end = begin + margin * (end - begin), end - margin * (end - begin)
        return (offset + scale * begin, offset + scale * end), (begin, end)

    @property
    def possible(self) -> bool:
        """Whether what is shared is large enough to speak of."""
        if min(self.scale) <= 0:
            return False
        ends = [interval for axis in (0, 1) for interval in self.shared(axis, 0.0)]
        return min(end - begin for begin, end in ends) >= LEAST_PART


IDENTITY = _Map((0.0, 0.0), (1.0, 1.0))


def in_place(first: Grey, second: Grey) -> Alignment:
    """Compare two pictures as they lie, whole over whole.

    Parameters
    ----------
    first, second : ndarray
        SIDE x SIDE grey pictures.
    """
    return _judge(first, second, IDENTITY)


def align(first: Grey, second: Grey) -> list[Alignment]:
    """Find the parts that two pictures may share; none if they share nothing.

    The search is exhaustive on a coarse grid, over `CUTS` of either axis of either picture; what looks
    promising is refined by the least squares of Lucas and Kanade (1981), with brightness and contrast free.

    Parameters
    ----------
    first, second : ndarray
        SIDE x SIDE grey pictures; squeezed to a square, which the free scale of each axis undoes.
    """
    contents = _content(first), _content(second)
    found = _fits(first, second, *contents)
    if contents != (WHOLE, WHOLE):  # what looks like a bar may be a backdrop
        found += _fits(first, second, WHOLE, WHOLE)
    return found


def _fits(first: Grey, second: Grey, first_content: Part, second_content: Part) -> list[Alignment]:
    """Align the contents of two pictures from every candidate."""
    a, b = _cut(first, first_content), _cut(second, second_content)
    found = []
    for start in _candidates(a, b):
        place = _refine(a, b, start)
        if place is not None:
            fit = _judge(a, b, place)
            first_part = _outward(fit.first, first_content)
            found.append(replace(fit, first=first_part, second=_outward(fit.second, second_content)))
    return found


def describe(found: Alignment, first: Grey, second: Grey) -> list[str]:
    """Say in words what of each picture lies outside of the shared part: cut off the other, or bars.

    Parameters
    ----------
    found : Alignment
    first, second : ndarray
        The pictures that were aligned.

    Examples
    --------
    >>> grey = np.zeros((SIDE, SIDE), np.float32) + np.arange(SIDE, dtype=np.float32)
    >>> describe(Alignment(1, 1, 1, ((0.1, 1.0), (0.0, 0.95))), grey, grey)
    ['second is cropped: it lacks 10 % at the left, 5 % at the bottom of first']
    """
    told = []
    sides = (("first", "second", found.first, first), ("second", "first", found.second, second))
    for name, other, part, grey in sides:
        outside, bars = _edges(part), _edges(_content(grey))
        shown = {side: share for side, share in outside.items() if share >= VISIBLE}
        words = ", ".join(f"{100 * share:.0f} % at the {side}" for side, share in shown.items())
        if shown and any(abs(bars[side] - share) < 2 / SIDE for side, share in shown.items()):
            told.append(f"{name} has bars: {words}")
        elif shown:
            told.append(f"{other} is cropped: it lacks {words} of {name}")
    return told


def _edges(part: Part) -> dict[str, float]:
    """Return how much of a picture lies outside of a part, by side."""
    (left, right), (top, bottom) = part
    return {"left": left, "top": top, "right": 1 - right, "bottom": 1 - bottom}


def _content(grey: Grey) -> Part:
    """Find what lies between flat bars along the edges: across, down."""
    down, across = grey, grey.T
    return (
        (_bar(across) / SIDE, 1 - _bar(across[::-1]) / SIDE),
        (_bar(down) / SIDE, 1 - _bar(down[::-1]) / SIDE),
    )


def _bar(rows: Grey) -> int:
    """Count the rows of a flat bar at the top; 0 if there is none.

    A bar ends in a straight edge: most of the next row is of another shade. A backdrop does not, and stays.
    """
    shade = float(rows[:2].mean())
    quiet = np.abs(rows[: LARGEST_BAR + 1] - shade).mean(axis=1) < BAR_NOISE
    count = int(quiet.argmin())
    edge = np.abs(rows[count + 1] - shade) > 2 * BAR_NOISE  # the row between is blended of both
    return count + 1 if count and not quiet.all() and edge.mean() > 0.6 else 0


def _cut(grey: Grey, content: Part) -> Grey:
    if content == WHOLE:
        return grey
    across, down = content
    cut: Grey = _sampler(*down, SIDE) @ grey @ _sampler(*across, SIDE).T
    return cut


def _outward(part: Part, content: Part) -> tuple[Interval, Interval]:
    """Return where a part of the content lies in the whole picture."""
    (x0, x1), (y0, y1) = (
        (begin + (end - begin) * low, begin + (end - begin) * high)
        for (low, high), (begin, end) in zip(part, content, strict=True)
    )
    return (x0, x1), (y0, y1)


def _sampler(begin: float, end: float, count: int) -> Grey:
    """Make the matrix that samples an interval of SIDE pixels at `count` points, smoothed by a tent."""
    step = (end - begin) * SIDE / count
    centres = begin * SIDE + (np.arange(count) + 0.5) * step
    weights = (1 - np.abs(centres[:, None] - np.arange(SIDE) - 0.5) / max(step, 1.0)).clip(0)
    sampler: Grey = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return sampler


@cache
def _coarse() -> Grey:
    """Make the matrices that sample one axis after each of the `CUTS`."""
    parts = [(low, 1 - low - high) for low, high in CUTS]
    return np.stack(
        [
            _sampler(low + 2 * MARGIN * length, low + (1 - 2 * MARGIN) * length, COARSE)
            for low, length in parts
        ]
    )


def _normalized(vectors: Grey) -> Grey:
    centred = vectors - vectors.mean(axis=-1, keepdims=True)
    lengths: Grey = np.linalg.norm(centred, axis=-1, keepdims=True)
    normalized: Grey = centred / np.maximum(lengths, 1e-6)
    return normalized


def _cuts(grey: Grey) -> Grey:
    """Sample a picture after every cut of its height (first index) and width (second), each normalized."""
    # Many small products: for few large ones, the linear algebra library would start threads.
    sampled = (_coarse() @ grey)[:, None] @ _coarse().transpose(0, 2, 1)
    return _normalized(sampled.reshape(len(CUTS), len(CUTS), COARSE * COARSE))


def _candidates(first: Grey, second: Grey) -> list[_Map]:
    """Find how the second picture may lie in the first, or the first in the second, either way per axis."""
    a, b = _cuts(first), _cuts(second)
    # Which picture is cut: first in both axes, second in both, first down and second across, and the reverse.
    tables = np.stack([a @ b[0, 0], b @ a[0, 0], a[:, 0] @ b[0].T, b[:, 0] @ a[0].T])
    order = np.argsort(tables, axis=None)[::-1][:CANDIDATES]
    found = []
    for place in order:
        if tables.flat[place] < PROMISING:
            break
        which, down, across = (int(index) for index in np.unravel_index(place, tables.shape))
        x = _axis_map(*((across, 0) if which in (0, 3) else (0, across)))
        y = _axis_map(*((down, 0) if which in (0, 2) else (0, down)))
        found.append(_Map((x[0], y[0]), (x[1], y[1])))
    return found


def _axis_map(first_cut: int, second_cut: int) -> tuple[float, float]:
    """Return offset and scale of one axis if both pictures show the same after these cuts."""
    (low, high), (second_low, second_high) = CUTS[first_cut], CUTS[second_cut]
    scale = (1 - low - high) / (1 - second_low - second_high)
    return low - scale * second_low, scale


def _samples(first: Grey, second: Grey, place: _Map) -> tuple[Grey, Grey]:
    """Sample what both show on one FINE grid."""
    (across, second_across), (down, second_down) = place.shared(0), place.shared(1)
    return (
        _sampler(*down, FINE) @ first @ _sampler(*across, FINE).T,
        _sampler(*second_down, FINE) @ second @ _sampler(*second_across, FINE).T,
    )


def _refine(first: Grey, second: Grey, place: _Map) -> _Map | None:
    """Move and scale until the two differ least, brightness and contrast apart; None if they drift apart."""
    for _ in range(ITERATIONS):
        if not place.possible:
            return None
        a, b = _samples(first, second, place)
        (across, second_across), (down, second_down) = place.shared(0), place.shared(1)
        by_row, by_column = np.gradient(a, (down[1] - down[0]) / FINE, (across[1] - across[0]) / FINE)
        middles = (np.arange(FINE) + 0.5) / FINE
        x = second_across[0] + middles * (second_across[1] - second_across[0])
        y = second_down[0] + middles[:, None] * (second_down[1] - second_down[0])
        columns = [by_column, by_row, by_column * x, by_row * y, -b, -np.ones_like(b)]
        system = np.stack(columns, axis=-1).reshape(-1, 6).astype(np.float64)
        solution = np.linalg.solve(system.T @ system + 1e-3 * np.eye(6), -(system.T @ a.ravel()))
        step = solution[:4].clip(-0.05, 0.05)
        place = _Map(
            (place.offset[0] + step[0], place.offset[1] + step[1]),
            (place.scale[0] + step[2], place.scale[1] + step[3]),
        )
    return place if place.possible else None


def _judge(first: Grey, second: Grey, place: _Map) -> Alignment:
    """Correlate what both show, as a whole and place by place."""
    a, b = _samples(first, second, place)
    whole = float(_normalized(a.ravel()) @ _normalized(b.ravel()))
    places = _places(a, b)
    (across, second_across), (down, second_down) = place.shared(0, 0.0), place.shared(1, 0.0)
    return Alignment(
        whole, float(places.min()), float(places[CORE].min()), (across, down), (second_across, second_down)
    )


def _places(a: Grey, b: Grey) -> NDArray[np.float64]:
    """Correlate two FINE pictures in every place of PLACE x PLACE pixels: the structure term of SSIM.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004; the
    constant that steadies it is `NOISE`, after both were brought to one contrast.
    """
    a, b = (picture.astype(np.float64) - picture.mean() for picture in (a, b))
    spreads = max(float(a.std()), 1e-6), max(float(b.std()), 1e-6)
    contrast = float(np.sqrt(spreads[0] * spreads[1]))
    a, b = a * (contrast / spreads[0]), b * (contrast / spreads[1])
    means = _means(np.stack([a, b, a * a, b * b, a * b]))
    covariance = means[4] - means[0] * means[1]
    variances = means[2] - means[0] ** 2 + NOISE, means[3] - means[1] ** 2 + NOISE
    correlations: NDArray[np.float64] = (covariance + NOISE) / np.sqrt(variances[0] * variances[1])
    return correlations


def _means(pictures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average every place of each picture in a stack, by a running sum."""
    sums = np.pad(pictures, ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)
    totals = sums[:, PLACE:, PLACE:] - sums[:, :-PLACE, PLACE:] - sums[:, PLACE:, :-PLACE]
    means: NDArray[np.float64] = (totals + sums[:, :-PLACE, :-PLACE]) / PLACE**2
    return means
