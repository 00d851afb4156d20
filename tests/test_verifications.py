"""Where a fix reads what waits to be exported: a csexport file, or MIM's own command shell."""

import pytest
from practice import Practice

from kit.csexport import export
from kit.endpoint import Endpoint
from kit.errors import RightsError, SafetyError
from kit.lab import farm as lab
from kit.shell import CommandShell


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("farm")
    with lab.start(folder, users=20, outputs=folder / "outputs", case_id="practice") as running:
        yield running


def csexport_by_hand(farm, folder):
    """Do what an administrator does on the server: export what waits, and copy the file."""
    account = Endpoint(farm.wsman.url, "CONTOSO\\svc-mim", farm.passwords["svc-mim"])
    folder.mkdir(exist_ok=True)
    with CommandShell(account) as shell:
        export(shell, "ADMA", folder=folder).replace(folder / "ADMA.xml")


def test_a_fix_reads_what_waits_from_a_file_that_is_new_enough(farm):
    folder = farm.folder / "csexport"
    practice = Practice(farm, "by-file", csexport_folder=str(folder))
    practice.measured()
    csexport_by_hand(farm, folder)
    with pytest.raises(SafetyError, match=r"before the last run ended.*'ADMA' ran until"):
        practice.fix()
    csexport_by_hand(farm, folder)
    assert set(practice.fix()["result"]) == {"ok"}


def test_an_account_that_may_not_use_the_shell_is_told_how_to_do_it_by_hand(farm):
    practice = Practice(farm, "by-shell", command_shell=True)
    practice.measured()
    photos = practice.photos()
    with pytest.raises(RightsError, match="csexport"):
        practice.fix()
    assert practice.photos() == photos
