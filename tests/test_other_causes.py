"""A farm where the cause is another one: notebook 20 says so, notebook 30 does not offer the reset.

That the reset is offered on no farm with any other cause is in `test_confusion`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from kit import runner
from kit.case import load
from kit.lab import farm as lab

CAUSE = "no_export_flow"
NOTEBOOKS = ["10_inventory", "20_compare_photos", "30_reset_and_full_sync", "40_drift_report"]


@dataclass(frozen=True)
class Investigation:
    """One farm looked into, with ``apply`` false: what each notebook printed, and the case's writeup."""

    told: dict[str, str]
    findings: str
    page: str


@pytest.fixture(scope="module")
def investigated(tmp_path_factory: pytest.TempPathFactory) -> Investigation:
    outputs = tmp_path_factory.mktemp("outputs")
    options = {"users": 20, "seed": 1, "outputs": outputs, "case_id": "other", "causes": (CAUSE,)}
    with lab.start(outputs / "farm", **options) as farm:
        folder = runner.run(load(farm.case_file), NOTEBOOKS, {}).path
    told = {name: printed(folder / "notebooks" / f"{name}.ipynb") for name in NOTEBOOKS}
    page = (folder / "writeup.html").read_text(encoding="utf-8")
    return Investigation(told, shown(folder / "notebooks" / f"{NOTEBOOKS[2]}.ipynb"), page)


def printed(notebook: Path) -> str:
    cells = nbformat.read(notebook, 4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def shown(notebook: Path) -> str:
    cells = nbformat.read(notebook, 4).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output.data.get("text/plain", "") for output in outputs if "data" in output)


def test_the_comparison_names_the_cause(investigated: Investigation) -> None:
    assert CAUSE.replace("_", " ") in investigated.told["20_compare_photos"]


def test_the_comparison_says_that_the_reset_is_not_the_remedy(investigated: Investigation) -> None:
    assert "The reset is not the remedy" in investigated.told["20_compare_photos"]


def test_the_fix_has_no_plan(investigated: Investigation) -> None:
    told = "There is no plan: deleting the SharePoint connector space is not the remedy here."
    assert told in investigated.told["30_reset_and_full_sync"]


def test_the_fix_shows_no_step_of_the_reset(investigated: Investigation) -> None:
    assert "delete_connector_space" not in investigated.findings


def test_the_fix_names_what_mends_the_cause(investigated: Investigation) -> None:
    assert "deleting the SharePoint connector space is not the remedy" in investigated.findings
    assert CAUSE.replace("_", " ") in investigated.findings


def test_the_writeup_tells_the_cause_and_not_the_story_of_the_overlooked_photo(
    investigated: Investigation,
) -> None:
    assert f"<strong>{CAUSE.replace('_', ' ')}</strong>" in investigated.page
    assert "a Full Import passes a new photo over" not in investigated.page
