import cases
import pandas as pd
import pytest

from kit import charts, plan, record
from kit.folder import CaseFolder
from kit.journal import Journal

COUNTS = {"expected_updates": 2, "re_encoded_only": 0, "unexpected_people": 1}
RUN = {"kind": "run", "name": "sharepoint full_import", "agent": "SPMA", "profile": "FullImport"}
GATE = {"kind": "gate", "agent": "", "profile": ""}
PENDING = {"kind": "verify", "name": plan.PENDING}


@pytest.fixture
def folder(tmp_path):
    return CaseFolder(cases.case(tmp_path))


@pytest.fixture
def journal(folder):
    return Journal(folder.journal)


def test_pending_exports_that_were_not_read_are_zeros(folder):
    assert set(record.pending_exports(folder).values()) == {0}


def test_the_pending_exports_read_last_are_told(folder, journal):
    for number in (1, 2):
        journal.write(
            "outcome", 9, **PENDING, result="ok", pending_exports={**COUNTS, "expected_updates": number}
        )
    assert record.pending_exports(folder)["expected_updates"] == 2


def test_reading_them_again_does_not_make_them_zeros(folder, journal):
    journal.write("outcome", 9, **PENDING, result="ok", pending_exports=COUNTS)
    journal.write("intent", 9, **PENDING)
    assert record.pending_exports(folder) == COUNTS


def test_a_fix_that_was_not_begun_took_no_time(folder):
    assert len(record.timeline(folder)) == 0


def test_a_run_has_its_times_and_its_status(folder, journal):
    journal.write("intent", 5, **RUN)
    journal.write("outcome", 5, **RUN, result="ok", status="completed-warnings", detail="300 objects")
    (run,) = record.timeline(folder).itertuples()
    assert (run.agent, run.run_profile, run.status, run.counts) == (
        "SPMA",
        "FullImport",
        "completed-warnings",
        "300 objects",
    )
    times = [pd.Timestamp(event["time"]) for event in journal.events()]
    assert [run.started, run.ended] == times


def test_times_are_in_utc(folder, journal):
    journal.write("intent", 5, **RUN)
    types = record.timeline(folder).dtypes.astype(str)
    assert all(types[name].endswith("UTC]") for name in ("started", "ended"))


def test_a_gate_has_its_name_and_no_agent(folder, journal):
    journal.write("gate", 4, **{**GATE, "agent": "SPMA"}, gate=plan.DELETE_SPACE, instruction="click")
    journal.write("outcome", 4, **{**GATE, "agent": "SPMA"}, name=plan.DELETE_SPACE, result="ok")
    (gate,) = record.timeline(folder).itertuples()
    assert (gate.kind, gate.agent, gate.run_profile, gate.status) == ("gate", "", plan.DELETE_SPACE, "ok")


def test_verifications_are_not_on_the_timeline(folder, journal):
    journal.write("intent", 1, kind="verify", name=plan.QUIET)
    assert len(record.timeline(folder)) == 0


def test_a_run_that_has_not_ended_has_no_end(folder, journal):
    journal.write("intent", 5, **RUN)
    (run,) = record.timeline(folder).itertuples()
    assert pd.isna(run.ended)


def test_text_is_never_null(folder, journal):
    journal.write("intent", 5, **RUN)
    (run,) = record.timeline(folder).itertuples()
    assert (run.status, run.counts) == ("", "")


def test_a_timeline_can_be_drawn_at_any_moment(folder, journal):
    charts.timeline(record.timeline(folder))
    journal.write("gate", 3, **GATE, gate=plan.PROVISIONING_OFF)
    journal.write("outcome", 3, **GATE, name=plan.PROVISIONING_OFF, result="ok")
    journal.write("intent", 5, **RUN)
    assert "1" in charts.timeline(record.timeline(folder)).get_suptitle()


def steps(*results):
    frame = pd.DataFrame({"step": range(1, len(results) + 1), "result": results})
    return frame.assign(name=[f"name {number}" for number in frame["step"]])


@pytest.mark.parametrize(
    ("results", "apply", "sentence"),
    [
        (["ok", "ok"], True, "All 2 steps of the fix ended well."),
        (["ok", "ok"], False, "All 2 steps of the fix ended well."),
        (
            ["not run", "not run"],
            False,
            "Nothing was changed: this is the plan of 2 steps, to be carried out with apply True.",
        ),
        (["ok", "stopped"], True, "1 of 2 steps are done; step 2 (name 2) is next."),
        (["ok", "not run"], False, "1 of 2 steps are done; step 2 (name 2) is next."),
    ],
)
def test_the_conclusion_says_how_the_fix_stands(results, apply, sentence):
    assert record.conclusion(steps(*results), apply=apply) == sentence
