"""Are two photos the same picture? Decode, fingerprint and compare.

Bytes never survive the way from SharePoint to Active Directory unchanged: SharePoint re-encodes every
upload to its thumbnail sizes. So equality is tried in tiers: same bytes, same decoded pixels, same picture to
the eye. Company portraits share backdrop, pose and suit, which defeats every number about whole pictures: a
256-bit DCT hash and a correlation are given with each verdict, but what decides is how alike the two are in
their least alike place, after one was laid over the other in case it was cut (`kit.alignment`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import imagehash
import numpy as np
import pandas as pd
from PIL import Image

from kit import alignment
from kit.alignment import Alignment
from kit.decoder import MAX_PIXELS, name_what_it_is, read
from kit.placeholders import hash_distance, why_placeholder
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

SAME_LIKENESS = 0.86
"""Correlation that two codings of one picture reach in every place; ``kit bench comparison`` measures it."""
SAME_CORRELATION = 0.987
"""Correlation that two codings of one picture reach as a whole, once one is laid over the other."""
DIFFERENT_LIKENESS = 0.73
"""Correlation that two pictures fall under somewhere; between the two numbers, a person has to look."""
SAME_MIDDLE = 0.86
"""Correlation in every place of the middle from which two pictures that differ at an edge may be the same."""

HASH_SIZE = 16


@dataclass(frozen=True)
class Fingerprint:
    """All that comparing needs to know of one photo; picklable, about 5 kB.

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
        64 x 64 grey image, row by row; empty if unreadable.
    animated : bool
        Whether the file has more frames; the first one is what was read.
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
    animated: bool = False

    @property
    def description(self) -> str:
        """Format, size and byte count in words, with the reason if it is no proper image."""
        text = f"{self.byte_count:,} bytes"
        if self.format:
            text = f"{self.format} {self.width}x{self.height}, {text}"
        if self.animated:
            text += ", the first of several frames"
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
        Correlation of the whole pictures, small and grey, -1 to 1; None if a photo is unreadable or flat.
    detail : str
        Both photos' formats, sizes and byte counts, what was cut off or added, whatever explains the verdict.
    likeness : float or None
        What decides: the correlation of the least alike place, -1 to 1, once one picture is laid over the
        other. None if the pixels were not compared.
    core_likeness : float or None
        The same in the picture's middle, where a badge or a banner does not lie: if it is high, pictures that
        differ at an edge are ``uncertain``.
    """

    verdict: str
    distance: int | None
    correlation: float | None
    detail: str
    likeness: float | None = None
    core_likeness: float | None = None


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
    both = bool(first.hash and second.hash)
    distance = hash_distance(first.hash, second.hash) if both else None
    correlation = _correlation(first, second)
    detail = f"first: {first.description}; second: {second.description}"
    for kind in ("unreadable", "placeholder"):
        sides = [side for side, photo in (("first", first), ("second", second)) if photo.kind == kind]
        if sides:
            return Comparison(kind, distance, correlation, f"{' and '.join(sides)} {kind}; {detail}")
    if first.sha256 == second.sha256:
        return Comparison("same_bytes", 0, 1.0, detail, 1.0, 1.0)
    if first.pixels_sha256 == second.pixels_sha256:
        return Comparison("same_pixels", 0, 1.0, f"only metadata or encoding differ; {detail}", 1.0, 1.0)
    verdict, found = _perceptual(first, second)
    detail = f"{detail}; {_told(verdict, found, first, second)}"
    return Comparison(verdict, distance, correlation, detail, found.least, found.core)


def fingerprint(
    photo: bytes, *, known_placeholders: Collection[str] = (), max_pixels: int = MAX_PIXELS
) -> Fingerprint:
    """Decode one photo and reduce it to what comparing needs. A pure function; raises nothing.

    Placeholders are recognised as flat pictures, as known ones, and by being drawn like a silhouette, which
    is unproven against a real farm's art: pass ``known_placeholders`` where the farm's own are at hand.

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
        picture = read(photo, max_pixels)
    except Exception as error:  # decoders meet hostile bytes: whatever they raise is the finding
        reason = name_what_it_is(photo) or f"cannot be decoded ({str(error) or type(error).__name__})"
        return Fingerprint(sha256, len(photo), reason=reason)
    image = picture.image
    grey_image = image.convert("L")
    grey = np.asarray(grey_image.resize((alignment.SIDE, alignment.SIDE), Image.Resampling.LANCZOS))
    bits = str(imagehash.phash(grey_image, hash_size=HASH_SIZE))
    reason = why_placeholder(image, grey, bits, known_placeholders)
    return Fingerprint(
        sha256,
        len(photo),
        picture.format,
        *image.size,
        kind="placeholder" if reason else "image",
        reason=reason,
        hash=bits,
        pixels_sha256=hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest(),
        grey=grey.tobytes(),
        animated=picture.animated,
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


def _grey(photo: Fingerprint) -> alignment.Grey:
    pixels = np.frombuffer(photo.grey, dtype=np.uint8)
    return pixels.reshape(alignment.SIDE, alignment.SIDE).astype(np.float32)


def _correlation(first: Fingerprint, second: Fingerprint) -> float | None:
    """Correlate two whole pictures; None if one of them is missing or has one level only."""
    if not first.grey or not second.grey or min(len(set(first.grey)), len(set(second.grey))) == 1:
        return None
    return alignment.in_place(_grey(first), _grey(second)).correlation


def _perceptual(first: Fingerprint, second: Fingerprint) -> tuple[str, Alignment]:
    """Return verdict and alignment of two pictures: as they lie, then with one laid over the other."""
    a, b = _grey(first), _grey(second)
    in_place = alignment.in_place(a, b)
    if _verdict(in_place) == "same_picture":
        return "same_picture", in_place
    turned = first.grey > second.grey  # the search has a direction, the verdict has none
    aligned = alignment.align(b, a) if turned else alignment.align(a, b)
    fits = [in_place, *(fit.turned() if turned else fit for fit in aligned)]
    order = ("different", "uncertain", "same_picture")
    best = max(fits, key=lambda fit: (order.index(_verdict(fit)), fit.least + fit.core))
    return _verdict(best), best


def _verdict(found: Alignment) -> str:
    if found.least >= SAME_LIKENESS and found.correlation >= SAME_CORRELATION:
        return "same_picture"
    differs = found.least < DIFFERENT_LIKENESS and found.core < SAME_MIDDLE
    return "different" if differs else "uncertain"


def _told(verdict: str, found: Alignment, first: Fingerprint, second: Fingerprint) -> str:
    """Say what was cut off or added, and how alike the two are; empty parts are left out."""
    likeness = f"least alike place {found.least:.2f}, in the middle {found.core:.2f}"
    if verdict == "different":
        return "; ".join([likeness, *_proportions(first, second)])
    framing = alignment.describe(found, _grey(first), _grey(second))
    parts = [likeness, *framing]
    if verdict == "uncertain" and found.least < DIFFERENT_LIKENESS:
        parts.append("the middle agrees, something near an edge does not")
    return "; ".join(parts)


def _proportions(first: Fingerprint, second: Fingerprint) -> list[str]:
    """Say so if the proportions changed: a cut larger than what is searched for leaves that trace."""
    ratios = (first.width / first.height, second.width / second.height)
    if abs(ratios[0] / ratios[1] - 1) < 0.05:
        return []
    return [f"proportions differ ({ratios[0]:.2f} against {ratios[1]:.2f}), one may be cropped"]
