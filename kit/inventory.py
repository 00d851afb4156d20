"""Who is where: Active Directory, SharePoint and the connector spaces, joined to one row per person."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import pandas as pd

from kit import schema
from kit.directory import Directory, DirectoryUser
from kit.errors import SourceError
from kit.forest import Forest
from kit.holograms import ConnectorSpaceObject
from kit.mim import SynchronizationService
from kit.profiles import Profile, UnreadableProfile
from kit.progress import Progress, quiet
from kit.sharepoint import SharePoint

logger = logging.getLogger(__name__)

Read = TypeVar("Read")


def take(
    directory: Directory | Forest, sharepoint: SharePoint, *, progress: Progress = quiet
) -> pd.DataFrame:
    r"""Read everybody from both systems and join them by account.

    The account is the only key both systems share: ``sAMAccountName`` with the domain's NetBIOS name, and
    ``AccountName`` in classic or claims form, both normalised to ``contoso\anna``.

    Parameters
    ----------
    directory : Directory or Forest
    sharepoint : SharePoint
    progress : Progress

    Returns
    -------
    DataFrame
        Columns of `kit.schema.INVENTORY`, ordered by account; connector spaces not looked up yet. Where a
        system stopped in the middle, every row says so in ``partial``: who is missing in such a frame may be
        there all the same.

    Raises
    ------
    SourceError
        One of the systems cannot be read at all.
    """
    users, stopped = _drained(progress(directory.users(), "Active Directory", 0), _user, "Active Directory")
    walk = progress(sharepoint.profiles(), "SharePoint profiles", sharepoint.count())
    profiles, stopped_too = _drained(walk, _profile, "SharePoint")
    catalog = "Active Directory was read from a global catalogue, which holds no photos by default"
    reasons = [stopped, stopped_too, catalog if directory.is_global_catalog else ""]
    people = join(users, profiles).assign(partial=" ".join(filter(None, reasons)))
    return _with_deleted(people, directory)


def _with_deleted(people: pd.DataFrame, directory: Directory | Forest) -> pd.DataFrame:
    """Tell whose account was deleted, of those who are in SharePoint only, as far as the directory says."""
    alone = people["in_sharepoint"] & ~people["in_directory"]
    if not alone.any():
        return people
    try:
        deleted = {user.account for user in directory.deleted()}
    except SourceError as error:
        logger.info("whose account was deleted is not known: %s", error)
        return people
    return people.assign(kind=people["kind"].mask(alone & people["account"].isin(deleted), "deleted"))


def _drained(
    source: Iterable[Read], convert: Callable[[Read], dict[str, Any]], system: str
) -> tuple[list[dict[str, Any]], str]:
    """Read a system to its end, or to where it stops; then the second value says where and why."""
    rows: list[dict[str, Any]] = []
    try:
        for one in source:
            rows.append(convert(one))  # noqa: PERF401 - what was read before a failure must stay
    except SourceError as error:
        if not rows:
            raise
        logger.warning("%s stopped after %d: %s", system, len(rows), error)
        return rows, f"{system} stopped after {len(rows):,}: {error}"
    return rows, ""


def join(users: list[dict[str, Any]], profiles: list[dict[str, Any]]) -> pd.DataFrame:
    """Join both systems' rows; of two users or profiles of one account the first counts, and the row tells.

    Who has no account, as a contact, is matched with nobody.
    """
    people: dict[str, dict[str, Any]] = {}
    for user in users:
        key = user["account"] or user["person"]
        if key in people:
            logger.warning("%s has a second object in the directory", key)
            people[key] |= {"error_kind": "Duplicate", "error": "the directory has two users of this account"}
            continue
        people[key] = user
    for profile in profiles:
        account = profile["account"] or f"profile record {profile['record']}"
        person = people.setdefault(account, {"person": account, "account": account})
        if person.get("in_sharepoint"):
            logger.warning("%s has a second profile", account)
            person |= {
                "error_kind": "Duplicate",
                "error": "SharePoint has more than one profile of this account",
            }
            continue
        person.update({name: value for name, value in profile.items() if value != "" or name not in person})
    rows = sorted(people.values(), key=lambda row: str(row["account"]))
    return schema.conform(pd.DataFrame(rows), schema.INVENTORY)


def connector_spaces(
    people: pd.DataFrame,
    service: SynchronizationService,
    *,
    directory_agent: str,
    sharepoint_agent: str,
    limit: int,
    progress: Progress = quiet,
) -> pd.DataFrame:
    """Look people up in both connector spaces, one by one: WMI has no query for all of them (ms697741).

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.INVENTORY`.
    service : SynchronizationService
    directory_agent, sharepoint_agent : str
        Names of the management agents.
    limit : int
        Most people to look up, each with two queries; the others' columns stay null.
    progress : Progress

    Returns
    -------
    DataFrame
        The same people with ``in_directory_connector_space``, ``in_sharepoint_connector_space`` and
        ``joined``. A person without an account in the directory is looked up by nothing and stays null.

    Raises
    ------
    SourceError
        The service cannot be read at all; what fails for one person is that person's ``error``.
    """
    chosen = people[people["in_directory"]].head(limit)
    found = {
        index: _look_up(service, account, directory_agent, sharepoint_agent)
        for index, account in progress(chosen["account"].items(), "connector spaces", len(chosen))
    }
    answers = pd.DataFrame.from_dict(found, orient="index")
    return schema.conform(answers.combine_first(people) if len(answers) else people, schema.INVENTORY)


def agents(service: SynchronizationService, *wanted: str) -> pd.DataFrame:
    """Show every management agent with its last run and the size of its connector space.

    Parameters
    ----------
    service : SynchronizationService
    *wanted : str
        Names of agents that must be there.

    Returns
    -------
    DataFrame
        One row per agent: ``name``, ``type``, ``objects``, ``connectors``, ``pending_imports``,
        ``pending_exports`` (int64), ``last_profile``, ``last_status`` and ``last_ended`` (UTC).

    Raises
    ------
    NotFoundError
        A wanted agent is not there.
    """
    for agent in wanted:
        service.require(agent)
    agents_there = service.agents()
    names = zip(agents_there["name"], agents_there["type"], strict=True)
    rows = [_agent(service, str(name), str(kind)) for name, kind in names]
    return pd.DataFrame(rows)


def _agent(service: SynchronizationService, name: str, kind: str) -> dict[str, Any]:
    counters, run = service.counters(name), service.last_run(name)
    changes = ("Add", "Update", "Delete")
    return {
        "name": name,
        "type": kind,
        "objects": counters["NumCSObjects"],
        "connectors": counters["NumTotalConnectors"],
        "pending_imports": sum(counters[f"NumImport{change}"] for change in changes),
        "pending_exports": sum(counters[f"NumExport{change}"] for change in changes),
        "last_profile": run.profile,
        "last_status": run.status,
        "last_ended": run.ended,
    }


def conclusion(people: pd.DataFrame) -> str:
    """Say in one sentence who can have drifted at all."""
    both = int((people["in_directory"] & people["in_sharepoint"]).sum())
    looked_up = people["joined"].dropna()
    apart = int((~looked_up).sum())
    return warning(people) + (
        f"{both:,} of {len(people):,} people are in both systems and can have drifted; of {len(looked_up):,} "
        f"looked up in the connector spaces {apart:,} are not joined, so no run profile moves their photos."
    )


def _look_up(
    service: SynchronizationService, account: str, directory_agent: str, sharepoint_agent: str
) -> dict[str, Any]:
    objects = service.connector_space_objects(account=account)
    metaverse = next((one.metaverse_guid for one in objects if _holds([one], directory_agent)), "")
    joined = service.connector_space_objects(metaverse_guid=metaverse) if metaverse else []
    return {
        "in_directory_connector_space": _holds(objects, directory_agent),
        "in_sharepoint_connector_space": _holds([*objects, *joined], sharepoint_agent),
        "joined": _holds(joined, sharepoint_agent) and _holds(joined, directory_agent),
    }


def _holds(objects: Iterable[ConnectorSpaceObject], agent: str) -> bool:
    return any(one.agent.casefold() == agent.casefold() for one in objects)


def _user(user: DirectoryUser) -> dict[str, Any]:
    return {
        "person": user.person,
        "account": user.account,
        "display_name": user.display_name,
        "user_principal_name": user.user_principal_name,
        "mail": user.mail,
        "distinguished_name": user.distinguished_name,
        "department": user.department,
        "kind": user.kind,
        "enabled": user.enabled,
        "in_directory": True,
    }


def _profile(profile: Profile | UnreadableProfile) -> dict[str, Any]:
    if isinstance(profile, UnreadableProfile):
        return {
            "account": profile.account,
            "record": profile.record,
            "in_sharepoint": True,
            "error_kind": profile.error_kind,
            "error": profile.error,
        }
    return {
        "account": profile.account,
        "record": profile.record,
        "display_name": profile.display_name,
        "department": profile.department,
        "in_sharepoint": True,
        "profile_account": profile.account_name,
        "picture_url": profile.picture_url,
        "picture_timestamp": profile.picture_timestamp,
        "placeholder_state": profile.placeholder_state,
        "exchange_sync_state": profile.exchange_sync_state,
        "work_email": profile.work_email,
    }


def partial(people: pd.DataFrame) -> str:
    """Say why a frame of people is only a part; empty for a whole one."""
    return "; ".join(people["partial"][people["partial"] != ""].unique()).rstrip(".")


def warning(people: pd.DataFrame) -> str:
    """Begin a sentence about people with a capital word where they are only a part.

    Examples
    --------
    >>> warning(pd.DataFrame({"partial": ["SharePoint stopped after 2: it died."]}))
    'PARTIAL: SharePoint stopped after 2: it died. '
    """
    return f"PARTIAL: {reason}. " if (reason := partial(people)) else ""


def summary(people: pd.DataFrame) -> pd.DataFrame:
    r"""Count people by where they are.

    Returns
    -------
    DataFrame
        Columns ``where`` (str) and ``people`` (int64).

    Examples
    --------
    >>> both = {"account": "contoso\\anna", "in_directory": True, "in_sharepoint": True}
    >>> summary(schema.conform(pd.DataFrame([both]), schema.INVENTORY))["people"].tolist()
    [1, 0, 0, 0, 0]
    """
    rows = dict(_places(people))
    return pd.DataFrame({"where": list(rows), "people": list(rows.values())}).astype({"where": "str"})


def _places(people: pd.DataFrame) -> Iterator[tuple[str, int]]:
    directory, sharepoint = people["in_directory"], people["in_sharepoint"]
    yield "in Active Directory and SharePoint", int((directory & sharepoint).sum())
    yield "in Active Directory only", int((directory & ~sharepoint).sum())
    yield "in SharePoint only", int((sharepoint & ~directory).sum())
    yield "joined in the metaverse", int(people["joined"].fillna(value=False).sum())
    yield "could not be read", int((people["error_kind"] != "").sum())
