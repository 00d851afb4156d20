"""Replication metadata of the embedded directory: when, where and how often each attribute was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid5
from xml.sax.saxutils import escape

from kit.lab.distinguished_names import parent
from kit.lab.domain import Entry

_METADATA, _WRITABLE = "msDS-ReplAttributeMetaData", "allowedAttributesEffective"
_WRITABLE_BY_WRITERS = (
    *("department", "description", "displayName", "facsimileTelephoneNumber", "givenName", "homePhone"),
    *("info", "initials", "jpegPhoto", "mail", "manager", "mobile", "physicalDeliveryOfficeName"),
    *("sAMAccountName", "sn", "streetAddress", "telephoneNumber", "thumbnailLogo", "thumbnailPhoto", "title"),
    *("userAccountControl", "userPrincipalName", "wWWHomePage"),
)
_NOT_REPLICATED = {"distinguishedname", "objectguid", "usnchanged", "usncreated", "whenchanged"}
_SITE = "CN=Default-First-Site-Name,CN=Sites"
_CLASSES = (b"nTDSDSA", b"server", b"serversContainer", b"site", b"sitesContainer")
_XML = """\
<DS_REPL_ATTR_META_DATA>
\t<pszAttributeName>{attribute}</pszAttributeName>
\t<dwVersion>{version}</dwVersion>
\t<ftimeLastOriginatingChange>{time:%Y-%m-%dT%H:%M:%SZ}</ftimeLastOriginatingChange>
\t<uuidLastOriginatingDsaInvocationID>{invocation_id}</uuidLastOriginatingDsaInvocationID>
\t<usnOriginatingChange>{originating_usn}</usnOriginatingChange>
\t<usnLocalChange>{local_usn}</usnLocalChange>
\t<pszLastOriginatingDsaDN>{controller}</pszLastOriginatingDsaDN>
</DS_REPL_ATTR_META_DATA>
\0"""


class Named(Protocol):
    """What metadata is kept of: an object of the directory."""

    @property
    def names(self) -> Sequence[str]:
        """Its attributes' names as they are written."""


@dataclass(frozen=True)
class Controller:
    """A domain controller as replication knows it.

    Parameters
    ----------
    distinguished_name : str
        Of its nTDSDSA object, ``CN=NTDS Settings,CN=DC1,…`` (MS-ADTS 6.1.1.2.2.1.2.1.1).
    invocation_id : UUID
        Of its database; another one after the database was restored.
    """

    distinguished_name: str
    invocation_id: UUID

    @classmethod
    def named(cls, name: str, configuration_dn: str, forest: UUID) -> Controller:
        """Return the controller of that name; in one forest always with the same invocation id."""
        distinguished_name = f"CN=NTDS Settings,CN={name},CN=Servers,{_SITE},{configuration_dn}"
        return cls(distinguished_name, uuid5(forest, distinguished_name.lower()))

    def entries(self) -> list[Entry]:
        """Return the controller's object and those it stands in, parents first."""
        entries, dn = [], self.distinguished_name
        for kind in _CLASSES:
            entries.append(Entry(dn, {"objectClass": [b"top", kind]}))
            dn = parent(dn)
        invocation_id = {"invocationId": [self.invocation_id.bytes_le]}
        entries[0] = replace(entries[0], attributes={**entries[0].attributes, **invocation_id})
        return entries[::-1]


@dataclass(frozen=True)
class Write:
    """One originating write: when, on which controller, under which update sequence number there and here."""

    time: datetime
    controller: Controller
    originating_usn: int
    local_usn: int


@dataclass(frozen=True)
class Stamp:
    """An AttributeStamp (MS-ADTS 3.1.1.1.9): how often an attribute was written, and its last write."""

    attribute: str
    version: int
    write: Write


class Metadata:
    """The stamps of every object. Not thread-safe."""

    def __init__(self) -> None:
        self._created: dict[Named, Write] = {}
        self._changed: dict[Named, dict[str, Stamp]] = {}
        self._hidden: set[Named] = set()

    def create(self, record: Named, write: Write) -> None:
        """Stamp every attribute of a new object."""
        self._created[record] = write

    def change(self, record: Named, attributes: Iterable[str], write: Write) -> None:
        """Stamp what is about to change; an attribute that is taken away keeps its stamp."""
        stamps = self._changed.setdefault(record, {})
        present = {name.lower(): Stamp(name, 1, self._created[record]) for name in record.names}
        for attribute in attributes:
            key = attribute.lower()
            before = stamps.get(key) or present.get(key) or Stamp(attribute, 0, write)
            stamps[key] = Stamp(before.attribute, before.version + 1, write)

    def fall_behind(self, record: Named, attribute: str, written: datetime) -> None:
        """Take an attribute's last write back: the one before it was at another time."""
        last = self._changed[record][attribute.lower()]
        before = replace(last, version=last.version - 1, write=replace(last.write, time=written))
        self._changed[record][attribute.lower()] = before

    def hide(self, record: Named) -> None:
        """Show an object's metadata to nobody.

        A domain controller does so where ``replPropertyMetaData`` may not be read (MS-ADTS 3.1.1.4.4).
        """
        self._hidden.add(record)

    def constructed(
        self, record: Named, attributes: Iterable[str], *, writer: bool
    ) -> Iterator[tuple[str, Sequence[bytes]]]:
        """Compute what is asked for by name and stored nowhere (MS-ADTS 3.1.1.4.5).

        Parameters
        ----------
        record : Named
            The object.
        attributes : iterable of str
            What is asked for.
        writer : bool
            Whether the asking account may modify the object.

        Yields
        ------
        tuple of (str, sequence of bytes)
            Name and values of every constructed attribute that has any.
        """
        wanted = {attribute.lower() for attribute in attributes}
        if _METADATA.lower() in wanted and record not in self._hidden:
            yield _METADATA, self._values(record)
        if _WRITABLE.lower() in wanted and writer:
            yield _WRITABLE, [name.encode() for name in _WRITABLE_BY_WRITERS]

    def _values(self, record: Named) -> list[bytes]:
        """Write the stamps as Windows does: one XML value per attribute, each with a NUL at its end."""
        return [
            _XML.format(
                attribute=stamp.attribute,
                version=stamp.version,
                time=stamp.write.time,
                invocation_id=stamp.write.controller.invocation_id,
                originating_usn=stamp.write.originating_usn,
                local_usn=stamp.write.local_usn,
                controller=escape(stamp.write.controller.distinguished_name),
            ).encode()
            for stamp in self._stamps(record)
        ]

    def _stamps(self, record: Named) -> Iterator[Stamp]:
        changed = self._changed.get(record, {})
        yield from changed.values()
        for name in record.names:
            if name.lower() not in changed and name.lower() not in _NOT_REPLICATED:
                yield Stamp(name, 1, self._created[record])
