"""A domain of 5,000 users on both servers, and clients of it."""

import os
import shutil
import subprocess
from pathlib import Path

import people
import pytest

from kit.directory import Directory
from kit.endpoint import Endpoint
from kit.lab import directory as embedded
from kit.lab import samba

SIZE = 5000
FIRST = "crowd"


def start_embedded(folder, **switches):
    crowd = [people.user(f"{FIRST}-{number}", f"{FIRST}-{number}") for number in range(1, SIZE)]
    return embedded.start(people.DOMAIN, [*some(), *crowd], people.ACCOUNTS, folder, **switches)


def start_samba(folder):
    if reason := samba.available():
        if os.environ.get("CI"):
            pytest.fail(f"the pipeline must test against Samba: {reason}")
        pytest.skip(reason)
    server = samba.start(people.DOMAIN, some(), people.ACCOUNTS, folder)
    script = Path(__file__).with_name("samba_crowd.py")
    subprocess.run([samba_python(), script, folder, FIRST, str(SIZE - 1)], check=True, capture_output=True)
    return server


def some():
    return [*people.entries(), *people.others(), people.user(FIRST, FIRST)]


def samba_python():
    """Return the interpreter that has Samba's modules: the one samba-tool names in its first line."""
    tool = Path(shutil.which("samba-tool", path=f"{os.environ['PATH']}:/usr/sbin:/sbin"))
    return tool.read_text(encoding="utf-8").splitlines()[0].removeprefix("#!").strip()


def connect(server, account=people.READER, **options):
    name = f"{server.domain.netbios_name}\\{account.name}"
    return Directory(Endpoint(server.url, name, account.password, ca_file=server.ca_file), **options)
