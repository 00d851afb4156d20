"""Everything known of each person in one row, and which runs are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kit import observation, replication, schema, sources
from kit.observation import OBSERVED
from tests.cases import case
from tests.observations import ago, observe, run


def hops(**row: Any) -> pd.DataFrame:
    """Return the trace of one person."""
    return schema.conform(pd.DataFrame([{"person": "guid-1", "traced": True, **row}]), schema.TRACE)


def test_hops_of_people_who_were_not_followed_are_unknown() -> None:
    people = schema.conform(observe({}, {}).people, schema.PEOPLE)
    rows = observation.assemble(people, hops(sharepoint_connector_space="old", stopped_at=""))

    assert rows["sharepoint_connector_space"].tolist() == ["unknown", "old"]
    assert rows["stopped_at"].tolist() == ["unknown", ""]
    assert rows.dtypes.astype(str).to_dict() == OBSERVED


def test_a_join_that_the_inventory_saw_stays_where_nobody_traced_it() -> None:
    people = schema.conform(observe({"joined": True}, {"joined": True}).people, schema.PEOPLE)

    assert observation.assemble(people, hops(joined=False))["joined"].tolist() == [True, False]


def test_last_writes_and_looks_come_to_their_person() -> None:
    people = schema.conform(observe({}, {}).people, schema.PEOPLE)
    written = pd.DataFrame(
        [{"person": "guid-1", "writer": "another_writer", "version": 4, "changed_at": ago(1)}]
    )
    looked = schema.conform(pd.DataFrame([{"person": "guid-0", "thumbnails": "SL"}]), schema.LOOKS)
    rows = observation.assemble(people, hops(), looked, schema.conform(written, replication.CHANGES))

    assert rows["writer"].tolist() == ["", "another_writer"]
    assert rows["directory_changed_at"].iloc[1] == ago(1)
    assert rows["thumbnails"].tolist() == ["SL", ""]


def test_the_runs_since_the_oldest_upload_and_the_last_of_each_profile_matter() -> None:
    stale = {"verdict": "stale", "picture_timestamp": ago(3)}
    runs = [run("SPMA", "FullImport", days, number=20 - days) for days in (1, 2, 5)]
    runs += [run("SPMA", "DeltaImport", days, number=20 - days) for days in (8, 9)]
    seen = observe(stale, {"picture_timestamp": ago(30)}, history=runs)

    assert observation.runs_that_matter(seen.history, seen.people)["run_number"].tolist() == [19, 18, 12]


def test_a_long_history_is_read_to_its_limit() -> None:
    runs = [run("SPMA", "DeltaImport", 1 + hour / 24, number=hour) for hour in range(90)]
    seen = observe({"verdict": "stale", "picture_timestamp": ago(30)}, history=runs)

    assert len(observation.runs_that_matter(seen.history, seen.people)) == observation.MOST_RUNS


def test_what_was_looked_at_is_known_and_what_was_not_is_missing() -> None:
    traced = observe({"traced": True}, picture_editable=False, counters={})

    known = {need: traced.has(need) for need in ("trace", "looks", "picture_editable", "counters", "history")}
    assert known == {
        "trace": True,
        "looks": False,
        "picture_editable": True,
        "counters": False,
        "history": False,
    }


def test_what_no_system_answers_is_named_and_nothing_is_aborted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_TEST_SECRET", "a secret")
    closed = case(
        tmp_path,
        directory={"url": "ldap://127.0.0.1:9", "clear_text": True},
        sharepoint={"url": "http://127.0.0.1:9", "attempts": 1},
        mim={"url": "http://127.0.0.1:9/wsman"},
    )
    people = schema.conform(observe({}).people, schema.PEOPLE)
    with (
        sources.directory(closed) as directory,
        sources.sharepoint(closed) as sharepoint,
        sources.synchronization(closed) as service,
    ):
        seen = observation.gather(closed, people, hops(), directory, sharepoint, service, configuration=None)

    assert [sentence.partition(":")[0] for sentence in seen.missing] == [
        *("history", "domains", "configuration", "counters"),
        *("clock of active_directory", "clock of sharepoint", "clock of mim"),
    ]
