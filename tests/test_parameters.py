import cases
import pytest
import yaml

from kit import parameters
from kit.errors import CaseError, ParameterError
from kit.parameters import NOTEBOOKS, Comparison, Experiment, Inventory, Report, Reset, check, read


def refusal(values, kind=Reset, by=check):
    with pytest.raises(ParameterError) as caught:
        by(values, kind)
    return str(caught.value)


def test_defaults_write_nothing():
    assert read({}, Reset).apply is False


def test_what_is_given_is_taken():
    assert read({"apply": True, "gate_minutes": 5}, Reset).gate_minutes == 5.0


@pytest.mark.parametrize("value", ["false", "true", "True", 1, 0, None, "", [True]])
def test_only_booleans_are_booleans(value):
    advice = "use True or False, or papermill's -y for YAML; the text 'false' is no boolean"
    expected = f"parameter 'apply' is {value!r}: input should be a valid boolean; {advice}."
    assert refusal({"apply": value}) == expected


@pytest.mark.parametrize(
    ("kind", "name", "value", "cause"),
    [
        (Inventory, "connector_space_sample", -1, "input should be greater than or equal to 0"),
        (Inventory, "connector_space_sample", "500", "input should be a valid integer"),
        (Inventory, "connector_space_sample", 2.5, "input should be a valid integer"),
        (Inventory, "case_file", 5, "input should be a valid string"),
        (Comparison, "gallery_size", 61, "input should be less than or equal to 60"),
        (Comparison, "workers", 0, "input should be greater than or equal to 1"),
        (Comparison, "workers", True, "input should be a valid integer"),
        (Report, "workers", 17, "input should be less than or equal to 16"),
        (Report, "measure_again", "no", "input should be a valid boolean"),
        (Reset, "export_limit_percent", 101, "input should be less than or equal to 100"),
        (Reset, "export_limit_percent", "30", "input should be a valid number"),
        (Reset, "export_limit_percent", True, "input should be a valid number"),
        (Reset, "export_limit_percent", float("nan"), "input should be less than or equal to 100"),
        (Reset, "gate_minutes", 0, "input should be greater than 0"),
        (Reset, "export_limit", -1, "input should be greater than or equal to 0"),
        (Reset, "confirmed", 5, "input should be a valid list"),
        (Reset, "run_order", "directory export", "input should be a valid list"),
        (Reset, "run_order", [1], "input should be a valid string"),
        (Reset, "full_sync", False, "input should be a valid string"),
    ],
)
def test_a_value_that_does_not_fit_is_named(kind, name, value, cause):
    shown = value[0] if value == [1] else value
    assert refusal({name: value}, kind).startswith(f"parameter '{name}' is {shown!r}: {cause}; ")


def test_a_gate_that_there_is_not_cannot_be_confirmed():
    told = refusal({"confirmed": ["freeze"]})
    gates = "freeze_schedules, backups_confirmed, approve_exports, upload_canary, unfreeze"
    assert told.startswith(f"parameter 'confirmed' is ['freeze']: 'freeze' is not one of {gates}; ")


def test_the_experiment_asks_for_another_confirmation_than_the_fix():
    told = refusal({"confirmed": ["freeze_schedules"]}, Experiment)
    assert told.startswith("parameter 'confirmed' is ['freeze_schedules']: ")
    assert "'freeze_schedules' is not schedules_paused; " in told


def test_a_misspelt_name_is_refused_with_the_right_one():
    expected = "parameter 'aply' was given: there is no such parameter; did you mean 'apply'."
    assert refusal({"aply": True}) == expected


def test_a_name_unlike_any_is_refused_with_all_there_are():
    assert refusal({"colour": "red"}, Inventory).endswith(
        "the parameters are case_file, connector_space_sample."
    )


def test_a_misspelt_name_in_a_notebook_is_refused():
    expected = "parameter 'aply' was given: this notebook has no such parameter; did you mean 'apply'."
    assert refusal({"aply": True, "apply": False}, by=read) == expected


def test_a_misspelt_name_is_refused_whatever_its_value():
    assert "did you mean 'run_order'" in refusal({"run_ordr": ["directory export"]}, by=read)


def test_other_names_of_a_notebook_do_not_matter():
    namespace = {
        "In": ["x"],
        "Out": {},
        "_i1": "x",
        "__name__": "__main__",
        "folders": ["a"],
        "pd": parameters,
    }
    assert read(namespace, Inventory) == Inventory()


def test_parameters_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        Reset().apply = True


def test_every_notebook_takes_a_case_file():
    assert {kind().case_file for kind in NOTEBOOKS.values()} == {""}


def test_the_case_is_the_one_that_is_named(tmp_path):
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(cases.settings(case_id="other")))
    assert read({"case_file": str(path)}, Inventory).case().case_id == "other"


def test_a_case_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CaseError, match="was not found"):
        read({"case_file": str(tmp_path / "none.yaml")}, Inventory).case()


def test_names_of_the_fix_go_before_the_case_file(tmp_path):
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(cases.settings(mim={"sharepoint_agent": "UPS", "directory_agent": "AD"})))
    mim = read({"case_file": str(path), "sharepoint_agent": "SP", "export": "Schreiben"}, Reset).case().mim
    assert (mim.sharepoint_agent, mim.directory_agent, mim.run_profiles.export) == ("SP", "AD", "Schreiben")
