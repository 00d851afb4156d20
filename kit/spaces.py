"""People's objects in both connector spaces: in files of csexport all at once, through WMI one by one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from kit import csexport
from kit.errors import KitError, ProtocolError, SourceError
from kit.flow import PICTURE, THUMBNAIL
from kit.holdings import Holding, Trail, account_of, group_of, trail
from kit.holograms import ConnectorSpaceObject
from kit.mim import SynchronizationService
from kit.profiles import normalise_account
from kit.progress import Progress, quiet
from kit.store import PhotoStore

logger = logging.getLogger(__name__)

Row = Mapping[Any, Any]
"""One person of a frame with the columns of `kit.schema.PEOPLE`."""

_BATCH = 100
"""Objects whose photos go into the store in one transaction, and are in memory at once."""
_PATIENCE = 5
"""Failures in a row after which the service is taken for gone."""


@dataclass(frozen=True)
class Spaces:
    """The two connector spaces, to look people up in.

    Parameters
    ----------
    service : SynchronizationService
    store : PhotoStore
        Where the photos go of people who are looked up, at once, and of nobody else.
    directory_agent, sharepoint_agent : str
        Names of the management agents.
    progress : Progress
    """

    service: SynchronizationService
    store: PhotoStore
    directory_agent: str
    sharepoint_agent: str
    progress: Progress = field(default=quiet, repr=False)

    def files(self, folder: Path, history: pd.DataFrame | None = None) -> tuple[Path, Path] | None:
        """Find files of csexport that hold the whole connector space of each agent as it is now.

        A file of pending exports alone (``/f:x``) is not whole, nor is one without holograms (``/o`` without
        ``h``). One that is older than the beginning or the end of the last run is not new: a run of either
        agent may change both.

        Parameters
        ----------
        folder : Path
        history : DataFrame or None
            Columns of `kit.runs.HISTORY`; without it a file's age is not judged.

        Returns
        -------
        tuple of Path or None
            The directory agent's and the SharePoint agent's; None, and the reason in the log, where one is
            not fit.
        """
        try:
            found = (
                csexport.from_folder(folder, self.directory_agent),
                csexport.from_folder(folder, self.sharepoint_agent),
            )
            return found if all(_is_new(file, history) and _is_whole(file) for file in found) else None
        except KitError as error:
            logger.warning("csexport's files are not used: %s", error)
            return None

    def from_files(self, people: Sequence[Row], files: tuple[Path, Path]) -> dict[str, Trail]:
        """Look everybody up in csexport's files, each read once as a stream.

        Parameters
        ----------
        people : sequence of Row
        files : tuple of Path
            Of `files`.

        Returns
        -------
        dict of str to Trail
            One per person.

        Raises
        ------
        ProtocolError, OutputError
            A file is not whole, or it or the store cannot be used.
        """
        directory: dict[str, Holding] = {}
        groups: set[str] = set()
        persons = {key: row["person"] for row in people for key in _directory_keys(row)}
        for one in self._stored(files[0]):
            person = persons.get(one.account) or persons.get(one.dn.casefold())
            if person and (person not in directory or not directory[person].group):
                directory[person] = Holding.of(one, THUMBNAIL, self.store)
            if group := group_of(one):
                groups.add(group)
        joined = {one.group: list[Holding]() for one in directory.values() if one.group}
        named = {name: list[Holding]() for row in people for name in _names(row)}
        for one in self._stored(files[1]):
            places = [joined.get(group_of(one))]
            if _tells_domain(one) or group_of(one) not in groups:
                places += [named.get(name) for name in {account_of(one), normalise_account(one.dn)}]
            if any(place is not None for place in places):
                holding = Holding.of(one, PICTURE, self.store)
                for place in places:
                    if place is not None:
                        place.append(holding)
        return {row["person"]: _trail(row, directory.get(row["person"]), joined, named) for row in people}

    def from_service(self, people: Sequence[Row]) -> dict[str, Trail]:
        """Look people up one by one: WMI has no query for all of them (Microsoft Learn ms697741).

        Who is joined costs two queries; whose SharePoint object is not, some more.

        Parameters
        ----------
        people : sequence of Row

        Returns
        -------
        dict of str to Trail
            Without those who could not be looked up; the log says why.

        Raises
        ------
        SourceError
            The service cannot be read at all, or has no such agent.
        OutputError
            The store cannot be written.
        """
        for agent in (self.directory_agent, self.sharepoint_agent):
            self.service.require(agent)
        listed = self.service.agents()
        guids = dict(zip(listed["name"].str.casefold(), listed["guid"], strict=True))
        found: dict[str, Trail] = {}
        failures = 0
        for row in self.progress(people, "connector spaces", len(people)):
            try:
                with self.store.transaction():
                    found[row["person"]] = self._one(row, guids)
                failures = 0
            except SourceError as error:
                failures += not isinstance(error, ProtocolError)  # who answers nonsense is still there
                logger.warning("%s could not be looked up: %s", row["account"], error)
            if failures == _PATIENCE:
                logger.warning("%d failed in a row; nobody else is looked up", failures)
                break
        return found

    def _stored(self, file: Path) -> Iterator[ConnectorSpaceObject]:
        """Read a file's objects inside transactions of the store, some objects each."""
        objects = iter(self.progress(csexport.read_csexport(file), f"objects in {file.name}", 0))
        while some := list(islice(objects, _BATCH)):
            with self.store.transaction():
                yield from some

    def _one(self, row: Row, guids: Mapping[str, str]) -> Trail:
        account = row["account"]
        found = list(self._directory(row, guids[self.directory_agent.casefold()]))
        directory = next((one for one in found if one.metaverse_guid), next(iter(found), None))
        guid = directory.metaverse_guid if directory else ""
        joined = self._joined(guid, self.sharepoint_agent) if guid else []
        own = [] if joined else islice(self._named(row, guids[self.sharepoint_agent.casefold()]), 1)
        return trail(
            account,
            Holding.of(directory, THUMBNAIL, self.store) if directory else None,
            [Holding.of(one, PICTURE, self.store) for one in joined],
            [Holding.of(one, PICTURE, self.store) for one in own],
        )

    def _directory(self, row: Row, agent_guid: str) -> Iterator[ConnectorSpaceObject]:
        """Ask for the account, else for the distinguished name: an object may not say whose it is."""
        objects = []
        if all(row["account"].partition("\\")):
            found = self.service.connector_space_objects(account=row["account"])
            objects = [one for one in found if _is_of(one, self.directory_agent)]
        if not objects and (name := row["distinguished_name"]):
            objects = self.service.connector_space_objects(agent_guid=agent_guid, dn=name)
        yield from objects

    def _joined(self, metaverse_guid: str, agent: str) -> list[ConnectorSpaceObject]:
        objects = self.service.connector_space_objects(metaverse_guid=metaverse_guid)
        return [one for one in objects if _is_of(one, agent)]

    def _named(self, row: Row, agent_guid: str) -> Iterator[ConnectorSpaceObject]:
        """Ask for the anchors that the SharePoint object may have; that they name the account is unproven."""
        for anchor in dict.fromkeys(filter(None, [*_names(row), row["profile_account"]])):
            for one in self.service.connector_space_objects(agent_guid=agent_guid, dn=anchor):
                if account_of(one) == row["account"] or not (_tells_domain(one) or self._is_taken(one)):
                    yield one

    def _is_taken(self, one: ConnectorSpaceObject) -> bool:
        """Tell whether somebody in the directory is joined to a SharePoint object."""
        return bool(one.metaverse_guid and self._joined(one.metaverse_guid, self.directory_agent))


def _tells_domain(one: ConnectorSpaceObject) -> bool:
    return "\\" in account_of(one)


def _is_of(one: ConnectorSpaceObject, agent: str) -> bool:
    return one.agent.casefold() == agent.casefold()


def _is_new(file: Path, history: pd.DataFrame | None) -> bool:
    written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    if history is None or not (history[["started", "ended"]] > written).any(axis=None):
        return True
    logger.warning("'%s' is not used: an agent has run since it was written; run csexport again", file)
    return False


def _is_whole(file: Path) -> bool:
    """Tell whether a file has an object at rest, with what it holds; in one of pending exports none is."""
    at_rest = (one for one in csexport.read_csexport(file) if not one.export_operation)
    if any(one.hologram or one.pending_import for one in at_rest):
        return True
    logger.warning("'%s' is not used: it does not hold every object; run csexport without options", file)
    return False


def _directory_keys(row: Row) -> Iterable[str]:
    return filter(None, (row["account"], row["distinguished_name"].casefold()))


def _names(row: Row) -> list[str]:
    """Return the names under which the person's SharePoint object may be: an anchor may lack the domain."""
    account = str(row["account"])
    return [name for name in dict.fromkeys((account.rpartition("\\")[2], account)) if name]


def _trail(
    row: Row,
    directory: Holding | None,
    joined: Mapping[str, list[Holding]],
    named: Mapping[str, list[Holding]],
) -> Trail:
    group = directory.group if directory else ""
    own = [one for name in _names(row) for one in named[name]]
    return trail(row["account"], directory, joined.get(group, []), own)
