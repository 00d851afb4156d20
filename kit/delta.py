"""Photos of Active Directory read anew only of those who have changed; of the others the store has them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from kit.directory import Directory, Watermark
from kit.errors import SourceError
from kit.forest import Forest
from kit.store import PhotoStore
from kit.users import domain_of

logger = logging.getLogger(__name__)

DIRECTORY = "active_directory"
"""What the system is called in the photo store."""


class Delta:
    """The photos of a directory since the last reading that a store has of it.

    Who has changed is asked of each domain controller once, at the beginning (``uSNChanged``). That somebody
    is still there is asked all the same, and whoever had no photo is read again: it costs nothing, and the
    account may not have seen it. One of several domains that fails leaves its people without an answer.

    Parameters
    ----------
    directory : Directory or Forest
    store : PhotoStore
        With the photos of earlier readings, each under the watermark of its reading.

    Attributes
    ----------
    failures : dict of str to SourceError
        By the distinguished name of the domain, what one of several domains failed with.

    Raises
    ------
    SourceError
        The only domain failed.
    """

    def __init__(self, directory: Directory | Forest, store: PhotoStore) -> None:
        self._several = isinstance(directory, Forest)
        directories = directory.directories if isinstance(directory, Forest) else (directory,)
        self._store = store
        self._links = {link.person: link for link in store.links(system=DIRECTORY)}
        self._directories: dict[str, Directory] = {}
        self._watermarks: dict[str, str] = {}
        self._unchanged: dict[str, str] = {}
        self.failures: dict[str, SourceError] = {}
        for one in directories:
            self._begin(one)

    def version(self, distinguished_name: str) -> str:
        """Return the watermark of the reading of somebody's domain, for the store."""
        return self._watermarks.get(domain_of(distinguished_name), "")

    def photos(self, people: Sequence[tuple[str, str]]) -> dict[str, bytes | None]:
        """Return the photos of people, None for no photo; who is not there, or cannot be read, is left out.

        Parameters
        ----------
        people : sequence of tuple of (str, str)
            ``objectGUID`` and distinguished name.
        """
        found: dict[str, bytes | None] = {}
        for domain, directory in list(self._directories.items()):
            own = [person for person, name in people if not self._several or domain_of(name) == domain]
            try:
                found |= directory.photos(one for one in own if one not in self._unchanged)
                for person in directory.present(one for one in own if one in self._unchanged):
                    found[person] = self._store.get(self._unchanged[person])
            except SourceError as error:
                self._fail(domain, error)
        return found

    def failure(self, distinguished_name: str) -> SourceError | None:
        """Return what kept somebody's domain from being read."""
        return self.failures.get(domain_of(distinguished_name))

    def _begin(self, directory: Directory) -> None:
        url = directory.endpoint.url
        domain = url
        try:
            domain = domain_of(directory.base_dn)
            self._directories[domain] = directory
            self._compare(domain, directory)
        except SourceError as error:
            logger.info("%s cannot be read: %s", url, error)
            self._fail(domain, error)

    def _compare(self, domain: str, directory: Directory) -> None:
        """Find out whose photo in the store is the one that the directory holds."""
        here = directory.watermark()
        marks = {person: mark for person, link in self._links.items() if (mark := parse(link.version))}
        ours = {person: mark for person, mark in marks.items() if mark.invocation_id == here.invocation_id}
        reading = directory.changed_since(
            min(ours.values(), key=lambda mark: mark.usn, default=None), anybody=True
        )
        self._watermarks[domain] = text(reading.watermark)
        if reading.full:
            logger.info("every photo of %s is read: %s", directory.endpoint.url, reading.reason)
            return
        changed = {user.person for user in reading.users}
        for person in ours.keys() - changed:
            sha256 = self._links[person].sha256
            if sha256 and self._store.verify(sha256):
                self._unchanged[person] = sha256

    def _fail(self, domain: str, error: SourceError) -> None:
        """Ask a domain no more, if there are others."""
        if not self._several:
            raise error
        self._directories.pop(domain, None)
        self.failures[domain] = error


def text(mark: Watermark) -> str:
    """Write a watermark as the version of a photo in the store; empty where it could not be recognised again.

    Examples
    --------
    >>> parse(text(Watermark("CN=DC1", "5a", 7)))
    Watermark(controller='CN=DC1', invocation_id='5a', usn=7)
    """
    return json.dumps([mark.controller, mark.invocation_id, mark.usn]) if mark.invocation_id else ""


def parse(version: str) -> Watermark | None:
    """Read a watermark that `text` wrote; None for any other text."""
    try:
        controller, invocation_id, usn = json.loads(version)
        return Watermark(str(controller), str(invocation_id), int(usn))
    except (ValueError, TypeError):
        return None
