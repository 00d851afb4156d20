import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cases
import pandas as pd
import pytest
from observations import observe

from kit import diagnosis, schema
from kit.drift import Measurement
from kit.errors import CaseError, LockedError, OutputError
from kit.folder import CaseFolder
from kit.journal import Journal
from kit.schema import VERDICTS

HOLDER = """
import sys
from pathlib import Path
import cases
from kit.folder import CaseFolder
with CaseFolder(cases.case(Path(sys.argv[1]))).locked("a test"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path):
    return CaseFolder(cases.case(tmp_path))


def measurement(*verdicts):
    rows = ({"account": str(number), "verdict": verdict} for number, verdict in enumerate(verdicts))
    return Measurement(cases.people(*rows), pd.DataFrame({"sha256": ["0"]}))


def test_the_folder_is_made(folder, tmp_path):
    assert folder.path == tmp_path / "outputs" / "contoso"
    assert sorted(path.name for path in folder.path.iterdir() if path.is_dir()) == [
        "after",
        "before",
        "figures",
        "notebooks",
    ]


@pytest.mark.parametrize("occupied", ["outputs", "outputs/contoso", "outputs/contoso/before"])
def test_a_file_in_the_folders_place_is_told_in_a_sentence(tmp_path, occupied):
    path = tmp_path / occupied
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file")
    with pytest.raises(OutputError) as caught:
        CaseFolder(cases.case(tmp_path))
    where = tmp_path / "outputs" / "contoso"
    assert str(caught.value).startswith(f"the case folder in '{where}' cannot be written: ")
    assert str(caught.value).endswith("set another 'outputs' in the case file.")


# The manifest


def test_a_new_case_is_open(folder):
    manifest = folder.manifest()
    assert (manifest["case_id"], manifest["title"], manifest["status"]) == ("contoso", "contoso", "open")


def test_opening_a_case_again_changes_nothing(folder, tmp_path):
    folder.update(status="held")
    before = (folder.path / "case.json").read_bytes()
    CaseFolder(cases.case(tmp_path))
    assert (folder.path / "case.json").read_bytes() == before


def test_keys_stay_until_they_are_changed(folder):
    folder.update(plan=[1])
    folder.update(status="held")
    assert (folder.manifest()["plan"], folder.manifest()["status"]) == ([1], "held")


def test_a_case_keeps_the_time_it_was_started(folder):
    manifest = json.loads((folder.path / "case.json").read_text())
    started = {**manifest["times"], "started": "2024-05-01T10:00:00+00:00"}
    (folder.path / "case.json").write_text(json.dumps({**manifest, "times": started}))
    folder.update(times={"ended": "2024-05-02T10:00:00+00:00"})
    assert folder.manifest()["times"]["started"] == "2024-05-01T10:00:00+00:00"


def test_the_settings_in_the_manifest_hold_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("KIT_TEST_SECRET", "hunter2")
    (tmp_path / "secrets.env").write_text("KIT_TEST_SECRET=hunter2")
    opened = CaseFolder(cases.case(tmp_path, secrets_file="secrets.env"))
    assert "hunter2" not in (opened.path / "case.json").read_text()
    assert "secrets_file" not in opened.manifest()["settings"]
    assert opened.manifest()["settings"]["mim"]["password_name"] == "KIT_TEST_SECRET"


def test_the_versions_are_told(folder):
    assert folder.manifest()["versions"]["pandas"] == pd.__version__


def test_content_that_is_no_json_leaves_the_old_manifest(folder):
    before = (folder.path / "case.json").read_bytes()
    with pytest.raises(TypeError):
        folder.update(status=object())
    assert (folder.path / "case.json").read_bytes() == before


def test_a_write_that_fails_is_told_and_leaves_nothing_behind(folder):
    (folder.path / "before" / "people.parquet").mkdir()
    with pytest.raises(OutputError, match=r"people\.parquet in '.*' cannot be written: is a directory; "):
        folder.save_inventory(cases.people({"account": "anna"}), "before")
    assert [path.name for path in (folder.path / "before").iterdir()] == ["people.parquet"]


@pytest.mark.parametrize("content", ["{", "[1]", "null", "\x00"])
def test_a_damaged_manifest_is_refused(folder, content):
    (folder.path / "case.json").write_text(content)
    with pytest.raises(CaseError, match=r"case\.json' is damaged: .*; move the case folder away"):
        folder.manifest()


def test_a_folder_in_the_manifests_place_is_refused(folder):
    (folder.path / "case.json").unlink()
    (folder.path / "case.json").mkdir()
    with pytest.raises(CaseError, match="is damaged"):
        folder.update(status="held")


def test_checks_about_something_else_stay(folder):
    checks = pd.DataFrame({"check": ["a"], "result": ["ok"], "detail": [""]})
    folder.save_checks("fix", checks)
    folder.save_checks("photos", checks)
    folder.save_checks("fix", checks.assign(result="failed"))
    assert [(check["about"], check["result"]) for check in folder.manifest()["checks"]] == [
        ("photos", "ok"),
        ("fix", "failed"),
    ]


def test_a_closed_case_names_the_hash_of_every_file(folder):
    (folder.path / "figures" / "a.png").write_bytes(b"")
    folder.close("held")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert folder.manifest()["files"] == {"figures/a.png": empty}
    assert folder.manifest()["status"] == "held"


def test_a_case_sealed_again_names_the_files_as_they_are_now(folder):
    folder.close("held")
    (folder.path / "figures" / "a.png").write_bytes(b"")
    folder.seal()
    assert list(folder.manifest()["files"]) == ["figures/a.png"]
    assert folder.manifest()["status"] == "held"


# People


def test_a_measurement_comes_back(folder):
    folder.save(measurement("stale", "in_sync"), "before")
    assert folder.people("before")["verdict"].tolist() == ["stale", "in_sync"]
    assert folder.measured("before")


def test_a_measurement_is_counted_in_the_manifest(folder):
    folder.save(measurement("stale", "in_sync"), "before")
    folder.save(measurement("in_sync", "in_sync"), "after")
    counts = folder.manifest()["counts"]
    assert (counts["before"]["stale"], counts["after"]["in_sync"]) == (1, 2)
    assert list(counts["before"]) == list(VERDICTS)


def test_an_inventory_is_no_measurement(folder):
    folder.save_inventory(cases.people({"account": "anna"}).drop(columns="verdict"), "before")
    assert not folder.measured("before")


def test_a_new_inventory_takes_the_counts_of_its_phase_away(folder):
    folder.save(measurement("stale"), "before")
    folder.save(measurement("in_sync"), "after")
    folder.save_inventory(cases.people({"account": "anna"}), "before")
    assert list(folder.manifest()["counts"]) == ["after"]


def diagnosed(folder, phase):
    found = diagnosis.diagnose(observe({"account": "anna", "verdict": "stale"}))
    folder.save_diagnosis(found, schema.conform(pd.DataFrame(), schema.TRACE), phase)
    return found


def test_a_diagnosis_comes_back_in_numbers_without_people(folder):
    found = diagnosed(folder, "before")
    told = folder.diagnosis("before")
    assert (told["unexplained"], told["conclusion"]) == (1, diagnosis.conclusion(found))
    assert "anna" not in json.dumps(told)


def test_nobody_asked_for_causes_yet(folder):
    assert folder.diagnosis("before") == {}


def test_a_new_inventory_takes_the_causes_of_its_phase_away(folder):
    diagnosed(folder, "before")
    folder.save_inventory(cases.people({"account": "anna"}), "before")
    assert folder.diagnosis("before") == {}


def test_the_time_of_a_measurement_is_kept_when_the_folder_is_written_to_again(folder):
    folder.save(measurement("stale"), "before")
    measured = folder.measured_at("before")
    folder.update(times={"updated": "2030-01-01T00:00:00+00:00"})
    assert folder.measured_at("before") == measured


@pytest.mark.parametrize(
    ("phase", "notebook"), [("before", "10_inventory and 20_compare_photos"), ("after", "40_drift_report")]
)
def test_people_who_were_not_measured_are_told_with_the_notebook_to_run(folder, phase, notebook):
    with pytest.raises(CaseError) as caught:
        folder.people(phase)
    assert str(caught.value).endswith(f"the people {phase} the fix were not measured; run {notebook}.")


@pytest.mark.parametrize("content", [b"", b"PAR1 no parquet"])
def test_a_damaged_snapshot_is_refused(folder, content):
    (folder.path / "before" / "people.parquet").write_bytes(content)
    with pytest.raises(CaseError, match=r"people\.parquet' cannot be read: .*run 10_inventory"):
        folder.people("before")


def test_the_fix_has_not_begun_while_only_verifications_ran(folder):
    Journal(folder.journal).write("intent", 1, kind="verify")
    assert folder.phase == "before"


@pytest.mark.parametrize("kind", ["gate", "run"])
def test_from_its_first_gate_or_run_on_the_fix_has_begun(folder, kind):
    Journal(folder.journal).write("intent", 3, kind=kind)
    assert folder.phase == "after"


def test_photos_of_a_phase_are_kept_apart(folder):
    with folder.store("before") as store:
        sha256 = store.put(b"photo")
    with folder.store("after") as store:
        assert store.count() == 0
    with folder.store("before") as store:
        assert store.get(sha256) == b"photo"


# The lock


def test_another_process_that_holds_the_lock_is_named(folder, tmp_path):
    tests = Path(__file__).parent
    variables = {**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"}
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError) as caught, folder.locked("30_reset_and_full_sync"):
            pass
        holder.communicate()
    sentence = str(caught.value)
    assert sentence.startswith(f"case 'contoso' is locked: it is held by process {holder.pid} of ")
    assert sentence.endswith(", for a test; wait until that run has ended.")


def test_a_lock_is_free_after_its_holder_was_killed(folder, tmp_path):
    tests = Path(__file__).parent
    variables = {**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"}
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables) as holder:
        holder.stdout.readline()
        holder.kill()
    with folder.locked("30_reset_and_full_sync"):
        assert str(os.getpid()) in (folder.path / "lock.json").read_text()


def test_the_lock_is_free_again_after_an_error(folder):
    with pytest.raises(ZeroDivisionError), folder.locked("a test"):
        raise ZeroDivisionError
    began = time.monotonic()
    with folder.locked("another test"):
        assert time.monotonic() - began < 1
    assert not (folder.path / "lock.json").exists()
