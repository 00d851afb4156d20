"""Attribute stamps of Active Directory: how often an attribute was written, and when and where last."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import UUID

from kit.errors import ProtocolError

PHOTO = "thumbnailPhoto"
XML_METADATA = "msDS-ReplAttributeMetaData"
"""Constructed, so it must be asked for by name: one value per attribute, also for one that was taken away."""
BINARY_METADATA = "replPropertyMetaData"
"""What the other is constructed from; Samba offers this one alone."""

_ATTRIBUTES: Mapping[int, str] = {22 << 16 | 35: PHOTO}  # 2.16.840.1.113730.3.1.35, MS-DRSR 5.16.4
_ELEMENT = re.compile(r"<DS_REPL_ATTR_META_DATA>(.*?)</DS_REPL_ATTR_META_DATA>", re.DOTALL)
_FIELD = re.compile(r"<(\w+)>([^<]*)</\1>")
_HEADER = struct.Struct("<4I")  # format, reserved, number of stamps, reserved
_STAMP = struct.Struct("<2IQ16s2Q")  # attribute, version, seconds, invocation id, USN there, USN here
_FORMAT = 1
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)  # of FILETIME, MS-DTYP 2.3.3
_CONTROLLER = re.compile(r"CN=NTDS Settings[^,]*,CN=((?:[^,\\]|\\.)+)", re.IGNORECASE)


@dataclass(frozen=True)
class AttributeChange:
    """The last originating write of one attribute of one person (AttributeStamp, MS-ADTS 3.1.1.1.9).

    Parameters
    ----------
    person : str
        ``objectGUID`` as text.
    attribute : str
        Its name.
    version : int
        How often it was written, taking it away included; 0 means never.
    time : datetime or None
        When last, UTC, cut to whole seconds, by that controller's clock; None if never.
    controller : str
        Distinguished name of the nTDSDSA object of the domain controller that was written to; empty if that
        controller is not in the forest any more.
    invocation_id : str
        Of that controller's database at the time.
    originating_usn : int
        The update sequence number that it gave the write.
    """

    person: str
    attribute: str
    version: int = 0
    time: datetime | None = None
    controller: str = ""
    invocation_id: str = ""
    originating_usn: int = 0

    @property
    def controller_name(self) -> str:
        r"""The domain controller's short name; where that is not known, the invocation id.

        Examples
        --------
        >>> settings = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Berlin,CN=Sites,CN=Configuration,DC=contoso"
        >>> AttributeChange("", PHOTO, controller=settings).controller_name
        'DC1'
        """
        found = _CONTROLLER.match(self.controller)
        return found[1] if found else self.invocation_id


def parse_metadata(value: bytes, person: str = "") -> Iterator[AttributeChange]:
    r"""Read one value of ``msDS-ReplAttributeMetaData``.

    Its elements are the fields of DS_REPL_ATTR_META_DATA_2 (MS-DRSR 4.1.13.1.17); behind it stands a NUL.
    They are picked out as text: whether servers escape an ampersand in a distinguished name is unproven, and
    an XML parser would refuse one that is not.

    Parameters
    ----------
    value : bytes
        XML; the usual one entry, or more.
    person : str
        Whose metadata it is.

    Yields
    ------
    AttributeChange
        One per entry.

    Raises
    ------
    ProtocolError
        If there is no entry, or one without a name, or with numbers or a time that are none.

    Examples
    --------
    >>> value = b"<DS_REPL_ATTR_META_DATA>\n\t<pszAttributeName>sn</pszAttributeName>"
    >>> value += b"\n\t<dwVersion>2</dwVersion>"
    >>> value += b"\n\t<ftimeLastOriginatingChange>2026-01-31T12:00:00Z</ftimeLastOriginatingChange>"
    >>> value += b"\n</DS_REPL_ATTR_META_DATA>\n\0"
    >>> [(change.attribute, change.version, f"{change.time:%H:%M}") for change in parse_metadata(value)]
    [('sn', 2, '12:00')]
    """
    text = value.decode("utf-8", errors="replace")
    elements = _ELEMENT.findall(text)
    if not elements:
        raise _unreadable(person, value, "it has no DS_REPL_ATTR_META_DATA element")
    for element in elements:
        fields = {name: unescape(content.strip()) for name, content in _FIELD.findall(element)}
        try:
            yield AttributeChange(
                person,
                fields["pszAttributeName"],
                _version(fields["dwVersion"]),
                _time(fields["ftimeLastOriginatingChange"]),
                fields.get("pszLastOriginatingDsaDN", ""),
                fields.get("uuidLastOriginatingDsaInvocationID", "").lower(),
                int(fields.get("usnOriginatingChange") or 0),
            )
        except KeyError as error:
            raise _unreadable(person, value, f"it has no {error.args[0]}") from error
        except (ValueError, OverflowError) as error:
            raise _unreadable(person, value, str(error)) from error


def parse_stamps(value: bytes, person: str = "") -> Iterator[AttributeChange]:
    """Read ``replPropertyMetaData``, as far as the attributes in it are known to the kit.

    The layout was measured on Samba (8 bytes of format, a count, 48 bytes per attribute, seconds since 1601);
    that Windows answers the same is unproven. It names no controller but its database's invocation id.

    Parameters
    ----------
    value : bytes
        The attribute's one value.
    person : str
        Whose metadata it is.

    Yields
    ------
    AttributeChange
        One per known attribute: ``thumbnailPhoto``.

    Raises
    ------
    ProtocolError
        If the value has another format, is cut short, or names a time that no calendar has.
    """
    if len(value) < _HEADER.size or _HEADER.unpack_from(value)[0] != _FORMAT:
        raise _unreadable(person, value, f"it is not of format {_FORMAT}")
    count = _HEADER.unpack_from(value)[2]
    if len(value) != _HEADER.size + count * _STAMP.size:
        raise _unreadable(person, value, f"{len(value)} bytes cannot hold {count} attributes")
    for attribute, version, seconds, invocation_id, usn, _ in _STAMP.iter_unpack(value[_HEADER.size :]):
        if attribute in _ATTRIBUTES:
            try:
                time = _EPOCH + timedelta(seconds=seconds)
            except OverflowError as error:
                raise _unreadable(person, value, f"{seconds} seconds since 1601 are no date") from error
            invocation = str(UUID(bytes_le=invocation_id))
            yield AttributeChange(person, _ATTRIBUTES[attribute], version, time, "", invocation, usn)


def _version(text: str) -> int:
    version = int(text)
    if not 0 <= version < 1 << 32:  # dwVersion is a DWORD
        msg = f"{text!r} is no version"
        raise ValueError(msg)
    return version


def _time(text: str) -> datetime:
    """Read a time in UTC; near the calendar's ends a zone can lead out of it, an OverflowError."""
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _unreadable(person: str, value: bytes, cause: str) -> ProtocolError:
    what = f"replication metadata {value[:200]!r} of person {person!r}"
    return ProtocolError(what, cause, "ask another domain controller")
