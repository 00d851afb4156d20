"""Carries out the fix of a case in processes of their own, to be killed.

``resync_process.py CASE.yaml`` carries it out once. ``resync_process.py CASE.yaml MOMENTS`` begins it again
and again: each process kills itself at the first moment of its journal that the file MOMENTS does not name,
and adds it; the last one finds none and ends the fix.
"""

import os
import signal
import sys
import traceback
from functools import wraps
from pathlib import Path

from kit import case as cases
from kit import plan, sources
from kit.execution import Patience
from kit.folder import CaseFolder
from kit.journal import Journal
from kit.resync import Resync
from kit.sequence import CONFIRMATIONS


def fix(case_file):
    case = cases.load(case_file)
    folder = CaseFolder(case)
    chosen = plan.make(
        case, folder.people("before"), plan.read_configuration(case), (), export_limit_percent=30.0
    )
    with (
        sources.synchronization(case) as service,
        sources.directory(case) as directory,
        sources.sharepoint(case) as sharepoint,
    ):
        fixing = Resync(
            folder,
            chosen,
            service,
            directory,
            sharepoint,
            gate_seconds=60.0,
            confirmed=CONFIRMATIONS,
            patience=Patience(grace=0.0),  # nothing is on its way: a killed process was not sending
        )
        fixing.run(apply=True)


def killed_at_each_moment(work, case_file, moments):
    while True:
        child = os.fork()
        if child == 0:
            os._exit(attempt(work, case_file, moments))
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            return os.waitstatus_to_exitcode(status)


def attempt(work, case_file, moments):
    Journal.write = deadly(Journal.write, moments)
    try:
        work(case_file)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def deadly(write, moments):
    """Let a process die before it writes a line, after it, and with half the outcome of a run on disk."""
    met = set(moments.read_text().splitlines())

    def is_new(moment):
        if moment in met:
            return False
        with moments.open("a") as file:
            file.write(f"{moment}\n")
        return True

    @wraps(write)
    def deadly_write(journal, event, step, **facts):
        if is_new(f"before {event} {step}"):
            os.kill(os.getpid(), signal.SIGKILL)
        size = journal.path.stat().st_size if journal.path.exists() else 0
        write(journal, event, step, **facts)
        if (event, facts.get("kind")) == ("outcome", "run") and is_new(f"within {event} {step}"):
            os.truncate(journal.path, (size + journal.path.stat().st_size) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        if is_new(f"after {event} {step}"):
            os.kill(os.getpid(), signal.SIGKILL)

    return deadly_write


if __name__ == "__main__":
    case_file, *rest = map(Path, sys.argv[1:])
    sys.exit(killed_at_each_moment(fix, case_file, *rest) if rest else fix(case_file))
