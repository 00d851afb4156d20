"""Active Directory over LDAP: users and photos in, one photo out (for restoring)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from kit.completeness import Roll
from kit.controller import DomainController, DomainName
from kit.endpoint import Endpoint
from kit.errors import (
    ConflictError,
    NotFoundError,
    OutcomeUnknownError,
    ParameterError,
    ProtocolError,
    RightsError,
    SourceError,
    UnreachableError,
)
from kit.ldap import Control, Values, escape
from kit.users import (
    ATTRIBUTES,
    CONTACT_FILTER,
    DELETED_FILTER,
    USER_FILTER,
    DirectoryUser,
    first,
    guid,
    parse,
    parse_time,
    person,
)
from kit.watermark import Reading, Watermark, reason_for_all

__all__ = ["USER_FILTER", "Directory", "DirectoryUser", "DomainName", "Reading", "Watermark", "parse_time"]

_PHOTO = "thumbnailPhoto"
_ANYBODY = "(objectCategory=person)"
_SHOW_DELETED: Control = ("1.2.840.113556.1.4.417", True, None)  # MS-ADTS 3.1.1.3.4.1.14
_SIZE_REFUSALS = ("constraintViolation", "invalidAttributeSyntax")  # Windows says the first, Samba the second


class Directory(DomainController):
    """The people of one domain controller.

    Parameters
    ----------
    endpoint : Endpoint
    base_dn : str
    start_tls : bool
    clear_text : bool
    page_size : int
        As `DomainController`.
    user_filter : str
        LDAP filter (RFC 4515) of what counts as a user.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        base_dn: str = "",
        start_tls: bool = False,
        clear_text: bool = False,
        page_size: int = 1000,
        user_filter: str = USER_FILTER,
    ) -> None:
        super().__init__(
            endpoint, base_dn=base_dn, start_tls=start_tls, clear_text=clear_text, page_size=page_size
        )
        self._user_filter = user_filter

    def users(self, *, photos: bool = False, extra_filter: str = "") -> Iterator[DirectoryUser]:
        """Read the users below the base, page by page; service accounts among them have their own ``kind``.

        At the end it is verified that the server gave all of them, see `kit.completeness`.

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
        yield from self._objects(_both(self._user_filter, extra_filter), photos=photos)

    def contacts(self, *, photos: bool = False, extra_filter: str = "") -> Iterator[DirectoryUser]:
        """Read the contacts below the base, who have no account; otherwise as `users`."""
        yield from self._objects(_both(CONTACT_FILTER, extra_filter), photos=photos)

    def deleted(self, *, extra_filter: str = "") -> Iterator[DirectoryUser]:
        """Read the deleted users of the domain, as long as the directory keeps them (180 days by default).

        Little is left of them (MS-ADTS 3.1.1.5.5.1.1): ``sAMAccountName``, ``objectGUID``, no photo. To an
        account without the right Samba says that there are none.

        Raises
        ------
        RightsError
            If the account may not look there, by default the case for all but administrators; unproven is
            whether Windows says so with insufficientAccessRights or noSuchObject, so both are taken for it.
        """
        base = f"CN=Deleted Objects,{self._domain_dn}"
        wanted = _both(DELETED_FILTER, extra_filter)
        try:
            for name, values in self._session.search(
                base, wanted, ATTRIBUTES, self._page_size, [_SHOW_DELETED]
            ):
                yield parse(name, values, self._netbios_name(name))
        except (NotFoundError, RightsError) as error:
            advice = "sign in as somebody who may list and read the deleted objects"
            raise RightsError(error.what, error.cause, advice) from error

    def changed_since(
        self, watermark: Watermark | None, *, photos: bool = False, anybody: bool = False
    ) -> Reading:
        """Read who has changed since an earlier reading of this domain controller, or everybody.

        Who was changed during that reading comes again; who was deleted since or has left the base does not
        come at all, see `deleted`.

        Parameters
        ----------
        watermark : Watermark or None
            Of the earlier reading; None for the first.
        photos : bool
            Whether to read ``thumbnailPhoto`` of those people.
        anybody : bool
            Whether the user filter does not count: somebody's change may be what takes them out of it.

        Returns
        -------
        Reading
            Full, with the reason, where the changes cannot be told: see `kit.watermark.reason_for_all`; also
            where the account does not see ``uSNChanged``, for then nobody would seem changed.
        """
        now, wanted = self.watermark(), _ANYBODY if anybody else self._user_filter
        reason = reason_for_all(watermark, now)
        if not reason and next(self.entries(_both(wanted, "(uSNChanged>=1)"), ["objectGUID"]), None) is None:
            reason = "uSNChanged is seen of nobody"
        if watermark is None or reason:
            return Reading(self._objects(wanted, photos=photos), True, reason, now)
        since = f"(uSNChanged>={watermark.usn + 1})"
        return Reading(self._objects(_both(wanted, since), photos=photos), False, "", now)

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
        for values in self._look_up(people, ["objectGUID", _PHOTO], batch):
            yield person(values), first(values, _PHOTO)

    def present(self, people: Iterable[str], batch: int = 100) -> Iterator[str]:
        """Yield those of given people who are still below the base; parameters as for `photos`."""
        for values in self._look_up(people, ["objectGUID"], batch):
            yield person(values)

    def writable_attributes(self, distinguished_name: str) -> frozenset[str]:
        """Ask which attributes of an object the signed-in account may write, without writing any.

        The directory works it out from its permissions (``allowedAttributesEffective``, MS-ADTS 3.1.1.4.5.7).

        Returns
        -------
        frozenset of str
            Names as the schema writes them, such as ``thumbnailPhoto``; empty if it may write none.

        Raises
        ------
        NotFoundError
            If there is no such object below the base, or the account may not see it.
        """
        attribute, wanted = "allowedAttributesEffective", escape(distinguished_name.encode())
        for _, values in self.entries(f"(distinguishedName={wanted})", [attribute]):
            return frozenset(name.decode() for name in values.get(attribute, ()))
        what, cause = f"object {distinguished_name!r}", f"there is none below {self.base_dn!r} to be seen"
        raise NotFoundError(what, cause, "check its distinguished name")

    def replace_photo(self, distinguished_name: str, photo: bytes | None, *, current: bytes | None) -> None:
        """Write one user's ``thumbnailPhoto`` if it still is the one that was read, and read it back.

        The condition is in the modification itself, so that nobody's change in between is overwritten: the
        value that was read is deleted and the new one added in one operation, which the server does as a
        whole or not at all (RFC 4511 4.6). Where nothing would change, nothing is sent.

        Parameters
        ----------
        distinguished_name : str
        photo : bytes or None
            None takes it away.
        current : bytes or None
            What was read; None for no photo.

        Raises
        ------
        ConflictError
            If the directory holds another photo than the one that was read, or than the one written.
        ParameterError
            If the photo is empty.
        RightsError
            If the account may not write it.
        ProtocolError
            If the directory refuses the value; its schema allows 102,400 bytes (``rangeUpper`` of
            thumbnailPhoto, Microsoft Learn, Picture attribute). Windows calls that constraintViolation,
            Samba invalidAttributeSyntax.
        OutcomeUnknownError
            If the connection broke before the answer came, and the photo is not the new one or cannot be
            read: the write is never repeated.
        """
        size = "no photo" if photo is None else f"a photo of {len(photo):,} bytes"
        what = f"{size} for {distinguished_name!r}"
        if photo == b"":
            raise ParameterError(what, "an empty value is no photo", "give None, which takes it away")
        if photo == current:
            return
        self._session.connect()
        lost: UnreachableError | None = None
        try:
            self._write_photo(distinguished_name, photo, current, what)
        except UnreachableError as error:
            lost = error
        found = self._photo(distinguished_name, what)
        if lost and found == current:
            advice = "the old photo is still there: read it once more before writing again"
            raise OutcomeUnknownError(what, lost.cause, advice) from lost
        if found != photo:
            raise ConflictError(what, "the directory holds another photo", "read it again") from lost

    def _look_up(self, people: Iterable[str], attributes: Sequence[str], batch: int) -> Iterator[Values]:
        """Read some attributes of given people, many per search."""
        remaining = iter(people)
        while some := list(islice(remaining, batch)):
            either = "".join(f"(objectGUID={escape(guid(one).bytes_le)})" for one in some)
            for _, values in self.entries(f"(|{either})", attributes):
                yield values

    def _write_photo(
        self, distinguished_name: str, photo: bytes | None, current: bytes | None, what: str
    ) -> None:
        new, old = ([] if value is None else [value] for value in (photo, current))
        try:
            self._session.modify(distinguished_name, _PHOTO, new, what, current=old)
        except ProtocolError as error:
            if not any(name in error.cause for name in _SIZE_REFUSALS):
                raise
            advice = "write a JPEG of at most 102,400 bytes, the schema's limit"
            raise ProtocolError(what, error.cause, advice) from error

    def _photo(self, distinguished_name: str, what: str) -> bytes | None:
        """Read a photo back that was just written."""
        only = f"(distinguishedName={escape(distinguished_name.encode())})"
        try:
            found = [
                first(values, _PHOTO)
                for _, values in self._session.search(distinguished_name, only, [_PHOTO], self._page_size)
            ]
        except SourceError as error:
            cause = f"it cannot be read back ({error.cause})"
            raise OutcomeUnknownError(what, cause, error.next_step) from error
        if not found:
            advice = "read the photo with an account that may see it"
            raise OutcomeUnknownError(what, "the account does not see the user it wrote to", advice)
        return found[0]

    def _objects(self, search_filter: str, *, photos: bool) -> Iterator[DirectoryUser]:
        """Read people and verify at the end that these are all."""
        roll = Roll(self.highest_usn())
        for name, values in self.entries(search_filter, [*ATTRIBUTES, _PHOTO] if photos else ATTRIBUTES):
            user = parse(name, values, self._netbios_name(name))
            roll.add(user)
            yield user
        for half in roll.filters():
            found = self.entries(_both(search_filter, half), ["objectGUID"])
            roll.require((person(values) for _, values in found), f"search below {self.base_dn!r}")


def _both(search_filter: str, further: str) -> str:
    return f"(&{search_filter}{further})" if further else search_filter
