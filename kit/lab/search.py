"""The practice farm's people search: an index that knows what was crawled, not what is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kit.lab.profiles import ProfileStore, StoredProfile
from kit.profiles import normalise_account

PEOPLE_SOURCE = "b09a7990-05ea-4af9-81ef-edfab16c4e31"
"""The result source "Local People Results", the same in every farm."""
_MOST_ROWS = 500
_LOOKED_IN = ("AccountName", "PreferredName", "WorkEmail", "Department")
_MANAGED = (*_LOOKED_IN, "UserName", "PictureURL", "UserProfile_GUID")


class SearchIndex:
    """What people search finds.

    Parameters
    ----------
    store : ProfileStore
        The profiles; until `freeze` every change is found at once.
    """

    def __init__(self, store: ProfileStore) -> None:
        self._store = store
        self._crawled: Sequence[StoredProfile] | None = None
        self._hidden: set[str] = set()
        self._held: dict[str, str] = {}

    def freeze(self) -> None:
        """Crawl for the last time: from now on searches see the profiles as they are at this moment."""
        self._crawled = self._profiles()

    def crawl(self) -> None:
        """Catch up; searches see every change at once again."""
        self._crawled = None

    def hide(self, account_name: str) -> None:
        """Trim an account from everyone's results, as rights and opting out of search do."""
        self._hidden.add(normalise_account(account_name))

    def hold(self, account_name: str, picture_url: str) -> None:
        """Crawl an account's picture address no more: its row goes on showing this one."""
        self._held[normalise_account(account_name)] = picture_url

    def query(self, asked: Mapping[str, str]) -> dict[str, object]:
        """Return the answer to a search, as light JSON has it.

        Parameters
        ----------
        asked : Mapping[str, str]
            Parameters of ``search/query`` by their names in lower case, values without quotes.
        """
        people = self._matching(asked.get("querytext", ""))
        if asked.get("sourceid", "").lower() != PEOPLE_SOURCE:
            people = []  # the default source holds documents, of which this farm has none
        first, limit = (
            int(asked.get(name, "") or usual) for name, usual in (("startrow", 0), ("rowlimit", 10))
        )
        shown = people[first : first + min(limit, _MOST_ROWS)]
        selected = [name for name in asked.get("selectproperties", "").split(",") if name] or list(_MANAGED)
        results = {
            "Properties": [],
            "RowCount": len(shown),
            "Table": {"Rows": [{"Cells": _cells(self._crawled_last(person), selected)} for person in shown]},
            "TotalRows": len(people),
            "TotalRowsIncludingDuplicates": len(people),
        }
        primary: dict[str, object] = {
            "CustomResults": [],
            "RefinementResults": None,
            "RelevantResults": results,
        }
        return {
            "ElapsedTime": 11,
            "PrimaryQueryResult": primary,
            "Properties": [],
            "SecondaryQueryResults": [],
        }

    def _matching(self, text: str) -> list[StoredProfile]:
        everyone = self._profiles() if self._crawled is None else self._crawled
        visible = [one for one in everyone if normalise_account(one.account_name) not in self._hidden]
        words = text.replace("*", " ").lower().split()
        return [
            one
            for one in visible
            if all(any(word in one.properties.get(name, "").lower() for name in _LOOKED_IN) for word in words)
        ]

    def _crawled_last(self, person: StoredProfile) -> StoredProfile:
        held = self._held.get(normalise_account(person.account_name))
        return (
            person if held is None else replace(person, properties={**person.properties, "PictureURL": held})
        )

    def _profiles(self) -> Sequence[StoredProfile]:
        found, index = [], 0
        while index != -1:
            profile, index = self._store.at(index)
            if profile:
                found.append(profile)
        return found


def _cells(person: StoredProfile, selected: Sequence[str]) -> list[dict[str, str | None]]:
    """Return a row's cells; a property that is not managed is left out, an empty one is null."""
    managed = {name.lower(): name for name in _MANAGED}
    values = {
        name: person.properties.get(managed[name.lower()]) for name in selected if name.lower() in managed
    }
    own = [("Rank", "16.7", "Edm.Double"), ("DocId", str(person.record), "Edm.Int64")]
    texts = [(name, value or None, "Edm.String" if value else "Null") for name, value in values.items()]
    return [{"Key": name, "Value": value, "ValueType": kind} for name, value, kind in (*own, *texts)]
