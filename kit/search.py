"""People search: a second opinion on who has a profile, never evidence that somebody has none.

The index lags behind the crawl, leaves out who may not be seen and who was never crawled, and knows deleted
people until the next crawl. What it names beyond a walk through the profiles is worth asking for by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kit import rest
from kit.errors import ProtocolError
from kit.profiles import normalise_account
from kit.web import WebSession

PEOPLE_SOURCE = "B09A7990-05EA-4AF9-81EF-EDFAB16C4E31"
"""The result source "Local People Results", the same in every farm."""
_PROPERTIES = ("AccountName", "PreferredName", "PictureURL", "WorkEmail", "UserProfile_GUID")
_MOST_ROWS = 500  # what a farm gives at once unless it was configured otherwise (unproven)


@dataclass(frozen=True)
class SearchPerson:
    r"""A person as the search index knew them when it was last crawled.

    Parameters
    ----------
    account : str
        Normalised account, ``contoso\anna``; empty where the index has none.
    account_name, display_name, work_email : str
        As the index gave them.
    picture_url : str
        The crawled ``PictureURL``, which says nothing about the picture behind it.
    profile_guid : str
        ``UserProfile_GUID``, where the farm's index holds it.
    """

    account: str
    account_name: str
    display_name: str
    picture_url: str
    work_email: str
    profile_guid: str


def people(web: WebSession, words: str = "*", *, page_size: int = _MOST_ROWS) -> Iterator[SearchPerson]:
    """Yield who people search finds; see `kit.sharepoint.SharePoint.search_people`.

    Pages are asked for by row number in the order of the index's own numbers, so that they do not overlap;
    that every build of 2016 sorts by ``[docid]`` is unproven.

    Raises
    ------
    ProtocolError
        The answer has another shape, or the pages repeat themselves.
    """
    selected = rest.literal(",".join(_PROPERTIES))
    query = (
        f"_api/search/query?querytext={rest.literal(words)}&sourceid={rest.literal(PEOPLE_SOURCE)}"
        f"&selectproperties={selected}&trimduplicates=false&sortlist={rest.literal('[docid]:ascending')}"
        f"&rowlimit={page_size}"
    )
    met: set[tuple[str, str]] = set()
    row = 0
    while page := _people(rest.read(web, f"{query}&startrow={row}")):
        fresh = [person for person in page if (person.account_name, person.profile_guid) not in met]
        if not fresh:
            what = f"people search at {web.url} gave the same people from row {row} on again"
            raise ProtocolError(what, "the service does not go on from the row asked for", "leave it out")
        yield from fresh
        met.update((person.account_name, person.profile_guid) for person in fresh)
        row += len(page)


def overlooked(found: Iterable[SearchPerson], walked: Collection[str]) -> Iterator[SearchPerson]:
    r"""Yield the people in the index whom a walk through the profiles did not meet.

    Each is a lead, to be confirmed by reading that profile: the index may be old. Nothing is asked here, so a
    `kit.errors.SourceError` between two leads is that of the search itself; one that reading a lead's profile
    raises belongs to that lead alone, and is the caller's to keep from ending the others.

    Parameters
    ----------
    found : iterable of SearchPerson
        From `kit.sharepoint.SharePoint.search_people`.
    walked : collection of str
        Normalised accounts that the walk met.

    Examples
    --------
    >>> anna = SearchPerson("contoso\\anna", "CONTOSO\\anna", "Anna", "", "", "")
    >>> [person.display_name for person in overlooked([anna], {"contoso\\berit"})]
    ['Anna']
    """
    return (person for person in found if person.account and person.account not in walked)


def _people(payload: Any) -> list[SearchPerson]:  # noqa: ANN401 - any JSON may come
    try:
        results = payload["d"]["query"]["PrimaryQueryResult"]["RelevantResults"]
        rows = results["Table"]["Rows"]["results"]
        return [
            _person({cell["Key"]: cell["Value"] or "" for cell in row["Cells"]["results"]}) for row in rows
        ]
    except (KeyError, TypeError, AttributeError) as error:
        what = "an answer of people search could not be read"
        raise ProtocolError(what, f"it has no table of results ({error!r})", "check the address") from error


def _person(cells: Mapping[str, str]) -> SearchPerson:
    name, display_name, picture, email, guid = (str(cells.get(key, "")) for key in _PROPERTIES)
    return SearchPerson(normalise_account(name), name, display_name, picture, email, guid)
