"""The entry point as a user starts it: a process of its own, in a copy that requires one tiny package."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kit import bootstrap, environment, requirements

PROJECT = Path(bootstrap.__file__).parent.parent
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
COMMANDS = """
import json, sys
def main(arguments):
    import tiny
    print(json.dumps({"arguments": arguments, "prefix": sys.prefix, "path": sys.path[0]}))
    return 7
"""
Done = subprocess.CompletedProcess[str]


@dataclass
class Copy:
    """A copy of the entry point in a project folder of its own."""

    folder: Path
    wheels: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> Path:
        """Return the folder of the virtual environment."""
        return self.folder / ".venv"

    def command(self, *arguments: str) -> list[str]:
        """Return a command line that starts the entry point."""
        return [sys.executable, "-m", "kit", *arguments]

    def options(self) -> dict[str, object]:
        """Return what a process needs so that pip looks in the folder of wheels only."""
        outer = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.wheels.as_uri(), "PIP_CONFIG_FILE": os.devnull}
        return {
            "cwd": self.folder,
            "env": outer | pip | self.variables,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "encoding": "utf-8",
        }

    def run(self, *arguments: str, before: tuple[str, ...] = ()) -> Done:
        """Run one command line to its end."""
        command = [*before, *self.command(*arguments)]
        return subprocess.run(command, **self.options(), timeout=120, check=False)

    def refusal(self, *arguments: str, before: tuple[str, ...] = ()) -> str:
        """Run a command line that must fail with one sentence and no traceback; return the sentence."""
        done = self.run(*arguments, before=before)
        assert done.returncode == 1, done
        assert done.stdout == ""
        *progress, sentence = done.stderr.splitlines()
        assert all(line.endswith(" ...") for line in progress), done.stderr
        assert sentence.startswith("kit: ")
        assert sentence.endswith(".")
        return sentence


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with two versions of one package, which is all that pip can see."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0"):
        information = f"tiny-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("tiny.py", f"version = '{version}'\n")
            wheel.writestr(f"{information}/METADATA", metadata)
            wheel.writestr(f"{information}/WHEEL", tags)
            wheel.writestr(f"{information}/RECORD", "")
    return folder


def copy_to(folder: Path, wheels: Path) -> Copy:
    kit = folder / "kit"
    kit.mkdir(parents=True)
    for name in ("__init__", "__main__", "bootstrap", "environment", "errors", "requirements"):
        shutil.copy(PROJECT / "kit" / f"{name}.py", kit)
    (kit / "commands.py").write_text(COMMANDS)
    (folder / "requirements.txt").write_text("# as small as can be\ntiny>=1.0,<2  # the one\n")
    (folder / "tests").mkdir()
    (folder / "tests" / "requirements.txt").write_text("tiny\n")
    (folder / "tests" / "kerberos.txt").write_text("# nothing to compile\n")
    return Copy(folder, wheels)


def add_package(folder: Path, backend: str) -> None:
    """Make a source package that is built by the code given, without any other package."""
    folder.mkdir()
    (folder / "backend.py").write_text(backend)
    settings = 'requires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (folder / "pyproject.toml").write_text(f"[build-system]\n{settings}")
    (folder.parent / "requirements.txt").write_text(f"./{folder.name}\n")


@pytest.fixture
def copy(tmp_path: Path, wheels: Path) -> Copy:
    return copy_to(tmp_path / "project", wheels)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> tuple[Copy, Done]:
    """Set one copy up, in a folder whose name has a space and letters beyond ASCII."""
    copy = copy_to(tmp_path_factory.mktemp("set up") / "Größe 写真", wheels)
    return copy, copy.run("demo", "--users", "3")


def test_first_command_sets_up_says_so_once_and_goes_on(
    finished: tuple[Copy, Done],
) -> None:
    copy, done = finished
    assert (done.returncode, done.stderr) == (7, "Setting up .venv, a minute or a few, once ...\n")
    told = json.loads(done.stdout)
    assert told["arguments"] == ["demo", "--users", "3"]
    assert Path(told["prefix"]) == copy.environment
    assert Path(told["path"]) == copy.folder


def test_kernels_of_the_environment_find_the_kit_from_any_folder(
    finished: tuple[Copy, Done], tmp_path: Path
) -> None:
    python = finished[0].environment / SCRIPTS / "python"
    question = [str(python), "-c", "import kit; print(kit.__file__)"]
    found = subprocess.run(question, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()) == finished[0].folder / "kit" / "__init__.py"


def test_second_command_goes_on_at_once_without_pip(
    finished: tuple[Copy, Done],
) -> None:
    copy, _ = finished
    offline = Copy(copy.folder, copy.folder / "no wheels here")
    done = offline.run("demo")
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize("start", ["folder", "module"])
def test_every_way_to_start_it_from_elsewhere_finds_the_project(
    finished: tuple[Copy, Done], tmp_path: Path, start: str
) -> None:
    copy, _ = finished
    options = copy.options() | {"cwd": tmp_path}
    if start == "module":
        options["env"]["PYTHONPATH"] = str(copy.folder)
    way = {"folder": [str(copy.folder / "kit")], "module": ["-m", "kit"]}[start]
    done = subprocess.run([sys.executable, *way, "demo"], **options, timeout=60, check=False)
    assert done.returncode == 7, done
    assert Path(json.loads(done.stdout)["prefix"]) == copy.environment


def test_changed_requirements_bring_the_environment_up_to_date(
    finished: tuple[Copy, Done],
) -> None:
    copy, _ = finished
    file = copy.folder / "requirements.txt"
    before = file.read_text()
    file.write_text("tiny>=2\n")
    try:
        done = copy.run("demo")
        assert (done.returncode, done.stderr) == (
            7,
            "Bringing .venv up to date, a minute or a few, once ...\n",
        )
        assert requirements.satisfied([file], list(map(str, copy.environment.rglob("site-packages"))))
        file.write_text("tiny>=9\n")
        assert "has no version that fits this Python (No matching" in copy.refusal("demo")
    finally:
        file.write_text(before)
    assert copy.run("demo").returncode == 7


def test_test_command_runs_pytest_in_the_project_with_the_given_arguments(copy: Copy) -> None:
    copy.folder.joinpath("requirements.txt").write_text("pytest\n")
    copy.folder.joinpath("tests", "requirements.txt").write_text("pytest-timeout>=1\n")
    copy.folder.joinpath("tests", "test_few.py").write_text("def test_one(): pass\ndef test_two(): 1 / 0\n")
    done = copy.run("test", "-k", "one", "-q", "tests")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done
    assert copy.run("test", "-q", "tests").returncode == 1
    assert not copy.environment.exists()


def test_complete_interpreter_is_used_as_it_is(copy: Copy, tmp_path: Path) -> None:
    copy.folder.joinpath("requirements.txt").write_text("pytest>=1\nPyYAML # another spelling of pyyaml\n")
    (tmp_path / "tiny.py").touch()
    copy.variables["PYTHONPATH"] = str(tmp_path)
    done = copy.run("lab")
    assert (done.returncode, done.stderr) == (7, "")
    assert json.loads(done.stdout)["prefix"] == sys.prefix
    assert not copy.environment.exists()


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_lists_every_command_before_any_set_up(copy: Copy, arguments: tuple[str, ...]) -> None:
    done = copy.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert listed == ["demo", "test", "lab", "doctor", "run", "writeup", "bench"]
    assert not copy.environment.exists()


def test_help_of_a_command_needs_no_set_up_where_the_command_line_needs_none(copy: Copy) -> None:
    copy.folder.joinpath("kit", "commands.py").write_text("def main(arguments): return len(arguments)\n")
    assert copy.run("run", "--help").returncode == 2
    assert not copy.environment.exists()


def test_old_python_gets_a_sentence(copy: Copy) -> None:
    start = copy.folder / "kit" / "__main__.py"
    ast.parse(start.read_text(), feature_version=(3, 6))
    script = (
        "import runpy, sys; sys.version_info = (3, 9, 1); runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    command = [sys.executable, "-c", script, str(start)]
    done = subprocess.run(command, **copy.options(), timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == "kit: Python 3.9 is too old: the kit needs 3.11 or newer; start it with a newer Python.\n"
    )


def test_unknown_command_is_refused_before_any_set_up(copy: Copy) -> None:
    assert "unknown command 'dmeo'" in copy.refusal("dmeo")
    assert "did you mean 'demo'" in copy.refusal("dmeo")
    assert not copy.environment.exists()


def test_unreachable_index_is_named_and_the_environment_stays_as_it_was(finished: tuple[Copy, Done]) -> None:
    copy, _ = finished
    index = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    offline = Copy(copy.folder, copy.wheels, index | {"PIP_RETRIES": "1", "NO_PROXY": "*"})
    file = copy.folder / "tests" / "requirements.txt"
    file.write_text("unknown-until-now\n")
    assert "the package index cannot be reached over the network" in offline.refusal("test")
    assert offline.run("demo").returncode == 7


def test_full_disk_is_named_and_nothing_is_left(copy: Copy) -> None:
    add_package(copy.folder / "large", "raise OSError(28, 'No space left on device')")
    assert "the disk is full" in copy.refusal("demo")
    assert not copy.environment.exists()


@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_set_up_leaves_nothing(copy: Copy, interruption: signal.Signals) -> None:
    # The build says that it has begun, and waits to be interrupted.
    begun = copy.folder / "begun"
    os.mkfifo(begun)
    add_package(copy.folder / "slow", f"import signal\nopen({str(begun)!r}, 'w').close()\nsignal.pause()\n")
    with subprocess.Popen(copy.command("demo"), **copy.options(), start_new_session=True) as process:
        begun.read_bytes()
        os.killpg(process.pid, interruption)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.splitlines()[-1]) == (130, "kit: interrupted.")
    assert not copy.environment.exists()


@pytest.mark.parametrize("module", ["ensurepip", "venv"])
def test_missing_module_of_python_is_named(copy: Copy, tmp_path: Path, module: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{module!r}] = None\n")
    copy.variables["PYTHONPATH"] = str(tmp_path)
    sentence = copy.refusal("demo")
    assert f"has no '{module}' module" in sentence
    assert "apt install python3-venv" in sentence
    assert not copy.environment.exists()


def test_read_only_folder_is_named(copy: Copy) -> None:
    # root may write anywhere, so the process gives up that one capability (CAP_DAC_OVERRIDE) first.
    launcher = (
        "import ctypes, os, sys\nctypes.CDLL(None).prctl(24, 1, 0, 0, 0)\nos.execv(sys.argv[1], sys.argv[1:])"
    )
    copy.folder.chmod(0o555)
    try:
        sentence = copy.refusal("demo", before=(sys.executable, "-c", launcher))
    finally:
        copy.folder.chmod(0o755)
    assert f"{copy.environment} cannot be made: Permission denied" in sentence


def test_folder_that_is_no_environment_is_left_alone(copy: Copy) -> None:
    copy.environment.mkdir()
    (copy.environment / "mine.txt").touch()
    sentence = copy.refusal("demo")
    assert "is half-made" in sentence
    assert f"delete {copy.environment}" in sentence
    assert (copy.environment / "mine.txt").exists()


def test_file_in_place_of_the_environment_is_named(copy: Copy) -> None:
    copy.environment.touch()
    assert f"delete {copy.environment}" in copy.refusal("demo")


def test_environment_whose_set_up_was_killed_is_half_made(copy: Copy) -> None:
    venv.create(copy.environment, with_pip=False)
    (copy.environment / "kit-setup.json").write_text('{"finished": false, "files": {}}')
    assert "its set-up was cut short, or still runs elsewhere" in copy.refusal("demo")


def test_environment_without_pip_is_named(copy: Copy) -> None:
    venv.create(copy.environment, with_pip=False)
    assert "it has no pip" in copy.refusal("demo")
    assert not (copy.environment / "kit-setup.json").exists()


def test_python_outside_the_environment_is_not_taken_for_it(copy: Copy) -> None:
    # With a loop of processes that start each other, this test would not end.
    scripts = copy.environment / SCRIPTS
    scripts.mkdir(parents=True)
    (scripts / "python").symlink_to(getattr(sys, "_base_executable", sys.executable))
    assert f"{copy.environment} cannot be used" in copy.refusal("demo")


def test_missing_requirements_file_is_named(copy: Copy) -> None:
    (copy.folder / "requirements.txt").unlink()
    assert "requirements.txt cannot be read: No such file" in copy.refusal("demo")
    assert not copy.environment.exists()


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("x\nssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] x", "is not trusted"),
        ("WARNING: Retrying after connection broken by 'ProxyError'", "cannot be reached over the network"),
        ("Error: ensurepip failed: exit status 1", "Python's ensurepip failed"),
        ("ERROR: No matching distribution found for pandas>=9", "no version that fits this Python"),
        ("ERROR: Could not find a version (from versions: none)", "or does not have the package"),
        ("line\nERROR: something new\nhint", "ERROR: something new"),
        ("", "it printed nothing"),
    ],
)
def test_what_pip_prints_is_explained(output: str, cause: str) -> None:
    assert cause in environment.explain(output)[0]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pytest", True),
        ("PyTest >= 8, < 1000", True),
        ("pytest<8", False),
        ("pytest>=8; python_version > '3'", False),
        ("pytest[testing]", False),
        ("# only a comment", True),
    ],
)
def test_requirement_is_met_only_where_that_is_certain(tmp_path: Path, line: str, expected: bool) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(line)
    assert requirements.satisfied([file]) is expected


def test_requirements_of_the_project_are_all_understood_without_pip() -> None:
    files = [PROJECT / "requirements.txt", PROJECT / "tests" / "requirements.txt"]
    assert requirements.satisfied(files)
