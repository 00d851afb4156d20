"""Secrets, found by name: environment, the case's secrets file, the keyring, the person at the keyboard."""

from __future__ import annotations

import getpass
import importlib
import importlib.util
import os
import sys
from pathlib import Path

from kit.case import Case
from kit.errors import CaseError

KEYRING_SERVICE = "photo-drift-kit"


def read(case: Case, name: str) -> str:
    """Return the secret of a name.

    It is looked for in the environment, then in the case's ``secrets_file`` (lines ``NAME=value``), then in
    the keyring where the ``keyring`` package is installed (service ``photo-drift-kit``), and asked for when a
    person sits at a terminal.

    Parameters
    ----------
    case : Case
    name : str
        Such as ``KIT_DIRECTORY_PASSWORD``.

    Returns
    -------
    str
        Never empty.

    Raises
    ------
    CaseError
        The secret is nowhere, or the secrets file cannot be read.
    """
    value = os.environ.get(name) or _from_file(case, name) or _from_keyring(name)
    if not value and sys.stdin is not None and sys.stdin.isatty():
        value = getpass.getpass(f"{name}: ")
    if not value:
        where = "neither in the environment, nor in the secrets file, nor in the keyring"
        raise CaseError(f"secret '{name}' was not found", where, f"set the environment variable {name}")
    return value


def _from_file(case: Case, name: str) -> str:
    if case.secrets_file is None:
        return ""
    path: Path = case.resolve(case.secrets_file)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise CaseError(f"secrets file '{path}' cannot be read", cause, "correct secrets_file") from error
    found = (line.partition("=") for line in lines if not line.lstrip().startswith("#"))
    return next((value.strip() for key, _, value in found if key.strip() == name), "")


def _from_keyring(name: str) -> str:
    if importlib.util.find_spec("keyring") is None:
        return ""
    keyring = importlib.import_module("keyring")
    try:
        return keyring.get_password(KEYRING_SERVICE, name) or ""
    except keyring.errors.KeyringError:  # a machine without a usable keyring has no secret in it
        return ""
