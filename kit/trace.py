"""The way of each photo from SharePoint to Active Directory, hop by hop, and where it stopped."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from kit import hops, milestones, schema
from kit.case import Case
from kit.configuration import Configuration
from kit.errors import KitError, SourceError
from kit.flow import PhotoFlow
from kit.holdings import Trail
from kit.hops import Comparisons
from kit.mim import SynchronizationService
from kit.progress import Progress, quiet
from kit.spaces import Spaces
from kit.store import PhotoStore

logger = logging.getLogger(__name__)

LIMIT = 500
"""How many people are looked up where each one costs queries of their own."""
_NEEDED = (
    *("person", "account", "profile_account", "distinguished_name", "in_directory", "in_sharepoint"),
    *("directory_sha256", "sharepoint_sha256", "error_kind", "partial"),
)
"""What is looked at of a person; the rest would take most of the memory."""


def follow(
    people: pd.DataFrame,
    service: SynchronizationService,
    store: PhotoStore,
    *,
    directory_agent: str,
    sharepoint_agent: str,
    configuration: Configuration | None = None,
    csexport_folder: Path | None = None,
    limit: int = LIMIT,
    progress: Progress = quiet,
    **recorded: Any,  # noqa: ANN401 - the options of kit.milestones.of
) -> pd.DataFrame:
    """Follow the photos of some people through every hop.

    Files of csexport are read where both agents' are whole and new, else WMI is asked. The metaverse is
    inferred: from the join, the configuration's flows, and what waits or has arrived behind it.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.PEOPLE`: those to follow.
    service : SynchronizationService
    store : PhotoStore
        With the pictures that SharePoint and the directory show; the connector spaces' are added.
    directory_agent, sharepoint_agent : str
        Names of the management agents.
    configuration, csexport_folder
        As far as there are any.
    limit : int
        Most people to ask WMI about: a sample, even over the verdicts and always the same.
    progress : Progress
    **recorded
        ``history``, ``steps``, ``run_profiles``, ``changes``, ``written`` of `kit.milestones.of`; a file of
        csexport older than the history's last run is not used.

    Returns
    -------
    DataFrame
        Columns of `kit.schema.TRACE`, on the index of ``people``. Whoever was not looked up, because of the
        limit or of a failure that is in the log, is not ``traced``.

    Raises
    ------
    SourceError
        The service cannot be read at all, or has no such agent.
    OutputError
        The store cannot be written.
    """
    spaces = Spaces(service, store, directory_agent, sharepoint_agent, progress)
    files = spaces.files(csexport_folder, recorded.get("history")) if csexport_folder else None
    trails, source = _trails(people, spaces, files, limit)
    flow, comparisons = _flow(configuration), Comparisons(store, people)
    rows = [
        _row(row, trails.get(row["person"]), source, comparisons, flow)
        for row in progress(_records(people), "hops", len(people))
    ]
    times = milestones.of(
        people, directory_agent=directory_agent, sharepoint_agent=sharepoint_agent, **recorded
    )
    return schema.conform(pd.DataFrame(rows, index=people.index).join(times), schema.TRACE)


def of_case(
    case: Case,
    people: pd.DataFrame,
    service: SynchronizationService,
    store: PhotoStore,
    **known: Any,  # noqa: ANN401 - the options of follow
) -> pd.DataFrame:
    """Follow the photos of everybody in a case who has one somewhere and is not in sync.

    Parameters
    ----------
    case : Case
        Whose names of agents and run profiles, and folder of csexport's files, are used.
    people : DataFrame
        Columns of `kit.schema.PEOPLE`, everybody.
    service : SynchronizationService
    store : PhotoStore
    **known
        The other options of `follow`.

    Returns
    -------
    DataFrame
        Columns of `kit.schema.TRACE`.
    """
    folder = case.mim.csexport_folder
    return follow(
        people[~people["verdict"].isin(["in_sync", "no_photo"])],
        service,
        store,
        directory_agent=case.mim.directory_agent,
        sharepoint_agent=case.mim.sharepoint_agent,
        run_profiles=case.mim.run_profiles,
        csexport_folder=None if folder is None else case.resolve(folder),
        **known,
    )


def counts(trace: pd.DataFrame) -> pd.Series[int]:
    """Count the people whose photo stopped at each hop.

    Returns
    -------
    Series of int64
        On the keys of `kit.schema.HOPS`, in order, zeros included.
    """
    return trace["stopped_at"].value_counts().reindex(list(schema.HOPS), fill_value=0)


def conclusion(trace: pd.DataFrame) -> str:
    """Say in one sentence where the photos stopped.

    Examples
    --------
    >>> stopped = {"traced": [True, True, False], "stopped_at": ["metaverse", "", "unknown"]}
    >>> conclusion(schema.conform(pd.DataFrame(stopped), schema.TRACE))
    'Of 2 photos followed, 1 stopped at the metaverse, 1 arrived; 1 more was not followed.'
    """
    followed = trace[trace["traced"]]
    if followed.empty:
        return f"No photo was followed, of {len(trace):,}."
    at = counts(followed)
    stopped = {f"stopped at {_the(hop)}": int(at[hop]) for hop in schema.HOPS}
    stopped["arrived"] = int((followed["stopped_at"] == "").sum())
    stopped["cannot be told"] = int((followed["stopped_at"] == "unknown").sum())
    found = ", ".join(f"{number:,} {what}" for what, number in stopped.items() if number)
    left = len(trace) - len(followed)
    rest = f"; {left:,} more {'was' if left == 1 else 'were'} not followed" if left else ""
    return f"Of {len(followed):,} photos followed, {found}{rest}."


def sample(people: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Choose some people, even over the verdicts; the same people give the same sample in any order.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.PEOPLE`.
    limit : int
        Most people.

    Returns
    -------
    DataFrame
        In the order of ``people``.
    """
    shuffled = people.sort_values("person").sample(frac=1, random_state=0)
    turn = shuffled.groupby("verdict").cumcount().sort_values(kind="stable")
    return people.loc[people.index.isin(turn.index[:limit])]


def _trails(
    people: pd.DataFrame, spaces: Spaces, files: tuple[Path, Path] | None, limit: int
) -> tuple[dict[str, Trail], str]:
    """Look people up in bulk if that can be, else one by one; and say which."""
    if files:
        try:
            return spaces.from_files(_records(people), files), "csexport"
        except SourceError as error:
            logger.warning("csexport's files are not used: %s", error)
    chosen = sample(people, limit)
    if left := len(people) - len(chosen):
        logger.warning("%d of %d people are not looked up: the limit is %d", left, len(people), limit)
    return spaces.from_service(_records(chosen)), "wmi"


def _records(people: pd.DataFrame) -> list[dict[Any, Any]]:
    return people[[*_NEEDED]].to_dict("records")


def _flow(configuration: Configuration | None) -> PhotoFlow | None:
    if configuration is None:
        return None
    try:
        return PhotoFlow.of(configuration)
    except KitError as error:
        logger.warning("the configuration does not tell how photos flow: %s", error)
        return None


def _row(
    row: Mapping[Any, Any],
    trail: Trail | None,
    source: str,
    comparisons: Comparisons,
    flow: PhotoFlow | None,
) -> dict[str, Any]:
    identity = {"person": row["person"], "account": row["account"]}
    if trail is None:
        unknown = {column: "unknown" for columns in hops.LAYERS.values() for column in columns}
        return {**identity, **unknown, "traced": False, "stopped_at": "unknown"}
    found = hops.states(row, trail, comparisons, flow)
    return {
        **identity,
        **found,
        **_objects(row["account"], trail),
        "traced": True,
        "source": source,
        "stopped_at": hops.stopped_at(found),
    }


def _objects(account: str, trail: Trail) -> dict[str, Any]:
    """Return what the trail says of the two objects themselves."""
    found: dict[str, Any] = {"joined": trail.joined > 0}
    if held := trail.directory:
        found |= {
            "ad_connector_space_sha256": held.hologram,
            "pending_export_sha256": held.pending_export,
            "unconfirmed_export_sha256": held.unconfirmed_export,
            "metaverse_guid": held.metaverse_guid,
            "directory_guid": held.guid,
            "export_operation": held.export_operation,
            "removal_pending": held.removal,
            "sharepoint_objects": trail.joined,
        }
    if held := trail.sharepoint:
        found |= {
            "sharepoint_connector_space_sha256": held.hologram,
            "pending_import_sha256": held.pending_import,
            "sharepoint_object": held.dn,
            "sharepoint_object_account": _account(held.account, account),
            "sharepoint_guid": held.guid,
            "sharepoint_export_operation": held.export_operation,
        }
        found["metaverse_guid"] = found.get("metaverse_guid") or held.metaverse_guid
    return found


def _account(held: str, account: str) -> str:
    """Return whose an object is; a bare name that is also the person's may be another's in another domain."""
    return "" if held == account.rpartition("\\")[2] != account else held


def _the(hop: str) -> str:
    name = schema.HOPS[hop]
    return name if hop in {"sharepoint", "active_directory"} else f"the {name}"
