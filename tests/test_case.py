from pathlib import Path

import cases
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kit import case as case_files
from kit.case import CASE_FILE_VARIABLE, load, override, parse
from kit.errors import CaseError, ParameterError


def write(folder, content):
    path = folder / "case.yaml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def refusal(path):
    with pytest.raises(CaseError) as caught:
        load(path)
    return str(caught.value)


def told(tmp_path, **changes):
    return refusal(write(tmp_path, cases.settings(**changes))).replace(str(tmp_path), "")


def test_a_case_file_is_read(tmp_path):
    found = load(write(tmp_path, cases.settings(title="Photos", mim={"sharepoint_agent": "UPS"})))
    assert (found.case_id, found.title, found.mim.sharepoint_agent) == ("contoso", "Photos", "UPS")


def test_what_is_left_out_is_as_in_the_field(tmp_path):
    mim = load(write(tmp_path, cases.settings())).mim
    assert (mim.sharepoint_agent, mim.directory_agent, mim.run_profiles.full_sync) == (
        "SPMA",
        "ADMA",
        "FullSync",
    )


def test_certificates_are_checked_unless_the_file_says_otherwise(tmp_path):
    found = load(write(tmp_path, cases.settings()))
    assert (found.directory.verify_tls, found.sharepoint.verify_tls, found.mim.verify_tls) == (
        True,
        True,
        True,
    )


def test_the_case_folder_is_relative_to_the_file(tmp_path, monkeypatch):
    path = write(tmp_path, cases.settings(outputs="found"))
    monkeypatch.chdir(Path(__file__).parent)
    assert load(path).folder == (tmp_path / "found" / "contoso").resolve()


def test_an_absolute_outputs_folder_stays(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    assert (
        load(write(tmp_path, cases.settings(outputs=str(elsewhere)))).folder
        == elsewhere.resolve() / "contoso"
    )


def test_certificate_authorities_are_relative_to_the_file(tmp_path):
    found = cases.case(tmp_path, directory={"ca_file": "ca.pem"})
    assert found.ca_file(found.directory) == (tmp_path / "ca.pem").resolve()


def test_no_certificate_authorities_are_no_file(tmp_path):
    found = cases.case(tmp_path)
    assert found.ca_file(found.mim) is None


def test_a_whole_number_is_a_time(tmp_path):
    assert cases.case(tmp_path, directory={"timeout": 5}).directory.timeout == 5.0


# What is refused


def test_a_misspelt_key_is_named_with_the_right_one(tmp_path):
    assert (
        told(tmp_path, titel="x") == "'titel' in case file '/case.yaml': unknown key; did you mean 'title'."
    )


def test_a_misspelt_key_of_a_section_is_named_with_its_section(tmp_path):
    sentence = told(tmp_path, mim={"sharepoint_agnt": "UPS"})
    assert sentence.startswith("'mim.sharepoint_agnt' in case file")
    assert sentence.endswith("unknown key; did you mean 'sharepoint_agent'.")


def test_a_misspelt_required_key_is_not_told_as_a_missing_one(tmp_path):
    content = cases.settings()
    content["directory"]["usrname"] = content["directory"].pop("username")
    assert refusal(write(tmp_path, content)).endswith("unknown key; did you mean 'username'.")


def test_an_unknown_run_profile_key_is_named_with_those_there_are(tmp_path):
    sentence = told(tmp_path, mim={"run_profiles": {"purge": "x"}})
    assert sentence.endswith("the keys are full_import, full_sync, delta_import, delta_sync, export.")


def test_source_is_no_setting(tmp_path):
    assert "'source' in case file '/case.yaml': unknown key" in told(tmp_path, source="elsewhere.yaml")


def test_a_password_in_the_file_points_to_its_name(tmp_path):
    assert "unknown key; did you mean 'password_name'" in told(tmp_path, mim={"password": "hunter2"})


def test_a_password_in_the_file_is_not_repeated(tmp_path):
    assert "hunter2" not in told(tmp_path, mim={"password": "hunter2"})


def test_a_missing_section_is_named(tmp_path):
    content = cases.settings()
    del content["sharepoint"]
    sentence = refusal(write(tmp_path, content)).replace(str(tmp_path), "")
    expected = "it is required and not there; add it, as in the README's sample."
    assert sentence == f"'sharepoint' in case file '/case.yaml': {expected}"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {"directory": {"verify_tls": "false"}},
            "'directory.verify_tls' in case file '/case.yaml' is 'false'",
        ),
        ({"directory": {"verify_tls": 0}}, "'directory.verify_tls' in case file '/case.yaml' is 0"),
        ({"directory": {"timeout": "30"}}, "'directory.timeout' in case file '/case.yaml' is '30'"),
        ({"directory": {"timeout": True}}, "'directory.timeout' in case file '/case.yaml' is True"),
        ({"directory": {"timeout": float("nan")}}, "'directory.timeout' in case file '/case.yaml' is nan"),
        ({"directory": {"page_size": 0}}, "'directory.page_size' in case file '/case.yaml' is 0"),
        ({"sharepoint": {"auth": "digest"}}, "'sharepoint.auth' in case file '/case.yaml' is 'digest'"),
        ({"mim": {"poll_interval": 0}}, "'mim.poll_interval' in case file '/case.yaml' is 0"),
        ({"case_id": 2024}, "'case_id' in case file '/case.yaml' is 2024"),
        ({"outputs": ["a"]}, "'outputs' in case file '/case.yaml' is ['a']"),
        (
            {"outputs": "~nobody-of-this-name/x"},
            "'outputs' in case file '/case.yaml' is '~nobody-of-this-name/x'",
        ),
        ({"mim": "SPMA"}, "'mim' in case file '/case.yaml' is 'SPMA'"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(tmp_path, changes, named):
    assert told(tmp_path, **changes).startswith(f"{named}: ")


def test_text_is_no_boolean(tmp_path):
    assert told(tmp_path, directory={"verify_tls": "false"}).endswith(
        "input should be a valid boolean; correct the value."
    )


@pytest.mark.parametrize(
    "case_id", ["../x", "..", ".", "", "a/b", "a\\b", "/x", "-x", "x.", "a b", "x" * 101, "a\n", "ü"]
)
def test_a_case_id_that_is_no_folder_name_is_refused(tmp_path, case_id):
    sentence = told(tmp_path, case_id=case_id)
    rule = "a case id is a folder name: letters, digits, dots, dashes and underscores"
    assert sentence == f"'case_id' in case file '/case.yaml' is {case_id!r}: {rule}; correct the value."


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("case_id: [", "while parsing a flow node|expected the node content"),
        ("case_id: contoso\n\ttitle: x", "found character '\\t' that cannot start any token in line 2"),
        (b"\xff\xfe\x00\x01", "can't decode byte 0xff"),
        (b"\x00\x01\x02", "unacceptable character #x0000"),
        ("case_id: 2024-02-30", "day is out of range for month"),
        ("- a\n- b", "it holds no settings"),
        ("", "it holds no settings"),
    ],
)
def test_what_is_no_case_file_is_told_in_one_sentence(tmp_path, content, cause):
    sentence = refusal(write(tmp_path, content))
    assert any(words in sentence for words in cause.split("|"))
    assert "\n" not in sentence


def test_a_broken_line_is_not_repeated(tmp_path):
    assert "hunter2" not in refusal(write(tmp_path, 'mim:\n  password: "hunter2'))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_case_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    with pytest.raises(CaseError):
        load(path)


@given(
    st.dictionaries(
        st.one_of(
            st.text(max_size=8), st.integers(), st.none(), st.sampled_from(["case_id", "mim", "outputs"])
        ),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2)
            ),
            max_leaves=4,
        ),
        max_size=4,
    )
)
def test_any_settings_are_a_case_error(content):
    with pytest.raises(CaseError):
        parse(content, Path("case.yaml"))


# Which file


def test_a_file_that_is_not_there_is_named(tmp_path):
    missing = tmp_path / "none.yaml"
    expected = (
        f"case file '{missing}' was not found: no such file; give the path of a case file, as in the README."
    )
    assert refusal(missing) == expected


def test_a_folder_is_no_case_file(tmp_path):
    assert "no such file" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-this-name/case.yaml"])
def test_a_name_that_cannot_be_a_file_is_refused(name):
    assert refusal(name).startswith(f"case file '{name}' cannot be used: ")


def test_the_environment_names_the_case_file(tmp_path, monkeypatch):
    path = write(tmp_path, cases.settings())
    monkeypatch.setenv(CASE_FILE_VARIABLE, str(path))
    assert load("").source == path.resolve()


def test_a_named_file_goes_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv(CASE_FILE_VARIABLE, str(tmp_path / "other.yaml"))
    path = write(tmp_path, cases.settings())
    assert load(path).source == path.resolve()


def test_without_a_name_the_file_is_looked_for_here(tmp_path, monkeypatch):
    monkeypatch.delenv(CASE_FILE_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, cases.settings())
    assert load("").source == path.resolve()


def test_without_any_case_file_the_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv(CASE_FILE_VARIABLE, raising=False)
    monkeypatch.setattr(case_files, "PROJECT", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert "KIT_CASE_FILE is not set" in refusal("")


# Names given by a notebook


def test_names_that_are_given_go_before_the_case_file(tmp_path):
    found = override(cases.case(tmp_path), sharepoint_agent="UPS", full_sync="Voll")
    assert (found.mim.sharepoint_agent, found.mim.run_profiles.full_sync) == ("UPS", "Voll")


def test_an_empty_name_keeps_the_case_file_s(tmp_path):
    given_in_file = cases.case(tmp_path, mim={"directory_agent": "AD"})
    assert override(given_in_file, directory_agent="").mim.directory_agent == "AD"


def test_what_is_no_name_cannot_be_given(tmp_path):
    with pytest.raises(ParameterError, match="'verify' cannot be overridden"):
        override(cases.case(tmp_path), verify="x")


def test_a_password_in_place_of_its_name_is_not_repeated(tmp_path):
    content = cases.settings()
    content["mim"]["password_name"] = "Summer-2026!"
    with pytest.raises(CaseError, match=r"'mim\.password_name'.*not a name") as caught:
        parse(content, tmp_path / "case.yaml")
    assert "Summer" not in str(caught.value)
