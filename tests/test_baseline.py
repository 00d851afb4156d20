import cases
import pytest
from memory_farm import MemoryFarm

from kit.baseline import Baseline
from kit.endpoint import Endpoint
from kit.folder import CaseFolder
from kit.journal import Journal
from kit.lab import wsman
from kit.lab.domain import Account, Domain
from kit.mim import SynchronizationService

KIT = Account("kit", "Corr3ct horse", frozenset({"sync-operator"}))
HELD = Baseline({"ADMA": 3, "SPMA": 2}, {"ADMA": 1, "SPMA": 1})


@pytest.fixture
def farm():
    """Return a farm with anna in both systems, and zoe in SharePoint only."""
    farm = MemoryFarm()
    farm.hire("anna")
    farm.enrol("anna")
    farm.enrol("zoe")
    for agent in ("ADMA", "SPMA"):
        farm.run(agent, "FullImport", "FullSync")
    return farm


@pytest.fixture
def service(farm):
    server = wsman.start(farm.engine, Domain(), [KIT])
    with SynchronizationService(Endpoint(server.url, "CONTOSO\\kit", KIT.password)) as opened:
        yield opened
    server.stop()


@pytest.fixture
def folder(tmp_path):
    return CaseFolder(cases.case(tmp_path))


def test_it_counts_the_objects_and_the_joined_ones_of_every_agent(service):
    assert Baseline.read(service) == HELD


def test_before_a_fix_it_is_as_it_is_now(folder, service):
    Journal(folder.journal).write("outcome", 3, kind="verify", name="quiet", result="ok", **HELD.facts())
    assert Baseline.of(folder, service) == HELD


def test_once_a_fix_has_begun_it_stays_as_it_was(farm, folder, service):
    journal = Journal(folder.journal)
    journal.write("outcome", 3, kind="verify", name="quiet", result="ok", **HELD.facts())
    journal.write("intent", 5, kind="gate", name="delete_connector_space")
    farm.engine.delete_connector_space("SPMA")
    assert Baseline.of(folder, service) == HELD


def test_it_is_told_in_words():
    assert HELD.facts()["detail"] == "ADMA: 3 objects, SPMA: 2 objects"
