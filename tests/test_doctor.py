import json
import socket
import ssl
from datetime import timedelta
from pathlib import Path

import cases
import pytest
import scripted_directory
import yaml

from kit import commands, doctor
from kit.case import parse
from kit.lab import certificates, wsman
from kit.lab import farm as lab
from kit.lab.domain import Account
from kit.lab.farm import KIT_ACCOUNT, PASSWORD_NAME
from kit.lab.ldap import Connection
from kit.lab.wmi import Gate
from kit.mim import NAMESPACE
from kit.probes import Probe
from kit.systems import ActiveDirectory

SYSTEMS = ("active_directory", "sharepoint", "mim")
SECTIONS = dict(zip(SYSTEMS, ("directory", "sharepoint", "mim"), strict=True))


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doctor")
    with lab.start(folder / "farm", users=20, outputs=folder / "outputs", case_id="doctor") as running:
        yield running


@pytest.fixture
def examined(farm):
    """Examine the farm with other settings; checks by system and name."""

    def examine(**changes):
        content = yaml.safe_load(farm.case_file.read_text(encoding="utf-8"))
        for section, settings in changes.items():
            content[section] |= settings
        found = list(doctor.examine(parse(content, farm.case_file)))
        assert len({(check.system, check.name) for check in found}) == len(found)
        return {(check.system, check.name): check for check in found}

    return examine


@pytest.fixture
def listener(farm, tmp_path):
    """Start a WinRM listener over TLS whose certificate ends when it is told to; settings to reach it."""
    started = []

    def start(lifetime):
        files = certificates.issue(tmp_path, ["127.0.0.1"], lifetime=lifetime)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate_file, files.key_file)
        account = Account(KIT_ACCOUNT, farm.passwords[KIT_ACCOUNT], frozenset({"sync-operator"}))
        started.append(wsman.start(farm.engine, farm.domain, [account], tls=context))
        return {"url": started[-1].url, "ca_file": str(files.ca_file)}

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def results(checks, system):
    return {name: check.result for (where, name), check in checks.items() if where == system}


def told(check):
    return check.result, check.detail, check.fix


# A healthy farm


def test_a_healthy_directory_is_all_right_but_for_writing(examined):
    assert results(examined(), "active_directory") == {
        "settings": "ok",
        "name": "ok",
        "port": "ok",
        "TLS": "ok",
        "sign-in": "ok",
        "users": "ok",
        "photos": "ok",
        "metadata": "ok",
        "change log": "ok",
        "writing": "warning",
        "clock": "ok",
        "version": "ok",
    }


def test_a_healthy_sharepoint_is_all_right_as_far_as_can_be_known(examined):
    assert results(examined(), "sharepoint") == {
        "settings": "ok",
        "name": "ok",
        "port": "ok",
        "TLS": "skipped",
        "sign-in": "ok",
        "users": "ok",
        "photos": "ok",
        "change log": "ok",
        "writing": "skipped",
        "clock": "ok",
        "version": "ok",
    }


def test_a_healthy_synchronization_service_is_all_right_as_far_as_can_be_known(examined):
    assert results(examined(), "mim") == {
        "settings": "ok",
        "name": "ok",
        "port": "ok",
        "TLS": "skipped",
        "sign-in": "ok",
        "WinRM": "ok",
        "WMI namespace": "ok",
        "MIM group": "ok",
        "agents": "ok",
        "run history": "ok",
        "writing": "skipped",
        "clock": "ok",
        "version": "ok",
    }


def test_a_line_says_as_whom_and_how_the_kit_signed_in(examined):
    line = str(examined()["active_directory", "sign-in"])
    assert line == f"ok       active_directory  sign-in        as CONTOSO\\{KIT_ACCOUNT} by simple bind"


def test_versions_are_told(examined):
    checks = examined()
    assert [checks[system, "version"].detail for system in SYSTEMS] == [
        "dc1.contoso.example, functional level of Windows Server 2016 to 2022",
        "SharePoint 2016, build 16.0.0.4351; this zone offers Negotiate and NTLM",
        "WinRM OS: 0.0.0 SP: 0.0 Stack: 3.0; MIM's own version is not told by WMI",
    ]


def test_only_one_who_may_write_photos_is_told_so(examined, farm, monkeypatch):
    monkeypatch.setenv("KIT_WRITER", farm.passwords["svc-adma"])
    writer = {"username": "CONTOSO\\svc-adma", "password_name": "KIT_WRITER"}
    may = examined(directory=writer)["active_directory", "writing"]
    may_not = examined()["active_directory", "writing"]
    assert (may.result, may_not.result) == ("ok", "warning")
    assert may_not.fix == "before restoring, delegate Write thumbnailPhoto to the account"


# One thing broken at a time


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_wrong_password_fails_the_sign_in_and_nothing_that_rests_on_it(examined, monkeypatch, system):
    monkeypatch.setenv("KIT_WRONG", "Wr0ng horse")
    checks = examined(**{SECTIONS[system]: {"password_name": "KIT_WRONG"}})
    assert checks[system, "sign-in"].result == "failed"
    assert checks[system, "sign-in"].fix in {
        "correct the password",
        "check the account and its password",
        "check the account",
    }
    assert [name for name, result in results(checks, system).items() if result == "failed"] == ["sign-in"]


def test_what_rests_on_a_failed_check_is_skipped_with_the_reason(examined, monkeypatch):
    monkeypatch.setenv("KIT_WRONG", "Wr0ng horse")
    checks = examined(mim={"password_name": "KIT_WRONG"})
    assert told(checks["mim", "run history"]) == ("skipped", "not asked, because 'sign-in' failed", "")
    assert results(checks, "mim")["clock"] == "ok"


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_missing_secret_fails_the_settings_and_the_server_is_still_looked_for(examined, system):
    checks = examined(**{SECTIONS[system]: {"password_name": "KIT_NOWHERE"}})
    settings = checks[system, "settings"]
    assert (settings.result, settings.fix) == ("failed", "set the environment variable KIT_NOWHERE")
    assert settings.detail.startswith("secret 'KIT_NOWHERE' was not found: neither in the environment, nor ")
    assert (checks[system, "port"].result, checks[system, "sign-in"].result) == ("ok", "skipped")
    others = [results(checks, other)["sign-in"] for other in SYSTEMS if other != system]
    assert others == ["ok", "ok"]


def test_start_tls_shows_its_certificate_and_its_clock_without_a_secret(examined, farm):
    no_secret = {"url": farm.directory.plain_url, "start_tls": True, "password_name": "KIT_NOWHERE"}
    found = results(examined(directory=no_secret), "active_directory")
    assert (found["settings"], found["TLS"], found["clock"]) == ("failed", "ok", "ok")


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_closed_port_is_the_only_failure(examined, closed_port, system):
    scheme = {"active_directory": "ldaps"}.get(system, "http")
    checks = examined(**{SECTIONS[system]: {"url": f"{scheme}://127.0.0.1:{closed_port}"}})
    assert [name for name, result in results(checks, system).items() if result == "failed"] == ["port"]
    assert checks[system, "port"].fix == "check the port, and that the service runs there"
    assert checks[system, "sign-in"].detail == "not asked, because 'port' failed"


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_unknown_name_is_the_only_failure(examined, system):
    scheme = {"active_directory": "ldaps"}.get(system, "http")
    checks = examined(**{SECTIONS[system]: {"url": f"{scheme}://server.contoso.invalid"}})
    assert [name for name, result in results(checks, system).items() if result == "failed"] == ["name"]
    assert checks[system, "name"].fix == "check the name and the DNS servers"


@pytest.mark.parametrize(
    ("gate", "name", "fix"),
    [
        (Gate.LISTENER, "WinRM", "add it to Remote Management Users, a local group of that server"),
        (
            Gate.NAMESPACE,
            "WMI namespace",
            f"allow it Enable Account and Remote Enable on {NAMESPACE} in wmimgmt.msc",
        ),
        (Gate.GROUP, "MIM group", "add it to FIMSyncOperators, which may read and run the agents"),
    ],
)
def test_each_gate_of_wmi_is_told_apart_with_its_own_fix(examined, farm, gate, name, fix):
    farm.wsman.turn_away(KIT_ACCOUNT, gate)
    try:
        checks = examined()
    finally:
        farm.wsman.turn_away(KIT_ACCOUNT, None)
    failed = [one for one, result in results(checks, "mim").items() if result == "failed"]
    assert (failed, checks["mim", name].fix) == ([name], fix)
    assert (checks["mim", "sign-in"].result, checks["mim", "agents"].result) == ("ok", "skipped")


def test_an_agent_of_another_name_is_told_with_those_there_are(examined):
    check = examined(mim={"sharepoint_agent": "SharePoint MA"})["mim", "agents"]
    assert (check.result, check.fix) == ("failed", "correct the agent's name")
    assert "the agents there are 'ADMA', 'SPMA'" in check.detail


def test_an_expired_certificate_fails_tls_alone(examined, listener):
    checks = examined(mim=listener(timedelta(hours=-1)))
    failed = [name for name, result in results(checks, "mim").items() if result == "failed"]
    assert (failed, checks["mim", "TLS"].fix) == (["TLS"], "have the certificate renewed")
    assert "certificate has expired" in checks["mim", "TLS"].detail


def test_a_certificate_that_ends_soon_is_a_warning(examined, listener):
    check = examined(mim=listener(timedelta(days=20, hours=1)))["mim", "TLS"]
    assert (check.result, check.fix) == ("warning", "have the certificate renewed")
    assert check.detail.endswith(", 20 days from now")


def test_a_certificate_that_nobody_vouched_for_fails_tls(examined):
    check = examined(directory={"ca_file": None})["active_directory", "TLS"]
    assert check.result == "failed"
    assert check.fix.startswith("give the PEM file of the authority that signed it as ca_file")


def test_tls_that_is_not_checked_is_a_warning(examined):
    check = examined(directory={"ca_file": None, "verify_tls": False})["active_directory", "TLS"]
    assert check.result == "warning"
    assert check.detail.endswith("but verify_tls is off: the server may be anybody")


def test_tls_that_is_not_checked_is_a_warning_for_winrm_too(examined, listener):
    checks = examined(mim=listener(timedelta(hours=-1)) | {"ca_file": None, "verify_tls": False})
    assert (checks["mim", "TLS"].result, checks["mim", "sign-in"].result) == ("warning", "ok")


def test_start_tls_shows_its_certificate(examined, farm):
    check = examined(directory={"url": farm.directory.plain_url, "start_tls": True})[
        "active_directory", "TLS"
    ]
    assert (check.result, "issued by CN=Practice farm CA" in check.detail) == ("ok", True)


@pytest.mark.parametrize("start_tls", [True, False])
def test_a_wrong_password_is_sent_once_and_dates_and_clock_are_read(examined, farm, monkeypatch, start_tls):
    monkeypatch.setenv("KIT_WRONG", "Wr0ng horse")
    binds = []
    bind = Connection.handle_LDAPBindRequest
    monkeypatch.setattr(
        Connection, "handle_LDAPBindRequest", lambda self, *request: binds.append(1) or bind(self, *request)
    )
    url = farm.directory.plain_url if start_tls else farm.directory.url
    checks = examined(directory={"url": url, "start_tls": start_tls, "password_name": "KIT_WRONG"})
    failed = [name for name, result in results(checks, "active_directory").items() if result == "failed"]
    assert (failed, len(binds)) == (["sign-in"], 1)
    assert "valid until 20" in checks["active_directory", "TLS"].detail
    assert checks["active_directory", "clock"].result == "ok"


def test_a_refused_start_tls_fails_tls_with_its_own_fix(examined):
    with scripted_directory.running(scripted_directory.refusing_start_tls(52)) as address:
        checks = examined(directory={"url": f"ldap://{address}", "start_tls": True})
    assert told(checks["active_directory", "TLS"]) == (
        "failed",
        f"directory 'ldap://{address}': the server refuses StartTLS (unavailable)",
        "have a certificate installed on the controller, or use ldaps://",
    )


def test_a_tls_handshake_that_is_not_answered_fails_tls_with_its_own_fix(examined):
    with scripted_directory.running(scripted_directory.silent_after_start_tls) as address:
        checks = examined(directory={"url": f"ldaps://{address}", "timeout": 1.0})
    check = checks["active_directory", "TLS"]
    assert (check.result, check.detail.partition(": ")[2]) == (
        "failed",
        "no answer to the TLS handshake within 1 s",
    )
    assert check.fix.startswith("see whether the server is overloaded")


def test_something_else_on_the_directorys_port_fails_two_checks(examined):
    with scripted_directory.running(lambda *_: bytes.fromhex("30050201019900")) as address:
        checks = examined(directory={"url": f"ldap://{address}", "clear_text": True})
    failed = [
        check for (system, _), check in checks.items() if (system, check.result) == (SYSTEMS[0], "failed")
    ]
    assert [check.name for check in failed] == ["sign-in", "clock"]
    assert all("the answer is no LDAP message" in check.detail for check in failed)


def test_a_password_that_would_be_sent_in_clear_fails_the_settings(examined, farm):
    checks = examined(directory={"url": farm.directory.plain_url})
    assert checks["active_directory", "settings"].fix.startswith("use ldaps:// or start_tls")
    assert "the password would be sent in clear" in checks["active_directory", "settings"].detail
    assert results(checks, "active_directory")["sign-in"] == "skipped"


def test_a_password_in_clear_is_a_warning(examined, farm):
    plain = {"url": farm.directory.plain_url, "clear_text": True}
    check = examined(directory=plain)["active_directory", "TLS"]
    assert told(check) == (
        "warning",
        "no TLS: password and photos cross the network in clear",
        "use ldaps:// or start_tls",
    )


@pytest.mark.parametrize(
    ("seconds", "result"), [(-90, "warning"), (90, "warning"), (400, "failed"), (-4000, "failed"), (30, "ok")]
)
def test_a_domain_controllers_clock_may_not_be_far_off(examined, farm, seconds, result):
    farm.clock.set_offset(timedelta(seconds=seconds))
    try:
        check = examined()["active_directory", "clock"]
    finally:
        farm.clock.set_offset(timedelta(0))
    assert (check.result, "ahead of" in check.detail) == (result, seconds > 0)
    assert (check.fix != "") == (result != "ok")


def test_a_web_servers_clock_may_not_be_far_off(examined, farm):
    farm.wsman.clock_error = timedelta(minutes=-10)
    try:
        checks = examined()
    finally:
        farm.wsman.clock_error = timedelta(0)
    check = checks["mim", "clock"]
    assert (check.result, check.fix) == ("failed", "have both machines take their time from the domain")
    assert check.detail.endswith(" s behind this machine's; Kerberos refuses more than 300 s")


@pytest.mark.parametrize("port", [3268, 3269])
def test_a_global_catalogue_is_a_warning(examined, port):
    check = examined(directory={"url": f"ldaps://127.0.0.1:{port}"})["active_directory", "settings"]
    assert told(check) == (
        "warning",
        f"port {port} is the global catalogue's, which holds no thumbnailPhoto by default",
        "use port 636, or 389 with start_tls, of a domain controller",
    )


def test_a_filter_that_nobody_passes_fails_the_users(examined):
    checks = examined(directory={"user_filter": "(sAMAccountName=nobody)"})
    assert told(checks["active_directory", "users"]) == (
        "failed",
        "users below DC=contoso,DC=example: none is seen",
        "check base_dn and user_filter, and let the account read the users",
    )
    assert checks["active_directory", "photos"].result == "skipped"


def test_photos_that_are_not_seen_are_a_warning(examined):
    check = examined(directory={"user_filter": f"(sAMAccountName={KIT_ACCOUNT})"})[
        "active_directory", "photos"
    ]
    assert (check.result, check.fix) == ("warning", "let the account read thumbnailPhoto")


def test_pictures_that_may_not_be_read_fail(examined, farm):
    accounts = [f"CONTOSO\\{person.account_name}" for person in farm.people if person.in_sharepoint]
    everyone = [f"CONTOSO\\{name}" for name in farm.passwords]
    for account in accounts:
        farm.sharepoint.store.forbid(account, ["CONTOSO\\svc-spma"])
    try:
        check = examined()["sharepoint", "photos"]
    finally:
        for account in accounts:
            farm.sharepoint.store.forbid(account, everyone)
    assert (check.result, check.detail) == ("failed", "none of 5 pictures can be read: forbidden")
    assert check.fix == "give the account Full Read on the My Site web application by a user policy"


def test_pictures_behind_a_login_page_fail_with_another_fix(examined, farm):
    login = {"Location": f"{farm.sharepoint.url}/_login/default.aspx?ReturnUrl=%2f"}
    farm.sharepoint.troubles.add("*_MThumb.jpg", "status", times=None, status=302, headers=login)
    farm.sharepoint.troubles.add("/_login/*", "status", times=None, status=200, body=b"<html>Sign in</html>")
    try:
        check = examined()["sharepoint", "photos"]
    finally:
        farm.sharepoint.troubles.clear()
    assert (check.result, check.detail) == ("failed", "none of 5 pictures can be read: login page")
    assert check.fix == "have a zone with Windows sign-in for the My Site host, and its name in hosts"


@pytest.mark.parametrize(
    ("service", "failed"), [("UserProfileService", "users"), ("UserProfileChangeService", "change log")]
)
def test_a_right_that_is_missing_in_sharepoint_is_no_failed_sign_in(examined, farm, service, failed):
    path = f"/_vti_bin/{service}.asmx"
    farm.sharepoint.troubles.add(path, "status", times=None, status=403)
    try:
        checks = examined()
    finally:
        farm.sharepoint.troubles.clear()
    assert [name for name, result in results(checks, "sharepoint").items() if result == "failed"] == [failed]
    assert (checks["sharepoint", "sign-in"].result, checks["sharepoint", failed].fix != "") == ("ok", True)


def test_something_else_on_sharepoints_port_is_told(examined, farm):
    checks = examined(sharepoint={"url": farm.console.url.partition("?")[0].rstrip("/")})
    assert checks["sharepoint", "sign-in"].result == "failed"


def test_a_further_domain_is_examined_too(farm, closed_port):
    further = f"ldaps://127.0.0.1:{closed_port}"
    content = yaml.safe_load(farm.case_file.read_text(encoding="utf-8"))
    content["directory"]["further_domains"] = [further]
    checks = list(doctor.examine(parse(content, farm.case_file)))
    found = {(check.system, check.server, check.name): check.result for check in checks}
    assert {check.system for check in checks} == set(SYSTEMS)
    assert found["active_directory", further, "port"] == "failed"
    assert found["active_directory", "", "sign-in"] == "ok"


def test_metadata_of_a_photo_that_is_not_shown_is_a_warning(examined, farm):
    check = examined(directory={"url": farm.directory.catalog_url})["active_directory", "metadata"]
    assert told(check) == (
        "warning",
        "replPropertyMetaData is not there, or the account may not read it",
        "let the account read replPropertyMetaData of the users, which tells who wrote a photo last",
    )


def test_metadata_of_a_photo_says_which_version_it_has(examined):
    told, _, version = examined()["active_directory", "metadata"].detail.rpartition(" ")
    assert told == "can be read: thumbnailPhoto of one user has version"
    assert int(version) > 0


class Bewildered(ActiveDirectory):
    """One question too many."""

    def own_probes(self):
        """Ask what no dictionary knows."""
        yield Probe("riddle", lambda: {}["answer"])
        yield Probe("users", self._users)


def test_an_unexpected_error_is_one_failed_check(farm):
    with Bewildered(parse(yaml.safe_load(farm.case_file.read_text()), farm.case_file)) as system:
        checks = {check.name: check for check in doctor.carry_out(system)}
    assert told(checks["riddle"]) == (
        "failed",
        "an unexpected error: KeyError: 'answer'",
        "run the doctor with --verbose, and pass on what it says",
    )
    assert checks["users"].result == "ok"


# The command


@pytest.fixture
def broken_case(farm, tmp_path, closed_port):
    content = yaml.safe_load(farm.case_file.read_text(encoding="utf-8"))
    content["sharepoint"]["url"] = f"http://127.0.0.1:{closed_port}"
    content["mim"]["sharepoint_agent"] = "SharePoint MA"
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_the_exit_code_says_how_many_checks_failed(broken_case, capsys):
    assert commands.main(["doctor", broken_case]) == 2
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("failed ")]
    assert [line.split()[1:3] for line in failed] == [["sharepoint", "port"], ["mim", "agents"]]


def test_every_failed_line_has_its_fix(broken_case, capsys):
    commands.main(["doctor", broken_case])
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("failed ")]
    assert ["; fix: " in line for line in failed] == [True, True]


def test_lines_are_aligned_and_name_the_further_domain(broken_case, closed_port, capsys):
    path, further = Path(broken_case), f"ldaps://dc2.fabrikam.invalid:{closed_port}"
    content = yaml.safe_load(path.read_text())
    content["directory"]["further_domains"] = [further]
    path.write_text(yaml.safe_dump(content))
    commands.main(["doctor", broken_case])
    lines = capsys.readouterr().out.splitlines()
    assert {(line[8], line[26], line[41]) for line in lines} == {(" ", " ", " ")}
    (name,) = (line for line in lines if line.startswith("failed   active_directory  name"))
    assert name[42:].startswith(f"{further}: host 'dc2.fabrikam.invalid': the name does not resolve")


def test_a_healthy_farm_ends_with_exit_code_0(farm, capsys):
    assert commands.main(["doctor", str(farm.case_file)]) == 0
    assert not any(line.startswith("failed") for line in capsys.readouterr().out.splitlines())


def test_json_is_one_document_with_the_same_fields(broken_case, capsys):
    assert commands.main(["doctor", broken_case, "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert (document["case_id"], document["failed"]) == ("doctor", 2)
    port = next(one for one in document["checks"] if (one["system"], one["name"]) == ("sharepoint", "port"))
    assert list(port) == ["system", "name", "result", "detail", "fix", "seconds", "server"]
    assert (port["result"], port["fix"]) == ("failed", "check the port, and that the service runs there")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_password_is_shown(farm, capfd, form):
    commands.main(["doctor", str(farm.case_file), "--verbose", *form])
    shown = capfd.readouterr()
    assert farm.passwords[KIT_ACCOUNT] not in shown.out + shown.err
    assert PASSWORD_NAME in shown.out


def test_the_exit_code_goes_no_higher_than_100(closed_port, tmp_path, monkeypatch):
    monkeypatch.setenv("KIT_TEST_SECRET", "secret")
    url = f"ldaps://127.0.0.1:{closed_port}"
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(cases.settings(directory={"url": url, "further_domains": [url] * 120})))
    assert commands.main(["doctor", str(path)]) == 100


@pytest.mark.parametrize("content", ["case_id: [", "case_id: contoso\ncolour: red\n", ""])
def test_a_malformed_case_file_is_one_sentence_and_exit_code_120(tmp_path, capsys, content):
    path = tmp_path / "case.yaml"
    path.write_text(content)
    assert commands.main(["doctor", str(path)]) == 120
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n"), shown.err.startswith("kit: ")) == ("", 1, True)
    assert "case.yaml" in shown.err


def test_json_says_why_nothing_was_examined(tmp_path, capsys):
    path = tmp_path / "absent.yaml"
    assert commands.main(["doctor", str(path), "--json"]) == 120
    error = json.loads(capsys.readouterr().out)["error"]
    assert list(error) == ["kind", "what", "cause", "next_step"]
    assert (error["kind"], "absent.yaml" in error["what"]) == ("Case", True)


def test_an_address_that_is_none_is_told_once(broken_case, capsys):
    path = Path(broken_case)
    path.write_text(path.read_text().replace("url: ldaps://", "url: ldaps:/"))
    assert commands.main(["doctor", broken_case]) == 120
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["case.yaml", "--jason"]])
def test_an_argument_that_is_none_is_no_number_of_failures(arguments, capsys):
    assert commands.main(["doctor", *arguments]) == 120
    assert "usage: python3 -m kit" in capsys.readouterr().err


def test_the_help_says_what_the_exit_code_means(capsys):
    with pytest.raises(SystemExit) as ended:
        commands.main(["doctor", "--help"])
    assert ended.value.code == 0
    assert "120: nothing could be examined" in " ".join(capsys.readouterr().out.split())
