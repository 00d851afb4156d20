"""Sign-in to a SharePoint zone by its login form's web service, Authentication.asmx."""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import Any
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

import requests
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from requests.auth import AuthBase

from kit.bodies import load
from kit.errors import SignInError
from kit.lockout import Lockout
from kit.refusals import login_page, refusal, refused_sign_in, site

_NAMESPACE = "http://schemas.microsoft.com/sharepoint/soap/"
_PATH = "/_vti_bin/Authentication.asmx"
_MESSAGE = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
    '<{0} xmlns="http://schemas.microsoft.com/sharepoint/soap/">{1}</{0}></soap:Body></soap:Envelope>'
)
_REASONS = {
    "PasswordNotMatch": "name or password is wrong",
    "NotInFormsAuthenticationMode": "the zone does not sign in by forms",
}


class FormsAuth(AuthBase):
    """Sign-in by forms (``Mode`` and ``Login``, then a cookie); may be shared by threads.

    The first answer that asks for it makes the sign-in, and so does one that says the cookie has expired. The
    cookie holds for one scheme, host and port.

    Parameters
    ----------
    username, password : str
        Whose, as the zone's membership provider knows them.
    """

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._password = password
        self._cookies: dict[str, str] = {}
        self._lock = threading.Lock()
        self._lockout = Lockout()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the cookie to a request, and prepare for a sign-in."""
        self._lockout.check(request.url or "")
        request.register_hook("response", self._answer)  # type: ignore[no-untyped-call] # no types there
        return with_cookie(request, self._cookies.get(site(request.url or ""), ""))

    def _answer(self, response: requests.Response, **options: Any) -> requests.Response:  # noqa: ANN401 - as requests calls it
        """Sign in where an answer asks for it, and send the request again."""
        home, sent = site(response.url), response.request.headers.get("Cookie", "")
        refused = response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        if not login_page(response) and not (refused and self._is_new(home, sent)):
            return response
        load(
            response, options["timeout"]
        )  # only a connection that has been read to the end can be used again
        with self._lock:
            self._lockout.check(home)
            if not self._is_new(home, sent) or home not in self._cookies:
                self._cookies[home] = self._sign_in(response, home, options)
        request = with_cookie(response.request.copy(), self._cookies[home])
        answer: requests.Response = response.connection.send(request, **options)
        answer.history = [response]
        return answer

    def _is_new(self, home: str, sent: str) -> bool:
        """Say whether a request went without the cookie that is held now, or before there was one."""
        held = self._cookies.get(home)
        return held is None or held not in sent

    def _sign_in(self, response: requests.Response, home: str, options: dict[str, Any]) -> str:
        """Return the cookie that a sign-in gives."""
        mode = self._result(self._call(response, home, "Mode", "", options), "ModeResult")
        if mode != "Forms":
            cause = f"the zone's kind of sign-in is {mode!r}, not 'Forms'"
            raise refused_sign_in(response, self._username, cause, "set auth to the zone's kind of sign-in")
        try:
            cookie = self._log_in(response, home, options)
        except SignInError as error:
            self._lockout.refuse(home, error)
            raise
        self._lockout.take(home)
        return cookie

    def _log_in(self, response: requests.Response, home: str, options: dict[str, Any]) -> str:
        """Send name and password, and return the cookie that comes."""
        names = f"<username>{escape(self._username)}</username><password>{escape(self._password)}</password>"
        login = self._call(response, home, "Login", names, options)
        reason = self._result(login, "ErrorCode")
        if reason != "NoError":
            raise refused_sign_in(login, self._username, _REASONS.get(reason, f"the answer was {reason!r}"))
        name = self._result(login, "CookieName")
        value = login.cookies.get(name)
        if not value:
            cause = f"the answer to Login has no cookie {name!r}"
            raise refused_sign_in(login, self._username, cause, "look the zone's forms sign-in over")
        return f"{name}={value}"

    def _call(
        self, response: requests.Response, home: str, operation: str, content: str, options: dict[str, Any]
    ) -> requests.Response:
        """Call the service by the way the response came."""
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{_NAMESPACE}{operation}"'}
        message = _MESSAGE.format(operation, content).encode()
        request = requests.Request("POST", f"{home}{_PATH}", headers=headers, data=message).prepare()
        answer: requests.Response = response.connection.send(request, **options)
        load(answer, options["timeout"])
        if answer.status_code in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            raise refusal(answer, self._username, signed_in=False)
        if answer.status_code != HTTPStatus.OK:
            cause = f"{_PATH} gave {answer.status_code} {answer.reason}: the zone does not sign in by forms"
            raise refused_sign_in(answer, self._username, cause, "set auth to the zone's kind of sign-in")
        return answer

    def _result(self, response: requests.Response, name: str) -> str:
        """Return the text of one element of an answer, empty if it is not there."""
        try:
            root: Element = fromstring(response.content)
        except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
            cause = f"the answer of {_PATH} is not XML ({error})"
            raise refused_sign_in(response, self._username, cause, "check the address") from error
        return root.findtext(f".//{{{_NAMESPACE}}}{name}", "")


def with_cookie(request: requests.PreparedRequest, cookie: str) -> requests.PreparedRequest:
    """Return a request with a cookie, in place of one with the same name."""
    name = cookie.partition("=")[0] + "="
    others = [part for part in request.headers.get("Cookie", "").split("; ") if not part.startswith(name)]
    if cookie:
        request.headers["Cookie"] = "; ".join([*filter(None, others), cookie])
    return request
