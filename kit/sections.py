"""The parts of the writeup as plain rows: what each table, chart and photo card says."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kit.evidence import Evidence
from kit.figure import shows_people
from kit.gallery import BLOCKS, Pair, thumbnail
from kit.redaction import Redactor

ROWS_AT_MOST = 20
"""People in the table of those affected."""
CHART_ORDER = ("verdicts", "departments", "agreement", "exports", "timeline")
"""Charts in the order they are shown; any others follow."""
CARDS_AT_MOST = 12
"""People whose photos are shown."""


@dataclass(frozen=True)
class Audience:
    """What the reader may see.

    Parameters
    ----------
    redactor : Redactor
        Applied to every text; one without names changes nothing.
    names : Mapping[str, str]
        What each ``person`` is called.
    faces : bool
        Whether photos are shown as they are.
    """

    redactor: Redactor
    names: Mapping[str, str]
    faces: bool

    def text(self, value: object) -> str:
        """Return a single value as text the reader may see; nothing for null."""
        return "" if pd.isna(value) else self.redactor.text(str(value))  # type: ignore[call-overload]  # any scalar


@dataclass(frozen=True)
class Card:
    """One person's photos, ready for the page: caption, data URI and description of each."""

    pair: Pair
    photos: tuple[tuple[str, str, str], ...]


def affected(found: Evidence) -> pd.DataFrame:
    """People who were stale before the fix or are after it, with both verdicts, the still stale first.

    Returns
    -------
    DataFrame
        ``person``, ``department``, ``before``, ``after``, ``distance`` and ``correlation`` (before the fix),
        and the photos' hashes ``sharepoint``, ``ad_before``, ``ad_after``; null where unknown.
    """
    columns = ["person", "department", "verdict", "distance", "correlation"]
    columns += ["sharepoint_sha256", "directory_sha256"]
    first, then = (people[columns].dropna(subset=["person"]) for people in (found.before, found.after))
    both = first.merge(then, on="person", how="outer", suffixes=("", "_after"))
    both = both[both["verdict"].eq("stale") | both["verdict_after"].eq("stale")]
    laid_out = pd.DataFrame(
        {
            "person": both["person"],
            "department": both["department"].fillna(both["department_after"]),
            "before": both["verdict"],
            "after": both["verdict_after"],
            "distance": both["distance"],
            "correlation": both["correlation"],
            "sharepoint": both["sharepoint_sha256_after"].fillna(both["sharepoint_sha256"]),
            "ad_before": both["directory_sha256"],
            "ad_after": both["directory_sha256_after"],
        }
    )
    order = laid_out["after"].ne("stale").rename("order")
    return laid_out.assign(order=order).sort_values(["order", "person"]).drop(columns="order")


def people_rows(people: pd.DataFrame, audience: Audience) -> list[dict[str, str]]:
    """Lay out the table of those affected, at most `ROWS_AT_MOST`."""
    return [
        {
            "name": audience.names.get(row["person"], row["person"]),
            "department": audience.text(row["department"]),
            "before": _verdict(row["before"]),
            "after": _verdict(row["after"]),
            "distance": f"{row['distance']:.0f}" if pd.notna(row["distance"]) else "",
            "correlation": f"{row['correlation']:.3f}" if pd.notna(row["correlation"]) else "",
        }
        for row in people.head(ROWS_AT_MOST).to_dict("records")
    ]


def cards(people: pd.DataFrame, found: Evidence, audience: Audience) -> list[Card]:
    """Put the photos of those affected side by side, at most `CARDS_AT_MOST`; not people without any."""
    shown = people.head(CARDS_AT_MOST)
    hashes = shown[["sharepoint", "ad_before", "ad_after"]].to_numpy(dtype=object).ravel()
    photos = found.photos({str(sha256) for sha256 in hashes if pd.notna(sha256)})
    pairs = (_pair(row, photos, audience, third=not found.after.empty) for row in shown.to_dict("records"))
    return [_card(pair, audience) for pair in pairs if any(photo for _, photo in pair.photos)]


def charts(found: Evidence, audience: Audience) -> tuple[list[dict[str, str]], int]:
    """Embed the case's figures; those that show people only where faces may be seen.

    Returns
    -------
    tuple
        ``alt`` and ``source`` (a data URI) of each figure, and the number left out.
    """
    shown = [picture for picture in found.pictures if audience.faces or not shows_people(picture.png)]
    shown.sort(key=lambda picture: CHART_ORDER.index(picture.name) if picture.name in CHART_ORDER else 99)
    rows = [{"alt": audience.text(picture.alt), "source": _data_uri(picture.png)} for picture in shown]
    return rows, len(found.pictures) - len(shown)


def flat(settings: Mapping[str, Any], audience: Audience, path: str = "") -> Iterator[tuple[str, str]]:
    """Flatten nested settings to names with dots and texts."""
    for key, value in settings.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from flat(value, audience, name)
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            yield audience.text(name), audience.text(text)


def unchecked(settings: Mapping[str, Any]) -> list[str]:
    """Name the systems whose certificates the case's settings left unchecked.

    Examples
    --------
    >>> unchecked({"directory": {"verify_tls": True}, "mim": {"verify_tls": False}, "case_id": "contoso"})
    ['mim']
    """
    sections = [(name, part) for name, part in settings.items() if isinstance(part, Mapping)]
    return [name for name, part in sections if part.get("verify_tls") is False]


def in_the_clear(settings: Mapping[str, Any]) -> list[str]:
    """Name the systems to which the case's settings let a password go over a connection without TLS.

    Examples
    --------
    >>> in_the_clear({"directory": {"clear_text": True}, "mim": {}})
    ['directory']
    """
    sections = [(name, part) for name, part in settings.items() if isinstance(part, Mapping)]
    return [name for name, part in sections if part.get("clear_text") is True]


def texts(rows: Sequence[Mapping[str, Any]], audience: Audience) -> list[dict[str, str]]:
    """Return rows with every value as text that the reader may see."""
    return [{str(name): audience.text(value) for name, value in row.items()} for row in rows]


def _verdict(value: object) -> str:
    """Return a verdict as it is: a word of the kit's, even if somebody's account has the same name."""
    return value if isinstance(value, str) else ""


def _pair(row: Mapping[Any, Any], photos: Mapping[str, bytes], audience: Audience, *, third: bool) -> Pair:
    verdict = " → ".join(str(row[when]) for when in ("before", "after") if pd.notna(row[when]))
    distance, correlation = (
        float(row[name]) if pd.notna(row[name]) else None for name in ("distance", "correlation")
    )
    sharepoint, before, after = (
        photos.get(str(row[name])) for name in ("sharepoint", "ad_before", "ad_after")
    )
    return Pair(
        audience.names.get(row["person"], row["person"]),
        verdict,
        distance,
        correlation,
        sharepoint,
        before,
        "SharePoint now",
        "AD before",
        after,
        "AD after" if third else "",
    )


def _card(pair: Pair, audience: Audience) -> Card:
    shown = []
    for caption, photo in pair.photos:
        small = thumbnail(photo, 96, blocks=0 if audience.faces else BLOCKS)
        words = f"{pair.label}, {caption}" if small else ("unreadable" if photo else "no photo")
        shown.append((caption, _data_uri(small) if small else "", words))
    return Card(pair, tuple(shown))


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
