"""The copies that a site keeps of people's picture addresses: its hidden User Information List.

Each site collection has its own. Profile changes are pushed to it by timer jobs, so a copy can be older than
the profile; who has never visited the site has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kit import rest
from kit.errors import ProtocolError
from kit.profiles import normalise_account
from kit.web import WebSession

_LIST = "_api/web/siteuserinfolist/items"
_PAGE_SIZE = 1000  # below the list view threshold of 5,000


@dataclass(frozen=True)
class SiteCopy:
    r"""One person as a site knows them.

    Parameters
    ----------
    account : str
        Normalised account, ``contoso\anna``; groups have names of other forms.
    picture_url : str
        Address of the picture, often with the ``?t=`` of the moment of the copy; empty for none.
    """

    account: str
    picture_url: str


def copies(web: WebSession, *, page_size: int = _PAGE_SIZE) -> Iterator[SiteCopy]:
    """Yield everybody in a site's User Information List, page by page in the order of its numbers.

    That ``Name`` holds the account with its claim, and ``Picture`` an address with a description, is unproven
    for 2016: a text in its place is taken, too.

    Parameters
    ----------
    web : WebSession
        Of any site of the farm.
    page_size : int
        Items per answer.

    Raises
    ------
    ProtocolError
        The answer has another shape, or the pages repeat themselves.
    """
    query = f"$select=Id,Name,Picture&$orderby=Id&$top={page_size}"
    asked: set[str] = set()
    while query:
        if query in asked:
            what = f"the User Information List of {web.url} gave the same page again"
            raise ProtocolError(what, "the service does not go on from where it was asked to", "leave it out")
        asked.add(query)
        found, query = rest.value(web, f"{_LIST}?{query}", _page)
        yield from found


def _page(payload: Any) -> tuple[list[SiteCopy], str]:  # noqa: ANN401 - any JSON may come
    """Return the people in an answer of either dialect, and the query for the next one; empty for none."""
    try:
        content = payload.get("d", payload)
        items = content["results"] if "results" in content else payload["value"]
        following = content.get("__next") or payload.get("odata.nextLink") or ""
        return [_copy(item) for item in items], urlsplit(following).query
    except (AttributeError, KeyError, TypeError) as error:
        what = "an answer of the User Information List could not be read"
        raise ProtocolError(what, f"it has no items ({error!r})", "check the address") from error


def _copy(item: Any) -> SiteCopy:  # noqa: ANN401 - likewise
    picture = item.get("Picture") or ""
    url = picture.get("Url") or "" if isinstance(picture, dict) else str(picture)
    return SiteCopy(normalise_account(str(item.get("Name") or "")), url)
