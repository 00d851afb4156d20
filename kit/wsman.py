"""WS-Management to WMI, as WinRM serves it (MS-WSMV), on pypsrp's transport.

What pypsrp leaves to its callers stands here: WQL enumerations, a renewed sign-in after a lost connection,
and calls that must not be sent twice.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement

import requests
from defusedxml.ElementTree import fromstring
from pypsrp.exceptions import AuthenticationError, WSManFaultError
from pypsrp.negotiate import HTTPNegotiateAuth
from pypsrp.wsman import NAMESPACES, SelectorSet, WSMan

from kit.endpoint import Endpoint
from kit.errors import CaseError, UnreachableError
from kit.faults import LIBRARY_ERRORS, describe, not_an_endpoint, refused, translate

logger = logging.getLogger(__name__)
# pypsrp logs a traceback for each time-out; it goes only where an application asked for logs.
logging.getLogger("pypsrp").addHandler(logging.NullHandler())

MAX_ENVELOPE_SIZE = 2 * 1024 * 1024
PAGE_SIZE = 100
LONGEST_OPERATION = 60

_WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
_WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
_IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
_IDENTIFY = (
    f'<s:Envelope xmlns:s="{NAMESPACES["s"]}"><s:Header/>'
    f'<s:Body><i:Identify xmlns:i="{_IDENTITY}"/></s:Body></s:Envelope>'
)
_CONTEXT = f".//{{{NAMESPACES['wsen']}}}EnumerationContext"
_NIL = f"{{{NAMESPACES['xsi']}}}nil"


class _SignInWithoutBody(requests.auth.AuthBase):
    """Sign in with empty requests only.

    pypsrp answers a 401 by sending the refused request again with each token of the handshake. A request
    with a body must not travel that way: the sealed body would be undecipherable under the new keys, and a
    method could run twice.
    """

    def __init__(self, negotiate: HTTPNegotiateAuth) -> None:
        self.contexts = negotiate.contexts  # where pypsrp looks for the keys
        self._negotiate = negotiate

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request if request.body else self._negotiate(request)


class Connection:
    r"""A signed-in connection to one WMI namespace of one server; not for use by several threads at once.

    Parameters
    ----------
    endpoint : Endpoint
        Such as ``http://mim01:5985/wsman``; over http the messages are encrypted with the sign-in's keys.
        Sign-in by ``ntlm`` (the usual one), ``negotiate``, ``kerberos``, ``basic`` or ``credssp``. WinRM
        allows an operation 60 seconds (MaxTimeoutms), so a longer time-out counts as that.
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
        self._account = endpoint.username
        self._resources = f"{_WMI}{namespace}"
        self._timeout = min(math.ceil(endpoint.timeout), LONGEST_OPERATION)
        self._verify = _verification(endpoint)
        host, port, path, tls = _address(endpoint.url)
        try:
            self._wsman = WSMan(
                host,
                port=port,
                path=path,
                ssl=tls,
                username=endpoint.username,
                password=endpoint.password,
                auth=endpoint.auth or "ntlm",
                cert_validation=self._verify,  # type: ignore[arg-type] # the path of a file is taken, too
                max_envelope_size=MAX_ENVELOPE_SIZE,
                operation_timeout=self._timeout,
                read_timeout=self._timeout + 5,
            )
        except ValueError as error:
            raise CaseError(
                f"sign-in {endpoint.auth!r} cannot be used with {endpoint.url}",
                str(error),
                "use ntlm or negotiate",
            ) from error
        self._transport: Any = self._wsman.transport
        self._signed_in = False

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        self._signed_in = False
        self._transport.encryption = None
        self._wsman.close()

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
            with requests.Session() as session:
                answer = session.post(
                    self._transport.endpoint,
                    _IDENTIFY,
                    headers=headers,
                    verify=self._verify,
                    timeout=self._timeout,
                )
            identity = fromstring(answer.content).find(f".//{{{_IDENTITY}}}IdentifyResponse")
        except LIBRARY_ERRORS as error:
            raise translate(error, self.url, self._account) from error
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
            return _return_value(self._exchange(action, class_name, element, selectors, self._timeout))
        except WSManFaultError as error:
            if refused(error):
                raise translate(error, self.url, self._account) from error
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
        was_signed_in = self._signed_in
        try:
            return self._exchange(action, resource, element, selectors)
        except LIBRARY_ERRORS as error:
            if not isinstance(error, WSManFaultError):
                self.close()
            if not (was_signed_in and isinstance(error, (AuthenticationError, requests.ConnectionError))):
                raise translate(error, self.url, self._account) from error
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
        session = self._session()
        if not (self._signed_in or self._transport.wrap_required):
            # Without message encryption pypsrp sends no empty request of its own to sign in with.
            session.post(self._transport.endpoint, timeout=self._timeout)
        selector_set = SelectorSet()
        for name, value in (selectors or {}).items():
            selector_set.add_option(name, value)
        envelope = self._wsman.invoke(
            action,
            f"{self._resources}/{resource}",
            element,
            selector_set=selector_set if selectors else None,
            timeout=timeout,
        )
        self._signed_in = True
        body = envelope.find("s:Body", NAMESPACES)
        return Element("none") if body is None else body

    def _session(self) -> requests.Session:
        """Return pypsrp's HTTP session, made to send nothing twice."""
        if self._transport.session is None:
            session = self._transport._build_session()
            session.max_redirects = 0
            session.trust_env = (
                False  # pypsrp has read the environment; requests would again for each request
            )
            if isinstance(session.auth, HTTPNegotiateAuth):
                session.auth = _SignInWithoutBody(session.auth)
            self._transport.session = session
        return self._transport.session  # type: ignore[no-any-return] # the transport is Any


def select(class_name: str, **values: str) -> str:
    r"""Return the WQL query for the instances whose properties have these values.

    Examples
    --------
    >>> print(select("MIIS_RunHistory", MaName="O'Brien's", RunNumber="7"))
    select * from MIIS_RunHistory where MaName='O\'Brien\'s' and RunNumber='7'
    """
    where = " and ".join(f"{name}={_quote(value)}" for name, value in values.items())
    query = f"select * from {class_name}"  # noqa: S608 - WQL, its values are quoted
    return f"{query} where {where}" if where else query


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _verification(endpoint: Endpoint) -> str | bool:
    """Return what requests calls ``verify``."""
    return str(endpoint.ca_file) if endpoint.ca_file and endpoint.verify_tls else endpoint.verify_tls


def _address(url: str) -> tuple[str, int | None, str, bool]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CaseError(
            f"{url!r} is not the address of a WinRM listener",
            "it must be http or https with a host name",
            "write it like http://mim01:5985/wsman",
        )
    return parts.hostname, parts.port, parts.path.strip("/") or "wsman", parts.scheme == "https"


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
