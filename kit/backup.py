"""The directory's photos as a case has kept them, and as the directory holds them now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from kit.delta import DIRECTORY
from kit.directory import Directory
from kit.errors import SafetyError
from kit.folder import CaseFolder
from kit.forest import Forest
from kit.ldap import escape
from kit.progress import Progress
from kit.store import Link, PhotoStore, Reading
from kit.users import first, guid, person

BATCH = 100
THUMBNAIL = "thumbnailPhoto"


@dataclass(frozen=True)
class Held:
    """Where the directory has a person now, and the photo it holds; None for no photo."""

    distinguished_name: str
    photo: bytes | None = field(repr=False)

    @property
    def sha256(self) -> str:
        """The photo's SHA-256 as lower-case hex; empty for no photo."""
        return "" if self.photo is None else hashlib.sha256(self.photo).hexdigest()


class Backup:
    """The directory's photos that a case has kept, before the fix and since.

    Parameters
    ----------
    before, after : PhotoStore
        The case's stores; what is about to be overwritten goes into the second.
    """

    def __init__(self, before: PhotoStore, after: PhotoStore) -> None:
        self._stores = (before, after)

    def held(self, person: str, before: datetime | None = None) -> Link | None:
        """Return what a person was last read to hold, before a time if one is given."""
        links = [store.held(person, DIRECTORY, before=before) for store in self._stores]
        return max((link for link in links if link), key=lambda link: link.read_at, default=None)

    def has(self, sha256: str) -> bool:
        """Whether a photo can be read back with this hash."""
        return any(store.verify(sha256) for store in self._stores)

    def photo(self, sha256: str) -> bytes | None:
        """Return a photo, None for the empty hash.

        Raises
        ------
        OutputError
            None of the stores has it undamaged.
        """
        if not sha256:
            return None
        store = next((store for store in self._stores if store.verify(sha256)), self._stores[0])
        return store.get(sha256)

    def keep(self, held: Mapping[str, Held]) -> None:
        """Keep the photos of people who are about to get others, and read them back by their hash.

        Raises
        ------
        SafetyError
            One of them is not what was written: it would be lost.
        """
        now, store = datetime.now(UTC), self._stores[1]
        for link in store.record(Reading(one, DIRECTORY, found.photo, now) for one, found in held.items()):
            if link.sha256 and not store.verify(link.sha256):
                what = f"the present photo of '{link.person}' cannot be read back from the store"
                raise SafetyError(what, "the disk or the file is damaged", "check the disk, then run again")


@contextmanager
def opened(folder: CaseFolder) -> Iterator[Backup]:
    """Open what a case has kept."""
    with folder.store("before") as before, folder.store("after") as after:
        yield Backup(before, after)


def look_up(directory: Directory | Forest, people: Sequence[str]) -> dict[str, Held]:
    """Read where given people are in the directory now, and their photos; at most some 100 at once.

    People move and are renamed: they are found by ``objectGUID``, not by a name that was read before.
    """
    if not people:
        return {}
    either = "".join(f"(objectGUID={escape(guid(one).bytes_le)})" for one in people)
    found = directory.entries(f"(|{either})", ["objectGUID", THUMBNAIL])
    return {person(values): Held(name, first(values, THUMBNAIL)) for name, values in found}


def batches(people: pd.DataFrame, progress: Progress, description: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a frame, `BATCH` at a time."""
    starts = range(0, len(people), BATCH)
    for start in progress(starts, description, len(starts)):
        some = people.iloc[start : start + BATCH]
        yield [{str(name): value for name, value in row.items()} for row in some.to_dict("records")]
