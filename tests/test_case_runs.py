from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import psutil
import pytest
from practice import Practice

from kit.case import load
from kit.lab import samba
from kit.lab.farm import start
from kit.lab.population import people
from kit.runner import PROJECT, choose

USERS, SEED = 60, 3
FARM = ["--users", str(USERS), "--seed", str(SEED)]
SERVICE_ACCOUNTS = 4


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of Python as a user would, and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=PROJECT, check=False
    )


def expected(phase: str) -> dict[str, int]:
    """Return how many people have each verdict, as their stories and the service accounts have it."""
    told = [getattr(person, f"expected_{phase}") for person in people(USERS, SEED)]
    return {verdict: told.count(verdict) for verdict in told} | {
        "unmatched": told.count("unmatched") + SERVICE_ACCOUNTS
    }


# The demonstration.


@dataclass(frozen=True)
class Demo:
    """What the demonstration said, and what it left behind."""

    code: int
    told: str
    folder: Path
    manifest: dict[str, Any] = field(repr=False)


def demonstrate(folder: Path, directory: str) -> Demo:
    done = command("kit", "demo", *FARM, "--directory", directory, "--out", str(folder))
    path = folder / "demo" / "case.json"
    assert path.is_file(), done.stderr
    return Demo(done.returncode, done.stdout, path.parent, json.loads(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return demonstrate(tmp_path_factory.mktemp("demo"), "embedded")


def test_the_demonstration_ends_well(demo: Demo) -> None:
    assert demo.code == 0


def test_the_demonstration_tells_the_counts_before_and_after(demo: Demo) -> None:
    stale = expected("before")["stale"]
    assert re.search(rf"^stale +{stale} +0$", demo.told, re.MULTILINE)


def test_the_demonstration_tells_where_the_writeup_is(demo: Demo) -> None:
    assert f"Writeup: {demo.folder / 'writeup.html'}\n" in demo.told


@pytest.mark.parametrize("phase", ["before", "after"])
def test_the_manifest_has_the_counts_that_the_stories_expect(demo: Demo, phase: str) -> None:
    counts = demo.manifest["counts"][phase]
    assert {verdict: number for verdict, number in counts.items() if number} == expected(phase)


def test_whoever_was_in_sync_has_the_same_photo_afterwards(demo: Demo) -> None:
    before, after = (
        pd.read_parquet(demo.folder / phase / "people.parquet").set_index("person")
        for phase in ("before", "after")
    )
    in_sync = before.index[before["verdict"] == "in_sync"]
    assert after.loc[in_sync, "directory_sha256"].equals(before.loc[in_sync, "directory_sha256"])


def test_the_manifest_has_every_files_hash(demo: Demo) -> None:
    files = {path.relative_to(demo.folder).as_posix(): path for path in demo.folder.rglob("*")}
    private = {"case.json", ".lock", ".redaction-key"}
    hashes = {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if path.is_file() and path.name not in private
    }
    assert demo.manifest["files"] == hashes


@pytest.mark.parametrize("name", choose([]))
def test_every_cell_of_every_notebook_ran(demo: Demo, name: str) -> None:
    notebook = nbformat.read(demo.folder / "notebooks" / f"{name}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert "error" not in {output.output_type for cell in cells for output in cell.outputs}


@pytest.mark.parametrize("name", choose([]))
def test_no_notebook_shows_a_warning(demo: Demo, name: str) -> None:
    notebook = nbformat.read(demo.folder / "notebooks" / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []


def test_the_charts_are_pictures(demo: Demo) -> None:
    figures = {path.name: path.read_bytes()[:8] for path in (demo.folder / "figures").glob("*.png")}
    assert {"verdicts.png", "timeline.png", "pending-exports.png"} <= figures.keys()
    assert set(figures.values()) == {b"\x89PNG\r\n\x1a\n"}


def test_the_writeup_needs_no_other_file(demo: Demo) -> None:
    page = (demo.folder / "writeup.html").read_text(encoding="utf-8")
    assert set(re.findall(r"<img[^>]* src=\"(\w+:)", page)) == {"data:"}
    assert not re.search(r"<(script|link|iframe)\b[^>]*(src|href)=|url\((?!data:)|@import", page)


def test_the_writeup_names_nobody(demo: Demo) -> None:
    page = (demo.folder / "writeup.html").read_text(encoding="utf-8").lower()
    names = [person.account_name for person in people(USERS, SEED) if "." in person.account_name]
    assert not [name for name in names if name.lower() in page]


def test_samba_as_the_directory_gives_the_same_verdicts(
    demo: Demo, tmp_path_factory: pytest.TempPathFactory
) -> None:
    reason = samba.available()
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    outputs = tmp_path_factory.mktemp("samba")
    options = {"users": USERS, "seed": SEED, "directory": "samba", "outputs": outputs, "case_id": "demo"}
    with start(outputs / "farm", **options) as farm:
        practice = Practice(farm)
        counts = {"before": practice.measured().counts}
        practice.fix()
        counts["after"] = practice.measured("after").counts
    assert counts == demo.manifest["counts"]


# A farm that is kept running, and the notebooks one by one.


@dataclass
class Lab:
    """A farm in a process of its own, and the notebooks that were run on it."""

    process: subprocess.Popen[str]
    case_file: Path
    folder: Path
    notebooks: Path
    password: str = field(repr=False)
    codes: dict[str, int] = field(default_factory=dict)
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    journalled: dict[str, bool] = field(default_factory=dict)

    def papermill(self, name: str, run: str, *options: str) -> None:
        """Run one notebook and note what it left."""
        output = self.notebooks / f"{run}.ipynb"
        source = f"notebooks/{name}.ipynb"
        parameters = ["-p", "case_file", str(self.case_file), *options]
        done = command("papermill", source, str(output), *parameters)
        self.codes[run], self.told[run] = done.returncode, done.stdout + done.stderr
        manifest = json.loads((self.folder / "case.json").read_text(encoding="utf-8"))
        self.counts[run] = manifest["counts"]
        self.journalled[run] = (self.folder / "journal.jsonl").exists()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a farm on which every notebook was run by itself, in order, the harmless ones twice."""
    outputs = str(tmp_path_factory.mktemp("outputs"))
    arguments = [sys.executable, "-m", "kit", "lab", *FARM, "--out", outputs]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        try:
            lab = opened(process, tmp_path_factory.mktemp("notebooks"))
            carry_through(lab)
            yield lab
        finally:
            process.kill()


def carry_through(lab: Lab) -> None:
    for run in ("first", "second"):
        lab.papermill("10_inventory", f"10 {run}")
        lab.papermill("20_compare_photos", f"20 {run}")
    lab.papermill("30_reset_and_full_sync", "30 refused", "-p", "apply", "false")
    lab.papermill("30_reset_and_full_sync", "30", "-y", "{apply: true}")
    lab.papermill("40_drift_report", "40")


def opened(process: subprocess.Popen[str], notebooks: Path) -> Lab:
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if line.startswith("Ready"):
            break
    case_file = Path(re.search(r"^Case file: (.+)$", told, re.MULTILINE)[1])
    secret = case_file.with_name("secrets.env").read_text(encoding="utf-8").splitlines()[0]
    return Lab(process, case_file, load(case_file).folder, notebooks, secret.partition("=")[2])


@pytest.mark.parametrize("run", ["10 first", "20 first", "10 second", "20 second", "30", "40"])
def test_every_notebook_runs_by_itself(lab: Lab, run: str) -> None:
    assert (lab.codes[run], lab.told[run] if lab.codes[run] else "") == (0, "")


def test_an_inventory_alone_has_no_counts(lab: Lab) -> None:
    assert (lab.counts["10 first"], lab.counts["10 second"]) == ({}, {})


def test_run_twice_a_comparison_gives_the_same_counts(lab: Lab) -> None:
    assert lab.counts["20 second"] == lab.counts["20 first"]


def test_the_same_seed_gives_the_same_counts(lab: Lab, demo: Demo) -> None:
    assert lab.counts["40"] == demo.manifest["counts"]


def test_after_all_notebooks_nobody_is_stale(lab: Lab) -> None:
    assert [lab.counts["40"][phase]["stale"] for phase in ("before", "after")] == [7, 0]


def test_the_text_false_does_not_start_the_fix(lab: Lab) -> None:
    assert lab.codes["30 refused"] != 0
    assert "parameter 'apply' is 'false'" in lab.told["30 refused"]
    assert not lab.journalled["30 refused"]


def test_the_password_is_nowhere(lab: Lab) -> None:
    places = {
        str(path): path.read_bytes()
        for path in [*lab.folder.rglob("*"), *lab.notebooks.iterdir()]
        if path.is_file()
    }
    places |= {run: told.encode() for run, told in lab.told.items()}
    forms = set(written(lab.password))
    assert not [place for place, content in places.items() if any(form in content for form in forms)]


def written(password: str) -> Iterator[bytes]:
    """Yield every form in which a password may have been written: the text, and base64 however it falls."""
    for plain in (password.encode(), password.encode("utf-16-le")):
        yield plain
        for shift in range(3):
            whole = base64.b64encode(b"\0" * shift + plain)
            yield whole[4 if shift else 0 : -4]


def test_the_farm_ends_when_it_is_told_to(lab: Lab) -> None:
    children = psutil.Process(lab.process.pid).children(recursive=True)
    lab.process.send_signal(signal.SIGTERM)
    assert lab.process.wait(timeout=30) == 0
    assert not [child for child in children if child.is_running()]
    assert not lab.case_file.exists()
