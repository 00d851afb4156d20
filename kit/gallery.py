"""Photos side by side, so that a person can judge what the numbers say."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from kit.decoder import decode
from kit.figure import INK, QUIET, RULE, SMALL, TEXT, Chart, shorten
from kit.store import PhotoStore

AT_MOST = 12
"""Pairs on one sheet."""
BLOCKS = 8
"""Blocks along each side of a pixelated photo: hair and coat remain, the person does not."""


@dataclass(frozen=True)
class Pair:
    """One person's photos and what comparing them gave.

    Parameters
    ----------
    label : str
        Who it is, in the words the reader may see.
    verdict : str
        As in `kit.schema.VERDICTS`.
    distance, correlation : float or None
        Of the first two photos; see `kit.photos.Comparison`.
    left, right : bytes or None
        The photos as read; None where there is none.
    left_caption, right_caption : str
        What each is, e.g. ``SharePoint now``, ``AD before``.
    third : bytes or None
        A third photo, shown only if it has a caption.
    third_caption : str
        E.g. ``AD after``.
    """

    label: str
    verdict: str
    distance: float | None
    correlation: float | None
    left: bytes | None = field(repr=False)
    right: bytes | None = field(repr=False)
    left_caption: str
    right_caption: str
    third: bytes | None = field(default=None, repr=False)
    third_caption: str = ""

    @property
    def photos(self) -> list[tuple[str, bytes | None]]:
        """Caption and photo, in the order shown."""
        shown = [(self.left_caption, self.left), (self.right_caption, self.right)]
        return [*shown, (self.third_caption, self.third)] if self.third_caption else shown

    @property
    def numbers(self) -> str:
        """Distance and correlation in words.

        Examples
        --------
        >>> Pair("anna", "stale", 104, 0.31, None, None, "", "").numbers
        '104 of 256 bits differ, correlation 0.310'
        """
        if self.distance is None or self.correlation is None:
            return "not compared"
        return f"{self.distance:.0f} of 256 bits differ, correlation {self.correlation:.3f}"


def pairs(people: pd.DataFrame, store: PhotoStore) -> list[Pair]:
    """Pair what SharePoint and Active Directory show, one pair per person of a frame.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.PEOPLE`.
    store : PhotoStore
        Where their photos are.
    """
    return [
        Pair(
            str(person.display_name or person.account),
            str(person.verdict),
            _number(person.distance),
            _number(person.correlation),
            store.get(str(person.sharepoint_sha256)) if person.sharepoint_sha256 else None,
            store.get(str(person.directory_sha256)) if person.directory_sha256 else None,
            "SharePoint",
            "AD",
        )
        for person in people.itertuples()
    ]


def with_outcome(before: Sequence[Pair], after: Sequence[Pair]) -> list[Pair]:
    """Set what Active Directory shows after the fix beside the photos before it, person by person."""
    return [
        replace(
            one,
            right_caption="AD before",
            third=now.right,
            third_caption="AD now",
            verdict=now.verdict,
            distance=now.distance,
            correlation=now.correlation,
        )
        for one, now in zip(before, after, strict=True)
    ]


def _number(value: object) -> float | None:
    return None if pd.isna(value) else float(value)  # type: ignore[arg-type, call-overload] # a number or NA


def sheet(pairs: Sequence[Pair], title: str, *, at_most: int = AT_MOST) -> Figure:
    """Lay pairs out on one sheet, two to a row, with verdict and numbers under each.

    Parameters
    ----------
    pairs : Sequence[Pair]
        In the order to show. A photo that is missing or unreadable becomes an empty, labelled frame.
    title : str
        What the sheet shows; ``showing 12 of 36`` is added where pairs are left out.
    at_most : int
        Pairs to show.

    Returns
    -------
    Figure
        Marked as personal: it shows faces.
    """
    shown = pairs[:at_most]
    columns = max((len(pair.photos) for pair in shown), default=2)
    rows = -(-len(shown) // 2)
    figure = Chart(height=0.6 + 2.3 * max(rows, 0.3), personal=True)
    told = f"{title}, showing {len(shown):,} of {len(pairs):,}" if len(pairs) > len(shown) else title
    if shown:
        for cell, pair in zip(figure.subfigures(rows, 2, squeeze=False).flat, shown, strict=False):
            _draw_pair(cell.subplots(1, columns, squeeze=False)[0], pair)
            cell.suptitle(shorten(pair.label, 36), fontsize=TEXT, fontweight="bold", color=INK)
            cell.supxlabel(f"{pair.verdict} · {pair.numbers}", fontsize=SMALL, color=INK)
    sentences = (f"{pair.label}: {pair.verdict}, {pair.numbers}." for pair in shown)
    figure.tell(told, " ".join(sentences) or "There is nobody to show.")
    return figure


def thumbnail(photo: bytes | None, size: int = 144, *, blocks: int = 0) -> bytes | None:
    """Re-encode a photo small, as PNG and without its metadata.

    Parameters
    ----------
    photo : bytes or None
        The photo as read, in any state.
    size : int
        Longest side of the result, in pixels; small photos are not enlarged.
    blocks : int
        If not 0, show the photo as so many blocks along each side.

    Returns
    -------
    bytes or None
        None if there is no photo or it cannot be decoded.
    """
    image = _image(photo)
    if image is None:
        return None
    if blocks:
        small = image.resize((blocks, blocks), Image.Resampling.BOX)
        image = small.resize((size, size), Image.Resampling.NEAREST)
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def pixelated(photo: bytes) -> bytes:
    """Return the photo as 8 x 8 blocks: two photos can still be told apart, nobody can be recognised.

    Returns
    -------
    bytes
        A PNG without metadata; of a photo that cannot be decoded, an empty grey one.
    """
    found = thumbnail(photo, 96, blocks=BLOCKS)
    if found is not None:
        return found
    buffer = io.BytesIO()
    Image.new("RGB", (96, 96), RULE).save(buffer, "PNG")
    return buffer.getvalue()


def _image(photo: bytes | None) -> Image.Image | None:
    if not photo:
        return None
    try:
        return decode(photo)[1]
    except Exception:  # decoders meet hostile bytes; None is drawn as an "unreadable" frame
        return None


def _draw_pair(axes: Sequence[Axes], pair: Pair) -> None:
    for axis in axes:
        axis.set_axis_off()
    for axis, (caption, photo) in zip(axes, pair.photos, strict=False):
        image = _image(photo)
        axis.text(
            0.5, -0.04, caption, transform=axis.transAxes, ha="center", va="top", fontsize=SMALL, color=QUIET
        )
        if image is not None:
            axis.imshow(image)
            continue
        axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        frame = Rectangle((0, 0), 1, 1, fill=False, edgecolor=QUIET, linestyle=(0, (4, 3)), clip_on=False)
        axis.add_patch(frame)
        words = "unreadable" if photo else "no photo"
        axis.text(0.5, 0.5, words, ha="center", va="center", fontsize=SMALL, color=QUIET)
