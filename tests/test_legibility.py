"""Whether everything that is drawn can be read, measured on the drawn figures."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from drawings import FIGURES
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase

from kit import attribution, charts, funnel, past, timeline
from kit.figure import SAVED_DPI, alt_text


@dataclass(frozen=True)
class Drawn:
    """A figure as it was drawn: its page, its texts, and the places of them, in pixels of a saved one."""

    figure: Figure
    page: BboxBase
    texts: list[tuple[str, float, Bbox]]
    photos: list[Bbox]


@pytest.fixture(params=FIGURES, scope="module")
def drawn(request: pytest.FixtureRequest) -> Drawn:
    figure = FIGURES[request.param]()
    figure.set_dpi(SAVED_DPI)
    figure.draw_without_rendering()
    shown = [text for text in texts(figure) if text.get_visible() and text.get_text().strip()]
    places = [(text.get_text(), text.get_fontsize(), text.get_window_extent()) for text in shown]
    photos = [image.get_window_extent() for axes in figure.axes for image in axes.images]
    return Drawn(figure, figure.bbox, places, photos)


def texts(figure: Figure | SubFigure) -> Iterator[Text]:
    """Every text that a figure shows; of the axes' marks those within their limits."""
    yield from figure.texts
    for legend in figure.legends:
        yield from legend.get_texts()
    for part in figure.subfigs:
        yield from texts(part)
    for axes in figure.axes if isinstance(figure, Figure) else ():
        yield from axes.texts
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            if not axes.axison:
                continue
            yield from (axis.label, axis.get_offset_text())
            places = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
            yield from (label for place, label in places if min(limits) <= place <= max(limits))


def test_no_two_texts_overlap(drawn: Drawn) -> None:
    assert [
        (one, other)
        for (one, _, place), (other, _, its_place) in itertools.combinations(drawn.texts, 2)
        if place.padded(-1).overlaps(its_place.padded(-1))
    ] == []


def test_no_text_leaves_the_page(drawn: Drawn) -> None:
    page = drawn.page.padded(1)
    assert [
        text
        for text, _, place in drawn.texts
        if place.x0 < page.x0 or place.x1 > page.x1 or place.y0 < page.y0 or place.y1 > page.y1
    ] == []


def test_no_text_lies_on_a_photo(drawn: Drawn) -> None:
    assert [
        text for text, _, place in drawn.texts for photo in drawn.photos if place.padded(-1).overlaps(photo)
    ] == []


def test_no_two_photos_overlap(drawn: Drawn) -> None:
    assert not any(one.padded(-1).overlaps(other) for one, other in itertools.combinations(drawn.photos, 2))


def test_no_text_is_smaller_than_ten_points(drawn: Drawn) -> None:
    assert min(size for _, size, _ in drawn.texts) >= 10


def test_alternative_text_begins_with_the_finding(drawn: Drawn) -> None:
    assert alt_text(drawn.figure).startswith(drawn.figure.get_suptitle().replace("\n", " "))


@pytest.mark.parametrize(
    "marks",
    [
        [hatch for _, hatch in charts.STYLES.values()],
        [hatch for _, hatch in timeline.STYLES.values()],
        [hatch for _, hatch, _ in attribution.STYLES.values()],
        [hatch for _, hatch in (funnel.HOLDS, funnel.STOPS, funnel.NOT_KNOWN)],
        [shape for shape, _ in past.MARKS.values()],
    ],
)
def test_what_colour_tells_apart_hatch_or_shape_does_too(marks: list[str]) -> None:
    assert len(set(marks)) == len(marks)
