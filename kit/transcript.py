"""An executed notebook as a piece of safe HTML: prose and results, no code, nothing that runs or loads."""

from __future__ import annotations

import base64
import binascii
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bleach  # type: ignore[import-untyped]  # ships no types
import nbformat
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from kit.errors import OutputError
from kit.figure import shows_people

logger = logging.getLogger(__name__)

TEXTS = ("text/html", "text/markdown", "text/plain")
PICTURES = ("image/png", "image/jpeg")
_MARKDOWN_PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
LEFT_OUT = "[picture left out: it may show people]"
TAGS = frozenset(
    "a b blockquote br caption code dd del details div dl dt em figcaption figure h3 h4 h5 h6 hr i img ins"  # noqa: SIM905  # 43 lines
    " kbd li ol p pre s samp small span strong sub summary sup table tbody td tfoot th thead tr ul".split()
)
ATTRIBUTES = {"*": ["class", "title"], "td": ["colspan", "rowspan"], "th": ["colspan", "rowspan", "scope"]}


@dataclass(frozen=True)
class Transcript:
    """A notebook's title and contents, and the number of pictures that were left out."""

    title: str
    html: str
    left_out: int


def transcribe(path: Path, clean: Callable[[str], str], *, faces: bool) -> Transcript:
    """Render an executed notebook.

    Parameters
    ----------
    path : Path
        The notebook.
    clean : callable
        Applied to every text before it is rendered; the redaction.
    faces : bool
        False leaves out every picture that does not say that it shows only counts, and everything pictured in
        cells tagged ``photos``.

    Returns
    -------
    Transcript

    Raises
    ------
    OutputError
        The file cannot be read as a notebook.
    """
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]  # not annotated
    except (OSError, ValueError, nbformat.ValidationError) as error:
        what, cause = f"notebook '{path.name}' cannot be read", str(error).splitlines()[0]
        raise OutputError(what, cause, "run it again") from error
    left_out = sum(_prepare(cell, clean, faces=faces) for cell in notebook.cells)
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]  # not annotated
        template_name="basic", exclude_input=True, exclude_output_prompt=True, exclude_anchor_links=True
    )
    body, _ = exporter.from_notebook_node(notebook)
    return Transcript(_title(notebook, path), sanitise(body), left_out)


def sanitise(body: str) -> str:
    """Keep text, tables and embedded pictures; drop scripts, styles, links elsewhere and whatever else acts.

    Examples
    --------
    >>> sanitise('<p onclick="x()">Hello<script>x()</script> <img src="//a.example/b.png" alt="B"></p>')
    '<p>Hello <img alt="B"></p>'
    """
    soup = BeautifulSoup(body, "html.parser")
    for tag in soup(["script", "style", "iframe", "object", "embed", "svg", "template", "noscript", "title"]):
        tag.decompose()
    for tag in soup(["h1", "h2", "h3", "h4"]):
        tag.name = f"h{int(tag.name[1]) + 2}"  # the page around it has the first two levels
    return str(
        bleach.clean(
            str(soup), tags=TAGS, attributes=_allowed, protocols={"data"}, strip=True, strip_comments=True
        )
    )


def _allowed(tag: str, name: str, value: str) -> bool:
    if tag == "img":
        return name in {"alt", "width", "height"} or (
            name == "src" and value.startswith(("data:image/png;base64,", "data:image/jpeg;base64,"))
        )
    return name in ATTRIBUTES["*"] or name in ATTRIBUTES.get(tag, ())


def _prepare(cell: NotebookNode, clean: Callable[[str], str], *, faces: bool) -> int:
    """Redact one cell and drop what may not be shown; return the number of pictures left out."""
    left_out = 0 if faces else len(cell.pop("attachments", {}))
    cell.source = clean(cell.source) if cell.cell_type == "markdown" else ""
    tagged = "photos" in cell.metadata.get("tags", [])
    outputs = cell.get("outputs", [])
    for output in outputs:
        if output.output_type == "stream":
            output.text = clean(output.text)
        elif output.output_type == "error":
            output.ename, output.evalue = clean(output.ename), clean(output.evalue)
            output.traceback = [clean("\n".join(output.traceback))]
        else:
            left_out += _prepare_data(output, clean, faces=faces, tagged=tagged)
    if outputs:
        cell.outputs = [output for output in outputs if output.get("data", True)]
    return left_out


def _prepare_data(output: NotebookNode, clean: Callable[[str], str], *, faces: bool, tagged: bool) -> int:
    data = output.data
    for kind in [kind for kind in data if kind not in TEXTS + PICTURES]:
        del data[kind]
    left_out = 0 if faces else _drop_pictures(data, tagged=tagged)
    for kind in [kind for kind in TEXTS if kind in data]:
        data[kind] = clean(data[kind])
    for details in output.get("metadata", {}).values():
        if isinstance(details, dict) and "alt" in details:
            details["alt"] = clean(str(details["alt"]))
    return left_out


def _drop_pictures(data: NotebookNode, *, tagged: bool) -> int:
    left_out = 0
    for kind in [kind for kind in PICTURES if kind in data]:
        if tagged or shows_people(_decoded(data[kind])):
            del data[kind]
            data["text/plain"] = LEFT_OUT
            left_out += 1
    if "text/markdown" in data:
        data["text/markdown"], found = _MARKDOWN_PICTURE.subn(LEFT_OUT, data["text/markdown"])
        left_out += found
    for kind in [kind for kind in ("text/html", "text/markdown") if "<img" in data.get(kind, "").lower()]:
        soup = BeautifulSoup(data[kind], "html.parser")
        for picture in soup("img"):
            picture.replace_with(LEFT_OUT)
            left_out += 1
        data[kind] = str(soup)
    return left_out


def _decoded(picture: str) -> bytes:
    try:
        return base64.b64decode(picture)
    except (binascii.Error, ValueError):
        logger.warning("a picture in a notebook is not base64: it is left out")
        return b""


def _title(notebook: NotebookNode, path: Path) -> str:
    """Return the first heading, already redacted, else the file's name."""
    for cell in notebook.cells:
        for line in cell.source.splitlines():
            if line.startswith("# "):
                return str(line[2:].strip())
    return path.stem
