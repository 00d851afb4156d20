"""Every person's photo, SharePoint against Active Directory: compared and judged."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from kit import inventory, schema
from kit.collection import SHAREPOINT, Collection, Photos, is_matched
from kit.delta import DIRECTORY
from kit.directory import Directory
from kit.errors import SourceError
from kit.forest import Forest
from kit.photos import Comparison, Fingerprint, compare_fingerprints, fingerprint, fingerprint_frame
from kit.progress import Progress, quiet
from kit.schema import VERDICTS
from kit.sharepoint import SharePoint
from kit.store import PhotoStore

logger = logging.getLogger(__name__)

BATCH = 100

_VERDICTS = dict.fromkeys(("same_bytes", "same_pixels", "same_picture"), "in_sync") | {"different": "stale"}


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

    @property
    def partial(self) -> str:
        """Why not everybody was read; empty if everybody was."""
        return inventory.partial(self.people)


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
        f"{inventory.warning(people)}{found['stale']:,} of {len(people):,} people are stale, "
        f"{found['missing_in_ad']:,} have no photo in Active Directory yet, "
        f"{found['uncertain']:,} are uncertain, {found['unknown']:,} could not be read."
    )


def measure(
    people: pd.DataFrame,
    directory: Directory | Forest,
    sharepoint: SharePoint,
    store: PhotoStore,
    *,
    earlier: PhotoStore | None = None,
    workers: int = 4,
    progress: Progress = quiet,
) -> Measurement:
    """Read, keep and compare everybody's photos, in batches that bound the memory needed.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.INVENTORY`.
    directory, sharepoint, store, earlier, workers
        As of `kit.collection.Collection`.
    progress : Progress

    Returns
    -------
    Measurement

    Raises
    ------
    SourceError
        A system cannot be read at all. One that stops in the middle leaves the people after it ``unknown``,
        and every row saying so in ``partial``.
    OutputError
        The store cannot be written.
    """
    rows: list[dict[str, Any]] = []
    seen: dict[str, Fingerprint] = {}
    stopped: SourceError | None = None
    records = people.to_dict("records")
    collection = Collection(directory, sharepoint, store, earlier=earlier, workers=workers)
    batches = collection.batches(records, BATCH)
    try:
        for photos in progress(batches, "photos, in batches of 100", math.ceil(len(records) / BATCH)):
            judged, found = judge(photos)
            rows.extend(judged)
            seen.update(found)
    except SourceError as error:
        if not rows:
            raise
        logger.warning("the photos of %d of %d people were read: %s", len(rows), len(records), error)
        stopped = error
    verdicts = pd.DataFrame([*rows, *_unread(records[len(rows) :], stopped)])
    reasons = [f"The photos were read until: {stopped}"] if stopped else []
    partial = "; ".join(reason.rstrip(".") for reason in [*reasons, *collection.failures])
    return Measurement(_judged(people, verdicts, partial), fingerprint_frame(seen.values()))


def _unread(records: list[dict[Any, Any]], stopped: SourceError | None) -> list[dict[str, Any]]:
    """Return the verdicts of people who were not reached: unknown, with the error that came before them."""
    if stopped is None:
        return []
    return judge([_stopped(row, stopped) for row in records])[0]


def _stopped(row: Mapping[str, Any], error: SourceError) -> Photos:
    return Photos(row["person"], is_matched(row), error_kind=error.kind, error=str(error))


def _judged(people: pd.DataFrame, verdicts: pd.DataFrame, partial: str) -> pd.DataFrame:
    """Put the verdicts to the people, in place of the columns that they renew."""
    if verdicts.empty:
        return schema.conform(people, schema.PEOPLE)
    kept = people.drop(columns=verdicts.columns.intersection(people.columns).drop("person"))
    joined = kept.merge(verdicts, on="person", how="left")
    if partial:
        joined = joined.assign(partial=partial)
    return schema.conform(joined, schema.PEOPLE)


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
        # What aligning needs is done with: a frame of everybody's pictures is not to be held in memory.
        seen.update({print_.sha256: replace(print_, grey=b"") for print_ in prints.values()})
        rows.append(_row(one, prints.get(DIRECTORY), prints.get(SHAREPOINT)))
    return rows, seen


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
        "likeness": comparison.likeness if comparison else None,
        "core_likeness": comparison.core_likeness if comparison else None,
        "detail": comparison.detail if comparison else _alone(directory or sharepoint),
        "directory_sha256": directory.sha256 if directory else "",
        "sharepoint_sha256": sharepoint.sha256 if sharepoint else "",
        "directory_bytes": directory.byte_count if directory else None,
        "sharepoint_bytes": sharepoint.byte_count if sharepoint else None,
        "directory_photo_side": _side(directory),
        "sharepoint_photo_side": _side(sharepoint),
        "error_kind": photos.error_kind,
        "error": photos.error,
        "picture_kind": photos.picture_kind,
    }


def _side(photo: Fingerprint | None) -> int | None:
    """Return the longest side of a photo in pixels; None without an image."""
    return max(photo.width, photo.height) or None if photo else None


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
    if photos.matched is False:
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
