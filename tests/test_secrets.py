import os
import pty
import sys

import cases
import keyring
import keyring.backend
import keyring.errors
import pytest

from kit import secrets
from kit.errors import CaseError

NAME = "KIT_TEST_SECRET"


class Ring(keyring.backend.KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def __init__(self, passwords=None):
        super().__init__()
        self.passwords = passwords

    def get_password(self, service, username):
        if self.passwords is None:
            raise keyring.errors.KeyringLocked
        return self.passwords.get((service, username))


@pytest.fixture(autouse=True)
def ring(monkeypatch):
    """An empty environment and keyring, and nobody at the keyboard."""
    monkeypatch.delenv(NAME, raising=False)
    before, empty = keyring.get_keyring(), Ring({})
    keyring.set_keyring(empty)
    with open(os.devnull, encoding="utf-8") as nobody:  # noqa: PTH123 - a device
        monkeypatch.setattr(sys, "stdin", nobody)
        yield empty
    keyring.set_keyring(before)


def with_file(tmp_path, text):
    path = tmp_path / "secrets.env"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return cases.case(tmp_path, secrets_file="secrets.env")


def test_the_environment_is_asked_first(tmp_path, monkeypatch):
    monkeypatch.setenv(NAME, "from the environment")
    assert secrets.read(with_file(tmp_path, f"{NAME}=from the file"), NAME) == "from the environment"


def test_the_file_is_relative_to_the_case_file(tmp_path):
    assert secrets.read(with_file(tmp_path, f"# passwords\nOTHER=x\n{NAME}=from the file\n"), NAME) == "from the file"


def test_a_secret_may_hold_an_equals_sign(tmp_path):
    assert secrets.read(with_file(tmp_path, f"{NAME} = a=b=#c"), NAME) == "a=b=#c"


def test_a_line_that_is_commented_out_does_not_count(tmp_path):
    with pytest.raises(CaseError):
        secrets.read(with_file(tmp_path, f"#{NAME}=old\n  # {NAME}=older"), NAME)


def test_the_keyring_is_asked_last(tmp_path, ring):
    ring.passwords[secrets.KEYRING_SERVICE, NAME] = "from the keyring"
    assert secrets.read(with_file(tmp_path, "OTHER=x"), NAME) == "from the keyring"


def test_a_locked_keyring_holds_nothing(tmp_path, ring):
    ring.passwords = None
    with pytest.raises(CaseError, match="was not found"):
        secrets.read(cases.case(tmp_path), NAME)


def test_an_empty_secret_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv(NAME, "")
    with pytest.raises(CaseError, match="was not found"):
        secrets.read(with_file(tmp_path, f"{NAME}="), NAME)


def test_a_secret_that_is_nowhere_is_named(tmp_path):
    with pytest.raises(CaseError) as caught:
        secrets.read(cases.case(tmp_path), NAME)
    where = "neither in the environment, nor in the secrets file, nor in the keyring"
    assert str(caught.value) == f"secret '{NAME}' was not found: {where}; set the environment variable {NAME}."


def test_a_person_at_a_terminal_is_asked(tmp_path):
    child, terminal = pty.fork()
    if not child:
        question = f"from kit import secrets; import cases; from pathlib import Path; import keyring.backends.null as null; import keyring; keyring.set_keyring(null.Keyring()); assert secrets.read(cases.case(Path()), {NAME!r}) == 'typed'"
        os.chdir(os.path.dirname(__file__))  # noqa: PTH100, PTH120
        os.execv(sys.executable, [sys.executable, "-c", question])
    os.close(terminal)


def test_a_secrets_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CaseError) as caught:
        secrets.read(cases.case(tmp_path, secrets_file="none.env"), NAME)
    path = (tmp_path / "none.env").resolve()
    cause = "No such file or directory"
    assert str(caught.value) == f"secrets file '{path}' cannot be read: {cause}; correct secrets_file."


def test_a_binary_secrets_file_is_refused(tmp_path):
    with pytest.raises(CaseError, match="it is no text in UTF-8"):
        secrets.read(with_file(tmp_path, b"\xff\xfe\x00"), NAME)
