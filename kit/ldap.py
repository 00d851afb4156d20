"""One signed-in LDAP connection: checked TLS, complete results, errors that say what to do.

ldap3 takes a search that was cut short for a complete one; what else it leaves open, `kit.connection` closes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPExceptionError, LDAPInvalidFilterError

from kit import connection as connections
from kit import sasl, tls
from kit.endpoint import Endpoint
from kit.errors import KitError, ParameterError, ProtocolError, SignInError, UnreachableError
from kit.network import LDAP_PORTS, Address
from kit.results import check

logger = logging.getLogger(__name__)

Values = Mapping[str, Sequence[bytes]]
"""One entry's attributes: name, in any case, to its values as on the wire; no key if it is absent."""

Control = tuple[str, bool, bytes | None]
"""A control of a request (RFC 4511 4.1.11): its object identifier, whether it is critical, its value."""

Operation = Callable[[ldap3.Connection], object]

_PAGED_RESULTS = "1.2.840.113556.1.4.319"  # RFC 2696
_SIMPLE = "simple"
_MOST_EMPTY_PAGES = 1000
"""How many pages in a row may hold nothing: a server under load may end one early (MS-ADTS 3.1.1.3.4.1.1)."""


class Session:
    """A connection that opens and signs in on first use, and again after it was lost. Not thread-safe.

    Parameters
    ----------
    endpoint : Endpoint
        Where and as whom. ``auth`` is ``simple`` (the usual one: name and password, which TLS must protect),
        ``ntlm``, ``kerberos`` or ``negotiate`` (Kerberos where a ticket can be had, else NTLM).
    start_tls : bool
        Whether an ``ldap://`` connection turns to TLS before the sign-in.
    clear_text : bool
        Whether a simple sign-in may send the password without TLS, readable for everybody on the way.

    Raises
    ------
    ParameterError
        If the address or the kind of sign-in is none, or the password would be sent in clear.
    """

    def __init__(self, endpoint: Endpoint, *, start_tls: bool = False, clear_text: bool = False) -> None:
        kinds = ("", _SIMPLE, *sasl.KINDS)
        if endpoint.auth not in kinds:
            what = f"sign-in {endpoint.auth!r} to {endpoint.url!r}"
            raise ParameterError(what, "there is no such kind", f"use one of {', '.join(kinds[1:])}")
        self.endpoint = endpoint
        self._start_tls = start_tls
        self._address = Address.of(endpoint.url, LDAP_PORTS)
        is_plain = not (self._address.tls or start_tls)
        if is_plain and not clear_text and endpoint.auth in {"", _SIMPLE}:
            what, cause = f"simple sign-in to {endpoint.url!r}", "the password would be sent in clear"
            advice = "use ldaps:// or start_tls, or auth: ntlm or kerberos; clear_text: true allows it"
            raise ParameterError(what, cause, advice)
        self._connection: ldap3.Connection | None = None
        self._signed_in = False

    def close(self) -> None:
        """Sign out and close the connection."""
        connection, self._connection = self._connection, None
        self._signed_in = False
        if connection is None:
            return
        try:
            connection.unbind()
        except LDAPExceptionError as error:
            logger.debug("%s had already closed the connection: %s", self.endpoint.url, error)
            connection.strategy.close()

    def root(self, further: Sequence[str] = (), *, sign_in: bool = True) -> Values:
        """Read the rootDSE (MS-ADTS 3.1.1.3.2): what every controller has, and further attributes if any.

        It is shown to everybody (MS-ADTS 5.1.1), so that it can be read without a sign-in, too.
        """
        what = f"rootDSE of {self.endpoint.url!r}"
        names = ["defaultNamingContext", "configurationNamingContext", "highestCommittedUSN"]
        entries, result = self._read(
            lambda connection: connection.search(
                "", "(objectClass=*)", ldap3.BASE, attributes=[*names, *further]
            ),
            what,
            sign_in=sign_in,
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
            If the server ends the search before its end: half a result is never given out as a whole one. Or
            if it never comes to an end.
        """
        what, cookie, page, empty = f"search below {base!r}", b"", [""], 0
        while True:
            entries, result = self._page(
                base, search_filter, attributes, page_size, cookie, controls=controls
            )
            check(result, what)
            yield from entries
            control = (result.get("controls") or {}).get(_PAGED_RESULTS, {})
            cookie = control.get("value", {}).get("cookie") or b""
            previous, page = page, [distinguished_name for distinguished_name, _ in entries]
            empty = 0 if page else empty + 1
            if not cookie:
                return
            if empty > _MOST_EMPTY_PAGES or (page and page == previous):
                cause = f"the server goes on for ever, with {'one page' if page else 'empty pages'}"
                raise ProtocolError(what, cause, "ask another domain controller")

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
        endpoint = self.endpoint
        if self._signed_in:
            return self._open()
        if endpoint.auth not in sasl.KINDS and not (endpoint.username and endpoint.password):
            # A simple bind without a password succeeds, as nobody (RFC 4513 5.1.2).
            raise SignInError(f"account '{endpoint.username}'", "name or password is empty", "give both")
        connection = self._open()
        try:
            self._sign_in(connection)
        except KitError:
            self._drop(connection)
            raise
        self._signed_in = True
        logger.info("signed in to %s as %s", endpoint.url, endpoint.username)
        return connection

    def certificate(self) -> tls.Certificate | None:
        """Connect without signing in and return the server's certificate, None without TLS."""
        der = sasl.peer_certificate(self._open())
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

    def _read(
        self, operation: Operation, what: str, *, sign_in: bool = True
    ) -> tuple[list[tuple[str, Values]], dict[str, Any]]:
        """Run a read; once more if the server had closed an idle connection (MaxConnIdleTime, 15 minutes)."""
        reused = self._connection is not None
        try:
            return self._run(operation, what, sign_in=sign_in)
        except UnreachableError:
            if not reused:
                raise
            logger.info("connection to %s was lost, connecting again", self.endpoint.url)
            return self._run(operation, what, sign_in=sign_in)

    def _run(
        self, operation: Operation, what: str, *, sign_in: bool = True
    ) -> tuple[list[tuple[str, Values]], dict[str, Any]]:
        connection = self.connect() if sign_in else self._open()
        try:
            with connections.telling(what):
                _carry_out(operation, connection, what)
        except (ProtocolError, UnreachableError):
            self._drop(connection)
            raise
        entries = [
            (entry["dn"], entry["raw_attributes"])
            for entry in connection.response or ()
            if entry["type"] == "searchResEntry"
        ]
        return entries, connection.result

    def _open(self) -> ldap3.Connection:
        """Open the connection, under TLS where that is asked for, unless that is done already."""
        if self._connection is None:
            endpoint = self.endpoint
            credentials = {
                "authentication": ldap3.SIMPLE,
                "user": endpoint.username,
                "password": endpoint.password,
            }
            if endpoint.auth in sasl.KINDS:  # `kit.sasl` brings its own
                credentials = {"authentication": ldap3.SASL, "sasl_mechanism": sasl.MECHANISM}
            self._connection = connections.connect(
                endpoint, self._address, credentials, start_tls=self._start_tls
            )
        return self._connection

    def _sign_in(self, connection: ldap3.Connection) -> None:
        endpoint = self.endpoint
        who = (
            f"account '{endpoint.username}'" if endpoint.username else "the account of this machine's ticket"
        )
        what = f"{who} at {endpoint.url!r}"
        with connections.telling(f"directory {endpoint.url!r}", self._address):
            if endpoint.auth in sasl.KINDS:
                result = sasl.bind(connection, endpoint, self._address.host, what)
            else:
                connection.bind()
                result = connection.result
        check(result, what)

    def _drop(self, connection: ldap3.Connection) -> None:
        """Close a connection without a word; the next call makes a new one."""
        self._connection, self._signed_in = None, False
        connections.discard(connection)


def _carry_out(operation: Operation, connection: ldap3.Connection, what: str) -> None:
    try:
        operation(connection)
    except LDAPInvalidFilterError as error:
        advice = "correct user_filter, which must be enclosed in parentheses (RFC 4515)"
        raise ParameterError(what, "the filter cannot be parsed", advice) from error


def escape(value: bytes) -> str:
    r"""Write a value for use in a search filter, every byte escaped (RFC 4515 section 3).

    Examples
    --------
    >>> escape(b"a*")
    '\\61\\2a'
    """
    return "".join(f"\\{byte:02x}" for byte in value)
