"""The embedded directory's side of LDAP, with a domain controller's limits and diagnostic texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ldaptor.protocols import pureber, pureldap
from ldaptor.protocols.ldap import ldaperrors, ldapserver
from twisted.internet import defer, protocol
from twisted.internet.interfaces import ISSLTransport

from kit.lab.domain import Account
from kit.lab.filters import compile_filter, wanted_guids
from kit.lab.modification import Change
from kit.lab.paging import Control, Controls, Options, Pages
from kit.lab.rootdse import START_TLS, rootdse
from kit.lab.sasl import MECHANISM, Negotiation, SignIn
from kit.lab.tree import Record, Tree, partial_attribute

_SEQUENCE = b"\x30"  # every LDAPMessage starts with this tag (RFC 4511 4.1.1)
_WRITER = "directory-writer"

Message = Any
"""A request or response of ldaptor, which ships no types."""


class Factory(protocol.ServerFactory):
    """What all connections share.

    Parameters
    ----------
    tree : Tree
        The objects.
    sign_in : SignIn
        Who can sign in, and how.
    tls : object
        Twisted's connection creator with the server's certificate, for StartTLS.
    max_page_size : int
        Entries per page and per unpaged search.
    silent_limit : int or None
        Entries after which every search ends as if there were no more, as some proxies do; None for never.
    """

    noisy = False

    def __init__(
        self, tree: Tree, sign_in: SignIn, tls: object, max_page_size: int, silent_limit: int | None = None
    ) -> None:
        self.tree = tree
        self.tls = tls
        self.max_page_size = max_page_size
        self.silent_limit = silent_limit
        self.connections: set[Connection] = set()
        self.sign_in = sign_in
        self.ports: list[Any] = []
        self.answers_left: int | None = None
        self.answers_to_lose = 0

    def buildProtocol(self, _address: object) -> Connection:  # noqa: N802 # Twisted's name
        """Make the protocol of a new connection."""
        return Connection(self)

    def may_answer(self) -> bool:
        """Count a search that is about to be answered; one too many, and the server dies."""
        if self.answers_left is None:
            return True
        self.answers_left -= 1
        if self.answers_left < 0:
            self.close()
        return self.answers_left >= 0

    def close(self) -> defer.Deferred[Any]:
        """Close every port and break every connection."""
        self.drop_connections()
        return defer.gatherResults([defer.maybeDeferred(port.stopListening) for port in self.ports])

    def drop_connections(self) -> None:
        """Break every connection."""
        for connection in list(self.connections):
            connection.transport.abortConnection()


class CatalogFactory(protocol.ServerFactory):
    """The global catalogue's port of the same server: this domain's objects without their photos.

    Parameters
    ----------
    factory : Factory
        The server's.
    """

    noisy = False

    def __init__(self, factory: Factory) -> None:
        self._factory = factory

    def buildProtocol(self, _address: object) -> Connection:  # noqa: N802 # Twisted's name
        """Make the protocol of a new connection."""
        return Connection(self._factory, is_catalog=True)


@dataclass(frozen=True)
class _SearchResult(pureldap.LDAPProtocolResponse):  # type: ignore[misc] # ldaptor ships no types
    """Entries and references, then the result code with its controls."""

    parts: Sequence[Message]
    code: int
    controls: Sequence[Control] | None = None


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
    is_catalog : bool
        Whether it sees the partial attribute set only, and may not write (MS-ADTS 3.1.1.1.8).
    """

    # ldaptor's names for the response that carries an error
    fail_LDAPBindRequest = pureldap.LDAPBindResponse  # noqa: N815
    fail_LDAPSearchRequest = pureldap.LDAPSearchResultDone  # noqa: N815
    fail_LDAPModifyRequest = pureldap.LDAPModifyResponse  # noqa: N815
    fail_LDAPDelRequest = pureldap.LDAPDelResponse  # noqa: N815

    def __init__(self, factory: Factory, *, is_catalog: bool = False) -> None:
        super().__init__()
        self.factory = factory
        self.tree = factory.tree
        self.account: Account | None = None
        self._negotiation: Negotiation | None = None
        self._is_catalog = is_catalog
        self._pages = Pages()

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
        """Sign in by simple bind, anonymous without a password (RFC 4513 5.1.2), or by SASL."""
        self.account = None
        negotiation, self._negotiation = self._negotiation, None
        if request.sasl:
            return self._negotiate(negotiation, *request.auth)
        if request.auth:
            name, password = request.dn.decode(), request.auth.decode()
            self.account = self.factory.sign_in.simple(name, password, is_protected=self._is_protected)
        return pureldap.LDAPBindResponse(resultCode=0)

    def _negotiate(self, negotiation: Negotiation | None, mechanism: bytes, token: bytes | None) -> Message:
        """Take in one token of a Windows sign-in; the client sends the next while that is not complete."""
        if mechanism != MECHANISM:
            text = "00002027: LdapErr: DSID-0C090604, comment: only GSS-SPNEGO here"
            raise ldaperrors.LDAPAuthMethodNotSupported(text)
        negotiation = negotiation or Negotiation(self.factory.sign_in, is_protected=self._is_protected)
        self.account, answer = negotiation.step(token or b"")
        if self.account is None:
            self._negotiation = negotiation
            code = ldaperrors.LDAPSaslBindInProgress.resultCode
            return pureldap.LDAPBindResponse(resultCode=code, serverSaslCreds=answer)
        return pureldap.LDAPBindResponse(resultCode=0, serverSaslCreds=answer)

    def handle_LDAPUnbindRequest(self, _request: Message, _controls: Controls, _reply: object) -> None:  # noqa: N802 # ldaptor's name
        """Close the connection."""
        self.transport.loseConnection()

    def handle_LDAPExtendedRequest(self, request: Message, _controls: Controls, reply: Any) -> None:  # noqa: ANN401, N802 # ldaptor's name
        """Turn to TLS (RFC 4511 4.14); nothing else is offered."""
        if request.requestName != START_TLS:
            text = "0000203D: LdapErr: DSID-0C090FB4, comment: unknown extended request"
            raise ldaperrors.LDAPProtocolError(text)
        reply(pureldap.LDAPExtendedResponse(resultCode=0, responseName=START_TLS))
        self.transport.startTLS(self.factory.tls)

    def handle_LDAPModifyRequest(  # noqa: N802 # ldaptor's name
        self, request: Message, _controls: Controls, _reply: object
    ) -> Message | None:
        """Modify one object, if the account is a directory writer."""
        record = self._find_to_write(request.object.decode())
        self.tree.modify(record, [_change(part) for part in request.modification])
        if self.factory.answers_to_lose:
            self.factory.answers_to_lose -= 1
            self.transport.abortConnection()
            return None
        return pureldap.LDAPModifyResponse(resultCode=0)

    def handle_LDAPDelRequest(self, request: Message, _controls: Controls, _reply: object) -> Message:  # noqa: N802 # ldaptor's name
        """Delete one object, if the account is a directory writer."""
        record = self._find_to_write(request.value.decode())
        if any(self.tree.below(record, pureldap.LDAP_SCOPE_singleLevel)):
            text = "00002015: UpdErr: DSID-031A1236, problem 6003 (CANT_ON_NON_LEAF), data 0\n"
            raise ldaperrors.LDAPNotAllowedOnNonLeaf(text)
        self.tree.delete(record)
        return pureldap.LDAPDelResponse(resultCode=0)

    def handle_LDAPSearchRequest(  # noqa: N802 # ldaptor's name
        self, request: Message, controls: Controls, _reply: object
    ) -> Message | None:
        """Search; whoever is not signed in sees the rootDSE only (MS-ADTS 5.1.1)."""
        if not self.factory.may_answer():
            return None
        if not request.baseObject and request.scope == pureldap.LDAP_SCOPE_baseObject:
            return _SearchResult(_encode([rootdse(self.tree)], request), 0)
        self._require_sign_in()
        options = Options.of(controls)
        return self._unpaged(request, options) if options.page is None else self._page(request, options)

    def _unpaged(self, request: Message, options: Options) -> _SearchResult:
        """Answer as much as MaxPageSize allows, and say so if that is not all."""
        found, references = self._match(request, options)
        limit = min(request.sizeLimit or self.factory.max_page_size, self.factory.max_page_size)
        code = ldaperrors.LDAPSizeLimitExceeded.resultCode if len(found) > limit else 0
        return _SearchResult([*self._encode(found[:limit], request), *references], code)

    def _page(self, request: Message, options: Options) -> _SearchResult:
        """Answer one page and keep the rest for the cookie it comes with (RFC 2696)."""
        size, cookie = options.page or (0, b"")
        found, references = (self._pages.resume(cookie), []) if cookie else self._match(request, options)
        page, control = self._pages.cut(found, min(size, self.factory.max_page_size))
        return _SearchResult([*self._encode(page, request), *references], 0, [control])

    def _encode(self, records: Iterable[Record], request: Message) -> list[Message]:
        """Return the entries with what this account gets of the constructed attributes."""
        attributes = [name.decode() for name in request.attributes]

        def constructed(record: Record) -> Iterable[tuple[str, Sequence[bytes]]]:
            if self._is_catalog:
                return ()
            return self.tree.metadata.constructed(record, attributes, writer=self._may_write)

        return _encode(records, request, constructed)

    def _match(self, request: Message, options: Options) -> tuple[list[Record], list[Message]]:
        """Return the matching objects, and references for the naming contexts below the domain."""
        base, predicate = self._find(request.baseObject.decode()), compile_filter(request.filter)
        candidates = self.tree.below(base, request.scope, wanted_guids(request.filter))
        if self._is_catalog:
            candidates = (record.partial() for record in candidates)
        found = [record for record in candidates if predicate(record) and self._sees(record, options)]
        is_whole = base.distinguished_name == self.tree.domain.base_dn
        is_whole = is_whole and request.scope == pureldap.LDAP_SCOPE_wholeSubtree
        uris = self.tree.subordinates() if is_whole else []
        references = [pureldap.LDAPSearchResultReference([pureldap.LDAPString(uri)]) for uri in uris]
        return found[: self.factory.silent_limit], references

    def _sees(self, record: Record, options: Options) -> bool:
        """Tell whether tombstones are asked for and the account may read them, as administrators may."""
        if not record.values("isdeleted"):
            return True
        return options.shows_deleted and (self._may_write or not record.values("lastknownparent"))

    def _find_to_write(self, distinguished_name: str) -> Record:
        self._require_sign_in()
        record = self._find(distinguished_name)
        if self._is_catalog:
            raise ldaperrors.LDAPUnwillingToPerform("a global catalogue is for reading")
        if not self._may_write:
            text = "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n"
            raise ldaperrors.LDAPInsufficientAccessRights(text)
        return record

    def _find(self, distinguished_name: str) -> Record:
        try:
            record = self.tree.find(distinguished_name)
        except ValueError as error:
            text = "0000208F: NameErr: DSID-0310020A, problem 2006 (BAD_NAME), data 8350"
            raise ldaperrors.LDAPInvalidDNSyntax(text) from error
        if record is None:
            raise _NoSuchObjectError(self.tree.nearest(distinguished_name))
        return record

    @property
    def _is_protected(self) -> bool:
        return bool(ISSLTransport.providedBy(self.transport))

    @property
    def _may_write(self) -> bool:
        return self.account is not None and _WRITER in self.account.roles

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


def _encode(
    records: Iterable[Record],
    request: Message,
    constructed: Callable[[Record], Iterable[tuple[str, Sequence[bytes]]]] = lambda _: (),
) -> list[Message]:
    """Return SearchResultEntry messages (RFC 4511 4.5.2) of the attributes asked for."""
    attributes = [name.decode() for name in request.attributes]
    messages = []
    for record in records:
        found = record.encode(attributes)
        found.extend(partial_attribute(name, values) for name, values in constructed(record))
        name = pureber.BEROctetString(record.distinguished_name)
        messages.append(pureber.BERSequence([name, found], tag=pureldap.LDAPSearchResultEntry.tag))
    return messages
