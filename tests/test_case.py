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
        ({"directory": {"timeout": float("inf")}}, "'directory.timeout' in case file '/case.yaml' is inf"),
        ({"mim": {"timeout": 3601}}, "'mim.timeout' in case file '/case.yaml' is 3601"),
        (
            {"sharepoint": {"timeout": 1e12}},
            "'sharepoint.timeout' in case file '/case.yaml' is 1000000000000.0",
        ),
        ({"directory": {"page_size": 100_001}}, "'directory.page_size' in case file '/case.yaml' is 100001"),
        (
            {"directory": {"page_size": 2**31}},
            "'directory.page_size' in case file '/case.yaml' is 2147483648",
        ),
        ({"mim": {"poll_interval": float("inf")}}, "'mim.poll_interval' in case file '/case.yaml' is inf"),
        ({"mim": {"poll_interval": 3601}}, "'mim.poll_interval' in case file '/case.yaml' is 3601"),
        (
            {"sharepoint": {"requests_per_second": float("inf")}},
            "'sharepoint.requests_per_second' in case file '/case.yaml' is inf",
        ),
        (
            {"sharepoint": {"requests_per_second": float("nan")}},
            "'sharepoint.requests_per_second' in case file '/case.yaml' is nan",
        ),
        (
            {"sharepoint": {"requests_per_second": 1e-300}},
            "'sharepoint.requests_per_second' in case file '/case.yaml' is 1e-300",
        ),
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


def test_the_greatest_numbers_are_taken(tmp_path):
    found = cases.case(
        tmp_path, directory={"timeout": 3600, "page_size": 100_000}, mim={"poll_interval": 3600}
    )
    assert (found.directory.timeout, found.directory.page_size, found.mim.poll_interval) == (
        3600.0,
        100_000,
        3600.0,
    )


def test_a_number_too_long_to_be_written_is_refused(tmp_path):
    content = yaml.safe_dump(cases.settings()) + f"title: 0x{'f' * 5000}\n"
    assert "'title' in case file '/case.yaml' is a number of many digits: " in refusal(
        write(tmp_path, content)
    ).replace(str(tmp_path), "")


def test_a_long_value_is_shortened(tmp_path):
    content = yaml.safe_dump(cases.settings()).replace("case_id: contoso", f"case_id: {'x' * 9000}")
    assert len(refusal(write(tmp_path, content)).replace(str(tmp_path), "")) < 500


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_a_file_nested_too_deeply_is_told_in_one_sentence(tmp_path, opening):
    sentence = refusal(write(tmp_path, f"title: {opening * 3000}" if opening != "- " else opening * 3000))
    assert sentence.endswith("lists or sections are nested too deeply in it; correct the file.")


def test_aliases_that_grow_without_end_are_refused_briefly(tmp_path):
    lists = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    content = "\n".join([*lists, "case_id: *a11", yaml.safe_dump(cases.settings())])
    assert "'case_id' is given a second time" in refusal(write(tmp_path, content))
    content = content.replace("case_id: contoso\n", "")
    assert len(refusal(write(tmp_path, content))) < 2000


def test_a_section_that_contains_itself_is_refused(tmp_path):
    content = yaml.safe_dump({**cases.settings(), "mim": None}).replace("mim: null", "mim: &m {url: *m}")
    assert "'mim.url' in case file" in refusal(write(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "key", "line"),
    [
        ("title: a\ncase_id: x\ntitle: b\n", "title", 3),
        ("mim:\n  url: http://a\n  'url': http://b\n", "url", 3),
        ("sharepoint: {my_site: '', my_site: ''}\n", "my_site", 1),
    ],
)
def test_a_key_given_twice_is_refused_with_its_line(tmp_path, content, key, line):
    expected = f"key '{key}' is given a second time in line {line}; correct the file."
    assert refusal(write(tmp_path, content)).endswith(expected)


def test_a_merged_section_may_be_changed(tmp_path):
    content = cases.settings()
    content["directory"] = None
    text = yaml.safe_dump(content).replace("directory: null", "")
    sections = text.replace("sharepoint:\n", "sharepoint: &web\n") + (
        "directory:\n  <<: *web\n  url: ldaps://dc1\n"
    )
    assert load(write(tmp_path, sections)).directory.url == "ldaps://dc1"


@pytest.mark.parametrize("key", ["7", "null", "1.5", "on", "2024-01-31"])
def test_a_key_that_yaml_does_not_take_for_text_is_an_unknown_key(tmp_path, key):
    content = yaml.safe_dump(cases.settings()).replace("directory:\n", f"directory:\n  {key}: x\n")
    sentence = refusal(write(tmp_path, content)).replace(str(tmp_path), "")
    keys = "unknown key; remove it, the keys are url, username"
    assert sentence.startswith(f"'directory.{key}' in case file '/case.yaml': {keys}")


def test_a_key_of_a_mapping_that_is_no_text_is_an_unknown_key():
    with pytest.raises(CaseError, match=r"'directory\.7' in case file 'case\.yaml': unknown key; remove it"):
        parse(cases.settings(directory={7: "x"}), Path("case.yaml"))


# Addresses

SECRET = "Sup3rSecret"
ADDRESSES = [
    ("directory", "url", "ldaps"),
    ("directory", "further_domains", "ldaps"),
    ("sharepoint", "url", "https"),
    ("sharepoint", "my_site", "https"),
    ("mim", "url", "https"),
]


def address(tmp_path, section, key, value):
    """Return what is told about one address; one of further domains is in a list."""
    return told(tmp_path, **{section: {key: [value] if key == "further_domains" else value}})


@pytest.mark.parametrize(("section", "key", "scheme"), ADDRESSES)
@pytest.mark.parametrize(
    "form", ["{}://svc:{}@dc1", "{}://{}@dc1", "svc:{1}@dc1", "{}://svc:{}@", "{}://svc:a/{}@dc1"]
)
def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path, section, key, scheme, form):
    sentence = address(tmp_path, section, key, form.format(scheme, SECRET))
    assert sentence.startswith(f"'{section}.{key}")
    assert "an address has no user name and no password in it; " in sentence
    assert "give the account as username and password_name" in sentence
    assert SECRET not in sentence


@pytest.mark.parametrize(("section", "key", "scheme"), ADDRESSES)
@pytest.mark.parametrize(
    "form", ["{}://svc:{}", "{}://dc1?password={}", "{}://dc1/#{}", "{}://svc%3A{}%40dc1", "{}://[{}"]
)
def test_what_else_may_be_a_password_is_not_repeated(tmp_path, section, key, scheme, form):
    assert SECRET not in address(tmp_path, section, key, form.format(scheme, SECRET))


def test_an_address_with_a_password_in_the_wrong_place_is_not_repeated(tmp_path):
    text = f"ldaps://svc:{SECRET}@dc1"
    for changes in (
        {"directory": {"url": [text]}},
        {"directory": {"further_domains": text}},
        {"sharepoint": {"hosts": [text]}},
        {"sharepoint": {"hosts": text}},
        {"directory": text},
        {"directory": {"timeout": text}},
    ):
        assert SECRET not in told(tmp_path, **changes)


@pytest.mark.parametrize(("section", "key", "scheme"), ADDRESSES)
@pytest.mark.parametrize(
    "value", ["{0}:dc1", "{0}://", "ftp://dc1", "dc1", "{0}://dc 1", "{0}://dc1:0", "{0}://dc1:x"]
)
def test_what_is_no_address_is_refused_with_the_schemes_there_are(tmp_path, section, key, scheme, value):
    sentence = address(tmp_path, section, key, value.format(scheme))
    cause = f"it is no address with {scheme[:4]} or {scheme}, a host and a valid port"
    assert sentence.endswith(f": {cause}; write it as {scheme}://host or {scheme}://host:port.")


@pytest.mark.parametrize(("section", "key", "scheme"), ADDRESSES)
@pytest.mark.parametrize("end", ["?a=b", "#a", "/?", "#"])
def test_a_query_or_fragment_is_refused(tmp_path, section, key, scheme, end):
    assert "an address ends before any ? or #" in address(tmp_path, section, key, f"{scheme}://dc1{end}")


def test_a_base_dn_in_the_directory_s_address_is_refused(tmp_path):
    sentence = told(tmp_path, directory={"url": "ldaps://dc1/DC=contoso"})
    assert "nothing stands behind a directory's host and port; " in sentence
    assert sentence.endswith("and use base_dn.")


def test_an_empty_address_is_refused(tmp_path):
    assert "'directory.url' in case file '/case.yaml': it is no address" in told(
        tmp_path, directory={"url": ""}
    )


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("directory", "url", "ldap://dc1.contoso.com:389"),
        ("directory", "url", "ldaps://[2001:db8::1]:636/"),
        ("sharepoint", "url", "https://my.contoso.com/sites/a b".replace(" ", "%20")),
        ("sharepoint", "my_site", "http://my.contoso.com/"),
        ("sharepoint", "my_site", ""),
        ("mim", "url", "http://mim01:5985/wsman"),
    ],
)
def test_an_address_is_taken_as_it_is(tmp_path, section, key, value):
    assert getattr(getattr(cases.case(tmp_path, **{section: {key: value}}), section), key) == value


@pytest.mark.parametrize("host", ["https://photos", "a/b", "", "a b"])
def test_a_further_host_is_a_name(tmp_path, host):
    assert "it is no host name; write it as photos.contoso.com" in told(
        tmp_path, sharepoint={"hosts": [host]}
    )


def test_a_simple_sign_in_in_clear_text_must_be_allowed_by_name(tmp_path):
    assert cases.case(tmp_path).directory.clear_text is False
    assert cases.case(tmp_path, directory={"clear_text": True}).directory.clear_text is True


@pytest.mark.parametrize(
    "text", ["objectClass=user", "", "(a=b", "a=b)", "(a=b)(c=d)", "(a=b)c", ")(", "(&(a=b)"]
)
def test_a_user_filter_without_parentheses_around_it_is_refused(tmp_path, text):
    expected = "it is not one filter in parentheses; enclose it in parentheses: (objectClass=user)."
    sentence = told(tmp_path, directory={"user_filter": text})
    assert sentence == f"'directory.user_filter' in case file '/case.yaml' is {text!r}: {expected}"


def test_white_space_around_a_user_filter_is_dropped(tmp_path):
    found = cases.case(tmp_path, directory={"user_filter": "(&(a=b)\n(c=\\28))\n"})
    assert found.directory.user_filter == "(&(a=b)\n(c=\\28))"


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


def test_sign_in_by_certificate_names_its_files(tmp_path):
    told_ = refusal(write(tmp_path, cases.settings(mim={"auth": "certificate"})))
    assert "certificate_file is not there, and sign-in by 'certificate' needs it" in told_


def test_sign_in_by_certificate_needs_tls(tmp_path):
    files = {"certificate_file": "kit.pem", "key_file": "kit.key"}
    changes = {"auth": "certificate", "url": "http://mim01:5985/wsman", **files}
    told_ = refusal(write(tmp_path, cases.settings(mim=changes)))
    assert "sign-in by 'certificate' needs an https:// address" in told_


def test_sign_in_by_certificate_needs_no_account(tmp_path):
    files = {"certificate_file": "kit.pem", "key_file": "kit.key"}
    content = cases.settings(mim={"auth": "certificate", **files})
    del content["mim"]["username"], content["mim"]["password_name"]
    assert load(write(tmp_path, content)).mim.key_file == Path("kit.key")


TESTER = {"account": "CONTOSO\\test", "username": "CONTOSO\\test", "password_name": "KIT_TEST_SECRET"}


def test_a_case_needs_no_test_account(tmp_path):
    assert cases.case(tmp_path).experiment is None


def test_the_test_account_is_one_account(tmp_path):
    found = cases.case(tmp_path, experiment=TESTER)
    assert (found.experiment.account, found.experiment.password_name) == ("CONTOSO\\test", "KIT_TEST_SECRET")


@pytest.mark.parametrize("account", ["test", "CONTOSO\\*", "", "\\test"])
def test_what_is_not_one_account_is_no_test_account(tmp_path, account):
    said = told(tmp_path, experiment={**TESTER, "account": account})
    assert "it is not one account with its domain" in said


def test_a_misspelt_key_of_the_test_account_is_told_with_the_right_one(tmp_path):
    said = told(tmp_path, experiment={**TESTER, "acount": "x"})
    assert said.endswith("unknown key; did you mean 'account'.")
