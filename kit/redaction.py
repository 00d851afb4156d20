"""Names replaced in texts, however they are written, and a scan for whatever slipped through."""

from __future__ import annotations

import html
import json
import re
import unicodedata
import urllib.parse
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

COMMON_WORDS = """
    a all an and any are as at be but by can do does end for from go had has have he her him his hope
    how if in into is it its just left let like made many mark may me more most must my new no not note
    of off old on one only open or other our out page part run see set she show so step still stop than
    that the their them then there these they this time to up us use was we were what when where which
    who why will with you your
"""
"""Words that texts about a case are written with; as a name they count only where they stand alone."""
SHORTEST_NUMBER = 5
"""Names of digits alone that are shorter cannot be told from counts."""

# CJK scripts write no spaces between words, so only letters below them can continue a word.
_LETTER = r"[^\W_\u2e80-\U0010ffff]"
_START = re.compile(
    rf"(?<!{_LETTER})|(?<=%[0-9A-Fa-f]{{2}})|(?<=\\[nrt])|(?<=\\u[0-9A-Fa-f]{{4}})|(?<=\\x[0-9A-Fa-f]{{2}})"
)
_LETTERS_MEET = re.compile(_LETTER * 2)
_ALONE = (
    re.compile(r"(?<=>)[^<>]{1,120}(?=<)"),
    re.compile(r"(?<=')[^'\n]{1,120}(?=')"),
    re.compile(r"(?<=\")[^\"\n]{1,120}(?=\")"),
)
_PICTURE = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=\s]*")
_TAG = re.compile(r"<[^>]*>")


class Redactor:
    r"""Replaces what names a person or a server, however it is written, and finds what was left.

    A name is matched without regard to case, on word boundaries, longest first, plain as well as escaped for
    HTML, URLs, JSON and Python. A name that is a common word, or one of the writeup's own (an
    account called ``may``), is replaced only as the whole of a table cell or a quoted value: elsewhere it
    cannot be told from the word.

    Parameters
    ----------
    names : Mapping[str, str]
        Identifier to replacement, wherever it stands.
    parts : Mapping[str, str]
        Identifier to replacement, only where it stands alone.
    own_text : str
        The words of the writeup that come from no data.

    Examples
    --------
    >>> Redactor({"Ann": "person-1", "contoso\\ann": "person-1"}).text("Ann, annual, CONTOSO%5Cann")
    'person-1, annual, person-1'
    """

    def __init__(
        self, names: Mapping[str, str], parts: Mapping[str, str] | None = None, own_text: str = ""
    ) -> None:
        self.mentions: Counter[str] = Counter()
        own_text = re.sub(r"\s", " ", f"{own_text} {COMMON_WORDS}")
        words = set(re.findall(r"\w+", own_text.lower()))
        self._parts = {_plain(part).lower(): name for part, name in (parts or {}).items()}
        self._parts = {part: name for part, name in self._parts.items() if part not in words}
        self._names: dict[str, str] = {}
        self._lengths: dict[str, list[int]] = {}
        self._take(names)
        own = {own_text[start:end].lower() for start, end, _ in self._found(own_text)}
        self._parts |= {name: self._names[name] for name in own}
        self._take({name: given for name, given in names.items() if _plain(name).lower() not in own})

    def text(self, text: str) -> str:
        """Return the text with every name replaced; `mentions` counts them by replacement."""
        text = _plain(text)
        pieces, last = [], 0
        for start, end, name in self._found(text):
            pieces += [text[last:start], name]
            last = end
            self.mentions[name] += 1
        text = "".join([*pieces, text[last:]])
        if text.strip().lower() in self._parts:
            return self._part(text)
        for alone in _ALONE if self._parts else ():
            text = alone.sub(lambda match: self._part(match[0]), text)
        return text

    def left(self, page: str) -> list[str]:
        """Name the replacements whose originals are still in a finished page, in any reading of it."""
        page = _PICTURE.sub("", page)
        shown = html.unescape(_TAG.sub("", page))
        readings = (page, html.unescape(page), shown, urllib.parse.unquote(html.unescape(page)))
        return sorted({name for reading in readings for _, _, name in self._found(_plain(reading))})

    def _part(self, text: str) -> str:
        name = self._parts.get(html.unescape(text).strip().lower())
        if name is None:
            return text
        self.mentions[name] += 1
        return name

    def _take(self, names: Mapping[str, str]) -> None:
        self._names = {
            form.lower(): name
            for identifier, name in names.items()
            if len(identifier) > 1 and not (identifier.isdigit() and len(identifier) < SHORTEST_NUMBER)
            for form in _forms(_plain(identifier))
        }
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for form in self._names:
            lengths[form[:2]].add(len(form))
        self._lengths = {start: sorted(found, reverse=True) for start, found in lengths.items()}

    def _found(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Start, end and replacement of every name in the text, longest first, never overlapping."""
        flat = re.sub(r"\s", " ", text)
        last = 0
        for match in _START.finditer(flat):
            start = match.start()
            if start < last:
                continue
            for length in self._lengths.get(flat[start : start + 2].lower(), ()):
                end = start + length
                name = self._names.get(flat[start:end].lower())
                if name is not None and not _LETTERS_MEET.match(flat, end - 1):
                    yield start, end, name
                    last = end
                    break


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _forms(identifier: str) -> set[str]:
    """Every way an identifier is written in HTML, URLs, JSON and Python text."""
    escaped = html.escape(identifier)
    return {
        identifier,
        escaped,
        html.escape(identifier, quote=False),
        escaped.replace("&#x27;", "&#39;"),
        escaped.encode("ascii", "xmlcharrefreplace").decode(),
        urllib.parse.quote(identifier),
        urllib.parse.quote(identifier, safe=""),
        urllib.parse.quote_plus(identifier),
        json.dumps(identifier)[1:-1],
        repr(identifier)[1:-1],
    }
