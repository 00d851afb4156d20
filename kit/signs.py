"""Signs: what the rules of the diagnosis ask of an observation, each question in one place.

A sign that is not known is never True; where a rule has to tell unknown from False, the dtype is boolean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

import pandas as pd

from kit import locations, runs
from kit.configuration import Configuration
from kit.errors import CaseError, SourceError
from kit.flow import PICTURE, THUMBNAIL, PhotoFlow
from kit.incidents import concern, latest
from kit.observation import Observation
from kit.obstacles import DIRECTION

CLOCKS_AGREE = timedelta(seconds=60)
"""How far apart clocks may be before the order of two systems' times says nothing."""

_READ_THE_OTHERS = "completed-discovery-errors"


def affected(observation: Observation) -> pd.Series:
    """Tell whose photo in Active Directory is not, or may not be, the one that SharePoint shows.

    Who was only given an old answer out of a cache is not among them.
    """
    people = observation.people
    cached = people["cached_picture"] & people["fresh_sha256"].eq(people["directory_sha256"])
    drifted = people["verdict"].isin(["stale", "missing_in_ad", "uncertain"]) | stand_in(observation)
    return drifted & ~cached.fillna(value=False).astype("bool")


def stand_in(observation: Observation) -> pd.Series:
    """Tell who has a portrait in SharePoint and a stand-in in the directory."""
    people = observation.people
    only_there = people["detail"].str.startswith("second placeholder")  # see kit.photos.Comparison
    return people["verdict"].eq("placeholder") & only_there


def is_in(observation: Observation, column: str, *states: str) -> pd.Series:
    """Tell whose hop has one of these states."""
    return observation.people[column].isin(states)


def reached(observation: Observation) -> pd.Series:
    """Tell whose current picture is in the SharePoint connector space, synchronized or not."""
    return is_in(observation, "sharepoint_connector_space", "current") | is_in(
        observation, "pending_import", "current"
    )


def left_metaverse(observation: Observation) -> pd.Series:
    """Tell whose current picture is in the AD connector space: held, waiting for export, or exported."""
    columns = ("ad_connector_space", "pending_export", "unconfirmed_export")
    holds = [is_in(observation, column, "current") for column in columns]
    return holds[0] | holds[1] | holds[2]


def connected(observation: Observation) -> pd.Series:
    """Tell who is not known to lack an object or the join, nor to be joined to another's profile."""
    people = observation.people
    absent = is_in(observation, "sharepoint_connector_space", "absent") | is_in(
        observation, "ad_connector_space", "absent"
    )
    apart = people["joined"].eq(False).fillna(value=False).astype("bool")
    return ~absent & ~apart & ~other_profile(observation)


def other_profile(observation: Observation) -> pd.Series:
    """Tell who is joined to somebody else's SharePoint object, or to more than one."""
    people = observation.people
    held, own = people["sharepoint_object_account"].str.casefold(), people["account"].str.casefold()
    other = held.ne("") & (held.map(_short) != own.map(_short))
    several = people["sharepoint_objects"].gt(1).fillna(value=False).astype("bool")
    return other | several


def ordered(observation: Observation) -> pd.Series:
    """Tell whose upload has a time that can be compared with the times of other systems.

    Their clocks have to agree with each other; this machine's stands for those that are not known.
    """
    errors = list(observation.clock_errors.values())
    errors = errors if len(errors) > 1 else [*errors, timedelta()]
    spread = max(errors) - min(errors)
    timestamp = observation.people["picture_timestamp"]
    now = pd.Timestamp(observation.now) + CLOCKS_AGREE + max(errors)
    return timestamp.notna() & timestamp.le(now) & (spread <= CLOCKS_AGREE)


def synchronized_since(observation: Observation) -> bool:
    """Tell whether SharePoint's objects were synchronized to the end after their last import."""
    agent = observation.sharepoint_agent
    imports = runs_of(observation, agent, "full import", "delta import")["started"]
    return bool(_through(runs_of(observation, agent, "full sync", "delta sync")).gt(imports.max()).any())


def synchronization_failed(observation: Observation) -> bool:
    """Tell whether the last synchronization of SharePoint's objects did not get to its end."""
    ran = runs_of(observation, observation.sharepoint_agent, "full sync", "delta sync")
    return bool(failed(ran.head(1)).any())


def exported_since(observation: Observation) -> bool:
    """Tell whether an export to the directory began after the last synchronization, and got through."""
    agents = (observation.sharepoint_agent, observation.directory_agent)
    ran = [runs_of(observation, agent, "full sync", "delta sync")["started"] for agent in agents]
    exports = _through(runs_of(observation, observation.directory_agent, "export"))
    return bool(exports.gt(pd.concat(ran).max()).any())


def _through(history: pd.DataFrame) -> pd.Series:
    return history.loc[history["ended"].notna() & ~failed(history), "started"]


def imported_since(observation: Observation, kind: str) -> pd.Series:
    """Tell whether a ``full`` or ``delta`` import of SharePoint began after the upload; NA: unknown."""
    return observation.people[f"{kind}_import_since"].where(ordered(observation))


def not_imported_since(observation: Observation) -> pd.Series:
    """Tell for whom it is known that no import, full or delta, has begun since the upload."""
    full, delta = imported_since(observation, "full"), imported_since(observation, "delta")
    return (~full & ~delta).fillna(value=False).astype("bool")


def import_failed_since(observation: Observation) -> pd.Series:
    """Tell for whom imports began since the upload, and all of them failed."""
    imports = runs_of(observation, observation.sharepoint_agent, "full import", "delta import")
    last = imports[failed(imports) & imports["status"].ne(_READ_THE_OTHERS)]["started"].max()
    began_later = observation.people["picture_timestamp"].lt(last)
    return began_later.fillna(value=False).astype("bool") & not_imported_since(observation)


def failed(history: pd.DataFrame) -> pd.Series:
    """Tell which runs did not get to their end."""
    return history["status"].map(runs.classify).eq(runs.FAILED)


def older_than_log(observation: Observation) -> pd.Series:
    """Tell whose upload the change log has forgotten by now."""
    return locations.log_forgot(observation) & ordered(observation)


def fixed_address(observation: Observation) -> pd.Series:
    """Tell whose picture has the address that an upload does not change: that of a thumbnail.

    For any other address it is not known. One on another host than the My Site's, or than most pictures', was
    not written by the last upload.
    """
    places = locations.locate(observation)
    fixed = places["form"].eq("thumbnail") & places["at_home"] & ~places["relative"]
    return fixed.astype("boolean").where(fixed)


def runs_of(observation: Observation, agent: str, *kinds: str) -> pd.DataFrame:
    """Return an agent's runs of some kinds, such as ``full import``, newest first.

    Of a kind are the run profile that the case names for it, in any case, and all those of which a run was
    read that has such a step: schedules have profiles of their own.
    """
    steps = observation.steps
    of_kind = _mine(steps, agent) & steps["step_type"].str.contains("|".join(kinds)).fillna(value=False)
    named = {getattr(observation.run_profiles, kind.replace(" ", "_")) for kind in kinds}
    profiles = {str(name).casefold() for name in named.union(steps.loc[of_kind, "run_profile"])}
    history = observation.history
    chosen = _mine(history, agent) & history["run_profile"].str.casefold().isin(profiles)
    return history[chosen].sort_values("started", ascending=False)


def incidents(
    observation: Observation, agent: str, side: str, *error_types: str, about: str = ""
) -> pd.Series:
    """Tell who has an error of one of these types; one that ends in ``-`` stands for all that begin so.

    Discovery errors count until a full import has read everybody again, because a delta import meets a change
    once. Other errors come back until they are mended, so that those of the last run count.

    Parameters
    ----------
    observation : Observation
    agent : str
    side : str
        As of `kit.incidents.INCIDENTS`.
    *error_types : str
        Any, if none is given.
    about : str
        An attribute: an error that names others, and not it, does not count.
    """
    return concern(observation.people, standing(observation, agent, side, *error_types, about=about))


def standing(
    observation: Observation, agent: str, side: str, *error_types: str, about: str = ""
) -> pd.DataFrame:
    """Return the errors that were not overcome, as `incidents` counts them."""
    found = observation.incidents
    mine = _mine(found, agent) & found["side"].eq(side)
    if error_types:
        begins = tuple(name for name in error_types if name.endswith("-"))
        mine &= found["error_type"].isin(error_types) | found["error_type"].str.startswith(begins)
    if about:
        mine &= found["detail"].eq("") | found["detail"].str.contains(about, case=False, regex=False)
    found = found[mine]
    if side != "discovery":
        return latest(found, observation.history)
    read_again = found["run_number"].lt(_last_reading(observation, agent)).fillna(value=False)
    return found[~read_again.astype("bool")]


def _last_reading(observation: Observation, agent: str) -> int:
    """Return the number of the last full import whose discovery errors are all known; 0 where none is."""
    full = runs_of(observation, agent, "full import")
    ended = full["status"].map(runs.classify).isin([runs.OK, runs.WARNING, runs.ATTENTION])
    steps = observation.steps
    known = full["run_number"].isin(steps.loc[_mine(steps, agent), "run_number"])
    numbers = full[ended | (full["status"].eq(_READ_THE_OTHERS) & known)]["run_number"].dropna()
    return int(numbers.max()) if len(numbers) else 0


def emptied(observation: Observation, agent: str) -> str:
    """Say that an agent's connector space is empty, so that nobody's object is in it; else nothing."""
    counted = {name.casefold(): counters for name, counters in observation.counters.items()}
    if counted.get(agent.casefold(), {}).get("NumCSObjects") != 0:
        return ""
    return (
        f"The connector space of {agent} is empty, as after it was deleted: bring it back by a full import "
        "and a full synchronization first."
    )


def flow(configuration: Configuration | None) -> PhotoFlow | None:
    """Return the photo's way through a configuration; None where it does not name the two agents."""
    try:
        return PhotoFlow.of(configuration) if configuration else None
    except (CaseError, SourceError):
        return None


def obstacles(observation: Observation) -> Mapping[str, str] | None:
    """Return what in the configuration bars photos the way from SharePoint to Active Directory.

    Returns
    -------
    mapping or None
        Name of the cause to where it stands; None where the configuration is not known.
    """
    way = flow(observation.configuration)
    return None if way is None else dict(_obstacles(way))


def flows_to_directory(observation: Observation) -> bool | None:
    """Tell whether the configuration lets SharePoint's photos flow to Active Directory, and only that way."""
    barred = obstacles(observation)
    return None if barred is None else not barred


def where(name: str, observation: Observation) -> str:
    """Return where the configuration has an obstacle, as a sentence; empty where it has none."""
    found = (obstacles(observation) or {}).get(name, "")
    return f"It stands in {found}." if found else ""


def _obstacles(way: PhotoFlow) -> Iterator[tuple[str, str]]:
    sharepoint, directory = way.sharepoint, way.directory
    for agent, attribute in ((sharepoint, PICTURE), (directory, THUMBNAIL)):
        if attribute not in agent.attributes:
            yield "picture_not_selected", f"{agent.file.name}: attribute-inclusion lacks {attribute}"
    if sharepoint.parameters.get(DIRECTION, "").casefold().startswith("export only"):
        yield "picture_export_only", f"{sharepoint.file.name}: '{DIRECTION}' is Export only"
    elif PICTURE in sharepoint.export_only:
        yield "picture_export_only", f"{sharepoint.file.name}: the schema has {PICTURE} as export-only"
    if way.source is None:
        yield "no_import_flow", way.metaverse(f"no import-flow from {PICTURE} of {sharepoint.name}")
    elif _another_wins(way):
        yield "directory_takes_precedence", way.metaverse(f"import-flows of {way.photo}")
    if not way.exports and way.misdirected:
        where = ", ".join(sorted(one.attribute for one in way.misdirected))
        yield "wrong_directory_attribute", f"{directory.file.name}: {way.photo} flows to {where}"
    elif not way.exports:
        yield "no_export_flow", f"{directory.file.name}: no export-flow to {THUMBNAIL}"
    if sharepoint.exports_to(PICTURE) and way.source is not None:
        yield "photos_flow_both_ways", f"{sharepoint.file.name}: export-flow to {PICTURE}"
    kinds = {step.kind for profile in directory.run_profiles for step in profile.steps}
    if "export" not in kinds:
        yield "export_never_runs", f"{directory.file.name}: ma-run-data has no export step"


def _another_wins(way: PhotoFlow) -> bool:
    """Tell whether SharePoint's picture gives way to another system's, or whoever comes last wins."""
    first, several = way.providers[0], len({provider.agent for provider in way.providers}) > 1
    return several and (first.agent != way.sharepoint.guid or first.precedence == "equal")


def _mine(frame: pd.DataFrame, agent: str) -> pd.Series:
    return frame["agent"].str.casefold().eq(agent.casefold()).fillna(value=False).astype("bool")


def _short(account: str) -> str:
    r"""Return an account with its domain's first label only: the connector may have its DNS name.

    Examples
    --------
    >>> _short("contoso.example\\anna")
    'contoso\\anna'
    """
    domain, separator, name = account.rpartition("\\")
    return domain.partition(".")[0] + separator + name


def barred(name: str, observation: Observation) -> str:
    """Return how sure it is that the configuration has an obstacle: it is read, not inferred."""
    return "confirmed" if name in (obstacles(observation) or {}) else ""
