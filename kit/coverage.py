"""What speaks for an inventory being whole, and where the pictures in it are."""

from __future__ import annotations

import logging

import pandas as pd

from kit import addresses, search
from kit.errors import SourceError
from kit.sharepoint import SharePoint

logger = logging.getLogger(__name__)


def profiles(people: pd.DataFrame, sharepoint: SharePoint) -> str:
    """Say in one sentence how many profiles SharePoint counts, and how many people have one in the inventory.

    The numbers may differ for good reasons: only active profiles are counted, a person can have two, and
    people come and go between the two questions.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.INVENTORY`.
    sharepoint : SharePoint
    """
    counted, met = sharepoint.count(), int(people["in_sharepoint"].sum())
    note = "" if counted <= met else " Look for people with two profiles, then ask people search below."
    return f"SharePoint counts {counted:,} profiles; {met:,} people of the inventory have one.{note}"


def second_opinion(people: pd.DataFrame, sharepoint: SharePoint) -> pd.DataFrame:
    """Ask people search whom the walk through the profiles did not meet, and SharePoint about each of them.

    The index is old by nature and shows only who may be seen: somebody whom it does not name may well have a
    profile, and whom it names may have none any more.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.INVENTORY`.
    sharepoint : SharePoint

    Returns
    -------
    DataFrame
        Text columns ``account``, ``display_name`` and ``answer``; where people search cannot be asked, one
        row that says why.
    """
    rows = []
    walked = set(people["account"][people["in_sharepoint"]])
    try:
        for lead in search.overlooked(sharepoint.search_people(), walked):
            rows.append((lead.account, lead.display_name, _answer(sharepoint, lead.account_name)))  # noqa: PERF401 - what was answered before a failure must stay
    except SourceError as error:
        logger.warning("no second opinion: %s", error)
        rows.append(("", "", f"people search could not be asked: {error}"))
    return pd.DataFrame(rows, columns=["account", "display_name", "answer"], dtype="str")


def places(people: pd.DataFrame) -> pd.DataFrame:
    """Count the pictures of an inventory by where their addresses say that they are.

    More than one host tells of a moved My Site host or of zones, more than one folder of a changed language,
    ``imported`` of photos from Active Directory that never got thumbnails.

    Returns
    -------
    DataFrame
        ``host``, ``folder``, ``form`` (see `kit.addresses.Place`) and ``pictures`` (int64), the most first.

    Examples
    --------
    >>> places(pd.DataFrame({"picture_url": ["https://my/User%20Photos/A/C_anna_MThumb.jpg"]})).values.tolist()
    [['https://my', '/User Photos/A', 'thumbnail', 1]]
    """
    found = addresses.origins(people["picture_url"]).most_common()
    rows = [(place.origin, place.folder, place.form, number) for place, number in found]
    columns = {"host": "str", "folder": "str", "form": "str", "pictures": "int64"}
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def _answer(sharepoint: SharePoint, account_name: str) -> str:
    try:
        known = sharepoint.profile(account_name) is not None
    except SourceError as error:
        return f"could not be asked about: {error}"
    return "has a profile that the walk did not meet" if known else "has no profile any more"
