import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import CaseError, OutputError
from kit.journal import Journal

KEYS = st.text(min_size=1, max_size=6).map(lambda name: f"x{name}")  # never the name of an argument
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["intent", "gate", "outcome"]),
        st.integers(1, 20),
        st.dictionaries(KEYS, VALUES, max_size=4),
    ),
    max_size=4,
)


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal.jsonl")


def written(folder, events):
    journal = Journal(Path(folder) / "journal.jsonl")
    for event, step, facts in events:
        journal.write(event, step, **facts)
    return journal


def told(journal):
    own = {"time", "schema_version", "step", "event"}
    return [
        (event["event"], event["step"], {name: value for name, value in event.items() if name not in own})
        for event in journal.events()
    ]


@given(EVENTS)
def test_what_is_written_is_read(events):
    with tempfile.TemporaryDirectory() as folder:
        assert told(written(folder, events)) == events


@given(EVENTS.filter(bool), st.data())
def test_a_file_cut_at_any_byte_keeps_every_whole_line(events, data):
    with tempfile.TemporaryDirectory() as folder:
        journal = written(folder, events)
        content = journal.path.read_bytes()
        kept = content[: data.draw(st.integers(0, len(content)))]
        journal.path.write_bytes(kept)
        lines, last = kept.count(b"\n"), kept.rpartition(b"\n")[2]
        whole = lines + (content[len(kept) : len(kept) + 1] == b"\n" and last != b"")
        assert told(journal) == events[:whole]


@given(EVENTS.filter(bool), st.data())
def test_after_a_cut_the_next_line_is_whole(events, data):
    with tempfile.TemporaryDirectory() as folder:
        journal = written(folder, events)
        content = journal.path.read_bytes()
        journal.path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        before = told(journal)
        journal.write("outcome", 7, result="ok")
        assert told(journal) == [*before, ("outcome", 7, {"result": "ok"})]
        assert journal.path.read_bytes().endswith(b"\n")


def test_every_line_is_json_with_time_and_version(journal):
    journal.write("intent", 3, name="Müller")
    line = json.loads(journal.path.read_text(encoding="utf-8"))
    assert (line["schema_version"], line["step"], line["name"]) == (1, 3, "Müller")
    assert line["time"].endswith("+00:00")


def test_a_journal_that_was_never_written_tells_nothing(journal):
    assert (journal.events(), journal.outcomes(), journal.open_intent(1)) == ([], {}, None)


@pytest.mark.parametrize("damaged", ["garbage", "[]", "null", '{"step": 1}', '{"time": "2024'])
def test_a_damaged_line_in_the_middle_is_refused(journal, damaged):
    journal.write("intent", 1)
    with journal.path.open("a") as file:
        file.write(damaged + "\n")
    journal.write("intent", 2)
    with pytest.raises(CaseError) as caught:
        journal.events()
    step = "restore it before going on"
    assert str(caught.value) == f"journal '{journal.path}' is damaged: line 2 is no event; {step}."


def test_only_what_ended_well_is_an_outcome(journal):
    journal.write("outcome", 1, result="ok", detail="done")
    journal.write("outcome", 2, result="stopped")
    assert {number: event["detail"] for number, event in journal.outcomes().items()} == {1: "done"}


def test_an_intent_without_an_outcome_is_open(journal):
    journal.write("intent", 1, run_number_before=4)
    assert journal.open_intent(1)["run_number_before"] == 4


def test_an_intent_with_an_outcome_is_not_open(journal):
    journal.write("intent", 1)
    journal.write("outcome", 1, result="stopped")
    assert journal.open_intent(1) is None


def test_an_intent_of_another_step_does_not_matter(journal):
    journal.write("intent", 1)
    assert journal.open_intent(2) is None


def test_a_journal_put_aside_is_kept(journal):
    journal.write("outcome", 1, result="ok")
    content = journal.path.read_bytes()
    journal.archive()
    assert journal.events() == []
    assert [path.read_bytes() for path in journal.path.parent.glob("journal-*.jsonl")] == [content]


def test_nothing_is_put_aside_where_nothing_was_written(journal):
    journal.archive()
    assert list(journal.path.parent.iterdir()) == []


def test_a_journal_that_cannot_be_written_stops_everything(tmp_path):
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"journal '.*' cannot be written: Is a directory; "):
        Journal(tmp_path / "journal.jsonl").write("intent", 1)
