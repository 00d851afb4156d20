"""The kinds of sign-in to a SharePoint web application: NTLM, Negotiate, Kerberos, Basic, forms."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict

from kit.bodies import closed_by_failure, load
from kit.endpoint import Endpoint
from kit.errors import ParameterError, SignInError, UnreachableError
from kit.forms import FormsAuth, with_cookie
from kit.lockout import Lockout
from kit.negotiation import Negotiation
from kit.refusals import correlation, refused_sign_in, site
from kit.tls import end_point

# The kinds of sign-in that are a Windows security protocol, each with the HTTP schemes that carry it.
_SCHEMES = {
    "ntlm": ("NTLM", "Negotiate"),
    "negotiate": ("Negotiate", "NTLM"),
    "kerberos": ("Negotiate", "Kerberos"),
}
_KINDS = (*_SCHEMES, "basic", "forms", "none")
_OFFER = re.compile(r"(?:^|,)\s*([A-Za-z]+)(?=[\s,]|$)(?:[ \t]+([^,\s]*))?")


def authentication(endpoint: Endpoint) -> WindowsAuth | BasicAuth | FormsAuth | None:
    """Return what signs requests in; None for nothing.

    Once a server has refused the account, no further credentials are sent there; see `kit.lockout`.

    Parameters
    ----------
    endpoint : Endpoint
        Its ``auth`` is ``ntlm`` (the usual one), ``negotiate``, ``kerberos``, ``basic``, ``forms`` or
        ``none``.

    Raises
    ------
    ParameterError
        There is no such kind, or it would send the password in the clear.
    """
    kind = endpoint.auth or "ntlm"
    if kind not in _KINDS:
        what = f"auth {kind!r} cannot be used"
        raise ParameterError(what, "it is not a kind of sign-in", f"choose one of {', '.join(_KINDS)}")
    if kind in _SCHEMES:
        return WindowsAuth(kind, endpoint)
    if kind in {"basic", "forms"} and not endpoint.url.lower().startswith("https:"):
        what = f"auth {kind!r} cannot be used at {site(endpoint.url)!r}"
        cause = "the password would cross the network in the clear"
        raise ParameterError(what, cause, "give an https:// address, or choose another auth")
    if kind == "basic":
        return BasicAuth(endpoint.username, endpoint.password)
    return FormsAuth(endpoint.username, endpoint.password) if kind == "forms" else None


def account(endpoint: Endpoint) -> str:
    """Return who signs in, as words for an error.

    Examples
    --------
    >>> account(Endpoint("https://portal", auth="kerberos"))
    'the owner of the ticket'
    """
    return endpoint.username or ("nobody" if endpoint.auth == "none" else "the owner of the ticket")


class BasicAuth(AuthBase):
    """Sign-in by name and password (RFC 7617), once it is asked for; may be shared by threads.

    Parameters
    ----------
    username, password : str
        Whose.
    """

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._credentials = f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
        self._lockout = Lockout()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the credentials where they have been taken before, and prepare for a sign-in."""
        url = request.url or ""
        self._lockout.check(url)
        request.register_hook("response", self._answer)  # type: ignore[no-untyped-call] # no types there
        if self._lockout.has_taken(url):
            request.headers["Authorization"] = self._credentials
        return request

    def _answer(self, response: requests.Response, **options: Any) -> requests.Response:  # noqa: ANN401 - as requests calls it
        """Give the credentials to a server that asks for them."""
        if response.status_code != HTTPStatus.UNAUTHORIZED:
            self._lockout.confirm(response.url)
            return response
        offers = _offers(response)
        if "Authorization" not in response.request.headers and "Basic" in offers:
            with closed_by_failure(response), self._lockout.turn(response.url):
                return self._judge(_repeat(response, self._credentials, options))
        if offers and "Basic" not in offers:
            raise _other_kind(response, self._username, offers)
        return self._judge(response)

    def _judge(self, response: requests.Response) -> requests.Response:
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            self._lockout.refuse(response.url, refused_sign_in(response, self._username))
        else:
            self._lockout.take(response.url)
        return response


class WindowsAuth(AuthBase):
    """Sign-in by a Windows security protocol over HTTP (MS-NTHT, RFC 4559); may be shared by threads.

    The sign-in belongs to the connection: every answer 401 on a new connection begins it anew. Over TLS it is
    bound to the server's certificate (RFC 5929, ``tls-server-end-point``), as Extended Protection demands.

    Parameters
    ----------
    protocol : str
        ``ntlm``, ``negotiate`` (Kerberos if there is a ticket to be had, else NTLM) or ``kerberos``.
    endpoint : Endpoint
        Whose; without a password, Kerberos takes the ticket that this machine holds.
    """

    def __init__(self, protocol: str, endpoint: Endpoint) -> None:
        self._protocol = protocol
        self._endpoint = endpoint
        self._account = account(endpoint)
        self._lockout = Lockout()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Prepare a request for a sign-in."""
        self._lockout.check(request.url or "")
        request.headers["Connection"] = "Keep-Alive"
        request.register_hook("response", self._answer)  # type: ignore[no-untyped-call] # no types there
        return request

    def has_signed_in(self, url: str) -> bool:
        """Say whether the server of an address has ever taken this sign-in."""
        return self._lockout.has_taken(url)

    def _answer(self, response: requests.Response, **options: Any) -> requests.Response:  # noqa: ANN401 - as requests calls it
        """Answer a demand for sign-in on the connection that it came by."""
        if response.status_code != HTTPStatus.UNAUTHORIZED:
            self._lockout.confirm(response.url)
            return response
        offers, bindings = _offers(response), _bindings(response)
        scheme = next((known for known in _SCHEMES[self._protocol] if known in offers), "")
        if not scheme and offers:
            raise _other_kind(response, self._account, offers)
        if not scheme:
            return response
        with closed_by_failure(response), self._lockout.turn(response.url):
            return self._sign_in(response, scheme, bindings, options)

    def _sign_in(
        self, response: requests.Response, scheme: str, bindings: bytes, options: dict[str, Any]
    ) -> requests.Response:
        """Sign in, and note whether the server took it."""
        try:
            response = self._negotiate(response, scheme, bindings, options)
        except SignInError as error:
            self._lockout.refuse(response.url, error)
            raise
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            self._lockout.refuse(response.url, refused_sign_in(response, self._account))
        else:
            self._lockout.take(response.url)
        return response

    def _negotiate(
        self, response: requests.Response, scheme: str, bindings: bytes, options: dict[str, Any]
    ) -> requests.Response:
        """Exchange tokens until there is nothing left to say, and return the last answer."""
        negotiation = Negotiation(
            "ntlm" if scheme == "NTLM" else self._protocol,
            self._endpoint.username,
            self._endpoint.password,
            service="HTTP",
            host=urlsplit(response.url).hostname or "",
            bindings=bindings,
            what=f"sign-in to {site(response.url)} as {self._account}{correlation(response)}",
        )
        history, ways, token = [], [], negotiation.first
        while token:
            history.append(response)
            response = _repeat(response, f"{scheme} {base64.b64encode(token).decode()}", options)
            ways.append(_way(response))
            given = _offers(response).get(scheme, "")
            with closed_by_failure(response):
                token = negotiation.step(_decoded(given)) if given else b""
                if _is_torn(response, ways, more=bool(token)):
                    raise self._torn(response)
        response.history = history
        return response

    def _torn(self, response: requests.Response) -> UnreachableError:
        what = f"sign-in to {site(response.url)} as {self._account} could not be completed"
        cause = "the connection was not kept: a proxy or load balancer in between"
        step = "have it keep connections, or name a server behind it as url"
        return UnreachableError(what, f"{cause}{correlation(response)}", step)


def _offers(response: requests.Response) -> CaseInsensitiveDict[str]:
    """Return the schemes that a server offers, each with its token if it has one (RFC 9110 11.6.1)."""
    return CaseInsensitiveDict(_OFFER.findall(response.headers.get("WWW-Authenticate", "")))


def _repeat(response: requests.Response, authorization: str, options: dict[str, Any]) -> requests.Response:
    """Send a refused request once more, on the same connection, with credentials."""
    load(response, options["timeout"])  # only a connection that has been read to the end can be used again
    request = response.request.copy()
    # A load balancer may tell by a cookie which server has begun the sign-in.
    for name, value in response.cookies.items():
        request = with_cookie(request, f"{name}={value}")
    request.headers["Authorization"] = authorization
    adapter: requests.adapters.HTTPAdapter = response.connection
    return adapter.send(request, **options)


def _way(response: requests.Response) -> object:
    """Return the connection that an answer came by, as its local address; None where that is not known."""
    connection = getattr(response.raw, "connection", None)
    name = getattr(getattr(connection, "sock", None), "getsockname", None)
    return name() if name else None


def _is_torn(response: requests.Response, ways: list[object], *, more: bool) -> bool:
    """Say whether a sign-in, which belongs to its connection, lost it on the way."""
    if more:
        return response.headers.get("Connection", "").lower() == "close"
    moved = None not in ways and len(set(ways)) > 1
    return moved and response.status_code == HTTPStatus.UNAUTHORIZED


def _other_kind(response: requests.Response, account: str, offers: Iterable[str]) -> SignInError:
    response.close()
    cause = f"the server offers {' and '.join(offers)} only"
    return refused_sign_in(response, account, cause, "choose the auth that it offers")


def _bindings(response: requests.Response) -> bytes:
    """Return the binding to the certificate of the server that gave an answer; empty without TLS."""
    connection = getattr(response.raw, "connection", None)
    read = getattr(getattr(connection, "sock", None), "getpeercert", None)
    return end_point(read(True)) if read else b""


def _decoded(token: str) -> bytes:
    """Return the bytes of a token; what is not base64 makes no more sense empty."""
    try:
        return base64.b64decode(token)
    except ValueError:
        return b"?"
