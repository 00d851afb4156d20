"""The writeup of a small case folder made by hand."""

import base64
import html
import io
import json
import re
import stat
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat import v4
from PIL import Image

from kit import charts, gallery, remedy, writeup
from kit.errors import CaseError, OutputError, SafetyError
from kit.photos import PhotoStore
from kit.sections import CHART_PLACES

GUID = "11111111-2222-3333-4444-55555555550"
PEOPLE = [
    # person, account, display name, department, verdict before, verdict after
    (f"{GUID}1", "ann", "Ann Lee", "Sales", "stale", "in_sync"),
    (f"{GUID}2", "p.obrien", "Pat O'Brien", "Sales", "stale", "in_sync"),
    (f"{GUID}3", "bjorn", "Björn Åkesson", "Research & Design", "stale", "in_sync"),
    (f"{GUID}4", "mallory", "<img src=x onerror=alert(1)>", "IT", "stale", "in_sync"),
    (f"{GUID}5", "may", "May", "IT", "in_sync", "in_sync"),
    (f"{GUID}6", "tanaka", "田中 花子", "IT", "no_photo", "no_photo"),
    (f"{GUID}7", "carla", "Carla Díaz", "HR", "in_sync", "in_sync"),
]
IDENTIFIERS = [
    "Ann Lee",
    "p.obrien",
    "O'Brien",
    "Björn",
    "Åkesson",
    "mallory",
    "田中",
    "Carla",
    "contoso\\ann",
]
IDENTIFIERS.append(f"{GUID}1")
SETTINGS = {
    "directory": {"url": "ldaps://dc01.contoso.example:636", "username": "contoso\\svc-kit"},
    "sharepoint": {"url": "https://people.contoso.example"},
}


def portrait(colour: tuple[int, int, int], size: int = 96) -> bytes:
    image = Image.new("RGB", (size, size), colour)
    image.paste((255 - colour[0], 40, 90), (size // 3, size // 4, 2 * size // 3, size))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def frame(people: list[tuple[str, ...]], when: str, folder: Path) -> dict[str, int]:
    rows = []
    (folder / when).mkdir(parents=True)
    with PhotoStore(folder / when / "photos.sqlite") as store:
        for number, (person, account, display_name, department, *verdicts) in enumerate(people):
            verdict = verdicts[when == "after"]
            new, old = portrait((number * 20 % 255, 120, 60)), portrait((60, number * 20 % 255, 160))
            rows.append(
                {
                    "person": person,
                    "account": f"contoso\\{account}",
                    "display_name": display_name,
                    "user_principal_name": f"{account}@contoso.example",
                    "distinguished_name": f"CN={display_name},OU=Staff,DC=contoso,DC=example",
                    "department": department,
                    "verdict": verdict,
                    "distance": None if verdict == "no_photo" else 104 if verdict == "stale" else 6,
                    "correlation": None if verdict == "no_photo" else 0.31 if verdict == "stale" else 0.999,
                    "directory_sha256": store.put(old if verdict == "stale" else new),
                    "sharepoint_sha256": store.put(new),
                    "error_kind": None,
                    "error": None,
                }
            )
    people_frame = pd.DataFrame(rows)
    people_frame.to_parquet(folder / when / "people.parquet")
    return {str(name): int(number) for name, number in people_frame["verdict"].value_counts().items()}


def notebook(folder: Path, *cells: nbformat.NotebookNode, name: str = "20_compare_photos") -> None:
    (folder / "notebooks").mkdir(exist_ok=True)
    nbformat.write(v4.new_notebook(cells=list(cells)), folder / "notebooks" / f"{name}.ipynb")


def code(*outputs: nbformat.NotebookNode, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    return v4.new_code_cell("secret_code()", outputs=list(outputs), metadata={"tags": list(tags)})


def shown(**data: str) -> nbformat.NotebookNode:
    return v4.new_output("display_data", data={kind.replace("_", "/", 1): data[kind] for kind in data})


PLAN = [
    {"step": 1, "kind": "gate", "agent": "", "profile": "", "expected": "connector space deleted"},
    {"step": 2, "kind": "run", "agent": "SharePoint MA", "profile": "Full Import", "expected": "7 adds"},
    {"step": 3, "kind": "run", "agent": "AD MA", "profile": "Export", "expected": "4 updates"},
    {"step": 4, "kind": "verify", "agent": "", "profile": "", "expected": "nobody stale"},
]
JOURNAL = [
    {"time": "2026-11-22T14:00:00+00:00", "step": 1, "event": "gate", "gate": "delete connector space"},
    {"time": "2026-11-22T14:01:00+00:00", "step": 2, "event": "intent"},
    {"time": "2026-11-22T14:01:42+00:00", "step": 2, "event": "outcome", "status": "success", "adds": 7},
    {"time": "2026-11-22T14:02:00+00:00", "step": 3, "event": "intent"},
    {"time": "2026-11-22T14:02:05+00:00", "step": 3, "event": "outcome", "people": ["contoso\\ann"]},
]
MANIFEST = {
    "schema_version": 1,
    "case_id": "demo-1",
    "status": "applied",
    "title": "New photos do not reach Outlook",
    "versions": {"kit": "0.1.0", "Python": "3.11.2"},
    "settings": SETTINGS,
    "plan": PLAN,
    "times": {"started": "2026-11-22T13:59:00+00:00", "ended": "2026-11-22T14:03:00+00:00"},
    "checks": [{"check": "people in sync kept their bytes", "result": "ok", "detail": "2 of 2"}],
    "findings": [
        {
            "severity": "warn",
            "finding": "provisioning is on",
            "consequence": "objects may be made",
            "remedy": "switch it off",
        }
    ],
    "files": {},
}


def build_case(folder: Path, people: list[tuple[str, ...]] = PEOPLE) -> Path:
    counts = {when: frame(people, when, folder) for when in ("before", "after")}
    (folder / "case.json").write_text(json.dumps(MANIFEST | {"counts": counts}), encoding="utf-8")
    lines = "".join(f"{json.dumps(event)}\n" for event in JOURNAL)
    (folder / "journal.jsonl").write_text(lines, encoding="utf-8")
    charts.save(charts.verdicts(counts["before"], counts["after"]), folder / "figures" / "verdicts.png")
    table = pd.DataFrame(people, columns=["person", "account", "name", "department", "before", "after"])
    address = "https://people.contoso.example/contoso_bjorn_MThumb.jpg"
    notebook(
        folder,
        v4.new_markdown_cell("# Compare photos\nAnnual report: you may ask **Ann Lee** or Pat O'Brien."),
        code(v4.new_output("stream", text=f"contoso\\bjorn: {address}\n")),
        code(shown(text_html=table.to_html())),
    )
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_case(tmp_path_factory.mktemp("outputs") / "demo-1")


@pytest.fixture(scope="module")
def page(built: Path) -> str:
    return writeup.write(built).path.read_text(encoding="utf-8")


def test_headline_is_computed_from_the_counts(page: str) -> None:
    assert "4 people were stale before the fix, nobody is now." in page


def test_counts_stand_in_the_table(page: str) -> None:
    row = re.search(r'<tr class="stale">.*?</tr>', page)
    assert row is not None
    assert re.findall(r'number">([^<]+)<', row[0]) == ["4", "0", "\u22124"]


def test_no_identifier_is_left(page: str) -> None:
    text = html.unescape(page)
    assert [name for name in IDENTIFIERS if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)] == []


def test_servers_are_named_by_their_role(page: str) -> None:
    assert ("contoso.example" in page, "sharepoint-server" in page) == (False, True)


def test_words_that_are_somebodys_account_stay_in_the_prose(page: str) -> None:
    assert "Annual report: you may ask" in page


def test_pseudonyms_are_stable(built: Path, page: str) -> None:
    again = writeup.write(built).path.read_text(encoding="utf-8")
    found = [set(re.findall(r"person-[0-9a-f]{6}", text)) for text in (page, again)]
    assert found[0] == found[1]


def test_pseudonyms_differ_between_cases(page: str, tmp_path: Path) -> None:
    other = writeup.write(build_case(tmp_path / "other")).path.read_text(encoding="utf-8")
    assert set(re.findall(r"person-[0-9a-f]{6}", page)).isdisjoint(re.findall(r"person-[0-9a-f]{6}", other))


def test_only_the_owner_can_read_the_key(built: Path, page: str) -> None:  # noqa: ARG001  # page: it was written
    assert stat.S_IMODE((built / ".redaction-key").stat().st_mode) == 0o600


def test_page_loads_and_runs_nothing(page: str) -> None:
    sources = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'>]{0,12})""", page)
    assert {source.startswith("data:image") for source in sources} == {True}
    assert "<script" not in page.lower()
    assert "url(" not in page


def test_hostile_names_are_text(built: Path) -> None:
    page = writeup.write(built, redact=False).path.read_text(encoding="utf-8")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert [tag for tag in BeautifulSoup(page, "html.parser")("img") if "onerror" in tag.attrs] == []


def test_code_of_the_notebooks_is_not_shown(page: str) -> None:
    assert "secret_code" not in page


def test_every_photo_of_those_affected_is_pixelated(page: str) -> None:
    cards = re.findall(r"<article>.*?</article>", page, re.DOTALL)
    pictures = [base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", "".join(cards))]
    few = [len(Image.open(io.BytesIO(data)).getcolors(9216) or ()) <= gallery.BLOCKS**2 for data in pictures]
    assert few == [True] * 12


def test_redaction_is_counted(built: Path) -> None:
    redacted = writeup.write(built).redacted
    assert redacted["people under pseudonyms"] == len(PEOPLE)
    assert redacted["photos pixelated"] == 12
    assert redacted["mentions of servers and accounts replaced"] == 4


def test_unredacted_goes_to_its_own_file(built: Path) -> None:
    written = writeup.write(built, redact=False)
    assert (written.path.name, dict(written.redacted)) == ("writeup-unredacted.html", {})
    assert "Björn Åkesson" in written.path.read_text(encoding="utf-8")


def test_table_of_those_affected_is_capped(tmp_path: Path) -> None:
    crowd = [(f"{n:032x}", f"user{n:03d}", f"User Nr{n:03d}", "IT", "stale", "in_sync") for n in range(36)]
    page = writeup.write(build_case(tmp_path / "crowd", crowd)).path.read_text(encoding="utf-8")
    assert "20 of 36 people affected" in page
    assert "showing 12 of 36" in page


def test_every_missing_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text("{}", encoding="utf-8")
    page = writeup.write(tmp_path).path.read_text(encoding="utf-8")
    absent = ("snapshot of the people before", "snapshot of the people after", "journal", "charts")
    for part in (*absent, "executed notebooks"):
        assert f" no {part}" in page
    assert "Not known yet" in page


def test_a_torn_journal_line_is_named(tmp_path: Path) -> None:
    folder = build_case(tmp_path / "case")
    with (folder / "journal.jsonl").open("a", encoding="utf-8") as journal:
        journal.write('{"time": "2026-11')
    assert "Line 6 of the journal is torn" in writeup.write(folder).path.read_text(encoding="utf-8")


def test_snapshots_of_an_older_kit_lack_columns(tmp_path: Path) -> None:
    folder = build_case(tmp_path / "case")
    for when in ("before", "after"):
        path = folder / when / "people.parquet"
        pd.read_parquet(path)[["account", "verdict"]].to_parquet(path)
    assert "4 of 4 people affected" in writeup.write(folder).path.read_text(encoding="utf-8")


def test_damaged_parts_are_named(tmp_path: Path) -> None:
    folder = build_case(tmp_path / "case")
    (folder / "after" / "people.parquet").write_bytes(b"half a file")
    (folder / "notebooks" / "30_broken.ipynb").write_text("{", encoding="utf-8")
    (folder / "before" / "photos.sqlite").write_bytes(b"no database, but long enough to be looked at" * 9)
    page = writeup.write(folder).path.read_text(encoding="utf-8")
    assert "The snapshot of the people after the fix cannot be read." in page
    assert "The photos before the fix cannot be read." in page
    assert "notebook &#39;30_broken.ipynb&#39; cannot be read" in page


@pytest.mark.parametrize("content", [None, "not json", "[]"])
def test_other_folders_are_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "case.json").write_text(content, encoding="utf-8")
    with pytest.raises(CaseError, match="is not a case folder"):
        writeup.write(tmp_path)


def test_a_leak_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    folder = build_case(tmp_path / "case")
    (folder / "notebooks" / "20_compare_photos.ipynb").unlink()
    split = shown(text_html="<p>p.ob<b>rien</b></p>")  # no single text holds the name, the page shows it
    notebook(folder, code(split))
    with pytest.raises(SafetyError, match="still names person-"):
        writeup.write(folder)
    assert list(folder.glob("*writeup*")) + list(folder.glob(".writeup*")) == []


def test_a_failed_write_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build_case(tmp_path / "case")
    (folder / "writeup.html").write_text("old", encoding="utf-8")

    def refuse(_path: Path, _target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match=r"writeup\.html' cannot be written"):
        writeup.write(folder)
    assert [path.read_text(encoding="utf-8") for path in folder.glob("*writeup*")] == ["old"]
    assert list(folder.glob(".writeup*")) == []


def test_figures_that_show_people_are_left_out(tmp_path: Path) -> None:
    folder = build_case(tmp_path / "case")
    pair = gallery.Pair(
        "Ann Lee", "stale", 104, 0.31, portrait((1, 2, 3)), None, "SharePoint now", "AD before"
    )
    charts.save(gallery.sheet([pair], "Stale photos"), folder / "figures" / "photos.png")
    written = writeup.write(folder)
    assert written.redacted["pictures left out"] == 1
    assert written.path.read_text(encoding="utf-8").count('<figure class="chart">') == 1


def altered(folder: Path, **changes: object) -> str:
    case = build_case(folder)
    manifest = json.loads((case / "case.json").read_text())
    (case / "case.json").write_text(json.dumps({**manifest, **changes}))
    return writeup.write(case).path.read_text(encoding="utf-8")


def test_certificates_that_were_not_checked_are_told(tmp_path: Path) -> None:
    unchecked = {**SETTINGS, "sharepoint": {**SETTINGS["sharepoint"], "verify_tls": False}}
    page = altered(tmp_path, settings=unchecked)
    assert "TLS certificates of these systems were not checked" in page
    assert "<code>verify_tls: false</code>: sharepoint." in page


def test_a_password_sent_in_clear_is_told(tmp_path: Path) -> None:
    clear = {**SETTINGS, "directory": {**SETTINGS["directory"], "clear_text": True}}
    assert "<code>clear_text: true</code>: directory." in altered(tmp_path, settings=clear)


def test_checked_certificates_are_no_news(page: str) -> None:
    assert "not checked" not in page


def test_a_partial_measurement_concludes_nothing(tmp_path: Path) -> None:
    reason = "The photos were read until: host dc01.contoso.example died"
    page = altered(tmp_path, partial={"after": reason})
    assert "Not known yet" in page
    assert "The photos were read until: host" in page
    assert "dc01" not in page


def test_not_applied_yet(tmp_path: Path) -> None:
    folder = build_case(tmp_path / "case")
    manifest = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    del manifest["counts"]["after"]
    (folder / "case.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "after" / "people.parquet").unlink()
    (folder / "journal.jsonl").unlink()
    page = writeup.write(folder).path.read_text(encoding="utf-8")
    assert "Not applied yet" in page
    assert "4 people are stale, and nothing has been changed." in page


FINDING = {
    "cause": "no_picture_in_sharepoint",
    "people": 4,
    "certainty": "4 confirmed",
    "explanation": "The picture of contoso\\ann was not carried on.",
    "evidence": "p.obrien@contoso.example, other\\ann-2 and 3 more",
    "refuted_by": "a flow",
    "fix": "Ask Björn Åkesson for the flow.",
    "remedy_is_reset": False,
    "harmless": False,
}


def followed(folder: Path, **changes: object) -> Path:
    """Add to a case what following its people through MIM gave, and no fix; see `build_case`."""
    people = pd.read_parquet(folder / "before" / "people.parquet")
    with PhotoStore(folder / "before" / "photos.sqlite") as store:
        held = store.put(portrait((10, 200, 10)))
    trace = people[["person", "account"]].assign(
        sharepoint_connector_space="old",
        sharepoint_connector_space_sha256=held,
        stopped_at="metaverse",
        sharepoint_object="",
        sharepoint_object_account="other\\ann-2",
    )
    trace.loc[1:, ["sharepoint_connector_space", "sharepoint_connector_space_sha256"]] = ["absent", ""]
    trace.to_parquet(folder / "before" / "trace.parquet")
    causes = people[["person", "account", "verdict"]].assign(cause=FINDING["cause"], certainty="confirmed")
    causes.to_parquet(folder / "before" / "diagnosis.parquet")
    manifest = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    del manifest["counts"]["after"], manifest["plan"]
    told = {"findings": [FINDING | changes], "unexplained": 0, "conclusion": ""}
    refused = {"severity": "stop", "finding": remedy.REFUSED, "consequence": "", "remedy": ""}
    manifest |= {"diagnosis": {"before": told}, "findings": [refused, *MANIFEST["findings"]]}
    (folder / "case.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "after" / "people.parquet").unlink()
    (folder / "journal.jsonl").unlink()
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the page of a case whose cause is not the one that the reset mends."""
    folder = followed(build_case(tmp_path_factory.mktemp("outputs") / "demo-2"))
    return writeup.write(folder).path.read_text(encoding="utf-8")


def said(page: str, heading: str) -> str:
    """Return the words of one section."""
    sections = BeautifulSoup(page, "html.parser").find_all("section")
    (found,) = [section for section in sections if section.h2.get_text().startswith(heading)]
    return " ".join(found.get_text(" ").split())


def test_another_cause_is_the_first_thing_said(other: str) -> None:
    told = BeautifulSoup(other, "html.parser").find(class_="conclusion").get_text(" ")
    assert "Another cause" in told
    assert "No picture in SharePoint explains 4 people." in told
    assert "Next: Ask person-" in told


def test_the_story_of_the_reset_is_not_told_of_another_cause(other: str) -> None:
    told = said(other, "What was wrong")
    assert "an address that never changes" not in told
    assert "was not carried on" in told


def test_what_mends_the_other_cause_stands_where_the_fix_would(other: str) -> None:
    told = said(other, "The fix")
    assert "is not the remedy here" in told
    assert "no picture in SharePoint : Ask person-" in told


def test_why_says_how_many_the_causes_explain(other: str) -> None:
    told = said(other, "Why")
    assert "1 cause explains why the photos of 4 people have drifted; nobody is left unexplained." in told
    assert "<strong>confirmed</strong>" in other


@pytest.mark.parametrize("identifier", [*IDENTIFIERS, "other\\ann-2", "ann-2", "p.obrien@contoso.example"])
def test_no_identifier_is_left_of_what_a_diagnosis_saw(other: str, identifier: str) -> None:
    assert identifier not in html.unescape(other)


def test_the_connector_space_stands_between_the_two(other: str) -> None:
    cards = BeautifulSoup(other, "html.parser").find_all("article")
    captions = [caption.get_text() for caption in cards[0].find_all("figcaption")]
    assert captions == ["SharePoint now", "connector space", "AD now"]
    assert "stopped at metaverse: no picture in SharePoint (confirmed)" in cards[0].get_text()
    assert [card.find(class_="empty").get_text() for card in cards[1:]] == ["no object"] * 3


def test_a_damaged_trace_is_named_and_the_rest_is_told(tmp_path: Path) -> None:
    folder = followed(build_case(tmp_path / "case"))
    (folder / "before" / "trace.parquet").write_bytes(b"torn")
    page = writeup.write(folder).path.read_text(encoding="utf-8")
    assert "The trace before the fix cannot be read." in page
    assert len(BeautifulSoup(page, "html.parser").find_all("article")) == 4


def test_every_chart_stands_in_one_section(tmp_path: Path) -> None:
    folder = build_case(tmp_path / "case")
    for name in (*CHART_PLACES, "another"):
        charts.save(charts.verdicts({"stale": 1}), folder / "figures" / f"{name}.png")
    page = writeup.write(folder).path.read_text(encoding="utf-8")
    headings = [
        figure.find_parent("section").h2.get_text()
        for figure in BeautifulSoup(page, "html.parser").find_all("figure", class_="chart")
    ]
    assert len(headings) == len(CHART_PLACES) + 1
    assert headings.count("More charts") == 5
