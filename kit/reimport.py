"""What came back of the exports: their errors, what the confirming import found, what a canary shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element

import pandas as pd
from defusedxml.ElementTree import fromstring

from kit.errors import RunError
from kit.holograms import ConnectorSpaceObject
from kit.mim import SynchronizationService
from kit.progress import Progress, quiet
from kit.runs import parse_run_details

NOT_REIMPORTED = "exported-change-not-reimported"
"""An import found another value than was exported (Microsoft Learn ms694676)."""
PICTURE = "Picture"
"""The SharePoint agent's attribute for the photo."""
_NAMED = 10
"""People whom a sentence names."""

Facts = dict[str, Any]


def of_exports(details: Sequence[str]) -> Facts:
    """Count what exports wrote.

    Parameters
    ----------
    details : sequence of str
        RunDetails XML of each export.

    Returns
    -------
    dict
        ``exported`` and ``failed`` (numbers), ``errors`` (by MIM's error type) and ``detail``.

    Raises
    ------
    RunError
        Something else than updates was exported.
    """
    counters = pd.concat([parse_run_details(xml) for xml in details]).select_dtypes("number").sum()
    written = {kind: int(counters[f"export_{kind}"]) for kind in ("add", "update", "rename", "delete")}
    written["delete"] += int(counters["export_delete_add"])
    if others := {kind: number for kind, number in written.items() if number and kind != "update"}:
        what = f"the export wrote more than updates: {others}"
        cause = "pending exports have changed between their check and the export"
        raise RunError(what, cause, "restore with 90_restore_photos, and the objects from a backup")
    errors = Counter(kind for xml in details for kind, _ in _errors(xml, "export-error"))
    told = ", ".join(f"{number:,} {kind}" for kind, number in errors.items())
    return {
        "exported": written["update"],
        "failed": sum(errors.values()),
        "errors": dict(errors),
        "detail": f"{written['update']:,} updates written, {told or 'no errors'}",
    }


def of_imports(
    service: SynchronizationService,
    agent: str,
    details: Sequence[str],
    accounts: Sequence[str],
    *,
    progress: Progress = quiet,
) -> Facts:
    """Say which exports a confirming import has not confirmed.

    Parameters
    ----------
    service : SynchronizationService
    agent : str
        Name of the directory agent.
    details : sequence of str
        RunDetails XML of its imports since the export.
    accounts : sequence of str
        Everybody whose photo was to be exported.
    progress : Progress

    Returns
    -------
    dict
        ``unconfirmed`` (accounts), ``not_reimported`` (distinguished names) and ``detail``.

    Raises
    ------
    RunError
        Additions or deletes wait to be exported: nobody has asked for them.
    """
    waiting = service.counters(agent)
    if waiting["NumExportAdd"] or waiting["NumExportDelete"]:
        what = f"{waiting['NumExportAdd']} additions, {waiting['NumExportDelete']} deletes wait on '{agent}'"
        next_step = "export nothing more; look at them in miisclient"
        raise RunError(what, "a rule makes or drops accounts", next_step)
    back = [dn for xml in details for kind, dn in _errors(xml, "import-error") if kind == NOT_REIMPORTED]
    unconfirmed = [
        account
        for account in progress(accounts, "unconfirmed exports", len(accounts))
        if any(
            one.agent.casefold() == agent.casefold() and one.unconfirmed_export
            for one in service.connector_space_objects(account=account)
        )
    ]
    told = (
        f"{len(accounts) - len(unconfirmed):,} of {len(accounts):,} exports confirmed",
        f"{len(back):,} came back otherwise{_names(back)}",
        f"{waiting['NumExportUpdate']:,} updates wait again",
    )
    return {"unconfirmed": unconfirmed, "not_reimported": back, "detail": "; ".join(told)}


def of_canary(details: str, objects: Sequence[ConnectorSpaceObject], account: str) -> Facts:
    """Say whether a full import saw that a picture was replaced.

    Parameters
    ----------
    details : str
        RunDetails XML of the agent's last run, a full import.
    objects : sequence of ConnectorSpaceObject
        The canary's, of the SharePoint agent.
    account : str
        Whose picture was replaced.

    Returns
    -------
    dict
        ``staged`` (objects that the import found changed) and ``detail``.

    Raises
    ------
    RunError
        The picture waits nowhere: full imports are still blind.
    """
    staged = int(parse_run_details(details)["stage_update"].sum())
    seen = any(one.pending_import.get(PICTURE) not in {None, one.hologram.get(PICTURE)} for one in objects)
    if not (staged and seen):
        what = f"the full import staged {staged} changed objects, the picture of {account} is not among them"
        cause = "the picture was not replaced before it, or full imports still do not see replaced pictures"
        next_step = "replace the picture, run a full import of the agent, then run this notebook again"
        raise RunError(what, cause, next_step)
    return {"staged": staged, "detail": f"{staged:,} objects staged as changed, {account} among them"}


def _errors(xml: str, tag: str) -> Iterator[tuple[str, str]]:
    """Yield error type and distinguished name of each error in a run's details."""
    root: Element = fromstring(xml)
    for error in root.iter(tag):
        yield error.findtext("error-type", "").strip(), error.get("dn", "")


def _names(found: Iterable[str]) -> str:
    names = list(found)
    return f" ({', '.join(names[:_NAMED])})" if names else ""
