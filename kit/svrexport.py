"""The synchronisation service's configuration, exported on the server by svrexport.exe and fetched."""

from __future__ import annotations

import logging
import re
import uuid
from pathlib import Path

from kit import installation
from kit.errors import OutputError, ProtocolError
from kit.shell import CommandShell

logger = logging.getLogger(__name__)

_FILE = re.compile(r"(MA-\{[0-9A-F-]{36}\}|MV)\.xml", re.IGNORECASE)


def export(shell: CommandShell, folder: Path) -> list[Path]:
    """Have svrexport.exe write the configuration to a folder on the server, and fetch its files.

    The folder there has a name of its own and is removed, also after a failure. That svrexport takes a folder
    that exists, and no more than its name, is unproven.

    Parameters
    ----------
    shell : CommandShell
        On the synchronisation server.
    folder : Path
        Where the local files go, for :func:`kit.configuration.read`; made if it is missing.

    Returns
    -------
    list of Path
        One file per management agent, and ``MV.xml``.

    Raises
    ------
    RightsError
        svrexport says that the account may not; it takes FIMSyncAdmins.
    ProtocolError
        svrexport failed, or a file did not come whole.
    NotFoundError
        The service is not installed there.
    OutputError
        The local folder cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what, cause = f"folder '{folder}' cannot be made", error.strerror or str(error)
        raise OutputError(what, cause, "choose another folder") from error
    remote = f"{shell.temporary_folder()}\\kit-{uuid.uuid4()}"
    with installation.leaving_nothing(remote, shell.remove_folder):
        shell.run("mkdir", [remote])
        said = installation.run_tool(shell, "svrexport.exe", [remote]).said
        names = [
            name for name in shell.run("dir", ["/b", remote]).output.splitlines() if _FILE.fullmatch(name)
        ]
        if not any(name.lower() == "mv.xml" for name in names):
            what = f"svrexport.exe on {shell.url} did not write the whole configuration"
            cause = f"the files are {', '.join(names) or 'none'}; it said {said!r}"
            raise ProtocolError(
                what, cause, "export it in miisclient.exe (File, Export Server Configuration)"
            )
        for name in names:
            shell.fetch(f"{remote}\\{name}", folder / name)
    logger.info("%s: %d files of the configuration are in %s", shell.url, len(names), folder)
    return [folder / name for name in names]
