import cases
import pytest
import yaml

from kit import commands
from kit.errors import CaseError, KitError, ParameterError


@pytest.fixture
def case_file(tmp_path):
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(cases.settings()))
    return str(path)


def refusal(*arguments):
    with pytest.raises(KitError) as caught:
        commands.main(arguments)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("True", True),
        ("False", False),
        ("None", None),
        ("5", 5),
        ("-5", -5),
        ("2.5", 2.5),
        ("1e3", 1000.0),
    ],
)
def test_constants_and_numbers_are_read_as_papermill_does(case_file, text, value):
    error = refusal("run", case_file, "-p", "sharepoint_agent", text)
    assert str(error).startswith(
        f"parameter 'sharepoint_agent' is {value!r}: input should be a valid string; "
    )


@pytest.mark.parametrize("text", ["true", "false", "SPMA", "", "[1]", "0x10"])
def test_all_else_is_text(case_file, text):
    error = refusal("run", case_file, "-p", "apply", text)
    assert str(error).startswith(f"parameter 'apply' is {text!r}: ")


def test_every_parameter_counts(case_file):
    error = refusal("run", case_file, "-p", "apply", "True", "-p", "workers", "99")
    assert str(error).startswith("parameter 'workers' is 99: ")


def test_a_parameter_is_for_the_notebooks_that_run(case_file):
    error = refusal("run", case_file, "--only", "10_inventory", "-p", "apply", "True")
    assert str(error).startswith("parameter 'apply' was given: no notebook that runs has it; ")


def test_text_is_no_boolean_on_the_command_line_either(case_file, tmp_path):
    error = refusal("run", case_file, "-p", "apply", "false")
    assert isinstance(error, ParameterError)
    assert str(error).startswith("parameter 'apply' is 'false': input should be a valid boolean; ")
    assert not (tmp_path / "outputs").exists()


def test_an_unknown_notebook_is_refused(case_file):
    assert str(refusal("run", case_file, "--only", "50_more")).startswith("notebook '50_more' is unknown: ")


def test_a_case_file_that_is_not_there_is_refused(tmp_path):
    assert isinstance(refusal("run", str(tmp_path / "none.yaml")), CaseError)


def test_a_writeup_of_no_case_folder_is_refused(tmp_path):
    assert str(tmp_path / "none") in str(refusal("writeup", str(tmp_path / "none")))


@pytest.mark.parametrize("command", ["demo", "lab"])
@pytest.mark.parametrize("users", ["19", "0", "-1", "100001"])
def test_a_farm_of_too_few_or_too_many_people_is_refused(command, users):
    error = refusal(command, "--users", users)
    assert str(error) == f"--users is {users}: a farm has 20 to 100,000 people; give another number."


def test_a_refused_demonstration_leaves_the_earlier_one_where_it_is(tmp_path):
    earlier = tmp_path / "demo" / "case.json"
    earlier.parent.mkdir()
    earlier.write_text("{}")
    refusal("demo", "--out", str(tmp_path), "--users", "5")
    assert earlier.read_text() == "{}"


@pytest.mark.parametrize("case_id", ["..", "../other", "", "a/b"])
def test_a_demonstration_moves_no_folder_but_its_own(tmp_path, case_id):
    other = tmp_path / "other"
    other.mkdir()
    error = refusal("demo", "--out", str(tmp_path / "outputs"), "--case-id", case_id)
    assert str(error).startswith(f"--case-id is '{case_id}': a case id is a folder name: ")
    assert other.is_dir()


def test_an_earlier_demonstration_is_kept(tmp_path, capsys):
    earlier = tmp_path / "demo" / "case.json"
    earlier.parent.mkdir()
    earlier.write_text("{}")
    commands._set_aside(earlier.parent)
    (kept,) = tmp_path.iterdir()
    assert (kept.name.startswith("demo-"), (kept / "case.json").read_text()) == (True, "{}")
    assert capsys.readouterr().out == f"The earlier case is kept as {kept.name}.\n"


def test_the_first_demonstration_puts_nothing_aside(tmp_path, capsys):
    commands._set_aside(tmp_path / "demo")
    assert (list(tmp_path.iterdir()), capsys.readouterr().out) == ([], "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "the following arguments are required: CASE.yaml"),
        (["demo", "--directory", "openldap"], "invalid choice: 'openldap'"),
        (["demo", "--users", "many"], "invalid int value: 'many'"),
        (["run", "case.yaml", "-p", "apply"], "expected 2 arguments"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_a_command_line_that_is_no_command_ends_with_usage(arguments, said, capsys):
    with pytest.raises(SystemExit) as caught:
        commands.main(arguments)
    assert (caught.value.code, said in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize("command", ["demo", "lab", "doctor", "run", "writeup"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as caught:
        commands.main([command, "--help"])
    assert caught.value.code == 0
    assert f"usage: python3 -m kit {command}" in capsys.readouterr().out
