"""One domain controller: what it is called, which forest it is part of, and searches below one base."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Self
from uuid import UUID

from kit.endpoint import Endpoint
from kit.errors import NotFoundError
from kit.ldap import Session, Values
from kit.network import LDAP_PORTS, Address
from kit.users import domain_of, text
from kit.watermark import Watermark

logger = logging.getLogger(__name__)

_GLOBAL_CATALOG_PORTS = (3268, 3269)
# FLAG_CR_NTDS_DOMAIN, MS-ADTS 2.2.10: the naming context is a domain.
_DOMAINS = "(&(objectClass=crossRef)(systemFlags:1.2.840.113556.1.4.803:=2)(nETBIOSName=*))"


@dataclass(frozen=True)
class DomainName:
    """What one domain of a forest is called.

    Parameters
    ----------
    dns_name : str
        Such as ``contoso.example``.
    netbios_name : str
        The part before the backslash in its accounts.
    base_dn : str
        Distinguished name of its root.
    """

    dns_name: str
    netbios_name: str
    base_dn: str


class DomainController:
    r"""One domain controller: signed in to on first use, one connection. Not thread-safe.

    Parameters
    ----------
    endpoint : Endpoint
        ``ldaps://host[:port]`` or ``ldap://host[:port]``; the account's name may be a distinguished name,
        too. On a global catalogue's port (3268, 3269) nobody has a photo: ``thumbnailPhoto`` is not
        replicated there by default (Microsoft Learn, Picture attribute), which is logged as a warning. The
        time-out is rounded up to whole seconds.
    base_dn : str
        Where to look for users; empty means the domain that the controller names in its rootDSE.
    start_tls : bool
        Whether an ``ldap://`` connection turns to TLS before the sign-in.
    clear_text : bool
        Whether a simple sign-in may send the password without TLS, readable for everybody on the way.
    page_size : int
        Entries per page (RFC 2696); Active Directory gives at most MaxPageSize, 1,000 by default.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        base_dn: str = "",
        start_tls: bool = False,
        clear_text: bool = False,
        page_size: int = 1000,
    ) -> None:
        self.endpoint = endpoint
        self._session = Session(endpoint, start_tls=start_tls, clear_text=clear_text)
        self._base_dn = base_dn
        self._page_size = page_size
        if self.is_global_catalog:
            logger.warning("%s is a global catalogue, which holds no photos by default", endpoint.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Sign out and close the connection; the next call makes a new one."""
        self._session.close()

    @property
    def is_global_catalog(self) -> bool:
        """Whether the address is that of a global catalogue, by its port."""
        return Address.of(self.endpoint.url, LDAP_PORTS).port in _GLOBAL_CATALOG_PORTS

    @property
    def base_dn(self) -> str:
        """The distinguished name below which users are looked for."""
        return self._base_dn or self._domain_dn

    @property
    def netbios_name(self) -> str:
        """The domain's NetBIOS name, the part before the backslash in its accounts.

        Raises
        ------
        NotFoundError
            If the configuration does not show it.
        """
        return self._netbios_name(self._domain_dn)

    def domains(self) -> list[DomainName]:
        """Read which domains the forest has.

        They are the crossRef objects below CN=Partitions (MS-ADTS 6.1.1.2.1.1), in the order of their names.
        """
        partitions = f"CN=Partitions,{self._configuration_dn}"
        attributes = ["dnsRoot", "nETBIOSName", "nCName"]
        found = self._session.search(partitions, _DOMAINS, attributes, self._page_size)
        names = [[text(values, attribute) for attribute in attributes] for _, values in found]
        return [DomainName(*name) for name in sorted(names)]

    @cached_property
    def controllers(self) -> Mapping[str, str]:
        """The forest's domain controllers: invocation id to distinguished name of the nTDSDSA object.

        As far as the account may read them (MS-ADTS 6.1.1.2.2.1.2.1.1).
        """
        sites = f"CN=Sites,{self._configuration_dn}"
        found = self._session.search(sites, "(objectClass=nTDSDSA)", ["invocationId"], self._page_size)
        return {
            str(UUID(bytes_le=values["invocationId"][0])): distinguished_name
            for distinguished_name, values in found
            if "invocationId" in values
        }

    def highest_usn(self) -> int:
        """Return the highest update sequence number that this domain controller has given out."""
        return int(self._session.root()["highestCommittedUSN"][0])

    def watermark(self) -> Watermark:
        """Return how far this domain controller has come by now."""
        root = self._session.root(["dsServiceName"])
        controller = text(root, "dsServiceName")
        ids = {name.casefold(): invocation_id for invocation_id, name in self.controllers.items()}
        return Watermark(controller, ids.get(controller.casefold(), ""), int(root["highestCommittedUSN"][0]))

    def entries(self, search_filter: str, attributes: Sequence[str]) -> Iterator[tuple[str, Values]]:
        """Search below the base for whatever a filter (RFC 4515) says.

        Yields
        ------
        tuple of (str, Values)
            Distinguished name and those of the attributes that are there.

        Raises
        ------
        SourceError
            What address, account, base or rights lack; a result that was cut short is a ProtocolError.
        """
        try:
            yield from self._session.search(self.base_dn, search_filter, attributes, self._page_size)
        except NotFoundError as error:
            what = f"base DN {self.base_dn!r}"
            advice = f"use {self._domain_dn!r}, the domain's own (defaultNamingContext), or a part of it"
            raise NotFoundError(what, error.cause, advice) from error

    @cached_property
    def _root(self) -> Values:
        return self._session.root()

    @property
    def _domain_dn(self) -> str:
        return text(self._root, "defaultNamingContext")

    @property
    def _configuration_dn(self) -> str:
        return text(self._root, "configurationNamingContext")

    @cached_property
    def _netbios_names(self) -> Mapping[str, str]:
        return {domain_of(domain.base_dn): domain.netbios_name for domain in self.domains()}

    def _netbios_name(self, distinguished_name: str) -> str:
        """Return the NetBIOS name of an object's domain; a global catalogue has objects of many."""
        domain = domain_of(distinguished_name)
        if domain in self._netbios_names:
            return self._netbios_names[domain]
        partitions = f"CN=Partitions,{self._configuration_dn}"
        what, cause = f"NetBIOS name of {domain!r}", f"no crossRef below {partitions!r} shows it"
        raise NotFoundError(what, cause, "let the account read the configuration partition")
