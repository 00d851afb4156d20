"""The virtual environment ``.venv``: made, checked, brought up to date, with the standard library alone."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kit import requirements
from kit.errors import SetupError

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / ".venv"
STAMP = FOLDER / "kit-setup.json"
"""Says whether a set-up finished in the environment, and with which requirement files (name to SHA-256)."""

_DELETE = f"delete {FOLDER} and run the command again"
# Signs in what pip or venv printed, the cause they stand for, the next step; the first match decides.
_FAILURES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("No space left on device", "not enough space on the disk"),
        "the disk is full",
        "free about 1 GB and run the command again",
    ),
    (
        ("CERTIFICATE_VERIFY_FAILED", "SSLError", "SSLCertVerificationError"),
        "the TLS certificate of the package index, or of a proxy before it, is not trusted",
        "name your company's CA file with 'pip config set global.cert FILE' and run the command again",
    ),
    (
        ("connection broken by", "Max retries exceeded", "name resolution", "timed out", "ProxyError"),
        "the package index cannot be reached over the network",
        "check the network, or name a proxy (HTTPS_PROXY) or your own index (PIP_INDEX_URL), and try again",
    ),
    (("No module named pip",), "it has no pip", _DELETE),
    (
        ("ensurepip",),
        "Python's ensurepip failed",
        "repair this Python (Debian, Ubuntu: apt install python3-venv) and run the command again",
    ),
    (
        ("from versions: none",),
        "the package index cannot be reached, or does not have the package",
        "check the network, or name another index (PIP_INDEX_URL), and try again",
    ),
    (
        ("No matching distribution found",),
        "the package index has no version that fits this Python",
        "try another Python from 3.11 on, or another index (PIP_INDEX_URL)",
    ),
)


def prepare(files: Sequence[Path], announce: Callable[[str], None]) -> Path:
    """Return an interpreter that has everything the files name, making ``.venv`` if there is none.

    Parameters
    ----------
    files : Sequence[Path]
        Requirement files below the project folder.
    announce : Callable[[str], None]
        Takes a sentence before a step that lasts.

    Returns
    -------
    Path
        The running interpreter where it is complete, else the one in ``.venv``.

    Raises
    ------
    SetupError
        There is no such interpreter and none could be made.
    """
    inside = FOLDER.is_dir() and Path(sys.prefix).samefile(FOLDER)
    if not inside and requirements.satisfied(files):
        return Path(sys.executable)
    if not os.path.lexists(FOLDER):
        _create(files, announce)
    else:
        _update(files, sys.path if inside else _inspect(), announce)
    return Path(sys.executable) if inside else _python()


def explain(output: str) -> tuple[str, str]:
    """Tell why pip or venv failed.

    Parameters
    ----------
    output : str
        All that it printed.

    Returns
    -------
    tuple[str, str]
        The cause, with the line of the output that decided, and the next step.

    Examples
    --------
    >>> explain("ERROR: Could not install packages: [Errno 28] No space left on device")[1]
    'free about 1 GB and run the command again'
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for signs, cause, next_step in _FAILURES:
        deciding = next((line[line.index(sign) :] for line in lines for sign in signs if sign in line), None)
        if deciding is not None:
            return f"{cause} ({textwrap.shorten(deciding, 160)})", next_step
    errors = [line for line in lines if line.startswith("ERROR")] or lines or ["it printed nothing"]
    return errors[-1], "run 'pip install -r requirements.txt' in an environment of your own to see it all"


def _create(files: Sequence[Path], announce: Callable[[str], None]) -> None:
    """Make ``.venv`` and fill it; after a failure, and when interrupted, nothing of it stays."""
    _check_modules()
    wanted = _digests(files)
    try:
        FOLDER.mkdir()
    except OSError as error:
        what, cause = f"{FOLDER} cannot be made", error.strerror or str(error)
        next_step = "copy the project to a folder you can write to, or run as its owner"
        raise SetupError(what, cause, next_step) from error
    announce("Setting up .venv, a minute or a few, once ...")
    terminate = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _write_stamp(finished=False, files={})
        _call([sys.executable, "-m", "venv", str(FOLDER)], f"{FOLDER} could not be made")
        _install(files)
        _write_stamp(finished=True, files=wanted)
    except BaseException:
        _remove()
        raise
    finally:
        signal.signal(signal.SIGTERM, terminate)


def _check_modules() -> None:
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            what, cause = f"{FOLDER} cannot be made", f"{sys.executable} has no '{module}' module"
            next_step = (
                "install it (Debian, Ubuntu: apt install python3-venv) or use a Python from python.org"
            )
            raise SetupError(what, cause, next_step)


def _remove() -> None:
    try:
        shutil.rmtree(FOLDER)
    except OSError as error:
        what, cause = f"{FOLDER} is half-made", f"it could not be removed ({error.strerror or error})"
        raise SetupError(what, cause, _DELETE) from error


def _update(files: Sequence[Path], import_path: Sequence[str], announce: Callable[[str], None]) -> None:
    """Install what the existing environment lacks.

    Parameters
    ----------
    files : Sequence[Path]
        Requirement files.
    import_path : Sequence[str]
        Where the environment's own Python looks for modules.
    announce : Callable[[str], None]
        Takes a sentence before pip runs.

    Raises
    ------
    SetupError
        An earlier set-up did not finish, or pip failed.
    """
    stamp = _read_stamp()
    if stamp is not None and not stamp["finished"]:
        what, cause = f"{FOLDER} is half-made", "its set-up was cut short, or still runs elsewhere"
        raise SetupError(what, cause, f"wait for that set-up to end, or {_DELETE}")
    wanted = _digests(files)
    installed = stamp["files"] if stamp else {}
    if wanted.items() <= installed.items() or requirements.satisfied(files, import_path):
        return
    announce("Bringing .venv up to date, a minute or a few, once ...")
    with _marked_unfinished(stamp):
        _install(files)
    _write_stamp(finished=True, files=installed | wanted)


@contextlib.contextmanager
def _marked_unfinished(stamp: dict[str, Any] | None) -> Iterator[None]:
    """Mark the environment while pip works in it; a pip that gives up by itself leaves no half package."""
    _write_stamp(finished=False, files={})
    try:
        yield
    except SetupError:
        if stamp is None:
            STAMP.unlink()
        else:
            _write_stamp(**stamp)
        raise


def _inspect() -> list[str]:
    """Return the import path of the Python in ``.venv``.

    Raises
    ------
    SetupError
        There is no working Python of a fitting version in it.
    """
    question = "import json, sys; print(json.dumps([sys.prefix, sys.version_info[:2], sys.path]))"
    command = [str(_python()), "-c", question]
    try:
        answer = subprocess.run(  # noqa: S603 - our own command, no shell
            command, capture_output=True, check=True, env=_variables()
        )
        prefix, version, import_path = json.loads(answer.stdout)
        own = Path(prefix).samefile(FOLDER)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        what, cause = f"{FOLDER} is half-made", "it holds no working Python, as after a set-up cut short"
        raise SetupError(what, cause, _DELETE) from error
    if not own or tuple(version) < (3, 11):
        what, found = f"{FOLDER} cannot be used", ".".join(str(part) for part in version)
        cause = f"its Python is {found} in {prefix}, not an environment of its own with 3.11 or newer"
        raise SetupError(what, cause, _DELETE)
    return list(import_path)


def _install(files: Sequence[Path]) -> None:
    options = [option for file in files for option in ("-r", str(file))]
    command = [str(_python()), "-m", "pip", "install", "--quiet", *options]
    _call(command, f"the packages could not be installed in {FOLDER}")
    # Notebooks are run from any folder, and their kernels find the kit only through the environment's own
    # path file. It is code, because a plain path there is read in the system's encoding.
    line = f"import sys; sys.path.append({str(PROJECT)!a})"
    writing = "import pathlib, sys, sysconfig; folder = pathlib.Path(sysconfig.get_path('purelib')); "
    writing += "(folder / 'kit.pth').write_text(sys.argv[1])"
    _call([str(_python()), "-c", writing, line], f"'kit.pth' could not be written in {FOLDER}")


def _call(command: list[str], what: str) -> None:
    """Run one step of the set-up quietly.

    Raises
    ------
    SetupError
        The step failed; its output decides on the cause and the next step.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own command, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=_variables(),
            check=False,
        )
    except OSError as error:
        raise SetupError(what, error.strerror or str(error), _DELETE) from error
    if done.returncode:
        cause, next_step = explain(done.stdout)
        raise SetupError(what, cause, next_step)


def _python() -> Path:
    """Return the path of the interpreter in ``.venv``."""
    return FOLDER / "Scripts" / "python.exe" if os.name == "nt" else FOLDER / "bin" / "python"


def _variables() -> dict[str, str]:
    """Return the variables for ``.venv``: the user's settings for pip, but nothing that leads out of it."""
    own = {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1"}
    outward = {"PYTHONPATH", "PYTHONHOME"}
    return {name: value for name, value in os.environ.items() if name not in outward} | own


def _digests(files: Sequence[Path]) -> dict[str, str]:
    return {file.relative_to(PROJECT).as_posix(): requirements.digest(file) for file in files}


def _read_stamp() -> dict[str, Any] | None:
    """Return the stamp; None for an environment that was made by hand."""
    if not STAMP.exists():
        return None
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        return {"finished": bool(stamp["finished"]), "files": dict(stamp["files"])}
    except (ValueError, KeyError, TypeError):  # cut short while it was written
        return {"finished": False, "files": {}}


def _write_stamp(*, finished: bool, files: dict[str, str]) -> None:
    try:
        STAMP.write_text(json.dumps({"finished": finished, "files": files}, indent=1), encoding="utf-8")
    except OSError as error:
        what, cause = f"{STAMP} cannot be written", error.strerror or str(error)
        raise SetupError(what, cause, "make room, and .venv writable, and run the command again") from error
