import html
import json
import time
import urllib.parse

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.identifiers import SHARED, identifiers, pseudonyms, servers
from kit.redaction import Redactor

GUID = "00112233-4455-6677-8899-aabbccddeeff"
NAMES = {
    "Ann": "person-1",
    "contoso\\ann": "person-1",
    "Pat O'Brien": "person-2",
    "Björn Åkesson": "person-3",
}


def people(*rows: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame([{"person": row["account"], **row} for row in rows])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann, annual, Anna, Joann", "person-1, annual, Anna, Joann"),
        ("ANN and ann", "person-1 and person-1"),
        ("CONTOSO\\Ann signed in", "person-1 signed in"),
        ('"contoso\\\\ann"', '"person-1"'),
        ("contoso%5Cann and contoso%5cann", "person-1 and person-1"),
        ("i%3A0%23.w%7Ccontoso%5Cann", "i%3A0%23.w%7Cperson-1"),
        ("/contoso_ann_MThumb.jpg", "/contoso_person-1_MThumb.jpg"),
        ("Pat O&#39;Brien, Pat O&#x27;Brien, Pat O'Brien", "person-2, person-2, person-2"),
        ("Bj\\u00f6rn \\u00c5kesson", "person-3"),
        ("Bj&#246;rn &#197;kesson", "person-3"),
        ("Bj%C3%B6rn%20%C3%85kesson or Bj%C3%B6rn+%C3%85kesson", "person-3 or person-3"),
        ("Bjo\u0308rn A\u030akesson", "person-3"),
        ("Björn\nÅkesson", "person-3"),
        ("'one\\nann'", "'one\\nperson-1'"),
    ],
)
def test_every_way_of_writing_a_name_is_replaced(text: str, expected: str) -> None:
    assert Redactor(NAMES).text(text) == expected


def test_the_longest_name_wins() -> None:
    redactor = Redactor({"ann": "person-1", "ann.lee@corp.example": "person-2"})
    assert redactor.text("ann.lee@corp.example") == "person-2"


def test_mentions_are_counted() -> None:
    redactor = Redactor(NAMES)
    redactor.text("Ann asked Ann and Pat O'Brien")
    assert redactor.mentions == {"person-1": 2, "person-2": 1}


def test_a_common_word_is_replaced_only_where_it_stands_alone() -> None:
    redactor = Redactor({"May": "person-1", "contoso\\may": "person-1"})
    text = "<td>May</td><p>You may ask contoso\\may, says 'may'</p>"
    assert redactor.text(text) == "<td>person-1</td><p>You may ask person-1, says 'person-1'</p>"


def test_the_pages_own_words_are_no_leak() -> None:
    assert (
        Redactor({"stale": "person-1"}, own_text="people who are stale").left("<p>2 people stale</p>") == []
    )


def test_parts_of_names_are_replaced_only_as_whole_cells() -> None:
    redactor = Redactor({"Ann Lee": "person-1"}, {"Ann": "person-1", "Lee": "person-1"})
    assert (
        redactor.text("<td>Lee</td><p>in the lee of a hill</p>")
        == "<td>person-1</td><p>in the lee of a hill</p>"
    )


def test_short_numbers_are_left_to_be_counts() -> None:
    assert (
        Redactor({"300": "person-1", "contoso\\300": "person-1"}).text("300 of contoso\\300")
        == "300 of person-1"
    )


def test_names_in_scripts_without_spaces_are_found() -> None:
    assert Redactor({"田中": "person-1"}).text("氏名田中さん") == "氏名person-1さん"


@pytest.mark.parametrize(
    "leak",
    [
        "<p>Ann</p>",
        "<p>A<b>nn</b></p>",
        "Pat O&apos;Brien",
        "<a title='contoso&#92;ann'>",
        "x=Pat%20O%27%42rien",
    ],
)
def test_the_scan_finds_what_the_replacement_missed(leak: str) -> None:
    assert len(Redactor(NAMES).left(f"<html>{leak}</html>")) == 1


def test_the_scan_does_not_read_pictures() -> None:
    assert Redactor(NAMES).left('<img src="data:image/png;base64,aaaa/ann+bbb=">') == []


@given(
    name=st.text(st.characters(categories=["L"], max_codepoint=0x24F), min_size=4, max_size=20),
    around=st.tuples(st.sampled_from(" (>'\"\n/_,"), st.sampled_from(" )<'\"\n/_,.")),
    form=st.sampled_from([str, html.escape, urllib.parse.quote, lambda text: json.dumps(text)[1:-1]]),
)
def test_nothing_replaced_is_found_again(name: str, around: tuple[str, str], form: object) -> None:
    redactor = Redactor({name: "person-000001"})
    text = redactor.text(f"{around[0]}{form(name)}{around[1]}")  # type: ignore[operator]
    assert redactor.left(text) == []


@given(st.text(), st.text(min_size=2))
def test_any_text_and_any_name_can_be_redacted(text: str, name: str) -> None:
    assert isinstance(Redactor({name: "person-1"}).text(text), str)


def test_every_identifier_of_a_person_is_known() -> None:
    row = {
        "person": GUID,
        "account": "contoso\\p.obrien",
        "user_principal_name": "pat@corp.example",
        "mail": "pat.obrien@corp.example",
        "display_name": "O'Brien, Pat",
        "distinguished_name": "CN=O'Brien\\, Pat,OU=Staff,DC=corp,DC=example",
    }
    full, parts = identifiers(people(row), {GUID: "person-1"})
    wanted = {*row.values(), "p.obrien", "pat", "pat.obrien", "O'Brien\\, Pat", "contoso_p.obrien"}
    wanted |= {"00112233445566778899aabbccddeeff", "33221100554477668899aabbccddeeff"}
    assert wanted <= set(full)
    assert set(parts) == {"O'Brien", "Pat"}


def test_a_name_that_two_people_bear_names_neither() -> None:
    frame = people(
        {"account": "c\\a1", "display_name": "Ann Lee"}, {"account": "c\\a2", "display_name": "Ann Lee"}
    )
    full, _ = identifiers(frame, {"c\\a1": "person-1", "c\\a2": "person-2"})
    assert (full["Ann Lee"], full["c\\a1"]) == (SHARED, "person-1")


def test_pseudonyms_are_unique_among_many_people() -> None:
    names = pseudonyms((f"user{number}" for number in range(20_000)), b"key")
    assert len(set(names.values())) == 20_000


def test_a_host_with_two_roles_is_just_a_server() -> None:
    found = servers({"mim": {"url": "http://farm.example:1"}, "sharepoint": {"url": "http://farm.example:2"}})
    assert (found["farm.example"], found["farm.example:1"]) == ("server", "mim-server")


def test_five_thousand_people_take_seconds() -> None:
    names = {f"first{number} last{number}": f"person-{number}" for number in range(5_000)}
    started = time.monotonic()
    redactor = Redactor(names)
    text = redactor.text("\n".join(f"<td>{name}</td><td>some words of a table</td>" for name in names))
    assert redactor.left(text) == []
    assert time.monotonic() - started < 20
