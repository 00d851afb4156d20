"""Whether a server is there: its name, its port and its clock, all without signing in."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from urllib.parse import urlsplit

from kit.errors import ParameterError, ProtocolError, UnreachableError

LDAP_PORTS: Mapping[str, int] = MappingProxyType({"ldaps": 636, "ldap": 389})
"""Schemes of a directory's address; nothing but a host and a port may follow."""


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    ``tls`` says whether TLS comes before everything else on that port.
    """

    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, url: str, ports: Mapping[str, int]) -> Address:
        """Read an address.

        Parameters
        ----------
        url : str
            Such as ``https://portal.contoso.example``.
        ports : Mapping[str, int]
            The schemes it may have, and the port that each one means when none is given.

        Raises
        ------
        ParameterError
            It has another scheme, no host, a port that is none, a directory's path, or a name or password.

        Examples
        --------
        >>> Address.of("ldaps://dc1.contoso.example", {"ldap": 389, "ldaps": 636})
        Address(host='dc1.contoso.example', port=636, tls=True)
        """
        what = f"url {url!r} cannot be used"
        advice = f"write it like {next(iter(ports))}://host or {next(iter(ports))}://host:port"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ParameterError(what, str(error), advice) from error
        if "@" in parts.netloc:
            told, cause = f"url of host {parts.hostname!r} cannot be used", "it holds a name or a password"
            raise ParameterError(told, cause, "give username and password_name instead")
        more = (parts.path.strip("/"), parts.query, parts.fragment) if parts.scheme in LDAP_PORTS else ()
        if parts.scheme not in ports or not parts.hostname or port == 0 or any(more):
            cause = f"it is no address with {' or '.join(ports)}, a host and perhaps a port"
            raise ParameterError(what, cause, advice)
        return cls(parts.hostname, port or ports[parts.scheme], parts.scheme in {"ldaps", "https"})

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def resolve(host: str) -> tuple[str, ...]:
    """Look a name up as every connection does.

    Returns
    -------
    tuple of str
        Its addresses, in the order in which they would be tried.

    Raises
    ------
    UnreachableError
        No address belongs to it.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        cause = f"the name does not resolve ({getattr(error, 'strerror', None) or error})"
        raise UnreachableError(f"host {host!r}", cause, "check the name and the DNS servers") from error
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def connect(address: Address, timeout: float) -> str:
    """Open a connection and close it.

    Parameters
    ----------
    timeout : float
        Seconds.

    Returns
    -------
    str
        The IP address that answered.

    Raises
    ------
    UnreachableError
        Nothing listens there, or nothing answers.
    """
    try:
        with socket.create_connection((address.host, address.port), timeout) as connection:
            return str(connection.getpeername()[0])
    except TimeoutError as error:
        cause = f"no answer within {timeout:g} s"
        advice = "look for a firewall in between, and at whether the server runs"
        raise UnreachableError(f"port {address}", cause, advice) from error
    except OSError as error:
        cause, advice = error.strerror or str(error), "check the port, and that the service runs there"
        raise UnreachableError(f"port {address}", cause, advice) from error


def http_clock_error(address: Address, context: ssl.SSLContext | None, timeout: float) -> timedelta:
    """Compare a web server's clock with this machine's.

    A server with a clock dates every answer, refusals included (RFC 9110 6.6.1), in whole seconds.

    Parameters
    ----------
    context : ssl.SSLContext or None
        How its certificate is checked; None where it speaks plain HTTP.
    timeout : float
        Seconds.

    Returns
    -------
    timedelta
        How far its clock is ahead; negative when it is behind.

    Raises
    ------
    UnreachableError
        No answer came.
    ProtocolError
        The answer is not dated, or not HTTP.
    """
    asked = datetime.now(UTC)
    date = _date(address, context, timeout)
    try:
        return clock_error(parsedate_to_datetime(date), asked)
    except ValueError as error:
        what, cause = f"clock of {address}", f"the date of its answer is {date!r}"
        raise ProtocolError(what, cause, "compare the two clocks by hand") from error


def clock_error(told: datetime, asked: datetime) -> timedelta:
    """Return how far a clock is ahead that told its time between ``asked`` and now.

    Examples
    --------
    >>> round(clock_error(datetime.now(UTC) + timedelta(minutes=5), datetime.now(UTC)).total_seconds())
    300
    """
    now = datetime.now(UTC)
    return told.astimezone(UTC) - (asked + (now - asked) / 2)


def _date(address: Address, context: ssl.SSLContext | None, timeout: float) -> str:
    connection = (
        http.client.HTTPSConnection(address.host, address.port, timeout=timeout, context=context)
        if context
        else http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    )
    what = f"clock of {address}"
    try:
        connection.request("HEAD", "/")
        return connection.getresponse().headers.get("Date", "")
    except http.client.HTTPException as error:
        cause = f"its answer is not HTTP ({type(error).__name__})"
        raise ProtocolError(what, cause, "check the port, and whether it speaks TLS") from error
    except OSError as error:
        raise UnreachableError(what, str(error) or type(error).__name__, "try again") from error
    finally:
        connection.close()
