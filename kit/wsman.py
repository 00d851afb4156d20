"""WS-Management to WMI, as WinRM serves it (MS-WSMV), on pypsrp's transport.

What pypsrp leaves to its callers stands here: WQL enumerations, a renewed sign-in after a lost connection,
and calls that must not be sent twice.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from xml.etree.ElementTree import Element, SubElement

import requests
from defusedxml.ElementTree import fromstring
from pypsrp.exceptions import AuthenticationError, WSManFaultError
from pypsrp.wsman import NAMESPACES, SelectorSet

from kit.endpoint import Endpoint
from kit.errors import UnreachableError
from kit.faults import LIBRARY_ERRORS, describe, not_an_endpoint, refused
from kit.transport import Transport

logger = logging.getLogger(__name__)

PAGE_SIZE = 100

_WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
_WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
_IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
_IDENTIFY = (
    f'<s:Envelope xmlns:s="{NAMESPACES["s"]}"><s:Header/>'
    f'<s:Body><i:Identify xmlns:i="{_IDENTITY}"/></s:Body></s:Envelope>'
)
_CONTEXT = f".//{{{NAMESPACES['wsen']}}}EnumerationContext"
_NIL = f"{{{NAMESPACES['xsi']}}}nil"


class Connection:
    r"""A signed-in connection to one WMI namespace of one server; not for use by several threads at once.

    Parameters
    ----------
    endpoint : Endpoint
        Such as ``http://mim01:5985/wsman``; over http the messages are encrypted with the sign-in's keys.
        Kinds of sign-in and time-outs: :class:`kit.transport.Transport`.
    namespace : str
        Such as ``root/cimv2``.

    Raises
    ------
    CaseError
        The URL is not one, or the kind of sign-in cannot be used with it.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        namespace: str,
    ) -> None:
        self.url = endpoint.url
        self._resources = f"{_WMI}{namespace}"
        self._transport = Transport(endpoint)

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        self._transport.close()

    def identify(self) -> dict[str, str]:
        """Ask, without signing in, what answers at the address (DSP0226, Identify).

        Returns
        -------
        dict[str, str]
            ``ProtocolVersion``, ``ProductVendor`` and ``ProductVersion``.

        Raises
        ------
        UnreachableError, CertificateError, ProtocolError
            Nothing answers, its certificate is not trusted, or it is not a WS-Management endpoint.
        """
        headers = {"WSMANIDENTIFY": "unauthenticated", "Content-Type": "application/soap+xml;charset=UTF-8"}
        try:
            with self._transport.anonymous() as session:
                answer = session.post(
                    self._transport.address, _IDENTIFY, headers=headers, timeout=self._transport.timeout
                )
            identity = fromstring(answer.content).find(f".//{{{_IDENTITY}}}IdentifyResponse")
        except LIBRARY_ERRORS as error:
            raise self._transport.translated(error) from error
        if identity is None:
            raise not_an_endpoint(self.url, f"its answer to Identify was HTTP {answer.status_code}")
        return _properties(identity)

    def query(self, wql: str) -> list[dict[str, str]]:
        """Run a WQL query (Enumerate and Pull, MS-WSMV 3.1.4.8).

        Parameters
        ----------
        wql : str
            The query, for example from :func:`select`.

        Returns
        -------
        list of dict[str, str]
            Each instance's properties; a null is an empty string.

        Raises
        ------
        SourceError
            One of its subclasses: what went wrong, in one sentence.
        """
        enumerate_ = Element(_tag("wsen", "Enumerate"))
        SubElement(enumerate_, _tag("wsman", "OptimizeEnumeration"))
        SubElement(enumerate_, _tag("wsman", "MaxElements")).text = str(PAGE_SIZE)
        SubElement(enumerate_, _tag("wsman", "Filter"), Dialect=_WQL).text = wql
        body = self._send(f"{NAMESPACES['wsen']}/Enumerate", "*", enumerate_)
        instances = _instances(body)
        while context := _continuation(body):
            pull = Element(_tag("wsen", "Pull"))
            SubElement(pull, _tag("wsen", "EnumerationContext")).text = context
            SubElement(pull, _tag("wsen", "MaxElements")).text = str(PAGE_SIZE)
            body = self._send(f"{NAMESPACES['wsen']}/Pull", "*", pull)
            instances += _instances(body)
        return instances

    def get(self, class_name: str, selectors: Mapping[str, str]) -> dict[str, str]:
        """Read one instance by its key (Get, MS-WSMV 3.1.4.4).

        Raises
        ------
        SourceError
            One of its subclasses; NotFoundError if there is no such instance.
        """
        body = self._send(f"{NAMESPACES['wst']}/Get", class_name, None, selectors)
        return {name: text for instance in body for name, text in _properties(instance).items()}

    def invoke(self, class_name: str, selectors: Mapping[str, str], method: str, **arguments: str) -> str:
        """Call a method that may be repeated without harm, and return its ReturnValue.

        Raises
        ------
        SourceError
            One of its subclasses.
        """
        element = self._input(class_name, method, arguments)
        return _return_value(
            self._send(f"{self._resources}/{class_name}/{method}", class_name, element, selectors)
        )

    def invoke_once(
        self, class_name: str, selectors: Mapping[str, str], method: str, **arguments: str
    ) -> str | None:
        """Call a method that must not run twice: the request leaves this machine at most once.

        No retry is configured in requests and urllib3, a 401 is not answered with a repetition, a redirect
        is not followed, and nothing here repeats.

        Returns
        -------
        str or None
            Its ReturnValue; None when the outcome is unknown: no answer came, or one that does not say.

        Raises
        ------
        KitError
            The request was refused, and the method did not run.
        """
        element = self._input(class_name, method, arguments)
        action = f"{self._resources}/{class_name}/{method}"
        try:
            return _return_value(
                self._exchange(action, class_name, element, selectors, self._transport.timeout)
            )
        except WSManFaultError as error:
            if refused(error):
                raise self._transport.translated(error) from error
            logger.info("%s: no outcome of %s: %s", self.url, method, describe(error))
        except AuthenticationError as error:
            self.close()
            raise UnreachableError(
                f"{method} was not started on {self.url}",
                "the signed-in connection had been lost just before",
                "try again",
            ) from error
        except LIBRARY_ERRORS as error:
            logger.info("%s: no outcome of %s: %s", self.url, method, error)
            self.close()
        return None

    def _input(self, class_name: str, method: str, arguments: Mapping[str, str]) -> Element:
        namespace = f"{self._resources}/{class_name}"
        element = Element(f"{{{namespace}}}{method}_INPUT")
        for name, value in arguments.items():
            SubElement(element, f"{{{namespace}}}{name}").text = value
        return element

    def _send(
        self, action: str, resource: str, element: Element | None, selectors: Mapping[str, str] | None = None
    ) -> Element:
        """Send a request that may be repeated: once more if the signed-in connection had been lost."""
        was_signed_in = self._transport.signed_in
        try:
            return self._exchange(action, resource, element, selectors)
        except LIBRARY_ERRORS as error:
            if not isinstance(error, WSManFaultError):
                self.close()
            if not (was_signed_in and isinstance(error, (AuthenticationError, requests.ConnectionError))):
                raise self._transport.translated(error) from error
            logger.info("%s: signing in again: %s", self.url, type(error).__name__)
        return self._send(action, resource, element, selectors)

    def _exchange(
        self,
        action: str,
        resource: str,
        element: Element | None,
        selectors: Mapping[str, str] | None,
        timeout: int | None = None,
    ) -> Element:
        """Send one request, once, and return the body of its answer."""
        self._transport.prepare()
        selector_set = SelectorSet()
        for name, value in (selectors or {}).items():
            selector_set.add_option(name, value)
        envelope = self._transport.wsman.invoke(
            action,
            f"{self._resources}/{resource}",
            element,
            selector_set=selector_set if selectors else None,
            timeout=timeout,
        )
        self._transport.signed_in = True
        body = envelope.find("s:Body", NAMESPACES)
        return Element("none") if body is None else body


def select(class_name: str, at_least: Mapping[str, str] = MappingProxyType({}), /, **values: str) -> str:
    r"""Return the WQL query for the instances whose properties have these values.

    Parameters
    ----------
    class_name : str
    at_least : Mapping[str, str]
        Properties that are this text or greater, compared as text.
    **values : str
        Properties that are this text.

    Examples
    --------
    >>> print(select("MIIS_RunHistory", {"RunStartTime": "2024-05-01"}))
    select * from MIIS_RunHistory where RunStartTime>='2024-05-01'
    >>> print(select("MIIS_RunHistory", MaName="O'Brien's", RunNumber="7"))
    select * from MIIS_RunHistory where MaName='O\'Brien\'s' and RunNumber='7'
    """
    conditions = [f"{name}={_quote(value)}" for name, value in values.items()]
    conditions += [f"{name}>={_quote(value)}" for name, value in at_least.items()]
    where = " and ".join(conditions)
    query = f"select * from {class_name}"  # noqa: S608 - WQL, its values are quoted
    return f"{query} where {where}" if where else query


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _tag(prefix: str, name: str) -> str:
    return f"{{{NAMESPACES[prefix]}}}{name}"


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _instances(body: Element) -> list[dict[str, str]]:
    # EnumerateResponse holds them in the WS-Management namespace, PullResponse in the enumeration's.
    return [_properties(instance) for items in body.iter() if _local(items) == "Items" for instance in items]


def _continuation(body: Element) -> str:
    ended = any(_local(element) == "EndOfSequence" for element in body.iter())
    return "" if ended else body.findtext(_CONTEXT, "")


def _properties(instance: Element) -> dict[str, str]:
    return {_local(child): "" if child.get(_NIL) == "true" else child.text or "" for child in instance}


def _return_value(body: Element) -> str:
    return "".join(element.text or "" for element in body.iter() if _local(element) == "ReturnValue")
