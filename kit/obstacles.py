"""Obstacles: settings under which the fix loses nothing and changes nothing, or cannot run step by step.

Every rule is one function that yields findings; none changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from kit.findings import Finding
from kit.flow import PICTURE, THUMBNAIL, PhotoFlow, evidence

if TYPE_CHECKING:
    from kit.agents import ManagementAgent, RunProfile

DIRECTION = "Picture Flow Direction"
STEP_KINDS = ("full import", "delta import", "full synchronization", "delta synchronization", "export")


def _direction(flow: PhotoFlow) -> Iterator[Finding]:
    direction = flow.sharepoint.parameters.get(DIRECTION, "")
    known = direction.casefold().startswith("import only")
    remedy = f"set '{DIRECTION}' to 'Import only' on the agent's Connectivity page, then refresh its schema"
    where = evidence(flow.sharepoint, f"parameter-values/parameter[@name='{DIRECTION}'] is '{direction}'")
    if direction.casefold().startswith("export only"):
        yield Finding(
            "stop",
            "the SharePoint agent never imports pictures",
            where,
            "photos flow from Active Directory to SharePoint only; an upload in SharePoint never leaves it",
            remedy,
        )
    elif not known:
        yield Finding(
            "warn",
            "the configuration does not say that the SharePoint agent imports pictures",
            where,
            "if it does not, the fix changes no photo",
            remedy,
        )


def _schema(flow: PhotoFlow) -> Iterator[Finding]:
    if PICTURE in flow.sharepoint.export_only:
        yield Finding(
            "stop",
            "the SharePoint agent's schema lets pictures out only",
            evidence(flow.sharepoint, f"schema//attribute-type[@id='{PICTURE}'] has export-only true"),
            "no import brings a photo into the connector space, whatever the connectivity page says",
            "refresh the agent's schema: Actions > Refresh Schema",
        )


def _selected(flow: PhotoFlow) -> Iterator[Finding]:
    for agent, attribute in ((flow.sharepoint, PICTURE), (flow.directory, THUMBNAIL)):
        if attribute not in agent.attributes:
            system = "SharePoint" if agent is flow.sharepoint else "Active Directory"
            yield Finding(
                "stop",
                f"the {system} agent does not read the {'picture' if attribute == PICTURE else 'photo'}",
                evidence(agent, f"attribute-inclusion has no attribute {attribute}"),
                f"no import, full or delta, brings {attribute} into the connector space",
                f"select {attribute} on the agent's Select Attributes page",
            )


def _import_flow(flow: PhotoFlow) -> Iterator[Finding]:
    if flow.source is None:
        yield Finding(
            "stop",
            "SharePoint's picture does not flow into the metaverse",
            flow.metaverse(f"import-flow-set has no import-flow from {PICTURE} of {flow.sharepoint.name}"),
            "photos stay in the SharePoint connector space whatever is run",
            f"add a direct import flow from {PICTURE} to photo on the SharePoint agent",
        )
    elif flow.source.scripted:
        yield Finding(
            "warn",
            "code makes the photo that flows into the metaverse",
            flow.metaverse(f"import-flows[@mv-attribute='{flow.photo}'] has a scripted-mapping of {PICTURE}"),
            "the photo need not be SharePoint's, so that the check of the pending exports may stop the fix",
            "read MapAttributesForImport in the rules extension, or make the flow a direct one",
        )


def _precedence(flow: PhotoFlow) -> Iterator[Finding]:
    providers = list(dict.fromkeys(one.agent for one in flow.providers))
    if flow.sharepoint.guid not in providers or len(providers) == 1:
        return
    precedence = flow.providers[0].precedence
    where = flow.metaverse(f"import-flows[@mv-attribute='{flow.photo}'] is {precedence or 'not ranked'}")
    remedy = f"in the Metaverse Designer put SharePoint first in the flow precedence of {flow.photo}"
    first = next((one for one in flow.configuration.agents if one.guid == providers[0]), None)
    if precedence != "ranked":
        directory_last = precedence == "equal" and flow.directory.guid in providers
        yield Finding(
            "stop" if directory_last else "warn",
            "SharePoint is not the only one to provide the photo, and is not ranked first",
            where,
            "whichever was synchronised last wins, in the fix Active Directory: its old photo stays"
            if directory_last
            else "whichever was synchronised last wins, or code decides: an old photo can win over a new one",
            remedy,
        )
    elif providers[0] != flow.sharepoint.guid:
        yield Finding(
            "stop",
            f"{'Active Directory' if first is flow.directory else 'another system'}'s photo wins",
            f"{where} with {first.name if first else providers[0]} before {flow.sharepoint.name}",
            "whoever has a photo there keeps it, and an upload in SharePoint changes nothing",
            remedy,
        )


def _export_flow(flow: PhotoFlow) -> Iterator[Finding]:
    elsewhere = ", ".join(sorted(one.attribute for one in flow.misdirected))
    if not flow.exports:
        yield Finding(
            "stop",
            "no photo flows to Active Directory",
            evidence(
                flow.directory,
                f"export-flow-set has no export-flow from {flow.photo} to {THUMBNAIL}"
                + (f", but one to {elsewhere}" if elsewhere else ""),
            ),
            "an export to Active Directory writes no photo that the address book shows",
            f"add a direct export flow from {flow.photo} to {THUMBNAIL}, with Allow Nulls not ticked",
        )
    elif elsewhere:
        yield Finding(
            "warn",
            f"the photo flows to {elsewhere} as well",
            evidence(flow.directory, f"export-flow from {flow.photo} to {elsewhere}"),
            f"the check of the pending exports stops the fix at anything but {THUMBNAIL}",
            "remove the export flow if nobody needs it",
        )
    if any(one.scripted for one in flow.exports):
        yield Finding(
            "warn",
            "code makes the photo that flows to Active Directory",
            evidence(flow.directory, f"export-flow of {THUMBNAIL} has a scripted-mapping"),
            "it can change or remove photos whatever Allow Nulls says",
            "read MapAttributesForExport in the rules extension, or make the flow a direct one",
        )


def _run_profiles(flow: PhotoFlow) -> Iterator[Finding]:
    for agent in flow.agents:
        names = ", ".join(profile.name for profile in agent.run_profiles) or "none"
        for kind in STEP_KINDS:
            if not _doing(agent, kind):
                yield Finding(
                    "stop",
                    f"{agent.name} has no run profile for {kind} alone",
                    evidence(agent, f"ma-run-data has {names}"),
                    "the fix cannot run this step by itself, with its check before and after",
                    f"add one with only {kind} steps, one per partition, under Configure Run Profiles",
                )


def _doing(agent: ManagementAgent, kind: str) -> list[RunProfile]:
    return [profile for profile in agent.run_profiles if profile.does(kind)]


def _partitions(flow: PhotoFlow) -> Iterator[Finding]:
    for agent in flow.agents:
        selected = agent.selected_partitions
        types = [partition.object_types for partition in selected]
        if agent.partitions and not any("user" in names or not names for names in types):
            yield Finding(
                "stop",
                f"no selected partition of {agent.name} brings users",
                evidence(agent, "ma-partition-data has no selected partition with object-class user"),
                "an import brings nobody",
                f"select partition and object type on the agent's pages for {agent.name}",
            )
        yield from _steps(agent)


def _steps(agent: ManagementAgent) -> Iterator[Finding]:
    """Find run profiles that name other partitions than the selected ones, and partitions that none names."""
    selected = {partition.guid: partition for partition in agent.selected_partitions}
    for kind in STEP_KINDS if selected else ():
        for profile in _doing(agent, kind):
            steps = {step.partition for step in profile.steps}
            if steps - set(selected):
                yield Finding(
                    "stop",
                    f"{agent.name}'s {profile.name} has a step for a partition that is not selected",
                    evidence(agent, f"run profile '{profile.name}' names {', '.join(sorted(steps))}"),
                    "the run does not start, or ends at that step",
                    "choose the partition again under Configure Run Profiles",
                )
            missing = [partition.name for guid, partition in selected.items() if guid not in steps]
            if missing:
                yield Finding(
                    "warn",
                    f"{agent.name}'s {profile.name} leaves out a partition",
                    evidence(agent, f"run profile '{profile.name}' has no step for {', '.join(missing)}"),
                    "people in that partition are passed over by this run",
                    "add a step per partition under Configure Run Profiles, if people live there",
                )


def _thresholds(flow: PhotoFlow) -> Iterator[Finding]:
    for profile in _doing(flow.directory, "export"):
        if any(not step.delete_limit for step in profile.steps):
            yield Finding(
                "note",
                f"{flow.directory.name}'s {profile.name} stops at no number of deletions",
                evidence(flow.directory, f"a step of run profile '{profile.name}' has no threshold/delete"),
                "only the plan's own check of the pending exports stands before a mass deletion",
                "set a deletion threshold on the step under Configure Run Profiles",
            )
    for agent in flow.agents:
        yield from _object_limits(agent)


def _object_limits(agent: ManagementAgent) -> Iterator[Finding]:
    for profile in agent.run_profiles:
        limits = [step.object_limit for step in profile.steps if step.object_limit]
        if limits:
            exports = profile.does("export")
            yield Finding(
                "note" if exports else "warn",
                f"{agent.name}'s {profile.name} ends after {min(limits):,} objects",
                evidence(agent, f"a step of run profile '{profile.name}' has threshold/object {min(limits)}"),
                "fit for a first small export; the rest stays pending"
                if exports
                else "a run that ends early leaves people out, and the fix stops at it",
                "use a run profile without an object threshold for everybody",
            )


RULES: tuple[Callable[[PhotoFlow], Iterator[Finding]], ...] = (
    _direction,
    _schema,
    _selected,
    _import_flow,
    _precedence,
    _export_flow,
    _run_profiles,
    _partitions,
    _thresholds,
)
