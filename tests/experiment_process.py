"""Makes an experiment in processes that die one by one: ``experiment_process.py CASE.yaml MOMENTS``.

As in ``resync_process.py``: each process kills itself at the first moment of its journal that the file
MOMENTS does not name, and adds it; the last one finds none and ends the experiment.
"""

import sys
from pathlib import Path

from resync_process import killed_at_each_moment

from kit import case as cases
from kit import sources
from kit.confirmation import PAUSED
from kit.execution import Patience
from kit.experiment import Experiment
from kit.folder import CaseFolder


def make(case_file):
    case = cases.load(case_file)
    with sources.synchronization(case) as service, sources.as_test_account(case) as sharepoint:
        patience = Patience(grace=0.0)  # nothing is on its way: a killed process was not sending
        testing = Experiment(CaseFolder(case), service, sharepoint, confirmed=[PAUSED], patience=patience)
        testing.run(apply=True)


if __name__ == "__main__":
    sys.exit(killed_at_each_moment(make, *map(Path, sys.argv[1:])))
