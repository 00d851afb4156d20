"""Carries out the fix of a case in a process of its own, to be killed: ``resync_process.py CASE.yaml``."""

import sys

from kit import case as cases
from kit import plan, sources
from kit.folder import CaseFolder
from kit.resync import Resync


def main(case_file):
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
        Resync(folder, chosen, service, directory, sharepoint, gate_seconds=60.0).run(apply=True)


if __name__ == "__main__":
    main(sys.argv[1])
