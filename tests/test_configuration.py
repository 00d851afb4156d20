from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kit import configuration
from kit.errors import CaseError, NotFoundError
from kit.lab import saved
from kit.lab.rules import DeletionRule
from kit.lab.site import field_rules, imported_rules

SHAREPOINT = "{B7E2CB7A-53E4-40E3-B7FB-DEA880F16212}"
DIRECTORY = "{2F3B7C61-0D0E-4C0B-9C43-5F0A6C1D8E27}"
STEPS = {
    "Voll": '<step-type type="full-import"><import-subtype>to-cs</import-subtype></step-type>',
    "Delta": '<step-type type="delta-import"><import-subtype>to-cs</import-subtype></step-type>',
    "VollSync": '<step-type type="apply-rules"><apply-rules-subtype>reevaluate-flow-connectors'
    "</apply-rules-subtype></step-type>",
    "DeltaSync": '<step-type type="apply-rules"><apply-rules-subtype>apply-pending'
    "</apply-rules-subtype></step-type>",
    "Schreiben": '<step-type type="export"/>',
}
TITLES = {
    "direction": "the SharePoint agent never imports pictures",
    "selected": "the SharePoint agent does not read the picture",
    "import": "SharePoint's picture does not flow into the metaverse",
    "precedence": "Active Directory's photo wins over SharePoint's",
    "equal": "Active Directory and SharePoint both provide the photo",
    "export": "no photo flows to Active Directory",
    "empty": "an empty photo is exported to Active Directory",
    "recall": "photos leave the metaverse with the SharePoint connector space",
    "deletion": "deleting the connector space can delete metaverse objects of type person",
    "code": "code decides when metaverse objects of type person are deleted",
    "provisioning": "provisioning is on",
    "both": "photos flow into SharePoint as well as out of it",
    "threshold": "Verzeichnis's Schreiben stops at no number of deletions",
}


@dataclass(frozen=True)
class Site:
    """A site's settings; the defaults are those that nothing speaks against."""

    direction: str = "Import only (ALWAYS from SharePoint)"
    selected: tuple[str, ...] = ("UserName", "Picture")
    providers: tuple[tuple[str, str], ...] = ((SHAREPOINT, "Picture"), (DIRECTORY, "thumbnailPhoto"))
    precedence: str = "ranked"
    exports: tuple[tuple[str, str], ...] = (("thumbnailPhoto", "photo"),)
    suppress_deletions: str = "true"
    recall: str = "<enable-recall>false</enable-recall>"
    deletion: str = "declared-any"
    deleting: tuple[str, ...] = (DIRECTORY,)
    provisioning: str = "none"
    sharepoint_exports: tuple[tuple[str, str], ...] = (("WorkEmail", "mail"),)
    steps: tuple[str, ...] = tuple(STEPS)
    threshold: str = "<delete>10</delete>"
    date: str = "2024-05-06 07:08:09.000"

    def save(self, folder: Path) -> Path:
        """Write the site's three files, none of them named as miisclient.exe would."""
        folder.mkdir(exist_ok=True)
        (folder / "first.xml").write_text(self._sharepoint(), encoding="utf-8")
        (folder / "second.XML").write_text(self._directory(), encoding="utf-8")
        (folder / "MV.xml").write_text(self._metaverse(), encoding="utf-8")
        return folder

    def _agent(self, identity: str, inner: str) -> str:
        runs = "".join(
            f"<run-configuration><name>{name}</name><configuration><step>{STEPS[name]}<threshold>"
            f"<batch-size>50</batch-size>{self.threshold}</threshold></step></configuration></run-configuration>"
            for name in self.steps
        )
        return (
            f'<saved-ma-configuration export-date="{self.date}"><ma-data>{identity}{inner}'
            f"<ma-run-data>{runs}</ma-run-data></ma-data></saved-ma-configuration>"
        )

    def _sharepoint(self) -> str:
        identity = (
            f"<id>{SHAREPOINT.lower()}</id><name>Profile</name><category>Extensible2</category>"
            "<subtype>SharePoint Profile Store</subtype><ma-listname>SharePoint Profile Store</ma-listname>"
        )
        chosen = "".join(f"<attribute>{name}</attribute>" for name in self.selected)
        parameters = (
            f'<parameter name="Picture Flow Direction" type="drop-down">{self.direction}</parameter>'
            '<parameter name="Password" type="encrypted-string">c2VjcmV0</parameter>'
        )
        return self._agent(
            identity,
            f"<attribute-inclusion>{chosen}</attribute-inclusion>{_export_flows(self.sharepoint_exports)}"
            f"<private-configuration><MAConfig><parameter-values>{parameters}</parameter-values></MAConfig>"
            "</private-configuration>",
        )

    def _directory(self) -> str:
        identity = f"<id>{DIRECTORY}</id><name>Verzeichnis</name><category>AD</category><ma-listname/>"
        return self._agent(identity, _export_flows(self.exports, self.suppress_deletions))

    def _metaverse(self) -> str:
        flows = "".join(
            f'<import-flow src-ma="{agent}" cd-object-type="user"><direct-mapping>'
            f"<src-attribute>{source}</src-attribute></direct-mapping></import-flow>"
            for agent, source in self.providers
        )
        agents = "".join(f"<src-ma>{guid}</src-ma>" for guid in self.deleting)
        return (
            f'<saved-mv-configuration export-date="{self.date}"><mv-data><import-attribute-flow>'
            '<import-flow-set mv-object-type="person">'
            f'<import-flows mv-attribute="photo" type="{self.precedence}">{flows}'
            "</import-flows></import-flow-set><per-ma-options>"
            f'<ma-options ma-id="{SHAREPOINT}">{self.recall}</ma-options></per-ma-options>'
            f'</import-attribute-flow><provisioning type="{self.provisioning}"/><mv-deletion>'
            f'<mv-deletion-rule mv-object-type="person" type="{self.deletion}">{agents}</mv-deletion-rule>'
            "</mv-deletion></mv-data></saved-mv-configuration>"
        )


def _export_flows(flows: tuple[tuple[str, str], ...], suppress_deletions: str = "true") -> str:
    inner = "".join(
        f'<export-flow cd-attribute="{attribute}" suppress-deletions="{suppress_deletions}"><direct-mapping>'
        f"<src-attribute>{source}</src-attribute></direct-mapping></export-flow>"
        for attribute, source in flows
    )
    return f"<export-attribute-flow><export-flow-set>{inner}</export-flow-set></export-attribute-flow>"


@pytest.fixture
def judged(tmp_path: Path) -> Callable[[Site], dict[str, str]]:
    """Give the findings of a site: title to severity."""

    def judge(site: Site) -> dict[str, str]:
        findings = configuration.read(site.save(tmp_path / "saved")).findings()
        return dict(zip(findings["finding"], findings["severity"], strict=True))

    return judge


HEALTHY = Site()
RECALL = replace(HEALTHY, recall="<enable-recall>true</enable-recall>")
NULLS = replace(HEALTHY, suppress_deletions="false")
ALONE = ((SHAREPOINT, "Picture"),)


def test_nothing_speaks_against_a_healthy_site(judged: Callable[[Site], dict[str, str]]) -> None:
    assert judged(HEALTHY) == {}


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        (replace(HEALTHY, direction="Export only (NEVER from SharePoint)"), {"direction": "stop"}),
        (replace(HEALTHY, selected=("UserName",)), {"selected": "stop"}),
        (replace(HEALTHY, providers=((DIRECTORY, "thumbnailPhoto"),)), {"import": "stop"}),
        (replace(HEALTHY, providers=((SHAREPOINT, "WorkPhone"),)), {"import": "stop"}),
        (replace(HEALTHY, providers=HEALTHY.providers[::-1]), {"precedence": "stop"}),
        (replace(HEALTHY, precedence="equal"), {"equal": "warn"}),
        (replace(HEALTHY, providers=ALONE), {}),
        (replace(HEALTHY, exports=()), {"export": "stop"}),
        (replace(HEALTHY, exports=(("thumbnailPhoto", "otherPhoto"),)), {"export": "stop"}),
        (replace(HEALTHY, exports=(("jpegPhoto", "photo"),)), {"export": "stop"}),
        (NULLS, {"empty": "warn"}),
        (replace(NULLS, recall=RECALL.recall), {"empty": "stop", "recall": "warn"}),
        (replace(NULLS, recall=RECALL.recall, providers=ALONE), {"empty": "stop", "recall": "stop"}),
        (RECALL, {"recall": "warn"}),
        (replace(RECALL, providers=ALONE), {"recall": "warn"}),
        (replace(HEALTHY, recall=""), {"recall": "warn"}),
        (replace(HEALTHY, deleting=(DIRECTORY, SHAREPOINT)), {"deletion": "stop"}),
        (replace(HEALTHY, deletion="declared-last", deleting=()), {"deletion": "stop"}),
        (replace(HEALTHY, deletion="scripted", deleting=()), {"code": "warn"}),
        (replace(HEALTHY, provisioning="scripted"), {"provisioning": "note"}),
        (replace(HEALTHY, sharepoint_exports=(("Picture", "photo"),)), {"both": "stop"}),
        (replace(HEALTHY, threshold=""), {"threshold": "note"}),
    ],
)
def test_each_setting_gives_its_findings_and_no_other(
    judged: Callable[[Site], dict[str, str]], site: Site, expected: dict[str, str]
) -> None:
    assert judged(site) == {TITLES[name]: severity for name, severity in expected.items()}


@pytest.mark.parametrize(
    ("missing", "kind"),
    [
        ("Voll", "full import"),
        ("Delta", "delta import"),
        ("VollSync", "full synchronization"),
        ("DeltaSync", "delta synchronization"),
        ("Schreiben", "export"),
    ],
)
def test_each_missing_run_profile_stops_on_both_agents(
    judged: Callable[[Site], dict[str, str]], missing: str, kind: str
) -> None:
    site = replace(HEALTHY, steps=tuple(name for name in STEPS if name != missing))
    assert judged(site) == {
        f"{agent} has no run profile for {kind} alone": "stop" for agent in ("Profile", "Verzeichnis")
    }


def test_findings_name_file_and_element_and_come_gravest_first(tmp_path: Path) -> None:
    site = replace(HEALTHY, provisioning="scripted", suppress_deletions="false", selected=())
    findings = configuration.read(site.save(tmp_path)).findings()
    assert list(findings["severity"]) == ["stop", "warn", "note"]
    assert list(findings["evidence"]) == [
        "first.xml: attribute-inclusion has no attribute Picture",
        "second.XML: export-flow of thumbnailPhoto has suppress-deletions false",
        "MV.xml: provisioning[@type='scripted']",
    ]
    assert (findings[["consequence", "remedy"]] != "").all(axis=None)


def test_findings_keep_their_columns_and_types_when_there_are_none(tmp_path: Path) -> None:
    some = configuration.read(NULLS.save(tmp_path / "some")).findings()
    none = configuration.read(HEALTHY.save(tmp_path / "none")).findings()
    assert len(none) == 0
    assert none.dtypes.to_dict() == some.dtypes.to_dict()


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
    replace(NULLS, date="2024-05-07 00:00:00.000").save(tmp_path / "a newer one")
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


def test_practice_farm_after_the_flow_was_turned_round_has_nothing_to_stop_for(tmp_path: Path) -> None:
    saved.save(field_rules(), tmp_path, datetime(2024, 1, 1, tzinfo=UTC))
    assert "stop" not in set(configuration.read(tmp_path).findings()["severity"])


def test_practice_farm_before_the_flow_was_turned_round_is_refused(tmp_path: Path) -> None:
    saved.save(imported_rules(), tmp_path, datetime(2024, 1, 1, tzinfo=UTC))
    findings = configuration.read(tmp_path).findings()
    stops = set(findings.loc[findings["severity"] == "stop", "finding"])
    assert stops == {TITLES["direction"], TITLES["import"], TITLES["export"]}


def test_practice_farm_with_every_hazard_shows_each_of_them(tmp_path: Path) -> None:
    rules = field_rules(
        directory_second=False,
        suppress_deletions=False,
        recall=True,
        deletion_rule=DeletionRule("declared-any", ("SPMA",)),
    )
    saved.save(rules, tmp_path, datetime(2024, 1, 1, tzinfo=UTC))
    findings = configuration.read(tmp_path).findings()
    stops = set(findings.loc[findings["severity"] == "stop", "finding"])
    assert stops == {TITLES["empty"], TITLES["recall"], TITLES["deletion"]}
