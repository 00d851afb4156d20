from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cases
import pytest
from saved_site import (
    DIRECTORY,
    OTHER_PARTITION,
    PARTITION,
    PEOPLE_SYSTEM,
    SHAREPOINT,
    STEPS,
    Site,
    other_flow,
)

from kit import configuration
from kit.lab import saved
from kit.lab.site import HAZARDS, OBSTACLES, field_rules, imported_rules
from kit.preflight import photos_at_risk

TITLES = {
    "direction": "the SharePoint agent never imports pictures",
    "direction unknown": "the configuration does not say that the SharePoint agent imports pictures",
    "schema": "the SharePoint agent's schema lets pictures out only",
    "selected": "the SharePoint agent does not read the picture",
    "directory selected": "the Active Directory agent does not read the photo",
    "import": "SharePoint's picture does not flow into the metaverse",
    "import code": "code makes the photo that flows into the metaverse",
    "precedence": "Active Directory's photo wins",
    "precedence of another": "another system's photo wins",
    "unranked": "SharePoint is not the only one to provide the photo, and is not ranked first",
    "export": "no photo flows to Active Directory",
    "export code": "code makes the photo that flows to Active Directory",
    "export elsewhere": "the photo flows to jpegPhoto as well",
    "empty": "an empty photo is exported to Active Directory",
    "recall": "photos leave the metaverse with the SharePoint connector space",
    "more": "Active Directory would lose more than photos",
    "deletion": "deleting the connector space deletes metaverse objects of type person",
    "last": "metaverse objects of type person can die with the connector space",
    "code": "code decides when metaverse objects of type person are deleted",
    "accounts": "Verzeichnis deletes accounts whose metaverse objects die",
    "accounts by code": "Verzeichnis may delete accounts whose metaverse objects die",
    "profiles": "Profile deletes profiles whose metaverse objects die",
    "provisioning": "provisioning is on",
    "both": "photos flow into SharePoint as well as out of it",
    "join": "no profile would find its person again",
    "join code": "code decides which person a profile belongs to",
    "lineage": "the last import wins for other attributes of SharePoint as well",
    "threshold": "Verzeichnis's Schreiben stops at no number of deletions",
    "wrong space": "the connector space of Verzeichnis must never be deleted",
}
WRONG_SPACE = {"wrong space": "note"}

Judge = Callable[[Site], dict[str, str]]


@pytest.fixture
def judged(tmp_path: Path) -> Judge:
    """Give the findings of a site: title to severity."""

    def judge(site: Site) -> dict[str, str]:
        findings = configuration.read(site.save(tmp_path / "saved")).findings()
        return dict(zip(findings["finding"], findings["severity"], strict=True))

    return judge


HEALTHY = Site()
RECALL = replace(HEALTHY, recall="<enable-recall>true</enable-recall>")
NULLS = replace(HEALTHY, suppress_deletions="false")
WIPING = replace(NULLS, recall=RECALL.recall, providers=((SHAREPOINT, "Picture"),))
ALONE = ((SHAREPOINT, "Picture"),)
ACCOUNTS = '<provisioning-cleanup type="declared"><action>delete-object</action>'
BY_CODE = '<provisioning-cleanup type="scripted">'
PHONE = (("thumbnailPhoto", "photo"), ("telephoneNumber", "phone"))


def test_nothing_grave_speaks_against_a_healthy_site(judged: Judge) -> None:
    assert judged(HEALTHY) == {TITLES["wrong space"]: "note"}


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        (replace(HEALTHY, direction="Export only (NEVER from SharePoint)"), {"direction": "stop"}),
        (replace(HEALTHY, direction=""), {"direction unknown": "warn"}),
        (replace(HEALTHY, schema='ms:export-only="true"'), {"schema": "stop"}),
        (replace(HEALTHY, schema='ms:allowedOperation="ExportOnly"'), {"schema": "stop"}),
        (replace(HEALTHY, selected=("UserName",)), {"selected": "stop"}),
        (replace(HEALTHY, directory_selected=("sAMAccountName",)), {"directory selected": "stop"}),
        (replace(HEALTHY, providers=((DIRECTORY, "thumbnailPhoto"),)), {"import": "stop"}),
        (replace(HEALTHY, providers=((SHAREPOINT, "WorkPhone"),)), {"import": "stop"}),
        (replace(HEALTHY, import_mapping="scripted-mapping"), {"import code": "warn"}),
        (replace(HEALTHY, import_mapping="sync-rule-mapping"), {}),
        (replace(HEALTHY, providers=HEALTHY.providers[::-1]), {"precedence": "stop"}),
        (
            replace(HEALTHY, providers=((PEOPLE_SYSTEM, "portrait"), *HEALTHY.providers)),
            {"precedence of another": "stop"},
        ),
        (replace(HEALTHY, precedence="equal"), {"unranked": "stop"}),
        (replace(HEALTHY, precedence="manual"), {"unranked": "warn"}),
        (replace(HEALTHY, providers=ALONE), {}),
        (replace(HEALTHY, exports=()), {"export": "stop"}),
        (replace(HEALTHY, exports=(("thumbnailPhoto", "otherPhoto"),)), {"export": "stop"}),
        (replace(HEALTHY, exports=(("jpegPhoto", "photo"),)), {"export": "stop"}),
        (replace(HEALTHY, exports=(*HEALTHY.exports, ("jpegPhoto", "photo"))), {"export elsewhere": "warn"}),
        (replace(HEALTHY, export_mapping="scripted-mapping"), {"export code": "warn"}),
        (NULLS, {"empty": "warn"}),
        (replace(NULLS, recall=RECALL.recall), {"empty": "stop", "recall": "warn"}),
        (WIPING, {"empty": "stop", "recall": "stop"}),
        (replace(NULLS, recall=RECALL.recall, import_mapping="scripted-mapping"),
         {"empty": "stop", "recall": "stop", "import code": "warn"}),
        (RECALL, {"recall": "warn"}),
        (replace(RECALL, providers=ALONE), {"recall": "warn"}),
        (replace(HEALTHY, recall=""), {"recall": "warn"}),
        (
            replace(WIPING, exports=PHONE, other_flows=other_flow("phone")),
            {"empty": "stop", "recall": "stop", "more": "stop"},
        ),
        (replace(RECALL, exports=PHONE, other_flows=other_flow("phone")), {"recall": "warn"}),
        (replace(NULLS, exports=PHONE, other_flows=other_flow("phone")), {"empty": "warn"}),
        (replace(HEALTHY, other_flows=other_flow("phone", "equal")), {"lineage": "note"}),
        (replace(HEALTHY, provisioning="scripted"), {"provisioning": "note"}),
        (replace(HEALTHY, provisioning="sync-rule"), {"provisioning": "warn"}),
        (replace(HEALTHY, sharepoint_exports=(("Picture", "photo"),)), {"both": "stop"}),
        (replace(HEALTHY, join=""), {"join": "stop"}),
        (replace(HEALTHY, joined_type="group"), {"join": "stop"}),
        (replace(HEALTHY, join="scripted-mapping"), {"join code": "warn"}),
        (replace(HEALTHY, cleanup=ACCOUNTS), {"accounts": "warn"}),
        (replace(HEALTHY, cleanup=BY_CODE), {"accounts by code": "warn"}),
        (replace(HEALTHY, sharepoint_cleanup=ACCOUNTS), {"profiles": "note"}),
        (replace(HEALTHY, threshold=""), {"threshold": "note"}),
    ],
)  # fmt: skip
def test_each_setting_gives_its_findings_and_no_other(
    judged: Judge, site: Site, expected: dict[str, str]
) -> None:
    assert judged(site) == {TITLES[name]: severity for name, severity in (expected | WRONG_SPACE).items()}


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        (replace(HEALTHY, deleting=(DIRECTORY, SHAREPOINT)), {"deletion": "stop", "wrong space": "note"}),
        (replace(HEALTHY, deleting=(SHAREPOINT,)), {"deletion": "stop"}),
        (replace(HEALTHY, deletion="declared-last", deleting=()), {"last": "warn"}),
        (replace(HEALTHY, deletion="declared-last", deleting=(SHAREPOINT,)), {}),
        (replace(HEALTHY, deletion="declared-last", deleting=(DIRECTORY,)), {"deletion": "stop"}),
        (replace(HEALTHY, deletion="scripted", deleting=()), {"code": "warn"}),
        (
            replace(HEALTHY, deletion="scripted", deleting=(), cleanup=ACCOUNTS),
            {"code": "stop", "accounts": "warn"},
        ),
        (
            replace(NULLS, deletion="scripted", deleting=(), providers=ALONE),
            {"code": "stop", "empty": "warn"},
        ),
    ],
)
def test_each_deletion_rule_is_judged_by_whom_it_leaves(
    judged: Judge, site: Site, expected: dict[str, str]
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
def test_each_missing_run_profile_stops_on_both_agents(judged: Judge, missing: str, kind: str) -> None:
    found = judged(replace(HEALTHY, steps=tuple(name for name in STEPS if name != missing)))
    assert {title for title, severity in found.items() if severity == "stop"} == {
        f"{agent} has no run profile for {kind} alone" for agent in ("Profile", "Verzeichnis")
    }


@pytest.mark.parametrize(
    ("site", "title", "severity"),
    [
        (replace(HEALTHY, imported_types=("group",)), "no selected partition of {} brings users", "stop"),
        (
            replace(HEALTHY, stepped=OTHER_PARTITION),
            "{}'s Voll has a step for a partition that is not selected",
            "stop",
        ),
        (
            replace(HEALTHY, partitions=(PARTITION, OTHER_PARTITION)),
            "{}'s Delta leaves out a partition",
            "warn",
        ),
        (
            replace(HEALTHY, operations="28"),
            "rules of {} were changed and not yet applied to everybody",
            "warn",
        ),
        (replace(HEALTHY, threshold="<object>10</object>"), "{}'s VollSync ends after 10 objects", "warn"),
        (replace(HEALTHY, threshold="<object>10</object>"), "{}'s Schreiben ends after 10 objects", "note"),
    ],
)
def test_partitions_and_thresholds_are_judged_on_both_agents(
    judged: Judge, site: Site, title: str, severity: str
) -> None:
    found = judged(site)
    assert [found.get(title.format(agent)) for agent in ("Profile", "Verzeichnis")] == [severity] * 2


def test_a_run_profile_that_exports_unseen_is_told(tmp_path: Path) -> None:
    file = HEALTHY.save(tmp_path) / "second.XML"
    both = f"{STEPS['VollSync']}</step><step>{STEPS['Schreiben']}"
    file.write_text(file.read_text().replace(STEPS["VollSync"], both))
    findings = configuration.read(tmp_path).findings().set_index("finding")
    assert findings["severity"]["Verzeichnis's VollSync exports what nobody has looked at"] == "warn"


def test_findings_name_file_and_element_and_come_gravest_first(tmp_path: Path) -> None:
    site = replace(
        HEALTHY, provisioning="scripted", suppress_deletions="false", selected=(), deleting=(PEOPLE_SYSTEM,)
    )
    findings = configuration.read(site.save(tmp_path)).findings()
    assert list(findings["severity"]) == ["stop", "warn", "note"]
    assert list(findings["evidence"]) == [
        "first.xml: attribute-inclusion has no attribute Picture",
        "second.XML: export-flow of thumbnailPhoto has suppress-deletions false",
        "MV.xml: provisioning[@type='scripted']",
    ]
    assert (findings[["consequence", "remedy"]] != "").all(axis=None)


def test_the_wrong_target_is_named(tmp_path: Path) -> None:
    findings = configuration.read(
        replace(HEALTHY, exports=(("jpegPhoto", "photo"),)).save(tmp_path)
    ).findings()
    assert findings["evidence"][0].endswith(
        "no export-flow from photo to thumbnailPhoto, but one to jpegPhoto"
    )


def test_findings_keep_their_columns_and_types_when_there_are_none(tmp_path: Path) -> None:
    some = configuration.read(NULLS.save(tmp_path / "some")).findings()
    none = configuration.read(replace(HEALTHY, deleting=()).save(tmp_path / "none")).findings()
    assert len(none) == 0
    assert none.dtypes.to_dict() == some.dtypes.to_dict()


def test_missing_agent_is_the_only_finding(tmp_path: Path) -> None:
    (HEALTHY.save(tmp_path) / "first.xml").unlink()
    findings = configuration.read(tmp_path).findings()
    assert findings[["severity", "finding"]].to_numpy().tolist() == [
        ["stop", "there is no SharePoint management agent"]
    ]


# How many photos


def crowd():
    return cases.people(
        {"account": "anna", "directory_sha256": "a", "sharepoint_sha256": "b"},
        {"account": "berta", "sharepoint_sha256": "b"},
        {"account": "carl", "directory_sha256": "c"},
        {"account": "dora", "directory_sha256": "d", "in_sharepoint": False, "joined": False},
        {"account": "emil", "directory_sha256": "e", "sharepoint_sha256": "f", "joined": False},
        {
            "account": "fred",
            "directory_sha256": "f",
            "sharepoint_sha256": "g",
            "in_directory_connector_space": False,
        },
    )


@pytest.mark.parametrize(
    ("site", "lost"),
    [
        (HEALTHY, 0),
        (NULLS, 0),
        (WIPING, 4),
        (replace(WIPING, recall=HEALTHY.recall), 3),
        (replace(WIPING, providers=HEALTHY.providers), 0),
        (replace(WIPING, providers=HEALTHY.providers, precedence="manual"), 4),
        (replace(WIPING, suppress_deletions="true"), 0),
        (replace(WIPING, exports=(("jpegPhoto", "photo"),)), 0),
        (replace(WIPING, recall=HEALTHY.recall, deleting=(SHAREPOINT,)), 4),
        (replace(HEALTHY, deleting=(SHAREPOINT,), cleanup=ACCOUNTS), 2),
        (replace(HEALTHY, deletion="declared-last", cleanup=ACCOUNTS), 2),
        (replace(HEALTHY, deletion="scripted", cleanup=ACCOUNTS), 2),
    ],
)
def test_photos_at_risk_are_counted_from_settings_and_people(tmp_path: Path, site: Site, lost: int) -> None:
    assert photos_at_risk(configuration.read(site.save(tmp_path)), crowd()) == lost


def test_the_number_of_photos_stands_in_the_consequence(tmp_path: Path) -> None:
    findings = configuration.read(WIPING.save(tmp_path)).findings(crowd())
    consequence = findings.set_index("finding")["consequence"][TITLES["empty"]]
    assert consequence.endswith("; an AD export now would remove 4 photos")


def test_without_recall_the_fix_still_stops_where_somebody_would_lose_the_photo(tmp_path: Path) -> None:
    read = configuration.read(replace(WIPING, recall=HEALTHY.recall).save(tmp_path))
    severity = [set(found["severity"]) for found in (read.findings(), read.findings(crowd()))]
    assert ["stop" in one for one in severity] == [False, True]


# The practice farm


def findings_of(make, folder, people=None):
    saved.save(make(), folder, datetime(2024, 1, 1, tzinfo=UTC))
    return configuration.read(folder).findings(people)


def test_practice_farm_after_the_flow_was_turned_round_has_nothing_to_stop_for(tmp_path: Path) -> None:
    assert set(findings_of(field_rules, tmp_path, crowd())["severity"]) == {"note"}


def test_practice_farm_before_the_flow_was_turned_round_is_refused(tmp_path: Path) -> None:
    findings = findings_of(imported_rules, tmp_path)
    stops = set(findings.loc[findings["severity"] == "stop", "finding"])
    assert stops == {TITLES["direction"], TITLES["schema"], TITLES["import"], TITLES["export"]}


@pytest.mark.parametrize("name", HAZARDS)
def test_each_hazardous_configuration_is_stopped_with_the_number_of_photos(name: str, tmp_path: Path) -> None:
    findings = findings_of(HAZARDS[name], tmp_path, crowd())
    stops = findings[findings["severity"] == "stop"]
    assert stops["consequence"].str.contains(r"an AD export now would remove [1-4] photos?$").any()


@pytest.mark.parametrize("name", OBSTACLES)
def test_each_configuration_that_would_change_nothing_is_stopped(name: str, tmp_path: Path) -> None:
    assert findings_of(OBSTACLES[name], tmp_path)["severity"][0] == "stop"
