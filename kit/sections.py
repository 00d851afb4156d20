"""The parts of the writeup as plain rows: what each table, chart and photo card says."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kit.cause import spoken
from kit.evidence import Evidence
from kit.figure import shows_people
from kit.gallery import BLOCKS, Pair, Trail, thumbnail
from kit.redaction import Redactor

ROWS_AT_MOST = 20
"""People in the table of those affected."""
CHART_PLACES = {
    "causes": "why",
    "funnel": "why",
    "history": "why",
    "verdicts": "counts",
    "pending-exports": "fix",
    "timeline": "fix",
    "ages": "more",
    "departments": "more",
    "organizational-units": "more",
    "agreement": "more",
}
"""Which part of the writeup shows which chart, in order; any others follow at the end."""
AFFECTED = ("stale", "missing_in_ad", "uncertain")
"""Verdicts of people whose photo in Active Directory is not, or may not be, SharePoint's."""
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
    """People whose verdict was one of `AFFECTED` before the fix or is after it, the still stale first.

    Returns
    -------
    DataFrame
        ``person``, ``department``, ``before``, ``after`` (the verdicts), ``distance`` and ``correlation``
        (before the fix), the photos' hashes ``sharepoint``, ``connector_space``, ``ad_before``, ``ad_after``,
        and ``state``, ``stopped_at``, ``cause`` and ``certainty`` as of before the fix; null where unknown.
    """
    columns = ["person", "department", "verdict", "distance", "correlation"]
    columns += ["sharepoint_sha256", "directory_sha256"]
    hop = "sharepoint_connector_space"
    trail = [hop, f"{hop}_sha256", "stopped_at", "cause", "certainty"]
    first, then = (people.dropna(subset=["person"]) for people in (found.before, found.after))
    both = first[columns + trail].merge(then[columns], on="person", how="outer", suffixes=("", "_after"))
    both = both[both["verdict"].isin(AFFECTED) | both["verdict_after"].isin(AFFECTED)]
    laid_out = pd.DataFrame(
        {
            "person": both["person"],
            "department": both["department"].fillna(both["department_after"]),
            "before": both["verdict"],
            "after": both["verdict_after"],
            "distance": both["distance"],
            "correlation": both["correlation"],
            "sharepoint": both["sharepoint_sha256_after"].fillna(both["sharepoint_sha256"]),
            "connector_space": both[f"{hop}_sha256"],
            "ad_before": both["directory_sha256"],
            "ad_after": both["directory_sha256_after"],
            "state": both[hop],
            **{name: both[name] for name in ("stopped_at", "cause", "certainty")},
        }
    )
    still = laid_out["after"].ne("stale")
    kind = laid_out["before"].map({name: place for place, name in enumerate(AFFECTED)})
    ordered = laid_out.assign(still=still, kind=kind).sort_values(["still", "kind", "person"])
    return ordered.drop(columns=["still", "kind"])


def causes(found: Evidence, audience: Audience) -> list[dict[str, Any]]:
    """Lay out what was found out about the causes, before the fix and after it.

    Returns
    -------
    list of dict
        For each phase that was looked into: ``heading`` (empty for the first), ``sentence``, the ``rows`` of
        causes, and those that are ``harmless``.
    """
    told = found.section("diagnosis")
    headings = {"before": "", "after": "What is left after the fix"}
    return [
        _phase(heading, told[phase], audience)
        for phase, heading in headings.items()
        if isinstance(told.get(phase), Mapping)
    ]


def _phase(heading: str, told: Mapping[str, Any], audience: Audience) -> dict[str, Any]:
    findings = [row for row in told.get("findings", []) if isinstance(row, Mapping)]
    rows, harmless = (
        [_cause(row, audience) for row in findings if bool(row.get("harmless")) == told_apart]
        for told_apart in (False, True)
    )
    people, unexplained = sum(row["people"] for row in rows), int(told.get("unexplained", 0))
    by = f"{len(rows)} cause{'' if len(rows) == 1 else 's'} explain{'s' if len(rows) == 1 else ''}"
    why = f"{by} why {_whose(people)} drifted; " if people else ""
    left = f"{_whose(unexplained)} drifted for a reason that no rule knows" if unexplained else ""
    nobody = "nobody is left unexplained" if people else "nobody's photo has drifted"
    sentence = f"{why}{left or nobody}."
    return {
        "heading": heading,
        "sentence": sentence[0].upper() + sentence[1:],
        "rows": rows,
        "harmless": harmless,
    }


def _whose(people: int) -> str:
    return "the photo of 1 person has" if people == 1 else f"the photos of {people:,} people have"


def reset_helps(found: Evidence) -> bool:
    """Whether the story of the overlooked photo is this case's: it is, where nothing else was found out."""
    before = found.section("diagnosis").get("before")
    if not isinstance(before, Mapping):
        return True
    return any(row.get("remedy_is_reset") for row in before.get("findings", []))


def _cause(row: Mapping[str, Any], audience: Audience) -> dict[str, Any]:
    """Return one cause as it is shown; its name, how sure it is and what refutes it are the kit's words."""
    words = {name: str(row.get(name, "")) for name in ("certainty", "refuted_by")}
    people = int(row.get("people", 0))
    return {
        "name": spoken(str(row.get("cause", ""))),
        "people": people,
        "certainty": words["certainty"].removeprefix(f"{people:,} "),
        "refuted_by": words["refuted_by"],
        **{name: audience.text(row.get(name, "")) for name in ("explanation", "evidence", "fix")},
    }


def people_rows(people: pd.DataFrame, audience: Audience) -> list[dict[str, str]]:
    """Lay out the table of those affected, at most `ROWS_AT_MOST`."""
    return [
        {
            "name": audience.names.get(row["person"], row["person"]),
            "department": audience.text(row["department"]),
            "before": _verdict(row["before"]),
            "after": _verdict(row["after"]),
            "cause": spoken(_verdict(row["cause"])),
            "distance": f"{row['distance']:.0f}" if pd.notna(row["distance"]) else "",
            "correlation": f"{row['correlation']:.3f}" if pd.notna(row["correlation"]) else "",
        }
        for row in people.head(ROWS_AT_MOST).to_dict("records")
    ]


def cards(people: pd.DataFrame, found: Evidence, audience: Audience) -> list[Card]:
    """Put the photos of those affected side by side, at most `CARDS_AT_MOST`; not people without any."""
    shown = people.head(CARDS_AT_MOST)
    hashes = shown[["sharepoint", "connector_space", "ad_before", "ad_after"]].to_numpy(dtype=object).ravel()
    photos = found.photos({str(sha256) for sha256 in hashes if pd.notna(sha256)})
    pairs = (_pair(row, photos, audience, third=not found.after.empty) for row in shown.to_dict("records"))
    return [_card(pair, audience) for pair in pairs if any(photo for _, photo in pair.photos)]


def charts(found: Evidence, audience: Audience) -> tuple[list[dict[str, str]], int]:
    """Embed the case's figures; those that show people only where faces may be seen.

    Returns
    -------
    tuple
        ``place`` (see `CHART_PLACES`), ``alt`` and ``source`` (a data URI) of each figure, and the number
        left out.
    """
    shown = [picture for picture in found.pictures if audience.faces or not shows_people(picture.png)]
    order = list(CHART_PLACES)
    shown.sort(key=lambda picture: order.index(picture.name) if picture.name in order else len(order))
    rows = [
        {
            "place": CHART_PLACES.get(picture.name, "more"),
            "alt": audience.text(picture.alt),
            "source": _data_uri(picture.png),
        }
        for picture in shown
    ]
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
    """Return a verdict or a cause as it is: the kit's word, even if somebody's account has the same name."""
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
        "AD before" if third else "AD now",
        after,
        "AD after" if third else "",
        trail=_trail(row, photos),
    )


def _trail(row: Mapping[Any, Any], photos: Mapping[str, bytes]) -> Trail:
    words = (
        "" if pd.isna(row[name]) else row[name] for name in ("state", "stopped_at", "cause", "certainty")
    )
    return Trail(photos.get(str(row["connector_space"])), *words)


def _card(pair: Pair, audience: Audience) -> Card:
    shown = []
    for (caption, photo), missing in zip(pair.photos, pair.missing, strict=True):
        small = thumbnail(photo, 96, blocks=0 if audience.faces else BLOCKS)
        words = f"{pair.label}, {caption}" if small else ("unreadable" if photo else missing)
        shown.append((caption, _data_uri(small) if small else "", words))
    return Card(pair, tuple(shown))


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
