"""A farm in memory behind a WinRM listener, for tests of its command shell and of what goes through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from memory_farm import FULL, MemoryFarm

from kit.endpoint import Endpoint
from kit.lab import wsman
from kit.lab.domain import Account, Domain
from kit.lab.engine import Engine
from kit.lab.wsman import WSManServer
from kit.shell import CommandShell

PASSWORD = "Corr3ct horse"
ACCOUNTS = (
    Account("svc-kit", PASSWORD, frozenset({"sync-admin"})),
    Account("operator", PASSWORD, frozenset({"sync-operator"})),
    Account("outsider", PASSWORD),
)


def played() -> MemoryFarm:
    """Play a farm until anna's photo waits to be exported to the directory, and bo's does not."""
    farm = MemoryFarm()
    for name in ("anna", "bo"):
        farm.hire(name, b"old")
        farm.enrol(name, Picture=b"new" if name == "anna" else b"old")
    farm.run("ADMA", *FULL)
    farm.run("SPMA", *FULL)
    assert list(farm.pending("ADMA")) == ["anna"]
    return farm


@contextmanager
def listening(engine: Engine) -> Iterator[WSManServer]:
    """Run a listener that waits a second for a command."""
    server = wsman.start(engine, Domain(), ACCOUNTS, max_timeout=1.0)
    try:
        yield server
    finally:
        server.stop()


def shell_on(server: WSManServer, account: str = "svc-kit", **options: float) -> CommandShell:
    """Return the kit's shell there, not yet open."""
    return CommandShell(Endpoint(server.url, f"CONTOSO\\{account}", PASSWORD, timeout=10), **options)
