"""A sheet of photos side by side, and photos made small or unrecognisable."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from PIL import Image

from kit import lettering
from kit.decoder import decode
from kit.figure import INK, QUIET, RULE, SMALL, TEXT, WIDTH, Chart, fit
from kit.pair import Pair

AT_MOST = 12
"""Pairs on one sheet."""
BLOCKS = 8
"""Blocks along each side of a pixelated photo: hair and coat remain, the person does not."""

LINE = 0.18
"""Height of a line of `SMALL` text, in inches."""
LARGEST = 0.35
"""Most of a sheet's width that one photo takes."""
FACTS = 2
"""Lines of facts under each photo: format and size, bytes."""


def sheet(
    pairs: Sequence[Pair], title: str, *, at_most: int = AT_MOST, per_row: int = 2, width: float = WIDTH
) -> Figure:
    """Lay pairs out on one sheet, with what is known of them under each.

    Parameters
    ----------
    pairs : Sequence[Pair]
        In the order to show. A photo that is missing or unreadable becomes an empty, labelled frame.
    title : str
        What the sheet shows; ``showing 12 of 36`` is added where pairs are left out.
    at_most : int
        Pairs to show.
    per_row : int
        Pairs side by side.
    width : float
        Of the sheet, in inches.

    Returns
    -------
    Figure
        Marked as personal: it shows faces.
    """
    shown = pairs[:at_most]
    columns = max((len(pair.photos) for pair in shown), default=2)
    inches = width / per_row - 0.3
    rows = [shown[start : start + per_row] for start in range(0, len(shown), per_row)]
    findings = [_findings(row, inches) for row in rows]
    side = min(width / per_row / columns - 0.25, LARGEST * width)
    heights = [side + LINE * (FACTS + 3 + len(lines[0])) + 0.25 for lines in findings]
    figure = Chart(width, 0.5 + (sum(heights) or 0.6), personal=True)
    told = f"{title}, showing {len(shown):,} of {len(pairs):,}" if len(pairs) > len(shown) else title
    if shown:
        cells = figure.subfigures(len(rows), per_row, squeeze=False, height_ratios=heights).flat
        for cell, pair, lines in zip(cells, shown, itertools.chain(*findings), strict=False):
            _draw_pair(cell, pair, columns, lines, inches)
    sentences = (f"{pair.label}: {', '.join(pair.findings)}." for pair in shown)
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
    opened = _decoded(photo)
    return opened[1] if opened else None


def _decoded(photo: bytes | None) -> tuple[str, Image.Image] | None:
    if not photo:
        return None
    try:
        return decode(photo)
    except Exception:  # decoders meet hostile bytes; None is drawn as an "unreadable" frame
        return None


def _findings(row: Sequence[Pair], inches: float) -> list[list[str]]:
    """Break what is known of the pairs of a row into lines of a width, equally many for each."""
    told = [[line for text in pair.findings for line in fit(text, inches, 2).split("\n")] for pair in row]
    most = max(map(len, told))
    return [[*lines, *[" "] * (most - len(lines))] for lines in told]


def _draw_pair(cell: SubFigure, pair: Pair, columns: int, findings: list[str], inches: float) -> None:
    label = pair.label if lettering.drawable(pair.label) else pair.account or pair.label
    name = fit(label, inches, size=TEXT, bold=True)
    cell.suptitle(name, fontsize=TEXT, fontweight="bold", color=INK)
    cell.supxlabel("\n".join(findings), fontsize=SMALL, color=INK)
    axes = cell.subplots(1, columns, squeeze=False)[0]
    for axis in axes:
        axis.set_axis_off()
    for axis, (caption, photo), missing in zip(axes, pair.photos, pair.missing, strict=False):
        _draw_photo(axis, caption, photo, missing)


def _draw_photo(axis: Axes, caption: str, photo: bytes | None, missing: str) -> None:
    """Draw one photo with its format, size and bytes under it, or an empty frame that says why."""
    opened = _decoded(photo)
    facts = [f"{opened[0]} {opened[1].width}x{opened[1].height}"] if opened else []
    facts += [f"{len(photo):,} bytes"] if photo else []
    facts += [" "] * (FACTS - len(facts))
    _write_under(axis, caption, 0)
    _write_under(axis, "\n".join(facts), 1)
    axis.set_anchor("S")
    if opened:
        axis.imshow(opened[1])
        return
    axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    frame = Rectangle((0, 0), 1, 1, fill=False, edgecolor=QUIET, linestyle=(0, (4, 3)), clip_on=False)
    axis.add_patch(frame)
    words = "unreadable" if photo else missing
    axis.text(0.5, 0.5, words, ha="center", va="center", fontsize=SMALL, color=QUIET)


def _write_under(axis: Axes, text: str, line: int) -> None:
    """Write under a photo, so many lines down."""
    down = -4 - 1.3 * SMALL * line
    axis.annotate(
        text,
        (0.5, 0),
        (0, down),
        "axes fraction",
        "offset points",
        ha="center",
        va="top",
        fontsize=SMALL,
        color=QUIET,
    )
