"""What in MIM's configuration speaks against deleting the SharePoint connector space and exporting photos.

Every rule is one function that yields findings; none changes anything. A connector space is rebuilt by
imports, but while it is empty MIM recalls what its objects contributed and applies the metaverse's deletion
rules, so that a wrong setting can wipe photos or people. That both happen at the time of the deletion is
inferred from Microsoft's own checklist for it (TechNet wiki 4189), not stated for MIM 2016.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

import pandas as pd

from kit.errors import KitError

if TYPE_CHECKING:
    from kit.agents import ExportFlow, ManagementAgent
    from kit.configuration import Configuration, ImportFlow

SEVERITIES = ("stop", "warn", "note")
PICTURE = "Picture"
THUMBNAIL = "thumbnailPhoto"
DIRECTION = "Picture Flow Direction"
STEP_KINDS = ("full import", "delta import", "full synchronization", "delta synchronization", "export")


@dataclass(frozen=True)
class Finding:
    """One judgement, with where it was read (file and element) and what to do about it."""

    severity: str
    finding: str
    evidence: str
    consequence: str
    remedy: str


@dataclass(frozen=True)
class Site:
    """The parts of a configuration that the rules look at."""

    configuration: Configuration
    sharepoint: ManagementAgent
    directory: ManagementAgent

    @property
    def photo(self) -> str:
        """The metaverse attribute that SharePoint's picture flows into; ``photo`` where none does."""
        return next(
            (flow.attribute for flow in self.configuration.import_flows if self.is_picture(flow)), "photo"
        )

    @property
    def providers(self) -> list[ImportFlow]:
        """The import flows into the photo, in order of precedence."""
        return [flow for flow in self.configuration.import_flows if flow.attribute == self.photo]

    @property
    def exports(self) -> list[ExportFlow]:
        """The directory agent's export flows from the photo to ``thumbnailPhoto``."""
        return [flow for flow in self.directory.exports_to(THUMBNAIL) if self.photo in flow.sources]

    @property
    def recall(self) -> bool:
        """Whether a disconnected SharePoint object takes its photo back out of the metaverse."""
        return self.sharepoint.guid not in self.configuration.no_recall

    @property
    def exports_deletions(self) -> bool:
        """Whether an empty photo in the metaverse empties ``thumbnailPhoto``."""
        return any(not flow.suppress_deletions for flow in self.exports)

    def is_picture(self, flow: ImportFlow) -> bool:
        """Tell whether an import flow brings SharePoint's picture."""
        return flow.agent == self.sharepoint.guid and PICTURE in flow.sources

    def metaverse(self, element: str) -> str:
        """Return the evidence for an element of the metaverse's file."""
        return f"{self.configuration.metaverse_file.name}: {element}"


def _evidence(agent: ManagementAgent, element: str) -> str:
    """Return the evidence for an element of an agent's file."""
    return f"{agent.file.name}: {element}"


def judge(configuration: Configuration) -> list[Finding]:
    """Apply every rule to a configuration.

    Parameters
    ----------
    configuration : Configuration
        A saved configuration of a site whose photos flow from SharePoint to Active Directory.

    Returns
    -------
    list[Finding]
        The gravest first; only the missing agent where an agent cannot be told.
    """
    try:
        site = Site(configuration, configuration.sharepoint_agent, configuration.directory_agent)
    except KitError as error:
        evidence = f"{configuration.metaverse_file.parent}: {error.cause}"
        consequence = "nothing else in the configuration can be judged"
        return [Finding("stop", error.what, evidence, consequence, error.next_step)]
    found = [finding for rule in RULES for finding in rule(site)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return findings as a frame of text columns, which it keeps when there are none.

    Examples
    --------
    >>> frame([]).dtypes.astype(str).to_dict()
    {'severity': 'str', 'finding': 'str', 'evidence': 'str', 'consequence': 'str', 'remedy': 'str'}
    """
    columns = [column.name for column in fields(Finding)]
    return pd.DataFrame([astuple(finding) for finding in findings], columns=columns, dtype="str")


def _direction(site: Site) -> Iterator[Finding]:
    direction = site.sharepoint.parameters.get(DIRECTION, "")
    if direction.lower().startswith("export only"):
        yield Finding(
            "stop",
            "the SharePoint agent never imports pictures",
            _evidence(site.sharepoint, f"parameter-values/parameter[@name='{DIRECTION}'] is '{direction}'"),
            "photos flow from Active Directory to SharePoint only; an upload in SharePoint never leaves it",
            f"set '{DIRECTION}' to 'Import only' on the agent's Connectivity page, then refresh its schema",
        )


def _selected(site: Site) -> Iterator[Finding]:
    if PICTURE not in site.sharepoint.attributes:
        yield Finding(
            "stop",
            "the SharePoint agent does not read the picture",
            _evidence(site.sharepoint, f"attribute-inclusion has no attribute {PICTURE}"),
            "no import, full or delta, brings a photo into the connector space",
            f"select {PICTURE} on the agent's Select Attributes page",
        )


def _import_flow(site: Site) -> Iterator[Finding]:
    if not any(site.is_picture(flow) for flow in site.providers):
        yield Finding(
            "stop",
            "SharePoint's picture does not flow into the metaverse",
            site.metaverse(f"import-flow-set has no import-flow from {PICTURE} of {site.sharepoint.name}"),
            "photos stay in the SharePoint connector space whatever is run",
            f"add a direct import flow from {PICTURE} to photo on the SharePoint agent",
        )


def _precedence(site: Site) -> Iterator[Finding]:
    agents = [flow.agent for flow in site.providers]
    if not {site.sharepoint.guid, site.directory.guid} <= set(agents):
        return
    precedence = site.providers[0].precedence
    evidence = site.metaverse(f"import-flows[@mv-attribute='{site.photo}'] is {precedence or 'not ranked'}")
    remedy = f"in the Metaverse Designer put SharePoint first in the flow precedence of {site.photo}"
    if precedence != "ranked":
        yield Finding(
            "warn",
            "Active Directory and SharePoint both provide the photo",
            evidence,
            "whichever was imported last wins, so an old photo from Active Directory can win over a new one",
            remedy,
        )
    elif agents.index(site.directory.guid) < agents.index(site.sharepoint.guid):
        yield Finding(
            "stop",
            "Active Directory's photo wins over SharePoint's",
            f"{evidence} with {site.directory.name} before {site.sharepoint.name}",
            "whoever has a photo in Active Directory keeps it, and an upload in SharePoint changes nothing",
            remedy,
        )


def _export_flow(site: Site) -> Iterator[Finding]:
    if not site.exports:
        yield Finding(
            "stop",
            "no photo flows to Active Directory",
            _evidence(site.directory, f"export-flow-set has no export-flow from {site.photo} to {THUMBNAIL}"),
            "an export to Active Directory writes no photo",
            f"add a direct export flow from {site.photo} to {THUMBNAIL}, with Allow Nulls not ticked",
        )


def _deletions(site: Site) -> Iterator[Finding]:
    if site.exports_deletions:
        yield Finding(
            "stop" if site.recall else "warn",
            "an empty photo is exported to Active Directory",
            _evidence(site.directory, f"export-flow of {THUMBNAIL} has suppress-deletions false"),
            f"whoever has no photo in the metaverse at the next export loses {THUMBNAIL}",
            f"untick Allow Nulls on the export flow to {THUMBNAIL} for the time of the fix",
        )


def _recall(site: Site) -> Iterator[Finding]:
    if not site.recall:
        return
    others = any(flow.agent != site.sharepoint.guid for flow in site.providers)
    fallback = (
        "the next provider's old photo comes back" if others else "the metaverse has no photo for anyone"
    )
    yield Finding(
        "stop" if site.exports_deletions and not others else "warn",
        "photos leave the metaverse with the SharePoint connector space",
        site.metaverse(f"ma-options[@ma-id='{site.sharepoint.guid}'] does not have enable-recall false"),
        f"from the deletion to the SharePoint full synchronization {fallback}; no export may run in between",
        "tick 'Do not recall attributes contributed by objects from this management agent when disconnected'",
    )


def _deletion_rules(site: Site) -> Iterator[Finding]:
    for rule in site.configuration.deletion_rules:
        element = site.metaverse(f"mv-deletion-rule[@mv-object-type='{rule.object_type}'] is {rule.kind}")
        remedy = f"let the deletion rule of {rule.object_type} name the Active Directory agent only"
        if rule.kind == "declared-last" or site.sharepoint.guid in rule.agents:
            yield Finding(
                "stop",
                f"deleting the connector space can delete metaverse objects of type {rule.object_type}",
                f"{element}, naming {', '.join(rule.agents) or 'no agent'}",
                "objects that lose their SharePoint connector die, their other connectors are deprovisioned",
                remedy,
            )
        elif rule.kind == "scripted":
            yield Finding(
                "warn",
                f"code decides when metaverse objects of type {rule.object_type} are deleted",
                element,
                "nobody can tell from the configuration who survives the deletion of the connector space",
                f"read ShouldDeleteFromMV in the rules extension, or {remedy}",
            )


def _provisioning(site: Site) -> Iterator[Finding]:
    if site.configuration.provisioning_enabled:
        yield Finding(
            "note",
            "provisioning is on",
            site.metaverse(f"provisioning[@type='{site.configuration.provisioning}']"),
            "a synchronization while the connector space is empty adds a second SharePoint object per person",
            "the plan waits until it is turned off: Tools > Options > Enable Provisioning Rules Extension",
        )


def _run_profiles(site: Site) -> Iterator[Finding]:
    for agent in (site.sharepoint, site.directory):
        missing = [
            kind for kind in STEP_KINDS if not any(profile.does(kind) for profile in agent.run_profiles)
        ]
        names = ", ".join(profile.name for profile in agent.run_profiles) or "none"
        for kind in missing:
            yield Finding(
                "stop",
                f"{agent.name} has no run profile for {kind} alone",
                _evidence(agent, f"ma-run-data has {names}"),
                "the fix cannot run this step by itself, with its check before and after",
                f"add a run profile with only {kind} steps, one per partition, under Configure Run Profiles",
            )


def _both_directions(site: Site) -> Iterator[Finding]:
    imported = any(site.is_picture(flow) for flow in site.providers)
    if imported and site.sharepoint.exports_to(PICTURE):
        yield Finding(
            "stop",
            "photos flow into SharePoint as well as out of it",
            _evidence(site.sharepoint, f"export-flow[@cd-attribute='{PICTURE}'] beside the import flow"),
            "an export to SharePoint can overwrite the photo that its owner has just uploaded",
            f"remove the export flow to {PICTURE} from the SharePoint agent",
        )


def _threshold(site: Site) -> Iterator[Finding]:
    exports = [profile for profile in site.directory.run_profiles if profile.does("export")]
    for profile in exports:
        if any(not step.delete_limit for step in profile.steps):
            yield Finding(
                "note",
                f"{site.directory.name}'s {profile.name} stops at no number of deletions",
                _evidence(site.directory, f"a step of run profile '{profile.name}' has no threshold/delete"),
                "only the plan's own check of the pending exports stands before a mass deletion",
                "set a deletion threshold on the step under Configure Run Profiles",
            )


RULES = (
    _direction,
    _selected,
    _import_flow,
    _precedence,
    _export_flow,
    _deletions,
    _recall,
    _deletion_rules,
    _provisioning,
    _run_profiles,
    _both_directions,
    _threshold,
)
