"""Whether a case's three systems can be used as they must be, one check after another."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from kit.case import Case
from kit.errors import KitError
from kit.probes import Finding, Probe, Result, System
from kit.systems import of

logger = logging.getLogger(__name__)

MOST_FAILED = 100
"""The highest exit code for failed checks; shells give those above 125 other meanings."""


@dataclass(frozen=True)
class Check:
    """One line of an examination.

    Parameters
    ----------
    system : str
        ``active_directory``, ``sharepoint`` or ``mim``.
    name : str
        What was checked, unique in its system.
    result : str
        ``ok``, ``warning``, ``failed``, or ``skipped``: not asked, or not to be known; ``detail`` says why.
    detail : str
        What was found; no secret is in it.
    fix : str
        What to do; empty where there is nothing to do.
    seconds : float
        How long it took.
    server : str
        Address of a further domain's controller; empty for the address that the system has in the case.

    Examples
    --------
    >>> print(Check("mim", "sign-in", "failed", "the account is locked", "have it unlocked", 0.2))
    failed   mim               sign-in        the account is locked; fix: have it unlocked
    """

    system: str
    name: str
    result: Result
    detail: str
    fix: str
    seconds: float
    server: str = ""

    def __str__(self) -> str:
        server = f"{self.server}: " if self.server else ""
        fix = f"; fix: {self.fix}" if self.fix else ""
        return f"{self.result:<8} {self.system:<17} {self.name:<14} {server}{self.detail}{fix}"


def examine(case: Case) -> Iterator[Check]:
    """Examine the systems of a case one after another; nothing is written anywhere.

    A check that rests on a failed one is skipped, not failed: it says nothing about itself.

    Parameters
    ----------
    case : Case

    Yields
    ------
    Check
        As soon as it is known.
    """
    for system in of(case):
        with system:
            yield from carry_out(system)


def document(case: Case, checks: Sequence[Check]) -> str:
    """Write an examination as one JSON document.

    Returns
    -------
    str
        An object with ``case_id``, ``examined_at`` (UTC), ``failed`` (how many did) and ``checks``, each with
        the fields of `Check`.
    """
    content = {
        "case_id": case.case_id,
        "examined_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "failed": sum(check.result == "failed" for check in checks),
        "checks": [asdict(check) for check in checks],
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def refusal(error: KitError) -> str:
    """Write why nothing could be examined as a JSON document.

    Returns
    -------
    str
        An object with ``error``: its ``kind``, ``what``, ``cause`` and ``next_step``, see `kit.errors`.
    """
    told = {
        "kind": error.kind,
        "what": error.what,
        "cause": error.cause,
        "next_step": error.next_step,
    }
    return json.dumps({"error": told}, indent=2, ensure_ascii=False)


def carry_out(system: System) -> Iterator[Check]:
    """Ask one system every question whose answer can mean anything."""
    causes: dict[str, str] = {}  # probes that came to nothing, and the failed one behind each
    for probe in system.probes():
        cause = next((causes[name] for name in probe.needs if name in causes), "")
        began = time.monotonic()
        finding = Finding(f"not asked, because '{cause}' failed", "skipped") if cause else _ask(probe)
        if cause or finding.result == "failed":
            causes[probe.name] = cause or probe.name
        logger.info("%s: %s: %s", system.name, probe.name, finding.result)
        seconds = round(time.monotonic() - began, 3)
        told = (finding.result, finding.detail, finding.fix)
        yield Check(system.name, probe.name, *told, seconds, system.server)


def _ask(probe: Probe) -> Finding:
    try:
        return probe.ask()
    except KitError as error:
        return Finding(f"{error.what}: {error.cause}", "failed", error.next_step)
    except Exception as error:  # whatever one question runs into, the others are still asked
        logger.info("%s came to an unexpected end", probe.name, exc_info=True)
        fix = "run the doctor with --verbose, and pass on what it says"
        return Finding(f"an unexpected error: {type(error).__name__}: {error}", "failed", fix)
