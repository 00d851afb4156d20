from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from xml.etree.ElementTree import fromstring

import pytest
from memory_farm import DELTA, FULL, MemoryConnector, MemoryFarm, case_farm

from kit.errors import NotFoundError, ParameterError, SignInError, UnreachableError
from kit.lab.connector import DiscoveryError, ImportedObject
from kit.lab.engine import EngineBusyError, SyncConcurrencyError
from kit.lab.rules import Rules, RunProfile, Step, StepType
from kit.lab.runs import EXTENSION_EXCEPTION, StepStoppedError
from kit.lab.site import field_rules


def test_the_run_order_of_the_published_scripts_settles_on_a_fresh_farm() -> None:
    farm = MemoryFarm()
    farm.hire("anna", b"photo")
    farm.enrol("anna")
    results = [farm.run(agent, *FULL) for agent in ("ADMA", "SPMA")] + [farm.run("SPMA", "Export")]
    assert results == [["success", "success"], ["success", "success"], ["completed-no-objects"]]
    assert farm.engine.counters("SPMA")["NumConnectors"] == 1


def test_a_delta_import_without_a_watermark_asks_for_a_full_one() -> None:
    farm = case_farm()
    farm.engine.delete_connector_space("SPMA")
    assert farm.run("SPMA", "DeltaImport") == ["no-start-full-import-required"]


@pytest.mark.parametrize("agent", ["ADMA", "SPMA"])
def test_an_object_threshold_stops_an_import(agent: str) -> None:
    farm = case_farm(rules=field_rules().with_threshold(agent, "FullImport", objects=1))
    assert farm.run(agent, "FullImport") == ["stopped-object-limit"]


def test_an_object_threshold_exports_that_many_objects() -> None:
    farm = case_farm(rules=field_rules().with_threshold("ADMA", "Export", objects=1))
    for name in ("anna", "berta"):
        farm.upload(name, b"new photo")
    farm.run("SPMA", *DELTA)
    assert farm.run("ADMA", "Export") == ["stopped-object-limit"]
    assert farm.engine.counters("ADMA")["NumExportUpdate"] == 1


@pytest.mark.parametrize(("limit", "result", "staged"), [(1, "stopped-deletion-limit", 1), (2, "success", 2)])
def test_a_deletion_threshold_is_a_brake(limit: int, result: str, staged: int) -> None:
    farm = case_farm(rules=field_rules().with_threshold("SPMA", "FullImport", deletions=limit))
    farm.sharepoint.objects.clear()
    assert farm.run("SPMA", "FullImport") == [result]
    assert farm.engine.counters("SPMA")["NumImportDelete"] == staged


def test_discovery_errors_skip_the_detection_of_deletions() -> None:
    farm = case_farm()
    farm.sharepoint.drop("anna")
    farm.sharepoint.trouble = DiscoveryError("read-error", anchor="7", detail="illegal character")
    assert farm.run("SPMA", "FullImport") == ["completed-discovery-errors"]
    assert farm.engine.counters("SPMA")["NumImportDelete"] == 0


@pytest.mark.parametrize(
    ("trouble", "result", "connection"),
    [
        (UnreachableError("a", "b", "c"), "stopped-connectivity", "dropped-connection"),
        (StepStoppedError(EXTENSION_EXCEPTION, "403"), EXTENSION_EXCEPTION, "success"),
    ],
)
def test_a_connector_that_fails_midway_stops_the_step(
    trouble: Exception, result: str, connection: str
) -> None:
    farm = case_farm()
    farm.sharepoint.trouble = trouble
    assert farm.run("SPMA", "FullImport") == [result]
    assert farm.engine.runs("SPMA")[0].steps[0].connection == connection


def test_a_refused_sign_in_is_a_run_that_did_not_start() -> None:
    farm = MemoryFarm()
    farm.sharepoint.trouble = SignInError("a", "b", "c")
    assert farm.run("SPMA", "FullImport") == ["no-start-credentials"]


def many_steps(*types: StepType) -> Rules:
    rules = field_rules()
    return rules.with_agent("SPMA", run_profiles=(RunProfile("Many", tuple(Step(kind) for kind in types)),))


def test_after_a_stopped_step_the_next_does_not_run() -> None:
    farm = MemoryFarm(many_steps(StepType.DELTA_IMPORT, StepType.FULL_SYNC))
    assert farm.run("SPMA", "Many") == ["no-start-full-import-required"]
    assert len(farm.engine.runs()[0].steps) == 1


def test_after_export_errors_the_next_step_does_run() -> None:
    farm = MemoryFarm(many_steps(StepType.EXPORT, StepType.FULL_IMPORT))
    farm.hire("anna")
    farm.run("ADMA", *FULL)
    farm.sharepoint.failures["anna"] = "permission-issue"
    assert farm.run("SPMA", "Many") == ["completed-export-errors"]
    assert [step.result for step in farm.engine.runs()[0].steps] == [
        "completed-export-errors",
        "completed-no-objects",
    ]


def test_a_combined_step_imports_and_synchronises() -> None:
    farm = MemoryFarm(many_steps(StepType.FULL_IMPORT_FULL_SYNC))
    farm.hire("anna")
    farm.enrol("anna")
    farm.run("ADMA", *FULL)
    farm.run("SPMA", "Many")
    assert farm.engine.counters("SPMA")["NumConnectors"] == 1


def test_run_details_list_the_newest_step_first() -> None:
    farm = MemoryFarm(many_steps(StepType.FULL_IMPORT, StepType.DELTA_SYNC))
    farm.run("SPMA", "Many")
    details = fromstring(farm.engine.runs()[0].details_xml())
    assert [step.get("step-number") for step in details.iter("step-details")] == ["2", "1"]


def test_run_details_name_run_account_and_targets() -> None:
    farm = case_farm()
    farm.upload("anna", b"new photo")
    farm.engine.execute("SPMA", "DELTAIMPORT", "CONTOSO\\operator")
    farm.engine.execute("SPMA", "deltasync", "CONTOSO\\operator")
    details = fromstring(farm.engine.runs()[0].details_xml())
    assert details.findtext(".//run-profile-name") == "DeltaSync"
    assert details.findtext(".//security-id") == "CONTOSO\\operator"
    assert details.findtext(".//outbound-flow-counters[@ma='ADMA']/connector-flow") == "1"
    assert details.findtext(".//inbound-flow-counters/connector-flow") == "1"


def test_run_numbers_count_per_agent_and_the_newest_run_comes_first() -> None:
    farm = MemoryFarm()
    farm.run("ADMA", "FullImport")
    farm.run("SPMA", "FullImport", "FullSync")
    assert [(run.agent, run.run_number) for run in farm.engine.runs()] == [
        ("SPMA", 2),
        ("SPMA", 1),
        ("ADMA", 1),
    ]


def test_clearing_runs_spares_the_later_ones() -> None:
    farm = MemoryFarm()
    farm.run("ADMA", "FullImport", "FullSync")
    ended = farm.engine.runs()[0].ended
    assert ended is not None
    farm.engine.clear_runs(ended - timedelta(days=1))
    assert len(farm.engine.runs()) == 2
    farm.engine.clear_runs(ended)
    assert farm.engine.runs() == []


def test_an_unknown_profile_leaves_no_run() -> None:
    farm = MemoryFarm()
    assert farm.run("SPMA", "FullImprot") == ["no-start-unknown-profile-name"]
    assert farm.engine.runs() == []


def test_an_unknown_agent_is_named_with_the_known_ones() -> None:
    with pytest.raises(NotFoundError, match="'SPMB' is unknown: the service has ADMA, SPMA"):
        MemoryFarm().run("SPMB", "FullImport")


def test_rules_for_other_agents_are_refused() -> None:
    rules = field_rules()
    with pytest.raises(ParameterError, match="keep names"):
        MemoryFarm().engine.change_rules(replace(rules, agents=rules.agents[:1]))


# Concurrency


class HeldConnector(MemoryConnector):
    """Holds a full import until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def full_import(self, attributes: frozenset[str]) -> Iterator[ImportedObject | DiscoveryError]:
        """Wait, then read everything."""
        self.entered.set()
        assert self.released.wait(10)
        yield from super().full_import(attributes)


class HeldRun:
    """A farm in the middle of a run of the SharePoint agent that imports and will synchronise."""

    def __init__(self) -> None:
        self.connector = HeldConnector()
        self.connector.put("anna", UserName="anna")
        self.farm = MemoryFarm(many_steps(StepType.FULL_IMPORT_DELTA_SYNC), sharepoint=self.connector)
        self.results: list[str] = []
        self.thread = threading.Thread(target=lambda: self.results.extend(self.farm.run("SPMA", "Many")))
        self.thread.start()
        assert self.connector.entered.wait(10)

    def finish(self) -> list[str]:
        """Let the run go on to its end."""
        self.connector.released.set()
        self.thread.join(10)
        return self.results


@pytest.fixture
def held() -> Iterator[HeldRun]:
    run = HeldRun()
    yield run
    run.finish()


def test_an_agent_runs_once_at_a_time(held: HeldRun) -> None:
    assert held.farm.run("SPMA", "Many") == ["no-start-ma-already-running"]


def test_a_second_synchronisation_is_refused(held: HeldRun) -> None:
    with pytest.raises(SyncConcurrencyError, match="0x8023063D"):
        held.farm.run("ADMA", "FullSync")


def test_another_agent_may_import_meanwhile(held: HeldRun) -> None:
    assert held.farm.run("ADMA", "FullImport") == ["completed-no-objects"]


def test_a_run_in_progress_is_in_the_history(held: HeldRun) -> None:
    run = held.farm.engine.runs()[0]
    details = fromstring(run.details_xml())
    assert (run.status, run.ended) == ("in-progress", None)
    assert (details.findtext(".//step-result"), details.findtext(".//end-date")) == ("in-progress", "")


def test_a_space_is_not_deleted_while_a_run_is_in_progress(held: HeldRun) -> None:
    with pytest.raises(EngineBusyError, match="SPMA is in progress"):
        held.farm.engine.delete_connector_space("ADMA")


def test_a_stopped_run_ends_before_its_next_object(held: HeldRun) -> None:
    assert held.farm.engine.stop_run("SPMA") == "success"
    assert held.finish() == ["stopped-user-termination-from-wmi-or-ui"]


def test_stopping_an_idle_agent_says_so() -> None:
    assert MemoryFarm().engine.stop_run("ADMA") == "ma-not-running"


def test_nothing_runs_while_a_space_is_being_deleted() -> None:
    farm = case_farm()
    answers: list[str] = []
    disconnect = farm.engine._synchronization.disconnect

    def disconnect_and_try(*arguments: object) -> object:
        thread = threading.Thread(target=lambda: answers.extend(farm.run("ADMA", "FullImport")))
        thread.start()
        thread.join(10)
        return disconnect(*arguments)  # type: ignore[arg-type] # passed through

    farm.engine._synchronization.disconnect = disconnect_and_try  # type: ignore[assignment,method-assign]
    farm.engine.delete_connector_space("SPMA")
    assert set(answers) == {"no-start-ma-update-in-progress"}
