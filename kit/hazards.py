"""Hazards: settings that can cost photos or people while the SharePoint connector space is empty.

Every rule is one function that yields findings; none changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kit.findings import Finding
from kit.flow import PICTURE, THUMBNAIL, PhotoFlow, evidence


def _deletions(flow: PhotoFlow) -> Iterator[Finding]:
    if flow.exports_deletions:
        lost = flow.people is not None and flow.removed(flow.people).any()
        yield Finding(
            "stop" if flow.recall or lost else "warn",
            "an empty photo is exported to Active Directory",
            evidence(flow.directory, f"export-flow of {THUMBNAIL} has suppress-deletions false"),
            f"whoever has no photo in the metaverse at the next export loses {THUMBNAIL}{flow.cost}",
            f"untick Allow Nulls on the export flow to {THUMBNAIL} for the time of the fix",
        )


def _recall(flow: PhotoFlow) -> Iterator[Finding]:
    if not flow.recall:
        return
    state = (
        "the next provider's old photo comes back"
        if flow.falls_back
        else "the metaverse has no photo for anyone"
    )
    yield Finding(
        "stop" if flow.exports_deletions and not flow.falls_back else "warn",
        "photos leave the metaverse with the SharePoint connector space",
        flow.metaverse(f"ma-options[@ma-id='{flow.sharepoint.guid}'] does not have enable-recall false"),
        f"from the deletion to the SharePoint full synchronization {state}; nothing may be exported"
        f" in between{flow.cost}",
        "tick 'Do not recall attributes contributed by objects from this management agent when disconnected'",
    )


def _other_attributes(flow: PhotoFlow) -> Iterator[Finding]:
    """Find what SharePoint provides beside the photo, and the directory loses with it."""
    if not flow.recall:
        return
    flows = [one for one in flow.configuration.import_flows if one.object_type == flow.object_type]
    given = {one.attribute for one in flows if one.agent == flow.sharepoint.guid}
    given -= {one.attribute for one in flows if one.agent != flow.sharepoint.guid}
    lost = sorted(
        export.attribute
        for export in flow.directory.export_flows
        if not export.suppress_deletions and given.intersection(export.sources) - {flow.photo}
    )
    if lost:
        yield Finding(
            "stop",
            "Active Directory would lose more than photos",
            evidence(flow.directory, f"export-flow of {', '.join(lost)} has suppress-deletions false"),
            "only SharePoint provides these values; they leave the metaverse with its connector space",
            "untick Allow Nulls on these export flows for the time of the fix, or switch recall off",
        )


def _deletion_rules(flow: PhotoFlow) -> Iterator[Finding]:
    for rule in flow.configuration.deletion_rules:
        element = flow.metaverse(f"mv-deletion-rule[@mv-object-type='{rule.object_type}'] is {rule.kind}")
        remedy = f"let the deletion rule of {rule.object_type} name the Active Directory agent only"
        fate = f"{_fate(flow)}{flow.cost if rule.object_type == flow.object_type else ''}"
        if flow.kills(rule):
            names = [one.name for one in flow.configuration.agents if one.guid in rule.agents]
            yield Finding(
                "stop",
                f"deleting the connector space deletes metaverse objects of type {rule.object_type}",
                f"{element}, naming {', '.join(names)}",
                f"objects that lose their SharePoint connector die, {fate}",
                remedy,
            )
        elif rule.kind == "scripted":
            yield Finding(
                "stop" if flow.death_removes else "warn",
                f"code decides when metaverse objects of type {rule.object_type} are deleted",
                element,
                f"the configuration does not tell who survives the deletion of the connector space; {fate}",
                f"read ShouldDeleteFromMV in the rules extension, or {remedy}",
            )
        elif rule.kind == "declared-last" and flow.sharepoint.guid not in rule.agents:
            yield Finding(
                "warn",
                f"metaverse objects of type {rule.object_type} can die with the connector space",
                f"{element}, counting the SharePoint agent",
                "objects connected to SharePoint alone die; those connected to Active Directory stay",
                remedy,
            )


def _fate(flow: PhotoFlow) -> str:
    """Say what becomes of the directory's objects whose metaverse objects die."""
    return {
        "delete-object": "their accounts are deleted in Active Directory at its next export",
        "scripted": "code decides whether their accounts are deleted in Active Directory",
    }.get(flow.directory.deprovisioning, "and their accounts are disconnected until they are projected again")


def _deprovisioning(flow: PhotoFlow) -> Iterator[Finding]:
    for agent in flow.agents:
        action = agent.deprovisioning
        if agent.deletes_objects:
            owner = "accounts" if agent is flow.directory else "profiles"
            verb = "may delete" if action == "scripted" else "deletes"
            yield Finding(
                "warn" if agent is flow.directory else "note",
                f"{agent.name} {verb} {owner} whose metaverse objects die",
                evidence(agent, f"provisioning-cleanup is {action}"),
                f"whoever leaves the metaverse by mistake loses more than the photo: {owner} go as well",
                f"choose 'Make them disconnectors' on {agent.name}'s Deprovisioning page until all is done",
            )


def _wrong_space(flow: PhotoFlow) -> Iterator[Finding]:
    for rule in flow.configuration.deletion_rules:
        if rule.kind == "declared-any" and flow.directory.guid in rule.agents:
            yield Finding(
                "note",
                f"the connector space of {flow.directory.name} must never be deleted",
                flow.metaverse(
                    f"mv-deletion-rule[@mv-object-type='{rule.object_type}'] names {flow.directory.name}"
                ),
                f"every metaverse object of type {rule.object_type} would die with it",
                f"at the gate make sure that {flow.sharepoint.name} is the agent that is selected",
            )


def _provisioning(flow: PhotoFlow) -> Iterator[Finding]:
    kind = flow.configuration.provisioning
    if flow.configuration.provisioning_enabled:
        declarative = kind in {"sync-rule", "both"}
        switch = (
            "Enable Synchronization Rule Provisioning"
            if declarative
            else "Enable Provisioning Rules Extension"
        )
        also = " and 'Enable Provisioning Rules Extension'" if kind == "both" else ""
        yield Finding(
            "warn" if declarative else "note",
            "provisioning is on",
            flow.metaverse(f"provisioning[@type='{kind}']"),
            "a synchronization while the connector space is empty adds a second SharePoint object per person",
            f"the plan waits until it is turned off: Tools > Options, clear '{switch}'{also}",
        )


def _both_directions(flow: PhotoFlow) -> Iterator[Finding]:
    if flow.source and flow.sharepoint.exports_to(PICTURE):
        yield Finding(
            "stop",
            "photos flow into SharePoint as well as out of it",
            evidence(flow.sharepoint, f"export-flow[@cd-attribute='{PICTURE}'] beside the import flow"),
            "an export to SharePoint can overwrite the photo that its owner has just uploaded",
            f"remove the export flow to {PICTURE} from the SharePoint agent",
        )


def _joins(flow: PhotoFlow) -> Iterator[Finding]:
    rules = [rule for rule in flow.sharepoint.joins if rule.object_type == "user"]
    if not rules:
        yield Finding(
            "stop",
            "no profile would find its person again",
            evidence(flow.sharepoint, "join has no join-profile[@cd-object-type='user']"),
            "after the deletion every profile stays disconnected, and its photo goes nowhere",
            "add a join rule to the SharePoint agent, such as UserName equal to accountName",
        )
    elif all(rule.scripted for rule in rules):
        yield Finding(
            "warn",
            "code decides which person a profile belongs to",
            evidence(flow.sharepoint, "join-profile[@cd-object-type='user'] has scripted mappings only"),
            "the configuration does not tell how many profiles find their person again",
            "read MapAttributesForJoin in the rules extension, or make the join rule a direct one",
        )


def _pending_rules(flow: PhotoFlow) -> Iterator[Finding]:
    for agent in flow.agents:
        for partition in agent.selected_partitions:
            if partition.needs_full_synchronization:
                yield Finding(
                    "warn",
                    f"rules of {agent.name} were changed and not yet applied to everybody",
                    evidence(
                        agent, f"partition '{partition.name}' has allowed-operations {partition.operations}"
                    ),
                    "the fix's full synchronization applies them too: more than photos may become pending",
                    f"run a full synchronization of {agent.name} first and look at what it makes pending",
                )


def _unseen_exports(flow: PhotoFlow) -> Iterator[Finding]:
    for agent in flow.agents:
        for profile in agent.run_profiles:
            kinds = [step.kind for step in profile.steps]
            if "export" in kinds and not profile.does("export"):
                yield Finding(
                    "warn",
                    f"{agent.name}'s {profile.name} exports what nobody has looked at",
                    evidence(agent, f"run profile '{profile.name}' does {', '.join(kinds)}"),
                    "an import or a synchronization and the export of what it made pending are one run",
                    "keep this run profile out of the case file, and out of every schedule during the fix",
                )


def _lineage(flow: PhotoFlow) -> Iterator[Finding]:
    others = sorted(
        one.attribute
        for one in flow.configuration.import_flows
        if one.agent == flow.sharepoint.guid and one.precedence == "equal" and one.attribute != flow.photo
    )
    if others:
        yield Finding(
            "note",
            "the last import wins for other attributes of SharePoint as well",
            flow.metaverse(f"import-flows of {', '.join(others)} are equal"),
            "after the deletion everything from SharePoint counts as new and can win over Active Directory",
            "look for these attributes among the pending exports",
        )


RULES: tuple[Callable[[PhotoFlow], Iterator[Finding]], ...] = (
    _deletions,
    _recall,
    _other_attributes,
    _deletion_rules,
    _deprovisioning,
    _wrong_space,
    _provisioning,
    _both_directions,
    _joins,
    _pending_rules,
    _unseen_exports,
    _lineage,
)
