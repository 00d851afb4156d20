"""The embedded directory: LDAP and LDAPS on loopback, answering as a domain controller does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet import defer
from twisted.internet import reactor as twisted_reactor
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer  # type: ignore[import-untyped] # ships no types

from kit.lab import certificates, reactor, seed
from kit.lab.clock import Clock
from kit.lab.domain import Account, Domain, Entry
from kit.lab.ldap import Factory
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
    """A `DirectoryServer` in this process."""

    url: str
    plain_url: str
    base_dn: str
    domain: Domain
    ca_file: Path
    _ports: Sequence[Any] = field(repr=False)
    _factory: Factory = field(repr=False)

    def drop_connections(self) -> None:
        """Break every connection, as a domain controller does with idle ones and a network with any."""
        reactor.call(self._drop_connections)

    def stop(self) -> None:
        """Close both ports and every connection."""
        reactor.call(self._stop)

    def _drop_connections(self) -> None:
        for connection in list(self._factory.connections):
            connection.transport.abortConnection()

    def _stop(self) -> defer.Deferred[Any]:
        self._drop_connections()
        return defer.gatherResults([defer.maybeDeferred(port.stopListening) for port in self._ports])


def start(
    domain: Domain,
    entries: Iterable[Entry],
    accounts: Sequence[Account],
    folder: Path,
    *,
    clock: Clock | None = None,
    max_page_size: int = 1000,
) -> EmbeddedDirectory:
    """Start the embedded directory on free ports of 127.0.0.1.

    Parameters
    ----------
    domain : Domain
        The domain to serve.
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

    Returns
    -------
    EmbeddedDirectory
        Already answering.
    """
    tree = Tree(domain, clock or Clock())
    for entry in seed.complete(domain, entries, accounts):
        tree.add(entry)
    files = certificates.issue(folder, [f"dc1.{domain.dns_name}", "localhost", _HOST])
    factory = Factory(tree, accounts, _ServerTls(files), max_page_size)
    plain, secure = reactor.call(_listen, factory)
    return EmbeddedDirectory(
        f"ldaps://{_HOST}:{secure.getHost().port}",
        f"ldap://{_HOST}:{plain.getHost().port}",
        domain.base_dn,
        domain,
        files.ca_file,
        (plain, secure),
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


def _listen(factory: Factory) -> tuple[Any, Any]:
    engine: Any = twisted_reactor  # the module stands for the reactor it installed
    plain = engine.listenTCP(0, factory, interface=_HOST)
    return plain, engine.listenSSL(0, factory, factory.tls, interface=_HOST)
