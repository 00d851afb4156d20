"""Everybody's photos fetched from both systems, batch by batch; what has not changed comes from the store."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kit.directory import Directory, Watermark
from kit.forest import Forest
from kit.pictures import Picture, Version
from kit.sharepoint import SharePoint
from kit.store import Link, PhotoStore, Reading
from kit.users import domain_of

logger = logging.getLogger(__name__)

DIRECTORY = "active_directory"
SHAREPOINT = "sharepoint"
"""What the two systems are called in the photo store."""

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
    """

    person: str
    matched: bool | None
    directory: bytes | None = field(default=None, repr=False)
    sharepoint: bytes | None = field(default=None, repr=False)
    error_kind: str = ""
    error: str = ""


class Collection:
    """The photos of people who are asked for in batches, every one kept in the store with its version.

    In Active Directory who has changed since the store's last reading of the same domain controller is asked
    once, at the beginning (``uSNChanged``); the photos of the others are those of the store. SharePoint is
    asked for every picture, with the version held (ETag): an unchanged one costs an answer without a body.

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
        self._directory = directory
        self._sharepoint = sharepoint
        self._stores = [store, earlier] if earlier else [store]
        self._workers = workers
        self._watermarks, self._unchanged = _unchanged(directory, store)

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
        photos = self._directory_photos(batch)
        pictures = [
            (
                picture,
                store.get(link.sha256 or "") if picture.kind == "not_modified" and link else picture.content,
            )
            for picture, (store, link) in zip(asked, held, strict=True)
        ]
        found = [_photos(row, photos, *pair) for row, pair in zip(batch, pictures, strict=True)]
        self._keep(batch, found, [picture for picture, _ in pictures])
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

    def _directory_photos(self, batch: Sequence[Row]) -> dict[str, bytes | None]:
        wanted = [row["person"] for row in batch if row["in_directory"]]
        photos = dict(self._directory.photos(one for one in wanted if one not in self._unchanged))
        for person in self._directory.present(one for one in wanted if one in self._unchanged):
            sha256 = self._unchanged[person]
            photos[person] = self._stores[0].get(sha256) if sha256 else None
        return photos

    def _keep(self, batch: Sequence[Row], photos: Sequence[Photos], pictures: Sequence[Picture]) -> None:
        now = datetime.now(UTC)
        readings = []
        for row, one, picture in zip(batch, photos, pictures, strict=True):
            domain = self._watermarks.get(domain_of(row["distinguished_name"]), "")
            readings.append(Reading(one.person, DIRECTORY, one.directory, now, domain))
            readings.append(Reading(one.person, SHAREPOINT, one.sharepoint, now, picture.version.text))
        self._stores[0].record(readings)


def is_matched(row: Row) -> bool | None:
    """Say whether a person is in both systems; None where nobody knows, as in `Photos`."""
    both = bool(row["in_directory"] and row["in_sharepoint"])
    return None if row["partial"] and not both else both


def _photos(row: Row, held: Mapping[str, bytes | None], picture: Picture, content: bytes | None) -> Photos:
    kind, error = row["error_kind"], row["error"]
    if picture.error_kind:
        kind, error = picture.error_kind, picture.detail
    elif row["picture_url"] and picture.kind == "missing" and not error:
        error = picture.detail
    if row["in_directory"] and row["person"] not in held:
        kind, error = "NotFound", "the account disappeared from the directory between two reads"
    matched = is_matched(row)
    if matched is None and not kind:
        kind, error = "Unreachable", row["partial"]
    return Photos(row["person"], matched, held.get(row["person"]), content, kind, error)


def _unchanged(
    directory: Directory | Forest, store: PhotoStore
) -> tuple[dict[str, str], dict[str, str | None]]:
    """Ask every domain controller who has changed since the store's last reading of it.

    Returns
    -------
    tuple of dict
        By domain the watermark of now, as text; by person who has not changed the SHA-256 of the photo held.
    """
    links = {link.person: link for link in store.links(system=DIRECTORY)}
    watermarks: dict[str, str] = {}
    unchanged: dict[str, str | None] = {}
    for one in directory.directories if isinstance(directory, Forest) else (directory,):
        read = {person: mark for person, link in links.items() if (mark := _parse(link.version))}
        here = one.watermark()
        ours = {person: mark for person, mark in read.items() if mark.invocation_id == here.invocation_id}
        oldest = min(ours.values(), key=lambda mark: mark.usn, default=None)
        reading = one.changed_since(oldest)
        watermarks[domain_of(one.base_dn)] = _text(reading.watermark)
        if reading.full:
            logger.info("every photo is read: %s", reading.reason)
            continue
        changed = {user.person for user in reading.users}
        unchanged |= {person: links[person].sha256 for person in ours if person not in changed}
    return watermarks, dict(_undamaged(store, unchanged.items()))


def _undamaged(
    store: PhotoStore, photos: Iterable[tuple[str, str | None]]
) -> Iterator[tuple[str, str | None]]:
    return ((person, sha256) for person, sha256 in photos if sha256 is None or store.verify(sha256))


def _text(mark: Watermark) -> str:
    return json.dumps([mark.controller, mark.invocation_id, mark.usn]) if mark.invocation_id else ""


def _parse(text: str) -> Watermark | None:
    try:
        controller, invocation_id, usn = json.loads(text)
        return Watermark(str(controller), str(invocation_id), int(usn))
    except (ValueError, TypeError):
        return None
