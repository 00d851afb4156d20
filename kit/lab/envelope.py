"""WS-Management messages as WinRM reads and writes them: SOAP 1.2 requests, replies and faults (MS-WSMV)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from kit.lab.wmi import Instance, WmiError

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
MANAGEMENT = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
FAULT = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
MICROSOFT_FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/MicrosoftIdentityIntegrationServer"

_ANONYMOUS = f"{ADDRESSING}/role/anonymous"
_NAMESPACES = (
    f'xml:lang="en-US" xmlns:s="{SOAP}" xmlns:a="{ADDRESSING}" xmlns:x="{TRANSFER}" '
    f'xmlns:n="{ENUMERATION}" xmlns:w="{MANAGEMENT}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
_DURATION = re.compile(r"P(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)")
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SMALLEST_ENVELOPE = 8192


class FaultError(Exception):
    """A request that is answered with a fault.

    Parameters
    ----------
    code : int
        The number in ``WSManFault``.
    subcode : str
        Such as ``w:AccessDenied``.
    text : str
        The reason.
    provider : WmiError or None
        What WMI said, shown inside a ``ProviderFault``.
    receiver : bool
        Whether the fault is the server's.
    detail : str
        The last part of a ``w:FaultDetail`` URI.
    """

    def __init__(
        self,
        code: int,
        subcode: str,
        text: str,
        *,
        provider: WmiError | None = None,
        receiver: bool = False,
        detail: str = "",
    ) -> None:
        super().__init__(text)
        self.code = code
        self.subcode = subcode
        self.text = text
        self.provider = provider
        self.receiver = receiver
        self.detail = detail


@dataclass(frozen=True)
class Request:
    """What a request asks; ``body`` is the first element of the SOAP body, or an empty one."""

    action: str
    message_id: str
    resource: str
    selectors: Mapping[str, str]
    timeout: float | None
    max_envelope_size: int | None
    body: Element
    options: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str, namespace: str = ENUMERATION) -> str:
        """Return the text of an element of the body; empty if it is missing."""
        return self.body.findtext(f"{{{namespace}}}{name}", "")


def timed_out() -> FaultError:
    """Return the fault for an operation that goes on longer than client or server wait."""
    text = "The WS-Management service cannot complete the operation within the time specified."
    return FaultError(2150858793, "w:TimedOut", text, receiver=True)


def read(message: bytes) -> Request:
    """Read a request.

    Raises
    ------
    FaultError
        It is not a SOAP 1.2 envelope with WS-Management's headers.
    """
    try:
        root: Element = fromstring(message)
        header, body = root.find(f"{{{SOAP}}}Header"), root.find(f"{{{SOAP}}}Body")
        if header is None or body is None:
            raise ValueError(root.tag)
        size = header.findtext(f"{{{MANAGEMENT}}}MaxEnvelopeSize")
        return Request(
            action=header.findtext(f"{{{ADDRESSING}}}Action", ""),
            message_id=header.findtext(f"{{{ADDRESSING}}}MessageID", ""),
            resource=header.findtext(f"{{{MANAGEMENT}}}ResourceURI", ""),
            selectors={
                selector.get("Name", ""): selector.text or ""
                for selector in header.iterfind(f"{{{MANAGEMENT}}}SelectorSet/{{{MANAGEMENT}}}Selector")
            },
            timeout=_seconds(header.findtext(f"{{{MANAGEMENT}}}OperationTimeout")),
            max_envelope_size=int(size) if size else None,
            body=next(iter(body), Element("none")),
            options={
                option.get("Name", ""): option.text or ""
                for option in header.iterfind(f"{{{MANAGEMENT}}}OptionSet/{{{MANAGEMENT}}}Option")
            },
        )
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise FaultError(
            2150858817, "w:SchemaValidationError", f"The XML of the request is not valid: {error}"
        ) from error


def envelope_limit(request: Request, server_limit: int) -> int:
    """Return how many bytes the reply may have.

    Raises
    ------
    FaultError
        The client allows fewer than WS-Management does (DSP0226, MaxEnvelopeSize).
    """
    if request.max_envelope_size is None:
        return server_limit
    if request.max_envelope_size < _SMALLEST_ENVELOPE:
        raise FaultError(
            2150858824,
            "w:EncodingLimit",
            f"MaxEnvelopeSize is smaller than {_SMALLEST_ENVELOPE}",
            detail="MinimumEnvelopeLimit",
        )
    return min(server_limit, request.max_envelope_size)


def reply(request: Request, action: str, body: str) -> bytes:
    """Return the answer to a request; ``body`` is XML."""
    return _envelope(action, request.message_id, body)


def fault(request: Request | None, error: FaultError) -> bytes:
    """Return the fault for a request, or for something that could not be read as one."""
    action = FAULT
    if request and request.action.startswith(ENUMERATION):
        action = f"{ENUMERATION}/fault"
    detail = f"<w:FaultDetail>{FAULT}Detail/{error.detail}</w:FaultDetail>" if error.detail else ""
    body = (
        f"<s:Fault><s:Code><s:Value>s:{'Receiver' if error.receiver else 'Sender'}</s:Value>"
        f"<s:Subcode><s:Value>{error.subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{text(error.text)}</s:Text></s:Reason>'
        f'<s:Detail>{detail}<f:WSManFault xmlns:f="{MICROSOFT_FAULT}" Code="{error.code}" Machine="mim01">'
        f"<f:Message>{_provider_fault(error.provider) if error.provider else text(error.text)}</f:Message>"
        f"</f:WSManFault></s:Detail></s:Fault>"
    )
    return _envelope(action, request.message_id if request else "", body)


def identity() -> bytes:
    """Return the answer to Identify."""
    body = (
        f'<i:IdentifyResponse xmlns:i="{IDENTITY}"><i:ProtocolVersion>{MANAGEMENT}</i:ProtocolVersion>'
        "<i:ProductVendor>Microsoft Corporation</i:ProductVendor>"
        "<i:ProductVersion>OS: 0.0.0 SP: 0.0 Stack: 3.0</i:ProductVersion></i:IdentifyResponse>"
    )
    return f"<s:Envelope {_NAMESPACES}><s:Header/><s:Body>{body}</s:Body></s:Envelope>".encode()


def instance(one: Instance) -> str:
    """Return a WMI instance as XML: properties in the order of their names, nulls as ``xsi:nil``."""
    properties = sorted(one.properties.items())
    if not one.class_name:
        fragment = "".join(f"<{name}>{text(value or '')}</{name}>" for name, value in properties)
        return f"<w:XmlFragment>{fragment}</w:XmlFragment>"
    children = "".join(
        f'<p:{name} xsi:nil="true"/>' if value is None else f"<p:{name}>{text(value)}</p:{name}>"
        for name, value in properties
    )
    return (
        f'<p:{one.class_name} xmlns:p="{WMI}/{one.class_name}" xsi:type="p:{one.class_name}_Type">'
        f"{children}</p:{one.class_name}>"
    )


def output(class_name: str, method: str, value: str) -> str:
    """Return a method's result as XML; its text may itself be XML, which is escaped."""
    return (
        f'<p:{method}_OUTPUT xmlns:p="{WMI}/{class_name}">'
        f"<p:ReturnValue>{text(value)}</p:ReturnValue></p:{method}_OUTPUT>"
    )


def text(value: str) -> str:
    """Escape text for XML 1.0, which has no way to write some characters."""
    return escape(_ILLEGAL.sub("\ufffd", value), {"\r": "&#13;"})


def _envelope(action: str, relates_to: str, body: str) -> bytes:
    related = f"<a:RelatesTo>{text(relates_to)}</a:RelatesTo>" if relates_to else ""
    return (
        f"<s:Envelope {_NAMESPACES}><s:Header><a:Action>{action}</a:Action>"
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID><a:To>{_ANONYMOUS}</a:To>{related}"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _provider_fault(error: WmiError) -> str:
    status = f"{WMI}/__ExtendedStatus"
    return (
        '<f:ProviderFault provider="WMI Provider" path="%systemroot%\\system32\\WsmWmiPl.dll">'
        f'<f:WSManFault Code="{error.code}" Machine="mim01">'
        f"<f:Message>{text(error.text)}</f:Message></f:WSManFault>"
        f'<f:ExtendedError><p:__ExtendedStatus xmlns:p="{status}" '
        'xsi:type="p:__ExtendedStatus_Type">'
        f'<p:Description xsi:nil="true"/><p:ParameterInfo>{text(error.text)}</p:ParameterInfo>'
        '<p:ProviderName>WinMgmt</p:ProviderName><p:StatusCode xsi:nil="true"/>'
        "</p:__ExtendedStatus></f:ExtendedError></f:ProviderFault>"
    )


def _seconds(duration: str | None) -> float | None:
    if not duration:
        return None
    parts = _DURATION.fullmatch(duration)
    if parts is None:
        raise ValueError(f"OperationTimeout {duration!r}")
    hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return hours * 3600 + minutes * 60 + seconds
