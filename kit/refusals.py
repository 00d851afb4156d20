"""What a SharePoint server means by not answering: the wrong account, zone, right, moment or address."""

from __future__ import annotations

import http.client
import ssl
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests
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
    what = f"{response.request.method} {response.url} as {account} gave {status} {response.reason}"
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
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return UnreachableError(what, f"the server is too busy or stopped{trace}", "try again later")
    return ProtocolError(what, f"that is not a SharePoint service{trace}", "check the address")


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
    reason = str(first) or type(first).__name__
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
        return NotFoundError(what, str(error), "check where the address comes from")
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
    >>> site("https://someone@portal:8443/a/b")
    'https://portal:8443'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _first_failure(error: BaseException) -> BaseException:
    """Return the failure at the beginning of a chain, without the wrapping that each layer adds."""
    while error.__context__:
        error = error.__context__
    return error
