"""Tell a picture that stands for "no photo": flat, known as one, or drawn like one."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FLAT_DEVIATION = 5.0
"""Standard deviation of grey levels under which a picture shows nothing."""
KNOWN_DISTANCE = 20
"""Most bits of 256 that re-encoding a known placeholder changes."""


def hash_distance(first: str, second: str) -> int:
    """Count the bits in which two hashes of hexadecimal digits differ.

    Examples
    --------
    >>> hash_distance("0f", "07")
    1
    """
    return (int(first, 16) ^ int(second, 16)).bit_count()


def why_placeholder(
    image: Image.Image, grey: NDArray[np.uint8], bits: str, known_placeholders: Collection[str]
) -> str:
    """Say why a picture stands for "no photo"; empty if it does not.

    Parameters
    ----------
    image : Image
        The picture, RGB.
    grey : ndarray
        The same, small and grey.
    bits : str
        Its 256-bit DCT hash as hexadecimal digits.
    known_placeholders : collection of str
        Such hashes of pictures that are known to be placeholders.
    """
    if float(grey.std()) < FLAT_DEVIATION:
        return "flat, shows nothing"
    if any(hash_distance(bits, known) <= KNOWN_DISTANCE for known in known_placeholders):
        return "a known placeholder"
    return "looks like a silhouette" if _looks_like_a_silhouette(image) else ""


def _looks_like_a_silhouette(image: Image.Image) -> bool:
    """Tell drawn grey silhouettes, such as SharePoint's PersonPlaceholder art, from photographs.

    [unproven] A heuristic, not checked against a real farm's art: the picture has no colour, at most three
    tones make up nearly all of it, and most of it is flat. A black-and-white photograph has many tones.
    """
    small = np.asarray(image.resize((64, 64), Image.Resampling.BOX), dtype=np.int16)
    if float(np.quantile(np.ptp(small, axis=2), 0.98)) > 24:
        return False
    grey = small.mean(axis=2)
    flat = (abs(np.diff(grey, axis=0))[:, 1:] < 6) & (abs(np.diff(grey, axis=1))[1:] < 6)
    left = np.bincount(grey.round().astype(np.int64).ravel(), minlength=256)
    for _ in range(3):
        tone = int(np.convolve(left, np.ones(13), mode="same").argmax())
        left[max(tone - 6, 0) : tone + 7] = 0
    return float(flat.mean()) > 0.72 and int(left.sum()) < 0.12 * grey.size
