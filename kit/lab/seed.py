"""What every directory of the farm starts with: the given objects, their containers and the accounts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kit.lab import distinguished_names as names
from kit.lab.domain import Account, Domain, Entry

USER_CLASSES = (b"top", b"person", b"organizationalPerson", b"user")
_NORMAL_ACCOUNT = b"512"  # ADS_UF_NORMAL_ACCOUNT, MS-ADTS 2.2.16


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
