import cases
import nbformat
import pytest

from kit import runner
from kit.errors import ParameterError
from kit.parameters import NOTEBOOKS
from kit.runner import assign, choose

ALL = choose([])


def test_all_notebooks_run_where_none_is_named():
    assert choose([]) == ["10_inventory", "20_compare_photos", "30_reset_and_full_sync", "40_drift_report"]


@pytest.mark.parametrize("name", ["60_experiment", "90_restore_photos"])
def test_what_writes_beside_the_fix_runs_where_it_is_asked_for(name):
    assert choose([name]) == [name]


def test_notebooks_run_in_their_order_whatever_the_order_of_their_names():
    assert choose(["40_drift_report", "10_inventory", "40_drift_report"]) == [
        "10_inventory",
        "40_drift_report",
    ]


@pytest.mark.parametrize("name", ["30", "10_inventory.ipynb", "", "../10_inventory"])
def test_an_unknown_notebook_is_named_with_those_there_are(name):
    with pytest.raises(ParameterError) as caught:
        choose(["10_inventory", name])
    expected = f"notebook '{name}' is unknown: there is no such notebook; use {', '.join(NOTEBOOKS)}."
    assert str(caught.value) == expected


def test_each_notebook_gets_what_it_knows():
    given = {"apply": True, "gallery_size": 3}
    assert assign(ALL, given) == {
        "10_inventory": {},
        "20_compare_photos": {"gallery_size": 3},
        "30_reset_and_full_sync": {"apply": True},
        "40_drift_report": {"gallery_size": 3},
    }


def test_a_misspelt_parameter_is_told_whichever_notebook_has_it():
    with pytest.raises(ParameterError) as caught:
        assign(ALL, {"aply": True})
    cause = "no notebook that runs has it"
    assert str(caught.value) == f"parameter 'aply' was given: {cause}; did you mean 'apply'."


def test_a_parameter_of_a_notebook_that_does_not_run_is_refused():
    with pytest.raises(ParameterError, match="parameter 'apply' was given: no notebook that runs has it; "):
        assign(["10_inventory"], {"apply": True})


def test_the_case_file_is_no_parameter_of_a_run():
    with pytest.raises(ParameterError, match="parameter 'case_file' was given"):
        assign(ALL, {"case_file": "other.yaml"})


def test_a_value_of_the_wrong_type_is_refused():
    with pytest.raises(ParameterError, match="parameter 'apply' is 'false': input should be a valid boolean"):
        assign(ALL, {"apply": "false"})


def test_a_refused_parameter_makes_no_folder(tmp_path):
    with pytest.raises(ParameterError):
        runner.run(cases.case(tmp_path), ALL, {"gallery_size": 99})
    assert list(tmp_path.iterdir()) == []


def test_what_a_kernel_says_at_its_end_does_not_reach_the_terminal(tmp_path, capfd):
    cell = nbformat.v4.new_code_cell("import atexit, os\natexit.register(os.write, 2, b'a last word')")
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    (tmp_path / "in.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")
    runner.execute(tmp_path / "in.ipynb", tmp_path / "out.ipynb", {})
    assert "a last word" not in capfd.readouterr().err
