from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from saved_site import DIRECTORY, SHAREPOINT, STEPS, Site

from kit import configuration
from kit.agents import JoinRule
from kit.errors import CaseError, NotFoundError

HEALTHY = Site()
EXPORTED = Path(__file__).with_name("saved_configuration")


def test_configuration_tells_who_is_who_and_when_it_was_saved(tmp_path: Path) -> None:
    read = configuration.read(replace(HEALTHY, provisioning="both").save(tmp_path))
    assert (read.sharepoint_agent.name, read.sharepoint_agent.guid) == ("Profile", SHAREPOINT)
    assert (read.directory_agent.name, read.directory_agent.category) == ("Verzeichnis", "AD")
    assert [profile.name for profile in read.sharepoint_agent.run_profiles] == list(STEPS)
    assert read.provisioning_enabled
    assert read.exported_at == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def test_encrypted_parameters_are_not_kept(tmp_path: Path) -> None:
    assert "Password" not in configuration.read(HEALTHY.save(tmp_path)).sharepoint_agent.parameters


def test_newest_of_several_sets_is_taken(tmp_path: Path) -> None:
    replace(HEALTHY, suppress_deletions="false", date="2024-05-07 00:00:00.000").save(
        tmp_path / "a newer one"
    )
    replace(HEALTHY, date="2024-05-06 00:00:00.000").save(tmp_path / "the older one")
    read = configuration.read(tmp_path)
    assert read.exported_at.day == 7
    assert read.metaverse_file.parent.name == "a newer one"


def test_without_an_export_date_the_files_own_time_counts(tmp_path: Path) -> None:
    for file in replace(HEALTHY, date="?").save(tmp_path).iterdir():
        os.utime(file, (1_700_000_000, 1_700_000_000))
    assert configuration.read(tmp_path).exported_at == datetime.fromtimestamp(1_700_000_000, UTC)


def test_other_xml_in_the_folder_is_left_out(tmp_path: Path) -> None:
    HEALTHY.save(tmp_path)
    (tmp_path / "pending.xml").write_text("<cs-objects/>")
    assert len(configuration.read(tmp_path).agents) == 2


def test_missing_agent_is_the_only_finding(tmp_path: Path) -> None:
    (HEALTHY.save(tmp_path) / "first.xml").unlink()
    findings = configuration.read(tmp_path).findings()
    assert findings[["severity", "finding"]].to_numpy().tolist() == [
        ["stop", "there is no SharePoint management agent"]
    ]


def test_of_several_directories_the_one_that_exports_photos_is_meant(tmp_path: Path) -> None:
    text = (HEALTHY.save(tmp_path) / "second.XML").read_text()
    other = text.replace(DIRECTORY, "{00000000-0000-0000-0000-000000000001}").replace("Verzeichnis", "Other")
    (tmp_path / "third.xml").write_text(other.replace("thumbnailPhoto", "mail"))
    assert configuration.read(tmp_path).directory_agent.name == "Verzeichnis"
    (tmp_path / "third.xml").write_text(other)
    with pytest.raises(CaseError, match="there are 2 Active Directory management agents: Verzeichnis, Other"):
        assert configuration.read(tmp_path).directory_agent


def test_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere cannot be read: it does not exist"):
        configuration.read(tmp_path / "nowhere")


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "MV.xml"
    file.touch()
    with pytest.raises(CaseError, match=r"MV\.xml cannot be read"):
        configuration.read(file)


@pytest.mark.parametrize("left", ["MV.xml", "first.xml", "none of them"])
def test_incomplete_folder_is_refused(tmp_path: Path, left: str) -> None:
    for file in HEALTHY.save(tmp_path).iterdir():
        if file.name != left:
            file.unlink()
    with pytest.raises(NotFoundError, match="no saved MIM configuration"):
        configuration.read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<saved-mv-configuration>",
        '<!DOCTYPE x [<!ENTITY a "b">]><saved-mv-configuration>&a;</saved-mv-configuration>',
    ],
)
def test_broken_or_hostile_xml_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    (HEALTHY.save(tmp_path) / "MV.xml").write_text(text)
    with pytest.raises(CaseError, match=r"MV\.xml is not a saved configuration"):
        configuration.read(tmp_path)


# A configuration in the structure that the service exports


@pytest.fixture
def exported() -> configuration.Configuration:
    """Return a configuration as Export Server Configuration writes it, of a site with two AD partitions."""
    return configuration.read(EXPORTED)


def test_agents_are_known_by_category_and_list_name(exported: configuration.Configuration) -> None:
    assert (exported.sharepoint_agent.name, exported.directory_agent.name) == ("Profiles", "Corp directory")


def test_join_rules_are_read(exported: configuration.Configuration) -> None:
    assert exported.sharepoint_agent.joins == (
        JoinRule("user", ("UserName",), "accountName", scripted=False),
    )
    assert [rule.scripted for rule in exported.directory_agent.joins] == [True]


def test_projection_is_read(exported: configuration.Configuration) -> None:
    assert (exported.sharepoint_agent.projects, exported.directory_agent.projects) == (False, True)


def test_deprovisioning_is_read(exported: configuration.Configuration) -> None:
    assert exported.sharepoint_agent.deprovisioning == "delete-object"
    assert exported.directory_agent.deprovisioning == "make-normal-disconnector"


def test_the_schema_tells_what_is_never_imported(exported: configuration.Configuration) -> None:
    assert exported.sharepoint_agent.export_only == {"PreferredName"}


def test_partitions_are_read_with_their_object_types(exported: configuration.Configuration) -> None:
    partitions = exported.directory_agent.partitions
    assert [(one.name, sorted(one.object_types)) for one in partitions] == [
        ("CN=Configuration,DC=contoso,DC=example", ["crossRef"]),
        ("DC=contoso,DC=example", ["group", "user"]),
    ]


def test_a_run_profile_has_one_step_per_partition(exported: configuration.Configuration) -> None:
    (profile,) = (one for one in exported.directory_agent.run_profiles if one.name == "Export")
    guids = [partition.guid for partition in exported.directory_agent.selected_partitions]
    assert [(step.kind, step.partition, step.delete_limit) for step in profile.steps] == [
        ("export", guid, 25) for guid in guids
    ]


def test_flows_of_other_object_types_are_told_apart(exported: configuration.Configuration) -> None:
    names = [flow.object_type for flow in exported.import_flows if flow.attribute == "accountName"]
    assert names == ["group", "person"]


def test_an_exported_configuration_is_judged(exported: configuration.Configuration) -> None:
    findings = exported.findings()
    assert findings.loc[findings["severity"] != "note", "finding"].to_list() == [
        "photos leave the metaverse with the SharePoint connector space",
        "rules of Profiles were changed and not yet applied to everybody",
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    for file in EXPORTED.iterdir():
        text = file.read_text("utf-8").replace("utf-8", encoding.removesuffix("-sig"))
        (tmp_path / file.name).write_text(text, encoding)
    assert configuration.read(tmp_path).sharepoint_agent.name == "Profiles"


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ('<step-type type="full-import"/>', "full import and delta synchronization"),
        ('<step-type type="full-import-reevaluate-rules"/>', "full import and full synchronization"),
        (
            '<step-type type="export"><export-subtype>to-file</export-subtype></step-type>',
            "export to file only",
        ),
        (
            (
                '<step-type type="export"><export-subtype>to-file</export-subtype>'
                "<export-subtype>resume-from-file</export-subtype></step-type>"
            ),
            "export",
        ),
        (
            (
                '<step-type type="apply-rules"><apply-rules-subtype>reevaluate-join-flow-all'
                "</apply-rules-subtype></step-type>"
            ),
            "apply-rules reevaluate-join-flow-all",
        ),
    ],
)
def test_steps_that_do_more_or_less_than_one_thing_are_told_apart(
    tmp_path: Path, step: str, kind: str
) -> None:
    file = HEALTHY.save(tmp_path) / "first.xml"
    file.write_text(file.read_text().replace(STEPS["Voll"], step))
    profile = configuration.read(tmp_path).sharepoint_agent.run_profiles[0]
    assert [one.kind for one in profile.steps] == [kind]
