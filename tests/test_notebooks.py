"""The notebooks as they stand in the repository: what each promises, before any of them is run."""

import ast
import difflib
import itertools
import re
import typing
import warnings
from pathlib import Path

import nbformat
import pytest

from kit.parameters import NOTEBOOKS

FOLDER = Path(__file__).parent.parent / "notebooks"
FILES = sorted(FOLDER.glob("*.ipynb"))
IN_ORDER = [file for file in FILES if file.stem != "60_experiment"]
"""Those that lead from one to the next; the experiment can be made before the fix and after it."""
LONGEST_CELL = 15

every_notebook = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def read(file):
    return nbformat.read(file, as_version=4)


def cells(file, kind):
    return [cell for cell in read(file).cells if cell.cell_type == kind]


def parameters(file):
    """Return each parameter's name, type, default and help, as papermill --help-notebook shows them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # papermill's own stack
        import papermill
    return papermill.inspect_notebook(str(file))


def model_types(name):
    found = {key: field.annotation for key, field in NOTEBOOKS[name].model_fields.items()}
    return {key: (typing.get_origin(kind) or kind).__name__ for key, kind in found.items()}


def test_every_notebook_is_known_and_there():
    assert [file.stem for file in FILES] == list(NOTEBOOKS)


@every_notebook
def test_it_is_a_valid_notebook(file):
    nbformat.validate(read(file))


@every_notebook
def test_its_kernel_is_on_every_machine(file):
    assert read(file).metadata.kernelspec.name == "python3"


@every_notebook
def test_it_was_never_run(file):
    code = cells(file, "code")
    assert [cell.outputs for cell in code if cell.outputs] == []
    assert {cell.execution_count for cell in code} == {None}


@every_notebook
def test_it_holds_nothing_of_papermill_s(file):
    notebook = read(file)
    assert "papermill" not in notebook.metadata
    assert [cell for cell in notebook.cells if "papermill" in cell.metadata] == []


@every_notebook
def test_it_begins_with_what_it_answers_reads_and_writes(file):
    first = read(file).cells[0]
    title, *rest = first.source.splitlines()
    assert (first.cell_type, title[:2]) == ("markdown", "# ")
    assert re.findall(r"^- \*\*(\w+)\*\* \S", "\n".join(rest), re.M) == [
        "Answers",
        "Reads",
        "Writes",
        "Takes",
        "Next",
    ]


@every_notebook
def test_it_has_one_first_heading(file):
    headings = [line for cell in cells(file, "markdown") for line in cell.source.splitlines()]
    assert sum(line.startswith("# ") for line in headings) == 1


@every_notebook
def test_its_parameters_stand_in_the_second_cell_only(file):
    tagged = [
        number
        for number, cell in enumerate(read(file).cells)
        if "parameters" in cell.metadata.get("tags", [])
    ]
    assert tagged == [1]


@every_notebook
def test_its_parameters_are_those_of_the_kit_with_their_types(file):
    shown = {name: parameter["inferred_type_name"] for name, parameter in parameters(file).items()}
    assert shown == model_types(file.stem)


@every_notebook
def test_its_parameters_have_the_defaults_of_the_kit(file):
    shown = {name: ast.literal_eval(parameter["default"]) for name, parameter in parameters(file).items()}
    assert shown == NOTEBOOKS[file.stem]().model_dump()


@every_notebook
def test_its_parameters_are_explained(file):
    assert [name for name, parameter in parameters(file).items() if len(parameter["help"].split()) < 3] == []


@every_notebook
def test_its_third_cell_finds_the_kit_and_reads_the_parameters(file):
    source = read(file).cells[2].source
    kind = NOTEBOOKS[file.stem].__name__
    assert source.startswith("import sys\n")
    assert f"parameters.read(globals(), parameters.{kind})" in source


@every_notebook
def test_its_cells_are_short(file):
    code = [cell for cell in cells(file, "code") if "parameters" not in cell.metadata.get("tags", [])]
    longest = max(code, key=lambda cell: len(cell.source.splitlines()))
    assert len(longest.source.splitlines()) <= LONGEST_CELL, longest.source


@every_notebook
def test_its_cells_define_nothing(file):
    nodes = [node for cell in cells(file, "code") for node in ast.walk(ast.parse(cell.source))]
    logic = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.Try, ast.While)
    assert [ast.unparse(node) for node in nodes if isinstance(node, logic)] == []


@every_notebook
def test_its_code_is_explained_above(file):
    kinds = [cell.cell_type for cell in read(file).cells]
    unexplained = [
        number
        for number, kind in enumerate(kinds)
        if number > 2 and kind == "code" and "markdown" not in kinds[number - 2 : number]
    ]
    assert unexplained == []


@every_notebook
def test_its_parameters_can_be_read_again_after_it_was_run(file):
    """No variable is named like a misspelt parameter; systems that are opened are not taken for one."""
    known = list(NOTEBOOKS[file.stem].model_fields)
    nodes = [node for cell in cells(file, "code")[1:] for node in ast.walk(ast.parse(cell.source))]
    opened = {
        ast.unparse(item.optional_vars) for node in nodes if isinstance(node, ast.With) for item in node.items
    }
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    similar = [name for name in assigned - opened if difflib.get_close_matches(name, known, cutoff=0.75)]
    assert similar == []


@every_notebook
def test_it_ends_with_a_conclusion(file):
    headings = re.findall(r"^#+ (.*)$", "\n".join(cell.source for cell in cells(file, "markdown")), re.M)
    assert headings[-1] == "Conclusion"
    assert "print(" in read(file).cells[-1].source


@every_notebook
def test_its_sections_are_numbered_in_order(file):
    headings = re.findall(r"^## (\d+)\. ", "\n".join(cell.source for cell in cells(file, "markdown")), re.M)
    assert [int(number) for number in headings] == list(range(1, len(headings) + 1))


@pytest.mark.parametrize("name", ["30_reset_and_full_sync", "60_experiment", "90_restore_photos"])
def test_what_changes_the_farm_checks_acts_and_verifies_in_this_order(name):
    file = FOLDER / f"{name}.ipynb"
    text = "\n".join(cell.source for cell in cells(file, "markdown"))
    assert re.findall(r"^## \d+\. ([A-Z]{3,})", text, re.M) == ["PRECONDITION", "ACTION", "VERIFY"]


@every_notebook
def test_its_links_lead_somewhere(file):
    links = re.findall(r"\]\(([^)#]+)", "\n".join(cell.source for cell in cells(file, "markdown")))
    assert [link for link in links if "://" not in link and not (FOLDER / link).exists()] == []


@pytest.mark.parametrize(
    ("file", "following"), list(itertools.pairwise(IN_ORDER)), ids=lambda file: file.stem
)
def test_it_leads_to_the_following_one(file, following):
    next_line = re.search(r"^- \*\*Next\*\* .*", read(file).cells[0].source, re.M)[0]
    assert f"]({following.name})" in next_line


@every_notebook
def test_it_names_no_path_of_a_machine(file):
    text = "\n".join(cell.source for cell in read(file).cells)
    assert re.findall(r"(?<![\w.:/])(?:/(?:home|root|work|tmp|usr|mnt|Users)\b|[A-Za-z]:\\)\S*", text) == []


@every_notebook
def test_it_asks_for_no_secret(file):
    nodes = [node for cell in cells(file, "code") for node in ast.walk(ast.parse(cell.source))]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    words = ("password", "secret", "token", "credential")
    assert {name for name in names if any(word in name.lower() for word in words)} == set()
