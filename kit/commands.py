"""The commands that need the finished environment: demo, lab, doctor, run, writeup and bench."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import bench
from kit.bootstrap import COMMANDS
from kit.environment import PROJECT
from kit.errors import KitError, OutputError, ParameterError

if TYPE_CHECKING:
    from kit.folder import CaseFolder
    from kit.lab.farm import Farm

OUTPUTS = PROJECT / "outputs"

NOT_EXAMINED = 120
"""The doctor's exit code where nothing could be examined; lower ones count the checks that failed."""


def main(arguments: Sequence[str]) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : Sequence[str]
        Its name and its arguments.

    Returns
    -------
    int
        Exit code; errors are raised as `kit.errors.KitError`, and `kit.bootstrap` tells them.
    """
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as stop:
        if stop.code and "doctor" in arguments[:1]:  # argparse's 2 would mean that two checks failed
            return NOT_EXAMINED
        raise
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.ERROR, format="%(name)s: %(message)s"
    )
    command: Callable[[argparse.Namespace], int] = options.command
    return command(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m kit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=COMMANDS[name], description=f"{COMMANDS[name].capitalize()}.")
        added.set_defaults(command=command)
        added.add_argument("--verbose", action="store_true", help="say what happens, on standard error")
        return added

    demo, lab = add("demo", _demo), add("lab", _lab)
    demo.add_argument("--case-id", default="demo", metavar="ID", help="name of the case folder (demo)")
    for farm in (demo, lab):
        farm.add_argument(
            "--out", type=Path, default=OUTPUTS, metavar="DIR", help="the outputs folder (outputs)"
        )
        farm.add_argument("--users", type=int, default=300, metavar="N", help="people on the farm (300)")
        farm.add_argument("--seed", type=int, default=1, metavar="S", help="the same seed, the same farm (1)")
        farm.add_argument(
            "--directory", choices=("embedded", "samba"), default="embedded", help="which directory"
        )
    lab.add_argument(
        "--operator",
        choices=("stand-in", "you"),
        default="stand-in",
        help="who does the hand work in MIM's console: a stand-in, or you in a browser",
    )
    lab.add_argument(
        "--causes",
        type=_names,
        default=(),
        metavar="NAME,...",
        help="causes of drift to plant; all: every one that concerns single people",
    )
    doctor = add("doctor", _doctor)
    doctor.epilog = (
        f"The exit code is the number of failed checks; {NOT_EXAMINED}: nothing could be examined."
    )
    doctor.add_argument("case", type=Path, metavar="CASE.yaml", help="the case file")
    doctor.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    run = add("run", _run)
    run.add_argument("case", type=Path, metavar="CASE.yaml", help="the case file")
    run.add_argument(
        "--only", action="append", default=[], metavar="NOTEBOOK", help="run this one; may be repeated"
    )
    run.add_argument(
        "-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter"
    )
    writeup = add("writeup", _writeup)
    writeup.add_argument("folder", type=Path, metavar="outputs/CASE", help="a case folder")
    writeup.add_argument("--unredacted", action="store_true", help="with names and photos as they are")
    measured = add("bench", _bench)
    measured.formatter_class = argparse.RawDescriptionHelpFormatter
    measured.add_argument(
        "names", nargs="*", metavar="NAME", help="a benchmark; all of them if none is named"
    )
    listed = "\n".join(f"  {name:<13}{benchmark.purpose}" for name, benchmark in bench.BENCHMARKS.items())
    measured.epilog = f"The exit code is 1 if a benchmark misses its bar.\n\nbenchmarks:\n{listed}"
    return parser


def _demo(options: argparse.Namespace) -> int:
    from kit import runner  # noqa: PLC0415 - slow imports only for the command that needs them
    from kit.case import CASE_ID_RULE, is_case_id, load  # noqa: PLC0415

    began = time.monotonic()
    outputs = options.out.resolve()
    _check_farm(options)
    if not is_case_id(options.case_id):  # before anything of that name is put aside
        raise ParameterError(f"--case-id is '{options.case_id}'", CASE_ID_RULE, "give another one")
    _set_aside(outputs / options.case_id)
    with _farm(options, outputs, options.case_id, stand_in=True) as farm:
        print(
            f"Practice farm with {options.users} people started in {time.monotonic() - began:.1f} s.",
            flush=True,
        )
        folder = runner.run(load(farm.case_file), runner.choose([]), {"apply": True}, say=_say)
    page = _finish(folder)
    counts = folder.manifest()["counts"]
    print(_table(counts))
    _tell_causes(folder)
    print(f"Writeup: {page}")
    print(f"The whole case took {time.monotonic() - began:.1f} s.")
    return 0 if counts["before"]["stale"] > 0 and counts["after"]["stale"] == 0 else 1


def _lab(options: argparse.Namespace) -> int:
    case_id = f"practice-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    _check_farm(options)
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopped.set())
    with _farm(options, options.out.resolve(), case_id, stand_in=options.operator == "stand-in") as farm:
        who = "A stand-in does" if options.operator == "stand-in" else "You do"
        print(f"Case file: {farm.case_file}")
        print(f"Operator console: {farm.console.url} ({who} the hand work there.)")
        print("Try: python3 -m kit run " + str(farm.case_file))
        print(f"Or:  papermill notebooks/10_inventory.ipynb out.ipynb -p case_file {farm.case_file}")
        print("Ready. Ctrl-C ends the farm.", flush=True)
        while not stopped.wait(3600):  # Windows wakes the main thread for Ctrl-C only between waits
            continue
    print("The farm is gone.")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from kit import doctor  # noqa: PLC0415 - slow imports only for the command that needs them
    from kit.case import load  # noqa: PLC0415

    checks = []
    try:
        case = load(options.case)
        for check in doctor.examine(case):
            checks.append(check)
            if not options.json:
                print(check, flush=True)
    except KitError as error:  # 1 would mean that one check failed
        print(f"kit: {error}", file=sys.stderr)
        if options.json:
            print(doctor.refusal(error))
        return NOT_EXAMINED
    if options.json:
        print(doctor.document(case, checks))
    return min(sum(check.result == "failed" for check in checks), doctor.MOST_FAILED)


def _run(options: argparse.Namespace) -> int:
    from kit import runner  # noqa: PLC0415 - slow imports only for the command that needs them
    from kit.case import load  # noqa: PLC0415

    given = {name: _value(text) for name, text in options.p}
    folder = runner.run(load(options.case), runner.choose(options.only), given, say=_say)
    if counts := folder.manifest()["counts"]:
        print(_table(counts))
    _tell_causes(folder)
    print(f"Writeup: {_finish(folder)}")
    return 0


def _writeup(options: argparse.Namespace) -> int:
    from kit import writeup  # noqa: PLC0415 - slow imports only for the command that needs them

    written = writeup.write(options.folder, redact=not options.unredacted)
    told = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in written.redacted.items())
    print(f"Writeup: {written.path}")
    print(f"Redacted: {told or 'nothing'}.")
    return 0


def _bench(options: argparse.Namespace) -> int:
    from kit.progress import bar  # noqa: PLC0415 - slow imports only for the command that needs them

    missed = False
    for name in bench.choose(options.names):
        began = time.monotonic()
        result = bench.run(name, bar)
        print(f"{name}: {bench.BENCHMARKS[name].purpose}\n\n{result}")
        print(f"It took {time.monotonic() - began:.1f} s.\n", flush=True)
        missed = missed or bool(result.failures)
    return 1 if missed else 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _value(text: str) -> Any:  # noqa: ANN401 - as papermill reads -p
    """Read a value as papermill's ``-p`` does: True, False, None and numbers; all else is text."""
    constants = {"True": True, "False": False, "None": None}
    if text in constants:
        return constants[text]
    for number in (int, float):
        with contextlib.suppress(ValueError):
            return number(text)
    return text


def _finish(folder: CaseFolder) -> Path:
    """Write the writeup anew, now that every executed notebook is in the case folder, and seal all files."""
    from kit import writeup  # noqa: PLC0415 - slow imports only for the command that needs them

    page = writeup.write(folder.path).path
    folder.seal()
    return page


def _table(counts: dict[str, dict[str, int]]) -> str:
    phases = [phase for phase in ("before", "after") if phase in counts]
    lines = [f"{'people per verdict':<24}" + "".join(f"{phase:>8}" for phase in phases)]
    verdicts = counts[phases[0]] if phases else {}
    lines += [f"{name:<24}" + "".join(f"{counts[phase][name]:>8}" for phase in phases) for name in verdicts]
    return "\n".join(lines)


def _tell_causes(folder: CaseFolder) -> None:
    for phase in ("before", "after"):
        if told := folder.diagnosis(phase):
            print(f"Causes {phase} the fix: {told['conclusion']}")


def _set_aside(folder: Path) -> None:
    """Keep an earlier demonstration under another name: its farm is gone, its journal must not be resumed."""
    if not folder.exists():
        return
    kept = folder.with_name(f"{folder.name}-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    try:
        folder.rename(kept)
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise OutputError(f"'{folder}' cannot be put aside", cause, "make the folder writable") from error
    print(f"The earlier case is kept as {kept.name}.")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _causes(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the causes to plant; a demonstration has none."""
    from kit.lab.plantings import PLANTINGS  # noqa: PLC0415 - slow imports only for who needs them

    named: tuple[str, ...] = getattr(options, "causes", ())
    return tuple(PLANTINGS) if named == ("all",) else named


def _check_farm(options: argparse.Namespace) -> None:
    if not 20 <= options.users <= 100_000:
        raise ParameterError(
            f"--users is {options.users}", "a farm has 20 to 100,000 people", "give another number"
        )


@contextlib.contextmanager
def _farm(options: argparse.Namespace, outputs: Path, case_id: str, *, stand_in: bool) -> Iterator[Farm]:
    from kit.lab import farm as lab  # noqa: PLC0415 - slow imports only for the command that needs them
    from kit.lab.operator import StandIn  # noqa: PLC0415

    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="kit-lab-")))
        farm = running.enter_context(
            lab.start(
                folder / "farm",
                users=options.users,
                seed=options.seed,
                directory=options.directory,
                outputs=outputs,
                case_id=case_id,
                causes=_causes(options),
            )
        )
        if stand_in:
            journal = outputs / case_id / "journal.jsonl"
            operator = StandIn(farm.console.url, journal, farm.configuration_folder)
            running.callback(operator.stop)
        yield farm
