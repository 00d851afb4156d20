"""A head, drawn back to front: hair behind, ears, face, features, beard, hair in front, glasses.

Lengths are in half heads: the crown of the skull is at y = -1, the chin at y = 1.
"""

from __future__ import annotations

from math import sin

import numpy as np

from kit.lab.appearance import Face, Sitting
from kit.lab.drawing import Colour, Pen, Points, blend, curve, ellipse, mirrored

DARK: Colour = (28, 20, 20)
WHITE: Colour = (252, 250, 248)


def half_width(face: Face) -> float:
    """Return how wide the face is from its middle to its side."""
    return 0.76 * face.width


def outline(face: Face) -> Points:
    """Outline the face, skull included."""
    width, length = half_width(face), face.length
    right = [
        (0.0, -1.0),
        (0.6 * width, -0.9),
        (0.97 * width, -0.45),
        (width, 0.05),
        (face.jaw * width, 0.58 * length),
        (0.42 * width * face.chin, 0.93 * length),
        (0.0, length),
    ]
    return curve(mirrored(right))


def behind(pen: Pen, face: Face) -> None:
    """Draw the hair that hangs behind neck and shoulders."""
    width, volume = half_width(face) * 1.12, face.volume
    shade = blend(face.hair, DARK, 0.25)
    if face.style in {"long", "wavy"}:
        length = 1.7 if face.woman else 1.15
        wave = 0.09 if face.style == "wavy" else 0.0
        right = [(0.0, -1.1 * volume), (0.7 * width, -0.95), (0.96 * width, -0.6)]
        right += [
            (width * (1.08 + 0.12 * step / 6) + wave * sin(2.4 * step), -0.4 + (length + 0.4) * step / 6)
            for step in range(7)
        ]
        pen.fill(curve([*mirrored([*right, (0.0, length - 0.25)])]), shade)
    elif face.style == "bob":
        right = [
            (0.0, -1.1 * volume),
            (0.7 * width, -0.95),
            (width, -0.6),
            (width * 1.14, 0.0),
            (width * 1.12, 0.75),
            (0.0, 0.7),
        ]
        pen.fill(curve(mirrored(right)), shade)
    elif face.style == "ponytail":
        side = 1 if face.parting > 0 else -1
        tail = [(0.3, -0.9), (1.05, -0.55), (1.25, 0.3), (1.12, 1.2), (0.92, 1.3), (0.85, 0.4), (0.6, -0.2)]
        pen.fill(curve([(side * x, y) for x, y in tail]), shade)
    elif face.style == "bun":
        pen.fill(ellipse(0.4 * face.parting, -1.2 * volume, 0.36 * volume, 0.32 * volume), shade)
    elif face.style == "curly":
        for x, y, size in _curls(face):
            pen.fill(ellipse(x * 1.06, y, size * 1.1, size * 1.1), shade)


def ears(pen: Pen, face: Face) -> None:
    """Draw both ears; the face covers their inner halves."""
    for side in (-1, 1):
        x = side * half_width(face)
        pen.fill(ellipse(x, 0.05, 0.12 * face.ears, 0.22 * face.ears), blend(face.skin, DARK, 0.06))
        pen.fill(ellipse(x * 1.04, 0.06, 0.06 * face.ears, 0.13 * face.ears), blend(face.skin, DARK, 0.2))


def features(pen: Pen, face: Face, sitting: Sitting) -> None:
    """Draw eyes, brows, nose and mouth, shifted to the side the head is turned to."""
    turned = 0.13 * sitting.yaw
    blush = blend(face.skin, (214, 84, 76), 0.5)
    for size in (0.2, 0.16, 0.12):
        for side in (-1, 1):
            pen.fill(ellipse(side * 0.44 * face.width + turned * 0.6, 0.36, size, size * 0.7), blush, 0.07)
    for side in (-1, 1):
        _eye(pen, face, turned, side * (1 - 0.06 * side * sitting.yaw))
    _nose(pen, face, turned * 1.35)
    _mouth(pen, face, sitting.smile, turned)


def _eye(pen: Pen, face: Face, turned: float, side: float) -> None:
    """Draw one eye, lids and brow; the sign of ``side`` says which, its size how much of it is seen."""
    way = np.sign(side)
    x = turned + side * 0.335 * face.eye_gap * face.width
    y = face.eye_height - 0.06
    width, height = 0.145 * face.eye_size * abs(side), 0.082 * face.eye_size
    lid = [
        (x - way * width, y + 0.01),
        (x - way * width * 0.3, y - height),
        (x + way * width * 0.5, y - height),
    ]
    lid.append((x + way * width * 1.05, y - 0.012))
    below = [(x + way * width * 0.5, y + height * 0.75), (x - way * width * 0.4, y + height * 0.8)]
    pen.fill(ellipse(x, y - 0.02, width * 1.3, height * 1.9), blend(face.skin, DARK, 0.25), 0.22)
    pen.fill(curve([*lid, *below]), WHITE)
    look = x + turned * 0.18
    pen.fill(ellipse(look, y - 0.008, height * 0.95, height * 0.95), face.eye_colour)
    pen.fill(ellipse(look, y - 0.008, height * 0.5, height * 0.5), DARK)
    pen.fill(ellipse(look + 0.025, y - 0.035, 0.018, 0.018), WHITE)
    pen.line(curve(lid, closed=False), blend(face.hair, DARK, 0.7), 0.035 if face.woman else 0.024)
    if face.woman:
        pen.line(np.array([lid[3], (lid[3][0] + way * 0.05, y - 0.05)]), DARK, 0.022)
    arch = y - 0.2 - 0.02 * face.brow
    slant = 0.035 * face.brow_slant
    inner, outer = x - way * width * 1.15, x + way * width * 1.35
    brow = [(inner, arch + slant + 0.03), (x, arch - 0.03), (outer, arch + 0.02 - slant)]
    brow += [(x, arch - 0.03 + 0.055 * face.brow), (inner, arch + slant + 0.03 + 0.06 * face.brow)]
    pen.fill(curve(brow), blend(face.hair, DARK, 0.3), 0.92)


def _nose(pen: Pen, face: Face, turned: float) -> None:
    width, tip = 0.13 * face.nose_width, 0.36 * face.nose_length
    shade = blend(face.skin, (120, 50, 30), 0.4)
    side = 1 if turned <= 0 else -1
    bridge = [
        (turned * 0.4 + side * 0.05, -0.05),
        (turned + side * 0.07, tip * 0.6),
        (turned + side * width, tip),
    ]
    pen.fill(curve([*bridge, (turned, tip + 0.06), (turned * 0.7, tip * 0.5)]), shade, 0.32)
    pen.fill(ellipse(turned - side * 0.02, tip * 0.86, 0.055, 0.07), blend(face.skin, WHITE, 0.5), 0.45)
    base = [(turned - width, tip - 0.02), (turned - width * 0.5, tip + 0.05), (turned, tip + 0.07)]
    base += [(turned + width * 0.5, tip + 0.05), (turned + width, tip - 0.02)]
    pen.line(curve(base, closed=False), blend(shade, DARK, 0.35), 0.026, 0.75)


def _mouth(pen: Pen, face: Face, smile: float, turned: float) -> None:
    y, width = 0.61 * face.length + face.mouth_height, (0.25 + 0.06 * smile) * face.mouth_width
    corner, open_by = y - 0.075 * smile, max(smile - 0.45, 0) * 0.17
    lip = blend(face.skin, (176, 52, 60), 0.55 if face.woman else 0.32)
    full = 0.075 * face.lips
    upper = [(-width, corner), (-width * 0.3, y - full), (0.0, y - full * 0.7), (width * 0.3, y - full)]
    lower = [(width, corner), (width * 0.45, y + full + open_by), (0.0, y + full * 1.25 + open_by)]
    whole = [*upper, *lower, (-width * 0.45, y + full + open_by)]
    pen.fill(curve([(x + turned, v) for x, v in whole]), lip)
    gap = [(-width * 0.9, corner), (0.0, y + 0.004), (width * 0.9, corner)]
    if open_by > 0.02:
        teeth = [*gap, (width * 0.4, y + open_by * 0.9), (-width * 0.4, y + open_by * 0.9)]
        pen.fill(curve([(x + turned, v) for x, v in teeth]), WHITE)
    pen.line(curve([(x + turned, v) for x, v in gap], closed=False), blend(lip, DARK, 0.55), 0.02)
    shade = blend(face.skin, DARK, 0.35)
    pen.fill(ellipse(turned, y + full * 1.7 + open_by + 0.05, width * 0.5, 0.035), shade, 0.22)


def beard(pen: Pen, face: Face, sitting: Sitting) -> None:
    """Draw the beard, which leaves the mouth to be drawn on top of it."""
    width, length, turned = half_width(face), face.length, 0.13 * sitting.yaw
    opacity = 0.28 if face.beard == "stubble" else 0.94
    colour = blend(face.hair, DARK, 0.15)
    y = 0.61 * length + face.mouth_height
    if face.beard in {"stubble", "full"}:
        grown = 1.0 if face.beard == "stubble" else 1.07
        right = [(0.0, y - 0.17), (0.3, y - 0.17), (0.72 * width, 0.32), (width * 0.99, 0.0)]
        right += [(face.jaw * width * grown, 0.6 * length), (0.44 * width * face.chin * grown, 0.95 * length)]
        shape = curve(mirrored([*right, (0.0, length * (grown + 0.01))]))
        pen.fill(shape + np.array((turned * 0.25, 0.0)), colour, opacity)
    elif face.beard == "goatee":
        shape = ellipse(turned * 0.8, y + 0.13, 0.31, 0.31, power=2.6)
        pen.fill(shape, colour, opacity)
    elif face.beard == "moustache":
        right = [(0.0, y - 0.16), (0.2, y - 0.15), (0.36, y + 0.02), (0.2, y - 0.04), (0.0, y - 0.05)]
        pen.fill(curve(mirrored(right)) + np.array((turned, 0.0)), colour, opacity)


def _curls(face: Face) -> list[tuple[float, float, float]]:
    """Centres and sizes of the locks of curly hair around the skull."""
    width, volume = half_width(face), face.volume
    low = 0.5 if face.woman else 0.15
    angles = np.linspace(-low, np.pi + low, 15)
    size = 0.24 * volume
    return [
        (
            float(np.cos(a)) * width * 1.13,
            -0.32 - float(np.sin(a)) * 0.72 * volume,
            size * (1 + 0.15 * sin(5 * a)),
        )
        for a in angles
    ]


def in_front(pen: Pen, face: Face) -> None:
    """Draw the hair over skull and forehead, with a few strands of light."""
    if face.style == "bald":
        pen.fill(ellipse(-0.2, -0.78, 0.22, 0.1), WHITE, 0.16)
        return
    if face.style == "curly":
        for x, y, size in _curls(face):
            pen.fill(ellipse(x, y, size, size), face.hair)
            pen.fill(ellipse(x - 0.05, y - 0.06, size * 0.5, size * 0.45), blend(face.hair, WHITE, 0.14))
    pen.fill(crown(face), face.hair)
    if face.style in {"curly", "receding"}:
        return
    over = np.array(_over(face)[1:-1])
    for share, light in ((0.94, WHITE), (0.89, DARK), (0.83, WHITE)):
        strand = (over - (0.2 * face.parting, -0.5)) * share + (0.2 * face.parting, -0.5)
        pen.line(curve(strand, closed=False), blend(face.hair, light, 0.2), 0.03, 0.55)


def _over(face: Face) -> list[tuple[float, float]]:
    """Trace the hair's outer edge from the left ear over the skull to the right one."""
    width, top = half_width(face) * 1.07, -1.14 * max(face.volume, 0.95)
    low = {"long": 0.55, "wavy": 0.5, "bob": 0.5}.get(face.style, -0.05)
    right = [(width * 0.62, top + 0.14), (width * 0.92, top + 0.42), (width * 1.03, -0.4), (width, low)]
    left = [(-x, y) for x, y in reversed(right)]
    if face.style == "quiff":
        return [
            *left[:3],
            (-width * 0.6, top),
            (face.parting * 0.5, top - 0.08),
            (width * 0.66, top + 0.06),
            *right[1:],
        ]
    return [*left, (0.0, top), *right]


def crown(face: Face) -> Points:
    """Outline the hair seen from the front: over the skull, and back along the hairline."""
    part = face.parting
    inner = half_width(face) * 0.94
    temple = [(inner, -0.2), (inner * 0.95, -0.48)]
    hairline = {
        "fringe": [(inner * 0.6, -0.3), (0.0, -0.36), (-inner * 0.6, -0.3)],
        "bob": [(inner * 0.55, -0.4), (part, -0.66), (-inner * 0.55, -0.42)],
        "long": [(inner * 0.6, -0.5), (part, -0.86), (-inner * 0.6, -0.5)],
        "wavy": [(inner * 0.6, -0.46), (part, -0.84), (-inner * 0.62, -0.5)],
        "parted": [(inner * 0.6, -0.52), (part + 0.12, -0.76), (part - 0.1, -0.7), (-inner * 0.7, -0.48)],
        "receding": [(inner * 0.8, -0.8), (0.3, -0.92), (0.0, -0.8), (-0.3, -0.92), (-inner * 0.8, -0.8)],
    }.get(face.style, [(inner * 0.62, -0.63), (part * 0.5, -0.7), (-inner * 0.62, -0.63)])
    return curve([*_over(face), *temple, *hairline, *((-x, y) for x, y in reversed(temple))])


def glasses(pen: Pen, face: Face, sitting: Sitting) -> None:
    """Draw the glasses, if any."""
    if not face.glasses:
        return
    turned = 0.13 * sitting.yaw
    y, gap = face.eye_height - 0.04, 0.335 * face.eye_gap * face.width
    power, height = (2.2, 0.21) if face.glasses == "round" else (4.5, 0.17)
    for side in (-1, 1):
        rim = ellipse(turned + side * gap, y, 0.25, height, power=power)
        pen.fill(rim, WHITE, 0.12)
        pen.line(np.vstack([rim, rim[:2]]), face.glasses_colour, 0.045)
        temple = np.array([(turned + side * (gap + 0.25), y - 0.04), (side * half_width(face), y - 0.07)])
        pen.line(temple, face.glasses_colour, 0.045)
    bridge = curve(
        [(turned - gap + 0.24, y - 0.02), (turned, y - 0.07), (turned + gap - 0.24, y - 0.02)], closed=False
    )
    pen.line(bridge, face.glasses_colour, 0.04)
