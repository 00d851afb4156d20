r"""The farm's command shell, asked by pypsrp's own client and nothing of the kit's."""

import base64
import threading

import pytest
from pypsrp.client import Client
from pypsrp.exceptions import WSManFaultError
from pypsrp.shell import CommandState, Process, SignalCode, WinRS
from shell_farm import PASSWORD, listening, played

from kit.lab.prompt import INSTALLATION, SERVICE_KEY

CSEXPORT = f'call "{INSTALLATION}Bin\\csexport.exe"'


@pytest.fixture(scope="module")
def engine():
    return played().engine


@pytest.fixture
def server(engine):
    with listening(engine) as running:
        yield running


@pytest.fixture
def connect(server):
    clients = []

    def start(account="svc-kit"):
        port = int(server.url.split(":")[2].partition("/")[0])
        options = {"username": f"CONTOSO\\{account}", "password": PASSWORD, "ssl": False, "auth": "ntlm"}
        clients.append(Client("127.0.0.1", port=port, **options))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def client(connect):
    return connect()


def code(error):
    return error.value.code


def test_execute_cmd_returns_what_a_command_wrote(client):
    assert client.execute_cmd("set COMPUTERNAME") == ("COMPUTERNAME=MIM01\r\n", "", 0)


def test_what_a_server_does_not_know_it_refuses_as_cmd_does(client):
    output, error, exit_code = client.execute_cmd("format c:")
    assert (output, exit_code) == ("", 1)
    assert error.startswith("'format' is not recognized as an internal or external command")


@pytest.mark.parametrize("line", ["set TEMP & format c:", "type x > y", "set TEMP | more", "echo %PATH%"])
def test_nothing_is_chained_redirected_or_expanded(client, line):
    assert client.execute_cmd(line) == ("", "The syntax of the command is incorrect.\r\n", 1)


def test_a_line_that_begins_with_a_quotation_mark_loses_it(client):
    _, error, _ = client.execute_cmd(f'"{INSTALLATION}Bin\\csexport.exe" "ADMA" "C:\\t\\a.xml"')
    assert error.startswith("'C:\\Program' is not recognized")


def test_the_registry_tells_where_the_service_is_installed(client):
    output, _, exit_code = client.execute_cmd(f'reg query "{SERVICE_KEY}" /v Path')
    assert exit_code == 0
    assert f"    Path    REG_SZ    {INSTALLATION}\r\n" in output


def test_a_value_that_is_not_in_the_registry_is_an_error(client):
    assert client.execute_cmd(f"reg query {SERVICE_KEY} /v Other")[2] == 1


def test_csexport_writes_a_file_that_can_be_read_and_deleted(client):
    assert client.execute_cmd(f"{CSEXPORT} ADMA C:\\t\\a.xml /fx /od")[2] == 0
    output = client.execute_cmd("type C:\\t\\a.xml")[0]
    assert output.count("<cs-object ") == 1
    assert f">{base64.b64encode(b'new').decode()}</value>" in output
    client.execute_cmd("del /f /q C:\\t\\a.xml")
    assert client.execute_cmd("type C:\\t\\a.xml")[1:] == (
        "The system cannot find the file specified.\r\n",
        1,
    )


def test_csexport_does_not_write_over_a_file(client, server):
    server.shells.prompt.files["C:\\t\\a.xml"] = b"mine"
    assert client.execute_cmd(f"{CSEXPORT} ADMA C:\\t\\a.xml /f:x")[2] == 1
    assert server.shells.prompt.files["C:\\t\\a.xml"] == b"mine"


@pytest.mark.parametrize(
    ("options", "count"),
    [("", 2), ("/f:x", 1), ("/f:s", 0), ("/f:m", 0), ("/f:d=CN=bo,OU=Staff,DC=contoso,DC=example", 1)],
)
def test_csexport_filters_objects(client, server, options, count):
    assert client.execute_cmd(f'{CSEXPORT} "adma" C:\\t\\a.xml {options}')[2] == 0
    assert server.shells.prompt.files["C:\\t\\a.xml"].count(b"<cs-object ") == count


def test_csexport_writes_only_the_parts_that_are_chosen(client, server):
    client.execute_cmd(f"{CSEXPORT} ADMA C:\\t\\a.xml /f:x /o:d")
    written = server.shells.prompt.files["C:\\t\\a.xml"]
    assert (b"<unapplied-export>" in written, b"hologram" in written, b"account-name" in written) == (
        True,
        False,
        False,
    )


@pytest.mark.parametrize("arguments", ["", "ADMA a b", "ADMA /f:q", "ADMA /f:x /f:m", "NOMA", "ADMA /o:z"])
def test_csexport_refuses_what_it_does_not_know(client, server, arguments):
    assert client.execute_cmd(f"{CSEXPORT} {arguments}")[2] == 1
    assert not server.shells.prompt.files


def test_csexport_is_for_administrators(connect, server):
    _, error, exit_code = connect("operator").execute_cmd(f"{CSEXPORT} ADMA C:\\t\\a.xml")
    assert (exit_code, error.startswith("Access is denied"), server.shells.prompt.files) == (1, True, {})


def test_svrexport_writes_the_configuration_into_a_folder(client):
    client.execute_cmd("mkdir C:\\t\\conf")
    client.execute_cmd(f'call "{INSTALLATION}Bin\\svrexport.exe" C:\\t\\conf')
    files = client.execute_cmd("dir /b C:\\t\\conf")[0].splitlines()
    assert [name.partition("-")[0] for name in files] == ["MA", "MA", "MV.xml"]


def test_output_larger_than_an_envelope_comes_in_pieces(client, server):
    content = bytes(range(32, 127)) * 20_000
    server.shells.prompt.files["C:\\t\\large"] = content
    assert client.execute_cmd("type C:\\t\\large")[0].encode() == content


def test_receive_times_out_while_a_command_runs(client, server):
    server.shells.prompt.ready.clear()
    with WinRS(client.wsman) as shell:
        process = Process(shell, "set", ["TEMP"])
        process.begin_invoke()
        with pytest.raises(WSManFaultError) as error:
            shell.receive(command_id=process.id)
        assert code(error) == 2150858793
        threading.Timer(0.1, server.shells.prompt.ready.set).start()
        process.end_invoke()
        assert process.rc == 0


def test_a_command_that_was_signalled_is_forgotten(client):
    with WinRS(client.wsman) as shell:
        process = Process(shell, "set", ["TEMP"])
        process.invoke()
        assert process.state == CommandState.DONE
        process.signal(SignalCode.TERMINATE)
        with pytest.raises(WSManFaultError):
            shell.receive(command_id=process.id)


def test_a_shell_that_was_deleted_is_gone(client, server):
    shell = WinRS(client.wsman)
    shell.open()
    assert server.shells.open == 1
    shell.close()
    with pytest.raises(WSManFaultError) as error:
        shell.command("set", [])
    assert (code(error), server.shells.open) == (2150858843, 0)


def test_a_shell_belongs_to_who_opened_it(client, connect):
    with WinRS(client.wsman) as shell:
        shell.wsman = connect("operator").wsman
        with pytest.raises(WSManFaultError) as error:
            shell.command("set", [])
        shell.wsman = client.wsman
    assert code(error) == 2150858843


def test_a_user_can_open_thirty_shells(client):
    opened = [WinRS(client.wsman) for _ in range(31)]
    for shell in opened[:30]:
        shell.open()
    with pytest.raises(WSManFaultError) as error:
        opened[30].open()
    assert code(error) == 2150859173


def test_who_may_not_use_winrm_gets_no_shell(connect):
    with pytest.raises(WSManFaultError) as error:
        WinRS(connect("outsider").wsman).open()
    assert code(error) == 5


def test_an_account_can_be_refused_a_shell(client, server):
    server.shells.refused.add("svc-kit")
    with pytest.raises(WSManFaultError) as error:
        WinRS(client.wsman).open()
    assert code(error) == 5


def test_shells_can_be_switched_off(client, server):
    server.shells.allowed = False
    with pytest.raises(WSManFaultError) as error:
        WinRS(client.wsman).open()
    assert code(error) == 2150859180


def test_there_is_no_powershell(client):
    with pytest.raises(WSManFaultError) as error:
        WinRS(
            client.wsman, resource_uri="http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
        ).open()
    assert code(error) == 2150858752


def test_utf_16_is_typed_in_the_code_page_of_the_shell(client, server):
    server.shells.prompt.files["C:\\t\\wide"] = "Zoë".encode("utf-16")
    with WinRS(client.wsman, codepage=65001) as shell:
        process = Process(shell, "type", ["C:\\t\\wide"])
        process.invoke()
    assert process.stdout == "Zoë".encode()
