import ssl
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_farm import MemoryFarm
from shell_farm import ACCOUNTS, PASSWORD, listening, shell_on

from kit import installation
from kit.endpoint import Endpoint
from kit.errors import (
    CaseError,
    NotFoundError,
    OutputError,
    ParameterError,
    ProtocolError,
    RightsError,
    SignInError,
    UnreachableError,
)
from kit.lab import certificates, prompt, wsman
from kit.lab.domain import Domain
from kit.lab.endpoint import Trouble
from kit.shell import CommandShell, quote

PATH = "C:\\Users\\svc-kit\\AppData\\Local\\Temp\\file.xml"


@pytest.fixture
def server():
    with listening(MemoryFarm().engine) as running:
        yield running


@pytest.fixture
def shell(server):
    with shell_on(server) as opened:
        yield opened


@pytest.fixture
def files(server):
    return server.shells.prompt.files


# Opening


def test_the_shell_is_closed_at_the_end(server):
    with shell_on(server):
        assert server.shells.open == 1
    assert server.shells.open == 0


def test_the_shell_is_closed_after_a_failure(server):
    with pytest.raises(ZeroDivisionError), shell_on(server):
        raise ZeroDivisionError
    assert server.shells.open == 0


def refuse_one(server):
    server.shells.refused.add("svc-kit")


def refuse_everybody(server):
    server.shells.allowed = False


@pytest.mark.parametrize("refuse", [refuse_one, refuse_everybody])
def test_where_no_shell_may_be_opened_the_way_by_hand_is_told(server, refuse):
    refuse(server)
    with pytest.raises(RightsError, match=r"'CONTOSO.svc-kit' may not open a command shell") as error:
        shell_on(server).__enter__()
    assert "csexport" in error.value.next_step


def test_a_wrong_password_is_a_refused_sign_in(server):
    with pytest.raises(SignInError):
        CommandShell(Endpoint(server.url, "CONTOSO\\svc-kit", "wrong")).__enter__()


def test_a_shell_over_tls_is_like_any_other(tmp_path):
    files = certificates.issue(tmp_path, ["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate_file, files.key_file)
    server = wsman.start(MemoryFarm().engine, Domain(), ACCOUNTS, tls=context)
    endpoint = Endpoint(server.url, "CONTOSO\\svc-kit", PASSWORD, ca_file=files.ca_file)
    try:
        with CommandShell(endpoint) as shell:
            assert shell.run("set", ["COMPUTERNAME"]).output == "COMPUTERNAME=MIM01"
    finally:
        server.stop()


def test_nothing_there_is_unreachable():
    with pytest.raises(UnreachableError):
        CommandShell(Endpoint("http://127.0.0.1:1/wsman", "CONTOSO\\svc-kit", "x")).__enter__()


def test_an_address_must_be_one():
    with pytest.raises(CaseError):
        CommandShell(Endpoint("mim01", "CONTOSO\\svc-kit", "x"))


# Running


def test_a_command_returns_its_output_and_exit_code(shell):
    done = shell.run("set", ["COMPUTERNAME"])
    assert (done.code, done.output, done.error) == (0, "COMPUTERNAME=MIM01", "")


def test_a_command_that_fails_returns_its_error(shell):
    done = shell.run("format", ["c:"])
    assert done.code == 1
    assert done.said.startswith("'format' is not recognized")


def test_a_slow_command_is_waited_for(shell, server):
    server.shells.prompt.ready.clear()
    threading.Timer(1.5, server.shells.prompt.ready.set).start()
    assert shell.run("set", ["TEMP"]).code == 0
    assert server.received["Receive"] == 2


def test_a_command_is_not_waited_for_for_ever(server):
    server.shells.prompt.ready.clear()
    with (
        shell_on(server, deadline=0.5) as shell,
        pytest.raises(UnreachableError, match="has not ended"),
    ):
        shell.run("set", ["TEMP"])
    server.shells.prompt.ready.set()


def test_a_lost_connection_is_told_and_the_next_command_signs_in_again(shell, server):
    server.faults.arrange("Command", Trouble.DROP_BEFORE)
    with pytest.raises(UnreachableError):
        shell.run("set", ["TEMP"])
    assert shell.run("set", ["TEMP"]).code == 0


def test_a_command_is_sent_once_though_its_answer_is_lost(shell, server):
    server.faults.arrange("Command", Trouble.DROP_ANSWER)
    with pytest.raises(UnreachableError):
        shell.run("set", ["TEMP"])
    assert server.received["Command"] == 1


# Quoting


@pytest.mark.parametrize("argument", ["", 'a"b', "%PATH%", "a^b", "a\nb"])
def test_what_cmd_would_interpret_is_refused(argument):
    with pytest.raises(ParameterError):
        quote(argument)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters='"%^'), min_size=1))
def test_the_line_has_the_arguments_that_were_given(argument):
    if not argument.isprintable():
        return
    line = f"dir {quote(argument)}"
    received = prompt._words(line)[1:]
    assert [word.rstrip("\\") for word in received] == [argument.rstrip("\\")]


# Files


def test_a_file_is_fetched_byte_by_byte(shell, files, tmp_path):
    files[PATH] = "<a>Zoë\r\n\x1a</a>".encode() * 100_000
    shell.fetch(PATH, tmp_path / "copy.xml")
    assert (tmp_path / "copy.xml").read_bytes() == files[PATH]


def test_a_file_in_utf_16_arrives_in_utf_8(shell, files, tmp_path):
    files[PATH] = "<a>Zoë</a>\r\n".encode("utf-16")
    shell.fetch(PATH, tmp_path / "copy.xml")
    assert (tmp_path / "copy.xml").read_bytes() == "<a>Zoë</a>\r\n".encode()


def test_a_file_that_is_not_there_is_not_found(shell, tmp_path):
    with pytest.raises(NotFoundError, match="cannot find the file"):
        shell.fetch(PATH, tmp_path / "copy.xml")
    assert not list(tmp_path.iterdir())


def test_a_copy_with_a_gap_is_refused(shell, files, server, tmp_path):
    files[PATH] = b"0123456789" * 200_000
    server.shells.loses_output = 1
    with pytest.raises(ProtocolError, match="is not what is there"):
        shell.fetch(PATH, tmp_path / "copy.xml")
    assert not list(tmp_path.iterdir())


def test_a_copy_that_cannot_be_written_is_told(shell, files, tmp_path):
    files[PATH] = b"x"
    with pytest.raises(OutputError, match="no-such-folder"):
        shell.fetch(PATH, tmp_path / "no-such-folder" / "copy.xml")


def test_a_file_is_removed(shell, files):
    files[PATH] = b"x"
    shell.remove(PATH)
    assert not files


def test_to_remove_what_is_not_there_is_no_error(shell):
    shell.remove(PATH)


def test_a_file_that_stays_is_told(shell, files, server):
    files[PATH] = b"x"
    server.shells.prompt.keeps_files = True
    with pytest.raises(ProtocolError, match=r"could not be deleted: .*being used"):
        shell.remove(PATH)


# The installation


def test_the_service_folder_comes_from_its_own_key(shell):
    assert installation.path(shell) == prompt.INSTALLATION.rstrip("\\")


def test_the_service_folder_comes_from_the_product_key_otherwise(shell, server):
    parent = "D:\\MIM\\2010\\"
    server.shells.prompt.registry = {(prompt.PRODUCT_KEY, "Location"): parent}
    assert installation.path(shell) == "D:\\MIM\\2010\\Synchronization Service"


def test_a_server_without_the_service_is_told(shell, server):
    server.shells.prompt.registry = {}
    with pytest.raises(NotFoundError, match="not installed"):
        installation.path(shell)
