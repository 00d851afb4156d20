"""The command line up to the first import of an installed package, with the standard library alone."""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from kit import environment
from kit.environment import PROJECT
from kit.errors import KitError, ParameterError

COMMANDS = {
    "demo": "a whole case on a practice farm: photo drift found, fixed, proven and written up",
    "test": "the tests; the arguments are pytest's",
    "lab": "keep a practice farm running and print its case file",
    "doctor": "whether a case's systems can be reached, signed in to and read; one line per check",
    "run": "the notebooks, in order, on the farm that a case file names",
    "writeup": "one shareable HTML file from a case folder",
    "bench": "what the kit measures about itself, beside a peer where there is one",
}
"""The commands and what each one does, in the order in which they are listed."""


def main(arguments: Sequence[str]) -> int:
    """Run one command line, setting up first where that is needed.

    Parameters
    ----------
    arguments : Sequence[str]
        The command and its arguments, without the program's name.

    Returns
    -------
    int
        The exit code: 1 after one sentence on standard error or when the reader of the output has gone, 130
        when interrupted, else the command's own.
    """
    try:
        return _start(list(arguments))
    except KitError as error:
        print(f"kit: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("kit: interrupted.", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The output's reader has enough, as `head` does; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def usage() -> str:
    """Return the help that ``python3 -m kit`` shows, one line per command."""
    lines = [f"  {name:<9}{purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python3 -m kit COMMAND [arguments]",
            "",
            *lines,
            "",
            "'python3 -m kit COMMAND --help' lists a command's arguments. The first one sets up .venv.",
        ]
    )


def _start(arguments: list[str]) -> int:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(usage())
        return 0
    command = arguments[0]
    _check(command)
    if command == "test":
        return _test(arguments[1:])
    if {"-h", "--help"} & set(arguments) and importlib.util.find_spec("kit.commands"):
        with contextlib.suppress(ModuleNotFoundError):  # then its help, too, needs what is installed below
            return _run(arguments)
    python = environment.prepare([PROJECT / "requirements.txt"], _announce)
    if python == Path(sys.executable):
        return _run(arguments)
    return _continue_in(python, [str(PROJECT / "kit"), *arguments])


def _check(command: str) -> None:
    if command not in COMMANDS:
        close = difflib.get_close_matches(command, COMMANDS, n=1)
        next_step = f"did you mean '{close[0]}'" if close else "run 'python3 -m kit --help'"
        what, cause = f"unknown command '{command}'", f"the commands are {', '.join(COMMANDS)}"
        raise ParameterError(what, cause, next_step)


def _run(arguments: list[str]) -> int:
    from kit import commands  # noqa: PLC0415 - may import what only the finished environment has

    return commands.main(arguments)


def _test(options: list[str]) -> int:
    files = [PROJECT / "requirements.txt", PROJECT / "tests" / "requirements.txt"]
    if _compiles_kerberos():
        files.append(PROJECT / "tests" / "kerberos.txt")
        os.environ.setdefault("CFLAGS", "-O0")  # a third of the time, for code that only tests run
    python = environment.prepare(files, _announce)
    os.chdir(PROJECT)
    # Without options: all tests, each file whole, for the farm it started. pytest-xdist would keep files of
    # few tests to the end, which are the longest; and as many tests wait for a server, one process is added.
    workers = str((os.cpu_count() or 1) + 1)
    everything = ["-n", workers, "--dist", "loadfile", "--no-loadscope-reorder"]
    return _continue_in(python, ["-m", "pytest", *(options or everything)])


def _compiles_kerberos() -> bool:
    """Tell whether the Kerberos packages, which come as C source, can be installed here."""
    header = Path(sysconfig.get_path("include"), "Python.h")
    return bool(shutil.which("krb5-config") and shutil.which("cc")) and header.is_file()


def _announce(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def _continue_in(python: Path, arguments: list[str]) -> int:
    """Go on in an interpreter: in this very process where the system can, else as its faithful parent."""
    sys.stdout.flush()
    sys.stderr.flush()
    command = [str(python), *arguments]
    if os.name == "posix":
        os.execv(command[0], command)  # noqa: S606 - our own command, no shell
    with subprocess.Popen(command) as child:  # noqa: S603 - our own command, no shell
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:  # the console sends Ctrl-C to the child as well, and its answer counts
                continue
