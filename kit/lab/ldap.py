"""The embedded directory's side of LDAP, with a domain controller's limits and diagnostic texts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ldaptor.protocols import pureber, pureldap
from ldaptor.protocols.ldap import ldaperrors, ldapserver
from twisted.internet import protocol

from kit.lab.domain import Account
from kit.lab.filters import compile_filter, wanted_guids
from kit.lab.tree import Change, Record, Tree, format_time

_PAGED_RESULTS = b"1.2.840.113556.1.4.319"  # RFC 2696
_ACTIVE_DIRECTORY = b"1.2.840.113556.1.4.800"  # LDAP_CAP_ACTIVE_DIRECTORY_OID, MS-ADTS 3.1.1.3.4.3
_START_TLS = b"1.3.6.1.4.1.1466.20037"  # RFC 4511 4.14.1
_ACCOUNT_DISABLED = 0x2  # ADS_UF_ACCOUNTDISABLE, MS-ADTS 2.2.16
_SEQUENCE = b"\x30"  # every LDAPMessage starts with this tag (RFC 4511 4.1.1)
_WRITER = "directory-writer"
_WRONG_PASSWORD, _UNKNOWN_ACCOUNT, _DISABLED = 0x52E, 0x525, 0x533  # Windows error codes, MS-ERREF 2.2

Message = Any
"""A request or response of ldaptor, which ships no types."""

Controls = Sequence[tuple[bytes, int | None, bytes | None]] | None
"""Controls as ldaptor has them: type, criticality, value."""


class Factory(protocol.ServerFactory):
    """What all connections share.

    Parameters
    ----------
    tree : Tree
        The objects.
    accounts : sequence of Account
        Who can sign in.
    tls : object
        Twisted's connection creator with the server's certificate, for StartTLS.
    max_page_size : int
        Entries per page and per unpaged search.
    """

    noisy = False

    def __init__(self, tree: Tree, accounts: Sequence[Account], tls: object, max_page_size: int) -> None:
        self.tree = tree
        self.tls = tls
        self.max_page_size = max_page_size
        self.connections: set[Connection] = set()
        self._accounts = {account.name.lower(): account for account in accounts}

    def buildProtocol(self, _address: object) -> Connection:  # noqa: N802 # Twisted's name
        """Make the protocol of a new connection."""
        return Connection(self)

    def sign_in(self, name: str, password: str) -> Account:
        """Return the account of that name and password.

        Raises
        ------
        LDAPInvalidCredentials
            With the sub-code a domain controller gives.
        """
        record = self.tree.find_user(name)
        if record is None:
            raise _RefusalError(_UNKNOWN_ACCOUNT)
        account = self._accounts.get(record.text("samaccountname").lower())
        if account is None or account.password != password:
            raise _RefusalError(_WRONG_PASSWORD)
        if int(record.text("useraccountcontrol") or 0) & _ACCOUNT_DISABLED:
            raise _RefusalError(_DISABLED)
        return account


@dataclass(frozen=True)
class _SearchResult(pureldap.LDAPProtocolResponse):  # type: ignore[misc] # ldaptor ships no types
    """Entries and references, then the result code with its controls."""

    parts: Sequence[Message]
    code: int
    controls: Controls = None


class _RefusalError(ldaperrors.LDAPInvalidCredentials):  # type: ignore[misc] # ldaptor ships no types
    """A sign-in that failed, with the Windows error code that says why."""

    def __init__(self, code: int) -> None:
        text = f"80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data {code:x}, v4563"
        super().__init__(text)


class _NoSuchObjectError(ldaperrors.LDAPNoSuchObject):  # type: ignore[misc] # ldaptor ships no types
    """A name that does not exist, with the lowest one above it that does."""

    def __init__(self, matched: str) -> None:
        text = "0000208D: NameErr: DSID-0310028D, problem 2001 (NO_OBJECT), data 0, "
        super().__init__(f"{text}best match of:\n\t'{matched}'\n")
        self.matched = matched


class Connection(ldapserver.BaseLDAPServer):  # type: ignore[misc] # ldaptor ships no types
    """One client's connection.

    Parameters
    ----------
    factory : Factory
        What it shares with the others.
    """

    # ldaptor's names for the response that carries an error
    fail_LDAPBindRequest = pureldap.LDAPBindResponse  # noqa: N815
    fail_LDAPSearchRequest = pureldap.LDAPSearchResultDone  # noqa: N815
    fail_LDAPModifyRequest = pureldap.LDAPModifyResponse  # noqa: N815

    def __init__(self, factory: Factory) -> None:
        super().__init__()
        self.factory = factory
        self.tree = factory.tree
        self.account: Account | None = None
        self._cookies = itertools.count(1)
        self._rest: dict[bytes, list[Record]] = {}

    def connectionMade(self) -> None:  # noqa: N802 # Twisted's name
        """Let the server's stop find this connection."""
        super().connectionMade()
        self.factory.connections.add(self)

    def connectionLost(self, reason: object = protocol.connectionDone) -> None:  # noqa: N802 # Twisted's name
        """Forget the connection."""
        super().connectionLost(reason)
        self.factory.connections.discard(self)

    def dataReceived(self, recd: bytes) -> None:  # noqa: N802 # Twisted's name
        """Take in bytes; what cannot be LDAP, such as TLS on the plain port, ends the connection."""
        if not self.buffer and not recd.startswith(_SEQUENCE):
            self.transport.abortConnection()
            return
        super().dataReceived(recd)

    def queue(self, id: int, op: Message) -> None:
        """Send a response; a search result goes out in one write."""
        if not isinstance(op, _SearchResult):
            super().queue(id, op)
            return
        done = pureldap.LDAPMessage(pureldap.LDAPSearchResultDone(op.code), controls=op.controls, id=id)
        messages = [pureldap.LDAPMessage(part, id=id).toWire() for part in op.parts]
        self.transport.write(b"".join([*messages, done.toWire()]))

    def handle_LDAPBindRequest(self, request: Message, _controls: Controls, _reply: object) -> Message:  # noqa: N802 # ldaptor's name
        """Sign in by simple bind; without a password it is anonymous (RFC 4513 5.1.2)."""
        self.account = None
        if request.sasl:
            text = "00002027: LdapErr: DSID-0C090604, comment: only simple binds here"
            raise ldaperrors.LDAPAuthMethodNotSupported(text)
        if request.auth:
            self.account = self.factory.sign_in(request.dn.decode(), request.auth.decode())
        return pureldap.LDAPBindResponse(resultCode=0)

    def handle_LDAPUnbindRequest(self, _request: Message, _controls: Controls, _reply: object) -> None:  # noqa: N802 # ldaptor's name
        """Close the connection."""
        self.transport.loseConnection()

    def handle_LDAPExtendedRequest(self, request: Message, _controls: Controls, reply: Any) -> None:  # noqa: ANN401, N802 # ldaptor's name
        """Turn to TLS (RFC 4511 4.14); nothing else is offered."""
        if request.requestName != _START_TLS:
            text = "0000203D: LdapErr: DSID-0C090FB4, comment: unknown extended request"
            raise ldaperrors.LDAPProtocolError(text)
        reply(pureldap.LDAPExtendedResponse(resultCode=0, responseName=_START_TLS))
        self.transport.startTLS(self.factory.tls)

    def handle_LDAPModifyRequest(self, request: Message, _controls: Controls, _reply: object) -> Message:  # noqa: N802 # ldaptor's name
        """Modify one object, if the account is a directory writer."""
        self._require_sign_in()
        record = self._find(request.object.decode())
        if self.account is None or _WRITER not in self.account.roles:
            text = "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n"
            raise ldaperrors.LDAPInsufficientAccessRights(text)
        self.tree.modify(record, [_change(part) for part in request.modification])
        return pureldap.LDAPModifyResponse(resultCode=0)

    def handle_LDAPSearchRequest(self, request: Message, controls: Controls, _reply: object) -> Message:  # noqa: N802 # ldaptor's name
        """Search; whoever is not signed in sees the rootDSE only (MS-ADTS 5.1.1)."""
        if not request.baseObject and request.scope == pureldap.LDAP_SCOPE_baseObject:
            return _SearchResult(_encode([_root(self.tree)], request), 0)
        self._require_sign_in()
        page = _page_request(controls)
        return self._unpaged(request) if page is None else self._page(request, *page)

    def _unpaged(self, request: Message) -> _SearchResult:
        """Answer as much as MaxPageSize allows, and say so if that is not all."""
        found, references = self._match(request)
        limit = min(request.sizeLimit or self.factory.max_page_size, self.factory.max_page_size)
        code = ldaperrors.LDAPSizeLimitExceeded.resultCode if len(found) > limit else 0
        return _SearchResult([*_encode(found[:limit], request), *references], code)

    def _page(self, request: Message, size: int, cookie: bytes) -> _SearchResult:
        """Answer one page and keep the rest for the cookie it comes with (RFC 2696)."""
        found, references = (self._resume(cookie), []) if cookie else self._match(request)
        size = min(size, self.factory.max_page_size)
        rest, next_cookie = found[size:], b""
        if rest and size:
            next_cookie = b"%d" % next(self._cookies)
            self._rest[next_cookie] = rest
        control = (_PAGED_RESULTS, None, _page_response(next_cookie))
        return _SearchResult([*_encode(found[:size], request), *references], 0, [control])

    def _resume(self, cookie: bytes) -> list[Record]:
        if cookie not in self._rest:
            text = "00000057: LdapErr: DSID-0C090A9F, comment: Error processing control, data 0, v4563"
            raise ldaperrors.LDAPUnavailableCriticalExtension(text)
        return self._rest.pop(cookie)

    def _match(self, request: Message) -> tuple[list[Record], list[Message]]:
        """Return the matching objects, and a reference for the naming context below the domain."""
        base, predicate = self._find(request.baseObject.decode()), compile_filter(request.filter)
        candidates = self.tree.below(base, request.scope, wanted_guids(request.filter))
        found = [record for record in candidates if predicate(record)]
        domain = self.tree.domain
        if base.distinguished_name != domain.base_dn or request.scope != pureldap.LDAP_SCOPE_wholeSubtree:
            return found, []
        uri = f"ldap://{domain.dns_name}/{self.tree.configuration_dn}"
        return found, [pureldap.LDAPSearchResultReference([pureldap.LDAPString(uri)])]

    def _find(self, distinguished_name: str) -> Record:
        try:
            record = self.tree.find(distinguished_name)
        except ValueError as error:
            text = "0000208F: NameErr: DSID-0310020A, problem 2006 (BAD_NAME), data 8350"
            raise ldaperrors.LDAPInvalidDNSyntax(text) from error
        if record is None:
            raise _NoSuchObjectError(self.tree.nearest(distinguished_name))
        return record

    def _require_sign_in(self) -> None:
        if self.account is None:
            text = "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation "
            text += "a successful bind must be completed on the connection., data 0, v4563"
            raise ldaperrors.LDAPOperationsError(text)

    def _cbLDAPError(self, reason: Any, name: str) -> Message:  # noqa: ANN401, N802 # ldaptor's name
        """Answer an error, with matchedDN, which ldaptor leaves out."""
        response = super()._cbLDAPError(reason, name)
        if isinstance(reason.value, _NoSuchObjectError):
            response.matchedDN = reason.value.matched
        return response


def _change(part: Message) -> Change:
    operation, (attribute, values) = part
    return operation.value, attribute.value.decode(), [value.value for value in values]


def _encode(records: Iterable[Record], request: Message) -> list[Message]:
    """Return SearchResultEntry messages (RFC 4511 4.5.2) of the attributes asked for."""
    attributes = [name.decode() for name in request.attributes]
    return [
        pureber.BERSequence(
            [pureber.BEROctetString(record.distinguished_name), record.encode(attributes)],
            tag=pureldap.LDAPSearchResultEntry.tag,
        )
        for record in records
    ]


def _page_request(controls: Controls) -> tuple[int, bytes] | None:
    """Return size and cookie of the paged results control, None if there is none.

    Raises
    ------
    LDAPUnavailableCriticalExtension
        If a control is critical that the lab does not know.
    """
    page = None
    for kind, critical, value in controls or ():
        if kind == _PAGED_RESULTS:
            (size, cookie), _ = pureber.berDecodeObject(pureber.BERDecoderContext(), value)
            page = size.value, cookie.value
        elif critical:
            text = "00000057: LdapErr: DSID-0C090A9F, comment: Error processing control, data 0, v4563"
            raise ldaperrors.LDAPUnavailableCriticalExtension(text)
    return page


def _page_response(cookie: bytes) -> bytes:
    value: bytes = pureber.BERSequence([pureber.BERInteger(0), pureber.BEROctetString(cookie)]).toWire()
    return value


def _root(tree: Tree) -> Record:
    """Return the rootDSE of now (MS-ADTS 3.1.1.3.2)."""
    domain, configuration = tree.domain, tree.configuration_dn.encode()
    base, host = domain.base_dn.encode(), f"dc1.{domain.dns_name}"
    attributes = {
        "configurationNamingContext": [configuration],
        "currentTime": [format_time(tree.clock.now())],
        "defaultNamingContext": [base],
        "dnsHostName": [host.encode()],
        "highestCommittedUSN": [b"%d" % tree.highest_usn],
        "ldapServiceName": [f"{domain.dns_name}:dc1$@{domain.dns_name.upper()}".encode()],
        "namingContexts": [base, configuration],
        "objectClass": [b"top"],
        "rootDomainNamingContext": [base],
        "supportedCapabilities": [_ACTIVE_DIRECTORY],
        "supportedControl": [_PAGED_RESULTS],
        "supportedExtension": [_START_TLS],
        "supportedLDAPVersion": [b"3"],
    }
    return Record("", attributes)
