"""Puts the photos of a case back in a process of its own, to be killed: ``restore_process.py CASE.yaml``."""

import sys

from kit import case as cases
from kit import sources, undo
from kit.folder import CaseFolder
from kit.restore import Restore


def main(case_file):
    case = cases.load(case_file)
    folder = CaseFolder(case)
    with sources.directory(case) as directory:
        Restore(folder, undo.plan(folder, directory), directory).run(apply=True)


if __name__ == "__main__":
    main(sys.argv[1])
