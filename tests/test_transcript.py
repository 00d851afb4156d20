import base64
import io
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from PIL import Image

from kit import charts
from kit.errors import OutputError
from kit.figure import png
from kit.transcript import LEFT_OUT, sanitise, transcribe

FACE = io.BytesIO()
Image.new("RGB", (4, 4), "red").save(FACE, "PNG")
PICTURE = base64.b64encode(FACE.getvalue()).decode()
CHART = base64.b64encode(png(charts.exports({"expected_updates": 1}))).decode()


Node = nbformat.NotebookNode


def written(folder: Path, *outputs: Node, prose: str = "# Title", tags: tuple[str, ...] = ()) -> Path:
    code = v4.new_code_cell("code()", outputs=list(outputs), metadata={"tags": list(tags)})
    path = folder / "10_inventory.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell(prose), code]), path)
    return path


def shown(**data: str) -> Node:
    return v4.new_output("display_data", data={kind.replace("_", "/", 1): data[kind] for kind in data})


def test_results_are_kept_and_code_is_not(tmp_path: Path) -> None:
    found = transcribe(
        written(tmp_path, shown(text_html="<table><tr><td>42</td></tr></table>")), str, faces=True
    )
    assert ("<td>42</td>" in found.html, "code()" in found.html, found.title) == (True, False, "Title")


def test_widgets_and_scripts_are_dropped(tmp_path: Path) -> None:
    widget = v4.new_output(
        "display_data", data={"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    )
    script = v4.new_output("display_data", data={"application/javascript": "alert(1)"})
    styled = shown(text_html="<style>td {color: red}</style><script>alert(1)</script><p>kept</p>")
    found = transcribe(written(tmp_path, widget, script, styled), str, faces=True)
    assert [
        word for word in ("model_id", "alert", "color: red", "<script", "<style") if word in found.html
    ] == []
    assert "<p>kept</p>" in found.html


def test_texts_are_cleaned_before_they_are_rendered(tmp_path: Path) -> None:
    outputs = [
        v4.new_output("stream", text="Ann streamed"),
        v4.new_output("error", ename="ValueError", evalue="Ann", traceback=["Ann failed"]),
        shown(text_html="<b>Ann</b>", text_plain="Ann"),
    ]
    path = written(tmp_path, *outputs, prose="# Ann's notebook")
    found = transcribe(path, lambda text: text.replace("Ann", "person-1"), faces=True)
    assert ("Ann" in found.html, found.title) == (False, "person-1's notebook")


def test_only_pictures_that_show_counts_stay_when_redacted(tmp_path: Path) -> None:
    found = transcribe(written(tmp_path, shown(image_png=PICTURE), shown(image_png=CHART)), str, faces=False)
    assert (found.html.count("<img"), found.html.count(LEFT_OUT), found.left_out) == (1, 1, 1)


def test_cells_tagged_photos_lose_every_picture(tmp_path: Path) -> None:
    found = transcribe(written(tmp_path, shown(image_png=CHART), tags=("photos",)), str, faces=False)
    assert ("<img" in found.html, found.left_out) == (False, 1)


def test_pictures_within_html_and_prose_are_left_out(tmp_path: Path) -> None:
    inline = shown(text_html=f'<p><img src="data:image/png;base64,{PICTURE}"></p>')
    found = transcribe(
        written(tmp_path, inline, prose="![Ann](https://corp.example/ann.png)"), str, faces=False
    )
    assert ("<img src" in found.html, found.html.count(LEFT_OUT)) == (False, 1)


@pytest.mark.parametrize(
    "hostile",
    [
        '<img src="https://a.example/x.png">',
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)">x</a>',
        '<a href="https://a.example">x</a>',
        '<svg><use href="//a.example#x"></use></svg>',
        '<iframe src="//a.example"></iframe>',
        '<p style="background: url(//a.example)">x</p>',
        '<link rel="stylesheet" href="//a.example"><meta http-equiv="refresh" content="0;//a.example">',
        '<img src="data:image/svg+xml;base64,AAAA">',
        "<math><mtext><script>alert(1)</script></mtext></math>",
    ],
)
def test_nothing_that_acts_survives(hostile: str) -> None:
    clean = sanitise(hostile)
    assert [word for word in ("a.example", "alert", "src=", "href", "style") if word in clean] == []


def test_a_broken_notebook_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "10_inventory.ipynb"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(OutputError, match=r"'10_inventory\.ipynb' cannot be read"):
        transcribe(path, str, faces=True)
