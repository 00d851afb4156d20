"""Management agents as MIM's saved configuration describes them, ``saved-ma-configuration/ma-data``.

Element names were read in the SharePoint team's published sample configuration for MIM 2016.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

_DSML = "http://www.microsoft.com/MMS/DSML"

SHAREPOINT_LISTNAMES = frozenset({"SharePoint Profile Store", "MOSS-UserProfile"})
"""List names of the SharePoint connector for MIM 2016 and of its in-box predecessor."""

STEP_KINDS: Mapping[tuple[str, frozenset[str]], str] = {
    ("full-import", frozenset({"to-cs"})): "full import",
    ("delta-import", frozenset({"to-cs"})): "delta import",
    ("full-import", frozenset()): "full import and delta synchronization",
    ("delta-import", frozenset()): "delta import and delta synchronization",
    ("full-import-reevaluate-rules", frozenset()): "full import and full synchronization",
    ("apply-rules", frozenset({"reevaluate-flow-connectors"})): "full synchronization",
    ("apply-rules", frozenset({"apply-pending"})): "delta synchronization",
    ("export", frozenset()): "export",
    ("export", frozenset({"to-file", "resume-from-file"})): "export",
    ("export", frozenset({"to-file"})): "export to file only",
}
"""What a step does, from its ``step-type/@type`` and the texts of its subtype elements."""

RULES_CHANGED = 0b11110
"""Bits of ``allowed-operations``: the agent's rules, the metaverse's, or the code of either were changed.

Meaning of the bits: lithnet/miis-client, a published client of the service; Microsoft does not document them.
"""


@dataclass(frozen=True)
class RunStep:
    """One step of a run profile; limits are numbers of objects, None where the step has no such threshold."""

    kind: str
    partition: str
    object_limit: int | None
    delete_limit: int | None


@dataclass(frozen=True)
class RunProfile:
    """A named run profile of a management agent."""

    name: str
    steps: tuple[RunStep, ...]

    def does(self, kind: str) -> bool:
        """Tell whether the profile does this kind of step and nothing else.

        Examples
        --------
        >>> RunProfile("Export", (RunStep("export", "", None, None),)).does("export")
        True
        """
        return bool(self.steps) and all(step.kind == kind for step in self.steps)


@dataclass(frozen=True)
class ExportFlow:
    """A flow out of the metaverse, from ``sources`` to ``attribute`` of a connector space object.

    ``suppress_deletions`` is True where *Allow Nulls* is not ticked: an empty source is not exported.
    ``scripted`` is True where code computes the value.
    """

    attribute: str
    sources: tuple[str, ...]
    suppress_deletions: bool
    scripted: bool = False


@dataclass(frozen=True)
class JoinRule:
    """How an object of a connector space finds its object in the metaverse.

    ``sources`` of ``object_type`` are looked up in ``metaverse_attribute``; code does it where ``scripted``.
    """

    object_type: str
    sources: tuple[str, ...]
    metaverse_attribute: str
    scripted: bool


@dataclass(frozen=True)
class Partition:
    """A part of the connected system, such as one domain.

    ``operations`` is the bit field ``allowed-operations``; ``object_types`` are those that are imported.
    """

    guid: str
    name: str
    selected: bool
    object_types: frozenset[str]
    operations: int

    @property
    def needs_full_synchronization(self) -> bool:
        """Whether rules were changed since the last full synchronization, so that MIM refuses a delta.

        Examples
        --------
        >>> Partition("{P}", "default", True, frozenset(), 28).needs_full_synchronization
        True
        """
        return bool(self.operations & RULES_CHANGED)


@dataclass(frozen=True)
class ManagementAgent:
    """One management agent as configured; its encrypted parameters are not kept.

    Parameters
    ----------
    name, guid, category, listname : str
        ``category`` and ``listname`` tell what it connects; the name is the site's choice.
    file : Path
        Where it was read, for evidence.
    run_profiles : tuple[RunProfile, ...]
    parameters : Mapping[str, str]
        Connectivity parameters by name.
    attributes : frozenset[str]
        The selected attributes.
    export_only : frozenset[str]
        Attributes that the schema lets out and not in.
    export_flows : tuple[ExportFlow, ...]
    joins : tuple[JoinRule, ...]
    projects : bool
        Whether an object that no join rule matches makes a metaverse object.
    deprovisioning : str
        What becomes of its object when the metaverse object dies: ``delete-object``,
        ``make-normal-disconnector``, ``make-explicit-disconnector``, or ``scripted``: code decides.
    partitions : tuple[Partition, ...]
    """

    name: str
    guid: str
    category: str
    listname: str
    file: Path
    run_profiles: tuple[RunProfile, ...] = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)
    attributes: frozenset[str] = field(repr=False)
    export_only: frozenset[str] = field(repr=False)
    export_flows: tuple[ExportFlow, ...] = field(repr=False)
    joins: tuple[JoinRule, ...] = field(repr=False)
    projects: bool = field(repr=False)
    deprovisioning: str = field(repr=False)
    partitions: tuple[Partition, ...] = field(repr=False)

    @property
    def is_sharepoint(self) -> bool:
        """Whether it is a connector for SharePoint's user profiles."""
        return self.listname in SHAREPOINT_LISTNAMES

    @property
    def is_directory(self) -> bool:
        """Whether it is a connector for Active Directory."""
        return self.category == "AD"

    @property
    def deletes_objects(self) -> bool:
        """Whether an object may be deleted in the connected system when its metaverse object dies."""
        return self.deprovisioning in {"delete-object", "scripted"}

    @property
    def selected_partitions(self) -> list[Partition]:
        """The partitions that are in use."""
        return [partition for partition in self.partitions if partition.selected]

    def exports_to(self, attribute: str) -> list[ExportFlow]:
        """Return the export flows to an attribute."""
        return [flow for flow in self.export_flows if flow.attribute == attribute]


def parse(data: Element, file: Path) -> ManagementAgent:
    """Read one ``ma-data`` element.

    Parameters
    ----------
    data : Element
        The element.
    file : Path
        Where it was read, for evidence.

    Returns
    -------
    ManagementAgent
        Its GUID in upper case, as every other GUID of the configuration.
    """
    return ManagementAgent(
        name=data.findtext("name", ""),
        guid=data.findtext("id", "").upper(),
        category=data.findtext("category", ""),
        listname=data.findtext("ma-listname", "") or data.findtext("subtype", ""),
        file=file,
        run_profiles=tuple(_run_profile(run) for run in data.iterfind("ma-run-data/run-configuration")),
        parameters={
            parameter.get("name", ""): parameter.text or ""
            for parameter in data.iterfind(".//MAConfig/parameter-values/parameter")
            if parameter.get("type") != "encrypted-string"
        },
        attributes=frozenset(
            element.text or "" for element in data.iterfind("attribute-inclusion/attribute")
        ),
        export_only=frozenset(_export_only(data)),
        export_flows=tuple(
            _export_flow(flow) for flow in data.iterfind("export-attribute-flow/*/export-flow")
        ),
        joins=tuple(_joins(data)),
        projects=data.find("projection/class-mapping") is not None,
        deprovisioning=_deprovisioning(data),
        partitions=tuple(_partition(one) for one in data.iterfind("ma-partition-data/partition")),
    )


def source_attributes(flow: Element) -> tuple[str, ...]:
    """Return the attributes that a flow reads, whatever the kind of its mapping."""
    return tuple(element.text or "" for element in flow.iterfind("*/src-attribute"))


def is_scripted(flow: Element) -> bool:
    """Tell whether code computes a flow's value."""
    return flow.find("scripted-mapping") is not None


def _export_only(data: Element) -> Iterator[str]:
    """Yield the attributes that the schema, in DSML, marks as not to be imported."""
    for attribute in data.iterfind("schema//{*}attribute-type"):
        operation = attribute.get(f"{{{_DSML}}}allowedOperation")
        if operation == "ExportOnly" or attribute.get(f"{{{_DSML}}}export-only") == "true":
            yield attribute.get("id", "")


def _export_flow(flow: Element) -> ExportFlow:
    suppressed = flow.get("suppress-deletions") == "true"
    return ExportFlow(flow.get("cd-attribute", ""), source_attributes(flow), suppressed, is_scripted(flow))


def _joins(data: Element) -> Iterator[JoinRule]:
    for profile in data.iterfind("join/join-profile"):
        for mapping in profile.iterfind("join-criterion/search/attribute-mapping"):
            yield JoinRule(
                profile.get("cd-object-type", ""),
                source_attributes(mapping),
                mapping.get("mv-attribute", ""),
                is_scripted(mapping),
            )


def _deprovisioning(data: Element) -> str:
    cleanup = data.find("provisioning-cleanup")
    if cleanup is None or cleanup.get("type") == "scripted":
        return "" if cleanup is None else "scripted"
    return cleanup.findtext("action", "")


def _partition(partition: Element) -> Partition:
    types = partition.iterfind("filter/object-classes/object-class")
    return Partition(
        guid=partition.findtext("id", "").upper(),
        name=partition.findtext("name", ""),
        selected=partition.findtext("selected", "").strip() in {"1", "true"},
        object_types=frozenset((one.text or "").strip() for one in types),
        operations=_number(partition.findtext("allowed-operations", "")) or 0,
    )


def _run_profile(run: Element) -> RunProfile:
    return RunProfile(
        run.findtext("name", ""), tuple(_run_step(step) for step in run.iterfind("configuration/step"))
    )


def _run_step(step: Element) -> RunStep:
    names = [element.get("type", "") for element in step.iterfind("step-type")]
    subtypes = frozenset(element.text or "" for element in step.iterfind("step-type/*"))
    name = names[0] if names else ""
    return RunStep(
        kind=STEP_KINDS.get((name, subtypes), " ".join([name, *sorted(subtypes)])),
        partition=step.findtext("partition", "").upper(),
        object_limit=_number(step.findtext("threshold/object", "")),
        delete_limit=_number(step.findtext("threshold/delete", "")),
    )


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None
