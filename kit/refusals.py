"""What a SharePoint server means by not answering: the wrong account, zone, right, moment or address."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import urljoin, urlsplit
from xml.etree.ElementTree import Element, ParseError

import requests
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from urllib3.exceptions import MaxRetryError

from kit import tls
from kit.errors import (
    KitError,
    NotFoundError,
    OutcomeUnknownError,
    ProtocolError,
    RightsError,
    SignInError,
    SourceError,
    UnreachableError,
)

_USER_INFO = re.compile(r"//[^/?#\s]*@")
_LONGEST_STATEMENT = 300
_BUSY = (UnreachableError, "the server is too busy or stopped", "try again later")
_GATEWAY = (
    UnreachableError,
    "a proxy or load balancer got no answer from the server behind it",
    "look at the farm's web servers",
)
_MEANINGS: Mapping[int, tuple[type[SourceError], str, str]] = MappingProxyType(
    {
        HTTPStatus.BAD_REQUEST: (
            ProtocolError,
            "the server cannot make sense of the request",
            "check the address, then look the correlation id up in the farm's ULS log",
        ),
        HTTPStatus.NOT_FOUND: (
            ProtocolError,
            "there is nothing at that address",
            "check that it is a SharePoint site's, managed path included",
        ),
        HTTPStatus.TOO_MANY_REQUESTS: _BUSY,
        HTTPStatus.INTERNAL_SERVER_ERROR: (
            ProtocolError,
            "the server failed",
            "look the correlation id up in the farm's ULS log",
        ),
        HTTPStatus.BAD_GATEWAY: _GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE: _BUSY,
        HTTPStatus.GATEWAY_TIMEOUT: _GATEWAY,
    }
)
_UNUSUAL = (ProtocolError, "a SharePoint service does not answer so", "check the address")
_LOGIN_PATHS = ("/_login/", "/_trust/", "/_forms/", "/authenticate.aspx", "/accessdenied.aspx")


def refusal(response: requests.Response, account: str, *, signed_in: bool) -> SourceError:
    """Return the error that an unwanted answer stands for, with SharePoint's correlation id.

    Parameters
    ----------
    response : requests.Response
        The answer.
    account : str
        Who asked.
    signed_in : bool
        Whether the account has ever signed in to that server. A zone that takes SAML claims only refuses
        Windows accounts with 403 before any sign-in, which is no matter of rights.
    """
    status, trace = response.status_code, correlation(response)
    address = without_user_info(response.url)
    what = f"{response.request.method} {address} as {account} gave {status} {response.reason}"
    login = login_page(response)
    if status == HTTPStatus.UNAUTHORIZED:
        return refused_sign_in(response, account)
    if login:
        cause = f"this zone sends whoever is not signed in to {login}{trace}"
        return SignInError(what, cause, "set auth to forms, or name a zone with Windows sign-in")
    if status == HTTPStatus.FORBIDDEN and not signed_in:
        cause = f"the zone did not ask for Windows sign-in, as one with SAML claims only{trace}"
        return SignInError(what, cause, "name a zone with Windows sign-in, or extend the web application")
    if status == HTTPStatus.FORBIDDEN:
        cause, step = f"the account may not do this{trace}", "grant it the right, or use another"
        return RightsError(what, cause, step)
    if response.is_redirect:
        target = without_user_info(urljoin(response.url, response.headers["Location"]))
        cause, step = f"it is at {target}{trace}", f"give that address as url if {site(target)} is the site"
        if target.startswith("https:") and response.url.startswith("http:"):
            step = f"give that address as url, which begins with {site(target)}"
        return ProtocolError(what, cause, step)
    kind, cause, step = _MEANINGS.get(status, _UNUSUAL)
    told = statement(response)
    return kind(what, f"{cause}{f', and says {told!r}' if told else ''}{trace}", step)


def statement(response: requests.Response) -> str:
    """Return what a server says of its refusal: an OData error's message, or a SOAP fault's; else empty.

    Examples
    --------
    >>> import io
    >>> answer = requests.Response()
    >>> answer.raw = io.BytesIO(b'{"error": {"code": "-1", "message": {"value": "The farm is read only."}}}')
    >>> statement(answer)
    'The farm is read only.'
    """
    content = response.content
    text = _odata_message(content) or _xml_message(content)
    return textwrap.shorten(without_user_info(text), _LONGEST_STATEMENT, placeholder="…")


def _odata_message(content: bytes) -> str:
    """Return the message in an OData error, verbose (3.0) or light; empty where there is none."""
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    for name in ("error", "odata.error"):
        error = found.get(name) if isinstance(found, dict) else None
        message = error.get("message") if isinstance(error, dict) else None
        text = message.get("value") if isinstance(message, dict) else message
        if isinstance(text, str):
            return text
    return ""


def _xml_message(content: bytes) -> str:
    """Return the text of a SOAP fault or an Atom error; empty where there is none."""
    try:
        root: Element = fromstring(content)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return ""
    names = (".//{*}errorstring", ".//faultstring", ".//{*}Reason/{*}Text", "./{*}message")
    return next((text for name in names if (text := root.findtext(name))), "")


def was_lost(error: BaseException) -> bool:
    """Say whether a connection broke, or nothing came in time, when the server may have had the request."""
    if not isinstance(
        error, (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    ) or isinstance(error, (requests.ConnectTimeout, requests.exceptions.ProxyError)):
        return False
    # urllib3 wraps what happens before a request is sent: no address, nobody listening, no TLS.
    never_sent = bool(error.args) and isinstance(error.args[0], MaxRetryError)
    return not never_sent or isinstance(_first_failure(error), (ssl.SSLEOFError, http.client.HTTPException))


def failure(method: str, url: str, error: Exception, *, repeatable: bool) -> KitError:
    """Return the error for a request that got no answer, or none that can be read.

    Parameters
    ----------
    method, url : str
        The request.
    error : Exception
        What requests raised.
    repeatable : bool
        Whether the request does no harm if it takes effect twice.
    """
    first = _first_failure(error)
    reason = without_user_info(str(first)) or type(first).__name__
    url = without_user_info(url)
    if was_lost(error) and not repeatable:
        what = f"{method} {url} may or may not have taken effect"
        return OutcomeUnknownError(what, reason, "read the value back before anything else")
    if isinstance(first, ssl.SSLError):
        return tls.refusal(site(url), first, "check the address and the port")
    if was_lost(error) or isinstance(error, requests.ConnectionError):
        what = f"{site(url)} could not be reached"
        return UnreachableError(what, reason, "check the address, the network and the server")
    if isinstance(error, ValueError):
        what = f"address {url!r} cannot be asked"
        return NotFoundError(what, reason, "check where the address comes from")
    what = f"the answer of {url} could not be read"
    return ProtocolError(what, reason, "repeat it, then look at the server")


def refused_sign_in(
    response: requests.Response,
    account: str,
    cause: str = "name or password is wrong, or the account may not sign in there",
    next_step: str = "check the account",
) -> SignInError:
    """Return the error for a sign-in that came to nothing."""
    what = f"sign-in to {site(response.url)} as {account} was refused"
    return SignInError(what, f"{cause}{correlation(response)}", next_step)


@contextmanager
def explained(response: requests.Response, subject: str) -> Iterator[None]:
    """Add to an error about what an answer says where the answer came from, and its correlation id.

    Parameters
    ----------
    response : requests.Response
        The answer.
    subject : str
        What was asked, and where.

    Raises
    ------
    ProtocolError
        That is raised inside, so completed.
    """
    try:
        yield
    except ProtocolError as error:
        trace = correlation(response)
        cause = error.cause if trace in error.cause else f"{error.cause}{trace}"
        raise ProtocolError(f"{subject}: {error.what}", cause, error.next_step) from error


def login_page(response: requests.Response) -> str:
    """Return the address of the login page that an answer points to; empty if it points to none.

    A zone with forms or SAML sign-in redirects browsers there; others get 403 with a header that names it
    (unproven for every build).
    """
    named = response.headers.get("X-Forms_Based_Auth_Required", "")
    if named and response.status_code == HTTPStatus.FORBIDDEN:
        return named
    if response.is_redirect:
        target = urljoin(response.url, response.headers["Location"])
        return target if is_login_page(target) else ""
    return ""


def is_login_page(url: str) -> bool:
    """Say whether an address is a login page of SharePoint's, or of the identity provider it trusts.

    Examples
    --------
    >>> is_login_page("https://portal/_login/default.aspx?ReturnUrl=%2f")
    True
    >>> is_login_page("https://portal/User%20Photos/_t/anna.jpg")
    False
    """
    parts = urlsplit(url)
    path = parts.path.lower()
    return any(part in path for part in _LOGIN_PATHS) or "wa=wsignin1.0" in parts.query.lower()


def correlation(response: requests.Response) -> str:
    """Return SharePoint's correlation id as words for an error's cause; empty where there is none."""
    found = response.headers.get("SPRequestGuid") or response.headers.get("request-id")
    return f" (correlation id {found})" if found else ""


def site(url: str) -> str:
    """Return scheme, host and port of an address.

    Examples
    --------
    >>> site("https://someone@Portal:8443/a/b")
    'https://portal:8443'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"


def without_user_info(text: str) -> str:
    """Return a text without the names and passwords in its addresses.

    Examples
    --------
    >>> without_user_info("GET http://anna:secret@portal/a@b gave 404")
    'GET http://portal/a@b gave 404'
    """
    return _USER_INFO.sub("//", text)


def _first_failure(error: BaseException) -> BaseException:
    """Return the failure at the beginning of a chain, without the wrapping that each layer adds."""
    while error.__context__:
        error = error.__context__
    return error
