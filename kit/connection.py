"""A directory's connection before anybody signs in: opened, under TLS where asked for, its failures told.

What ldap3 leaves open is closed here: it accepts any certificate unless told otherwise, compares host names
with code of its own that knows no IP addresses from Python 3.12 on, and lets what breaks its decoder through.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPExceptionError, LDAPStartTLSError
from pyasn1.error import PyAsn1Error  # type: ignore[import-untyped] # it ships no types

from kit import network, tls
from kit.endpoint import Endpoint
from kit.errors import ProtocolError, UnreachableError
from kit.network import Address
from kit.results import description

# What ldap3's decoder raises on bytes that are no LDAP message.
_UNDECODABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, PyAsn1Error)


def connect(
    endpoint: Endpoint, address: Address, credentials: Mapping[str, Any], *, start_tls: bool
) -> ldap3.Connection:
    """Open a connection, with TLS if the address or ``start_tls`` says so; nobody signs in.

    Parameters
    ----------
    endpoint : Endpoint
        Its certificate's checks and its time-out, which is rounded up to whole seconds.
    address : Address
        Where it is.
    credentials : Mapping
        What ldap3 is to sign in with later.
    start_tls : bool
        Whether a connection that begins without TLS turns to it (RFC 4511 4.14).

    Raises
    ------
    CertificateError
        If the certificate is not trusted.
    UnreachableError
        If there is no connection, or no TLS.
    ProtocolError
        If what answers refuses StartTLS, or is no directory.
    """
    network.resolve(address.host)
    protection = _Tls(tls.context(endpoint)) if address.tls or start_tls else None
    seconds = math.ceil(endpoint.timeout)  # ldap3 packs it into a C integer
    where = (address.host, address.port, address.tls)
    server = ldap3.Server(*where, get_info=ldap3.NONE, tls=protection, connect_timeout=seconds)
    options = {"check_names": False, "auto_referrals": False, "return_empty_attributes": False}
    connection = ldap3.Connection(server, **credentials, **options, receive_timeout=seconds)
    what = f"directory {endpoint.url!r}"
    try:
        with telling(what, address):
            connection.open()
            if start_tls and not address.tls:
                connection.start_tls()
    except UnreachableError as error:
        discard(connection)
        failure = protection.failure if protection else None
        if failure is not None:
            advice = "use ldaps:// with the TLS port (636), or ldap:// with start_tls"
            raise tls.refusal(what, failure, advice, timeout=seconds) from error.__cause__
        if isinstance(error.__cause__, LDAPStartTLSError):
            raise _start_tls_refusal(what, connection) from error.__cause__
        raise
    except ProtocolError:
        discard(connection)
        raise
    return connection


@contextmanager
def telling(what: str, address: Address | None = None) -> Iterator[None]:
    """Turn what ldap3 raises into an error that says what to do.

    Parameters
    ----------
    what : str
        The directory or the request, by name.
    address : Address or None
        Where a connection is being made; None on one that was there already.

    Raises
    ------
    UnreachableError
        If there is no connection, or it was lost.
    ProtocolError
        If an answer is no LDAP message (RFC 4511 4.1.1).
    """
    try:
        yield
    except LDAPExceptionError as error:
        if address is None:
            raise UnreachableError(what, f"the connection was lost ({error})", "try again") from error
        cause = f"no LDAP connection to port {address.port} ({error})"
        advice = "check address, firewall and server; a TLS port wants ldaps://"
        raise UnreachableError(what, cause, advice) from error
    except _UNDECODABLE as error:
        cause = f"the answer is no LDAP message ({type(error).__name__} while it was decoded)"
        advice = "check that address and port are a domain controller's, with no proxy between"
        raise ProtocolError(what, cause, advice) from error


def discard(connection: ldap3.Connection) -> None:
    """Close a connection that cannot be used further; ldap3 may leave its socket open."""
    if connection.socket is not None:
        connection.socket.close()


class _Tls(ldap3.Tls):  # type: ignore[misc] # ldap3 ships no types
    """TLS checked by the standard library: chain, validity, host name or address (RFC 6125)."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(validate=context.verify_mode)
        self.context = context
        self.failure: OSError | None = None

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:  # noqa: ARG002 # ldap3's name
        """Put TLS around the connection's socket; keep the reason of a failure, which ldap3 loses."""
        try:
            connection.socket = self.context.wrap_socket(
                connection.socket, server_hostname=connection.server.host
            )
        except OSError as error:
            self.failure = error
            raise


def _start_tls_refusal(what: str, connection: ldap3.Connection) -> ProtocolError:
    cause = f"the server refuses StartTLS ({description(connection.result)})"
    return ProtocolError(what, cause, "have a certificate installed on the controller, or use ldaps://")
