"""Are two photos the same picture? Decode, fingerprint and compare.

Bytes never survive the way from SharePoint to Active Directory unchanged: SharePoint re-encodes every
upload to its thumbnail sizes. So equality is tried in tiers: same bytes, same decoded pixels, same picture to
the eye. Company portraits share backdrop, pose and suit, which defeats 64-bit hashes; a 256-bit DCT hash
together with the correlation of small grey images keeps them apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import imagehash
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from kit.decoder import MAX_PIXELS, decode, name_what_it_is
from kit.store import Link, PhotoStore, Reading

__all__ = [
    "Comparison",
    "Fingerprint",
    "Link",
    "PhotoStore",
    "Reading",
    "compare",
    "compare_fingerprints",
    "fingerprint",
    "fingerprint_frame",
]

SAME_DISTANCE = 20
"""Most bits of 256 that re-encoding the same picture changes."""
SAME_CORRELATION = 0.985
DIFFERENT_DISTANCE = 40
"""Fewest bits of 256 from which two pictures are certainly different ones."""
DIFFERENT_CORRELATION = 0.95
FLAT_DEVIATION = 5.0
"""Standard deviation of grey levels under which a picture shows nothing."""

HASH_SIZE = 16
GREY_SIZE = 32


@dataclass(frozen=True)
class Fingerprint:
    """All that comparing needs to know of one photo; picklable, about 1.5 kB.

    Parameters
    ----------
    sha256 : str
        Of the bytes, as lower-case hex.
    byte_count : int
        Length of the photo in bytes.
    format : str
        Pillow's name of the format (``JPEG``), empty if there is no image.
    width, height : int
        In pixels, after the EXIF orientation was applied; 0 if there is no image.
    kind : str
        ``image``, ``placeholder`` or ``unreadable``.
    reason : str
        Why the photo is a placeholder or unreadable; empty for an image.
    hash : str
        256-bit DCT hash as 64 hex digits; empty if unreadable.
    pixels_sha256 : str
        Of the decoded, upright RGB pixels; empty if unreadable.
    grey : bytes
        32 x 32 grey image, row by row; empty if unreadable.
    """

    sha256: str
    byte_count: int
    format: str = ""
    width: int = 0
    height: int = 0
    kind: str = "unreadable"
    reason: str = ""
    hash: str = ""
    pixels_sha256: str = field(default="", repr=False)
    grey: bytes = field(default=b"", repr=False)

    @property
    def description(self) -> str:
        """Format, size and byte count in words, with the reason if it is no proper image."""
        text = f"{self.byte_count:,} bytes"
        if self.format:
            text = f"{self.format} {self.width}x{self.height}, {text}"
        return f"{text}: {self.reason}" if self.reason else text


@dataclass(frozen=True)
class Comparison:
    """What comparing two photos gave.

    Parameters
    ----------
    verdict : str
        ``same_bytes``, ``same_pixels``, ``same_picture``, ``different``, ``uncertain``, ``placeholder`` or
        ``unreadable``.
    distance : int or None
        Bits of 256 in which the DCT hashes differ, 0 to 256; None if a photo is unreadable.
    correlation : float or None
        Correlation of the 32 x 32 grey images, -1 to 1; None if a photo is unreadable or flat.
    detail : str
        Both photos' formats, sizes and byte counts, and whatever explains the verdict.
    """

    verdict: str
    distance: int | None
    correlation: float | None
    detail: str


def compare(first: bytes, second: bytes, *, known_placeholders: Collection[str] = ()) -> Comparison:
    """Compare two photos.

    Parameters
    ----------
    first, second : bytes
        The photos as read, in any state.
    known_placeholders : collection of str
        See `fingerprint`.

    Returns
    -------
    Comparison
        Never raises for what the photos hold: a broken photo is a verdict.

    Examples
    --------
    >>> compare(b"", b"<html><title>Sign In</title></html>").verdict
    'unreadable'
    """
    return compare_fingerprints(
        fingerprint(first, known_placeholders=known_placeholders),
        fingerprint(second, known_placeholders=known_placeholders),
    )


def compare_fingerprints(first: Fingerprint, second: Fingerprint) -> Comparison:
    """Compare two photos by their fingerprints alone; decodes nothing.

    An unreadable photo on either side decides the verdict, then a placeholder on either side; only then do
    equal bytes count, because two equal login pages are no agreement.

    Parameters
    ----------
    first, second : Fingerprint
        From `fingerprint`.

    Returns
    -------
    Comparison
        Verdict, distance and correlation do not depend on the order; the detail names first and second.
    """
    distance = _distance(first.hash, second.hash) if first.hash and second.hash else None
    correlation = _correlation(first.grey, second.grey) if first.grey and second.grey else None
    detail = f"first: {first.description}; second: {second.description}"
    for kind in ("unreadable", "placeholder"):
        sides = [side for side, photo in (("first", first), ("second", second)) if photo.kind == kind]
        if sides:
            return Comparison(kind, distance, correlation, f"{' and '.join(sides)} {kind}; {detail}")
    if first.sha256 == second.sha256:
        return Comparison("same_bytes", 0, 1.0, detail)
    if first.pixels_sha256 == second.pixels_sha256:
        return Comparison("same_pixels", 0, 1.0, f"only metadata or encoding differ; {detail}")
    verdict = _perceptual_verdict(distance, correlation)
    return Comparison(verdict, distance, correlation, detail + _crop_note(first, second))


def fingerprint(
    photo: bytes, *, known_placeholders: Collection[str] = (), max_pixels: int = MAX_PIXELS
) -> Fingerprint:
    """Decode one photo and reduce it to what comparing needs. A pure function; raises nothing.

    Placeholders are recognised as flat pictures, as known ones, and by `_looks_like_a_silhouette`, which is
    unproven against a real farm's art: pass ``known_placeholders`` where the farm's own are at hand.

    Parameters
    ----------
    photo : bytes
        The photo as read: a JPEG as a rule, but perhaps an HTML page, half a file, or nothing.
    known_placeholders : collection of str
        `Fingerprint.hash` of pictures that stand for "no photo"; re-encoded copies are recognised too.
    max_pixels : int
        Pictures with more pixels are unreadable rather than decoded.

    Returns
    -------
    Fingerprint

    Examples
    --------
    >>> fingerprint(b"").reason
    'empty'
    """
    sha256 = hashlib.sha256(photo).hexdigest()
    try:
        image_format, image = decode(photo, max_pixels)
    except Exception as error:  # decoders meet hostile bytes: whatever they raise is the finding
        reason = name_what_it_is(photo) or f"cannot be decoded ({str(error) or type(error).__name__})"
        return Fingerprint(sha256, len(photo), reason=reason)
    grey_image = image.convert("L")
    grey = np.asarray(grey_image.resize((GREY_SIZE, GREY_SIZE), Image.Resampling.LANCZOS))
    bits = str(imagehash.phash(grey_image, hash_size=HASH_SIZE))
    reason = _why_placeholder(image, grey, bits, known_placeholders)
    return Fingerprint(
        sha256,
        len(photo),
        image_format,
        *image.size,
        kind="placeholder" if reason else "image",
        reason=reason,
        hash=bits,
        pixels_sha256=hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest(),
        grey=grey.tobytes(),
    )


def fingerprint_frame(fingerprints: Iterable[Fingerprint]) -> pd.DataFrame:
    """Lay fingerprints out as a frame, one row per distinct photo; photos themselves stay in the store.

    Parameters
    ----------
    fingerprints : iterable of Fingerprint
        Repeated photos are kept once.

    Returns
    -------
    DataFrame
        Columns sha256, bytes (int64), format, width, height (pixels, int64), kind, reason, hash (64 hex
        digits); text columns have dtype string, nothing is null, an empty frame keeps columns and dtypes.

    Examples
    --------
    >>> fingerprint_frame([fingerprint(b"")])[["bytes", "kind"]].to_dict("records")
    [{'bytes': 0, 'kind': 'unreadable'}]
    """
    columns = {
        "sha256": "string",
        "bytes": "int64",
        "format": "string",
        "width": "int64",
        "height": "int64",
        "kind": "string",
        "reason": "string",
        "hash": "string",
    }
    distinct = {photo.sha256: photo for photo in fingerprints}.values()
    rows = [(p.sha256, p.byte_count, p.format, p.width, p.height, p.kind, p.reason, p.hash) for p in distinct]
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def _why_placeholder(
    image: Image.Image, grey: NDArray[np.uint8], bits: str, known_placeholders: Collection[str]
) -> str:
    """Why the picture stands for "no photo"; empty if it does not."""
    if float(grey.std()) < FLAT_DEVIATION:
        return "flat, shows nothing"
    if any(_distance(bits, known) <= SAME_DISTANCE for known in known_placeholders):
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


def _distance(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


def _correlation(first: bytes, second: bytes) -> float | None:
    a, b = (np.frombuffer(grey, dtype=np.uint8).astype(np.float64) for grey in (first, second))
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else None


def _perceptual_verdict(distance: int | None, correlation: float | None) -> str:
    if distance is None or correlation is None:
        return "uncertain"
    if distance >= DIFFERENT_DISTANCE or correlation < DIFFERENT_CORRELATION:
        return "different"
    if distance <= SAME_DISTANCE and correlation >= SAME_CORRELATION:
        return "same_picture"
    return "uncertain"


def _crop_note(first: Fingerprint, second: Fingerprint) -> str:
    """Say so if the proportions changed: no global hash survives cropping."""
    ratios = (first.width / first.height, second.width / second.height)
    if abs(ratios[0] / ratios[1] - 1) < 0.05:
        return ""
    return f"; proportions differ ({ratios[0]:.2f} against {ratios[1]:.2f}), one may be cropped"
