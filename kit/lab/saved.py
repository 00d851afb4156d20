"""The saved configuration, ``MA-{GUID}.xml`` and ``MV.xml``, as Export Server Configuration writes it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from kit.errors import OutputError
from kit.lab.layers import text_child
from kit.lab.rules import AgentRules, ExportFlow, Rules, RunProfile, Step
from kit.lab.space import identifier

_NAMESPACES = {
    "xmlns:dsml": "http://www.dsml.org/DSML",
    "xmlns:ms-dsml": "http://www.microsoft.com/MMS/DSML",
}


def step_element(agent: AgentRules, step: Step) -> Element:
    """Return a run step as a run profile and as RunDetails' ``step-description`` show it."""
    root = Element("step")
    name, subtype, text = step.type.value
    kind = SubElement(root, "step-type", {"type": name})
    if subtype:
        text_child(kind, subtype, text)
    threshold = SubElement(root, "threshold")
    if step.object_limit is not None:
        text_child(threshold, "object", str(step.object_limit))
    text_child(threshold, "batch-size", str(step.batch_size))
    if step.deletion_limit is not None:
        text_child(threshold, "delete", str(step.deletion_limit))
    text_child(root, "partition", partition_guid(agent))
    custom = SubElement(root, "custom-data")
    directory = agent.category == "AD"
    data = SubElement(custom, "adma-step-data" if directory else "extensible2-step-data")
    values = {
        "batch-size": str(step.batch_size),
        **({"page-size": "500", "time-limit": "120"} if directory else {}),
    }
    for tag, value in values.items() if directory else {"timeout": "0", **values}.items():
        text_child(data, tag, value)
    return root


def partition_guid(agent: AgentRules) -> str:
    """Return the GUID of the agent's partition."""
    return identifier("partition", agent.guid)


def save(rules: Rules, folder: Path, now: datetime) -> list[Path]:
    """Write the configuration into a folder.

    Returns
    -------
    list[Path]
        One file per agent, and ``MV.xml``.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    trees = {f"MA-{agent.guid}.xml": _agent_file(agent, now) for agent in rules.agents}
    trees["MV.xml"] = _metaverse_file(rules, now)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, root in trees.items():
            indent(root)
            unfinished = folder / f"{name}.part"  # nobody reads a file that is half there
            ElementTree(root).write(unfinished, encoding="utf-8", xml_declaration=True)
            unfinished.replace(folder / name)
    except OSError as error:
        cause = f"the file system said {error.strerror or error}"
        what = f"folder {str(folder)!r} cannot be written"
        raise OutputError(what, cause, "choose another folder") from error
    return [folder / name for name in trees]


def _agent_file(agent: AgentRules, now: datetime) -> Element:
    root = Element("saved-ma-configuration", {"server": "MIM01", "export-date": _stamp(now)})
    data = SubElement(root, "ma-data")
    for tag, text in (
        ("id", agent.guid),
        ("name", agent.name),
        ("category", agent.category),
        ("subtype", agent.listname if agent.category != "AD" else ""),
        ("ma-listname", agent.listname),
        ("ma-companyname", agent.company),
        ("creation-time", _stamp(now)),
        ("last-modification-time", _stamp(now)),
        ("version", "1"),
    ):
        text_child(data, tag, text)
    _schema(data, agent)
    inclusion = SubElement(data, "attribute-inclusion")
    for attribute in agent.attributes:
        text_child(inclusion, "attribute", attribute)
    _joining(data, agent)
    _export_flows(data, agent)
    cleanup = SubElement(data, "provisioning-cleanup", {"type": "declared"})
    text_child(cleanup, "action", agent.deprovisioning)
    _connection(data, agent)
    _partition(data, agent)
    run_data = SubElement(data, "ma-run-data")
    for profile in agent.run_profiles:
        run_data.append(_run_configuration(agent, profile, now))
    return root


def _partition(data: Element, agent: AgentRules) -> None:
    """Add the one partition, selected, with nothing changed since the last full synchronization."""
    partition = SubElement(SubElement(data, "ma-partition-data"), "partition")
    for tag, text in (("id", partition_guid(agent)), ("name", agent.partition), ("selected", "1")):
        text_child(partition, tag, text)
    types = SubElement(SubElement(partition, "filter"), "object-classes")
    text_child(types, "object-class", "user")
    text_child(partition, "allowed-operations", "1")


def _schema(data: Element, agent: AgentRules) -> None:
    dsml = SubElement(SubElement(data, "schema"), "dsml:dsml", _NAMESPACES)
    schema = SubElement(dsml, "dsml:directory-schema")
    for attribute in agent.attributes:
        kind = SubElement(schema, "dsml:attribute-type", {"id": attribute, "single-value": "true"})
        if attribute in agent.export_only:
            kind.set("ms-dsml:allowedOperation", "ExportOnly")
            kind.set("ms-dsml:export-only", "true")
        text_child(kind, "dsml:name", attribute)
        binary = attribute in {"Picture", "thumbnailPhoto"}
        text_child(kind, "dsml:syntax", f"1.3.6.1.4.1.1466.115.121.1.{5 if binary else 15}")


def _joining(data: Element, agent: AgentRules) -> None:
    staying = SubElement(data, "stay-disconnector")
    if agent.connector_filter:
        filters = SubElement(staying, "filter-set", {"cd-object-type": "user", "type": "declared"})
        for attribute, value in agent.connector_filter:
            identity = identifier("filter", agent.guid, attribute, value)
            condition = SubElement(
                SubElement(filters, "filter-alternative", {"id": identity}),
                "condition",
                {"cd-attribute": attribute, "operator": "equality"},
            )
            text_child(condition, "value", value)
    join = SubElement(data, "join")
    if agent.join:
        profile = SubElement(join, "join-profile", {"cd-object-type": "user"})
        criterion = SubElement(
            profile, "join-criterion", {"id": identifier("join", agent.guid), "join-cri-type": "direct"}
        )
        search = SubElement(criterion, "search", {"mv-object-type": "person"})
        mapping = SubElement(search, "attribute-mapping", {"mv-attribute": agent.join.metaverse_attribute})
        text_child(SubElement(mapping, "direct-mapping"), "src-attribute", agent.join.attribute)
        SubElement(criterion, "resolution", {"type": "none"})
    projection = SubElement(data, "projection")
    if agent.projects:
        mapping = SubElement(projection, "class-mapping", {"type": "declared", "cd-object-type": "user"})
        text_child(mapping, "mv-object-type", "person")


def _export_flows(data: Element, agent: AgentRules) -> None:
    flows = SubElement(data, "export-attribute-flow")
    if not agent.export_flows:
        return
    group = SubElement(flows, "export-flow-set", {"cd-object-type": "user", "mv-object-type": "person"})
    for flow in agent.export_flows:
        _export_flow(group, agent, flow)


def _export_flow(group: Element, agent: AgentRules, flow: ExportFlow) -> None:
    attributes = {
        "cd-attribute": flow.attribute,
        "id": identifier("export-flow", agent.guid, flow.attribute),
        "suppress-deletions": _boolean(flow.suppress_deletions),
    }
    mapping = SubElement(SubElement(group, "export-flow", attributes), "direct-mapping")
    text_child(mapping, "src-attribute", flow.metaverse_attribute)


def _connection(data: Element, agent: AgentRules) -> None:
    private = SubElement(data, "private-configuration")
    if agent.category == "AD":
        configuration = SubElement(private, "adma-configuration")
        for name, value in agent.parameters:
            text_child(configuration, name, value)
        return
    values = SubElement(SubElement(private, "MAConfig"), "parameter-values")
    for name, value in agent.parameters:
        kind = "drop-down" if name in {"HTTP Protocol", "Picture Flow Direction"} else "string"
        text_child(values, "parameter", value, name=name, type=kind, use="connectivity")


def _run_configuration(agent: AgentRules, profile: RunProfile, now: datetime) -> Element:
    root = Element("run-configuration")
    text_child(root, "id", identifier("run-profile", agent.guid, profile.name))
    text_child(root, "name", profile.name)
    text_child(root, "creation-time", _stamp(now))
    text_child(root, "version", "1")
    text_child(root, "last-modification-time", _stamp(now))
    configuration = SubElement(root, "configuration")
    for step in profile.steps:
        configuration.append(step_element(agent, step))
    return root


def _metaverse_file(rules: Rules, now: datetime) -> Element:
    root = Element("saved-mv-configuration", {"server": "MIM01", "export-date": _stamp(now)})
    data = SubElement(root, "mv-data")
    flows = SubElement(data, "import-attribute-flow")
    group = SubElement(flows, "import-flow-set", {"mv-object-type": rules.object_type})
    for attribute, ranked in rules.ranked_flows.items():
        precedence = "equal" if attribute in rules.equal_precedence else "ranked"
        element = SubElement(group, "import-flows", {"mv-attribute": attribute, "type": precedence})
        for name, (_, source) in ranked.items():
            agent = rules.by_name[name]
            identity = identifier("import-flow", agent.guid, attribute)
            flow = SubElement(
                element, "import-flow", {"src-ma": agent.guid, "cd-object-type": "user", "id": identity}
            )
            text_child(SubElement(flow, "direct-mapping"), "src-attribute", source)
    options = SubElement(flows, "per-ma-options")
    for agent in rules.agents:
        option = SubElement(options, "ma-options", {"ma-id": agent.guid})
        text_child(option, "enable-recall", _boolean(agent.enable_recall))
    provisioned = rules.provisioning is not None and rules.provisioning_enabled
    SubElement(data, "provisioning", {"type": "scripted" if provisioned else "none"})
    if rules.provisioning is not None:
        text_child(SubElement(data, "extension"), "assembly-name", "SharePointSynchronization.dll")
    deletion = SubElement(data, "mv-deletion")
    if rules.deletion.type != "none":
        attributes = {
            "mv-object-type": rules.object_type,
            "id": identifier("mv-deletion", rules.object_type),
            "type": rules.deletion.type,
        }
        rule = SubElement(deletion, "mv-deletion-rule", attributes)
        named = () if rules.deletion.type == "scripted" else rules.deletion.agents
        for name in named:
            text_child(rule, "src-ma", rules.by_name[name].guid)
    return root


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
