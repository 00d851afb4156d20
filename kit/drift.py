"""Every person's photo, SharePoint against Active Directory: fetched in batches, kept, compared, judged."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from kit import schema
from kit.directory import Directory
from kit.photos import Comparison, Fingerprint, compare_fingerprints, fingerprint, fingerprint_frame
from kit.pictures import Picture
from kit.progress import Progress, quiet
from kit.schema import VERDICTS
from kit.sharepoint import SharePoint
from kit.store import PhotoStore, Reading

logger = logging.getLogger(__name__)

BATCH = 100
DIRECTORY = "active_directory"
SHAREPOINT = "sharepoint"

_VERDICTS = dict.fromkeys(("same_bytes", "same_pixels", "same_picture"), "in_sync") | {"different": "stale"}


@dataclass(frozen=True)
class Photos:
    """One person's photos as they were read.

    Parameters
    ----------
    person : str
    matched : bool
        Whether the person is in both systems.
    directory, sharepoint : bytes or None
        None: no photo there.
    error_kind, error : str
        What kept one of them from being read; empty if nothing did.
    """

    person: str
    matched: bool
    directory: bytes | None = field(default=None, repr=False)
    sharepoint: bytes | None = field(default=None, repr=False)
    error_kind: str = ""
    error: str = ""


@dataclass(frozen=True)
class Measurement:
    """Who has drifted.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.PEOPLE`.
    fingerprints : DataFrame
        One row per distinct photo, see `kit.photos.fingerprint_frame`.
    """

    people: pd.DataFrame
    fingerprints: pd.DataFrame

    @property
    def counts(self) -> dict[str, int]:
        """People per verdict, every verdict named."""
        return counts(self.people)


def counts(people: pd.DataFrame) -> dict[str, int]:
    """Count people per verdict, in the order of `VERDICTS`, zeros included."""
    found = people["verdict"].value_counts()
    return {verdict: int(found.get(verdict, 0)) for verdict in VERDICTS}


def affected(people: pd.DataFrame) -> pd.DataFrame:
    """Return the people whose photo in Active Directory is not, or may not be, the one SharePoint shows."""
    return people[people["verdict"].isin(["stale", "missing_in_ad", "uncertain"])]


def conclusion(people: pd.DataFrame) -> str:
    """Say in one sentence how many have drifted.

    Examples
    --------
    >>> conclusion(schema.conform(pd.DataFrame({"verdict": ["stale", "in_sync"]}), schema.PEOPLE))
    '1 of 2 people are stale, 0 have no photo in ...'
    """
    found = counts(people)
    return (
        f"{found['stale']:,} of {len(people):,} people are stale, {found['missing_in_ad']:,} have no photo "
        f"in Active Directory yet, {found['uncertain']:,} are uncertain, "
        f"{found['unknown']:,} could not be read."
    )


def measure(
    people: pd.DataFrame,
    directory: Directory,
    sharepoint: SharePoint,
    store: PhotoStore,
    *,
    workers: int = 4,
    progress: Progress = quiet,
) -> Measurement:
    """Read, keep and compare everybody's photos, in batches that bound the memory needed.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.INVENTORY`.
    directory, sharepoint
        The two systems.
    store : PhotoStore
        Every photo read goes in, with who held it where: the backup that a restore needs.
    workers : int
        Pictures fetched from SharePoint at once.
    progress : Progress

    Returns
    -------
    Measurement

    Raises
    ------
    SourceError
        A system stopped answering: the measurement is not there, never half there.
    OutputError
        The store cannot be written.
    """
    rows: list[dict[str, Any]] = []
    seen: dict[str, Fingerprint] = {}
    records = people.to_dict("records")
    batches = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
    with ThreadPoolExecutor(workers) as pool:
        for batch in progress(batches, "photos, in batches of 100", len(batches)):
            photos = _fetch(batch, directory, sharepoint, pool)
            _keep(photos, store)
            judged, found = judge(photos)
            rows.extend(judged)
            seen.update(found)
    verdicts = pd.DataFrame(rows).set_index("person") if rows else pd.DataFrame()
    kept = people.drop(columns=[name for name in verdicts.columns if name in people.columns])
    joined = kept.join(verdicts, on="person") if rows else kept
    return Measurement(schema.conform(joined, schema.PEOPLE), fingerprint_frame(seen.values()))


def judge(photos: list[Photos]) -> tuple[list[dict[str, Any]], dict[str, Fingerprint]]:
    """Fingerprint and compare one batch; a pure function, fit for threads, processes or a cluster.

    Parameters
    ----------
    photos : list of Photos

    Returns
    -------
    list of dict
        One row of `kit.schema.PEOPLE`'s verdict columns per person.
    dict
        SHA-256 to fingerprint of every photo in the batch.
    """
    rows, seen = [], {}
    for one in photos:
        prints = {side: fingerprint(photo) for side, photo in _sides(one)}
        seen.update({print_.sha256: print_ for print_ in prints.values()})
        rows.append(_row(one, prints.get(DIRECTORY), prints.get(SHAREPOINT)))
    return rows, seen


def _fetch(
    batch: list[dict[Any, Any]], directory: Directory, sharepoint: SharePoint, pool: ThreadPoolExecutor
) -> list[Photos]:
    held = dict(directory.photos([row["person"] for row in batch if row["in_directory"]]))
    pictures = pool.map(lambda row: sharepoint.picture(row["picture_url"]), batch)
    return [_photos(row, held, picture) for row, picture in zip(batch, pictures, strict=True)]


def _photos(row: Mapping[str, Any], held: Mapping[str, bytes | None], picture: Picture) -> Photos:
    kind, error = row["error_kind"], row["error"]
    if picture.kind == "forbidden":
        kind, error = "Rights", f"the picture answers {picture.status} to the kit's account"
    if row["in_directory"] and row["person"] not in held:
        kind, error = "NotFound", "the account disappeared from the directory between two reads"
    if row["picture_url"] and picture.kind == "missing" and not error:
        error = f"nothing at the profile's picture URL (HTTP {picture.status})"
    matched = bool(row["in_directory"] and row["in_sharepoint"])
    return Photos(row["person"], matched, held.get(row["person"]), picture.content, kind, error)


def _keep(photos: list[Photos], store: PhotoStore) -> None:
    now = datetime.now(UTC)
    store.record(
        Reading(one.person, side, photo, now)
        for one in photos
        for side, photo in ((DIRECTORY, one.directory), (SHAREPOINT, one.sharepoint))
    )


def _sides(photos: Photos) -> Iterator[tuple[str, bytes]]:
    if photos.directory is not None:
        yield DIRECTORY, photos.directory
    if photos.sharepoint is not None:
        yield SHAREPOINT, photos.sharepoint


def _row(photos: Photos, directory: Fingerprint | None, sharepoint: Fingerprint | None) -> dict[str, Any]:
    comparison = compare_fingerprints(sharepoint, directory) if directory and sharepoint else None
    return {
        "person": photos.person,
        "verdict": verdict(photos, directory, sharepoint, comparison),
        "comparison": comparison.verdict if comparison else "",
        "distance": comparison.distance if comparison else None,
        "correlation": comparison.correlation if comparison else None,
        "detail": comparison.detail if comparison else _alone(directory or sharepoint),
        "directory_sha256": directory.sha256 if directory else "",
        "sharepoint_sha256": sharepoint.sha256 if sharepoint else "",
        "directory_bytes": directory.byte_count if directory else None,
        "sharepoint_bytes": sharepoint.byte_count if sharepoint else None,
        "error_kind": photos.error_kind,
        "error": photos.error,
    }


def _alone(only: Fingerprint | None) -> str:
    return only.description if only else ""


def verdict(
    photos: Photos,
    directory: Fingerprint | None,
    sharepoint: Fingerprint | None,
    comparison: Comparison | None,
) -> str:
    """Judge one person's photos; the words are those of `VERDICTS`.

    Examples
    --------
    >>> verdict(Photos("anna", matched=True), None, None, None)
    'no_photo'
    >>> verdict(Photos("anna", matched=False), None, None, None)
    'unmatched'
    """
    if not photos.matched:
        return "unmatched"
    if photos.error_kind:
        return "unknown"
    if comparison is not None:
        return _VERDICTS.get(comparison.verdict, comparison.verdict)
    only = directory or sharepoint
    if only is None:
        return "no_photo"
    missing = "missing_in_ad" if sharepoint else "missing_in_sharepoint"
    return missing if only.kind == "image" else only.kind
