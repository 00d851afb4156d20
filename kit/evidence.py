"""What a case folder holds, as far as it is there; what is missing is named."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow

from kit.errors import CaseError, OutputError
from kit.photos import PhotoStore

logger = logging.getLogger(__name__)

PEOPLE_COLUMNS = (
    "person",
    "account",
    "display_name",
    "user_principal_name",
    "distinguished_name",
    "department",
    "verdict",
    "distance",
    "correlation",
    "directory_sha256",
    "sharepoint_sha256",
    "error_kind",
    "error",
)
"""Columns that both frames always have here; null where an older folder lacks them."""

TRAIL_COLUMNS = {
    "trace": (
        *("sharepoint_connector_space", "sharepoint_connector_space_sha256", "stopped_at"),
        *("sharepoint_object", "sharepoint_object_account"),
        *("metaverse_guid", "directory_guid", "sharepoint_guid"),
    ),
    "diagnosis": ("cause", "certainty"),
}
"""Columns that both frames have as well: from which file beside them. Null where it is not there."""


@dataclass(frozen=True)
class Picture:
    """A figure of the case: its name, its PNG and its alternative text."""

    name: str
    png: bytes = field(repr=False)
    alt: str


@dataclass(frozen=True)
class Evidence:
    """A case folder, read.

    Parameters
    ----------
    folder : Path
        The case folder.
    manifest : Mapping
        ``case.json``.
    before, after : DataFrame
        One row per person with at least `PEOPLE_COLUMNS` and `TRAIL_COLUMNS`; empty if there is no snapshot.
    journal : tuple of Mapping
        Lines of the journal of the fix, in order.
    pictures : tuple of Picture
        The charts.
    notebooks : tuple of Path
        Executed notebooks, in order.
    missing : tuple of str
        One sentence for each part that is not there or cannot be read.
    """

    folder: Path
    manifest: Mapping[str, Any]
    before: pd.DataFrame
    after: pd.DataFrame
    journal: tuple[Mapping[str, Any], ...]
    pictures: tuple[Picture, ...]
    notebooks: tuple[Path, ...]
    missing: tuple[str, ...]

    def counts(self, when: str) -> dict[str, int]:
        """People per verdict, ``before`` or ``after``: the manifest's, else counted; empty if unknown."""
        told = self.section("counts").get(when)
        if isinstance(told, Mapping) and told:
            return {str(verdict): number for verdict, number in told.items() if isinstance(number, int)}
        people = self.before if when == "before" else self.after
        return {str(verdict): int(number) for verdict, number in people["verdict"].value_counts().items()}

    def section(self, name: str) -> Mapping[str, Any]:
        """Return one map of the manifest; empty if it is not there."""
        value = self.manifest.get(name)
        return value if isinstance(value, Mapping) else {}

    def rows(self, name: str) -> list[Mapping[str, Any]]:
        """Return one list of the manifest; empty if it is not there."""
        value = self.manifest.get(name)
        return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []

    def photos(self, wanted: Iterable[str]) -> dict[str, bytes]:
        """Fetch photos by their SHA-256 from both stores; those in neither are left out."""
        found: dict[str, bytes] = {}
        with ExitStack() as opened:
            stores = [opened.enter_context(store) for store in self._stores()]
            for sha256 in wanted:
                store = next((store for store in stores if store.verify(sha256)), None)
                if store is not None:
                    found[sha256] = store.get(sha256)
        return found

    def _stores(self) -> Iterator[PhotoStore]:
        for when in ("after", "before"):
            path = self.folder / when / "photos.sqlite"
            if not path.is_file():
                continue
            with suppress(OutputError):  # already named in `missing`
                yield PhotoStore(path, read_only=True)


def read(folder: Path) -> Evidence:
    """Read a case folder.

    Parameters
    ----------
    folder : Path
        ``outputs/<case_id>``.

    Returns
    -------
    Evidence

    Raises
    ------
    CaseError
        It is no case folder: ``case.json`` is not there or is not the manifest of a case.
    """
    manifest = _manifest(folder)
    missing: list[str] = []
    before, after = (_followed(folder / when, when, missing) for when in ("before", "after"))
    journal = tuple(_journal(folder / "journal.jsonl", missing))
    pictures = tuple(_pictures(folder / "figures"))
    notebooks = tuple(sorted((folder / "notebooks").glob("*.ipynb")))
    for part, there in (("charts", pictures), ("executed notebooks", notebooks)):
        if not there:
            missing.append(f"There are no {part} in the case folder.")
    for when, people in (("before", before), ("after", after)):
        if len(people):
            missing.extend(_what_photos_lack(folder / when / "photos.sqlite", when))
    return Evidence(folder, manifest, before, after, journal, pictures, notebooks, tuple(missing))


def _what_photos_lack(path: Path, when: str) -> Iterator[str]:
    if not path.is_file():
        yield f"There are no photos {when} the fix in the case folder."
        return
    try:
        PhotoStore(path, read_only=True).close()
    except OutputError as error:
        logger.warning("photos are left out of the writeup: %s", error)
        yield f"The photos {when} the fix cannot be read."


def _manifest(folder: Path) -> Mapping[str, Any]:
    what, step = f"'{folder}' is not a case folder", "name a folder in outputs/ that a run has made"
    try:
        manifest = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    except OSError as error:
        cause = f"its case.json cannot be read ({error.strerror or type(error).__name__})"
        raise CaseError(what, cause, step) from error
    except ValueError as error:
        raise CaseError(what, f"its case.json is not JSON ({error})", step) from error
    if not isinstance(manifest, dict):
        raise CaseError(what, "its case.json is not the manifest of a case", step)
    return manifest


def _followed(folder: Path, when: str, missing: list[str]) -> pd.DataFrame:
    """Read the people of a phase with what became of each one's photo on its way."""
    name = f"snapshot of the people {when} the fix"
    people = _people(folder / "people.parquet", name, missing)
    if not (folder / "people.parquet").is_file():
        missing.append(f"There is no {name}.")
    for file, columns in TRAIL_COLUMNS.items():
        found = _frame(folder / f"{file}.parquet", f"{file} {when} the fix", missing)
        found = found.reindex(columns=["person", *columns]).astype("string").drop_duplicates("person")
        people = people.drop(columns=[*columns], errors="ignore").merge(found, on="person", how="left")
    return people


def _frame(path: Path, name: str, missing: list[str]) -> pd.DataFrame:
    """Read a frame; an empty one where there is none, or where it cannot be read, which is said."""
    try:
        return pd.read_parquet(path) if path.is_file() else pd.DataFrame()
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        logger.warning("%s cannot be read: %s", path, error)
        missing.append(f"The {name} cannot be read.")
        return pd.DataFrame()


def _people(path: Path, name: str, missing: list[str]) -> pd.DataFrame:
    people = _frame(path, name, missing)
    columns = [*PEOPLE_COLUMNS, *(column for column in people.columns if column not in PEOPLE_COLUMNS)]
    people = people.reindex(columns=columns)
    numbers = [pd.to_numeric(people[name], errors="coerce") for name in ("distance", "correlation")]
    people[list(PEOPLE_COLUMNS)] = people[list(PEOPLE_COLUMNS)].astype("string")
    return people.assign(
        person=people["person"].fillna(people["account"]), distance=numbers[0], correlation=numbers[1]
    )


def _journal(path: Path, missing: list[str]) -> Iterator[Mapping[str, Any]]:
    if not path.is_file():
        missing.append("There is no journal: the fix was not run.")
        return
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            event = json.loads(line)
        except ValueError:
            missing.append(f"Line {number} of the journal is torn: a run was killed while it wrote.")
            continue
        if isinstance(event, dict):
            yield event


def _pictures(folder: Path) -> Iterator[Picture]:
    for path in sorted(folder.glob("*.png")):
        told = path.with_suffix(".txt")
        alt = told.read_text(encoding="utf-8", errors="replace").strip() if told.is_file() else ""
        yield Picture(path.stem, path.read_bytes(), alt or path.stem.replace("_", " "))
