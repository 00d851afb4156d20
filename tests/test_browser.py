import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from kit import browser, gallery
from kit.browser import Browser
from kit.figure import Chart
from kit.pair import Pair, Trail
from kit.transcript import transcribe

TESTS = Path(__file__).parent
JUPYTERLAB = "JPY_SESSION_NAME"


def person(label: str, verdict: str = "stale", cause: str = "") -> Pair:
    trail = Trail(cause=cause, certainty="confirmed")
    return Pair(label, verdict, None, None, None, None, "SharePoint now", "AD now", trail=trail)


CROWD = [
    person("Ann Lee", "uncertain"),
    person("Bo Öz", cause="throttled"),
    person("Cy Lee", cause="throttled"),
    person("Di", cause="not_joined"),
    person("Ed", "missing_in_ad", "not_joined"),
]


@pytest.fixture
def shown() -> Browser:
    return Browser(CROWD, "Photos", 2)


def labels(shown: Browser) -> list[str]:
    return [pair.label for pair in shown.shown]


def test_the_first_page_is_shown(shown: Browser) -> None:
    assert (labels(shown), shown.place.value) == (["Ann Lee", "Bo Öz"], "1 to 2 of 5")
    assert (shown.previous.disabled, shown.next.disabled) == (True, False)


def test_pages_go_on_to_the_last(shown: Browser) -> None:
    shown.next.click()
    shown.next.click()
    assert (labels(shown), shown.place.value) == (["Ed"], "5 to 5 of 5")
    assert (shown.previous.disabled, shown.next.disabled) == (False, True)


def test_pages_go_back(shown: Browser) -> None:
    shown.next.click()
    shown.previous.click()
    assert labels(shown) == ["Ann Lee", "Bo Öz"]


def test_only_one_verdict_is_shown(shown: Browser) -> None:
    shown.verdict.value = "missing_in_ad"
    assert [pair.label for pair in shown.chosen] == ["Ed"]


def test_only_one_cause_is_shown(shown: Browser) -> None:
    shown.cause.value = "not_joined"
    assert [pair.label for pair in shown.chosen] == ["Di", "Ed"]


def test_people_without_a_cause_can_be_asked_for(shown: Browser) -> None:
    shown.cause.value = "no cause known"
    assert [pair.label for pair in shown.chosen] == ["Ann Lee"]


@pytest.mark.parametrize(("part", "found"), [(" lee", ["Ann Lee", "Cy Lee"]), ("öZ", ["Bo Öz"]), ("zz", [])])
def test_names_are_found_by_a_part_in_any_case(shown: Browser, part: str, found: list[str]) -> None:
    shown.name.value = part
    assert [pair.label for pair in shown.chosen] == found


def test_filters_count_together_and_begin_at_the_first_page(shown: Browser) -> None:
    shown.next.click()
    shown.verdict.value = "stale"
    shown.cause.value = "throttled"
    shown.name.value = "lee"
    assert (labels(shown), shown.place.value) == (["Cy Lee"], "1 to 1 of 1")


def test_nobody_found_is_said(shown: Browser) -> None:
    shown.name.value = "nobody of this name"
    assert shown.place.value == "nobody"
    assert shown.figure.get_suptitle() == "Photos, nobody"


def test_what_can_be_chosen_is_counted(shown: Browser) -> None:
    assert shown.verdict.options == (
        ("all (5)", ""),
        ("stale (3)", "stale"),
        ("uncertain (1)", "uncertain"),
        ("missing in ad (1)", "missing_in_ad"),
    )


def test_larger_sizes_show_larger_photos(shown: Browser) -> None:
    widths = []
    for size in browser.SIZES:
        shown.size.value = size
        figure = shown.figure
        figure.draw_without_rendering()
        widths.append(figure.axes[0].get_window_extent().width)
    assert widths == sorted(set(widths))


def test_a_page_is_a_sheet_that_says_where_it_is(shown: Browser) -> None:
    shown.next.click()
    assert shown.figure.get_suptitle() == "Photos, 3 to 4 of 5"


def test_somebody_in_jupyterlab_can_browse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(JUPYTERLAB, "notebook.ipynb")
    assert isinstance(gallery.show(CROWD, "Photos"), Browser)


def test_where_nobody_watches_there_is_a_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(JUPYTERLAB, raising=False)
    assert isinstance(gallery.show(CROWD, "Photos"), Chart)


@pytest.mark.parametrize(("people", "at_most"), [([], 12), (CROWD, 0)])
def test_where_nobody_is_to_be_shown_there_is_a_sheet(
    monkeypatch: pytest.MonkeyPatch, people: list[Pair], at_most: int
) -> None:
    monkeypatch.setenv(JUPYTERLAB, "notebook.ipynb")
    assert isinstance(gallery.show(people, "Photos", at_most), Chart)


def test_without_ipywidgets_there_is_a_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(JUPYTERLAB, "notebook.ipynb")
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert isinstance(gallery.show(CROWD, "Photos"), Chart)


def run_notebook(folder: Path) -> Path:
    """Browse in a real kernel that believes to be JupyterLab's, and save the notebook with its widgets."""
    cells = [
        "from drawings import pairs\nfrom kit import gallery\nshown = gallery.show(pairs(5), 'Photos', 2)",
        "shown",
        "shown.next.click()\nshown.verdict.value = 'stale'\nshown.name.value = 'Ann'",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.cells[1].metadata["tags"] = ["photos"]
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    client = NotebookClient(notebook, kernel_name="python3", store_widget_state=True)
    client.execute(env=os.environ | {JUPYTERLAB: "notebook.ipynb", "PYTHONPATH": paths})
    path = folder / "browsed.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="module")
def browsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_notebook(tmp_path_factory.mktemp("browsed"))


def test_the_sheet_in_the_notebook_follows_the_controls(browsed: Path) -> None:
    _, sheet = nbformat.read(browsed, 4).cells[1].outputs
    assert sheet.metadata["image/png"]["alt"].startswith("Photos, 1 to 2 of 2. Ann Lee: stale")


def test_a_saved_notebook_holds_no_photo_beside_the_sheet(browsed: Path) -> None:
    notebook = nbformat.read(browsed, 4)
    controls, _ = notebook.cells[1].outputs
    assert list(controls.data) == ["application/vnd.jupyter.widget-view+json"]
    widgets = json.dumps(notebook.metadata["widgets"])
    assert "Verdict" in widgets
    assert not any(word in widgets for word in ("iVBOR", "base64", "Müller", "Image", "HTML"))


def test_a_writeup_without_faces_leaves_the_browser_out(browsed: Path) -> None:
    found = transcribe(browsed, lambda text: text, faces=False)
    assert (found.left_out, "<img" in found.html, "Dropdown" in found.html) == (1, False, False)


def test_a_writeup_with_faces_shows_the_sheet(browsed: Path) -> None:
    found = transcribe(browsed, lambda text: text, faces=True)
    assert (found.left_out, found.html.count("<img")) == (0, 1)
