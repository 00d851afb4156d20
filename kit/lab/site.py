"""The site of the case: photos first flowed from Active Directory, then the flow was turned round.

The starting point is the published configuration for SharePoint 2016 and MIM 2016 (management agents ADMA and
SPMA); a site whose photos flow to Active Directory has changed it by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from kit.lab.rules import (
    EXPORT_ONLY,
    IMPORT_ONLY,
    AgentRules,
    DeletionRule,
    ExportFlow,
    ImportFlow,
    JoinRule,
    Provisioning,
    Rules,
    StepType,
    run_profiles,
)

DIRECTORY_AGENT = "ADMA"
SHAREPOINT_AGENT = "SPMA"
DIRECTORY_GUID = "{2F3B7C61-0D0E-4C0B-9C43-5F0A6C1D8E27}"
SHAREPOINT_GUID = "{B7E2CB7A-53E4-40E3-B7FB-DEA880F16212}"

_PROFILES = (
    ("FullImport", StepType.FULL_IMPORT),
    ("FullSync", StepType.FULL_SYNC),
    ("DeltaImport", StepType.DELTA_IMPORT),
    ("DeltaSync", StepType.DELTA_SYNC),
    ("Export", StepType.EXPORT),
)
_DIRECTORY_FLOWS = (
    ("accountName", "sAMAccountName"),
    ("displayName", "displayName"),
    ("mail", "mail"),
    ("department", "department"),
    ("firstName", "givenName"),
    ("lastName", "sn"),
)


def field_rules(
    *,
    domain_dn: str = "DC=contoso,DC=example",
    directory_second: bool = True,
    suppress_deletions: bool = True,
    recall: bool = False,
    deletion_rule: DeletionRule | None = None,
    provisioning: bool = True,
) -> Rules:
    """Return the reversed site's rules: SharePoint's photo and phone number go to Active Directory.

    Parameters
    ----------
    domain_dn : str
        The directory's domain partition.
    directory_second : bool
        Whether ``photo`` falls back to Active Directory's own ``thumbnailPhoto``.
    suppress_deletions : bool
        Whether an empty metaverse value is kept from the directory; false is hazardous.
    recall : bool
        Whether the SharePoint agent withdraws its values on disconnection; true is hazardous.
    deletion_rule : DeletionRule | None
        By default ``declared-any`` naming the directory agent only.
    provisioning : bool
        Whether the provisioning code runs.
    """
    photo = [ImportFlow("photo", SHAREPOINT_AGENT, "Picture")]
    if directory_second:
        photo.append(ImportFlow("photo", DIRECTORY_AGENT, "thumbnailPhoto"))
    directory = replace(
        _directory_agent(domain_dn),
        export_flows=(
            ExportFlow("thumbnailPhoto", "photo", suppress_deletions),
            ExportFlow("telephoneNumber", "telephoneNumber", suppress_deletions),
        ),
    )
    sharepoint = replace(
        _sharepoint_agent(IMPORT_ONLY),
        enable_recall=recall,
        export_flows=(ExportFlow("WorkEmail", "mail"), ExportFlow("Department", "department")),
    )
    return Rules(
        agents=(directory, sharepoint),
        import_flows=(
            *(ImportFlow(metaverse, DIRECTORY_AGENT, attribute) for metaverse, attribute in _DIRECTORY_FLOWS),
            *photo,
            ImportFlow("telephoneNumber", SHAREPOINT_AGENT, "WorkPhone"),
        ),
        deletion=deletion_rule or DeletionRule("declared-any", (DIRECTORY_AGENT,)),
        provisioning=_provisioning(),
        provisioning_enabled=provisioning,
    )


def imported_rules(*, domain_dn: str = "DC=contoso,DC=example", provisioning: bool = True) -> Rules:
    """Return the site's first rules: Active Directory feeds SharePoint, the photo included."""
    flows = (*_DIRECTORY_FLOWS, ("telephoneNumber", "telephoneNumber"), ("photo", "thumbnailPhoto"))
    sharepoint = replace(
        _sharepoint_agent(EXPORT_ONLY),
        export_only=("Picture",),
        export_flows=(
            ExportFlow("WorkEmail", "mail"),
            ExportFlow("Department", "department"),
            ExportFlow("WorkPhone", "telephoneNumber"),
            ExportFlow("Picture", "photo", suppress_deletions=False),
        ),
    )
    return Rules(
        agents=(_directory_agent(domain_dn), sharepoint),
        import_flows=tuple(
            ImportFlow(metaverse, DIRECTORY_AGENT, attribute) for metaverse, attribute in flows
        ),
        deletion=DeletionRule("declared-any", (DIRECTORY_AGENT,)),
        provisioning=_provisioning(),
        provisioning_enabled=provisioning,
    )


def _empties(**options: Any) -> Rules:  # noqa: ANN401 - any option of field_rules
    """Return rules under which an empty photo in the metaverse empties the directory's."""
    return field_rules(suppress_deletions=False, directory_second=False, **options)


def _deletes_accounts(deletion_rule: DeletionRule) -> Rules:
    """Return rules under which an account of the directory goes with its metaverse object."""
    return field_rules(deletion_rule=deletion_rule).with_agent(
        DIRECTORY_AGENT, deprovisioning="delete-object"
    )


def _directory_agent(domain_dn: str) -> AgentRules:
    """Return the Active Directory management agent without export flows."""
    domain = domain_dn.replace("DC=", "").replace(",", ".")
    return AgentRules(
        name=DIRECTORY_AGENT,
        guid=DIRECTORY_GUID,
        category="AD",
        listname="Active Directory Domain Services",
        partition=domain_dn,
        attributes=(
            *(attribute for _, attribute in _DIRECTORY_FLOWS),
            "userPrincipalName",
            "telephoneNumber",
            "thumbnailPhoto",
        ),
        projects=True,
        run_profiles=run_profiles(_PROFILES, batch_size=100),
        parameters=(
            ("forest-name", domain),
            ("forest-login-domain", domain),
            ("forest-login-user", "svc-adma"),
        ),
    )


def _sharepoint_agent(direction: str) -> AgentRules:
    """Return the SharePoint management agent without export flows."""
    return AgentRules(
        name=SHAREPOINT_AGENT,
        guid=SHAREPOINT_GUID,
        category="Extensible2",
        listname="SharePoint Profile Store",
        attributes=(
            "AccountName",
            "Anchor",
            "UserName",
            "PreferredName",
            "WorkEmail",
            "Department",
            "WorkPhone",
            "Picture",
        ),
        join=JoinRule("UserName", "accountName"),
        deprovisioning="delete-object",
        run_profiles=run_profiles(_PROFILES, batch_size=50),
        parameters=_parameters(direction),
    )


def _parameters(direction: str) -> tuple[tuple[str, str], ...]:
    """Return the SharePoint agent's connectivity parameters."""
    return (
        ("HTTP Protocol", "HTTP"),
        ("Host Name", "sharepoint.contoso.example"),
        ("Port", "8080"),
        ("Application ID", ""),
        ("Domain", "CONTOSO"),
        ("User Name", "svc-spma"),
        ("Picture Flow Direction", direction),
    )


def _sharepoint(**changes: Any) -> Rules:  # noqa: ANN401 - any field of AgentRules
    """Return the reversed site's rules with another SharePoint agent."""
    return field_rules().with_agent(SHAREPOINT_AGENT, **changes)


def _directory_first() -> Rules:
    """Return the reversed site's rules with the directory's photo above SharePoint's."""
    rules = field_rules()
    return replace(rules, import_flows=tuple(reversed(rules.import_flows)))


def _provisioning() -> Provisioning:
    """Return the provisioning code of the published configuration, as far as this farm needs it."""
    return Provisioning(
        agent=SHAREPOINT_AGENT,
        anchor="accountName",
        initial=(("UserName", "accountName"), ("PreferredName", "displayName")),
    )


HAZARDS: Mapping[str, Callable[[], Rules]] = MappingProxyType(
    {
        "recall without a second provider": lambda: _empties(recall=True),
        "recall and nobody joins again": lambda: _empties(recall=True).with_agent(
            SHAREPOINT_AGENT, join=None
        ),
        "photos that SharePoint does not have": _empties,
        "a deletion rule that names SharePoint": lambda: _empties(
            deletion_rule=DeletionRule("declared-any", (SHAREPOINT_AGENT,))
        ),
        "a deletion rule that does not count the directory": lambda: _empties(
            deletion_rule=DeletionRule("declared-last", (DIRECTORY_AGENT,))
        ),
        "a deletion rule that takes accounts": lambda: _deletes_accounts(
            DeletionRule("declared-any", (DIRECTORY_AGENT, SHAREPOINT_AGENT))
        ),
        "code that takes accounts": lambda: _deletes_accounts(DeletionRule("scripted", (SHAREPOINT_AGENT,))),
        "a last connector that takes accounts": lambda: _deletes_accounts(
            DeletionRule("declared-last", (DIRECTORY_AGENT,))
        ),
    }
)
"""Configurations that lose photos of the directory when the directory agent synchronises and exports between
the deletion of the SharePoint connector space and its full synchronisation."""

OBSTACLES: Mapping[str, Callable[[], Rules]] = MappingProxyType(
    {
        "pictures are never imported": lambda: _sharepoint(
            parameters=_parameters(EXPORT_ONLY), export_only=("Picture",)
        ),
        "a schema that was not refreshed": lambda: _sharepoint(export_only=("Picture",)),
        "a picture that is not selected": lambda: _sharepoint(attributes=("Anchor", "UserName", "WorkPhone")),
        "nobody joins again": lambda: _sharepoint(join=None),
        "the directory first": _directory_first,
        "whoever comes last": lambda: replace(field_rules(), equal_precedence=frozenset({"photo"})),
        "no photo to the directory": lambda: field_rules().with_agent(DIRECTORY_AGENT, export_flows=()),
        "the wrong attribute": lambda: field_rules().with_agent(
            DIRECTORY_AGENT, export_flows=(ExportFlow("jpegPhoto", "photo"),)
        ),
        "no export to the directory": lambda: field_rules().with_agent(
            DIRECTORY_AGENT, run_profiles=run_profiles(_PROFILES[:-1], batch_size=100)
        ),
        "both directions": lambda: _sharepoint(
            export_flows=(ExportFlow("Picture", "photo", suppress_deletions=False),)
        ),
    }
)
"""Configurations that lose no photo of the directory and let the fix change nothing, or the wrong thing."""
