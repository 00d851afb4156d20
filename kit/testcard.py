"""A picture that nobody takes for a person's: fields of color, the word TEST and a time."""

from __future__ import annotations

import io
from datetime import datetime
from random import Random

from PIL import Image, ImageDraw, ImageFont, ImageOps

SIDE = 300
"""Pixels; SharePoint makes smaller ones of it and enlarges nothing."""
_FIELDS = 5
_BAND = (90, 210)
_QUALITY = 92


def draw(moment: datetime, *, inverted: bool = False) -> bytes:
    """Draw the test card of a moment.

    Cards of two moments are two pictures to every comparison of `kit.photos`, also at 48 pixels, and so is a
    card and its inversion. It is neither flat nor without color, as placeholders are.

    Parameters
    ----------
    moment : datetime
        Aware; the same moment always gives the same bytes.
    inverted : bool
        Whether every color is its opposite.

    Returns
    -------
    bytes
        JPEG, 300 x 300 pixels.

    Examples
    --------
    >>> from datetime import UTC
    >>> from kit.photos import compare
    >>> noon = datetime(2026, 5, 4, 12, tzinfo=UTC)
    >>> compare(draw(noon), draw(noon, inverted=True)).verdict
    'different'
    """
    random = Random(moment.isoformat())  # noqa: S311 - a pattern, no secret
    card = Image.new("RGB", (_FIELDS, _FIELDS))
    card.putdata([tuple(random.randrange(256) for _ in "RGB") for _ in range(_FIELDS * _FIELDS)])
    card = card.resize((SIDE, SIDE), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(card)
    pen.rectangle((0, _BAND[0], SIDE, _BAND[1]), fill="white")
    middle = sum(_BAND) // 2
    pen.text((SIDE // 2, middle - 18), "TEST", fill="black", anchor="mm", font=ImageFont.load_default(72))
    told = moment.isoformat(" ", "seconds")
    pen.text((SIDE // 2, middle + 38), told, fill="black", anchor="mm", font=ImageFont.load_default(22))
    encoded = io.BytesIO()
    (ImageOps.invert(card) if inverted else card).save(encoded, "JPEG", quality=_QUALITY)
    return encoded.getvalue()
