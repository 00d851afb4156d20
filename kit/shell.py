r"""A command shell on the synchronisation server (WinRS, MS-WSMV), for what WMI cannot do.

The shell is cmd.exe. WinRS puts a command and its arguments after ``cmd /c``, so arguments are quoted here.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, TypeVar

from pypsrp.exceptions import WSManFaultError
from pypsrp.shell import CommandState, Process, SignalCode, WinRS

from kit.endpoint import Endpoint
from kit.errors import (
    KitError,
    NotFoundError,
    OutputError,
    ParameterError,
    ProtocolError,
    RightsError,
    UnreachableError,
)
from kit.faults import LIBRARY_ERRORS, describe
from kit.transport import Transport

logger = logging.getLogger(__name__)

BY_HAND = (
    "have a member of FIMSyncAdmins run csexport and svrexport on the server, and give the kit the folder "
    "with their files"
)
"""What to do where no shell may be opened."""

_UTF_8 = 65001  # the code page
_REFUSALS = frozenset({5, 2150859180})  # access denied; AllowRemoteShellAccess is off (MS-WSMV 2.2.4.42)
_TIMED_OUT = 2150858793  # nothing was written within the operation's time-out
_BLOCK = 1 << 20
_UNSAFE = frozenset('"%^')

T = TypeVar("T")


@dataclass(frozen=True)
class Completed:
    """What a command left: its exit code, and what it wrote, without the final line ends."""

    code: int
    output: str
    error: str

    @property
    def said(self) -> str:
        """Everything it wrote, in one line."""
        return " ".join(f"{self.output} {self.error}".split())


class CommandShell:
    r"""A shell of cmd.exe on a server; a context manager, for one thread.

    Parameters
    ----------
    endpoint : Endpoint
        The WinRM listener, as for :class:`kit.mim.SynchronizationService`.
    deadline : float
        Seconds that one command may take.

    Raises
    ------
    RightsError
        On entering: the account, or everybody, is refused a shell there.
    SourceError
        On entering, and by every method: one of its subclasses, for what went wrong on the way.
    """

    def __init__(self, endpoint: Endpoint, *, deadline: float = 3600) -> None:
        self.url = endpoint.url
        self._account = endpoint.username
        self._deadline = deadline
        self._transport = Transport(endpoint)
        self._shell = WinRS(self._transport.wsman, codepage=_UTF_8)

    def __enter__(self) -> Self:
        try:
            self._call(self._shell.open)
        except KitError as error:
            self._transport.close()
            fault = error.__cause__
            if isinstance(fault, WSManFaultError) and fault.code in _REFUSALS:
                what = f"'{self._account}' may not open a command shell on {self.url}"
                raise RightsError(what, describe(fault), BY_HAND) from fault
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._call(self._shell.close)
        except KitError as error:
            if kind is None:
                raise
            logger.warning("the shell on %s was left open: %s", self.url, error)
        finally:
            self._transport.close()

    def run(self, command: str, arguments: Sequence[str] = ()) -> Completed:
        """Run a command and wait for its end; it is sent once.

        Parameters
        ----------
        command : str
            A program, with or without its path, or a command of cmd.exe.
        arguments : Sequence[str]
            Each is one argument to the command, whatever spaces it has.

        Raises
        ------
        ParameterError
            The command or an argument cannot be passed on through cmd.exe.
        UnreachableError
            It did not end within the deadline, and was ended.
        """
        output, error = bytearray(), bytearray()
        code = self._run(command, arguments, output.extend, error.extend)
        return Completed(code, _text(output), _text(error))

    def fetch(self, remote_path: str, file: Path) -> None:
        """Copy a text file from the server, and prove by its SHA-256 that every byte came.

        It comes as the output of ``type``. That turns UTF-16, which it knows by its byte order mark, into the
        code page of the shell (practitioners' reports), so such a file arrives in UTF-8.

        Parameters
        ----------
        remote_path : str
            Full path there.
        file : Path
            The copy; it appears when it is complete.

        Raises
        ------
        NotFoundError
            There is no such file.
        ProtocolError
            What came is not what is there.
        OutputError
            The copy cannot be written.
        """
        unfinished = file.with_name(f"{file.name}.part")
        try:
            with _writing(unfinished):
                with unfinished.open("wb") as target:
                    self._receive(remote_path, target)
                self._prove(remote_path, unfinished)
                unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)

    def remove(self, remote_path: str) -> None:
        """Delete a file on the server; it is no error if it is not there.

        Raises
        ------
        ProtocolError
            The file is still there afterwards.
        """
        self._delete("del", ["/f", "/q", remote_path])

    def remove_folder(self, remote_path: str) -> None:
        """Delete a folder on the server with all that is in it; it is no error if it is not there.

        Raises
        ------
        ProtocolError
            The folder is still there afterwards.
        """
        self._delete("rd", ["/s", "/q", remote_path])

    def temporary_folder(self) -> str:
        r"""Return the account's folder for temporary files on the server, without a final ``\``."""
        variables = self.run("set", ["TEMP"]).output.splitlines()
        found = [line.partition("=")[2] for line in variables if line.upper().startswith("TEMP=")]
        if not found:
            what = f"'{self._account}' has no folder for temporary files on {self.url}"
            raise NotFoundError(what, "the variable TEMP is not set there", BY_HAND)
        return found[0].rstrip("\\")

    def _delete(self, command: str, arguments: Sequence[str]) -> None:
        done = self.run(command, arguments)
        remote_path = arguments[-1]
        if self.run("dir", ["/b", remote_path]).code == 0:  # the command's exit code does not say
            what = f"{remote_path!r} on {self.url} could not be deleted"
            raise ProtocolError(what, done.said or "no reason was given", "delete it there by hand")

    def _receive(self, remote_path: str, target: BinaryIO) -> None:
        error = bytearray()
        if self._run("type", [remote_path], target.write, error.extend):
            what = f"file {remote_path!r} on {self.url} cannot be read"
            raise NotFoundError(what, _text(error), "check the path, and the account's rights to the file")

    def _prove(self, remote_path: str, file: Path) -> None:
        answer = self.run("certutil", ["-hashfile", remote_path, "SHA256"])
        lines = ("".join(line.split()).lower() for line in answer.output.splitlines())
        there = next((line for line in lines if len(line) == 64 and set(line) <= set("0123456789abcdef")), "")
        if there not in (_digest(file), _digest(file, widened=True)) or not there:
            what = f"the copy of {remote_path!r} from {self.url} is not what is there"
            cause = f"its SHA-256 is another one; certutil says {there or answer.said!r}"
            raise ProtocolError(what, cause, "try again; nothing on the server was changed")

    def _run(
        self,
        command: str,
        arguments: Sequence[str],
        output: Callable[[bytes], object],
        error: Callable[[bytes], object],
    ) -> int:
        words = [quote(command), *map(quote, arguments)]
        if words[0].startswith('"'):
            words.insert(0, "call")  # cmd /c strips a quotation mark that a line begins with
        process = Process(self._shell, words[0], words[1:])
        self._call(process.begin_invoke)
        due = time.monotonic() + self._deadline
        try:
            while process.state != CommandState.DONE:
                self._require_time(due, words)
                for name, data in self._output(process).items():
                    (output if name == "stdout" else error)(data)
        finally:
            self._end(process)
        return -1 if process.rc is None else process.rc

    def _output(self, process: Process) -> dict[str, bytes]:
        """Return what a command has written since; pypsrp's own loop would keep all of it."""
        try:
            process.state, process.rc, written = self._call(
                lambda: self._shell.receive("stdout stderr", process.id)
            )
        except KitError as error:
            if isinstance(error.__cause__, WSManFaultError) and error.__cause__.code == _TIMED_OUT:
                return {}
            raise
        return written

    def _end(self, process: Process) -> None:
        """Let go of a command; one that still runs is ended."""
        try:
            self._call(lambda: process.signal(SignalCode.TERMINATE))
        except KitError as error:
            if process.state == CommandState.DONE:
                raise
            logger.warning("a command on %s was left running: %s", self.url, error)

    def _require_time(self, due: float, words: Sequence[str]) -> None:
        if time.monotonic() > due:
            what = f"{' '.join(words)} on {self.url} has not ended after {self._deadline:.0f} s"
            raise UnreachableError(what, "it takes longer than it may, or it waits for something", BY_HAND)

    def _call(self, operation: Callable[[], T]) -> T:
        try:
            self._transport.prepare()
            answer = operation()
        except LIBRARY_ERRORS as error:
            if not isinstance(error, WSManFaultError):
                self._transport.close()
            raise self._transport.translated(error) from error
        self._transport.signed_in = True
        return answer


def quote(argument: str) -> str:
    r"""Return an argument as cmd.exe and a program's own parser take it.

    Raises
    ------
    ParameterError
        It holds a character that cmd.exe would interpret even between quotation marks.

    Examples
    --------
    >>> print(quote("SP MA"), quote("/f:x"), quote("C:\\Program Files\\"))
    "SP MA" /f:x "C:\Program Files\\"
    """
    if not argument or not argument.isprintable() or _UNSAFE & set(argument):
        raise ParameterError(
            f"{argument!r} cannot be passed to a command",
            "cmd.exe would interpret one of its characters",
            BY_HAND,
        )
    if all(character.isalnum() or character in "-_./:\\" for character in argument):
        return argument
    final = len(argument) - len(argument.rstrip("\\"))
    return f'"{argument}{final * chr(92)}"'


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what, cause = f"file '{file}' cannot be written", error.strerror or str(error)
        raise OutputError(what, cause, "choose another folder, or make room") from error


def _digest(file: Path, *, widened: bool = False) -> str:
    """Return a file's SHA-256, or that of the UTF-16 file with a byte order mark that it was made from."""
    digest = hashlib.sha256()
    if not widened:
        with file.open("rb") as data:
            return hashlib.file_digest(data, "sha256").hexdigest()
    digest.update(b"\xff\xfe")
    with file.open(encoding="utf-8", errors="replace", newline="") as text:
        while block := text.read(_BLOCK):
            digest.update(block.encode("utf-16-le"))
    return digest.hexdigest()


def _text(written: bytearray) -> str:
    return written.decode("utf-8", errors="replace").rstrip("\r\n")
