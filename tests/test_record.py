import hashlib

import cases
import pandas as pd
import pytest

from kit import charts, plan, record, schema
from kit.expectation import READ
from kit.folder import CaseFolder
from kit.journal import Journal
from kit.lab import portraits

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


# What waits, for a person to look at


OLD, NEW, LOGIN = portraits.portrait(1, size=72), portraits.portrait(2, size=72), portraits.login_page()


def sha(photo):
    return hashlib.sha256(photo).hexdigest()


@pytest.fixture
def waiting(folder, journal):
    """Keep what was read: anna gets a new photo, berta her first, carl something that nobody has kept."""
    held = {"anna": OLD, "carl": OLD}
    people = cases.people(
        *({"account": name, "directory_sha256": sha(photo)} for name, photo in held.items()),
        {"account": "berta", "display_name": "Berta B"},
        {"account": "dora", "directory_sha256": "d"},
    )
    folder.save_inventory(people, "before")
    with folder.store("before") as before, folder.store("after") as after:
        before.put(OLD)
        after.put(NEW)
    rows = [("anna", "expected", NEW), ("berta", "expected", NEW), ("carl", "unexpected_picture", LOGIN)]
    frame = pd.DataFrame(rows, columns=["account", "class", "photo"])
    frame["sha256"] = frame["photo"].map(sha)
    folder.write_frame(schema.conform(frame, schema.EXPORTS), READ)
    journal.write("read", 11, **PENDING, pending_exports={"expected_updates": 2, "unexpected_pictures": 1})


def test_nothing_that_was_not_read_is_shown(folder):
    assert record.replacements(folder, 12) == []


@pytest.mark.usefixtures("waiting")
def test_photos_stand_beside_what_they_replace(folder):
    shown = {pair.label: (pair.left, pair.right, pair.verdict) for pair in record.replacements(folder, 12)}
    assert shown == {
        "anna": (NEW, OLD, "expected"),
        "Berta B": (NEW, None, "expected"),
        "carl": (None, OLD, "unexpected picture"),
    }


@pytest.mark.usefixtures("waiting")
def test_the_sample_is_no_greater_than_asked_for_and_always_the_same(folder):
    first, again = (record.replacements(folder, 2) for _ in range(2))
    assert (len(first), first) == (2, again)


@pytest.mark.usefixtures("waiting")
def test_what_waits_is_told_with_its_share_and_what_is_allowed(folder):
    table = record.pending_table(folder, 5)
    assert table.loc["expected_updates"].tolist() == [2, 66.7, 5]
    assert table.loc["unexpected_pictures"].tolist() == [1, 33.3, 0]


# What became of the exports


def test_exports_that_were_not_looked_at_have_no_outcome(folder):
    assert len(record.confirmation(folder)) == 0


def test_the_outcome_of_the_exports_is_told_by_kind(folder, journal):
    written = {"exported": 7, "failed": 2, "errors": {"permission-issue": 2}}
    journal.write("outcome", 14, kind="verify", name="exported", result="ok", **written)
    facts = {"unconfirmed": ["contoso\\anna"], "not_reimported": []}
    journal.write("outcome", 17, kind="verify", name="confirmed", result="ok", **facts)
    assert dict(record.confirmation(folder).itertuples(index=False)) == {
        "written": 7,
        "not written, permission-issue": 2,
        record.UNCONFIRMED: 1,
        record.OTHERWISE: 0,
    }


# Times


def test_a_confirmation_is_on_the_timeline_as_a_gate(folder, journal):
    journal.write("gate", 12, kind="confirm", agent="ADMA", gate="approve_exports", instruction="look")
    journal.write("outcome", 12, kind="confirm", agent="ADMA", name="approve_exports", result="ok")
    (gate,) = record.timeline(folder).itertuples()
    assert (gate.kind, gate.agent, gate.run_profile) == ("gate", "", "approve_exports")


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
