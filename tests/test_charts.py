import io
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from kit import charts, schema
from kit.errors import OutputError
from kit.figure import Chart, png, shows_people
from kit.photos import compare

BEFORE = {"in_sync": 214, "stale": 36, "missing_in_ad": 12, "no_photo": 30, "uncertain": 7, "unknown": 1}
AFTER = {"in_sync": 262, "stale": 0, "no_photo": 30, "uncertain": 7, "unknown": 1}
START = pd.Timestamp("2026-11-22 14:00", tz="UTC")


def drawn(figure: Figure) -> Iterator[Text]:
    """Every text that the drawn figure shows."""
    FigureCanvasAgg(figure).draw()
    for axes in figure.axes:
        yield from [*axes.texts, axes.xaxis.label, axes.yaxis.label]
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            places = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
            yield from (label for place, label in places if min(limits) <= place <= max(limits))
    for legend in figure.legends:
        yield from legend.get_texts()
    yield from figure.texts


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in drawn(figure)]


def title(figure: Figure) -> str:
    return figure.get_suptitle()


def population(size: int) -> pd.DataFrame:
    random = np.random.default_rng(size)
    verdicts = random.choice(list(schema.VERDICTS), size, p=[0.8, 0.1, *[0.0125] * 8])
    stale = verdicts == "stale"
    compared = np.isin(verdicts, ["in_sync", "stale", "uncertain"])
    distance = np.where(stale, random.integers(60, 140, size), random.integers(0, 20, size)).astype(float)
    correlation = np.where(stale, random.uniform(-0.2, 0.9, size), random.uniform(0.985, 1, size))
    departments = [f"Department of long names and purposes {number}" for number in range(14)]
    return pd.DataFrame(
        {
            "department": random.choice(departments, size),
            "verdict": verdicts,
            "distance": np.where(compared, distance, np.nan),
            "correlation": np.where(compared, correlation, np.nan),
        }
    )


def runs(steps: int, seconds: float) -> pd.DataFrame:
    rows = [
        {
            "agent": "" if number % 4 == 0 else "SharePoint MA",
            "run_profile": f"FULL IMPORT {number}",
            "started": START + pd.Timedelta(seconds=number * seconds),
            "ended": START + pd.Timedelta(seconds=(number + 0.8) * seconds),
            "status": "" if number % 4 == 0 else "completed-export-errors",
            "counts": f"{number * 1000:,} adds, {number * 100:,} updates, 3 errors",
        }
        for number in range(steps)
    ]
    return pd.DataFrame(rows)


def counted(size: int) -> dict[str, int]:
    return {str(name): int(number) for name, number in population(size)["verdict"].value_counts().items()}


FIGURES = {
    "verdicts of 5": lambda: charts.verdicts(counted(5), counted(5)),
    "verdicts of 300": lambda: charts.verdicts(BEFORE, AFTER),
    "verdicts of 5,000": lambda: charts.verdicts(counted(5000), counted(4999)),
    "verdicts, all but one in sync": lambda: charts.verdicts(
        {"in_sync": 4999, "stale": 1}, {"in_sync": 5000}
    ),
    "verdicts of nobody": lambda: charts.verdicts({}),
    "agreement of 5": lambda: charts.agreement(population(5)),
    "agreement of 5,000": lambda: charts.agreement(population(5000)),
    "agreement of nobody": lambda: charts.agreement(population(0)),
    "departments of 5": lambda: charts.departments(population(5)),
    "departments of 5,000": lambda: charts.departments(population(5000)),
    "departments of nobody": lambda: charts.departments(population(0)),
    "exports": lambda: charts.exports(
        {
            "expected_updates": 36,
            "re_encoded_only": 4812,
            "unexpected_people": 0,
            "unexpected_attributes": 3,
            "deletes": 1,
        }
    ),
    "timeline of seconds": lambda: charts.timeline(runs(10, 0.4)),
    "timeline of hours": lambda: charts.timeline(runs(10, 4000)),
    "timeline of nothing": lambda: charts.timeline(runs(0, 1)),
}


@pytest.fixture(params=FIGURES, scope="module")
def figure(request: pytest.FixtureRequest) -> Figure:
    return FIGURES[request.param]()


def test_no_two_texts_overlap(figure: Figure) -> None:
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn(figure) if text.get_text().strip()]
    overlapping = [
        (first[0], second[0])
        for first, second in itertools.combinations(boxes, 2)
        if first[1].padded(-1).overlaps(second[1].padded(-1))
    ]
    assert overlapping == []


def test_no_text_is_clipped(figure: Figure) -> None:
    page = figure.bbox.padded(1)
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn(figure) if text.get_text().strip()]
    assert [
        text for text, box in boxes if box.x0 < page.x0 or box.x1 > page.x1 or box.y0 < 0 or box.y1 > page.y1
    ] == []


def test_alternative_text_begins_with_the_finding(figure: Figure) -> None:
    assert charts.alt_text(figure).startswith(title(figure))


def test_no_text_is_smaller_than_ten_points(figure: Figure) -> None:
    assert min(text.get_fontsize() for text in drawn(figure)) >= 10


def test_title_states_the_finding() -> None:
    assert title(charts.verdicts(BEFORE, AFTER)) == "36 people stale before, 0 after; n = 300"


def test_title_of_one_series() -> None:
    assert title(charts.verdicts({"stale": 1, "in_sync": 4})) == "1 person stale; n = 5"


def test_title_says_if_the_population_changed() -> None:
    assert (
        title(charts.verdicts({"stale": 2}, {"in_sync": 3}))
        == "2 people stale before, 0 after; n = 2 before, 3 after"
    )


def test_every_count_is_written_at_its_bar() -> None:
    axes = charts.verdicts(BEFORE, AFTER).axes[0]
    shown = ["in_sync", "stale", "missing_in_ad", "no_photo", "uncertain", "unknown"]
    expected = [f"{counts.get(name, 0)}" for counts in (BEFORE, AFTER) for name in shown]
    assert [text.get_text() for text in axes.texts] == expected


def test_bars_are_as_long_as_their_counts() -> None:
    axes = charts.verdicts(BEFORE, AFTER).axes[0]
    assert [bar.get_width() for bar in axes.patches[:6]] == [214, 36, 12, 30, 7, 1]


def test_verdicts_keep_the_order_of_the_vocabulary() -> None:
    figure = charts.verdicts(dict(reversed(BEFORE.items())))
    labels = [label.get_text().split("\n")[0] for label in figure.axes[0].get_yticklabels()]
    assert labels == ["in_sync", "stale", "missing_in_ad", "no_photo", "uncertain", "unknown"]


def test_a_few_people_stay_visible_among_thousands() -> None:
    figure = charts.verdicts({"in_sync": 4960, "stale": 36, "uncertain": 4})
    longest = max(bar.get_width() for bar in figure.axes[1].patches)
    assert (len(figure.axes), longest / figure.axes[1].get_xlim()[1]) == (2, 1)


def test_scales_begin_at_zero_and_are_straight() -> None:
    figure = charts.verdicts({"in_sync": 4960, "stale": 36}, {"in_sync": 4996})
    assert {(axes.get_xlim()[0], axes.get_xscale()) for axes in figure.axes} == {(0, "linear")}


def test_before_and_after_differ_by_more_than_colour() -> None:
    bars = charts.verdicts(BEFORE, AFTER).axes[0].patches
    assert bars[0].get_hatch() != bars[6].get_hatch()


def test_agreement_counts_those_compared() -> None:
    people = pd.DataFrame(
        {
            "verdict": ["in_sync", "stale", "stale", "no_photo"],
            "distance": [2, 90, 104, None],
            "correlation": [0.999, 0.1, 0.3, None],
        }
    )
    figure = charts.agreement(people)
    assert title(figure) == "3 photos compared: 1 agree, 2 differ, 0 undecided"
    assert {"in_sync (1)", "stale (2)", "same picture", "different", "uncertain"} <= set(texts(figure))


def test_equal_photos_can_be_drawn() -> None:
    photo = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(photo, "JPEG")
    found = compare(photo.getvalue(), photo.getvalue())
    people = pd.DataFrame(
        {"verdict": ["in_sync"], "distance": [found.distance], "correlation": [found.correlation]}
    )
    figure = charts.agreement(people)
    assert figure.axes[0].collections[0].get_offsets().tolist() == [[0.0, 5e-4]]


def test_departments_are_ranked_by_their_share() -> None:
    people = pd.DataFrame(
        {
            "department": ["Sales"] * 4 + ["IT"] * 2 + [None, "HR"],
            "verdict": ["stale", "stale", "stale", "in_sync", "stale", "in_sync", "stale", "in_sync"],
        }
    )
    figure = charts.departments(people)
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert labels == ["1 of 1 (100 %)", "3 of 4 (75 %)", "1 of 2 (50 %)"]
    assert title(figure) == "Stale photos in 3 of 4 departments; n = 8"


def test_departments_left_out_are_counted() -> None:
    people = pd.DataFrame({"department": [f"D{number}" for number in range(12)], "verdict": "stale"})
    assert (
        title(charts.departments(people, top=5))
        == "Stale photos in 12 of 12 departments, the 5 highest shares; n = 12"
    )


def test_a_delete_stops_the_export() -> None:
    figure = charts.exports({"expected_updates": 36, "re_encoded_only": 2, "deletes": 1})
    assert title(figure) == "36 expected photo updates, 2 re-encoded only; stopped by 1 other"


def test_nothing_stops_the_export() -> None:
    figure = charts.exports({"expected_updates": 36, "re_encoded_only": 0, "deletes": 0})
    assert title(figure) == "36 expected photo updates, 0 re-encoded only; nothing else is pending"


def test_timeline_counts_runs_and_gates() -> None:
    steps = runs(2, 60).assign(status=["seen", "success"])
    assert title(charts.timeline(steps)) == "1 run and 1 gate in 2 min: 1 succeeded"


def test_an_unfinished_run_is_shown_as_such() -> None:
    steps = runs(2, 60).assign(ended=[START, pd.NaT], status=["seen", "in-progress"])
    assert "not ended" in charts.alt_text(charts.timeline(steps))


def test_saved_figures_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = (
        charts.save(charts.verdicts(BEFORE, AFTER), tmp_path / name) for name in ("a.png", "b.png")
    )
    assert first.read_bytes() == second.read_bytes()


def test_saved_figures_have_twice_the_pixels_and_their_alternative_text(tmp_path: Path) -> None:
    figure = charts.verdicts(BEFORE, AFTER)
    path = charts.save(figure, tmp_path / "figures" / "verdicts.png")
    with Image.open(path) as image:
        assert image.size == tuple(round(side * 2) for side in figure.bbox.size)
    assert path.with_suffix(".txt").read_text(encoding="utf-8").strip() == charts.alt_text(figure)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("a file", encoding="utf-8")
    with pytest.raises(OutputError, match=r"verdicts\.png' cannot be written"):
        charts.save(charts.verdicts(BEFORE), tmp_path / "figures" / "verdicts.png")


def test_charts_say_that_they_show_no_people() -> None:
    assert (shows_people(png(charts.verdicts(BEFORE))), shows_people(png(Chart(personal=True)))) == (
        False,
        True,
    )


def test_charts_show_themselves_in_a_notebook() -> None:
    data, metadata = charts.verdicts(BEFORE)._repr_png_()
    assert (data[:4], metadata["width"], metadata["alt"][:15]) == (b"\x89PNG", 920, "36 people stale")


def test_a_chart_that_has_changed_is_rendered_anew():
    figure = charts.verdicts({"in_sync": 3, "stale": 1})
    before = png(figure)
    assert png(figure) is before
    figure.axes[0].set_xlabel("persons")
    assert png(figure) != before
