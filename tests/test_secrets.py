import importlib
import os
import subprocess
import sys
from pathlib import Path

import cases
import pytest

from kit import secrets
from kit.errors import CaseError

NAME = "KIT_TEST_SECRET"


KEYRING = """
from keyring import errors
passwords = {}
locked = False
def get_password(service, name):
    if locked:
        raise errors.KeyringError
    return passwords.get((service, name))
"""


@pytest.fixture(autouse=True)
def ring(tmp_path, monkeypatch):
    """Give an empty environment, an empty keyring in the place of any installed one, and no terminal."""
    package = tmp_path / "packages" / "keyring"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(KEYRING)
    (package / "errors.py").write_text("class KeyringError(Exception): ...")
    installed = [name for name in sys.modules if name.partition(".")[0] == "keyring"]
    for name in installed:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.delenv(NAME, raising=False)
    with Path(os.devnull).open(encoding="utf-8") as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        yield importlib.import_module("keyring")
    for name in ("keyring", "keyring.errors"):
        del sys.modules[name]


def with_file(tmp_path, text):
    path = tmp_path / "secrets.env"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return cases.case(tmp_path, secrets_file="secrets.env")


def test_the_environment_is_asked_first(tmp_path, monkeypatch):
    monkeypatch.setenv(NAME, "from the environment")
    assert secrets.read(with_file(tmp_path, f"{NAME}=from the file"), NAME) == "from the environment"


def test_the_file_is_relative_to_the_case_file(tmp_path):
    assert (
        secrets.read(with_file(tmp_path, f"# passwords\nOTHER=x\n{NAME}=from the file\n"), NAME)
        == "from the file"
    )


def test_a_secret_may_hold_an_equals_sign(tmp_path):
    assert secrets.read(with_file(tmp_path, f"{NAME} = a=b=#c"), NAME) == "a=b=#c"


def test_a_line_that_is_commented_out_does_not_count(tmp_path):
    with pytest.raises(CaseError):
        secrets.read(with_file(tmp_path, f"#{NAME}=old\n  # {NAME}=older"), NAME)


def test_the_keyring_is_asked_last(tmp_path, ring):
    ring.passwords[secrets.KEYRING_SERVICE, NAME] = "from the keyring"
    assert secrets.read(with_file(tmp_path, "OTHER=x"), NAME) == "from the keyring"


def test_a_locked_keyring_holds_nothing(tmp_path, ring):
    ring.locked = True
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
    assert (
        str(caught.value) == f"secret '{NAME}' was not found: {where}; set the environment variable {NAME}."
    )


def test_a_person_at_a_terminal_is_asked():
    pty = pytest.importorskip("pty")  # terminals as Linux and macOS have them
    code = (
        "import cases, pathlib; from kit import secrets; "
        f"print(secrets.read(cases.case(pathlib.Path()), {NAME!r}))"
    )
    tests = Path(__file__).parent
    variables = {**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"}
    variables |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    person, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables,
        start_new_session=True,
    ) as asked:
        question = asked.stderr.read(len(f"{NAME}: "))
        os.write(person, b"typed\n")  # not before the question: what was typed until then is thrown away
        answer, _ = asked.communicate(timeout=30)
    os.close(person)
    os.close(terminal)
    assert (question.decode(), answer.decode()) == (f"{NAME}: ", "typed\n")


def test_a_secrets_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CaseError) as caught:
        secrets.read(cases.case(tmp_path, secrets_file="none.env"), NAME)
    path = (tmp_path / "none.env").resolve()
    cause = "No such file or directory"
    assert str(caught.value) == f"secrets file '{path}' cannot be read: {cause}; correct secrets_file."


def test_a_binary_secrets_file_is_refused(tmp_path):
    with pytest.raises(CaseError, match="it is no text in UTF-8"):
        secrets.read(with_file(tmp_path, b"\xff\xfe\x00"), NAME)
