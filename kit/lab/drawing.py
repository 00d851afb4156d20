"""Smooth shapes on a supersampled canvas: what the portraits are drawn with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, radians, sin

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

Points = NDArray[np.float64]
Colour = tuple[int, int, int]

_STEPS = 6
_TURN = np.linspace(0, 2 * pi, 33)[:-1]


def _catmull_rom() -> Points:
    """Weights of four neighbouring control points at the steps between the middle two; shape (steps, 4)."""
    t = np.arange(_STEPS)[:, None] / _STEPS
    powers = np.hstack([t**0, t, t**2, t**3])
    basis = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
    return np.asarray(powers @ basis)


_WEIGHTS = _catmull_rom()


def curve(points: Sequence[tuple[float, float]] | Points, *, closed: bool = True) -> Points:
    """Lay a smooth curve through points.

    Parameters
    ----------
    points : sequence of (x, y), or Points
        At least three.
    closed : bool
        Whether the last point leads back to the first.

    Returns
    -------
    Points
        Shape (n, 2).

    Examples
    --------
    >>> curve([(0, 0), (1, 0), (1, 1)]).shape
    (18, 2)
    """
    control = np.asarray(points, dtype=np.float64)
    if not closed:
        control = np.vstack([2 * control[0] - control[1], control, 2 * control[-1] - control[-2]])
        windows = np.stack([control[i : len(control) - 3 + i] for i in range(4)])
        smooth = np.einsum("sk,knd->nsd", _WEIGHTS, windows).reshape(-1, 2)
        return np.vstack([smooth, control[-2]])
    windows = np.stack([np.roll(control, 1 - i, axis=0) for i in range(4)])
    return np.asarray(np.einsum("sk,knd->nsd", _WEIGHTS, windows)).reshape(-1, 2)


def ellipse(x: float, y: float, width: float, height: float, *, power: float = 2.0) -> Points:
    """Outline an ellipse by its centre and half axes; a power above 2 makes it squarer."""
    turn = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
    rounded = np.sign(turn) * np.abs(turn) ** (2 / power)
    return np.asarray(rounded * (width, height) + (x, y))


def mirrored(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Complete a shape whose right half is given from top to bottom."""
    return [*points, *((-x, y) for x, y in reversed(points) if x)]


@dataclass(frozen=True)
class Pen:
    """Draws in coordinates of its own, moved, turned and scaled onto a square canvas of side 1.

    Parameters
    ----------
    draw : ImageDraw
        In mode RGBA, so that opacity blends, or L for a mask.
    side : int
        The canvas's side in pixels.
    x, y : float
        Where the pen's origin lies on the canvas.
    scale : float
        Size of the pen's unit as a share of the canvas.
    tilt : float
        Degrees, clockwise.
    """

    draw: ImageDraw.ImageDraw
    side: int
    x: float
    y: float
    scale: float = 1.0
    tilt: float = 0.0

    def fill(self, points: Points, colour: Colour, opacity: float = 1.0) -> None:
        """Fill a shape."""
        self.draw.polygon(self._placed(points), fill=(*colour, round(255 * opacity)))

    def line(self, points: Points, colour: Colour, width: float, opacity: float = 1.0) -> None:
        """Draw an open line; ``width`` in the pen's own unit."""
        pixels = max(1, round(width * self.scale * self.side))
        self.draw.line(
            self._placed(points), fill=(*colour, round(255 * opacity)), width=pixels, joint="curve"
        )

    def _placed(self, points: Points) -> list[float]:
        turn = radians(self.tilt)
        matrix = np.array([[cos(turn), sin(turn)], [-sin(turn), cos(turn)]]) * self.scale
        placed: list[float] = ((points @ matrix + (self.x, self.y)) * self.side).ravel().tolist()
        return placed


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """Mix two colours; a share of 0 is the first, 1 the second.

    Examples
    --------
    >>> blend((0, 0, 0), (200, 100, 50), 0.5)
    (100, 50, 25)
    """
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
