"""The embedded directory: LDAP and LDAPS on loopback, answering as a domain controller does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet import reactor as twisted_reactor
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer  # type: ignore[import-untyped] # ships no types

from kit.lab import certificates, reactor, seed
from kit.lab.clock import Clock
from kit.lab.domain import Account, Domain, Entry
from kit.lab.ldap import CatalogFactory, Factory
from kit.lab.sasl import SignIn
from kit.lab.tree import Tree

_HOST = "127.0.0.1"


class DirectoryServer(Protocol):
    """A running directory of the farm, embedded or Samba.

    ``url`` is its ``ldaps://`` address, ``plain_url`` its ``ldap://`` one; ``ca_file`` is the PEM file of the
    authority that signed its certificate.
    """

    @property
    def url(self) -> str: ...  # noqa: D102 # see the class
    @property
    def plain_url(self) -> str: ...  # noqa: D102
    @property
    def base_dn(self) -> str: ...  # noqa: D102
    @property
    def domain(self) -> Domain: ...  # noqa: D102
    @property
    def ca_file(self) -> Path: ...  # noqa: D102

    def stop(self) -> None:
        """End the server."""


@dataclass(frozen=True)
class EmbeddedDirectory:
    """A `DirectoryServer` in this process; ``catalog_url`` is its global catalogue's ``ldaps://`` address."""

    url: str
    plain_url: str
    base_dn: str
    domain: Domain
    ca_file: Path
    catalog_url: str
    _factory: Factory = field(repr=False)

    def drop_connections(self) -> None:
        """Break every connection, as a domain controller does with idle ones and a network with any."""
        reactor.call(self._factory.drop_connections)

    def drop_after(self, responses: int) -> None:
        """Let the server die, ports and all, when it has answered so many searches more; a page is one."""
        reactor.call(setattr, self._factory, "answers_left", responses)

    def lose_answers(self, writes: int) -> None:
        """Carry out so many modifications more, but break the connection instead of saying so."""
        reactor.call(setattr, self._factory, "answers_to_lose", writes)

    def hide_metadata(self, distinguished_name: str) -> None:
        """Show nobody the replication metadata of one object."""
        reactor.call(self._factory.tree.hide_metadata, distinguished_name)

    def replicate_photo(self, distinguished_name: str, photo: bytes, controller: str) -> None:
        """Take in a photo that was written on another domain controller, such as ``DC2``."""
        reactor.call(self._factory.tree.replicate, distinguished_name, "thumbnailPhoto", photo, controller)

    def fall_behind(self, distinguished_name: str, photo: bytes, written: datetime) -> None:
        """Hold an earlier photo, as a controller does that has not received the last write of it."""
        tree = self._factory.tree
        reactor.call(tree.fall_behind, distinguished_name, "thumbnailPhoto", photo, written)

    def refuse(self, account_name: str, code: str) -> None:
        """Refuse an account's sign-in with a sub-code of MS-ERREF 2.2, such as ``775``; empty lets it in."""
        reactor.call(self._factory.sign_in.refuse, account_name, code)

    def stop(self) -> None:
        """Close every port and every connection."""
        reactor.call(self._factory.close)
        self._factory.sign_in.close()


def start(
    domain: Domain,
    entries: Iterable[Entry],
    accounts: Sequence[Account],
    folder: Path,
    *,
    clock: Clock | None = None,
    max_page_size: int = 1000,
    silent_limit: int | None = None,
    forest: Sequence[Domain] = (),
    require_signing: bool = False,
    channel_binding: str = "never",
) -> EmbeddedDirectory:
    """Start the embedded directory on free ports of 127.0.0.1; it answers when this returns.

    Parameters
    ----------
    domain : Domain
    entries : iterable of Entry
        Its objects; missing organizational units are made.
    accounts : sequence of Account
        Who can sign in; the role ``directory-writer`` may modify.
    folder : Path
        Where the certificate's files go.
    clock : Clock or None
        The farm's time; None means the machine's.
    max_page_size : int
        MaxPageSize of the LDAP policy (MS-ADTS 3.1.1.3.4.6): entries per page and per unpaged search.
    silent_limit : int or None
        Entries after which every search ends as if there were no more, as some proxies do; None for never.
    forest : sequence of Domain
        All domains of the forest, its root first; empty if there is but this one.
    require_signing : bool
        Whether sign-ins without TLS are refused.
    channel_binding : str
        ``always`` or ``never``: whether Windows sign-in over TLS must be bound to the certificate.
    """
    tree = Tree(domain, clock or Clock(), forest)
    for entry in seed.complete(domain, entries, accounts):
        tree.add(entry)
    files = certificates.issue(folder, [f"dc1.{domain.dns_name}", "localhost", _HOST])
    sign_in = SignIn(
        tree,
        accounts,
        files.certificate_file,
        require_signing=require_signing,
        channel_binding=channel_binding,
    )
    factory = Factory(tree, sign_in, _ServerTls(files), max_page_size, silent_limit)
    plain, secure, catalog = (port.getHost().port for port in reactor.call(_listen, factory))
    return EmbeddedDirectory(
        f"ldaps://{_HOST}:{secure}",
        f"ldap://{_HOST}:{plain}",
        domain.base_dn,
        domain,
        files.ca_file,
        f"ldaps://{_HOST}:{catalog}",
        factory,
    )


@implementer(IOpenSSLServerConnectionCreator)
class _ServerTls:
    """The server's side of TLS; Twisted's own class for it uses what pyOpenSSL has deprecated."""

    def __init__(self, files: certificates.ServerCertificate) -> None:
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_2_VERSION)
        self._context.use_certificate_file(str(files.certificate_file))
        self._context.use_privatekey_file(str(files.key_file))

    def serverConnectionForTLS(self, _protocol: object) -> SSL.Connection:  # noqa: N802 # Twisted's name
        """Make the TLS state of one connection."""
        return SSL.Connection(self._context, None)


def _listen(factory: Factory) -> list[Any]:
    engine: Any = twisted_reactor  # the module stands for the reactor it installed
    factory.ports = [
        engine.listenTCP(0, factory, interface=_HOST),
        engine.listenSSL(0, factory, factory.tls, interface=_HOST),
        engine.listenSSL(0, CatalogFactory(factory), factory.tls, interface=_HOST),
    ]
    return factory.ports
