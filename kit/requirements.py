"""Requirement files read with the standard library alone: what they name, and whether it is installed."""

from __future__ import annotations

import hashlib
import operator
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

from kit.errors import SetupError

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?P<bounds>[<>=!].*)?")
_BOUND = re.compile(r"(?P<comparison><=|>=|==|!=|<|>)\s*(?P<version>\d+(?:\.\d+)*)")
_COMPARISONS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
_VERSION_PARTS = 6


def digest(file: Path) -> str:
    """Return the SHA-256 of a requirement file, in hexadecimal.

    Raises
    ------
    SetupError
        The file cannot be read.
    """
    return hashlib.sha256(_read(file)).hexdigest()


def satisfied(files: Sequence[Path], path: Sequence[str] | None = None) -> bool:
    """Tell whether every requirement of the files is installed, in a version within its bounds.

    Parameters
    ----------
    files : Sequence[Path]
        Requirement files. A line that is more than a name and bounds (a marker, an extra, an address, an
        option) counts as not satisfied, for only pip can judge it.
    path : Sequence[str] or None
        The import path to look in; the running interpreter's own by default.

    Returns
    -------
    bool
        True when nothing is left for pip to do.

    Raises
    ------
    SetupError
        A file cannot be read.
    """
    where = sys.path if path is None else path
    return all(_installed(line, where) for file in files for line in _lines(file))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        what = f"{file} cannot be read"
        cause = error.strerror or str(error)
        raise SetupError(what, cause, "get a complete copy of the project") from error


def _lines(file: Path) -> Iterator[str]:
    """Yield the requirements of one file, without comments and empty lines."""
    for line in _read(file).decode("utf-8", errors="replace").splitlines():
        requirement = re.sub(r"(^|\s)#.*", "", line).strip()
        if requirement:
            yield requirement


def _installed(requirement: str, path: Sequence[str]) -> bool:
    """Tell whether one requirement is met.

    Examples
    --------
    >>> _installed("no-such-package>=1", sys.path)
    False
    """
    match = _REQUIREMENT.fullmatch(requirement)
    if match is None:
        return False
    distribution = next(iter(metadata.distributions(name=match["name"], path=list(path))), None)
    return distribution is not None and within(distribution.version, match["bounds"] or "")


def within(version: str, bounds: str) -> bool:
    """Tell whether a version is within comma-separated bounds; a bound that is not understood is not met.

    Examples
    --------
    >>> within("3.1.1", ">=3.1,<4"), within("4.0", ">=3.1,<4"), within("3.10", ">=3.9"), within("2", "~=2")
    (True, False, True, False)
    """
    for bound in filter(None, (part.strip() for part in bounds.split(","))):
        match = _BOUND.fullmatch(bound)
        if match is None or not _COMPARISONS[match["comparison"]](
            _numbers(version), _numbers(match["version"])
        ):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    """Return a version's leading numbers at a fixed length, so that 3.1 equals 3.1.0.

    Examples
    --------
    >>> _numbers("3.1.0rc1"), _numbers("4.17.12+local")
    ((3, 1, 0, 0, 0, 0), (4, 17, 12, 0, 0, 0))
    """
    release = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in release[0].split(".")] if release else []
    return tuple((numbers + [0] * _VERSION_PARTS)[:_VERSION_PARTS])
