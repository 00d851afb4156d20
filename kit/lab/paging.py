"""Searches cut into pages (RFC 2696), and what else a search's controls ask for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from ldaptor.protocols import pureber
from ldaptor.protocols.ldap import ldaperrors

from kit.lab.tree import Record

PAGED_RESULTS = b"1.2.840.113556.1.4.319"  # RFC 2696
SHOW_DELETED = b"1.2.840.113556.1.4.417"  # LDAP_SERVER_SHOW_DELETED_OID, MS-ADTS 3.1.1.3.4.1.14

Control = tuple[bytes, int | None, bytes | None]
"""A control as ldaptor has it: type, criticality, value."""

Controls = Sequence[Control] | None


@dataclass(frozen=True)
class Options:
    """What a search's controls ask for.

    Parameters
    ----------
    page : tuple of (int, bytes) or None
        Size and cookie of the paged results control, None if there is none.
    shows_deleted : bool
        Whether tombstones are found too.
    """

    page: tuple[int, bytes] | None = None
    shows_deleted: bool = False

    @classmethod
    def of(cls, controls: Controls) -> Options:
        """Read a request's controls.

        Raises
        ------
        LDAPUnavailableCriticalExtension
            If a control is critical that the lab does not know.
        """
        page, shows_deleted = None, False
        for kind, critical, value in controls or ():
            if kind == PAGED_RESULTS:
                (size, cookie), _ = pureber.berDecodeObject(pureber.BERDecoderContext(), value)
                page = size.value, cookie.value
            elif kind == SHOW_DELETED:
                shows_deleted = True
            elif critical:
                raise _unavailable()
        return cls(page, shows_deleted)


class Pages:
    """What one connection's searches still have to give."""

    def __init__(self) -> None:
        self._cookies = itertools.count(1)
        self._rest: dict[bytes, list[Record]] = {}

    def cut(self, found: list[Record], size: int) -> tuple[list[Record], Control]:
        """Return the first page, and the control whose cookie brings the rest."""
        rest, cookie = found[size:], b""
        if rest and size:
            cookie = b"%d" % next(self._cookies)
            self._rest[cookie] = rest
        value = pureber.BERSequence([pureber.BERInteger(0), pureber.BEROctetString(cookie)])
        return found[:size], (PAGED_RESULTS, None, value.toWire())

    def resume(self, cookie: bytes) -> list[Record]:
        """Return what is left for a cookie, which is good for once.

        Raises
        ------
        LDAPUnavailableCriticalExtension
            If this connection never gave it.
        """
        if cookie not in self._rest:
            raise _unavailable()
        return self._rest.pop(cookie)


def _unavailable() -> ldaperrors.LDAPException:
    text = "00000057: LdapErr: DSID-0C090A9F, comment: Error processing control, data 0, v4563"
    return ldaperrors.LDAPUnavailableCriticalExtension(text)
