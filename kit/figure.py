"""A matplotlib figure that shows itself in a notebook, says what it shows, and saves to the same bytes.

Figures are made without pyplot: no global state, nothing to close, and a notebook cell that ends with one
stores its picture once.
"""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from kit.errors import OutputError

# Okabe and Ito's palette, told apart with every common form of colour blindness.
BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
INK, QUIET, RULE = "#1b1f24", "#5b6470", "#d5dae0"
TITLE, TEXT, SMALL = 13, 11, 10  # points
SCREEN_DPI, SAVED_DPI = 100, 200


class Chart(Figure):
    """A figure with its alternative text.

    Parameters
    ----------
    width, height : float
        In inches; 9.2 is the width of a notebook's output and of a page at 100 %.
    personal : bool
        Whether it shows people (faces, names) rather than counts; a redacted writeup leaves such figures out.
    """

    def __init__(self, width: float = 9.2, height: float = 4.0, *, personal: bool = False) -> None:
        super().__init__(figsize=(width, height), dpi=SCREEN_DPI, facecolor="white")
        self.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
        self.personal = personal
        self.rendered = b""

    def tell(self, title: str, alt: str) -> None:
        """Set the title, which states the finding, and the alternative text, which begins with it."""
        self.suptitle(title, x=0.01, ha="left", fontsize=TITLE, fontweight="bold", color=INK)
        self.set_label(f"{title}. {alt}".strip())

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        width, height = (round(float(side) * SCREEN_DPI) for side in self.get_size_inches())
        return png(self), {"alt": alt_text(self), "width": width, "height": height}


def alt_text(figure: Figure) -> str:
    """Return what the figure shows, in words for those who cannot see it; empty if nobody said so."""
    return str(figure.get_label())


def png(figure: Figure) -> bytes:
    """Render a figure at twice the screen's resolution, to the same bytes every time.

    The PNG's ``Subject`` is ``counts``, or ``people`` for a figure that is personal or does not say. A chart
    that has not changed since is not rendered again: notebooks save each one and then show it.
    """
    if isinstance(figure, Chart) and figure.rendered and not figure.stale:
        return figure.rendered
    subject = "people" if getattr(figure, "personal", True) else "counts"
    metadata = {"Software": None, "Description": alt_text(figure), "Subject": subject}
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=SAVED_DPI, metadata=metadata)
    if isinstance(figure, Chart):
        figure.rendered, figure.stale = buffer.getvalue(), False
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, and its alternative text beside it as ``.txt``.

    Parameters
    ----------
    figure : Figure
        From `kit.charts` or `kit.gallery`.
    path : Path
        Ends in ``.png``; its folder is made.

    Returns
    -------
    Path
        The PNG.

    Raises
    ------
    OutputError
        The files cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(figure))
        path.with_suffix(".txt").write_text(f"{alt_text(figure)}\n", encoding="utf-8")
    except OSError as error:
        what, cause = f"figure '{path}' cannot be written", error.strerror or type(error).__name__
        raise OutputError(what, cause, "check the folder, its rights and free space") from error
    return path


def plain(axes: Axes) -> Axes:
    """Strip axes to what carries meaning: no box, a quiet grid, text that can be read."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(axis="both", length=0, labelsize=TEXT, labelcolor=INK)
    axes.grid(axis="x", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def write_beside(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    *,
    size: float = TEXT,
    bold: bool = True,
    x_is_share: bool = False,
) -> None:
    """Write a text just right of a point of the axes; the layout makes room for it.

    With ``x_is_share``, 1 is the right edge of the axes.
    """
    system = axes.get_yaxis_transform() if x_is_share else axes.transData
    weight = "bold" if bold else "normal"
    colour = INK if x else QUIET
    axes.annotate(
        text,
        (x, y),
        (5, 0),
        system,
        "offset points",
        va="center",
        fontsize=size,
        fontweight=weight,
        color=colour,
    )


def shorten(name: str, length: int = 32) -> str:
    """Cut a name that would not fit, at a word where there is one.

    Examples
    --------
    >>> shorten("Research and Development, Jena", 16)
    'Research and…'
    """
    return textwrap.shorten(name, length, placeholder="…") if " " in name else name[:length]


def shows_people(picture: bytes) -> bool:
    """Whether a picture may show a person: true unless it says itself that it shows only counts.

    Examples
    --------
    >>> shows_people(b"not a picture")
    True
    """
    try:
        with Image.open(io.BytesIO(picture), formats=["PNG"]) as opened:
            return opened.info.get("Subject") != "counts"
    except (OSError, ValueError, SyntaxError):  # not a PNG: nobody vouches for it
        return True
