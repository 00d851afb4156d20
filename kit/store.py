"""The photo store: every photo once, by its hash, and who held it where and when."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from kit.errors import OutputError

SCHEMA_VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS photos (sha256 TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS links (
    id INTEGER PRIMARY KEY,
    person TEXT NOT NULL,
    system TEXT NOT NULL,
    sha256 TEXT REFERENCES photos,
    read_at TEXT NOT NULL,
    version TEXT NOT NULL DEFAULT '',
    UNIQUE (person, system, read_at)
);
"""
_MIGRATION_OF_1 = "ALTER TABLE links ADD COLUMN version TEXT NOT NULL DEFAULT ''"
# A file of version 1 that may not be written is read as if it had the column.
_VIEW_OF_1 = "CREATE TEMP VIEW links AS SELECT *, '' AS version FROM main.links"
PAGE = 1000


@dataclass(frozen=True)
class Reading:
    """One photo as it was read, on its way into the store.

    Parameters
    ----------
    person : str
        Key of the person.
    system : str
        Where it was read, e.g. ``active_directory`` or ``sharepoint``.
    photo : bytes or None
        None: the person had no photo there, which is worth keeping too.
    read_at : datetime
        Timezone-aware.
    version : str
        Which version of its file the photo is, as the system names it; empty where it names none.
    """

    person: str
    system: str
    photo: bytes | None = field(repr=False)
    read_at: datetime
    version: str = ""


@dataclass(frozen=True)
class Link:
    """Which photo a person had in a system at a time; ``sha256`` is None where there was none.

    ``version`` names the version of the photo's file, so that the system can be asked whether it is still the
    one; empty where none is known.
    """

    person: str
    system: str
    sha256: str | None
    read_at: datetime
    version: str = ""


class PhotoStore:
    """Photos by their SHA-256 in one SQLite file; a context manager.

    One writer and any number of readers may have the file open, each through a `PhotoStore` of its own: a
    reader waits out a commit, nothing else. An instance belongs to the thread that made it.

    Parameters
    ----------
    path : Path or str
        The file; made if it does not exist, unless ``read_only``.
    read_only : bool
        Open an existing file for reading.
    timeout : float
        Seconds to wait for another connection's lock.

    Raises
    ------
    OutputError
        The file cannot be opened, is no photo store, or is of another version.

    Examples
    --------
    >>> with PhotoStore(":memory:") as store:
    ...     key = store.put(b"photo")
    ...     store.get(key), store.verify(key), store.verify("0" * 64)
    (b'photo', True, False)
    """

    def __init__(self, path: Path | str, *, read_only: bool = False, timeout: float = 30.0) -> None:
        self.path = path
        name = f"{Path(path).absolute().as_uri()}?mode=ro" if read_only else str(path)
        with self._errors_named("opened"):
            self._connection = sqlite3.connect(name, timeout, isolation_level=None, uri=read_only)
        try:
            with self._errors_named("opened"):
                self._connection.execute("PRAGMA foreign_keys = ON")
                self._prepare(read_only=read_only)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was not committed is dropped."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything written inside one transaction: all of it is kept, or nothing.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        with self._errors_named("written"):
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def put(self, photo: bytes) -> str:
        """Keep a photo and return its SHA-256 as lower-case hex; a photo already there is kept once."""
        sha256 = hashlib.sha256(photo).hexdigest()
        with self.transaction():
            self._connection.execute("INSERT OR IGNORE INTO photos VALUES (?, ?)", (sha256, photo))
        return sha256

    def get(self, sha256: str) -> bytes:
        """Return a photo.

        Raises
        ------
        OutputError
            It is not in the store, or no longer has this hash: damaged bytes are never handed out.
        """
        photo = self._read(sha256)
        if photo is None:
            what, cause = f"photo {sha256!r} is not in {str(self.path)!r}", "it was never stored there"
            raise OutputError(what, cause, "look the hash up in another case's store")
        if hashlib.sha256(photo).hexdigest() != sha256:
            what, cause = f"photo {sha256!r} in {str(self.path)!r} is damaged", "the file was altered"
            raise OutputError(what, cause, "take the store from a backup")
        return photo

    def verify(self, sha256: str) -> bool:
        """Whether the photo is there and still has this hash, read back and computed anew."""
        photo = self._read(sha256)
        return photo is not None and hashlib.sha256(photo).hexdigest() == sha256

    def record(self, readings: Iterable[Reading]) -> list[Link]:
        """Keep a batch of readings, photos and links, in one transaction.

        Reading the same person in the same system at the same time again replaces the link.
        """
        links = []
        with self.transaction():
            for reading in readings:
                sha256 = None if reading.photo is None else self.put(reading.photo)
                links.append(
                    self.link(
                        reading.person, reading.system, sha256, reading.read_at, version=reading.version
                    )
                )
        return links

    def link(
        self, person: str, system: str, sha256: str | None, read_at: datetime, *, version: str = ""
    ) -> Link:
        """Note that a person had a stored photo, or none, in a system at a time.

        Parameters
        ----------
        person, system, sha256, read_at, version
            As of `Link`.

        Raises
        ------
        OutputError
            The photo is not in the store.
        """
        link = Link(person, system, sha256, read_at.astimezone(UTC), version)
        values = (person, system, sha256, link.read_at.isoformat(timespec="microseconds"), version)
        with self.transaction():
            self._connection.execute(
                "INSERT INTO links (person, system, sha256, read_at, version) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (person, system, read_at)"
                " DO UPDATE SET sha256 = excluded.sha256, version = excluded.version",
                values,
            )
        return link

    def held(self, person: str, system: str, *, before: datetime | None = None) -> Link | None:
        """Return what a person was last seen to hold in a system.

        Parameters
        ----------
        person, system : str
            As linked.
        before : datetime, optional
            Only readings before this time count, such as the start of the fix.

        Returns
        -------
        Link or None
            None if the person was never read there; a link without ``sha256`` if there was no photo. Its
            ``version`` is what to ask the system by, its ``sha256`` what `get` gives if nothing changed.
        """
        until = (
            (before or datetime.max.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="microseconds")
        )
        with self._errors_named("read"):
            row = self._connection.execute(
                "SELECT person, system, sha256, read_at, version FROM links"
                " WHERE person = ? AND system = ? AND read_at < ? ORDER BY read_at DESC LIMIT 1",
                (person, system, until),
            ).fetchone()
        return row and _link(row)

    def links(self, *, person: str = "", system: str = "") -> Iterator[Link]:
        """Every link in the order written, of one person or system if named; holds no lock between pages."""
        last = 0
        while True:
            with self._errors_named("read"):
                rows = self._connection.execute(
                    "SELECT person, system, sha256, read_at, version, id FROM links WHERE id > ?"
                    " AND ? IN ('', person) AND ? IN ('', system) ORDER BY id LIMIT ?",
                    (last, person, system, PAGE),
                ).fetchall()
            yield from (_link(row[:-1]) for row in rows)
            if len(rows) < PAGE:
                return
            last = rows[-1][-1]

    def count(self) -> int:
        """Return the number of distinct photos."""
        with self._errors_named("read"):
            return int(self._connection.execute("SELECT count(*) FROM photos").fetchone()[0])

    def _read(self, sha256: str) -> bytes | None:
        with self._errors_named("read"):
            row = self._connection.execute(
                "SELECT content FROM photos WHERE sha256 = ?", (sha256,)
            ).fetchone()
        return row and bytes(row[0])

    def _prepare(self, *, read_only: bool) -> None:
        """Make the tables of a new file, and bring those of an old one up to date."""
        version = self._schema_version()
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables == 0:
            self._connection.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT"
            )
        elif version == 1 and read_only:
            self._connection.execute(_VIEW_OF_1)
        elif version == 1:
            self._migrate()
        elif version != SCHEMA_VERSION:
            what = f"{str(self.path)!r} has schema version {version}, not {SCHEMA_VERSION}"
            raise OutputError(
                what, "it is no photo store, or one of another version of the kit", "name another file"
            )

    def _migrate(self) -> None:
        """Bring a file of version 1 up to date, unless another connection was faster."""
        with self.transaction():
            if self._schema_version() == 1:
                self._connection.execute(_MIGRATION_OF_1)
                self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _schema_version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _errors_named(self, action: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            what = f"photo store {str(self.path)!r} cannot be {action}"
            raise OutputError(what, str(error), "check the folder, its rights and free space") from error


def _link(row: tuple[str, str, str | None, str, str]) -> Link:
    person, system, sha256, read_at, version = row
    return Link(person, system, sha256, datetime.fromisoformat(read_at), version)
