"""One offline HTML file that tells a case from the first symptom to the proof, with people redacted."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from kit import behaviour, causes, chronicle, evidence, identifiers, remedy, sections
from kit.conclusion import LABELS, Conclusion, conclude, count_rows
from kit.errors import OutputError, SafetyError
from kit.evidence import Evidence
from kit.redaction import Redactor
from kit.schema import VERDICTS
from kit.sections import Audience
from kit.transcript import Transcript, transcribe

TEMPLATES = Path(__file__).parent / "templates"
KEY_FILE = ".redaction-key"
KEY_BYTES = 32


@dataclass(frozen=True)
class Writeup:
    """A written writeup: its file, and how many of what was redacted (empty if nothing was)."""

    path: Path
    redacted: Mapping[str, int]


def write(case_folder: Path, *, redact: bool = True) -> Writeup:
    """Write the writeup of a case into its folder.

    Whatever the folder lacks, the writeup says so. With ``redact``, people become stable pseudonyms, servers
    their roles, photos blocks of colour; the finished page is scanned for every known identifier, and nothing
    is written if one is left.

    Parameters
    ----------
    case_folder : Path
        ``outputs/<case_id>``.
    redact : bool
        False writes ``writeup-unredacted.html`` with names and photos.

    Returns
    -------
    Writeup

    Raises
    ------
    CaseError
        The folder is no case folder.
    SafetyError
        A known identifier is left in the finished page.
    OutputError
        The file, or the key of the pseudonyms, cannot be written.
    """
    found = evidence.read(Path(case_folder))
    audience = _redacted(found) if redact else _unredacted(found)
    context = _context(found, audience)
    redacted = context["redacted"] = _tally(context, audience) if redact else {}
    page = _environment().get_template("writeup.html.j2").render(context)
    if redact:
        _refuse_leaks(page, audience.redactor)
    path = found.folder / ("writeup.html" if redact else "writeup-unredacted.html")
    _replace(path, page)
    return Writeup(path, redacted)


def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(TEMPLATES)
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _redacted(found: Evidence) -> Audience:
    people = pd.concat([found.before, found.after], ignore_index=True).dropna(subset=["person"])
    names = identifiers.pseudonyms(people["person"], _key(found.folder))
    full, parts = identifiers.identifiers(people, names)
    servers = {**found.section("settings"), **found.section("servers")}
    replaced = identifiers.servers(servers) | full
    return Audience(Redactor(replaced, parts, _own_text()), names, faces=False)


def _unredacted(found: Evidence) -> Audience:
    people = pd.concat([found.after, found.before], ignore_index=True).dropna(subset=["person"])
    shown = people["display_name"].fillna(people["account"]).fillna(people["person"])
    return Audience(Redactor({}), dict(zip(people["person"], shown, strict=True)), faces=True)


def _own_text() -> str:
    """Every word of the page that comes from no data: names that are such words are left alone in prose."""
    template = (TEMPLATES / "writeup.html.j2").read_text(encoding="utf-8")
    told = [
        text for one in causes.ALL for text in (one.name, one.symptom, one.cause, one.refuted_by, one.fix)
    ]
    words = [template, *VERDICTS, *VERDICTS.values(), *LABELS.values(), *told]
    return "\n".join(words)


def _context(found: Evidence, audience: Audience) -> dict[str, Any]:
    before, after = found.counts("before"), found.counts("after")
    checks = found.rows("checks")
    told, reset_helps = sections.causes(found, audience), sections.reset_helps(found)
    refused = any(row.get("finding") == remedy.REFUSED for row in found.rows("findings"))
    hazards = [row for row in found.rows("findings") if not refused or row.get("severity") != "note"]
    people = sections.affected(found)
    pictures, left_out = sections.charts(found, audience)
    notebooks, missing = _notebooks(found, audience)
    times = found.section("times")
    return {
        "title": audience.text(found.manifest.get("title") or "Profile photos that drifted apart"),
        "case_id": audience.text(found.manifest.get("case_id") or found.folder.name),
        "conclusion": _conclusion(found, audience),
        "begun": bool(found.journal),
        "before": before,
        "after": after,
        "count_rows": count_rows(before, after),
        "causes": told,
        "leading": told[0]["rows"][0] if told and told[0]["rows"] and not reset_helps else None,
        "behaviour": behaviour.rows(found.rows("experiment")),
        "reset_helps": reset_helps,
        "findings": sections.texts(hazards, audience),
        "refused": refused,
        "checks": sections.texts(checks, audience),
        "steps": sections.texts(chronicle.steps(found.rows("plan"), found.journal), audience),
        "affected": sections.people_rows(people, audience),
        "affected_total": len(people),
        "cards": sections.cards(people, found, audience),
        "charts": pictures,
        "notebooks": notebooks,
        "pictures_left_out": left_out + sum(notebook.left_out for notebook in notebooks),
        "versions": list(sections.flat(found.section("versions"), audience)),
        "settings": list(sections.flat(found.section("settings"), audience)),
        "unchecked": sections.unchecked(found.section("settings")),
        "in_the_clear": sections.in_the_clear(found.section("settings")),
        "started": chronicle.clock(times.get("started")),
        "ended": chronicle.clock(times.get("ended")),
        "missing": [*found.missing, *missing],
        "faces": audience.faces,
        "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "safe": Markup,  # only for notebooks, which the transcript has sanitised
    }


def _conclusion(found: Evidence, audience: Audience) -> Conclusion:
    """Judge the case; what was found out about its farm is told in words that the reader may see."""
    diagnosed = found.section("diagnosis").get("before")
    result = conclude(
        found.counts("before"),
        found.counts("after"),
        found.rows("checks"),
        started=bool(found.journal),
        partial=[reason for reason in found.section("partial").values() if reason],
        diagnosed=diagnosed if isinstance(diagnosed, Mapping) else None,
    )
    return replace(result, reasons=tuple(audience.text(reason) for reason in result.reasons))


def _notebooks(found: Evidence, audience: Audience) -> tuple[list[Transcript], list[str]]:
    notebooks, missing = [], []
    for path in found.notebooks:
        try:
            notebooks.append(transcribe(path, audience.redactor.text, faces=audience.faces))
        except OutputError as error:
            missing.append(audience.text(error))
    return notebooks, missing


def _tally(context: Mapping[str, Any], audience: Audience) -> dict[str, int]:
    mentions = audience.redactor.mentions
    return {
        "people under pseudonyms": len(audience.names),
        "mentions of people replaced": sum(n for name, n in mentions.items() if name.startswith("person-")),
        "mentions of servers and accounts replaced": sum(
            n for name, n in mentions.items() if not name.startswith("person-")
        ),
        "photos pixelated": sum(1 for card in context["cards"] for _, source, _ in card.photos if source),
        "pictures left out": context["pictures_left_out"],
    }


def _refuse_leaks(page: str, redactor: Redactor) -> None:
    left = redactor.left(page)
    if left:
        what = f"the writeup still names {', '.join(left[:5])}{' and others' if len(left) > 5 else ''}"
        cause = "an identifier stands in a form that the redaction did not recognise"
        raise SafetyError(what, cause, "nothing was written; look for it in the notebooks and the journal")


def _key(folder: Path) -> bytes:
    """Read the case's key for pseudonyms, making it the first time; only its owner can read it."""
    path = folder / KEY_FILE
    try:
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
        key = path.read_bytes()
    except OSError as error:
        raise _unwritable(path, error) from error
    if len(key) != KEY_BYTES:
        what, cause = f"'{path}' is no key for pseudonyms", f"it has {len(key)} bytes, not {KEY_BYTES}"
        raise OutputError(what, cause, "delete it; people will get new pseudonyms")
    return key


def _replace(path: Path, page: str) -> None:
    """Write the page beside its place and move it there, so that nobody ever sees half of it."""
    half = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        half.write_text(page, encoding="utf-8")
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    what, cause = f"'{path}' cannot be written", error.strerror or type(error).__name__
    return OutputError(what, cause, "check the folder, its rights and free space")
