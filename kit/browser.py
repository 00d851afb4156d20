"""Photos to page through in JupyterLab, where ipywidgets is installed.

The widgets are controls only. What is shown is a sheet, an ordinary output of the cell: a saved notebook
holds the one looked at last and no other photo, however the front end is set to save widgets.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.figure import Figure

from kit.cause import spoken
from kit.figure import WIDTH
from kit.pair import Pair
from kit.sheet import sheet

EVERY = ""
"""A filter that lets everybody through."""
SIZES = {"small": (2, WIDTH), "medium": (1, WIDTH), "large": (1, 1.5 * WIDTH)}
"""Pairs in a row and the sheet's width in inches, by what the size is called."""


class Browser:
    """Pairs to filter, search, enlarge and page through.

    Parameters
    ----------
    pairs : Sequence[Pair]
        In the order to show.
    title : str
        What they are.
    at_most : int
        Pairs on a page.
    """

    def __init__(self, pairs: Sequence[Pair], title: str, at_most: int) -> None:
        widgets: Any = importlib.import_module("ipywidgets")
        self._pairs, self._title, self._at_most = list(pairs), title, at_most
        self._first = 0
        self._output: Any = None
        verdicts, causes = (pair.verdict for pair in pairs), (pair.trail.cause for pair in pairs)
        self.verdict = widgets.Dropdown(options=_choices(verdicts), description="Verdict")
        self.cause = widgets.Dropdown(options=_choices(causes), description="Cause")
        self.name = widgets.Text(placeholder="part of a name", description="Name", continuous_update=False)
        self.size = widgets.Dropdown(options=list(SIZES), description="Size")
        self.previous = widgets.Button(description="Previous", icon="arrow-left")
        self.next = widgets.Button(description="Next", icon="arrow-right")
        self.place = widgets.Label()
        rows = ([self.verdict, self.cause], [self.name, self.size], [self.previous, self.place, self.next])
        self.controls = widgets.VBox([widgets.HBox(row) for row in rows])
        for control in (self.verdict, self.cause, self.name):
            control.observe(self._filtered, "value")
        self.size.observe(self._resized, "value")
        self.previous.on_click(self._went_back)
        self.next.on_click(self._went_on)
        self._draw()

    @property
    def chosen(self) -> list[Pair]:
        """The pairs that the filters let through, on all pages."""
        part = self.name.value.strip().casefold()
        return [
            pair
            for pair in self._pairs
            if self.verdict.value in (EVERY, pair.verdict)
            and self.cause.value in (EVERY, pair.trail.cause or _NO_CAUSE)
            and part in pair.label.casefold()
        ]

    @property
    def shown(self) -> list[Pair]:
        """The pairs on the page."""
        return self.chosen[self._first : self._first + self._at_most]

    @property
    def figure(self) -> Figure:
        """The sheet of the page."""
        per_row, width = SIZES[self.size.value]
        title = f"{self._title}, {self.place.value}"
        return sheet(self.shown, title, at_most=self._at_most, per_row=per_row, width=width)

    def _ipython_display_(self) -> None:
        display: Any = importlib.import_module("IPython.display").display
        controls = self.controls._repr_mimebundle_()
        controls.pop("text/plain", None)  # what a viewer without widgets would show: the controls' source
        display(controls, raw=True)
        self._output = display(self.figure, display_id=True)

    def _draw(self) -> None:
        """Say where in the pages this is, and put its sheet in the place of the last one."""
        number = len(self.chosen)
        last = min(self._first + self._at_most, number)
        self.place.value = f"{self._first + 1:,} to {last:,} of {number:,}" if number else "nobody"
        self.previous.disabled = self._first == 0
        self.next.disabled = last >= number
        if self._output is not None:
            self._output.update(self.figure)

    def _filtered(self, _: object) -> None:
        self._first = 0
        self._draw()

    def _resized(self, _: object) -> None:
        self._draw()

    def _went_back(self, _: object) -> None:
        self._first = max(self._first - self._at_most, 0)
        self._draw()

    def _went_on(self, _: object) -> None:
        self._first += self._at_most
        self._draw()


_NO_CAUSE = "no cause known"


def _choices(values: Iterable[str]) -> list[tuple[str, str]]:
    """Return what can be chosen with how many there are of it, the most frequent first."""
    counts = Counter(value or _NO_CAUSE for value in values)
    named = [(f"{spoken(value)} ({number:,})", value) for value, number in counts.most_common()]
    return [(f"all ({counts.total():,})", EVERY), *named]
