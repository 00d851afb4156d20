"""The command line of the synchronization server: the few commands of cmd.exe that its tools need."""

from __future__ import annotations

import hashlib
import re
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from types import MappingProxyType

from kit.errors import NotFoundError
from kit.lab import towers
from kit.lab.engine import Engine

INSTALLATION = "C:\\Program Files\\Microsoft Forefront Identity Manager\\2010\\Synchronization Service\\"
SERVICE_KEY = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\FIMSynchronizationService\\Parameters"
PRODUCT_KEY = "HKLM\\SOFTWARE\\Microsoft\\Forefront Identity Manager\\2010\\Synchronization Service"

_WORD = re.compile(r'(?:"[^"]*"|[^\s"])+')
_QUOTED = re.compile(r'"[^"]*"')
_INTERPRETED = frozenset("&|<>^%")
_CODE_PAGES: Mapping[int, str] = MappingProxyType({437: "cp437", 65001: "utf-8"})
_NOT_FOUND = "The system cannot find the file specified."


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code and what it wrote, in the code page of its shell."""

    code: int
    output: bytes = b""
    error: bytes = b""


class CommandError(Exception):
    """A command that ends with code 1 and this message."""


class Prompt:
    """Runs command lines on a disk of its own.

    Parameters
    ----------
    engine : Engine
        The synchronization service.
    is_administrator : Callable[[str], bool]
        Whether a user is in FIMSyncAdmins, which csexport and svrexport ask for (unproven for csexport).

    Attributes
    ----------
    files : dict of str to bytes
        Full path to content; as to Windows, case does not tell two paths apart.
    folders : set of str
        Full paths, case-folded.
    registry : dict
        Key and value's name to its text.
    writes_utf_16 : bool
        Whether csexport writes UTF-16; which of the two the real one writes is unproven.
    keeps_files : bool
        Whether somebody else has the files open, so that none can be deleted.
    ready : threading.Event
        A command begins when it is set.
    """

    def __init__(self, engine: Engine, is_administrator: Callable[[str], bool]) -> None:
        self.files: dict[str, bytes] = {}
        self.folders: set[str] = set()
        self.registry = {(SERVICE_KEY, "Path"): INSTALLATION}
        self.writes_utf_16 = False
        self.keeps_files = False
        self.ready = threading.Event()
        self.ready.set()
        self._engine = engine
        self._is_administrator = is_administrator
        self._disk = threading.RLock()
        self._commands: Mapping[str, Callable[[list[str], str], str]] = {
            "certutil": self._certutil,
            "del": self._del,
            "dir": self._dir,
            "mkdir": self._mkdir,
            "rd": self._rd,
            "reg": self._reg,
            "set": self._set,
            _tool("csexport"): self._csexport,
            _tool("svrexport"): self._svrexport,
        }

    def run(self, line: str, user: str, code_page: int = 437) -> Result:
        """Run a line as ``cmd /c`` does; anything that is not known here is not known to this server."""
        self.ready.wait()
        encoding = _CODE_PAGES.get(code_page, "cp437")
        try:
            words = _words(line)
            with self._disk:
                if words[0].lower() == "type":
                    return Result(0, self._type(words[1:], encoding))
                return Result(0, self._command(words[0])(words[1:], user).encode(encoding, "replace"))
        except CommandError as error:
            return Result(1, error=f"{error}\r\n".encode(encoding, "replace"))

    def _command(self, name: str) -> Callable[[list[str], str], str]:
        for spelling in (name.casefold(), name.casefold().removesuffix(".exe")):
            if spelling in self._commands:
                return self._commands[spelling]
        raise CommandError(
            f"'{name}' is not recognized as an internal or external command,\r\n"
            "operable program or batch file."
        )

    def _type(self, arguments: list[str], encoding: str) -> bytes:
        """Write a file as it is, or, if a byte order mark says UTF-16, in the shell's code page."""
        content = self._file(arguments)
        if content.startswith(b"\xff\xfe"):
            return content[2:].decode("utf-16-le").encode(encoding, "replace")
        return content

    def _certutil(self, arguments: list[str], _: str) -> str:
        if len(arguments) != 3 or arguments[0].lower() != "-hashfile" or arguments[2].upper() != "SHA256":
            raise CommandError("CertUtil: Unknown arg")
        digest = hashlib.sha256(self._file(arguments[1:2])).hexdigest()
        return (
            f"SHA256 hash of {arguments[1]}:\r\n{digest}\r\n"
            "CertUtil: -hashfile command completed successfully.\r\n"
        )

    def _del(self, arguments: list[str], _: str) -> str:
        path = _path(arguments)
        if self.keeps_files:
            return f"{path}\r\nThe process cannot access the file because it is being used.\r\n"
        found = self._spelled(path)
        if found is None:
            return f"Could Not Find {path}\r\n"
        del self.files[found]
        return ""

    def _rd(self, arguments: list[str], _: str) -> str:
        folder = _path(arguments)
        if folder.casefold() not in self.folders:
            raise CommandError(_NOT_FOUND)
        if not self.keeps_files:
            self.folders.discard(folder.casefold())
            for path in self._in(folder):
                del self.files[path]
        return ""

    def _mkdir(self, arguments: list[str], _: str) -> str:
        folder = _path(arguments)
        if folder.casefold() in self.folders:
            raise CommandError(f"A subdirectory or file {folder} already exists.")
        self.folders.add(folder.casefold())
        return ""

    def _dir(self, arguments: list[str], _: str) -> str:
        path = _path(arguments)
        if path.casefold() in self.folders:
            found = self._in(path)
        else:
            found = [name for name in [self._spelled(path)] if name]
            if not found:
                raise CommandError("File Not Found")
        return "".join(f"{PureWindowsPath(name).name}\r\n" for name in sorted(found))

    def _set(self, arguments: list[str], user: str) -> str:
        account = user.rpartition("\\")[2]
        folder = f"C:\\Users\\{account}\\AppData\\Local\\Temp"
        variables = {"COMPUTERNAME": "MIM01", "TEMP": folder, "TMP": folder, "USERNAME": account}
        beginning = " ".join(arguments).upper()
        found = {name: value for name, value in variables.items() if name.startswith(beginning)}
        if not found:
            raise CommandError(f"Environment variable {beginning} not defined")
        return "".join(f"{name}={value}\r\n" for name, value in found.items())

    def _reg(self, arguments: list[str], _: str) -> str:
        if len(arguments) != 4 or [arguments[0].lower(), arguments[2].lower()] != ["query", "/v"]:
            raise CommandError('ERROR: Invalid syntax.\r\nType "REG /?" for usage.')
        wanted = (arguments[1].casefold(), arguments[3].casefold())
        for (key, name), value in self.registry.items():
            if (key.casefold(), name.casefold()) == wanted:
                full = key.replace("HKLM", "HKEY_LOCAL_MACHINE")
                return f"\r\n{full}\r\n    {name}    REG_SZ    {value}\r\n\r\n"
        raise CommandError("ERROR: The system was unable to find the specified registry key or value.")

    def _csexport(self, arguments: list[str], user: str) -> str:
        self._require_administrator(user)
        try:
            agent, path, options = towers.parse(arguments)
            document = towers.document(self._engine, agent, options)
        except (ValueError, NotFoundError) as error:
            raise CommandError(f"csexport: {error}") from error
        full = str(PureWindowsPath("C:\\Users", user.rpartition("\\")[2]) / path)
        if self._spelled(full):
            raise CommandError(f"The file '{full}' already exists.")
        self.files[full] = document.encode("utf-16" if self.writes_utf_16 else "utf-8")
        return f"Successfully exported connector space to file '{full}'.\r\n"

    def _svrexport(self, arguments: list[str], user: str) -> str:
        self._require_administrator(user)
        if len(arguments) != 1:
            raise CommandError("Usage: svrexport <folder>")
        with tempfile.TemporaryDirectory() as here:
            for file in self._engine.export_configuration(Path(here)):
                self.files[str(PureWindowsPath(arguments[0]) / file.name)] = file.read_bytes()
        self.folders.add(str(PureWindowsPath(arguments[0])).casefold())
        return "The configuration was exported.\r\n"

    def _require_administrator(self, user: str) -> None:
        if not self._is_administrator(user):
            raise CommandError("Access is denied. You must be a member of FIMSyncAdmins.")

    def _file(self, arguments: list[str]) -> bytes:
        found = self._spelled(_path(arguments))
        if found is None:
            raise CommandError(_NOT_FOUND)
        return self.files[found]

    def _in(self, folder: str) -> list[str]:
        beginning = f"{folder}\\".casefold()
        return [path for path in self.files if path.casefold().startswith(beginning)]

    def _spelled(self, path: str) -> str | None:
        """Return a file's path as it was written; None if there is no such file."""
        return next((known for known in self.files if known.casefold() == path.casefold()), None)


def _tool(name: str) -> str:
    return f"{INSTALLATION}Bin\\{name}".casefold()


def _path(arguments: list[str]) -> str:
    """Return the one path among arguments; switches such as ``/q`` are passed over."""
    paths = [argument for argument in arguments if not argument.startswith("/")]
    if len(paths) != 1:
        raise CommandError("The syntax of the command is incorrect.")
    return str(PureWindowsPath(paths[0]))


def _words(line: str) -> list[str]:
    """Split a line at spaces outside quotation marks, without the marks and a leading ``call``.

    Examples
    --------
    >>> _words('call "C:/Program Files/x.exe" "SP MA" /f:x')
    ['C:/Program Files/x.exe', 'SP MA', '/f:x']
    """
    line = line.strip()
    if line.startswith('"') and line.count('"') > 2:  # cmd /? says so
        beginning, _, end = line[1:].rpartition('"')
        line = beginning + end
    if _INTERPRETED & set(_QUOTED.sub("", line)):
        raise CommandError("The syntax of the command is incorrect.")
    words = [word.replace('"', "") for word in _WORD.findall(line)]
    if words[:1] == ["call"]:
        words = words[1:]
    if not words:
        raise CommandError("The syntax of the command is incorrect.")
    return words
