"""The embedded directory's objects: a plain mapping of names, kept the way Active Directory keeps its own."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count
from uuid import NAMESPACE_X500, UUID, uuid4, uuid5

from ldaptor.protocols import pureber

from kit.lab import distinguished_names as names
from kit.lab.clock import Clock
from kit.lab.domain import Domain, Entry
from kit.lab.metadata import Controller, Metadata, Write
from kit.lab.modification import REPLACE, Change, outcome
from kit.lab.seed import deleted_objects, foundation

_FIRST_RELATIVE_ID = 1104
# The classes whose instances the farm holds and the categories they have (MS-ADSC).
_CATEGORIES = {
    b"user": "Person",
    b"contact": "Person",
    b"computer": "Computer",
    b"group": "Group",
    b"organizationalUnit": "Organizational-Unit",
    b"container": "Container",
    b"crossRef": "Cross-Ref",
    b"crossRefContainer": "Cross-Ref-Container",
    b"configuration": "Configuration",
    b"domainDNS": "Domain-DNS",
    b"nTDSDSA": "NTDS-DSA",
    b"server": "Server",
    b"serversContainer": "Servers-Container",
    b"site": "Site",
    b"sitesContainer": "Sites-Container",
}
# What a tombstone keeps of what the farm's objects have (MS-ADTS 3.1.1.5.5.1.1).
_PRESERVED = {
    "cn",
    "distinguishedname",
    "name",
    "objectclass",
    "objectguid",
    "objectsid",
    "samaccountname",
    "useraccountcontrol",
    "usnchanged",
    "usncreated",
    "whenchanged",
    "whencreated",
}
# Not in the partial attribute set (Microsoft Learn, Active Directory Schema).
_NOT_IN_CATALOG = {"jpegphoto", "photo", "thumbnaillogo", "thumbnailphoto"}


class Record:
    """One object: its name and its attributes, with their wire form kept for the next reader.

    Parameters
    ----------
    distinguished_name : str
        As it was created.
    attributes : Mapping[str, Sequence[bytes]]
        Name to values.
    """

    def __init__(self, distinguished_name: str, attributes: Mapping[str, Sequence[bytes]]) -> None:
        self.distinguished_name = distinguished_name
        self._attributes = {name.lower(): (name, tuple(values)) for name, values in attributes.items()}
        self._encoded: dict[str, bytes] = {}

    def partial(self) -> Record:
        """Return what a global catalogue holds of the object."""
        held = {
            name: values for lower, (name, values) in self._attributes.items() if lower not in _NOT_IN_CATALOG
        }
        return Record(self.distinguished_name, held)

    @property
    def names(self) -> Sequence[str]:
        """The attributes' names as they are written."""
        return [name for name, _ in self._attributes.values()]

    def values(self, attribute: str) -> Sequence[bytes]:
        """Return the values of an attribute given in lower case, none if it is absent."""
        found = self._attributes.get(attribute)
        return found[1] if found else ()

    def text(self, attribute: str) -> str:
        """Return the first value of an attribute given in lower case as text."""
        values = self.values(attribute)
        return values[0].decode() if values else ""

    def set(self, attribute: str, values: Sequence[bytes]) -> None:
        """Set an attribute's values; none takes it away."""
        self._encoded.pop(attribute.lower(), None)
        name, _ = self._attributes.pop(attribute.lower(), (attribute, ()))
        if values:
            self._attributes[attribute.lower()] = (name, tuple(values))

    def encode(self, attributes: Sequence[str]) -> pureber.BERSequence:
        """Return a PartialAttributeList (RFC 4511 4.1.7) of some attributes; of all for none or ``*``."""
        wanted: Iterable[str] = [attribute.lower() for attribute in attributes]
        if not attributes or "*" in attributes:
            wanted = self._attributes
        return pureber.BERSequence([self._wire(name) for name in wanted if name in self._attributes])

    def _wire(self, attribute: str) -> bytes:
        if attribute not in self._encoded:
            self._encoded[attribute] = partial_attribute(*self._attributes[attribute]).toWire()
        return self._encoded[attribute]


class Tree:
    """The objects of one domain and its forest's configuration. Not thread-safe.

    Parameters
    ----------
    domain : Domain
        The names.
    clock : Clock
        The farm's time, for ``whenCreated`` and ``whenChanged``.
    forest : sequence of Domain
        All domains of the forest, its root first; empty if there is but this one.
    """

    def __init__(self, domain: Domain, clock: Clock, forest: Sequence[Domain] = ()) -> None:
        self.domain = domain
        self.clock = clock
        self.forest = tuple(forest) or (domain,)
        self.configuration_dn = f"CN=Configuration,{self.forest[0].base_dn}"
        name = "DC1" if domain == self.forest[0] else f"{domain.netbios_name}-DC1"
        self._forest = uuid4()  # another start is another database, whose numbers begin anew
        self.controller = Controller.named(name, self.configuration_dn, self._forest)
        self.metadata = Metadata()
        self.highest_usn = 0
        self._records: dict[names.Key, Record] = {}
        self._logons: dict[str, Record] = {}
        self._guids: dict[bytes, Record] = {}
        self._relative_ids = count(_FIRST_RELATIVE_ID)
        for entry in (*foundation(domain, self.forest), *self.controller.entries()):
            self.add(entry)

    def add(self, entry: Entry) -> Record:
        """Create an object and give it what a domain controller gives every new one."""
        relative_name, value = names.leaf(entry.dn)
        record = Record(entry.dn, entry.attributes)
        now = [format_time(self.clock.now())]
        usn = [self._next_usn()]
        category = _CATEGORIES.get(record.values("objectclass")[-1], "Top")
        record.set(relative_name.lower(), [value.encode()])
        record.set("name", [value.encode()])
        record.set("distinguishedName", [entry.dn.encode()])
        record.set("objectGUID", [uuid5(NAMESPACE_X500, entry.dn.lower()).bytes_le])
        record.set("objectCategory", [f"CN={category},CN=Schema,{self.configuration_dn}".encode()])
        if record.values("samaccountname"):
            record.set("objectSid", [self._next_sid()])
        for attribute, values in {"Created": usn, "Changed": usn}.items():
            record.set(f"uSN{attribute}", values)
            record.set(f"when{attribute}", now)
        self.metadata.create(record, self._write())
        self._records[names.key(entry.dn)] = record
        self._guids[record.values("objectguid")[0]] = record
        self._logons.update(dict.fromkeys(self._logon_names(record), record))
        return record

    def find(self, distinguished_name: str) -> Record | None:
        """Return the object of that name."""
        return self._records.get(names.key(distinguished_name))

    def find_user(self, name: str) -> Record | None:
        r"""Return who a simple bind names: distinguished name, user principal name or ``DOMAIN\name``."""
        return self.find(name) if "=" in name else self._logons.get(name.lower())

    def nearest(self, distinguished_name: str) -> str:
        """Return the lowest existing name above one that does not exist (matchedDN, RFC 4511 4.1.9)."""
        above = names.parent(distinguished_name)
        while above:
            if record := self.find(above):
                return record.distinguished_name
            above = names.parent(above)
        return ""

    def below(self, base: Record, scope: int, guids: Iterable[bytes] | None = None) -> Iterator[Record]:
        """Return the objects in scope (RFC 4511 4.5.1.2), without those of a subordinate naming context.

        Parameters
        ----------
        base : Record
            Where the search starts.
        scope : int
            0 the base itself, 1 its children, 2 the whole subtree.
        guids : iterable of bytes or None
            Look only at objects with these ``objectGUID``; None means at all.
        """
        records: Iterable[Record] = self._records.values()
        if guids is not None:
            records = [self._guids[guid] for guid in dict.fromkeys(guids) if guid in self._guids]
        root = names.key(base.distinguished_name)
        configuration = names.key(self.configuration_dn)
        inside = _is_below(root, configuration)
        for record in records:
            key = names.key(record.distinguished_name)
            level = len(key) - len(root)
            in_scope = level == scope if scope < 2 else level >= 0
            if in_scope and _is_below(key, root) and _is_below(key, configuration) == inside:
                yield record

    def subordinates(self) -> list[str]:
        """Return the addresses of the naming contexts just below the domain (MS-ADTS 3.1.1.3.1.3.4)."""
        below = {domain.dns_name: domain.base_dn for domain in self.forest if self._is_child(domain.base_dn)}
        if self._is_child(self.configuration_dn):
            below[self.domain.dns_name] = self.configuration_dn
        return [f"ldap://{host}/{distinguished_name}" for host, distinguished_name in below.items()]

    def _is_child(self, distinguished_name: str) -> bool:
        return names.key(names.parent(distinguished_name)) == names.key(self.domain.base_dn)

    def hide_metadata(self, distinguished_name: str) -> None:
        """Show nobody the replication metadata of an object."""
        self.metadata.hide(self._records[names.key(distinguished_name)])

    def replicate(self, distinguished_name: str, attribute: str, value: bytes, controller: str) -> None:
        """Take in an attribute's new value from another domain controller."""
        origin = Controller.named(controller, self.configuration_dn, self._forest)
        change = (REPLACE, attribute, [value])
        self.modify(self._records[names.key(distinguished_name)], [change], origin)

    def fall_behind(self, distinguished_name: str, attribute: str, value: bytes, written: datetime) -> None:
        """Be a controller that has not received the last write of an attribute: have the one before it."""
        record = self._records[names.key(distinguished_name)]
        self.metadata.fall_behind(record, attribute, written)
        record.set(attribute, [value])

    def modify(self, record: Record, changes: Iterable[Change], controller: Controller | None = None) -> None:
        """Apply a modification as a whole or not at all; it was received here or by another controller.

        Raises
        ------
        LDAPException
            The one a domain controller answers with.
        """
        after = outcome(changes, record.values)
        usn = [self._next_usn()]
        changed = [name for name, values in after if [*record.values(name.lower())] != values]
        self.metadata.change(record, changed, self._write(controller))
        for attribute, values in after:
            record.set(attribute, values)
        record.set("uSNChanged", usn)
        record.set("whenChanged", [format_time(self.clock.now())])

    def delete(self, record: Record) -> None:
        """Make an object a tombstone (MS-ADTS 3.1.1.5.5.1.1); there is no recycle bin."""
        for name in self._logon_names(record):
            self._logons.pop(name, None)
        del self._records[names.key(record.distinguished_name)]
        before = record.distinguished_name
        mark = f"DEL:{UUID(bytes_le=record.values('objectguid')[0])}"
        record.distinguished_name = f"{names.split(before)[0]}\\0A{mark},{deleted_objects(self.domain)}"
        usn = [self._next_usn()]
        lost = [name for name in record.names if name.lower() not in _PRESERVED]
        self.metadata.change(record, [*lost, "isDeleted", "lastKnownParent", "name"], self._write())
        for name in lost:
            record.set(name, [])
        record.set("name", [f"{record.text('name')}\n{mark}".encode()])
        record.set("distinguishedName", [record.distinguished_name.encode()])
        record.set("isDeleted", [b"TRUE"])
        record.set("isRecycled", [b"TRUE"])
        record.set("lastKnownParent", [names.parent(before).encode()])
        record.set("uSNChanged", usn)
        record.set("whenChanged", [format_time(self.clock.now())])
        self._records[names.key(record.distinguished_name)] = record

    def _logon_names(self, record: Record) -> list[str]:
        account = record.text("samaccountname")
        if not account:
            return []
        forms = (f"{self.domain.netbios_name}\\{account}", f"{account}@{self.domain.dns_name}")
        return [form.lower() for form in (*forms, record.text("userprincipalname")) if form]

    def _write(self, controller: Controller | None = None) -> Write:
        return Write(self.clock.now(), controller or self.controller, self.highest_usn, self.highest_usn)

    def _next_usn(self) -> bytes:
        self.highest_usn += 1
        return b"%d" % self.highest_usn

    def _next_sid(self) -> bytes:
        """Pack a SID (MS-DTYP 2.4.2.2): revision 1, five sub-authorities, authority 5 (NT)."""
        domain = struct.unpack("<3I", uuid5(NAMESPACE_X500, self.domain.dns_name).bytes[:12])
        return struct.pack(">BBHI", 1, 5, 0, 5) + struct.pack("<5I", 21, *domain, next(self._relative_ids))


def partial_attribute(name: str, values: Sequence[bytes]) -> pureber.BERSequence:
    """Return a PartialAttribute (RFC 4511 4.1.7)."""
    octets = pureber.BERSet([pureber.BEROctetString(value) for value in values])
    return pureber.BERSequence([pureber.BEROctetString(name), octets])


def format_time(time: datetime) -> bytes:
    """Write a generalizedTime the way Active Directory does."""
    return time.strftime("%Y%m%d%H%M%S.0Z").encode()


def _is_below(key: names.Key, root: names.Key) -> bool:
    return key[len(key) - len(root) :] == root if len(key) >= len(root) else False
