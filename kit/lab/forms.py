"""Zones of the farm that sign in by a login page: forms (Authentication.asmx) or SAML claims only."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.cookies import SimpleCookie
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element

from kit import soap
from kit.errors import ProtocolError
from kit.lab import wsdl
from kit.lab.credentials import Credentials

_NAMESPACE = "http://schemas.microsoft.com/sharepoint/soap/"
_SERVICE = "/_vti_bin/authentication.asmx"
_LOGIN_PAGE = "/_login/default.aspx"
_COOKIE = "FedAuth"
_LIFETIME_SECONDS = 1800
_PAGE = b"<html><head><title>Sign In</title></head><body><form method='post'>Sign in</form></body></html>"


@dataclass(frozen=True)
class Reply:
    """What a zone answers by itself."""

    status: int
    content: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class FormsZone:
    """A zone with a login form, beside Windows sign-in where the server offers that.

    Who has not signed in is sent to the login page with 302 if it is a browser, and gets 403 with headers
    that name the page if not (unproven for every build). Where Windows sign-in is offered, too, the header
    ``X-FORMS_BASED_AUTH_ACCEPTED: f`` asks for its challenge instead.

    Parameters
    ----------
    credentials : Credentials
        Who may sign in.
    url : str
        The web application's address.

    Attributes
    ----------
    busy : int
        How many calls of Login are still to be refused because the server is too busy.
    """

    def __init__(self, credentials: Credentials, url: str) -> None:
        self._credentials = credentials
        self._url = url
        self.busy = 0
        self._tickets: dict[str, str] = {}

    def user(self, headers: Message) -> str:
        """Return whose cookie a request carries; empty if it has none that is good."""
        cookie = SimpleCookie(headers.get("Cookie", "")).get(_COOKIE)
        return self._tickets.get(cookie.value, "") if cookie else ""

    def expire(self) -> None:
        """Let every cookie expire."""
        self._tickets.clear()

    def reply(self, path: str, headers: Message, body: bytes, *, offers_windows: bool) -> Reply | None:
        """Return the answer to a request that nobody has signed in for.

        Parameters
        ----------
        path : str
            With its query.
        headers : Message
            The request's.
        body : bytes
            Likewise.
        offers_windows : bool
            Whether Windows sign-in is offered, too.

        Returns
        -------
        Reply or None
            None when Windows sign-in goes on with it.
        """
        name = urlsplit(path).path.lower()
        if name == _SERVICE and urlsplit(path).query.lower() == "wsdl":
            description = wsdl.describe(wsdl.AUTHENTICATION, self._url + urlsplit(path).path)
            return Reply(HTTPStatus.OK, description, "text/xml; charset=utf-8")
        if name == _SERVICE:
            return self._serve(body)
        if name == _LOGIN_PAGE:
            return Reply(HTTPStatus.OK, _PAGE)
        if offers_windows and headers.get("X-FORMS_BASED_AUTH_ACCEPTED", "").lower() == "f":
            return None
        page = f"{_LOGIN_PAGE}?ReturnUrl={quote(path, safe='')}"
        if _is_browser(headers):
            return Reply(HTTPStatus.FOUND, headers={"Location": page})
        named = {
            "X-Forms_Based_Auth_Required": f"{self._url}{page}",
            "X-Forms_Based_Auth_Return_Url": f"{self._url}/_layouts/15/error.aspx",
            "X-MSDAVEXT_Error": "917656; Access denied. Sign in with a browser first.",
        }
        return Reply(HTTPStatus.FORBIDDEN, b"403 FORBIDDEN", headers=named)

    def _serve(self, body: bytes) -> Reply:
        try:
            element = soap.body(body)
        except ProtocolError as error:
            return Reply(HTTPStatus.BAD_REQUEST, str(error).encode())
        operation = element.tag.removeprefix(f"{{{_NAMESPACE}}}")
        cookie = ""
        if operation == "Mode":
            result = "Forms"
        elif operation == "Login" and self.busy:
            self.busy -= 1
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE)
        elif operation == "Login":
            result, cookie = self._login(element)
        else:
            return Reply(HTTPStatus.INTERNAL_SERVER_ERROR, b"not modelled")
        content = (
            f'<{operation}Response xmlns="{_NAMESPACE}"><{operation}Result>{result}'
            f"</{operation}Result></{operation}Response>"
        )
        headers = {"Set-Cookie": f"{_COOKIE}={cookie}; path=/; HttpOnly"} if cookie else {}
        return Reply(HTTPStatus.OK, soap.envelope(content), "text/xml; charset=utf-8", headers)

    def _login(self, element: Element) -> tuple[str, str]:
        name, password = (
            element.findtext(f"{{{_NAMESPACE}}}{part}", "") for part in ("username", "password")
        )
        user = self._credentials.check(name, password)
        if not user:
            return "<ErrorCode>PasswordNotMatch</ErrorCode><TimeoutSeconds>0</TimeoutSeconds>", ""
        ticket = secrets.token_urlsafe(32)
        self._tickets[ticket] = user
        lifetime = f"<TimeoutSeconds>{_LIFETIME_SECONDS}</TimeoutSeconds>"
        return f"<CookieName>{_COOKIE}</CookieName><ErrorCode>NoError</ErrorCode>{lifetime}", ticket


class SamlZone:
    """A zone that takes only what an identity provider says: whoever is no browser gets 403."""

    def user(self, headers: Message) -> str:  # noqa: ARG002 - as `FormsZone`
        """Return nobody: no identity provider is modelled."""
        return ""

    def reply(self, path: str, headers: Message, body: bytes, *, offers_windows: bool) -> Reply | None:  # noqa: ARG002 - likewise
        """Return the refusal; a browser is sent to the identity provider."""
        if _is_browser(headers):
            source = quote(path, safe="")
            return Reply(HTTPStatus.FOUND, headers={"Location": f"/_trust/default.aspx?ReturnUrl={source}"})
        return Reply(HTTPStatus.FORBIDDEN, b"403 FORBIDDEN")


Zone = FormsZone | SamlZone


def _is_browser(headers: Message) -> bool:
    return headers.get("User-Agent", "").startswith("Mozilla/")
