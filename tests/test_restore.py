"""Photos put back, by hand-made cases of one directory and by a whole fix on both directories."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import people
import pytest
import yaml
from photo_case import EXPORTED, PhotoCase
from practice import Practice

from kit import case as cases
from kit import parameters, runner, sources, undo, writeup
from kit.errors import LockedError, OutcomeUnknownError, ParameterError, RightsError, SafetyError
from kit.lab import directory as embedded
from kit.lab import farm as lab
from kit.lab import samba
from kit.lab.directory import DirectoryServer
from kit.lab.domain import Domain, Entry
from kit.restore import Restore, conclusion

OTHER = people.photo(98)
STAFF = [f"staff{number:02}" for number in range(people.STAFF)]
EMEA = Domain("emea.contoso.example", "EMEA")
TOO_LARGE = bytes(102_401)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DirectoryServer]:
    running = embedded.start(people.DOMAIN, people.entries(), people.ACCOUNTS, tmp_path / "directory")
    yield running
    running.stop()


@pytest.fixture
def case(server: DirectoryServer, tmp_path: Path) -> Iterator[PhotoCase]:
    opened = PhotoCase(tmp_path, server)
    yield opened
    opened.directory.close()


def test_the_photos_are_the_same_bytes_as_before(case: PhotoCase) -> None:
    photos = case.photos()
    case.fix("staff01", "staff02", "anna.m")
    case.restore()
    assert case.photos() == photos


def test_a_photo_that_the_fix_has_added_goes_away_again(case: PhotoCase) -> None:
    case.fix("gone")
    case.restore()
    assert case.photo("gone") is None


def test_a_photo_that_is_missing_comes_back(case: PhotoCase) -> None:
    case.fix()
    case.change("staff01", None)
    assert case.results(case.restore()) == {"staff01": "ok"}
    assert case.photo("staff01") == people.photo(1)


def test_what_somebody_else_has_changed_since_is_left_alone(case: PhotoCase) -> None:
    case.fix("staff01", "staff02")
    case.change("staff02", OTHER)
    case.restore()
    assert (case.photo("staff01"), case.photo("staff02")) == (people.photo(1), OTHER)


def test_what_somebody_else_has_changed_since_goes_back_if_named(case: PhotoCase) -> None:
    case.fix("staff01", "staff02")
    case.change("staff02", OTHER)
    case.restore("staff02")
    assert (case.photo("staff01"), case.photo("staff02")) == (EXPORTED, people.photo(2))


def test_run_again_there_is_nothing_left_to_do(case: PhotoCase) -> None:
    case.fix("staff01")
    case.restore()
    before = case.directory.highest_usn()
    again = case.restore()
    assert (case.results(again), case.directory.highest_usn()) == ({}, before)


def test_what_is_overwritten_is_kept(case: PhotoCase) -> None:
    case.fix("staff01")
    case.restore()
    with case.folder.store("after") as store:
        assert store.get(undo.Held("", EXPORTED).sha256) == EXPORTED


# What keeps it from writing.


@pytest.mark.parametrize("apply", ["true", "True", 1, None, [True]])
def test_only_the_boolean_true_puts_photos_back(case: PhotoCase, apply: object) -> None:
    case.fix("staff01")
    with pytest.raises(SafetyError, match="only the boolean true puts photos back"):
        case.restore(apply=apply)
    assert (case.photo("staff01"), case.journal.path.exists()) == (EXPORTED, False)


def test_without_apply_nothing_is_written(case: PhotoCase) -> None:
    case.fix("staff01")
    done = case.restore(apply=False)
    assert (case.photo("staff01"), case.journal.path.exists()) == (EXPORTED, False)
    assert conclusion(done, apply=False) == "Nothing was changed: 1 photos would go back, with apply True."


def test_somebody_who_holds_the_lock_is_told(case: PhotoCase) -> None:
    case.fix("staff01")
    with case.folder.locked("the fix"), pytest.raises(LockedError, match="for the fix"):
        case.restore()
    assert case.photo("staff01") == EXPORTED


def test_without_the_right_nothing_is_begun(case: PhotoCase) -> None:
    case.fix("staff01")
    with case.open(people.READER) as reader:
        planned = undo.plan(case.folder, reader)
        with pytest.raises(RightsError, match="thumbnailPhoto of none of the 1 people may be written"):
            Restore(case.folder, planned, reader).run(apply=True)
    assert not case.journal.path.exists()


def test_somebody_out_of_reach_keeps_nobody_else_from_getting_theirs(case: PhotoCase) -> None:
    case.fix("staff01", "staff02")
    planned = case.plan()
    planned.loc[planned["account"] == "contoso\\staff01", "writable"] = False
    done = Restore(case.folder, planned, case.directory).run(apply=True)
    assert case.results(done) == {"staff01": "failed", "staff02": "ok"}
    assert conclusion(done, apply=True).startswith(
        "1 of 2 chosen photos are back; not that of contoso\\staff01"
    )


def test_a_photo_that_changed_since_the_plan_was_made_is_left_alone(case: PhotoCase) -> None:
    case.fix("staff01")
    planned = case.plan()
    case.change("staff01", OTHER)
    done = Restore(case.folder, planned, case.directory).run(apply=True)
    assert (case.results(done), case.photo("staff01")) == ({"staff01": "conflict"}, OTHER)


def test_a_photo_that_the_directory_refuses_is_one_persons_failure(case: PhotoCase) -> None:
    case.fix("staff01", "staff02")
    with case.folder.store("before") as store:
        key = store.put(TOO_LARGE)
        store._connection.execute(
            "UPDATE links SET sha256 = ? WHERE person = ?", (key, case.person("staff01"))
        )
    assert case.results(case.restore()) == {"staff01": "failed", "staff02": "ok"}


def test_a_photo_that_is_written_over_before_the_end_is_told(case: PhotoCase) -> None:
    case.fix("staff01", "staff02")

    def progress(items: Iterable[Any], description: str, _: int) -> Iterable[Any]:
        if description == "photos read back":
            case.change("staff01", OTHER)
        return items

    assert case.results(case.restore(progress=progress)) == {"staff01": "differs", "staff02": "ok"}
    assert [check["result"] for check in case.folder.manifest()["checks"]] == ["failed"]


# The journal, and what goes on from it.


def test_every_write_stands_between_its_intent_and_its_outcome(case: PhotoCase) -> None:
    case.fix("staff01", "staff02")
    case.restore()
    told = [(event["event"], event["step"], event["account"]) for event in case.journal.events()]
    assert told == [
        ("intent", 1, "contoso\\staff01"),
        ("outcome", 1, "contoso\\staff01"),
        ("intent", 2, "contoso\\staff02"),
        ("outcome", 2, "contoso\\staff02"),
    ]


@pytest.mark.parametrize(
    ("found", "result"), [(EXPORTED, "not written"), (people.photo(1), "ok"), (OTHER, "conflict")]
)
def test_a_write_whose_outcome_was_not_journalled_is_read_back(
    case: PhotoCase, found: bytes, result: str
) -> None:
    case.fix("staff01")
    now, back = (undo.Held("", photo).sha256 for photo in (EXPORTED, people.photo(1)))
    told = {"kind": "restore", "person": case.person("staff01"), "account": "contoso\\staff01"}
    case.journal.write("intent", 7, **told, **{"class": "changed_by_fix"}, now=now, back=back)
    case.change("staff01", found)
    case.restore()
    outcome = next(event for event in case.journal.events() if event["event"] == "outcome")
    assert (outcome["step"], outcome["result"]) == (7, result)


def test_a_write_whose_answer_was_lost_is_found_done(case: PhotoCase, server: DirectoryServer) -> None:
    case.fix("staff01")
    server.lose_answers(1)
    assert case.results(case.restore()) == {"staff01": "ok"}


def test_a_write_after_which_the_directory_is_gone_stays_open(
    case: PhotoCase, server: DirectoryServer
) -> None:
    case.fix("staff01")
    planned = case.plan()
    server.lose_answers(1)
    server.drop_after(1)
    with pytest.raises(OutcomeUnknownError, match="cannot be read back"):
        Restore(case.folder, planned, case.directory).run(apply=True)
    assert case.journal.open_intent(1) is not None


@pytest.mark.parametrize("lines", [1, 16])
def test_a_killed_run_is_gone_on_with(case: PhotoCase, lines: int) -> None:
    photos = case.photos()
    case.fix(*STAFF)
    kill_at(case, lines)
    case.restore()
    assert case.photos() == photos
    written = [event["person"] for event in case.journal.events() if event.get("result") == "ok"]
    assert sorted(written) == sorted(case.person(name) for name in STAFF)


def kill_at(case: PhotoCase, lines: int) -> None:
    """Put photos back in another process, and kill that as soon as its journal has some lines."""
    script = Path(__file__).with_name("restore_process.py")
    environment = {**os.environ, "PYTHONPATH": str(runner.PROJECT)}
    with subprocess.Popen([sys.executable, script, case.case_file], env=environment) as process:
        deadline = time.monotonic() + 60
        while len(case.journal.events()) < lines:
            assert process.poll() is None
            assert time.monotonic() < deadline
            threading.Event().wait(0.0005)
        process.kill()
    assert process.returncode in {-signal.SIGKILL, 0}


def test_the_manifest_says_what_went_back(case: PhotoCase) -> None:
    case.fix("staff01", "gone")
    case.change("staff02", None)
    case.restore()
    restored = case.folder.manifest()["restored"]
    assert (restored["people"], restored["classes"], restored["journal"]) == (
        3,
        {"changed_by_fix": 2, "missing": 1},
        "restore.jsonl",
    )


def test_a_check_says_that_all_came_back(case: PhotoCase) -> None:
    case.fix("staff01", "staff02")
    case.restore("staff01")
    case.restore("staff02")
    (check,) = case.folder.manifest()["checks"]
    assert (check["about"], check["result"], check["detail"]) == ("restore", "ok", "2 of 2")


def test_photos_go_back_in_every_domain_of_a_forest(tmp_path: Path) -> None:
    domains = (people.DOMAIN, EMEA)
    servers = [start_domain(domain, tmp_path / domain.netbios_name, domains) for domain in domains]
    case = PhotoCase(tmp_path, *servers)
    photos = case.photos()
    case.fix("anna-contoso", "anna-emea")
    done = case.restore()
    assert (case.results(done), case.photos()) == ({"anna-contoso": "ok", "anna-emea": "ok"}, photos)
    case.directory.close()
    for server in servers:
        server.stop()


def start_domain(domain: Domain, folder: Path, forest: Sequence[Domain]) -> DirectoryServer:
    made = people.user("anna", f"anna-{domain.netbios_name.lower()}", thumbnailPhoto=domain.netbios_name)
    entry = Entry(made.dn.replace(people.BASE, domain.base_dn), made.attributes)
    return embedded.start(domain, [entry], people.ACCOUNTS, folder, forest=forest)


# A whole fix, and all of it put back.


@dataclass(frozen=True)
class Undone:
    """A farm on which the fix was carried out, its photos put back, and what MIM then did."""

    practice: Practice
    case: cases.Case
    photos: dict[str, bytes | None] = field(repr=False)
    fixed: dict[str, bytes | None] = field(repr=False)
    done: pd.DataFrame
    again: dict[str, bytes | None] = field(repr=False)
    exported: dict[str, bytes | None] = field(repr=False)

    @property
    def changed(self) -> set[str]:
        """Whose photo the fix has changed."""
        return {account for account in self.photos if self.photos[account] != self.fixed[account]}


@pytest.fixture(scope="module")
def undone_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Undone]]:
    """Carry out a fix, undo it and export again, once for each kind of directory."""
    with ExitStack() as farms:

        @cache
        def undone(directory: str) -> Undone:
            folder = tmp_path_factory.mktemp(directory)
            options = {"directory": directory, "outputs": folder / "outputs", "case_id": "practice"}
            return undo_a_fix(Practice(farms.enter_context(lab.start(folder / "farm", users=60, **options))))

        yield undone


def undo_a_fix(practice: Practice) -> Undone:
    practice.measured()
    photos = practice.photos()
    practice.fix()
    fixed, case = practice.photos(), writer(practice)
    with sources.directory(case) as directory:
        planned = undo.plan(practice.folder, directory)
        done = Restore(practice.folder, planned, directory).run(apply=True)
    again = practice.photos()
    practice.run("ADMA", "DeltaImport", "DeltaSync", "Export")
    return Undone(practice, case, photos, fixed, done, again, practice.photos())


def writer(practice: Practice) -> cases.Case:
    """Write the practice's case with the account that may write photos."""
    content = yaml.safe_load(practice.farm.restore_case_file.read_text(encoding="utf-8"))
    path = practice.farm.folder / "writer.yaml"
    path.write_text(yaml.safe_dump(content | {"case_id": practice.case.case_id}), encoding="utf-8")
    return cases.load(path)


@pytest.fixture(params=["embedded", "samba"])
def undone(request: pytest.FixtureRequest, undone_on: Callable[[str], Undone]) -> Undone:
    reason = samba.available() if request.param == "samba" else ""
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    return undone_on(request.param)


def test_a_whole_fix_is_undone_byte_for_byte(undone: Undone) -> None:
    assert undone.again == undone.photos


def test_those_whom_the_fix_changed_are_those_who_went_back(undone: Undone) -> None:
    assert set(undone.done.loc[undone.done["result"] == "ok", "account"]) == undone.changed


def test_a_fix_adds_and_replaces_and_both_are_undone(undone: Undone) -> None:
    assert {undone.photos[account] is None for account in undone.changed} == {True, False}


def test_the_next_export_does_what_was_warned_of(undone: Undone) -> None:
    returned = {account for account in undone.photos if undone.exported[account] != undone.again[account]}
    assert returned == set(undone.done.loc[undone.done["returns"], "account"])


# The notebook.


@pytest.fixture(scope="module")
def notebook(undone_on: Callable[[str], Undone]) -> Undone:
    """Run the notebook after the export that has undone the undoing."""
    undone = undone_on("embedded")
    runner.run(undone.case, ["90_restore_photos"], {"apply": True})
    return undone


def test_the_notebook_puts_everybodys_photo_back(notebook: Undone) -> None:
    assert (notebook.exported, notebook.practice.photos()) == (notebook.fixed, notebook.photos)


def test_the_notebook_leaves_it_in_the_manifest(notebook: Undone) -> None:
    restored = notebook.practice.folder.manifest()["restored"]
    assert (restored["people"], restored["classes"]) == (
        len(notebook.changed),
        {"changed_by_fix": len(notebook.changed)},
    )


def test_the_writeup_tells_of_it_and_names_nobody(notebook: Undone) -> None:
    page = writeup.write(notebook.practice.folder.path).path.read_text(encoding="utf-8")
    count = len(notebook.changed)
    assert f"All of the {count} chosen photos are back, byte for byte." in page
    assert f"<td>{count} of {count}</td>" in page
    assert not [account for account in notebook.changed if account.partition("\\")[2] in page.lower()]


def test_a_run_of_all_notebooks_puts_nothing_back() -> None:
    assert "90_restore_photos" not in runner.choose([])


@pytest.mark.parametrize(
    ("value", "cause"),
    [("yesterday", "it is no time in ISO 8601"), ("2026-11-22T18:00", "it names no time zone")],
)
def test_a_time_that_cannot_be_told_is_refused(value: str, cause: str) -> None:
    with pytest.raises(ParameterError, match=f"parameter 'as_of' is '{value}': {cause}; write it as"):
        _ = parameters.Restoration(as_of=value).time
