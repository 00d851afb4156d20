"""Where the synchronisation service is installed, and how its command-line tools are run there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from kit.errors import KitError, NotFoundError, ProtocolError, RightsError
from kit.shell import BY_HAND, CommandShell, Completed

logger = logging.getLogger(__name__)

_SERVICE = r"HKLM\SYSTEM\CurrentControlSet\Services\FIMSynchronizationService\Parameters"
_PRODUCT = r"HKLM\SOFTWARE\Microsoft\Forefront Identity Manager\2010\Synchronization Service"


def path(shell: CommandShell) -> str:
    r"""Read the service's folder from the registry: ``Path`` of the service, or ``Location`` of the product.

    Returns
    -------
    str
        Without a final ``\``.

    Raises
    ------
    NotFoundError
        Neither value is there.
    """
    if folder := _registry(shell, _SERVICE, "Path"):
        return folder
    if parent := _registry(shell, _PRODUCT, "Location"):
        return f"{parent}\\Synchronization Service"
    what = f"the MIM synchronisation service is not installed on {shell.url}"
    raise NotFoundError(what, f"the registry has no {_SERVICE}", "check the server's name in the case file")


def run_tool(shell: CommandShell, tool: str, arguments: Sequence[str]) -> Completed:
    """Run a program of the service's ``Bin`` folder.

    Raises
    ------
    RightsError
        It says that access is denied.
    ProtocolError
        It failed otherwise.
    """
    done = shell.run(f"{path(shell)}\\Bin\\{tool}", arguments)
    logger.info("%s: %s ended with %d: %s", shell.url, tool, done.code, done.said)
    if done.code == 0:
        return done
    what = f"{tool} {' '.join(arguments)} on {shell.url} ended with {done.code}"
    cause = done.said or "it said nothing"
    if "denied" in cause.lower() or "permission" in cause.lower():
        raise RightsError(what, cause, f"add the account to FIMSyncAdmins, or {BY_HAND}")
    raise ProtocolError(what, cause, BY_HAND)


@contextmanager
def leaving_nothing(remote_path: str, remove: Callable[[str], None]) -> Iterator[None]:
    """Remove something on the server at the end, also after a failure, which then goes before its own."""
    try:
        yield
    except BaseException:
        try:
            remove(remote_path)
        except KitError as error:
            logger.warning("%r was left on the server: %s", remote_path, error)
        raise
    remove(remote_path)


def _registry(shell: CommandShell, key: str, value: str) -> str:
    r"""Return a value's text; ``reg query`` prints it after its name and type, empty if it is not there."""
    found = shell.run("reg", ["query", key, "/v", value])
    for line in found.output.splitlines():
        name, _, rest = line.strip().partition("    ")
        if name.lower() == value.lower():
            return rest.strip().partition("    ")[2].strip().rstrip("\\")
    return ""
