from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from xml.etree.ElementTree import fromstring

import pytest
from memory_farm import DELTA, FULL, MemoryFarm, case_farm, small

from kit.endpoint import Endpoint
from kit.errors import RunError
from kit.lab import wsman
from kit.lab.domain import Account, Domain
from kit.lab.engine import EngineBusyError, SyncConcurrencyError
from kit.lab.runs import WITHOUT_RUN
from kit.lab.wsman import WSManServer
from kit.mim import SynchronizationService

SECONDS = 10.0
PASSWORD = "Corr3ct horse"


@pytest.fixture
def farm() -> MemoryFarm:
    return case_farm()


@pytest.fixture
def start() -> Iterator[Callable[..., Future]]:
    """Do something in a thread that has ended by the end of the test."""
    with ThreadPoolExecutor(2) as pool:
        yield pool.submit


# How runs end.


@pytest.mark.parametrize("status", sorted(WITHOUT_RUN))
def test_a_run_that_is_refused_leaves_no_run(farm: MemoryFarm, status: str) -> None:
    runs = len(farm.engine.runs())
    farm.engine.disturbances.end_next("SPMA", status)
    assert (farm.run("SPMA", "FullImport"), len(farm.engine.runs())) == ([status], runs)


@pytest.mark.parametrize("status", ["no-start-credentials", "stopped-database-disk-full"])
def test_a_run_can_end_with_any_status_that_breaks_it_off(farm: MemoryFarm, status: str) -> None:
    farm.engine.disturbances.end_next("SPMA", status)
    assert farm.run("SPMA", "FullImport") == [status]
    assert farm.engine.runs("SPMA")[0].status == status


@pytest.mark.parametrize("status", ["completed-transient-objects", "completed-somehow"])
def test_a_run_can_come_to_its_end_with_any_other_status(farm: MemoryFarm, status: str) -> None:
    farm.upload("berta", b"new photo")
    farm.engine.disturbances.end_next("SPMA", status)
    assert farm.run("SPMA", *DELTA) == [status, "success"]
    assert list(farm.pending("ADMA")) == ["berta"]


def test_a_run_that_breaks_off_has_dealt_with_some_objects(farm: MemoryFarm) -> None:
    farm.upload("berta", b"new photo")
    farm.upload("anna", b"new photo")
    farm.run("SPMA", *DELTA)
    farm.engine.disturbances.end_next("ADMA", "stopped-server-down", after=1)
    assert farm.run("ADMA", "Export") == ["stopped-server-down"]
    assert farm.engine.counters("ADMA")["NumExportUpdate"] == 1


def test_endings_are_used_up_in_their_order(farm: MemoryFarm) -> None:
    for status in ("stopped-deadlocked", "no-start-connection"):
        farm.engine.disturbances.end_next("SPMA", status)
    ended = farm.run("SPMA", "FullImport", "FullImport", "FullImport")
    assert ended == ["stopped-deadlocked", "no-start-connection", "success"]


def test_an_ending_is_for_one_agent(farm: MemoryFarm) -> None:
    farm.engine.disturbances.end_next("SPMA", "stopped-ma")
    assert farm.run("ADMA", "FullImport") == ["success"]


def test_exports_of_some_accounts_fail(farm: MemoryFarm) -> None:
    for name in ("anna", "berta"):
        farm.upload(name, b"new photo")
    farm.run("SPMA", *DELTA)
    farm.engine.disturbances.fail_exports("ADMA", "permission-issue", ["ANNA"])
    assert farm.run("ADMA", "Export") == ["completed-export-errors"]
    error = fromstring(farm.engine.runs("ADMA")[0].details_xml()).find(".//export-error")
    assert error is not None
    assert error.findtext("error-type") == "permission-issue"
    assert [farm.photo(name) == small(b"new photo") for name in ("anna", "berta")] == [False, True]


def test_exports_that_failed_go_out_once_they_are_let_through(farm: MemoryFarm) -> None:
    farm.upload("berta", b"new photo")
    farm.run("SPMA", *DELTA)
    for error_type in ("permission-issue", ""):
        farm.engine.disturbances.fail_exports("ADMA", error_type, ["berta"])
        farm.run("ADMA", "Export")
    assert farm.photo("berta") == small(b"new photo")


# Runs that take their time, and what is refused meanwhile.


def test_a_slow_run_is_stopped_between_two_objects(farm: MemoryFarm, start: Callable[..., Future]) -> None:
    farm.engine.disturbances.seconds_per_object = 600.0
    run = start(farm.engine.execute, "SPMA", "FullImport")
    while farm.engine.stop_run("SPMA") != "success":
        threading.Event().wait(0.002)
    assert run.result(SECONDS) == "stopped-user-termination-from-wmi-or-ui"


def test_a_run_that_stands_still_is_stopped(farm: MemoryFarm, start: Callable[..., Future]) -> None:
    with farm.engine.disturbances.hold("SPMA") as reached:
        run = start(farm.engine.execute, "SPMA", "FullImport")
        assert reached.wait(SECONDS)
        farm.engine.stop_run("SPMA")
        assert run.result(SECONDS) == "stopped-user-termination-from-wmi-or-ui"


def test_a_run_stands_still_after_so_many_objects(farm: MemoryFarm, start: Callable[..., Future]) -> None:
    with farm.engine.disturbances.hold("SPMA", after=1) as reached:
        run = start(farm.engine.execute, "SPMA", "FullImport")
        assert reached.wait(SECONDS)
        staged = dict(farm.engine.runs("SPMA")[0].steps[0].counters.staging)
    assert (sum(staged.values()), run.result(SECONDS)) == (1, "success")


def test_an_agent_runs_once_at_a_time(farm: MemoryFarm, start: Callable[..., Future]) -> None:
    with farm.engine.disturbances.hold("SPMA") as reached:
        start(farm.engine.execute, "SPMA", "FullImport")
        assert reached.wait(SECONDS)
        assert farm.run("SPMA", "DeltaImport") == ["no-start-ma-already-running"]


def test_a_second_synchronisation_is_refused(farm: MemoryFarm, start: Callable[..., Future]) -> None:
    with farm.engine.disturbances.hold("SPMA") as reached:
        start(farm.engine.execute, "SPMA", "FullSync")
        assert reached.wait(SECONDS)
        with pytest.raises(SyncConcurrencyError, match=r"FullSync of ADMA was refused \(0x8023063D\)"):
            farm.run("ADMA", "FullSync")


def test_an_import_may_run_beside_a_synchronisation(farm: MemoryFarm, start: Callable[..., Future]) -> None:
    with farm.engine.disturbances.hold("SPMA") as reached:
        start(farm.engine.execute, "SPMA", "FullSync")
        assert reached.wait(SECONDS)
        assert farm.run("ADMA", "FullImport") == ["success"]


# A deletion that takes its time.


@pytest.fixture
def deleting(farm: MemoryFarm, start: Callable[..., Future]) -> Iterator[MemoryFarm]:
    """Keep a deletion standing after its first object while the test lasts."""
    with farm.engine.disturbances.hold("SPMA", after=1) as reached:
        start(farm.engine.delete_connector_space, "SPMA")
        assert reached.wait(SECONDS)
        yield farm


@pytest.mark.parametrize("agent", ["ADMA", "SPMA"])
def test_while_a_connector_space_is_deleted_no_run_starts(deleting: MemoryFarm, agent: str) -> None:
    assert deleting.run(agent, "FullImport") == ["no-start-ma-update-in-progress"]


def test_a_connector_space_is_emptied_object_by_object(deleting: MemoryFarm) -> None:
    assert deleting.engine.counters("SPMA")["NumCSObjects"] == 1


def test_while_a_connector_space_is_deleted_the_configuration_stays(deleting: MemoryFarm) -> None:
    with pytest.raises(EngineBusyError, match="another change is in progress"):
        deleting.engine.set_provisioning(False)


def test_a_deletion_is_refused_while_any_agent_runs(farm: MemoryFarm, start: Callable[..., Future]) -> None:
    with farm.engine.disturbances.hold("ADMA") as reached:
        start(farm.engine.execute, "ADMA", "FullImport")
        assert reached.wait(SECONDS)
        with pytest.raises(EngineBusyError, match="ADMA is in progress"):
            farm.engine.delete_connector_space("SPMA")
    assert farm.run("SPMA", *FULL) == ["success", "success"]


# The same through WS-Man.


@pytest.fixture
def listener(farm: MemoryFarm) -> Iterator[WSManServer]:
    """Serve the engine with a listener that has little patience."""
    account = Account("svc-kit", PASSWORD, frozenset({"sync-operator"}))
    server = wsman.start(farm.engine, Domain(), [account], max_timeout=0.2)
    yield server
    server.stop()


@pytest.fixture
def service(listener: WSManServer) -> Iterator[SynchronizationService]:
    endpoint = Endpoint(listener.url, "CONTOSO\\svc-kit", PASSWORD)
    with SynchronizationService(endpoint, poll_interval=0.05) as client:
        yield client


def test_a_run_that_outlasts_the_listeners_patience_is_sent_once(
    farm: MemoryFarm, listener: WSManServer, service: SynchronizationService
) -> None:
    farm.engine.disturbances.seconds_per_object = 0.3
    assert service.execute("SPMA", "FullImport").status == "success"
    assert listener.received["Execute"] == 1


def test_a_second_synchronisation_is_refused_through_the_listener(
    farm: MemoryFarm, start: Callable[..., Future], service: SynchronizationService
) -> None:
    with farm.engine.disturbances.hold("SPMA") as reached:
        start(farm.engine.execute, "SPMA", "FullSync")
        assert reached.wait(SECONDS)
        with pytest.raises(RunError, match=f"the run was not started.*fault {SyncConcurrencyError.code}"):
            service.execute("ADMA", "FullSync")
    assert farm.engine.runs("ADMA")[0].profile != "FullSync"
