"""One signed-in LDAP connection: checked TLS, complete results, errors that say what to do.

What ldap3 leaves open is closed here: it accepts any certificate unless told otherwise, compares host names
with code of its own that knows no IP addresses from Python 3.12 on, and takes a search that was cut short for
a complete one.
"""

from __future__ import annotations

import logging
import math
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPExceptionError, LDAPInvalidFilterError

from kit import sasl, tls
from kit.endpoint import Endpoint
from kit.errors import KitError, ParameterError, ProtocolError, SignInError, UnreachableError
from kit.results import check

logger = logging.getLogger(__name__)

Values = Mapping[str, Sequence[bytes]]
"""One entry's attributes: name, in any case, to its values as on the wire; no key if it is absent."""

Control = tuple[str, bool, bytes | None]
"""A control of a request (RFC 4511 4.1.11): its object identifier, whether it is critical, its value."""

Operation = Callable[[ldap3.Connection], object]

_PAGED_RESULTS = "1.2.840.113556.1.4.319"  # RFC 2696
_PORTS = {"ldap": 389, "ldaps": 636}
_SIMPLE = "simple"


class Session:
    """A connection that opens and signs in on first use, and again after it was lost. Not thread-safe.

    Parameters
    ----------
    endpoint : Endpoint
        Where and as whom. ``auth`` is ``simple`` (the usual one: name and password, which TLS must protect),
        ``ntlm``, ``kerberos`` or ``negotiate`` (Kerberos where a ticket can be had, else NTLM).
    start_tls : bool
        Whether an ``ldap://`` connection turns to TLS before the sign-in.

    Raises
    ------
    ParameterError
        If the address or the kind of sign-in is none.
    """

    def __init__(self, endpoint: Endpoint, *, start_tls: bool = False) -> None:
        kinds = ("", _SIMPLE, *sasl.KINDS)
        if endpoint.auth not in kinds:
            what = f"sign-in {endpoint.auth!r} to {endpoint.url!r}"
            raise ParameterError(what, "there is no such kind", f"use one of {', '.join(kinds[1:])}")
        self.endpoint = endpoint
        self._start_tls = start_tls
        self._secure, self._host, self._port = split_url(endpoint.url)
        self._connection: ldap3.Connection | None = None

    def close(self) -> None:
        """Sign out and close the connection."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.unbind()
        except LDAPExceptionError as error:
            logger.debug("%s had already closed the connection: %s", self.endpoint.url, error)
            connection.strategy.close()

    def root(self, further: Sequence[str] = ()) -> Values:
        """Read the rootDSE (MS-ADTS 3.1.1.3.2): what every controller has, and further attributes if any."""
        what = f"rootDSE of {self.endpoint.url!r}"
        names = ["defaultNamingContext", "configurationNamingContext", "highestCommittedUSN"]
        entries, result = self._read(
            lambda connection: connection.search(
                "", "(objectClass=*)", ldap3.BASE, attributes=[*names, *further]
            ),
            what,
        )
        check(result, what)
        if not entries or not all(name in entries[0][1] for name in names):
            raise ProtocolError(what, f"it lacks one of {names}", "give the address of a domain controller")
        return entries[0][1]

    def search(
        self,
        base: str,
        search_filter: str,
        attributes: Sequence[str],
        page_size: int,
        controls: Sequence[Control] = (),
    ) -> Iterator[tuple[str, Values]]:
        """Search a subtree page by page (RFC 2696); referrals to other servers are left out.

        Parameters
        ----------
        base : str
            Distinguished name to search below.
        search_filter : str
            As RFC 4515 says.
        attributes : sequence of str
            The attributes to read.
        page_size : int
            Entries per page.
        controls : sequence of Control
            Sent with each page besides that of the paging.

        Yields
        ------
        tuple of (str, Values)
            Distinguished name and attributes.

        Raises
        ------
        ProtocolError
            If the server ends the search before its end: half a result is never given out as a whole one.
        """
        what, cookie, page = f"search below {base!r}", b"", [""]
        while True:
            entries, result = self._page(
                base, search_filter, attributes, page_size, cookie, controls=controls
            )
            check(result, what)
            yield from entries
            control = (result.get("controls") or {}).get(_PAGED_RESULTS, {})
            previous, cookie = (page, cookie), control.get("value", {}).get("cookie") or b""
            page = [distinguished_name for distinguished_name, _ in entries]
            if not cookie:
                return
            if (page, cookie) == previous:
                raise ProtocolError(
                    what, "the server repeats one page for ever", "ask another domain controller"
                )

    def modify(
        self,
        distinguished_name: str,
        attribute: str,
        values: Sequence[bytes],
        what: str,
        *,
        current: Sequence[bytes] | None = None,
    ) -> None:
        """Replace the values of one attribute; no values take it away. Never sent twice.

        Parameters
        ----------
        distinguished_name, attribute : str
            What to change.
        values : sequence of bytes
            The new values.
        what : str
            The same for an error, by name.
        current : sequence of bytes or None
            The values that were read, none for an absent attribute: these are taken away and the new ones
            added in one operation, which the server does as a whole or not at all (RFC 4511 4.6). None
            replaces whatever is there.

        Raises
        ------
        ConflictError
            If a value of ``current`` is no longer there, or one is there where none was read.
        """
        if current is None:
            changes = [(ldap3.MODIFY_REPLACE, list(values))]
        else:
            parts = ((ldap3.MODIFY_DELETE, current), (ldap3.MODIFY_ADD, values))
            changes = [(kind, list(part)) for kind, part in parts if part]
        self.connect()
        _, result = self._run(
            lambda connection: connection.modify(distinguished_name, {attribute: changes}), what
        )
        check(result, what, precondition=current is not None)

    def connect(self) -> ldap3.Connection:
        """Open the connection and sign in, unless that is done already."""
        if self._connection is None:
            self._connection = self._open()
            logger.info("signed in to %s as %s", self.endpoint.url, self.endpoint.username)
        return self._connection

    def certificate(self) -> tls.Certificate | None:
        """Connect and return the server's certificate, None without TLS."""
        der = sasl.peer_certificate(self.connect())
        return tls.Certificate.of(der) if der else None

    def _page(
        self,
        base: str,
        search_filter: str,
        attributes: Sequence[str],
        page_size: int,
        cookie: bytes,
        *,
        controls: Sequence[Control],
    ) -> tuple[list[tuple[str, Values]], dict[str, Any]]:
        def search(connection: ldap3.Connection) -> object:
            return connection.search(
                base,
                search_filter,
                ldap3.SUBTREE,
                ldap3.DEREF_NEVER,
                list(attributes),
                controls=list(controls) or None,
                paged_size=page_size,
                paged_criticality=True,
                paged_cookie=cookie or None,
            )

        what = f"search below {base!r} for {search_filter[:200]!r}"
        # A cookie is worth something only on the connection that gave it.
        return self._run(search, what) if cookie else self._read(search, what)

    def _read(self, operation: Operation, what: str) -> tuple[list[tuple[str, Values]], dict[str, Any]]:
        """Run a read; once more if the server had closed an idle connection (MaxConnIdleTime, 15 minutes)."""
        reused = self._connection is not None
        try:
            return self._run(operation, what)
        except UnreachableError:
            if not reused:
                raise
            logger.info("connection to %s was lost, connecting again", self.endpoint.url)
            return self._run(operation, what)

    def _run(self, operation: Operation, what: str) -> tuple[list[tuple[str, Values]], dict[str, Any]]:
        connection = self.connect()
        try:
            operation(connection)
        except LDAPInvalidFilterError as error:
            raise ParameterError(what, "the filter cannot be parsed", "write it as RFC 4515 says") from error
        except LDAPExceptionError as error:
            self._connection = None
            connection.strategy.close()
            raise UnreachableError(what, f"the connection was lost ({error})", "try again") from error
        entries = [
            (entry["dn"], entry["raw_attributes"])
            for entry in connection.response or ()
            if entry["type"] == "searchResEntry"
        ]
        return entries, connection.result

    def _open(self) -> ldap3.Connection:
        endpoint = self.endpoint
        self._resolve()
        protection = _Tls(tls.context(endpoint)) if self._secure or self._start_tls else None
        seconds = math.ceil(endpoint.timeout)  # ldap3 packs it into a C integer
        server = ldap3.Server(
            self._host, self._port, self._secure, get_info=ldap3.NONE, tls=protection, connect_timeout=seconds
        )
        connection = ldap3.Connection(
            server,
            **self._credentials(),
            check_names=False,
            auto_referrals=False,
            return_empty_attributes=False,
            receive_timeout=seconds,
        )
        try:
            self._handshake(connection)
        except LDAPExceptionError as error:
            _discard(connection)
            raise self._connection_error(error, protection.failure if protection else None) from error
        except KitError:
            _discard(connection)
            raise
        return connection

    def _credentials(self) -> dict[str, Any]:
        """Return what ldap3 needs for this kind of sign-in; `kit.sasl` brings its own."""
        endpoint = self.endpoint
        if endpoint.auth in sasl.KINDS:
            return {"authentication": ldap3.SASL, "sasl_mechanism": sasl.MECHANISM}
        if not endpoint.username or not endpoint.password:
            # A simple bind without a password succeeds, as nobody (RFC 4513 5.1.2).
            raise SignInError(f"account '{endpoint.username}'", "name or password is empty", "give both")
        return {"authentication": ldap3.SIMPLE, "user": endpoint.username, "password": endpoint.password}

    def _handshake(self, connection: ldap3.Connection) -> None:
        endpoint = self.endpoint
        connection.open()
        if self._start_tls and not self._secure:
            connection.start_tls()
        who = (
            f"account '{endpoint.username}'" if endpoint.username else "the account of this machine's ticket"
        )
        what = f"{who} at {endpoint.url!r}"
        if endpoint.auth in sasl.KINDS:
            result = sasl.bind(connection, endpoint, self._host, what)
        else:
            connection.bind()
            result = connection.result
        check(result, what)

    def _resolve(self) -> None:
        try:
            socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            what = f"host {self._host!r} of {self.endpoint.url!r}"
            raise UnreachableError(
                what, f"the name does not resolve ({error})", "check the name and the DNS servers"
            ) from error

    def _connection_error(self, error: LDAPExceptionError, failure: OSError | None) -> KitError:
        what = f"directory {self.endpoint.url!r}"
        if failure is not None:
            return tls.refusal(
                what, failure, "use ldaps:// with the TLS port (636), or ldap:// with start_tls"
            )
        cause = f"no LDAP connection to port {self._port} ({error})"
        return UnreachableError(what, cause, "check address, firewall and server; a TLS port wants ldaps://")


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


def escape(value: bytes) -> str:
    r"""Write a value for use in a search filter, every byte escaped (RFC 4515 section 3).

    Examples
    --------
    >>> escape(b"a*")
    '\\61\\2a'
    """
    return "".join(f"\\{byte:02x}" for byte in value)


def split_url(url: str) -> tuple[bool, str, int]:
    """Split a directory's address into whether TLS comes first, host and port.

    Raises
    ------
    ParameterError
        If it is not ``ldap://host[:port]`` or ``ldaps://host[:port]``.

    Examples
    --------
    >>> split_url("ldaps://dc1.contoso.example")
    (True, 'dc1.contoso.example', 636)
    """
    what, advice = f"directory address {url!r}", "write it as ldaps://host or ldaps://host:port"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ParameterError(what, str(error), advice) from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ParameterError(what, "it is not an LDAP address", advice)
    return parts.scheme == "ldaps", parts.hostname, port or _PORTS[parts.scheme]


def _discard(connection: ldap3.Connection) -> None:
    """Close a connection that never came about; ldap3 leaves its socket open."""
    if connection.socket is not None:
        connection.socket.close()
