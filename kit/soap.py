"""SOAP 1.1 messages, document/literal, as SharePoint's profile services speak them."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape as escape_markup

import requests
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from kit.errors import ProtocolError, RightsError
from kit.web import WebSession, correlation, explained

T = TypeVar("T")

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
ENVELOPE_12 = "http://www.w3.org/2003/05/soap-envelope"
"""SOAP 1.2, which the services speak too; `Client` does not."""
# The documentation pages show https in this name; the wire has http.
_SERVICES = "http://microsoft.com/webservices/SharePointPortalServer"

# XML 1.0, production 2: what may not stand in a document, in itself or as a character reference.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile(r"&#(?:x([0-9a-f]+)|([0-9]+));", re.IGNORECASE)


def namespace(service: str) -> str:
    """Return the namespace of a profile service.

    Examples
    --------
    >>> namespace("UserProfileService")
    'http://microsoft.com/webservices/SharePointPortalServer/UserProfileService'
    """
    return f"{_SERVICES}/{service}"


def escape(text: str) -> str:
    r"""Return text as XML content; characters illegal in XML 1.0 become references, as .NET writes them.

    Examples
    --------
    >>> escape("R&D\x0b")
    'R&amp;D&#xB;'
    """
    return _ILLEGAL.sub(lambda found: f"&#x{ord(found[0]):X};", escape_markup(text))


def envelope(content: str, version: str = ENVELOPE) -> bytes:
    """Return a whole message around the content of its body; the version is that of its namespace."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{version}" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
        f"<soap:Body>{content}</soap:Body></soap:Envelope>"
    ).encode()


def body(message: bytes, version: str = ENVELOPE) -> Element:
    """Return the element inside a message's body: a request, a response or a fault.

    Raises
    ------
    ProtocolError
        The message is not XML (one character that XML 1.0 forbids is enough for that), or not SOAP.
    """
    try:
        root: Element = fromstring(message)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        what = f"an answer of {len(message)} bytes could not be read"
        raise ProtocolError(what, f"it is not XML ({error})", "check the address or the record") from error
    inside = root.find(f"{{{version}}}Body/*")
    if inside is None:
        what = f"an answer with root element {root.tag!r} could not be read"
        raise ProtocolError(what, "it is not a SOAP message", "check the address")
    return inside


def fault(element: Element) -> str:
    """Return the text of a fault; empty for any other element."""
    if element.tag != f"{{{ENVELOPE}}}Fault":
        return ""
    return (element.findtext("faultstring") or "no reason given").strip()


def legible(message: bytes) -> bytes:
    """Return a message without the characters and references that XML 1.0 forbids.

    Examples
    --------
    >>> legible(b"<a>x&#x1F;y&#65;</a>")
    b'<a>xy&#65;</a>'
    """

    def keep(found: re.Match[str]) -> str:
        code = int(found[1], 16) if found[1] else int(found[2])
        return found[0] if code <= 0x10FFFF and not _ILLEGAL.match(chr(code)) else ""

    return _ILLEGAL.sub("", _REFERENCE.sub(keep, message.decode("utf-8", "replace"))).encode()


def integer(text: str | None) -> int:
    """Return the number in an element's text.

    Raises
    ------
    ProtocolError
        There is none.
    """
    try:
        return int(text or "")
    except ValueError as error:
        what = f"{text!r} in an answer could not be read"
        raise ProtocolError(what, "a number belongs there", "check the address") from error


def denies(reason: str) -> bool:
    """Say whether a fault's text is about missing rights; known only for English servers."""
    return "unauthorized" in reason.lower() or "access is denied" in reason.lower()


class Client:
    """Calls to the profile services of one site.

    Parameters
    ----------
    web : WebSession
        The signed-in session; the caller closes it.
    """

    def __init__(self, web: WebSession) -> None:
        self._web = web

    def exchange(self, service: str, operation: str, content: str = "") -> requests.Response:
        """Send a call and return the answer, which may still be a fault.

        No form digest: known clients send none, not even to write. A write is not repeated once it may have
        arrived.

        Raises
        ------
        SourceError
            The call did not reach a SharePoint service.
        """
        space = namespace(service)
        path = f"_vti_bin/{service}.asmx"
        response = self._web.expect(
            "POST",
            path,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            data=envelope(f'<{operation} xmlns="{space}">{content}</{operation}>'),
            headers={"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{space}/{operation}"'},
            repeatable=operation.startswith("Get"),
        )
        kind = response.headers.get("Content-Type", "")
        if "xml" not in kind and response.status_code != HTTPStatus.OK:
            raise self._web.refusal(response)
        if "xml" not in kind:
            what = f"{self._web.url}/{path} gave {response.status_code} with content type {kind!r}"
            cause = f"that is not a SharePoint service{correlation(response)}"
            raise ProtocolError(what, cause, "check the address")
        return response

    def accept(self, response: requests.Response, operation: str) -> Element:
        """Return an answer's element.

        Raises
        ------
        RightsError
            A fault: the account may not do this.
        ProtocolError
            Another fault, or not the response to this operation.
        """
        with explained(response, f"{operation} at {self._web.url}"):
            element = body(response.content)
        reason = fault(element)
        what = f"{operation} at {self._web.url} was refused"
        cause = f"{reason.rstrip('.')}{correlation(response)}"
        if denies(reason):
            raise RightsError(what, cause, "give the account Manage Profiles in the service application")
        if reason:
            raise ProtocolError(what, cause, "look the correlation id up in the farm's ULS log")
        if element.tag.rpartition("}")[2] != f"{operation}Response":
            what = f"{operation} at {self._web.url} was answered by {element.tag!r}"
            cause = f"that is not its response{correlation(response)}"
            raise ProtocolError(what, cause, "check the address")
        return element

    def call(self, service: str, operation: str, content: str = "") -> Element:
        """Make a call and return its response; `exchange` and `accept` in one."""
        return self.accept(self.exchange(service, operation, content), operation)

    def result(self, service: str, operation: str, content: str = "") -> Element:
        """Make a call and return the element with its result.

        Raises
        ------
        ProtocolError
            There is none.
        """
        return self.value(service, operation, lambda result: result, content)

    def value(self, service: str, operation: str, read: Callable[[Element], T], content: str = "") -> T:
        """Make a call and return what a function reads from the element with its result.

        Raises
        ------
        ProtocolError
            There is none, or the function cannot read it; with the address and the correlation id.
        """
        response = self.exchange(service, operation, content)
        result = self.accept(response, operation).find(f"{{*}}{operation}Result")
        if result is None:
            what = f"{operation} at {self._web.url} gave no result"
            cause = f"the response is empty{correlation(response)}"
            raise ProtocolError(what, cause, "repeat it, then look in the farm's ULS log")
        with explained(response, f"{operation} at {self._web.url}"):
            return read(result)
