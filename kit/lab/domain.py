"""The practice farm's Active Directory domain and its accounts, shared by every lab server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Domain:
    """Names of the one domain of the farm.

    Examples
    --------
    >>> Domain().base_dn
    'DC=contoso,DC=example'
    """

    dns_name: str = "contoso.example"
    netbios_name: str = "CONTOSO"

    @property
    def base_dn(self) -> str:
        """The domain's distinguished name."""
        return ",".join(f"DC={label}" for label in self.dns_name.split("."))


@dataclass(frozen=True)
class Account:
    """An account that can sign in to the farm.

    ``roles`` holds any of ``directory-writer`` (may modify the directory), ``profile-manager``
    (SharePoint: Manage Profiles), ``sync-admin`` and ``sync-operator`` (the MIM groups).
    """

    name: str
    password: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Entry:
    """One directory object to create.

    Parameters
    ----------
    dn : str
        Full distinguished name.
    attributes : Mapping[str, Sequence[bytes]]
        Attribute name to raw values, ``objectClass`` included; ``objectGUID`` and ``objectSid`` are the
        server's to make.
    """

    dn: str
    attributes: Mapping[str, Sequence[bytes]]
