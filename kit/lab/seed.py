"""What every directory of the farm starts with: the given objects, their containers and the accounts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kit.lab import distinguished_names as names
from kit.lab.domain import Account, Domain, Entry

USER_CLASSES = (b"top", b"person", b"organizationalPerson", b"user")
_NORMAL_ACCOUNT = b"512"  # ADS_UF_NORMAL_ACCOUNT, MS-ADTS 2.2.16


_NAMING_CONTEXT, _DOMAIN = b"1", b"3"  # FLAG_CR_NTDS_NC alone, with FLAG_CR_NTDS_DOMAIN, MS-ADTS 2.2.10


def foundation(domain: Domain, forest: Sequence[Domain]) -> list[Entry]:
    """Return what a domain controller has from the start, parents first.

    Parameters
    ----------
    domain : Domain
        The one it serves.
    forest : sequence of Domain
        All domains of the forest, its root first.
    """
    base, configuration = domain.base_dn, f"CN=Configuration,{forest[0].base_dn}"
    partitions = f"CN=Partitions,{configuration}"
    return [
        Entry(base, {"objectClass": [b"top", b"domain", b"domainDNS"]}),
        Entry(f"CN=Users,{base}", {"objectClass": [b"top", b"container"]}),
        Entry(configuration, {"objectClass": [b"top", b"configuration"]}),
        Entry(partitions, {"objectClass": [b"top", b"crossRefContainer"]}),
        *(_domain_reference(one, partitions) for one in forest),
        _reference("Enterprise Configuration", configuration, partitions, forest[0]),
        _reference("Enterprise Schema", f"CN=Schema,{configuration}", partitions, forest[0]),
        Entry(deleted_objects(domain), {"objectClass": [b"top", b"container"], "isDeleted": [b"TRUE"]}),
    ]


def deleted_objects(domain: Domain) -> str:
    """Return the name of the container that tombstones are kept in (MS-ADTS 6.1.1.4.2)."""
    return f"CN=Deleted Objects,{domain.base_dn}"


def _domain_reference(domain: Domain, partitions: str) -> Entry:
    """Return the crossRef of a domain (MS-ADTS 6.1.1.2.1.1)."""
    entry = _reference(domain.netbios_name, domain.base_dn, partitions, domain)
    names_and_flags = {"nETBIOSName": [domain.netbios_name.encode()], "systemFlags": [_DOMAIN]}
    return Entry(entry.dn, {**entry.attributes, **names_and_flags})


def _reference(name: str, naming_context: str, partitions: str, domain: Domain) -> Entry:
    attributes = {
        "objectClass": [b"top", b"crossRef"],
        "nCName": [naming_context.encode()],
        "dnsRoot": [domain.dns_name.encode()],
        "systemFlags": [_NAMING_CONTEXT],
    }
    return Entry(f"CN={name},{partitions}", attributes)


def complete(domain: Domain, entries: Iterable[Entry], accounts: Sequence[Account]) -> list[Entry]:
    """Add the accounts that are not among the entries, and every container that the entries stand in.

    Parameters
    ----------
    domain : Domain
        Whose names everything ends in.
    entries : iterable of Entry
        Objects to create.
    accounts : sequence of Account
        Who can sign in; one that is among the entries, by ``sAMAccountName``, stays as it is there.

    Returns
    -------
    list of Entry
        Parents before children; neither the domain itself nor ``CN=Users``, which every domain has.
    """
    wanted = list(entries)
    taken = {account_name(entry) for entry in wanted}
    wanted += [account_entry(domain, account) for account in accounts if account.name.lower() not in taken]
    present = {names.key(entry.dn) for entry in wanted}
    present |= {names.key(domain.base_dn), names.key(f"CN=Users,{domain.base_dn}")}
    containers: list[Entry] = []
    for entry in wanted:
        above = names.parent(entry.dn)
        while names.key(above) not in present:
            present.add(names.key(above))
            containers.append(_container(above))
            above = names.parent(above)
    return sorted([*containers, *wanted], key=lambda entry: len(names.key(entry.dn)))


def account_name(entry: Entry) -> str:
    """Return the entry's ``sAMAccountName`` in lower case, empty if it has none."""
    for name, values in entry.attributes.items():
        if name.lower() == "samaccountname":
            return values[0].decode().lower()
    return ""


def account_entry(domain: Domain, account: Account) -> Entry:
    """Return the user object of a service account, ``CN=<name>,CN=Users`` of the domain."""
    name = account.name.encode()
    attributes = {
        "objectClass": USER_CLASSES,
        "sAMAccountName": [name],
        "userPrincipalName": [name + b"@" + domain.dns_name.encode()],
        "displayName": [name],
        "userAccountControl": [_NORMAL_ACCOUNT],
    }
    return Entry(f"CN={account.name},CN=Users,{domain.base_dn}", attributes)


def _container(distinguished_name: str) -> Entry:
    kind, value = names.leaf(distinguished_name)
    if kind.lower() == "ou":
        return Entry(
            distinguished_name, {"objectClass": [b"top", b"organizationalUnit"], "ou": [value.encode()]}
        )
    return Entry(distinguished_name, {"objectClass": [b"top", b"container"]})
