"""What waits to be exported to Active Directory, read before anything is, and judged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from kit import csexport, schema
from kit.errors import ExportError
from kit.holograms import ConnectorSpaceObject
from kit.mim import SynchronizationService
from kit.photos import fingerprint
from kit.progress import Progress, quiet

THUMBNAIL = "thumbnailPhoto"

SUMMARY = {
    "expected": "expected_updates",
    "re_encoded": "re_encoded_only",
    "unexpected_person": "unexpected_people",
    "unexpected_attribute": "unexpected_attributes",
    "unexpected_picture": "unexpected_pictures",
    "delete": "deletes",
}
"""Class of a pending export to the word it is counted under."""

ALLOWED = ("expected", "re_encoded")


def read(
    service: SynchronizationService,
    agent: str,
    people: pd.DataFrame,
    changes: pd.DataFrame,
    *,
    file: Path | None = None,
    progress: Progress = quiet,
) -> pd.DataFrame:
    """Read the pending exports of the directory agent, and class each one.

    Parameters
    ----------
    service : SynchronizationService
    agent : str
        Name of the directory agent.
    people : DataFrame
        Everybody, columns of `kit.schema.PEOPLE`.
    changes : DataFrame
        What is expected; see `kit.plan.changes`.
    file : Path or None
        What csexport wrote of the agent's pending exports, read in one go; None asks WMI person by person.
    progress : Progress

    Returns
    -------
    DataFrame
        Columns of `kit.schema.EXPORTS`, one row per pending export.
    """
    expected = changes.set_index("account")
    there = people[people["in_directory"]]
    if file is None:
        accounts = progress(there["account"], "pending exports", len(there))
        found = _one_by_one(service, agent, accounts)
    else:
        names = zip(there["distinguished_name"].str.casefold(), there["account"], strict=True)
        found = csexport.pending_exports(csexport.read_csexport(file), dict(names))
    rows = [_row(one.account or one.dn, one, expected) for one in found]
    return schema.conform(pd.DataFrame(rows), schema.EXPORTS)


def _one_by_one(
    service: SynchronizationService, agent: str, accounts: Iterable[str]
) -> Iterator[ConnectorSpaceObject]:
    """Ask WMI about every account in turn; it has no query for all pending exports (ms697741)."""
    for account in accounts:
        for one in service.connector_space_objects(account=account):
            if one.agent.casefold() == agent.casefold() and one.export_operation:
                yield replace(one, account=account)


def _row(account: str, pending: ConnectorSpaceObject, expected: pd.DataFrame) -> dict[str, Any]:
    exported = pending.export_changes
    photo = exported.get(THUMBNAIL)
    sha256 = hashlib.sha256(photo).hexdigest() if isinstance(photo, bytes) else ""
    return {
        "account": account,
        "class": _class(account, pending.export_operation, exported, expected),
        "operation": pending.export_operation,
        "attributes": ", ".join(sorted(exported)),
        "sha256": sha256,
    }


def _class(account: str, operation: str, exported: Mapping[str, Any], expected: pd.DataFrame) -> str:
    photo = exported.get(THUMBNAIL)
    if operation == "delete" or any(value is None for value in exported.values()):
        return "delete"
    if operation != "update" or set(exported) != {THUMBNAIL}:
        return "unexpected_attribute"
    if account not in expected.index:
        return "unexpected_person"
    if not isinstance(photo, bytes) or fingerprint(photo).kind != "image":
        return "unexpected_picture"
    if hashlib.sha256(photo).hexdigest() != expected.loc[account, "sha256"]:
        return "unexpected_picture"
    return str(expected.loc[account, "class"])


def summary(pending: pd.DataFrame) -> dict[str, int]:
    """Count pending exports by kind; every kind is named."""
    found = pending["class"].value_counts()
    return {name: int(found.get(kind, 0)) for kind, name in SUMMARY.items()}


def require_safe(pending: pd.DataFrame, counters: Mapping[str, int], limit: int) -> None:
    """Refuse the export unless it changes nothing but photos of expected people.

    Parameters
    ----------
    pending : DataFrame
        Of `read`.
    counters : Mapping[str, int]
        ``Num*`` counters of the directory agent: objects whose account the kit does not know show only there.
    limit : int
        Most photos that may change.

    Raises
    ------
    ExportError
        Any delete, unexpected attribute, person or picture; an addition; pending exports of people the kit
        does not know; more than the limit.
    """
    step = "export nothing; look at these objects in miisclient (Search Connector Space, Pending Export)"
    for kind in ("delete", "unexpected_attribute", "unexpected_person", "unexpected_picture"):
        found = pending[pending["class"] == kind]
        if len(found):
            first = found.iloc[0]
            who = f"{first['account']} ({first['attributes']})"
            what = f"{len(found)} pending exports are of kind {kind}, first {who}"
            raise ExportError(what, "they are not the photo updates that were planned", step)
    counted = {name: counters[f"NumExport{name}"] for name in ("Add", "Update", "Delete")}
    if counted != {"Add": 0, "Update": len(pending), "Delete": 0}:
        what = f"the agent counts {counted}, the people who are known account for {len(pending)} updates"
        raise ExportError(what, "objects that the inventory does not know would be exported too", step)
    if len(pending) > limit:
        what, cause = f"{len(pending)} photos would change", f"the limit is {limit}"
        raise ExportError(what, cause, "check the list, then raise export_limit_percent or export_limit")


def mark(service: SynchronizationService, agent: str) -> dict[str, Any]:
    """Note when what waits was read, so that `moved` can tell whether it still is the same.

    What waits changes with a synchronization or an export, and each of them is a numbered run.

    Parameters
    ----------
    service : SynchronizationService
    agent : str
        Name of the directory agent.

    Returns
    -------
    dict
        For the journal: ``agent``, the agents' last ``runs``, and the numbers that are ``waiting``.
    """
    names = [str(name) for name in service.agents()["name"]]
    counted = service.counters(agent)
    return {
        "agent": agent,
        "runs": {name: service.last_run(name).run_number for name in names},
        "waiting": {name: number for name, number in counted.items() if name.startswith("NumExport")},
    }


def moved(service: SynchronizationService, outcomes: Mapping[int, Mapping[str, Any]]) -> bool:
    """Whether anything may have changed what waits since it was last read.

    Parameters
    ----------
    service : SynchronizationService
    outcomes : Mapping[int, Mapping]
        The journal's, by number of the step.
    """
    marks = [outcomes[number]["mark"] for number in sorted(outcomes) if "mark" in outcomes[number]]
    return not marks or mark(service, marks[-1]["agent"]) != marks[-1]
