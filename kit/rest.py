"""SharePoint's REST interface: OData literals, JSON answers, and writes with their form digest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote

import requests

from kit.errors import ProtocolError
from kit.refusals import without_user_info
from kit.web import WebSession, correlation, explained

T = TypeVar("T")

PEOPLE_MANAGER = "_api/SP.UserProfiles.PeopleManager"
VERBOSE: Mapping[str, str] = MappingProxyType({"Accept": "application/json;odata=verbose"})
"""Asks for the JSON dialect that every build since 2013 has."""
LIGHT: Mapping[str, str] = MappingProxyType({"Accept": "application/json;odata=minimalmetadata"})
"""Asks for the dialect without envelopes."""


def literal(text: str) -> str:
    r"""Return text as an OData string, ready to stand in an address.

    A claim holds ``#``, which would otherwise begin a fragment.

    Examples
    --------
    >>> literal(r"i:0#.w|contoso\o'brien")
    '%27i%3A0%23.w%7Ccontoso%5Co%27%27brien%27'
    """
    return quote("'" + text.replace("'", "''") + "'", safe="")


def read(web: WebSession, path: str, headers: Mapping[str, str] = VERBOSE) -> Any:  # noqa: ANN401 - any JSON may come
    """Return the JSON at a path below the site.

    Raises
    ------
    SourceError
        It could not be read, or is no JSON.
    """
    return value(web, path, lambda found: found, headers)


def value(
    web: WebSession,
    path: str,
    interpret: Callable[[Any], T],
    headers: Mapping[str, str] = VERBOSE,
) -> T:
    """Return what a function makes of the JSON at a path below the site.

    Raises
    ------
    SourceError
        It could not be read, is no JSON, or says nothing to the function.
    """
    response = web.expect("GET", path, headers=headers)
    found = _json(response)
    with explained(response, f"GET {without_user_info(response.url)}"):
        return interpret(found)


def write(
    web: WebSession, path: str, content: bytes | None, headers: Mapping[str, str] = MappingProxyType({})
) -> requests.Response:
    """Send a write, with the form digest that it needs; it is not repeated once it may have arrived.

    Raises
    ------
    SourceError
        It was refused.
    OutcomeUnknownError
        No answer came.
    """
    response = web.expect("POST", "_api/contextinfo", headers=VERBOSE, data=b"")
    try:
        digest = str(_json(response)["d"]["GetContextWebInformation"]["FormDigestValue"])
    except (KeyError, TypeError) as error:
        what = f"{web.url}/_api/contextinfo gave no form digest"
        cause = f"the answer has another shape{correlation(response)}"
        raise ProtocolError(what, cause, "check the address") from error
    signed = {**VERBOSE, "X-RequestDigest": digest, **headers}
    return web.expect("POST", path, data=content, headers=signed, repeatable=False)


def _json(response: requests.Response) -> Any:  # noqa: ANN401 - any JSON may come
    try:
        return response.json()
    except ValueError as error:
        what = f"the answer of {without_user_info(response.url)} could not be read"
        cause = f"it is {response.headers.get('Content-Type', '')!r}, not JSON{correlation(response)}"
        raise ProtocolError(what, cause, "check the address") from error
