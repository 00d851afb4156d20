from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from practice import Practice

from kit import folder, runner
from kit.case import load
from kit.lab import farm as lab
from kit.lab.farm import Farm

CLOSED = "127.0.0.1:9"
Edit = Callable[[dict[str, Any]], object]
INVENTORY = ("--only", "10_inventory")


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Return a farm that no test changes."""
    place = tmp_path_factory.mktemp("farm")
    with lab.start(place, users=20, outputs=place / "outputs", case_id="practice") as farm:
        yield farm


@pytest.fixture
def case_file(farm: Farm, tmp_path: Path) -> Path:
    """Return a copy of the farm's case file that writes into a folder of its own."""
    case = yaml.safe_load(farm.case_file.read_text(encoding="utf-8"))
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(case | {"outputs": str(tmp_path / "outputs")}), encoding="utf-8")
    return path


def edit(path: Path, change: Edit) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(case)
    path.write_text(yaml.safe_dump(case), encoding="utf-8")


def refusal(case_file: Path, *arguments: str) -> str:
    """Return the one sentence that a run ends with, and see that it leaves nothing half-done."""
    sentence = last_words(case_file, *arguments)
    assert_nothing_half_written(case_file)
    return sentence


def last_words(case_file: Path, *arguments: str) -> str:
    """Return the one sentence that a run ends with."""
    command = [sys.executable, "-m", "kit", "run", str(case_file), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=runner.PROJECT, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert_sentence(lines[0])
    return lines[0]


def assert_sentence(line: str) -> None:
    """See that a line has the form ``kit: what: cause; next step.`` with nothing doubled."""
    assert re.fullmatch(r"kit: .+: .+; .+\.", line)
    assert not re.search(r"\.;|;;|::|\.\.$|; ;| {2}", line)


def assert_nothing_half_written(case_file: Path) -> None:
    outputs = case_file.parent / "outputs"
    if outputs.is_dir():
        written = folder.CaseFolder(load(case_file))
        assert written.manifest()["counts"] == {}
        assert not [path for path in outputs.rglob("*") if path.suffix == ".part" or path.name[:3] == "tmp"]
        assert not (written.path / "before" / "people.parquet").exists()


SYSTEMS = ("directory", "sharepoint", "mim")


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_wrong_password(case_file: Path, farm: Farm, system: str) -> None:
    def change(case: dict[str, Any]) -> None:
        case[system]["password_name"] = "KIT_WRONG"
        secrets = case_file.with_name("secrets.env")
        secrets.write_text(farm.secrets_file.read_text() + "KIT_WRONG=not the password\n")
        case["secrets_file"] = str(secrets)

    edit(case_file, change)
    sentence = refusal(case_file, *INVENTORY)
    assert "svc-photo-kit" in sentence
    assert "password" in sentence
    assert "not the password" not in sentence


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_unreachable_server(case_file: Path, system: str) -> None:
    edit(
        case_file,
        lambda case: case[system].update(url=re.sub(r"127[.\d]+:\d+", CLOSED, case[system]["url"])),
    )
    sentence = refusal(case_file, *INVENTORY)
    assert CLOSED in sentence


def test_an_untrusted_certificate(case_file: Path) -> None:
    edit(case_file, lambda case: case["directory"].pop("ca_file"))
    sentence = refusal(case_file, *INVENTORY)
    assert "ca_file" in sentence


def test_a_base_dn_that_does_not_exist(case_file: Path) -> None:
    edit(case_file, lambda case: case["directory"].update(base_dn="DC=fabrikam,DC=example"))
    sentence = refusal(case_file, *INVENTORY)
    assert "DC=fabrikam,DC=example" in sentence


def test_a_missing_agent(case_file: Path) -> None:
    edit(case_file, lambda case: case["mim"].update(sharepoint_agent="SPMAX"))
    sentence = refusal(case_file, *INVENTORY)
    assert "management agent 'SPMAX' does not exist" in sentence
    assert "'ADMA', 'SPMA'" in sentence


def test_a_missing_run_profile(farm: Farm) -> None:
    practice = Practice(farm, "profile", run_profiles={"full_import": "FullImportX"})
    practice.measured()
    sentence = last_words(practice.case_file, "--only", "30_reset_and_full_sync")
    assert "run profile 'FullImportX' of 'SPMA' is unknown: the agent has FullImport, " in sentence
    assert not practice.folder.journal.exists()


def test_an_unknown_key(case_file: Path) -> None:
    edit(case_file, lambda case: case["mim"].update(sharepoint_agnet="SPMA"))
    sentence = refusal(case_file)
    assert "'mim.sharepoint_agnet' in case file" in sentence
    assert sentence.endswith("did you mean 'sharepoint_agent'.")


def test_a_value_of_the_wrong_kind(case_file: Path) -> None:
    edit(case_file, lambda case: case["directory"].update(page_size="many"))
    assert "'directory.page_size'" in refusal(case_file)


def test_a_password_in_an_address(case_file: Path) -> None:
    edit(case_file, lambda case: case["directory"].update(url="ldaps://svc:Sup3rSecret@dc1"))
    sentence = refusal(case_file)
    assert "'directory.url' in case file" in sentence
    assert "an address has no user name and no password in it; write it as ldaps://host" in sentence
    assert "Sup3rSecret" not in sentence


@pytest.mark.parametrize(("key", "value"), [("page_size", 2**31), ("timeout", float("inf"))])
def test_a_number_out_of_bounds(case_file: Path, key: str, value: float) -> None:
    edit(case_file, lambda case: case["directory"].update({key: value}))
    assert f"'directory.{key}' in case file '{case_file}' is {value}: input should be " in refusal(case_file)


def test_a_case_file_nested_too_deeply(case_file: Path) -> None:
    case_file.write_text("[" * 3000, encoding="utf-8")
    assert "nested too deeply" in last_words(case_file)


def test_a_key_given_twice(case_file: Path) -> None:
    case_file.write_text("title: a\ntitle: b\n", encoding="utf-8")
    assert "key 'title' is given a second time in line 2; correct the file." in last_words(case_file)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("apply", "false", "parameter 'apply' is 'false': .*boolean.*use True or False"),
        ("aply", "True", "parameter 'aply' was given: .*did you mean 'apply'"),
        ("gallery_size", "many", "parameter 'gallery_size' is 'many': .*integer"),
    ],
)
def test_a_parameter_of_the_wrong_kind(case_file: Path, name: str, value: str, told: str) -> None:
    sentence = refusal(case_file, "-p", name, value)
    assert re.search(told, sentence)


def test_a_case_file_that_is_not_there(tmp_path: Path) -> None:
    assert f"'{tmp_path / 'case.yaml'}' was not found" in refusal(tmp_path / "case.yaml")


def test_a_secret_that_is_nowhere(case_file: Path) -> None:
    edit(case_file, lambda case: case["directory"].update(password_name="KIT_NOWHERE"))
    assert "secret 'KIT_NOWHERE' was not found" in refusal(case_file, *INVENTORY)


def test_outputs_that_cannot_be_written(case_file: Path) -> None:
    outputs = case_file.parent / "outputs"
    outputs.write_text("in the way", encoding="utf-8")
    sentence = refusal(case_file)
    assert f"'{outputs}" in sentence
    assert outputs.read_text(encoding="utf-8") == "in the way"
