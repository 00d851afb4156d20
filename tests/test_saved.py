from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import parse

from kit import configuration
from kit.errors import OutputError
from kit.lab.rules import DeletionRule, Rules
from kit.lab.saved import save
from kit.lab.site import DIRECTORY_GUID, SHAREPOINT_GUID, field_rules, imported_rules

NOW = datetime(2024, 5, 1, 10, tzinfo=UTC)


def saved(rules: Rules, folder: Path) -> dict[str, Element]:
    return {path.name: parse(path).getroot() for path in save(rules, folder, NOW)}


def test_there_is_a_file_per_agent_and_one_for_the_metaverse(tmp_path: Path) -> None:
    files = saved(field_rules(), tmp_path)
    assert {name: root.tag for name, root in files.items()} == {
        f"MA-{DIRECTORY_GUID}.xml": "saved-ma-configuration",
        f"MA-{SHAREPOINT_GUID}.xml": "saved-ma-configuration",
        "MV.xml": "saved-mv-configuration",
    }


def test_agents_are_told_apart_by_category_and_listname(tmp_path: Path) -> None:
    save(field_rules(), tmp_path, NOW)
    read = configuration.read(tmp_path)
    assert (read.sharepoint_agent.name, read.directory_agent.name) == ("SPMA", "ADMA")


def test_the_photo_flow_lists_its_sources_by_precedence(tmp_path: Path) -> None:
    root = saved(field_rules(), tmp_path)["MV.xml"]
    flows = root.find(".//import-flows[@mv-attribute='photo']")
    assert flows is not None
    assert flows.get("type") == "ranked"
    assert [flow.get("src-ma") for flow in flows] == [SHAREPOINT_GUID, DIRECTORY_GUID]


@pytest.mark.parametrize(("suppress", "text"), [(True, "true"), (False, "false")])
def test_the_photo_export_flow_says_whether_deletions_are_suppressed(
    suppress: bool, text: str, tmp_path: Path
) -> None:
    root = saved(field_rules(suppress_deletions=suppress), tmp_path)[f"MA-{DIRECTORY_GUID}.xml"]
    flow = root.find(".//export-flow[@cd-attribute='thumbnailPhoto']")
    assert flow is not None
    assert flow.get("suppress-deletions") == text


@pytest.mark.parametrize(("enabled", "kind"), [(True, "scripted"), (False, "none")])
def test_provisioning_is_scripted_or_none(enabled: bool, kind: str, tmp_path: Path) -> None:
    provisioning = saved(field_rules(provisioning=enabled), tmp_path)["MV.xml"].find(".//provisioning")
    assert provisioning is not None
    assert provisioning.get("type") == kind


def test_the_deletion_rule_names_its_agents(tmp_path: Path) -> None:
    rule = DeletionRule("declared-last", ("SPMA",))
    root = saved(field_rules(deletion_rule=rule), tmp_path)["MV.xml"].find(".//mv-deletion-rule")
    assert root is not None
    assert (root.get("type"), [agent.text for agent in root]) == ("declared-last", [SHAREPOINT_GUID])


def test_a_deletion_rule_by_code_names_nobody(tmp_path: Path) -> None:
    rule = DeletionRule("scripted", ("SPMA",))
    root = saved(field_rules(deletion_rule=rule), tmp_path)["MV.xml"].find(".//mv-deletion-rule")
    assert root is not None
    assert (root.get("type"), len(root)) == ("scripted", 0)


def test_flows_are_ranked_or_equal(tmp_path: Path) -> None:
    rules = replace(field_rules(), equal_precedence=frozenset({"photo"}))
    flows = saved(rules, tmp_path)["MV.xml"].findall(".//import-flows")
    assert {flow.get("mv-attribute") for flow in flows if flow.get("type") == "equal"} == {"photo"}


def test_the_partition_brings_users_and_waits_for_no_full_synchronisation(tmp_path: Path) -> None:
    save(field_rules(), tmp_path, NOW)
    (partition,) = configuration.read(tmp_path).directory_agent.selected_partitions
    assert (partition.object_types, partition.needs_full_synchronization) == ({"user"}, False)


def test_the_schema_says_what_is_only_exported(tmp_path: Path) -> None:
    save(imported_rules(), tmp_path, NOW)
    assert configuration.read(tmp_path).sharepoint_agent.export_only == {"Picture"}


def test_recall_is_an_option_per_agent(tmp_path: Path) -> None:
    options = saved(field_rules(recall=False), tmp_path)["MV.xml"].findall(".//ma-options")
    recall = {option.get("ma-id"): option.findtext("enable-recall") for option in options}
    assert recall == {DIRECTORY_GUID: "true", SHAREPOINT_GUID: "false"}


def test_the_older_direction_only_exports_pictures(tmp_path: Path) -> None:
    root = saved(imported_rules(), tmp_path)[f"MA-{SHAREPOINT_GUID}.xml"]
    assert (
        root.findtext(".//parameter[@name='Picture Flow Direction']") == "Export only (NEVER from SharePoint)"
    )


def test_a_threshold_stands_in_its_run_profile(tmp_path: Path) -> None:
    rules = field_rules().with_threshold("ADMA", "export", objects=10, deletions=3)
    root = saved(rules, tmp_path)[f"MA-{DIRECTORY_GUID}.xml"]
    thresholds = {
        profile.findtext("name"): [(limit.tag, limit.text) for limit in profile.iterfind(".//threshold/*")]
        for profile in root.iter("run-configuration")
    }
    assert thresholds["Export"] == [("object", "10"), ("batch-size", "100"), ("delete", "3")]
    assert thresholds["FullImport"] == [("batch-size", "100")]


@pytest.mark.parametrize(
    ("profile", "kind", "subtype"),
    [
        ("FullImport", "full-import", "to-cs"),
        ("DeltaSync", "apply-rules", "apply-pending"),
        ("FullSync", "apply-rules", "reevaluate-flow-connectors"),
        ("Export", "export", ""),
    ],
)
def test_run_profiles_have_the_step_types_of_the_field(
    profile: str, kind: str, subtype: str, tmp_path: Path
) -> None:
    root = saved(field_rules(), tmp_path)[f"MA-{SHAREPOINT_GUID}.xml"]
    (run,) = [run for run in root.iter("run-configuration") if run.findtext("name") == profile]
    (step,) = run.iter("step-type")
    assert (step.get("type"), "".join(child.text or "" for child in step)) == (kind, subtype)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="taken"):
        save(field_rules(), tmp_path / "taken", NOW)
