"""Active Directory over LDAP: users and photos in, one photo out (for restoring)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from types import TracebackType
from typing import Self
from uuid import UUID

from kit.endpoint import Endpoint
from kit.errors import NotFoundError, OutcomeUnknownError, ParameterError, ProtocolError, UnreachableError
from kit.ldap import Session, Values, escape

USER_FILTER = "(&(objectCategory=person)(objectClass=user)(!(isCriticalSystemObject=TRUE)))"
"""User objects without contacts and computers, as Microsoft Learn writes it ("Search Filter Syntax").

Nor are Administrator, Guest and krbtgt people: ``isCriticalSystemObject`` marks the domain's own accounts.
"""

_ACCOUNT_DISABLED = 0x2  # ADS_UF_ACCOUNTDISABLE, MS-ADTS 2.2.16
_ATTRIBUTES = (
    "objectGUID",
    "sAMAccountName",
    "userPrincipalName",
    "displayName",
    "department",
    "mail",
    "telephoneNumber",
    "givenName",
    "sn",
    "userAccountControl",
    "uSNChanged",
    "whenChanged",
)


@dataclass(frozen=True)
class DirectoryUser:
    r"""One user object of Active Directory.

    Text that the directory does not hold, or does not show to the signed-in account, is empty.

    Parameters
    ----------
    person : str
        ``objectGUID`` as lower-case text: who this is in every frame of the kit.
    account : str
        Classic name, normalised to lower case: ``contoso\anna``.
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


class Directory:
    r"""One domain controller: signed in to by simple bind on first use, one connection. Not thread-safe.

    Parameters
    ----------
    endpoint : Endpoint
        ``ldaps://host[:port]`` or ``ldap://host[:port]``; the account's name may be a distinguished name,
        too. Not a global catalogue (port 3268): ``thumbnailPhoto`` is not replicated there by default
        (Microsoft Learn, Picture attribute). The time-out is rounded up to whole seconds.
    base_dn : str
        Where to look for users; empty means the domain that the controller names in its rootDSE.
    start_tls : bool
        Whether an ``ldap://`` connection turns to TLS before the sign-in.
    page_size : int
        Entries per page (RFC 2696); Active Directory gives at most MaxPageSize, 1,000 by default.
    user_filter : str
        LDAP filter (RFC 4515) of what counts as a user.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        base_dn: str = "",
        start_tls: bool = False,
        page_size: int = 1000,
        user_filter: str = USER_FILTER,
    ) -> None:
        self._session = Session(endpoint, start_tls=start_tls)
        self._base_dn = base_dn
        self._page_size = page_size
        self._user_filter = user_filter

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
    def base_dn(self) -> str:
        """The distinguished name below which users are looked for."""
        return self._base_dn or self._domain_dn

    @cached_property
    def netbios_name(self) -> str:
        """The domain's NetBIOS name, the part before the backslash in its accounts.

        It is ``nETBIOSName`` of the domain's crossRef object below CN=Partitions (MS-ADTS 6.1.1.2.1.1).

        Raises
        ------
        NotFoundError
            If the configuration shows no such crossRef.
        """
        partitions = f"CN=Partitions,{self._root['configurationNamingContext'][0].decode()}"
        domain = escape(self._domain_dn.encode())
        search_filter = f"(&(objectClass=crossRef)(nCName={domain})(nETBIOSName=*))"
        for _, values in self._session.search(partitions, search_filter, ["nETBIOSName"], self._page_size):
            return _text(values, "nETBIOSName")
        what, cause = f"NetBIOS name of {self._domain_dn!r}", f"no crossRef below {partitions!r} shows it"
        raise NotFoundError(what, cause, "let the account read the configuration partition")

    def highest_usn(self) -> int:
        """Return the highest update sequence number that this domain controller has given out."""
        return int(self._session.root()["highestCommittedUSN"][0])

    def users(self, *, photos: bool = False, extra_filter: str = "") -> Iterator[DirectoryUser]:
        """Read the users below the base, page by page.

        Parameters
        ----------
        photos : bool
            Whether to read ``thumbnailPhoto`` too, most of an answer's size.
        extra_filter : str
            LDAP filter that must hold as well, such as ``(department=Sales)``.

        Yields
        ------
        DirectoryUser
            In the directory's own order.

        Raises
        ------
        SourceError
            What address, account, base or rights lack; a result that was cut short is a ProtocolError.
        """
        netbios_name = self.netbios_name
        attributes = [*_ATTRIBUTES, "thumbnailPhoto"] if photos else _ATTRIBUTES
        search_filter = f"(&{self._user_filter}{extra_filter})" if extra_filter else self._user_filter
        for distinguished_name, values in self._search(search_filter, attributes):
            yield _user(distinguished_name, values, netbios_name)

    def photos(self, people: Iterable[str], batch: int = 100) -> Iterator[tuple[str, bytes | None]]:
        """Read the photos of given people, many per search.

        Parameters
        ----------
        people : iterable of str
            ``objectGUID`` as text, as in `DirectoryUser.person`.
        batch : int
            People per search; about 100 is fastest.

        Yields
        ------
        tuple of (str, bytes or None)
            Person and photo, None for no photo. Who is no longer in the directory is left out.
        """
        remaining = iter(people)
        while some := list(islice(remaining, batch)):
            either = "".join(f"(objectGUID={escape(_guid(person).bytes_le)})" for person in some)
            for _, values in self._search(f"(|{either})", ["objectGUID", "thumbnailPhoto"]):
                yield _person(values), _first(values, "thumbnailPhoto")

    def replace_photo(self, distinguished_name: str, photo: bytes | None) -> None:
        """Write one user's ``thumbnailPhoto``; None takes it away.

        Raises
        ------
        RightsError
            If the account may not write it.
        ProtocolError
            If the directory refuses the value; its schema allows 102,400 bytes (``rangeUpper`` of
            thumbnailPhoto, Microsoft Learn, Picture attribute).
        OutcomeUnknownError
            If the connection broke before the answer came: the write is not repeated.
        """
        size = "no photo" if photo is None else f"a photo of {len(photo):,} bytes"
        what = f"{size} for {distinguished_name!r}"
        self._session.connect()
        try:
            self._session.modify(distinguished_name, "thumbnailPhoto", [] if photo is None else [photo], what)
        except UnreachableError as error:
            raise OutcomeUnknownError(
                what, error.cause, "read the photo back before writing it again"
            ) from error
        except ProtocolError as error:
            raise ProtocolError(
                what, error.cause, "write a JPEG of at most 102,400 bytes, the schema's limit"
            ) from error

    @cached_property
    def _root(self) -> Values:
        return self._session.root()

    @property
    def _domain_dn(self) -> str:
        return self._root["defaultNamingContext"][0].decode()

    def _search(self, search_filter: str, attributes: Iterable[str]) -> Iterator[tuple[str, Values]]:
        try:
            yield from self._session.search(self.base_dn, search_filter, list(attributes), self._page_size)
        except NotFoundError as error:
            what = f"base DN {self.base_dn!r}"
            advice = f"use {self._domain_dn!r}, the domain's own (defaultNamingContext), or a part of it"
            raise NotFoundError(what, error.cause, advice) from error


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


def _user(distinguished_name: str, values: Values, netbios_name: str) -> DirectoryUser:
    account_name = _text(values, "sAMAccountName")
    return DirectoryUser(
        person=_person(values),
        account=f"{netbios_name}\\{account_name}".lower(),
        account_name=account_name,
        distinguished_name=distinguished_name,
        user_principal_name=_text(values, "userPrincipalName"),
        display_name=_text(values, "displayName"),
        department=_text(values, "department"),
        mail=_text(values, "mail"),
        telephone_number=_text(values, "telephoneNumber"),
        given_name=_text(values, "givenName"),
        surname=_text(values, "sn"),
        enabled=not int(_text(values, "userAccountControl") or 0) & _ACCOUNT_DISABLED,
        photo=_first(values, "thumbnailPhoto"),
        usn_changed=int(_text(values, "uSNChanged") or 0),
        when_changed=parse_time(_first(values, "whenChanged") or b""),
    )


def _person(values: Values) -> str:
    """Active Directory stores a GUID with its first three fields little-endian (MS-DTYP 2.3.4.2)."""
    return str(UUID(bytes_le=values["objectGUID"][0]))


def _guid(person: str) -> UUID:
    try:
        return UUID(person)
    except ValueError as error:
        what = f"person {person!r}"
        raise ParameterError(what, "it is no objectGUID", "take it from DirectoryUser.person") from error


def _first(values: Values, name: str) -> bytes | None:
    found = values.get(name)
    return found[0] if found else None


def _text(values: Values, name: str) -> str:
    return (_first(values, name) or b"").decode("utf-8", errors="replace")
