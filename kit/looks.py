"""Closer looks at pictures: their sizes, caches and copies elsewhere, and people with two profiles.

They tell causes apart, not people: where one look fails, it is unknown, and everything else goes on.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pandas as pd

from kit import schema
from kit.addresses import SIZES, sized
from kit.errors import SourceError
from kit.pictures import Picture
from kit.progress import Progress, quiet
from kit.sharepoint import SharePoint

logger = logging.getLogger(__name__)

SAMPLE = 50
"""People in sync whose picture is asked for past every cache."""
MOST_STALE = 500
"""Stale people of whom the same is asked."""
MOST_MISSING = 1_000
"""People without a picture file whose other sizes are asked for."""

_NOT_THERE = frozenset({"missing", "unusable_address"})
_EVERY_SIZE = "".join(SIZES)

Look = TypeVar("Look")


def take(
    people: pd.DataFrame,
    sharepoint: SharePoint,
    *,
    sample: int = SAMPLE,
    workers: int = 4,
    progress: Progress = quiet,
) -> pd.DataFrame:
    """Look at the pictures of those where it tells something, and at the copies of everybody's address.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.PEOPLE`.
    sharepoint : SharePoint
    sample : int
        People in sync to ask past the caches, drawn evenly over the frame, beside `MOST_STALE` stale ones.
    workers : int
        Pictures asked for at once.
    progress : Progress

    Returns
    -------
    DataFrame
        Columns of `kit.schema.LOOKS`, one row per person in the same order. What could not be looked at is
        empty or null, and the reason is logged.
    """
    looks = people[["person"]].assign(
        site_copy=_copied(people, _site_copies(sharepoint)),
        search_picture=_copied(people, _search_pictures(sharepoint)),
        profile_of=second_profiles(people),
    )
    missing = _evenly(people[people["picture_kind"].eq("missing")], MOST_MISSING)
    with ThreadPoolExecutor(workers) as pool:

        def each(chosen: pd.DataFrame, look: Callable[[str], Look], description: str) -> dict[Hashable, Look]:
            found = zip(chosen.index, pool.map(look, chosen["picture_url"]), strict=True)
            return dict(progress(found, description, len(chosen)))

        thumbnails = each(missing, lambda url: _thumbnails(sharepoint, url), "thumbnails of missing pictures")
        cached = each(_sampled(people, sample), lambda url: _behind_cache(sharepoint, url), "caches")
    looks["thumbnails"] = pd.Series(thumbnails, dtype="str")
    looks["cached_picture"] = pd.Series(
        {index: found for index, (found, _) in cached.items()}, dtype="boolean"
    )
    looks["fresh_sha256"] = pd.Series({index: sha256 for index, (_, sha256) in cached.items()}, dtype="str")
    return schema.conform(looks, schema.LOOKS)


def picture_editable(sharepoint: SharePoint) -> bool | None:
    """Say whether people may set their own picture; None where SharePoint does not tell this account."""
    try:
        return sharepoint.picture_editable()
    except SourceError as error:
        logger.warning("whether people may set their picture is not known: %s", error)
        return None


def my_site_host(people: pd.DataFrame, sharepoint: SharePoint) -> str:
    """Return the address of the My Site host, as somebody's profile names it; empty where none tells."""
    accounts = people.loc[people["in_sharepoint"], "profile_account"]
    try:
        return sharepoint.my_site_host(next((name for name in accounts if name), ""))
    except SourceError as error:
        logger.warning("the My Site host is not known: %s", error)
        return ""


def second_profiles(people: pd.DataFrame) -> pd.Series:
    r"""Tell of which person a profile without an account is the second one: their address says so.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.INVENTORY`.

    Returns
    -------
    Series of str
        On the index of ``people``: the account of the person in both systems whose mail address or user
        principal name the profile has as work address; empty for none, or for an address that several share.

    Examples
    --------
    >>> there = {"in_sharepoint": True, "work_email": "anna@contoso"}
    >>> anna = {**there, "account": "contoso\\anna", "in_directory": True}
    >>> other = {**there, "account": "old\\anna"}
    >>> second_profiles(schema.conform(pd.DataFrame([anna, other]), schema.INVENTORY)).tolist()
    ['', 'contoso\\anna']
    """
    matched = people[people["in_directory"] & people["in_sharepoint"]]
    addresses = matched.melt("account", ["mail", "user_principal_name", "work_email"], value_name="address")
    addresses["address"] = addresses["address"].str.casefold()
    known = addresses[["account", "address"]].drop_duplicates()
    unique = known[known["address"].ne("") & ~known["address"].duplicated(keep=False)]
    owners = dict(zip(unique["address"], unique["account"], strict=True))
    alone = people["in_sharepoint"] & ~people["in_directory"]
    found = people["work_email"].str.casefold().map(lambda address: owners.get(address, ""))
    return found.astype("str").where(alone, "")


def _copied(people: pd.DataFrame, copies: Iterable[tuple[str, str]]) -> pd.Series:
    """Put addresses, by account, to the people; the copies are read as far as they come."""
    found: dict[str, str] = {}
    try:
        found.update(copies)
    except SourceError as error:
        logger.warning("copies of picture addresses were not read to the end: %s", error)
    return people["account"].map(lambda account: found.get(account, "")).astype("str")


def _site_copies(sharepoint: SharePoint) -> Iterator[tuple[str, str]]:
    for copy in sharepoint.site_copies():
        yield copy.account, copy.picture_url


def _search_pictures(sharepoint: SharePoint) -> Iterator[tuple[str, str]]:
    for person in sharepoint.search_people():
        yield person.account, person.picture_url


def _thumbnails(sharepoint: SharePoint, url: str) -> str:
    """Return the sizes of a picture that exist; empty where one of them gave no answer."""
    one_file = sized(url, "S") == sized(url, "L")
    found = ""
    for size in _EVERY_SIZE[:1] if one_file else _EVERY_SIZE:
        picture = _picture(sharepoint, url, size=size)
        if picture is None:
            return ""
        found += "" if picture.kind in _NOT_THERE else size
    return found or "-"


def _behind_cache(sharepoint: SharePoint, url: str) -> tuple[bool | None, str]:
    """Say whether an address answers with other bytes than past every cache, and the hash of the latter."""
    plain, fresh = _picture(sharepoint, url), _picture(sharepoint, url, fresh=True)
    if plain is None or fresh is None or "image" not in {plain.kind, fresh.kind} or fresh.content is None:
        return None, ""
    return plain.content != fresh.content, hashlib.sha256(fresh.content).hexdigest()


def _picture(sharepoint: SharePoint, url: str, *, size: str = "", fresh: bool = False) -> Picture | None:
    """Fetch a picture; None where no answer came."""
    try:
        picture = sharepoint.picture(url, size=size, fresh=fresh)
    except SourceError as error:
        logger.warning("a closer look at a picture failed: %s", error)
        return None
    return None if picture.kind == "unreachable" else picture


def _sampled(people: pd.DataFrame, sample: int) -> pd.DataFrame:
    """Return who is asked past the caches: the same people for the same frame."""
    seen = people[people["picture_kind"].eq("image")]
    stale, in_sync = (seen[seen["verdict"].eq(verdict)] for verdict in ("stale", "in_sync"))
    return pd.concat([_evenly(stale, MOST_STALE), _evenly(in_sync, sample)])


def _evenly(people: pd.DataFrame, most: int) -> pd.DataFrame:
    return people.iloc[:: max(1, -(-len(people) // most))] if most else people.iloc[:0]
