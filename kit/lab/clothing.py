"""Neck, shoulders and what is worn on them. Lengths are in half heads; the chin is near y = 1."""

from __future__ import annotations

import numpy as np

from kit.lab.appearance import Face, Sitting
from kit.lab.drawing import Colour, Pen, Points, blend, curve, ellipse, mirrored

BLACK: Colour = (18, 16, 20)
WHITE: Colour = (252, 250, 248)


def torso(face: Face) -> Points:
    """Outline shoulders and chest, down past the picture's edge."""
    wide = 1.55 if face.woman else 1.85
    right = [(0.0, 1.22), (0.42, 1.24), (0.75, 1.48), (wide * 0.86, 1.72), (wide * 1.05, 2.25)]
    return curve(mirrored([*right, (wide * 1.12, 4.2), (0.0, 4.4)]))


def neck(pen: Pen, face: Face) -> None:
    """Draw the neck with the head's shadow on it."""
    width = 0.33 if face.woman else 0.43
    right = [(width, 0.4), (width, 1.2), (width * 1.5, 1.5), (0.0, 2.0)]
    pen.fill(curve(mirrored(right)), blend(face.skin, (110, 50, 30), 0.12))
    for size in (0.5, 0.42, 0.34):
        pen.fill(ellipse(0.0, 0.92, width * 1.1, size), blend(face.skin, BLACK, 0.5), 0.16)


def clothe(pen: Pen, face: Face, sitting: Sitting) -> None:
    """Draw the sitting's outfit over the shoulders."""
    cloth = sitting.cloth
    if sitting.outfit in {"suit", "jacket"}:
        cloth = blend(cloth, BLACK, 0.25)
    pen.fill(torso(face), cloth)
    draw = {"suit": _suit, "jacket": _suit, "jumper": _jumper, "shirt": _shirt, "blouse": _blouse}
    draw.get(sitting.outfit, _rollneck)(pen, face, sitting, cloth)


def _suit(pen: Pen, face: Face, sitting: Sitting, cloth: Colour) -> None:
    """Draw shirt, lapels and, with a suit, a tie."""
    dark, light = blend(cloth, BLACK, 0.35), blend(cloth, WHITE, 0.1)
    pen.fill(np.array([(-0.38, 1.26), (0.38, 1.26), (0.3, 2.2), (0.0, 3.0), (-0.3, 2.2)]), sitting.shirt)
    if sitting.outfit == "suit" and not face.woman:
        knot = [(-0.12, 1.5), (0.12, 1.5), (0.08, 1.72), (0.16, 2.8), (0.0, 3.0), (-0.16, 2.8), (-0.08, 1.72)]
        pen.fill(np.array(knot), sitting.accent)
        pen.line(np.array([(-0.08, 1.72), (0.08, 1.72)]), blend(sitting.accent, BLACK, 0.4), 0.03)
    else:
        pen.fill(np.array([(-0.22, 1.2), (0.22, 1.2), (0.0, 1.75)]), blend(face.skin, BLACK, 0.12))
    for side in (-1, 1):
        collar = np.array([(0.36, 1.14), (0.5, 1.3), (0.3, 1.72), (0.04, 1.5)]) * (side, 1)
        pen.fill(collar, blend(sitting.shirt, WHITE, 0.3))
        pen.line(collar[1:], blend(sitting.shirt, BLACK, 0.25), 0.02)
        lapel = np.array([(0.46, 1.32), (0.92, 1.62), (0.78, 1.95), (0.9, 2.05), (0.0, 3.1), (0.3, 2.1)])
        pen.fill(lapel * (side, 1), light)
        pen.line(lapel[1:5] * (side, 1), dark, 0.028)


def _jumper(pen: Pen, face: Face, sitting: Sitting, cloth: Colour) -> None:
    """Draw a round neckline, and a pattern across the chest for some."""
    pen.fill(ellipse(0.0, 1.3, 0.56, 0.3), blend(cloth, BLACK, 0.3))
    pen.fill(ellipse(0.0, 1.24, 0.5, 0.27), sitting.shirt)
    pen.fill(ellipse(0.0, 1.16, 0.44, 0.26), blend(face.skin, BLACK, 0.1))
    if sum(sitting.accent) % 2:
        for row in range(3):
            band = curve(
                [(-2.4, 2.3 + row * 0.3), (0.0, 2.12 + row * 0.3), (2.4, 2.3 + row * 0.3)], closed=False
            )
            pen.line(band, blend(cloth, WHITE, 0.55), 0.1)


def _shirt(pen: Pen, face: Face, sitting: Sitting, cloth: Colour) -> None:
    """Draw an open collar and a row of buttons."""
    pen.fill(np.array([(-0.4, 1.1), (0.4, 1.1), (0.0, 1.95)]), blend(face.skin, BLACK, 0.1))
    pen.line(np.array([(0.0, 1.9), (0.0, 4.2)]), blend(cloth, BLACK, 0.3), 0.03)
    for button in range(4):
        pen.fill(ellipse(0.07, 2.1 + button * 0.42, 0.035, 0.035), blend(sitting.shirt, WHITE, 0.5))
    for side in (-1, 1):
        collar = np.array([(0.32, 1.1), (0.58, 1.32), (0.5, 1.85), (0.02, 1.85)]) * (side, 1)
        pen.fill(collar, blend(cloth, WHITE, 0.2))
        pen.line(collar[1:], blend(cloth, BLACK, 0.3), 0.026)


def _blouse(pen: Pen, face: Face, sitting: Sitting, cloth: Colour) -> None:
    """Draw a low neckline with a chain, over which an open cardigan lies."""
    skin = blend(face.skin, (110, 50, 30), 0.14)
    pen.fill(curve(mirrored([(0.0, 1.15), (0.32, 1.15), (0.48, 1.38), (0.42, 1.72), (0.0, 1.98)])), skin)
    chain = curve([(-0.38, 1.4), (0.0, 1.8), (0.38, 1.4)], closed=False)
    pen.line(chain, (206, 170, 92) if face.woman else cloth, 0.026)
    for side in (-1, 1):
        edge = np.array([(0.5, 1.3), (0.95, 1.58), (1.2, 4.3), (0.66, 4.3), (0.46, 2.2)]) * (side, 1)
        pen.fill(edge, blend(sitting.accent, cloth, 0.3))


def _rollneck(pen: Pen, face: Face, sitting: Sitting, cloth: Colour) -> None:
    """Draw a high collar in folds."""
    width = 0.44 if face.woman else 0.52
    right = [(0.0, 1.02), (width, 1.0), (width * 1.12, 1.45), (0.0, 1.55)]
    pen.fill(curve(mirrored(right)), blend(cloth, WHITE, 0.1))
    for fold in (1.2, 1.36):
        line = curve([(-width, fold - 0.04), (0.0, fold + 0.06), (width, fold - 0.04)], closed=False)
        pen.line(line, blend(cloth, BLACK, 0.3), 0.025)
    pen.fill(ellipse(0.62, 2.35, 0.07, 0.07), sitting.accent, 0.9)
