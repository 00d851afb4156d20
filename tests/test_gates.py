import threading
from dataclasses import replace

import cases
import pytest
from memory_farm import MemoryFarm

from kit import gates, plan, sequence
from kit.confirmation import Confirmations
from kit.endpoint import Endpoint
from kit.errors import GateError, SafetyError
from kit.lab import wsman
from kit.lab.domain import Account, Domain
from kit.mim import SynchronizationService
from kit.sequence import APPROVE, DELETE_SPACE, FREEZE, PROVISIONING_OFF, PROVISIONING_ON, UPLOAD, Step

KIT = Account("kit", "Corr3ct horse", frozenset({"sync-operator"}))
OFF, ON = Step(3, "gate", PROVISIONING_OFF), Step(13, "gate", PROVISIONING_ON)
DELETE = Step(4, "gate", DELETE_SPACE, "SPMA")
FROZEN, APPROVED = Step(1, "confirm", FREEZE), Step(12, "confirm", APPROVE, "ADMA")


@pytest.fixture
def farm():
    farm = MemoryFarm()
    for name in ("anna", "berta"):
        farm.hire(name)
        farm.enrol(name)
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
def case(tmp_path):
    return cases.case(tmp_path, mim={"configuration_folder": "configuration", "poll_interval": 0.01})


@pytest.fixture
def baseline(service):
    return {agent: service.counters(agent)["NumCSObjects"] for agent in ("ADMA", "SPMA")}


@pytest.fixture
def look(service, case, baseline):
    return lambda step: gates.check(step, case, service, baseline)


@pytest.fixture
def look_twice(service, case, baseline):
    return lambda step: gates.settled(step, case, service, baseline)


def export(farm, tmp_path, *, provisioning):
    farm.engine.set_provisioning(provisioning)
    farm.engine.export_configuration(tmp_path / "configuration")


@pytest.mark.parametrize("step", [OFF, ON])
def test_provisioning_is_switched_in_the_options_and_exported(step, case):
    told = gates.instruction(step, case)
    assert told.startswith("Tools, Options: " + ("clear" if step is OFF else "tick"))
    assert "'Enable Provisioning Rules Extension'" in told
    assert told.endswith("File, Export Server Configuration, into configuration")


def test_deleting_warns_of_the_button_beside_it(case):
    told = gates.instruction(DELETE, case)
    assert "select 'SPMA', Actions, Delete, choose 'Delete connector space only'" in told
    assert "never 'Delete management agent and connector space'" in told


def test_every_gate_of_a_plan_has_an_instruction(case):
    people = cases.people({"account": "anna"})
    made = plan.make(case, people, None, (), export_limit_percent=30, canary="anna")
    asked = [step for step in made.steps if step.kind in {"gate", "confirm"}]
    assert all(gates.instruction(step, case) for step in asked)
    assert {step.name for step in asked} >= set(sequence.CONFIRMATIONS)


def test_the_canary_is_named_where_its_photo_is_asked_for(case):
    told = gates.instruction(Step(26, "confirm", UPLOAD, subject="contoso\\anna"), case)
    assert told.startswith("sign in to SharePoint as contoso\\anna, About me, Edit your profile, Picture")


# Gates of which nothing can be seen


@pytest.mark.parametrize("step", [FROZEN, APPROVED])
def test_what_nobody_has_confirmed_keeps_a_gate_shut(look, case, step):
    ways = f"make the empty file '{case.folder / 'confirmed' / step.name}'"
    told = look(step)
    assert told.startswith(f"nobody has confirmed it yet; to confirm it, {ways}, or run the notebook with ")
    assert told.endswith(f"confirmed=['{step.name}']")


@pytest.mark.parametrize("step", [FROZEN, APPROVED])
def test_a_confirmation_opens_a_gate(look_twice, case, step):
    Confirmations(case.folder).give(step.name, "parameter")
    assert look_twice(step) == ""


def test_a_run_in_progress_keeps_the_freeze_shut(farm, look, case):
    Confirmations(case.folder).give(FREEZE, "parameter")
    with farm.engine.disturbances.hold("ADMA") as reached:
        running = threading.Thread(target=farm.run, args=("ADMA", "FullSync"))
        running.start()
        assert reached.wait(10)
        told = look(FROZEN)
    running.join()
    assert told == "run 3 of 'ADMA' (FullSync) is in progress"


def test_a_run_between_two_looks_keeps_the_freeze_shut(farm, look_twice, case, monkeypatch):
    Confirmations(case.folder).give(FREEZE, "parameter")
    look, looks = gates.check, []

    def look_while_a_schedule_runs(*arguments):
        looks.append(look(*arguments))
        if len(looks) == 2:
            farm.run("SPMA", "DeltaImport")
        return looks[-1]

    monkeypatch.setattr(gates, "check", look_while_a_schedule_runs)
    assert (look_twice(FROZEN), looks) == ("a run was started meanwhile", ["", ""])


def test_a_confirmation_opens_one_gate_once(service, case, baseline):
    Confirmations(case.folder).give(APPROVE, "parameter")
    opened = gates.wait(APPROVED, case, service, baseline, seconds=5, say=lambda _: None)
    assert opened.startswith("confirmed by parameter of ")
    with pytest.raises(GateError, match="nobody has confirmed it yet"):
        gates.wait(APPROVED, case, service, baseline, seconds=0, say=lambda _: None)


def test_both_ways_to_confirm_are_told_before_the_wait(service, case, baseline):
    told = []
    with pytest.raises(GateError):
        gates.wait(APPROVED, case, service, baseline, seconds=0, say=told.append)
    assert f"Then {Confirmations(case.folder).ways(APPROVE)}. Waiting up to 0 minutes." in told[0]


def test_what_is_missing_is_told_while_it_changes(farm, service, case, baseline, monkeypatch):
    monkeypatch.setattr(gates, "SECONDS_BETWEEN_WORDS", 0.0)
    told = []

    def work(sentence):
        told.append(sentence)
        if len(told) == 2:
            farm.engine.delete_connector_space("SPMA")

    gates.wait(DELETE, case, service, baseline, seconds=120, say=work)
    assert told[1:] == ["'SPMA' still holds 2 objects; 2 minutes left."]


@pytest.mark.parametrize(("step", "provisioning"), [(OFF, False), (ON, True)])
def test_provisioning_as_wanted_opens_the_gate(farm, look, tmp_path, step, provisioning):
    export(farm, tmp_path, provisioning=provisioning)
    assert look(step) == ""


@pytest.mark.parametrize(("step", "word"), [(OFF, "on"), (ON, "off")])
def test_provisioning_otherwise_keeps_it_shut(farm, look, tmp_path, step, word):
    export(farm, tmp_path, provisioning=word == "on")
    assert look(step) == f"the exported configuration says provisioning is {word}"


def test_a_file_that_is_still_being_written_keeps_it_shut(farm, look, tmp_path):
    export(farm, tmp_path, provisioning=False)
    half_written = next((tmp_path / "configuration").glob("MA-*.xml"))
    half_written.write_bytes(b"")
    assert f"{half_written} is not a saved configuration" in look(OFF)


def test_a_configuration_that_lies_still_opens_the_gate(farm, look_twice, tmp_path):
    export(farm, tmp_path, provisioning=False)
    assert look_twice(OFF) == ""


def test_a_configuration_that_changes_between_two_looks_keeps_it_shut(
    farm, look_twice, tmp_path, monkeypatch
):
    export(farm, tmp_path, provisioning=False)
    one_of_them = next((tmp_path / "configuration").glob("MA-*.xml"))
    look = gates.check

    def look_and_go_on_exporting(*arguments):
        one_of_them.write_bytes(one_of_them.read_bytes() + b"\n")
        return look(*arguments)

    monkeypatch.setattr(gates, "check", look_and_go_on_exporting)
    assert look_twice(OFF) == "the configuration is being written"


def test_without_a_configuration_folder_nothing_can_be_seen(service, tmp_path):
    with pytest.raises(SafetyError, match=r"mim\.configuration_folder is not set"):
        gates.check(OFF, cases.case(tmp_path), service, {})


def test_an_emptied_connector_space_opens_the_gate(farm, look):
    farm.engine.delete_connector_space("SPMA")
    assert look(DELETE) == ""


def test_a_full_connector_space_keeps_it_shut(look):
    assert look(DELETE) == "'SPMA' still holds 2 objects"


def test_the_wrong_connector_space_stops_everything(farm, look):
    farm.engine.delete_connector_space("ADMA")
    with pytest.raises(SafetyError) as caught:
        look(DELETE)
    assert str(caught.value).startswith("'ADMA' holds 0 objects, 4 before the gate: ")


def test_waiting_ends_when_the_work_is_done(farm, service, case, baseline):
    told = []
    gates.wait(
        DELETE,
        case,
        service,
        baseline,
        seconds=30,
        say=lambda sentence: (told.append(sentence), farm.engine.delete_connector_space("SPMA")),
    )
    expected = f"Gate 'delete_connector_space': {gates.instruction(DELETE, case)}. Waiting up to 0.5 minutes."
    assert told == [expected]


def test_work_that_nobody_does_ends_the_wait(service, case, baseline):
    with pytest.raises(GateError) as caught:
        gates.wait(DELETE, case, service, baseline, seconds=0.06, say=lambda _: None)
    sentence = (
        "gate 'delete_connector_space' was not seen done within 0.001 minutes: 'SPMA' still holds 2 objects"
    )
    assert str(caught.value).startswith(sentence)


def test_a_gate_of_another_agent_asks_for_that_one(case):
    assert "select 'UPS'" in gates.instruction(replace(DELETE, agent="UPS"), case)
