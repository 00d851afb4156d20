"""Makes an experiment in processes that die one by one: ``experiment_process.py CASE.yaml MOMENTS``.

As in ``resync_process.py``: each process kills itself at the first moment of its journal that the file
MOMENTS does not name, and adds it; the last one finds none and ends the experiment.
"""

import os
import signal
import sys
import traceback
from pathlib import Path

from resync_process import deadly

from kit import case as cases
from kit import sources
from kit.confirmation import PAUSED
from kit.execution import Patience
from kit.experiment import Experiment
from kit.folder import CaseFolder
from kit.journal import Journal


def make(case_file):
    case = cases.load(case_file)
    with sources.synchronization(case) as service, sources.as_test_account(case) as sharepoint:
        patience = Patience(grace=0.0)  # nothing is on its way: a killed process was not sending
        testing = Experiment(CaseFolder(case), service, sharepoint, confirmed=[PAUSED], patience=patience)
        testing.run(apply=True)


def attempt(case_file, moments):
    Journal.write = deadly(Journal.write, moments)
    try:
        make(case_file)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main(case_file, moments):
    while True:
        child = os.fork()
        if child == 0:
            os._exit(attempt(case_file, moments))
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
