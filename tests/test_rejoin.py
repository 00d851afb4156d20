import pytest
from memory_farm import FULL, MemoryFarm

from kit.errors import RunError
from kit.lab.rules import DeletionRule
from kit.lab.site import field_rules
from kit.plan import Step
from kit.rejoin import require_rejoined

IMPORT = Step(5, "run", "sharepoint full_import", "SPMA", "FullImport")
SYNC = Step(6, "run", "sharepoint full_sync", "SPMA", "FullSync")
NAMES = [f"person{number:02}" for number in range(20)]
BASELINE = {"SPMA": len(NAMES)}
PROVISIONED = """<run-history><run-details><ma-name>SPMA</ma-name><run-number>2</run-number>
<run-profile-name>FullSync</run-profile-name><step-details step-number="1"><step-result>success</step-result>
<outbound-flow-counters ma="{agent}"><provisioned-add-flow detail="true">2</provisioned-add-flow>
<provisioned-add-no-flow>1</provisioned-add-no-flow></outbound-flow-counters>
</step-details></run-details></run-history>"""


@pytest.fixture
def make():
    """Return a function that makes a farm of joined people, whose rules a test chooses."""

    def start(**rules):
        farm = MemoryFarm(field_rules(**rules))
        for name in NAMES:
            farm.hire(name)
            farm.enrol(name)
        for agent in ("ADMA", "SPMA"):
            farm.run(agent, *FULL)
        farm.engine.set_provisioning(False)
        return farm

    return start


def details(farm):
    return farm.engine.runs("SPMA")[0].details_xml()


def refused(step, farm):
    with pytest.raises(RunError) as caught:
        require_rejoined(step, details(farm), BASELINE)
    return str(caught.value)


def test_an_import_of_everything_goes_on(make):
    farm = make()
    farm.engine.delete_connector_space("SPMA")
    farm.run("SPMA", "FullImport")
    require_rejoined(IMPORT, details(farm), BASELINE)


def test_somebody_may_leave_while_the_fix_runs(make):
    farm = make()
    farm.engine.delete_connector_space("SPMA")
    farm.sharepoint.drop(NAMES[0])
    farm.run("SPMA", "FullImport")
    require_rejoined(IMPORT, details(farm), BASELINE)


def test_an_import_with_objects_missing_stops(make):
    farm = make()
    farm.engine.delete_connector_space("SPMA")
    for name in NAMES[:2]:
        farm.sharepoint.drop(name)
    farm.run("SPMA", "FullImport")
    sentence = refused(IMPORT, farm)
    assert " 18 objects, 20 were there before: SharePoint did not return all profiles; " in sentence
    assert sentence.startswith("the full import of 'SPMA' ")


def test_a_sync_that_joins_everybody_goes_on(make):
    farm = make()
    farm.engine.delete_connector_space("SPMA")
    farm.run("SPMA", *FULL)
    require_rejoined(SYNC, details(farm), BASELINE)


def test_a_sync_that_removes_people_from_the_metaverse_stops(make):
    farm = make(deletion_rule=DeletionRule("declared-any", ("SPMA",)))
    farm.sharepoint.drop(NAMES[0])
    farm.run("SPMA", *FULL)
    sentence = refused(SYNC, farm)
    assert sentence.startswith(
        "the full sync of 'SPMA' removed 1 metaverse objects: a deletion rule or a filter"
    )


def test_a_sync_that_provisions_into_the_agent_stops():
    sentence = "the full sync provisioned 3 new objects into 'SPMA': provisioning is on, "
    with pytest.raises(RunError, match=sentence):
        require_rejoined(SYNC, PROVISIONED.format(agent="SPMA"), BASELINE)


def test_what_is_provisioned_into_another_agent_does_not_matter():
    require_rejoined(SYNC, PROVISIONED.format(agent="ADMA"), BASELINE)
