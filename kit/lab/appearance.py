"""What a person looks like, and what one sitting for a photo adds; both drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from kit.lab.drawing import Colour, blend

SKIN: tuple[Colour, ...] = (
    (248, 214, 190),
    (242, 203, 172),
    (238, 195, 160),
    (226, 178, 140),
    (208, 156, 116),
    (184, 130, 92),
    (152, 102, 70),
    (120, 78, 54),
    (92, 60, 44),
)
HAIR: tuple[Colour, ...] = (
    (30, 26, 26),
    (52, 36, 28),
    (84, 56, 36),
    (122, 84, 50),
    (176, 132, 78),
    (222, 186, 122),
    (158, 74, 38),
    (150, 148, 148),
    (214, 212, 208),
)
EYES: tuple[Colour, ...] = ((70, 46, 30), (98, 66, 36), (86, 112, 70), (74, 116, 150), (104, 120, 130))
CLOTH: tuple[Colour, ...] = (
    (36, 44, 66),
    (30, 32, 38),
    (78, 84, 96),
    (112, 40, 52),
    (30, 92, 96),
    (60, 98, 66),
    (196, 154, 72),
    (206, 110, 88),
    (232, 226, 214),
    (122, 148, 188),
    (112, 84, 128),
    (146, 122, 98),
)
SHIRT: tuple[Colour, ...] = ((248, 248, 248), (206, 222, 240), (240, 222, 226), (226, 232, 220), (60, 66, 80))
ACCENT: tuple[Colour, ...] = ((136, 34, 46), (32, 62, 116), (34, 96, 82), (190, 140, 50), (92, 62, 112))
WALL: tuple[Colour, ...] = ((244, 243, 240), (196, 204, 196), (72, 86, 104), (220, 196, 168), (146, 176, 186))

MENS_HAIR = ("short", "short", "parted", "parted", "quiff", "receding", "bald", "curly", "fringe", "long")
WOMENS_HAIR = ("long", "long", "wavy", "wavy", "bob", "bob", "bun", "ponytail", "curly", "parted", "fringe")
BEARDS = ("", "", "", "stubble", "stubble", "full", "full", "goatee", "moustache")
OUTFITS = ("suit", "suit", "jacket", "jacket", "jumper", "shirt", "blouse", "rollneck")


@dataclass(frozen=True)
class Face:
    """What stays the same in every photo of a person. Lengths are factors about 1."""

    woman: bool
    skin: Colour
    hair: Colour
    style: str
    volume: float
    parting: float
    width: float
    length: float
    jaw: float
    chin: float
    eye_colour: Colour
    eye_size: float
    eye_gap: float
    eye_height: float
    brow: float
    brow_slant: float
    nose_width: float
    nose_length: float
    mouth_width: float
    lips: float
    mouth_height: float
    ears: float
    beard: str
    glasses: str
    glasses_colour: Colour


@dataclass(frozen=True)
class Sitting:
    """What differs from one photo of a person to the next.

    Parameters
    ----------
    x, y : float
        Where the head's centre lies, as a share of the picture.
    scale : float
        Factor of size, by the camera's distance.
    tilt : float
        Degrees the head leans.
    yaw : float
        How far the head is turned, -1 to 1.
    shoulders : float
        Degrees the shoulders slope.
    smile : float
        0 to 1; from 0.6 teeth show.
    outfit, cloth, shirt, accent
        Clothing and its colours.
    light : tuple of float
        Where the light comes from: right, down.
    contrast : float
        How strongly the light models the face.
    exposure : float
        Factor of brightness.
    wall : Colour or None
        Plain backdrop; None is the company's studio.
    """

    x: float
    y: float
    scale: float
    tilt: float
    yaw: float
    shoulders: float
    smile: float
    outfit: str
    cloth: Colour
    shirt: Colour
    accent: Colour
    light: tuple[float, float]
    contrast: float
    exposure: float
    wall: Colour | None


def face(seed: int) -> Face:
    """Draw a person's looks from a seed; an odd seed is a woman, an even one a man.

    Examples
    --------
    >>> face(7).woman, face(7) == face(7), face(7) == face(9)
    (True, True, False)
    """
    random = Random(f"face {seed}")  # noqa: S311 - repeatable pictures, no secrets
    woman = seed % 2 == 1
    near = random.uniform
    skin = _between(random, SKIN)
    dark_skin = sum(skin) < 420
    hair = _between(random, HAIR[:3] if dark_skin and random.random() < 0.85 else HAIR)
    return Face(
        woman=woman,
        skin=skin,
        hair=hair,
        style=random.choice(WOMENS_HAIR if woman else MENS_HAIR),
        volume=near(0.85, 1.25),
        parting=near(-0.5, 0.5),
        width=near(0.86, 1.08) * (0.96 if woman else 1.02),
        length=near(0.9, 1.08),
        jaw=near(0.72, 0.86) if woman else near(0.8, 0.95),
        chin=near(0.75, 1.0) if woman else near(0.9, 1.2),
        eye_colour=random.choice(EYES[:2] if dark_skin else EYES),
        eye_size=near(0.9, 1.2) * (1.08 if woman else 1),
        eye_gap=near(0.9, 1.12),
        eye_height=near(-0.04, 0.05),
        brow=near(0.6, 1.0) if woman else near(0.9, 1.5),
        brow_slant=near(-0.5, 0.5),
        nose_width=near(0.8, 1.25),
        nose_length=near(0.85, 1.15),
        mouth_width=near(0.85, 1.15),
        lips=near(1.0, 1.5) if woman else near(0.7, 1.1),
        mouth_height=near(-0.04, 0.05),
        ears=near(0.85, 1.2),
        beard="" if woman else random.choice(BEARDS),
        glasses=random.choice(("", "", "", "round", "square")),
        glasses_colour=random.choice(((30, 28, 30), (96, 58, 34), (150, 40, 46), (120, 124, 132))),
    )


def sitting(seed: int) -> Sitting:
    """Draw one sitting for a photo from a seed.

    Examples
    --------
    >>> sitting(7) == sitting(7), sitting(7) == sitting(9)
    (True, False)
    """
    random = Random(f"sitting {seed}")  # noqa: S311 - repeatable pictures, no secrets
    near = random.uniform
    side = random.choice((-1, 1))
    return Sitting(
        x=0.5 + near(-0.07, 0.07),
        y=0.43 + near(-0.05, 0.05),
        scale=near(0.9, 1.2),
        tilt=near(-9, 9),
        yaw=near(-1, 1),
        shoulders=near(-5, 5),
        smile=near(0.15, 1),
        outfit=random.choice(OUTFITS),
        cloth=random.choice(CLOTH),
        shirt=random.choice(SHIRT),
        accent=random.choice(ACCENT),
        light=(side * near(0.3, 0.8), near(-0.7, -0.2)),
        contrast=near(0.25, 0.5),
        exposure=near(0.93, 1.07),
        wall=random.choice(WALL) if random.random() < 0.25 else None,
    )


def _between(random: Random, palette: tuple[Colour, ...]) -> Colour:
    """Pick a colour somewhere on a palette's scale."""
    first = random.randrange(len(palette) - 1)
    return blend(palette[first], palette[first + 1], random.random())
