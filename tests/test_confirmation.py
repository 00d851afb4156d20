import subprocess
import sys

import pytest

from kit import confirmation
from kit.confirmation import Confirmations
from kit.errors import OutputError
from kit.runner import PROJECT
from kit.sequence import APPROVE, CONFIRMATIONS, FREEZE


@pytest.fixture
def confirmations(tmp_path):
    return Confirmations(tmp_path)


def test_nothing_is_confirmed_at_first(confirmations):
    assert not any(confirmations.given(gate) for gate in CONFIRMATIONS)


def test_one_gate_is_confirmed_and_no_other(confirmations):
    confirmations.give(APPROVE, "parameter")
    assert [gate for gate in CONFIRMATIONS if confirmations.given(gate)] == [APPROVE]


@pytest.mark.parametrize("name", ["freeze_schedules", "freeze_schedules.txt", "freeze_schedules.TXT"])
def test_a_file_made_by_hand_confirms_whatever_its_ending(confirmations, tmp_path, name):
    (tmp_path / "confirmed").mkdir()
    (tmp_path / "confirmed" / name).touch()
    assert (confirmations.given(FREEZE), confirmations.take(FREEZE)) == (True, "file")


def test_a_confirmation_is_used_up(confirmations):
    confirmations.give(FREEZE, "button")
    assert confirmations.take(FREEZE).startswith("button of ")
    assert not confirmations.given(FREEZE)


def test_confirmations_of_an_earlier_fix_are_forgotten(confirmations):
    for gate in CONFIRMATIONS:
        confirmations.give(gate, "parameter")
    confirmations.forget()
    assert not any(confirmations.given(gate) for gate in CONFIRMATIONS)


def test_a_folder_that_cannot_be_written_is_told(confirmations, tmp_path):
    (tmp_path / "confirmed").touch()
    with pytest.raises(OutputError, match=r"'.*freeze_schedules' cannot be written: "):
        confirmations.give(FREEZE, "parameter")


def test_nobody_is_shown_a_button_where_nobody_watches(confirmations, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setattr(confirmation.importlib, "import_module", pytest.fail)
    confirmations.offer_button(FREEZE)


WIDGETS = """
import sys, types
pressed = []
class Button:
    disabled = False
    def __init__(self, description, layout): self.description = description
    def on_click(self, call): pressed.append((self, call))
sys.modules["ipywidgets"] = types.ModuleType("ipywidgets")
sys.modules["ipywidgets"].__spec__ = types.SimpleNamespace()
sys.modules["ipywidgets"].Button = Button
from pathlib import Path
from kit.confirmation import Confirmations
confirmations = Confirmations(Path(sys.argv[1]))
confirmations.offer_button("freeze_schedules")
(button, call), = pressed
call(button)
print(button.description, button.disabled, confirmations.given("freeze_schedules"))
"""


def test_a_button_confirms_its_gate(tmp_path, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "notebook.ipynb")
    script = [sys.executable, "-c", WIDGETS, str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.splitlines()[-1] == "Done: freeze schedules True True"
