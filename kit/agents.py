"""Management agents as MIM's saved configuration describes them, ``saved-ma-configuration/ma-data``.

Element names were read in the SharePoint team's published sample configuration for MIM 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

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
    """

    attribute: str
    sources: tuple[str, ...]
    suppress_deletions: bool


@dataclass(frozen=True)
class ManagementAgent:
    """One management agent as configured; its encrypted parameters are not kept."""

    name: str
    guid: str
    category: str
    listname: str
    file: Path
    run_profiles: tuple[RunProfile, ...] = field(repr=False)
    parameters: Mapping[str, str] = field(repr=False)
    attributes: frozenset[str] = field(repr=False)
    export_flows: tuple[ExportFlow, ...] = field(repr=False)

    @property
    def is_sharepoint(self) -> bool:
        """Whether it is a connector for SharePoint's user profiles."""
        return self.listname in SHAREPOINT_LISTNAMES

    @property
    def is_directory(self) -> bool:
        """Whether it is a connector for Active Directory."""
        return self.category == "AD"

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
        export_flows=tuple(
            _export_flow(flow) for flow in data.iterfind("export-attribute-flow/*/export-flow")
        ),
    )


def source_attributes(flow: Element) -> tuple[str, ...]:
    """Return the attributes that a flow reads, whether its mapping is direct or scripted."""
    return tuple(element.text or "" for element in flow.iterfind("*/src-attribute"))


def _export_flow(flow: Element) -> ExportFlow:
    suppressed = flow.get("suppress-deletions") == "true"
    return ExportFlow(flow.get("cd-attribute", ""), source_attributes(flow), suppressed)


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
        partition=step.findtext("partition", ""),
        object_limit=_number(step.findtext("threshold/object", "")),
        delete_limit=_number(step.findtext("threshold/delete", "")),
    )


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None
