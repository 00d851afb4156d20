"""The practice farm's User Information List: the copies that a site keeps of people's picture addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from kit.lab.profiles import ProfileStore, StoredProfile
from kit.profiles import claim, normalise_account

_MOST_ITEMS = 100
"""Items that an answer has where nobody asks for another number."""


@dataclass(frozen=True)
class Page:
    """Some items of a list, and the query that asks for those after them; empty at the end."""

    items: list[dict[str, Any]]
    following: str


class UserInformationList:
    """What one site knows of people.

    Parameters
    ----------
    store : ProfileStore
        The profiles; until `hold` every change is copied at once.
    """

    def __init__(self, store: ProfileStore) -> None:
        self._store = store
        self._held: dict[str, str] = {}

    def hold(self, account_name: str, picture_url: str) -> None:
        """Copy no more of an account's changes: the site goes on showing this picture address."""
        self._held[normalise_account(account_name)] = picture_url

    def page(self, asked: Mapping[str, str]) -> Page:
        """Return a page of items.

        Parameters
        ----------
        asked : Mapping[str, str]
            The query of ``siteuserinfolist/items``, of which ``$top`` and ``$skiptoken`` are modelled.

        Raises
        ------
        ValueError
            A number is none.
        """
        most = int(asked.get("$top", _MOST_ITEMS))
        after = int(dict(parse_qsl(asked.get("$skiptoken", ""))).get("p_ID", 0))
        items: list[dict[str, Any]] = []
        index = after + 1
        while index != -1 and len(items) < most:
            profile, index = self._store.at(index)
            if profile:
                items.append(self._item(profile))
        if index == -1:
            return Page(items, "")
        token = urlencode({"Paged": "TRUE", "p_ID": items[-1]["Id"]})
        return Page(items, urlencode({**asked, "$skiptoken": token}, safe="$,", quote_via=quote))

    def _item(self, profile: StoredProfile) -> dict[str, Any]:
        picture = self._picture(profile)
        return {
            "__type": "SP.Data.UserInfoItem",
            "Id": profile.record,
            "Name": claim(profile.account_name),
            "Picture": {"__type": "SP.FieldUrlValue", "Description": picture, "Url": picture}
            if picture
            else None,
        }

    def _picture(self, profile: StoredProfile) -> str:
        """Return the address that the site shows, which names the moment of the picture as the copies do."""
        held = self._held.get(normalise_account(profile.account_name))
        if held is not None:
            return held
        url, moment = profile.properties["PictureURL"], profile.properties["SPS-PictureTimestamp"]
        return f"{url}?t={moment}" if url else ""
