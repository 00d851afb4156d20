"""What was seen of the people whom a cause explains, in numbers and without names."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from kit import diagnosis, exhibits
from kit.causes import ALL
from kit.errors import NotFoundError
from tests.observations import OVERLOOKED, ago, configuration, observe, run

CAUSES = {cause.name: cause for cause in ALL}
SECRETS = {
    "account": "contoso\\zaphod",
    "profile_account": "i:0#.w|contoso\\zaphod",
    "display_name": "Zaphod",
    "mail": "zaphod@x",
    "work_email": "zaphod@x",
    "distinguished_name": "CN=zaphod",
    "picture_url": "https://my/zaphod_MThumb.jpg",
    "sharepoint_object": "zaphod",
    "sharepoint_object_account": "other\\zaphod",
    "error": "https://my/zaphod_MThumb.jpg gave HTTP 403",
    "detail": "zaphod",
    "profile_of": "contoso\\zaphod",
    "site_copy": "https://my/zaphod_MThumb.jpg?t=1",
    "search_picture": "https://my/zaphod.jpg",
    "metaverse_guid": "{ZAPHOD}",
}


def test_the_case_says_what_was_seen_of_how_many(tmp_path: Path) -> None:
    people = [OVERLOOKED | {"picture_timestamp": ago(days)} for days in (2, 5)]
    observation = observe(*people, {}, configuration=configuration(tmp_path))
    (finding,) = diagnosis.met(diagnosis.diagnose(observation)).to_dict("records")

    assert finding["evidence"] == (
        "SharePoint connector space holds an old picture: 2 of 2; no picture waits for import: 2 of 2; "
        "a thumbnail's address, the same after every upload: 2 of 2; "
        "uploaded: 2026-05-15 12:00 to 2026-05-18 12:00 UTC; "
        "a full import since the upload: 2 of 2; no delta import since the upload: 2 of 2; "
        "photos flow from SharePoint to Active Directory"
    )


def test_what_is_seen_of_few_is_counted_together() -> None:
    states = [
        OVERLOOKED | {"sharepoint_connector_space": state} for state in ("old", "old", "none", "absent")
    ]
    cause = CAUSES["missed_by_delta_import"]

    told = exhibits.told(cause, observe(*states), pd.Series([True] * 4))
    assert told.startswith("SharePoint connector space holds an old picture: 2 of 4; ")
    assert "; otherwise: 1 of 4; " in told


def test_evidence_names_nobody_and_stays_short() -> None:
    observation = observe(
        SECRETS,
        OVERLOOKED | SECRETS | {"error": "zaphod"},
        SECRETS | {"picture_timestamp": None},
        history=[run("SPMA", "FullImport", 1)],
        clock_errors={"sharepoint": timedelta(seconds=3)},
    )
    told = {cause.name: exhibits.told(cause, observation, pd.Series([True] * 3)) for cause in ALL}

    assert [name for name, text in told.items() if "zaphod" in text.casefold()] == []
    assert [name for name, text in told.items() if len(text) > 700] == []


def test_evidence_about_nobody_is_no_trouble() -> None:
    nobody = observe()

    assert not any("0 of 0" in exhibits.told(cause, nobody, pd.Series([], dtype="bool")) for cause in ALL)


def test_an_obstacle_in_the_configuration_is_named(tmp_path: Path) -> None:
    barred = configuration(tmp_path, exports=())
    found = diagnosis.diagnose(observe({}, configuration=barred))
    told = found.findings.set_index("cause")["evidence"]

    assert told["no_export_flow"] == "second.XML: no export-flow to thumbnailPhoto"


@pytest.mark.parametrize("whom", ["overlooked_by_full_import", "guid-1", "CONTOSO\\p1"])
def test_the_evidence_can_be_had_person_by_person(tmp_path: Path, whom: str) -> None:
    observation = observe({}, OVERLOOKED, configuration=configuration(tmp_path))
    shown = diagnosis.evidence(diagnosis.diagnose(observation), observation, whom)

    (row,) = shown.to_dict("records")
    assert (row["account"], row["cause"], row["sharepoint_connector_space"]) == (
        "contoso\\p1",
        "overlooked_by_full_import",
        "old",
    )


def test_a_person_without_a_cause_has_no_evidence_and_a_cause_of_nobody_no_people() -> None:
    observation = observe({})
    found = diagnosis.diagnose(observation)

    assert diagnosis.evidence(found, observation, "guid-0")["cause"].tolist() == [""]
    assert diagnosis.evidence(found, observation, "throttled").columns[-2:].tolist() == [
        "picture_url",
        "error",
    ]


def test_evidence_about_something_unknown_is_refused() -> None:
    observation = observe({})

    with pytest.raises(NotFoundError, match="gremlins"):
        diagnosis.evidence(diagnosis.diagnose(observation), observation, "gremlins")
