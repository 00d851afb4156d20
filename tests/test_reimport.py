import pytest
from memory_farm import FULL, MemoryFarm

from kit import reimport
from kit.endpoint import Endpoint
from kit.errors import RunError
from kit.lab import portraits, wsman
from kit.lab.domain import Account, Domain
from kit.lab.site import field_rules
from kit.mim import SynchronizationService

KIT = Account("kit", "Corr3ct horse", frozenset({"sync-operator"}))
OLD, NEW = (portraits.portrait(seed, size=72) for seed in (3, 8))
EVERYBODY = ["contoso\\anna", "contoso\\berta"]


@pytest.fixture
def farm():
    """Return a farm on which a new photo of anna and one of berta wait to be exported."""
    farm = MemoryFarm(field_rules())
    for name in ("anna", "berta"):
        farm.hire(name, OLD)
        farm.enrol(name, Picture=OLD)
    for agent in ("ADMA", "SPMA", "ADMA"):
        farm.run(agent, *FULL)
    for name in ("anna", "berta"):
        farm.sharepoint.put(name, Picture=NEW)
    farm.run("SPMA", "DeltaImport", "DeltaSync")
    return farm


@pytest.fixture
def service(farm):
    server = wsman.start(farm.engine, Domain(), [KIT])
    with SynchronizationService(Endpoint(server.url, "CONTOSO\\kit", KIT.password)) as opened:
        yield opened
    server.stop()


@pytest.fixture
def confirmed(farm, service):
    """Return a function that says what became of the exports."""

    def look(*profiles):
        details = []
        for profile in profiles:
            farm.run("ADMA", profile)
            details.append(service.run_details("ADMA"))
        return reimport.of_imports(service, "ADMA", details, EVERYBODY)

    return look


def test_what_was_written_is_counted(farm, service):
    farm.run("ADMA", "Export")
    told = reimport.of_exports([service.run_details("ADMA")])
    assert told == {"exported": 2, "failed": 0, "errors": {}, "detail": "2 updates written, no errors"}


def test_whoever_could_not_be_written_is_counted_by_reason(farm, service):
    farm.directory.failures["anna"] = "permission-issue"
    farm.run("ADMA", "Export")
    told = reimport.of_exports([service.run_details("ADMA")])
    assert (told["exported"], told["errors"]) == (1, {"permission-issue": 1})
    assert told["detail"] == "1 updates written, 1 permission-issue"


def test_several_exports_are_summed(farm, service):
    farm.directory.failures["anna"] = "permission-issue"
    farm.run("ADMA", "Export")
    first = service.run_details("ADMA")
    farm.directory.failures.clear()
    farm.run("ADMA", "Export")
    assert reimport.of_exports([first, service.run_details("ADMA")])["exported"] == 2


def test_an_export_of_anything_but_updates_is_refused(farm, service):
    farm.run("ADMA", "Export")
    details = service.run_details("ADMA").replace(
        'export-delete detail="true">0<', 'export-delete detail="true">2<'
    )
    with pytest.raises(RunError, match=r"the export wrote more than updates: \{'delete': 2\}"):
        reimport.of_exports([details])


def test_an_import_confirms_what_was_exported(farm, confirmed):
    farm.run("ADMA", "Export")
    told = confirmed("DeltaImport")
    assert (told["unconfirmed"], told["not_reimported"]) == ([], [])
    assert told["detail"] == "2 of 2 exports confirmed; 0 came back otherwise; 0 updates wait again"


def test_without_an_import_nothing_is_confirmed(farm, confirmed):
    farm.run("ADMA", "Export")
    assert confirmed()["unconfirmed"] == EVERYBODY


def test_what_came_back_otherwise_is_named(farm, confirmed):
    farm.run("ADMA", "Export")
    farm.directory.put("anna", thumbnailPhoto=OLD)
    told = confirmed("DeltaImport")
    assert told["not_reimported"] == ["CN=anna,OU=Staff,DC=contoso,DC=example"]
    assert "1 came back otherwise (CN=anna,OU=Staff,DC=contoso,DC=example)" in told["detail"]


def test_a_canary_is_seen_where_its_picture_waits(farm, service):
    farm.sharepoint.put("anna", Picture=OLD)
    farm.run("SPMA", "FullImport")
    told = reimport.of_canary(service.run_details("SPMA"), of_sharepoint(service), "contoso\\anna")
    assert told == {"staged": 1, "detail": "1 objects staged as changed, contoso\\anna among them"}


@pytest.mark.parametrize("changed", [{}, {"WorkPhone": "110"}])
def test_a_canary_whose_picture_does_not_wait_is_refused(farm, service, changed):
    farm.sharepoint.put("anna", **changed)
    farm.run("SPMA", "FullImport")
    told = rf"staged {len(changed)} changed objects, the picture of contoso\\anna is not among them"
    with pytest.raises(RunError, match=told):
        reimport.of_canary(service.run_details("SPMA"), of_sharepoint(service), "contoso\\anna")


def of_sharepoint(service):
    """Return anna's objects in the SharePoint agent's connector space."""
    guid = service.connector_space_objects(account="contoso\\anna")[0].metaverse_guid
    objects = service.connector_space_objects(metaverse_guid=guid)
    return [one for one in objects if one.agent == "SPMA"]
