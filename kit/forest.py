"""Several domains of a forest as one source: each read from a domain controller of its own.

A global catalogue would be one server for all of them, but it has no photos by default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from types import TracebackType
from typing import Self, TypeVar

from kit.directory import Directory
from kit.errors import ParameterError, SourceError
from kit.ldap import Values
from kit.users import DirectoryUser, domain_of

_Found = TypeVar("_Found")


class Forest:
    """The people of several domains, who carry the NetBIOS name of their own. Not thread-safe.

    Parameters
    ----------
    directories : sequence of Directory
        One per domain, in the order in which they are to be read; closed with the forest.
    """

    def __init__(self, directories: Sequence[Directory]) -> None:
        self.directories = tuple(directories)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Sign out everywhere, even if one of the connections cannot be closed."""
        with ExitStack() as stack:
            for directory in self.directories:
                stack.callback(directory.close)

    @property
    def is_global_catalog(self) -> bool:
        """Whether any of the addresses is that of a global catalogue."""
        return any(directory.is_global_catalog for directory in self.directories)

    def users(self, *, photos: bool = False, extra_filter: str = "") -> Iterator[DirectoryUser]:
        """Read the users of one domain after the other, see `Directory.users`.

        Raises
        ------
        SourceError
            As there, with the domain controller's address, when all other domains have been read.
        """
        yield from self._each(lambda one: one.users(photos=photos, extra_filter=extra_filter))

    def deleted(self, *, extra_filter: str = "") -> Iterator[DirectoryUser]:
        """Read the deleted users of every domain, see `Directory.deleted`."""
        yield from self._each(lambda one: one.deleted(extra_filter=extra_filter))

    def _each(self, read: Callable[[Directory], Iterator[_Found]]) -> Iterator[_Found]:
        """Read every domain, and only then raise what the first one to fail has raised."""
        failure: SourceError | None = None
        for directory in self.directories:
            try:
                with _named(directory):
                    yield from read(directory)
            except SourceError as error:
                failure = failure or error
        if failure:
            raise failure

    def photos(self, people: Iterable[str], batch: int = 100) -> Iterator[tuple[str, bytes | None]]:
        """Read the photos of given people, whichever domain they are in, see `Directory.photos`."""
        return self._look_up(people, batch, lambda directory, wanted: directory.photos(wanted, batch))

    def present(self, people: Iterable[str], batch: int = 100) -> Iterator[str]:
        """Yield those of given people who are still in one of the domains, see `Directory.present`."""
        found = self._look_up(
            people, batch, lambda directory, wanted: ((one, None) for one in directory.present(wanted, batch))
        )
        return (person for person, _ in found)

    @property
    def controllers(self) -> Mapping[str, str]:
        """The forest's domain controllers, whichever domain they serve, see `Directory.controllers`."""
        with _named(self.directories[0]):
            return self.directories[0].controllers

    def entries(self, search_filter: str, attributes: Sequence[str]) -> Iterator[tuple[str, Values]]:
        """Search every domain, see `Directory.entries`."""
        yield from self._each(lambda one: one.entries(search_filter, attributes))

    def replace_photo(self, distinguished_name: str, photo: bytes | None, *, current: bytes | None) -> None:
        """Write one user's photo in the user's own domain, see `Directory.replace_photo`.

        Raises
        ------
        ParameterError
            If none of the directories serves that domain.
        """
        directory = self._serving(distinguished_name)
        with _named(directory):
            directory.replace_photo(distinguished_name, photo, current=current)

    def writable_attributes(self, distinguished_name: str) -> frozenset[str]:
        """Ask the object's own domain what may be written, see `Directory.writable_attributes`.

        Raises
        ------
        ParameterError
            If none of the directories serves that domain.
        """
        directory = self._serving(distinguished_name)
        with _named(directory):
            return directory.writable_attributes(distinguished_name)

    def _serving(self, distinguished_name: str) -> Directory:
        """Return the directory that serves an object's domain."""
        domain = domain_of(distinguished_name)
        for directory in self.directories:
            with _named(directory):
                if domain_of(directory.base_dn) == domain:
                    return directory
        known = ", ".join(directory.endpoint.url for directory in self.directories)
        what = f"object {distinguished_name!r}"
        raise ParameterError(what, f"{known} do not serve its domain", "name a domain controller of it")

    def _look_up(
        self,
        people: Iterable[str],
        batch: int,
        ask: Callable[[Directory, list[str]], Iterator[tuple[str, _Found]]],
    ) -> Iterator[tuple[str, _Found]]:
        """Ask every domain for those people whom the ones before it do not have."""
        remaining = iter(people)
        while wanted := dict.fromkeys(islice(remaining, batch)):
            for directory in self.directories:
                with _named(directory):
                    for person, found in ask(directory, list(wanted)):
                        wanted.pop(person, None)
                        yield person, found


@contextmanager
def _named(directory: Directory) -> Iterator[None]:
    """Tell in an error which of the domain controllers it comes from."""
    try:
        yield
    except SourceError as error:
        what = f"{error.what}, asked of {directory.endpoint.url!r}"
        raise type(error)(what, error.cause, error.next_step) from error
