"""What the kit reads of Active Directory's objects: people, service accounts, contacts, the deleted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from kit.errors import ParameterError
from kit.ldap import Values

USER_FILTER = "(&(objectCategory=person)(objectClass=user)(!(isCriticalSystemObject=TRUE)))"
"""User objects without contacts and computers, as Microsoft Learn writes it ("Search Filter Syntax").

Nor are Administrator, Guest and krbtgt people: ``isCriticalSystemObject`` marks the domain's own accounts.
"""

CONTACT_FILTER = "(&(objectCategory=person)(objectClass=contact))"

DELETED_FILTER = "(&(isDeleted=TRUE)(objectClass=user)(!(objectClass=computer)))"
"""Deleted users; their objects have lost ``objectCategory`` (MS-ADTS 3.1.1.5.5.1.1)."""

ATTRIBUTES = (
    "objectGUID",
    "objectClass",
    "sAMAccountName",
    "userPrincipalName",
    "servicePrincipalName",
    "displayName",
    "department",
    "mail",
    "telephoneNumber",
    "givenName",
    "sn",
    "userAccountControl",
    "isDeleted",
    "uSNChanged",
    "whenChanged",
)
"""What `parse` wants of every object, besides ``thumbnailPhoto``."""

_ACCOUNT_DISABLED = 0x2  # ADS_UF_ACCOUNTDISABLE, MS-ADTS 2.2.16
_SERVICE_CLASSES = {b"msds-managedserviceaccount", b"msds-groupmanagedserviceaccount"}  # MS-ADSC
_DOMAIN = re.compile(r"(?<!\\),(?=\s*DC=)", re.IGNORECASE)


@dataclass(frozen=True)
class DirectoryUser:
    r"""One user object of Active Directory, or a contact.

    Text that the directory does not hold, or does not show to the signed-in account, is empty.

    Parameters
    ----------
    person : str
        ``objectGUID`` as lower-case text: who this is in every frame of the kit.
    account : str
        Classic name, normalised to lower case: ``contoso\anna``; empty for a contact, which has none.
    account_name : str
        ``sAMAccountName`` as the directory holds it.
    enabled : bool
        Whether ``userAccountControl`` is without ADS_UF_ACCOUNTDISABLE (MS-ADTS 2.2.16).
    photo : bytes or None
        ``thumbnailPhoto``; None if there is none or photos were not asked for.
    usn_changed : int
        ``uSNChanged``: rises with every change; each domain controller has its own count.
    when_changed : datetime or None
        ``whenChanged``, UTC; None if it is absent or no generalizedTime.
    kind : str
        ``user``; ``service`` for a managed service account (MS-ADSC) and for a user with a
        ``servicePrincipalName``; ``contact``; ``deleted`` for a tombstone or a deleted-object
        (MS-ADTS 3.1.1.5.5.1).
    """

    person: str
    account: str
    account_name: str
    distinguished_name: str
    user_principal_name: str
    display_name: str
    department: str
    mail: str
    telephone_number: str
    given_name: str
    surname: str
    enabled: bool
    photo: bytes | None = field(repr=False)
    usn_changed: int
    when_changed: datetime | None
    kind: str = "user"


def parse(distinguished_name: str, values: Values, netbios_name: str) -> DirectoryUser:
    """Read one entry of a search.

    Parameters
    ----------
    distinguished_name : str
        The entry's name.
    values : Values
        As many of `ATTRIBUTES` and ``thumbnailPhoto`` as the directory gave; ``objectGUID`` at least.
    netbios_name : str
        Of the domain that the entry is in.
    """
    account_name = text(values, "sAMAccountName")
    return DirectoryUser(
        person=person(values),
        account=f"{netbios_name}\\{account_name}".lower() if account_name else "",
        account_name=account_name,
        distinguished_name=distinguished_name,
        user_principal_name=text(values, "userPrincipalName"),
        display_name=text(values, "displayName"),
        department=text(values, "department"),
        mail=text(values, "mail"),
        telephone_number=text(values, "telephoneNumber"),
        given_name=text(values, "givenName"),
        surname=text(values, "sn"),
        enabled=not number(values, "userAccountControl") & _ACCOUNT_DISABLED,
        photo=first(values, "thumbnailPhoto"),
        usn_changed=number(values, "uSNChanged"),
        when_changed=parse_time(first(values, "whenChanged") or b""),
        kind=_kind(values),
    )


def parse_time(value: bytes) -> datetime | None:
    """Read an LDAP generalizedTime as Active Directory writes it (RFC 4517 3.3.13), whole seconds, UTC.

    Returns
    -------
    datetime or None
        None if it is not of that form.

    Examples
    --------
    >>> parse_time(b"20240131235959.0Z")
    datetime.datetime(2024, 1, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)
    >>> parse_time(b"yesterday")
    """
    try:
        return datetime.strptime(value[:14].decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def domain_of(distinguished_name: str) -> str:
    r"""Return the distinguished name of the domain that an object is in, folded for comparison.

    Examples
    --------
    >>> domain_of("CN=Doe\\,DC=Jane,OU=Staff,DC=Contoso,DC=example")
    'dc=contoso,dc=example'
    """
    parts = _DOMAIN.split(f",{distinguished_name}")[1:]
    return ",".join(part.strip() for part in parts).casefold()


def person(values: Values) -> str:
    """Return ``objectGUID`` as text; its first three fields are little-endian (MS-DTYP 2.3.4.2)."""
    return str(UUID(bytes_le=values["objectGUID"][0]))


def guid(person: str) -> UUID:
    """Return who `DirectoryUser.person` means.

    Raises
    ------
    ParameterError
        If the text is no GUID.
    """
    try:
        return UUID(person)
    except ValueError as error:
        what = f"person {person!r}"
        raise ParameterError(what, "it is no objectGUID", "take it from DirectoryUser.person") from error


def first(values: Values, name: str) -> bytes | None:
    """Return an attribute's first value, None if it is absent."""
    found = values.get(name)
    return found[0] if found else None


def text(values: Values, name: str) -> str:
    """Return an attribute's first value as text, empty if it is absent."""
    return (first(values, name) or b"").decode("utf-8", errors="replace")


def number(values: Values, name: str) -> int:
    """Return an attribute's first value as a number, 0 if it is absent."""
    return int(first(values, name) or 0)


def _kind(values: Values) -> str:
    classes = {value.lower() for value in values.get("objectClass", ())}
    if text(values, "isDeleted") == "TRUE":
        return "deleted"
    if b"contact" in classes:
        return "contact"
    return "service" if classes & _SERVICE_CLASSES or values.get("servicePrincipalName") else "user"
