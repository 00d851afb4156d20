"""The embedded directory's objects: a plain mapping of names, kept the way Active Directory keeps its own."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count
from uuid import NAMESPACE_X500, uuid5

from ldaptor.protocols import pureber
from ldaptor.protocols.ldap import ldaperrors

from kit.lab import distinguished_names as names
from kit.lab.clock import Clock
from kit.lab.domain import Domain, Entry

MAX_PHOTO = 102_400  # rangeUpper of thumbnailPhoto
_FIRST_RELATIVE_ID = 1104
_SINGLE_VALUED = {"thumbnailphoto", "displayname", "department", "telephonenumber", "givenname", "sn", "mail"}
_SYSTEM_ONLY = {
    "cn",
    "distinguishedname",
    "name",
    "objectcategory",
    "objectguid",
    "objectsid",
    "usnchanged",
    "usncreated",
    "whenchanged",
    "whencreated",
}
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
}

ADD, DELETE, REPLACE = 0, 1, 2
Change = tuple[int, str, Sequence[bytes]]
"""One part of a modification: operation (RFC 4511 4.6), attribute, values."""


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
            name, values = self._attributes[attribute]
            octets = pureber.BERSet([pureber.BEROctetString(value) for value in values])
            self._encoded[attribute] = pureber.BERSequence([pureber.BEROctetString(name), octets]).toWire()
        return self._encoded[attribute]


class Tree:
    """The objects of one domain and its configuration. Not thread-safe.

    Parameters
    ----------
    domain : Domain
        The names.
    clock : Clock
        The farm's time, for ``whenCreated`` and ``whenChanged``.
    """

    def __init__(self, domain: Domain, clock: Clock) -> None:
        self.domain = domain
        self.clock = clock
        self.configuration_dn = f"CN=Configuration,{domain.base_dn}"
        self.highest_usn = 0
        self._records: dict[names.Key, Record] = {}
        self._logons: dict[str, Record] = {}
        self._guids: dict[bytes, Record] = {}
        self._relative_ids = count(_FIRST_RELATIVE_ID)
        for entry in _foundation(domain, self.configuration_dn):
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

    def modify(self, record: Record, changes: Iterable[Change]) -> None:
        """Apply a modification as a whole or not at all.

        Raises
        ------
        LDAPException
            The one a domain controller answers with.
        """
        after: dict[str, tuple[str, list[bytes]]] = {}
        for operation, attribute, values in changes:
            lower = attribute.lower()
            if lower in _SYSTEM_ONLY:
                text = f"0000209A: AtrErr: {attribute} is owned by the system"
                raise ldaperrors.LDAPUnwillingToPerform(text)
            current = after[lower][1] if lower in after else list(record.values(lower))
            after[lower] = attribute, _changed(operation, lower, current, values)
        for lower, (_, values) in after.items():
            _check_values(lower, values)
        for attribute, values in after.values():
            record.set(attribute, values)
        record.set("uSNChanged", [self._next_usn()])
        record.set("whenChanged", [format_time(self.clock.now())])

    def _logon_names(self, record: Record) -> list[str]:
        account = record.text("samaccountname")
        if not account:
            return []
        forms = (f"{self.domain.netbios_name}\\{account}", f"{account}@{self.domain.dns_name}")
        return [form.lower() for form in (*forms, record.text("userprincipalname")) if form]

    def _next_usn(self) -> bytes:
        self.highest_usn += 1
        return b"%d" % self.highest_usn

    def _next_sid(self) -> bytes:
        """Pack a SID (MS-DTYP 2.4.2.2): revision 1, five sub-authorities, authority 5 (NT)."""
        domain = struct.unpack("<3I", uuid5(NAMESPACE_X500, self.domain.dns_name).bytes[:12])
        return struct.pack(">BBHI", 1, 5, 0, 5) + struct.pack("<5I", 21, *domain, next(self._relative_ids))


def format_time(time: datetime) -> bytes:
    """Write a generalizedTime the way Active Directory does."""
    return time.strftime("%Y%m%d%H%M%S.0Z").encode()


def _foundation(domain: Domain, configuration_dn: str) -> list[Entry]:
    base = domain.base_dn
    partitions = f"CN=Partitions,{configuration_dn}"
    cross_reference = {
        "objectClass": [b"top", b"crossRef"],
        "nCName": [base.encode()],
        "dnsRoot": [domain.dns_name.encode()],
        "nETBIOSName": [domain.netbios_name.encode()],
    }
    return [
        Entry(base, {"objectClass": [b"top", b"domain", b"domainDNS"]}),
        Entry(f"CN=Users,{base}", {"objectClass": [b"top", b"container"]}),
        Entry(configuration_dn, {"objectClass": [b"top", b"configuration"]}),
        Entry(partitions, {"objectClass": [b"top", b"crossRefContainer"]}),
        Entry(f"CN={domain.netbios_name},{partitions}", cross_reference),
    ]


def _is_below(key: names.Key, root: names.Key) -> bool:
    return key[len(key) - len(root) :] == root if len(key) >= len(root) else False


def _changed(operation: int, attribute: str, current: list[bytes], values: Sequence[bytes]) -> list[bytes]:
    if operation == REPLACE:
        return list(values)
    if operation == ADD:
        if set(current) & set(values) or (current and attribute in _SINGLE_VALUED):
            problem = _problem("00002083", "1006 (ATT_OR_VALUE_EXISTS)", attribute)
            raise ldaperrors.LDAPAttributeOrValueExists(problem)
        return [*current, *values]
    if not current or not set(values) <= set(current):
        problem = _problem("00002085", "1001 (NO_ATTRIBUTE_OR_VAL)", attribute)
        raise ldaperrors.LDAPNoSuchAttribute(problem)
    return [value for value in current if values and value not in values]


def _check_values(attribute: str, values: Sequence[bytes]) -> None:
    """Refuse what the schema does not allow."""
    problem = _problem("00002082", "1005 (CONSTRAINT_ATT_TYPE)", attribute)
    if attribute == "thumbnailphoto" and any(len(value) > MAX_PHOTO for value in values):
        problem += f":len {max(map(len, values))}"
        raise ldaperrors.LDAPConstraintViolation(problem)
    if attribute in _SINGLE_VALUED and len(values) > 1:
        raise ldaperrors.LDAPConstraintViolation(problem)


def _problem(code: str, problem: str, attribute: str) -> str:
    """Word a refused value as a Windows domain controller does."""
    detail = f"{code}: DSID-03151907, problem {problem}, data 0, Att ({attribute})"
    return f"{code}: AtrErr: DSID-03151907, #1:\n\t0: {detail}"
