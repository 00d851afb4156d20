"""Portraits to measure the comparison on: drawn ones, and photographs where scikit-image is installed."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Mapping
from itertools import count
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kit.lab.appearance import Sitting, sitting
from kit.lab.portraits import HEAD, portrait

SIDE = 300
"""Side of every portrait in pixels."""
PHOTOGRAPHED = 100
"""Faces among the pictures that scikit-image ships; the rest shows no faces."""


def _occasion(first: int, fits: Callable[[Sitting], bool]) -> int:
    return next(seed for seed in count(first) if fits(sitting(seed)))


STUDIO = _occasion(0, lambda sat: sat.wall is None and sat.outfit == "suit")
"""The sitting that everybody shares on the studio's backdrop: pose, suit and light too."""


def sets(people: range) -> Mapping[str, list[bytes]]:
    """Make the sets of portraits, one portrait per person.

    Parameters
    ----------
    people : range
        Seeds of the drawn people; at most as many photographed faces are taken, from the first one on.

    Returns
    -------
    mapping of str to list of bytes
        Name of the set to JPEGs. The two sets of photographed faces are there only with scikit-image, whose
        ``lfw_subset`` has 25 pixels per side: enlarged, they have coarse features alone, where hashes and
        correlations are weakest.
    """
    found = {
        "drawn, plain wall": [_on_a_plain_wall(seed) for seed in people],
        "drawn, one studio": [portrait(seed, sitting_seed=STUDIO) for seed in people],
    }
    if importlib.util.find_spec("skimage"):
        faces = [_photographed(number) for number in range(min(len(people), PHOTOGRAPHED))]
        found["photographed, plain"] = [_jpeg(face.resize((SIDE, SIDE))) for face in faces]
        found["photographed, one studio"] = [_in_the_studio(face) for face in faces]
    return found


def another_sitting(seed: int) -> bytes:
    """Draw a person's portrait from another day than the person's own sitting."""
    return portrait(seed, sitting_seed=1_000_000 + seed)


def _on_a_plain_wall(seed: int) -> bytes:
    return portrait(seed, sitting_seed=_occasion(100 * seed, lambda sat: sat.wall is not None))


def _photographed(number: int) -> Image.Image:
    """Return one of scikit-image's faces, enlarged and given a little colour."""
    from skimage.data import lfw_subset  # noqa: PLC0415 - only tests require it

    random = Random(number)  # noqa: S311 - repeatable pictures, no secrets
    tint = np.array([random.uniform(0.95, 1.1), random.uniform(0.85, 0.95), random.uniform(0.75, 0.9)])
    faces = lfw_subset()  # type: ignore[no-untyped-call]  # scikit-image types parts of itself only
    small = Image.fromarray((faces[number] * 255).astype(np.uint8))
    grey = np.asarray(small.resize((200, 200), Image.Resampling.BICUBIC), dtype=np.float32)
    return Image.fromarray((grey[..., None] * tint).clip(0, 255).astype(np.uint8))


def _in_the_studio(face: Image.Image) -> bytes:
    """Put a face in the place of another one: backdrop, suit, hair and neck are the same for everybody."""
    occasion = sitting(STUDIO)
    side = round(1.75 * HEAD * occasion.scale * SIDE)
    mask = Image.new("L", (side, side))
    oval = (side * 0.08, side * 0.02, side * 0.92, side * 0.98)
    ImageDraw.Draw(mask).ellipse(oval, fill=255)
    with Image.open(io.BytesIO(portrait(STUDIO, sitting_seed=STUDIO, size=SIDE))) as body:
        image = body.convert("RGB")
    corner = (round(occasion.x * SIDE - side / 2), round(occasion.y * SIDE - side / 2))
    image.paste(face.resize((side, side)), corner, mask.filter(ImageFilter.GaussianBlur(side * 0.03)))
    return _jpeg(image)


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
