"""A matplotlib figure that shows itself in a notebook, says what it shows, and saves to the same bytes.

Figures are made without pyplot: no global state, nothing to close, and a notebook cell that ends with one
stores its picture once.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kit import lettering
from kit.errors import OutputError

# Okabe and Ito's palette, told apart with every common form of colour blindness.
BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
INK, QUIET, RULE = "#1b1f24", "#5b6470", "#d5dae0"
TITLE, TEXT, SMALL = 13, 11, 10  # points
WIDTH = 9.2  # inches: a notebook's output, a page at 100 %
LAYOUTS, STILL = 12, 0.0005
"""Most rounds of layout, and the share of a figure's width that is no movement."""
LABEL_WIDTH = 2.7  # inches, of the names of rows
SCREEN_DPI, SAVED_DPI = 100, 200
COLOURS = 256
"""Of a saved chart: far more than it uses, in a third of the bytes."""


class Chart(Figure):
    """A figure with its alternative text.

    Parameters
    ----------
    width, height : float
        In inches; 9.2 is the width of a notebook's output and of a page at 100 %.
    personal : bool
        Whether it shows people (faces, names) rather than counts; a redacted writeup leaves such figures out.
    """

    def __init__(self, width: float = WIDTH, height: float = 4.0, *, personal: bool = False) -> None:
        super().__init__(figsize=(width, height), dpi=SCREEN_DPI, facecolor="white")
        self.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
        self.personal = personal
        self.rendered = b""

    def tell(self, title: str, alt: str) -> None:
        """Set the title, which states the finding, and the alternative text, which begins with it."""
        lines = fit(title, self.get_figwidth() - 0.2, 3, size=TITLE, bold=True)
        self.suptitle(lines, x=0.01, ha="left", fontsize=TITLE, fontweight="bold", color=INK)
        self.set_label(f"{title}. {alt}".strip())

    def draw(self, renderer: RendererBase) -> None:
        """Lay out and draw."""
        for text in self.findobj(Text):
            text.set_fontfamily(lettering.families())
        self._settle()
        super().draw(renderer)

    def _settle(self) -> None:
        """Lay out until nothing moves any more: a bar gives way to the text beside it, and moves that text.

        Sheets of photos have no such texts.
        """
        engine = self.get_layout_engine()
        if engine is None or self.personal or not self.axes:
            return
        for _ in range(LAYOUTS):
            before = [axes.get_position().width for axes in self.axes]
            engine.execute(self)
            after = [axes.get_position().width for axes in self.axes]
            if all(abs(one - other) < STILL for one, other in zip(before, after, strict=True)):
                return

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
    rendered = buffer.getvalue() if subject == "people" else _with_a_palette(buffer)
    if isinstance(figure, Chart):
        figure.rendered, figure.stale = rendered, False
    return rendered


def _with_a_palette(picture: io.BytesIO) -> bytes:
    """Return a PNG in fewer colours, with its texts."""
    smaller, told = io.BytesIO(), PngInfo()
    with Image.open(picture) as opened:
        for name, text in opened.text.items():  # type: ignore[attr-defined]  # a PNG has them
            told.add_itxt(name, text)
        dpi = opened.info["dpi"]
        drawn = opened.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    drawn.save(smaller, "PNG", optimize=True, pnginfo=told, dpi=dpi)
    return smaller.getvalue()


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


def bars(
    axes: Axes, names: Sequence[str], values: Sequence[float], labels: Sequence[str], *, kind: tuple[str, str]
) -> None:
    """Draw horizontal bars, the first one on top, each with its name and its label.

    Parameters
    ----------
    axes : Axes
    names, labels : Sequence[str]
        What stands left and right of each bar.
    values : Sequence[float]
        The bars' lengths.
    kind : tuple of str
        Colour and hatch.
    """
    colour, hatch = kind
    places = range(len(names))
    axes.barh(places, values, height=0.62, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
    name_rows(axes, names)
    for row, (value, label) in enumerate(zip(values, labels, strict=True)):
        write_beside(axes, value, row, label)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of horizontal bars, the first one on top, in at most two lines each."""
    axes.set_yticks(
        range(len(names)), [fit(name, LABEL_WIDTH, 2) for name in names], fontsize=SMALL, linespacing=1.15
    )
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)


def count_axis(axes: Axes, largest: float, unit: str) -> None:
    """Lay out the horizontal axis for whole numbers from 0 to the largest, of a unit."""
    axes.set_xlim(0, max(largest, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(unit, fontsize=TEXT)


def swatch(label: str, colour: str, hatch: str, edge: str = "white") -> Patch:
    """Return a legend's sample of a colour and hatch."""
    return Patch(facecolor=colour, hatch=hatch, edgecolor=edge, linewidth=0.6, label=label)


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
        literal(lettering.with_known_letters(text)),
        (x, y),
        (5, 0),
        system,
        "offset points",
        va="center",
        fontsize=size,
        fontweight=weight,
        color=colour,
    )


def fit(text: str, inches: float, lines: int = 1, *, size: float = SMALL, bold: bool = False) -> str:
    """Break a text into lines that are no wider than a length, as measured, and cut what does not fit.

    Parameters
    ----------
    text : str
        If it has lines of its own, each of them is cut.
    inches : float
        Most width.
    lines : int
        Most lines.
    size : float
        Of the letters, in points.
    bold : bool

    Examples
    --------
    >>> print(fit("Research and Development of long compounds, Jena", 1.4, 2))
    Research and
    Development of…
    """
    if "\n" in text:
        return "\n".join(fit(line, inches, size=size, bold=bold) for line in text.split("\n"))
    text = lettering.with_known_letters(text)
    letters, broken = len(text) + 1, [text]
    while max(_inches(line, size, bold=bold) for line in broken) > inches:
        letters -= 1 + letters // 20
        broken = textwrap.wrap(text, max(letters, 2))
        if len(broken) > lines:
            broken = [*broken[: lines - 1], f"{broken[lines - 1][: letters - 1].rstrip()}…"]
    return literal("\n".join(broken))


def _inches(text: str, size: float, *, bold: bool) -> float:
    weight = "bold" if bold else "normal"
    font = FontProperties(family=lettering.families(), size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) / 72


def literal(text: str) -> str:
    """Keep matplotlib from reading two dollar signs as a formula."""
    return text.replace("$", r"\$")


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
