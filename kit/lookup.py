"""The few ways in which MIM's WMI provider finds connector-space objects."""

from __future__ import annotations

from kit.errors import ParameterError
from kit.wsman import select


def object_query(
    *,
    account: str = "",
    dns_domain: str = "",
    domain: str = "",
    user_principal_name: str = "",
    metaverse_guid: str = "",
    agent_guid: str = "",
    dn: str = "",
    guid: str = "",
) -> str:
    r"""Return the query for connector-space objects in one of the provider's ways.

    It has no others, and cannot list all objects: "Provider is not capable of the attempted operation"
    (Microsoft Learn ms697741, ms696030).

    Parameters
    ----------
    account : str
        ``contoso\anna``; without the domain if ``dns_domain`` has it.
    dns_domain : str
        The account's domain by its DNS name, ``contoso.example``.
    domain, user_principal_name : str
        Together: the domain by its NetBIOS name, and ``anna@contoso.example``.
    metaverse_guid : str
        One object per connector of that metaverse object.
    agent_guid, dn, guid : str
        The object of that agent with that distinguished name (anchor where it has none); or with that GUID.

    Raises
    ------
    ParameterError
        The parameters are none of these ways.

    Examples
    --------
    >>> print(object_query(account="contoso\\anna"))
    select * from MIIS_CSObject where Domain='contoso' and Account='anna'
    """
    given = {
        "FullyQualifiedDomain": dns_domain,
        "Domain": domain,
        "Account": account,
        "UserPrincipalName": user_principal_name,
        "MvGuid": metaverse_guid,
        "MaGuid": agent_guid,
        "Dn": dn,
        "Guid": guid,
    }
    wanted = {name: value for name, value in given.items() if value}
    if "\\" in account and not wanted.keys() & {"Domain", "FullyQualifiedDomain"}:
        netbios_name, _, name = account.rpartition("\\")
        wanted = {"Domain": netbios_name} | wanted | {"Account": name}
    if frozenset(wanted) not in _FORMS or not all(wanted.values()):
        raise ParameterError(
            f"connector-space objects cannot be looked up by {wanted or 'nothing'}",
            "the provider has other ways: an account with its domain, a user principal name with the NetBIOS "
            "domain, a metaverse GUID, an agent's GUID with a distinguished name, or an object's GUID",
            "give an account as DOMAIN\\name, or use one of the others",
        )
    return select("MIIS_CSObject", **wanted)


_FORMS = frozenset(
    frozenset(form)
    for form in (
        ("Domain", "Account"),
        ("FullyQualifiedDomain", "Account"),
        ("Domain", "UserPrincipalName"),
        ("MvGuid",),
        ("MaGuid", "Dn"),
        ("Guid",),
    )
)
