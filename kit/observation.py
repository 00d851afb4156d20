"""Everything that a rule of the diagnosis may look at, gathered once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TypeVar

import pandas as pd

from kit import addresses, incidents, looks, replication, runs, schema, systems
from kit.case import Case
from kit.changes import Change
from kit.configuration import Configuration
from kit.directory import Directory
from kit.drift import affected
from kit.errors import KitError, SourceError
from kit.forest import Forest
from kit.mim import SynchronizationService
from kit.progress import Progress, quiet
from kit.settings import RunProfiles
from kit.sharepoint import SharePoint

logger = logging.getLogger(__name__)

MOST_RUNS = 30
"""How many runs' details are read, beside the last run of every run profile."""

_STATES = (
    *("sharepoint", "sharepoint_connector_space", "pending_import", "metaverse", "ad_connector_space"),
    *("pending_export", "unconfirmed_export", "active_directory"),
)

Read = TypeVar("Read")

OBSERVED = (
    schema.PEOPLE
    | schema.TRACE
    | schema.LOOKS
    | {
        "writer": "str",  # a key of kit.replication.WRITERS; empty: not known
        "directory_version": "Int64",  # how often the photo was written in the directory
    }
)
"""One row per person: everything that is known of one."""


@dataclass(frozen=True)
class Observation:
    """What is known of the people and of the farm; None, NA and empty are never evidence.

    Parameters
    ----------
    people : DataFrame
        Columns of `OBSERVED`; index 0..n-1. Hops that were not looked at are ``unknown``.
    history : DataFrame
        Columns of `kit.runs.HISTORY`, both agents.
    steps : DataFrame
        As `kit.runs.parse_run_details` returns them, of the runs that matter.
    incidents : DataFrame
        Columns of `kit.incidents.INCIDENTS`, of the same runs.
    configuration : Configuration or None
    counters : mapping
        Agent to counter to number.
    sharepoint_agent, directory_agent : str
    run_profiles : RunProfiles
    my_site : str
        Address of the My Site host; empty where it is not known.
    picture_editable : bool or None
        Whether users may change their picture.
    clock_errors : mapping
        System to how far its clock is ahead of this machine's.
    now : datetime
        UTC, by this machine's clock.
    domains : frozenset of str
        NetBIOS names, lower case; empty where not known.
    missing : tuple of str
        What could not be read, a sentence each.
    """

    people: pd.DataFrame
    history: pd.DataFrame
    steps: pd.DataFrame
    incidents: pd.DataFrame
    configuration: Configuration | None = None
    counters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sharepoint_agent: str = "SPMA"
    directory_agent: str = "ADMA"
    run_profiles: RunProfiles = field(default_factory=RunProfiles)
    my_site: str = ""
    picture_editable: bool | None = None
    clock_errors: Mapping[str, timedelta] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    domains: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()

    @cached_property
    def places(self) -> pd.DataFrame:
        """Of every picture's address the fields of `kit.addresses.Place`; empty where there is none."""
        urls = self.people["picture_url"]
        places = [addresses.place(url) if url.strip() else ("", "", "") for url in urls]
        return pd.DataFrame(places, columns=list(addresses.Place._fields), index=urls.index)

    def has(self, need: str) -> bool:
        """Tell whether a part is known: a field, or ``trace`` or ``looks``, columns of the people.

        Of several with ``or`` between them one is enough.
        """
        if " or " in need:
            return any(self.has(part) for part in need.split(" or "))
        if need == "trace":
            return bool(self.people["traced"].any())
        if need == "looks":
            looked = [self.people[column] for column in schema.LOOKS if column != "person"]
            return any((column.notna() & column.astype("str").ne("")).any() for column in looked)
        value = getattr(self, need)
        if isinstance(value, pd.DataFrame):
            return not value.empty
        return isinstance(value, bool) or bool(value)


def gather(  # noqa: PLR0917 - the case, what was found so far, and the three systems
    case: Case,
    people: pd.DataFrame,
    hops: pd.DataFrame,
    directory: Directory | Forest,
    sharepoint: SharePoint,
    service: SynchronizationService,
    *,
    configuration: Configuration | None,
    written: pd.DataFrame | None = None,
    progress: Progress = quiet,
) -> Observation:
    """Read everything that the rules look at, beside people and trace, which are read already.

    Of the runs, the details are read of every run profile's last one and of those since the oldest upload
    among the affected, the newest `MOST_RUNS` at most. The last write of the photo is read of everybody in
    the directory whose photo is not in sync, unless ``written`` has it.

    Parameters
    ----------
    case, directory, sharepoint, service, progress
        The case, its three systems, and who is told how it goes.
    people, hops : DataFrame
        Columns of `kit.schema.PEOPLE`, and of `kit.schema.TRACE` for some of them.
    configuration : Configuration or None
        MIM's saved configuration, where there is one.
    written : DataFrame or None
        Columns of `kit.replication.CHANGES`.

    Returns
    -------
    Observation
        What could not be read is unknown, in the log, and a sentence in ``missing``.
    """
    reader = _Reader(case, service)
    history = reader.history()
    details = reader.details(runs_that_matter(history, people), progress)
    if written is None:
        written = reader.attempt("last writes of photos", lambda: _written(people, directory, history, case))
    looked = reader.attempt("looks", lambda: looks.take(people, sharepoint, progress=progress))
    domains = reader.attempt("domains", lambda: _domains(directory))
    if configuration is None:
        reader.missing.append("configuration: none was given.")
    return Observation(
        people=assemble(people, hops, looked, written),
        history=history,
        steps=_parsed(details, runs.parse_run_details),
        incidents=_parsed(details, incidents.parse),
        configuration=configuration,
        sharepoint_agent=case.mim.sharepoint_agent,
        directory_agent=case.mim.directory_agent,
        run_profiles=case.mim.run_profiles,
        my_site=case.sharepoint.my_site or looks.my_site_host(people, sharepoint),
        domains=domains or frozenset(),
        counters=reader.counters(),
        picture_editable=looks.picture_editable(sharepoint),
        clock_errors=reader.clock_errors(),
        missing=tuple(reader.missing),  # last, when all was tried
    )


def _parsed(details: list[str], parse: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([parse(xml) for xml in ["<run-history/>", *details]], ignore_index=True)


def assemble(
    people: pd.DataFrame,
    hops: pd.DataFrame,
    looked: pd.DataFrame | None = None,
    written: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Put everything that is known of each person into one row.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.PEOPLE`.
    hops : DataFrame
        Columns of `kit.schema.TRACE`, of some of them; the hops of the others are ``unknown``.
    looked : DataFrame or None
        Columns of `kit.schema.LOOKS`.
    written : DataFrame or None
        Columns of `kit.replication.CHANGES`.

    Returns
    -------
    DataFrame
        Columns of `OBSERVED`, index 0..n-1, in the order of ``people``.
    """
    frame = people.reset_index(drop=True)
    traced = _of_people(hops, frame)
    traced["joined"] = traced["joined"].fillna(frame["joined"])
    states = [*_STATES]
    traced[states] = traced[states].replace("", "unknown").fillna("unknown")
    traced["stopped_at"] = traced["stopped_at"].fillna("unknown")  # empty: it arrived
    frame = frame.drop(columns="joined").join(traced.drop(columns="account"))
    if looked is not None:
        frame = frame.join(_of_people(looked, frame))
    if written is not None:
        last = _of_people(written, frame)
        frame["directory_changed_at"] = frame["directory_changed_at"].fillna(last["changed_at"])
        frame = frame.assign(writer=last["writer"], directory_version=last["version"])
    return schema.conform(frame, OBSERVED)


def _of_people(frame: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Return a frame's row of each person, null where it has none."""
    rows = frame.drop_duplicates("person").set_index("person")
    return rows.reindex(people["person"]).set_axis(people.index)


def change_log(sharepoint: SharePoint) -> tuple[Change, ...]:
    """Return all that SharePoint's change log still holds; nothing, with a warning, where it is refused."""
    try:
        return sharepoint.changes().changes
    except SourceError as error:
        logger.warning("the change log was not read: %s", error)
        return ()


def runs_that_matter(history: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """Choose the runs whose details are read: each profile's last one, and those since the oldest upload.

    Parameters
    ----------
    history : DataFrame
        Columns of `kit.runs.HISTORY`.
    people : DataFrame
        Columns of `kit.schema.PEOPLE`.

    Returns
    -------
    DataFrame
        Rows of the history, newest first; of the latter kind `MOST_RUNS` at most.
    """
    newest = history.sort_values("started", ascending=False, kind="stable")
    last = newest.drop_duplicates(["agent", "run_profile"])
    since = newest[newest["started"].ge(affected(people)["picture_timestamp"].min())].head(MOST_RUNS)
    return newest[newest.index.isin(last.index.union(since.index))]


def _written(
    people: pd.DataFrame, directory: Directory | Forest, history: pd.DataFrame, case: Case
) -> pd.DataFrame:
    """Judge who wrote the photos last of those in the directory whose photo is not in sync."""
    asked = people[people["in_directory"] & people["verdict"].ne("in_sync")]
    stamps = list(replication.photo_changes(directory, asked["person"]))
    mine = history[history["agent"].str.casefold().eq(case.mim.directory_agent.casefold())]
    return replication.judge(stamps, mine, export_profile=case.mim.run_profiles.export)


def _domains(directory: Directory | Forest) -> frozenset[str]:
    asked = directory.directories if isinstance(directory, Forest) else (directory,)
    return frozenset(domain.netbios_name.lower() for one in asked for domain in one.domains())


@dataclass
class _Reader:
    """Reads part after part; what fails is unknown, logged and kept as a sentence in ``missing``."""

    case: Case
    service: SynchronizationService
    missing: list[str] = field(default_factory=list)

    def attempt(self, part: str, read: Callable[[], Read]) -> Read | None:
        try:
            return read()
        except KitError as error:
            logger.warning("%s: not read: %s", part, error)
            if (sentence := f"{part}: {error}") not in self.missing:
                self.missing.append(sentence)
            return None

    @property
    def agents(self) -> tuple[str, str]:
        return self.case.mim.sharepoint_agent, self.case.mim.directory_agent

    def history(self) -> pd.DataFrame:
        read = [self.attempt("history", partial(self.service.run_history, agent)) for agent in self.agents]
        return pd.concat([runs.tabulate([]), *(one for one in read if one is not None)], ignore_index=True)

    def details(self, chosen: pd.DataFrame, progress: Progress) -> list[str]:
        pairs = list(zip(chosen["agent"], chosen["run_number"], strict=True))
        read = (
            self.attempt("details of a run", partial(self.service.run_details, agent, int(number)))
            for agent, number in progress(pairs, "run details", len(pairs))
        )
        return [xml for xml in read if xml]

    def counters(self) -> Mapping[str, Mapping[str, int]]:
        read = {
            agent: self.attempt("counters", partial(self.service.counters, agent)) for agent in self.agents
        }
        return {agent: counted for agent, counted in read.items() if counted is not None}

    def clock_errors(self) -> Mapping[str, timedelta]:
        errors = {}
        for system in systems.of(self.case):
            with system:
                error = self.attempt(f"clock of {system.name}", system.clock_error)
            if error is not None:
                errors[f"{system.name} {system.server}".strip()] = error
        return errors
