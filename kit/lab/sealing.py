"""WinRM's message encryption: SOAP sealed with the keys of the connection's sign-in (MS-WSMV 2.2.9.1)."""

from __future__ import annotations

import re
import struct
from email.message import Message

import spnego

PROTOCOL = "application/HTTP-SPNEGO-session-encrypted"
BOUNDARY = "Encrypted Boundary"
CONTENT_TYPE = f'multipart/encrypted;protocol="{PROTOCOL}";boundary="{BOUNDARY}"'

_LENGTH = re.compile(rb"OriginalContent:\s*type=application/soap\+xml;\s*charset=UTF-8;\s*Length=(\d+)", re.I)
_OCTETS = b"Content-Type: application/octet-stream\r\n"
_END = f"--{BOUNDARY}--".encode()


class SealError(Exception):
    """The body is not a message sealed with this connection's keys; the connection is of no further use."""


def is_sealed(content_type: str) -> bool:
    """Say whether a request's Content-Type announces a sealed message.

    Examples
    --------
    >>> is_sealed(CONTENT_TYPE), is_sealed("application/soap+xml;charset=UTF-8")
    (True, False)
    """
    header = Message()
    header["Content-Type"] = content_type
    return header.get_content_type() == "multipart/encrypted" and header.get_param("protocol") == PROTOCOL


def unseal(context: spnego.ContextProxy, body: bytes) -> bytes:
    """Return the SOAP message in a sealed body.

    Raises
    ------
    SealError
        The parts are malformed, or were sealed with other keys.
    """
    length = _LENGTH.search(body)
    start, end = body.find(_OCTETS), body.rfind(_END)
    if length is None or start < 0 or end < start + len(_OCTETS) + 4:
        raise SealError("the parts of the message are malformed")
    sealed = body[start + len(_OCTETS) : end]
    signature_end = 4 + struct.unpack_from("<I", sealed)[0]
    try:
        message = context.unwrap_winrm(sealed[4:signature_end], sealed[signature_end:])
    except spnego.exceptions.SpnegoError as error:
        raise SealError("the message was sealed with other keys") from error
    if len(message) != int(length[1]):
        raise SealError("the message is not as long as it says")
    return message


def seal(context: spnego.ContextProxy, message: bytes) -> bytes:
    """Return the sealed body for a SOAP message."""
    sealed = context.wrap_winrm(message)
    length = len(message) + sealed.padding_length
    head = (
        f"--{BOUNDARY}\r\n"
        f"\tContent-Type: {PROTOCOL}\r\n"
        f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n"
        f"--{BOUNDARY}\r\n"
        "\tContent-Type: application/octet-stream\r\n"
    )
    return b"".join(
        (head.encode(), struct.pack("<I", len(sealed.header)), sealed.header, sealed.data, _END, b"\r\n")
    )
