"""Everybody's photos fetched from both systems, batch by batch; what has not changed comes from the store."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kit.delta import DIRECTORY, Delta
from kit.directory import Directory
from kit.forest import Forest
from kit.pictures import Picture, Version
from kit.sharepoint import SharePoint
from kit.store import Link, PhotoStore, Reading

logger = logging.getLogger(__name__)

SHAREPOINT = "sharepoint"
"""What SharePoint is called in the photo store; for Active Directory see `kit.delta`."""

Row = Mapping[Any, Any]
"""One person of a frame with the columns of `kit.schema.INVENTORY`."""


@dataclass(frozen=True)
class Photos:
    """One person's photos as they were read.

    Parameters
    ----------
    person : str
    matched : bool or None
        Whether the person is in both systems; None where nobody knows, because one was not read to its end.
    directory, sharepoint : bytes or None
        None: no photo there.
    error_kind, error : str
        What kept one of them from being read; empty if nothing did.
    picture_kind : str
        What SharePoint answered with, a key of `kit.pictures.KINDS`: of the picture that is held where it is
        still the one. Empty where nothing was asked.
    """

    person: str
    matched: bool | None
    directory: bytes | None = field(default=None, repr=False)
    sharepoint: bytes | None = field(default=None, repr=False)
    error_kind: str = ""
    error: str = ""
    picture_kind: str = ""


class Collection:
    """The photos of people who are asked for in batches, every one kept in the store with its version.

    Active Directory is read as `kit.delta` does it. SharePoint is asked for every picture, with the version
    held (ETag): an unchanged one costs an answer without a body.

    Parameters
    ----------
    directory : Directory or Forest
    sharepoint : SharePoint
    store : PhotoStore
        Every photo read goes in, with who held it where: the backup that a restore needs.
    earlier : PhotoStore or None
        Where to look for pictures of SharePoint that ``store`` has not held yet; never for photos of Active
        Directory, so that those of a new store were all read from there.
    workers : int
        Pictures asked for at once.
    """

    def __init__(
        self,
        directory: Directory | Forest,
        sharepoint: SharePoint,
        store: PhotoStore,
        *,
        earlier: PhotoStore | None = None,
        workers: int = 4,
    ) -> None:
        self._sharepoint = sharepoint
        self._stores = [store, earlier] if earlier else [store]
        self._workers = workers
        self._blind = directory.is_global_catalog
        self._delta = Delta(directory, store)

    @property
    def failures(self) -> list[str]:
        """What domains of the forest failed with; their people have no photos and say why."""
        return [str(error) for error in self._delta.failures.values()]

    def batches(self, people: Sequence[Row], size: int) -> Iterator[list[Photos]]:
        """Fetch and keep everybody's photos, some people at a time.

        Raises
        ------
        SourceError
            A system stopped answering; the batches before are in the store.
        OutputError
            The store cannot be written.
        """
        with ThreadPoolExecutor(self._workers) as pool:
            for start in range(0, len(people), size):
                yield self._fetch(people[start : start + size], pool)

    def _fetch(self, batch: Sequence[Row], pool: ThreadPoolExecutor) -> list[Photos]:
        held = [self._held(row["person"]) for row in batch]
        known = [Version.parse(link.version) if link else None for _, link in held]
        asked = pool.map(lambda row, version: self._picture(row["picture_url"], version), batch, known)
        held_there = [(row["person"], row["distinguished_name"]) for row in batch if row["in_directory"]]
        photos = self._delta.photos(held_there)
        found = []
        with self._stores[0].transaction():
            for row, picture, (store, link) in zip(batch, asked, held, strict=True):
                unchanged = picture.kind == "not_modified" and link is not None
                content = store.get(link.sha256 or "") if unchanged and link else picture.content
                found.append(self._photos(row, photos, picture, content))
        return found

    def _picture(self, url: str, known: Version | None) -> Picture:
        return self._sharepoint.picture(url, known=known)

    def _held(self, person: str) -> tuple[PhotoStore, Link | None]:
        """Return the picture of SharePoint that a store has of a person, undamaged, and which store."""
        for store in self._stores:
            link = store.held(person, SHAREPOINT)
            if link and link.sha256 and link.version and store.verify(link.sha256):
                return store, link
        return self._stores[0], None

    def _photos(
        self, row: Row, held: Mapping[str, bytes | None], picture: Picture, content: bytes | None
    ) -> Photos:
        """Put together what was read of one person, and keep it."""
        self._keep(row, held, picture, content)
        kind, error = row["error_kind"], row["error"]
        if picture.error_kind:
            kind, error = picture.error_kind, picture.detail
        elif row["picture_url"] and picture.kind == "missing" and not error:
            error = picture.detail
        if row["in_directory"] and (failure := self._unread(row, held)):
            kind, error = failure
        matched = is_matched(row)
        if matched is None and not kind:
            kind, error = "Unreachable", row["partial"]
        asked = _kind(picture) if row["picture_url"].strip() else ""
        return Photos(row["person"], matched, held.get(row["person"]), content, kind, error, asked)

    def _unread(self, row: Row, held: Mapping[str, bytes | None]) -> tuple[str, str] | None:
        """Say why a photo could not be read from the directory."""
        if failure := self._delta.failure(row["distinguished_name"]):
            return failure.kind, str(failure)
        if row["person"] not in held:
            return "NotFound", "the account disappeared from the directory between two reads"
        if self._blind and held[row["person"]] is None:
            return "NotFound", "a global catalogue holds no photos by default"
        return None

    def _keep(
        self, row: Row, held: Mapping[str, bytes | None], picture: Picture, content: bytes | None
    ) -> None:
        """Keep what was read; where nothing could be read, nothing is noted: that is not "no photo"."""
        now, person, store = datetime.now(UTC), row["person"], self._stores[0]
        readings = []
        if row["in_directory"] and not self._unread(row, held):
            version = self._delta.version(row["distinguished_name"])
            readings.append(Reading(person, DIRECTORY, held[person], now, version))
        if not picture.error_kind:
            readings.append(Reading(person, SHAREPOINT, content, now, picture.version.text))
        store.record(readings)


def _kind(picture: Picture) -> str:
    """Return what SharePoint has; a version is only ever held of a picture."""
    return "image" if picture.kind == "not_modified" else picture.kind


def is_matched(row: Row) -> bool | None:
    """Say whether a person is in both systems; None where nobody knows, as in `Photos`."""
    both = bool(row["in_directory"] and row["in_sharepoint"])
    return None if row["partial"] and not both else both
