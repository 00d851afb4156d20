"""WinRM's command shell, WinRS: shells, the commands in them, their output (MS-WSMV 3.1.4, 4.7)."""

from __future__ import annotations

import base64
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kit.lab import envelope
from kit.lab.envelope import ADDRESSING, TRANSFER, FaultError, Request, timed_out
from kit.lab.prompt import Prompt, Result

logger = logging.getLogger(__name__)

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
COMMAND_SHELL = f"{SHELL}/cmd"
"""The resource; any other below :data:`SHELL` is a shell of another kind, which this listener has not."""

_STATE = f"{SHELL}/CommandState"
_MAX_SHELLS_PER_USER = 30
_OVERHEAD = 4096  # of an envelope around the output


@dataclass(eq=False)
class _Command:
    """A command that runs, or has run, in a thread of its own."""

    identity: str
    result: Result | None = None
    sent: int = 0

    @property
    def rest(self) -> list[tuple[str, bytes]]:
        """What it has written and nobody has received, stream by stream."""
        if self.result is None:
            return []
        output, error = self.result.output, self.result.error
        beyond = max(0, self.sent - len(output))
        return [("stdout", output[self.sent :]), ("stderr", error[beyond:])]


@dataclass(eq=False)
class _Shell:
    owner: str
    code_page: int
    commands: dict[str, _Command] = field(default_factory=dict)


class Shells:
    """Answers the messages about shells.

    Parameters
    ----------
    prompt : Prompt
        What runs the command lines.
    max_timeout : float
        Seconds after which Receive is answered with TimedOut while the command goes on.

    Attributes
    ----------
    allowed : bool
        WinRM's AllowRemoteShellAccess.
    loses_output : int
        Which of the next outputs, counted from 1, is lost on its way, as it is when a client repeats a
        Receive whose answer it missed; 0 for none.
    refused : set of str
        Accounts, without their domain and in lower case, that are refused a shell though WinRM lets them in.
    """

    def __init__(self, prompt: Prompt, max_timeout: float) -> None:
        self.prompt = prompt
        self.allowed = True
        self.loses_output = 0
        self.refused: set[str] = set()
        self._max_timeout = max_timeout
        self._shells: dict[str, _Shell] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._answers: Mapping[str, Callable[[Request, str, int], bytes]] = {
            f"{TRANSFER}/Create": self._create,
            f"{TRANSFER}/Delete": self._delete,
            f"{SHELL}/Command": self._command,
            f"{SHELL}/Receive": self._receive,
            f"{SHELL}/Signal": self._signal,
        }

    @property
    def open(self) -> int:
        """How many shells there are."""
        return len(self._shells)

    def answer(self, request: Request, user: str, limit: int) -> bytes:
        """Answer a message of a signed-in user with one of at most ``limit`` bytes.

        Raises
        ------
        FaultError
            The answer is a fault.
        """
        if request.action not in self._answers:
            raise FaultError(2150858754, "a:ActionNotSupported", f"{request.action} is not supported")
        return self._answers[request.action](request, user, limit)

    def stop(self) -> None:
        """Let nobody wait for a command any longer."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _create(self, request: Request, user: str, _: int) -> bytes:
        if not self.allowed:
            text = "The configuration of the server does not allow remote shells."
            raise FaultError(2150859180, "w:InternalError", text, receiver=True)
        if user.rpartition("\\")[2].lower() in self.refused:
            raise FaultError(5, "w:AccessDenied", "Access is denied.")
        identity = str(uuid.uuid4()).upper()
        code_page = request.options.get("WINRS_CODEPAGE", "437")
        with self._changed:
            if sum(shell.owner == user for shell in self._shells.values()) >= _MAX_SHELLS_PER_USER:
                text = "The maximum number of concurrent shells of this user has been exceeded."
                raise FaultError(2150859173, "w:QuotaLimit", text)
            self._shells[identity] = _Shell(user, int(code_page) if code_page.isdigit() else 437)
        body = (
            f"<x:ResourceCreated><a:Address>{ADDRESSING}/role/anonymous</a:Address><a:ReferenceParameters>"
            f"<w:ResourceURI>{COMMAND_SHELL}</w:ResourceURI><w:SelectorSet>"
            f'<w:Selector Name="ShellId">{identity}</w:Selector></w:SelectorSet></a:ReferenceParameters>'
            f'</x:ResourceCreated><rsp:Shell xmlns:rsp="{SHELL}"><rsp:ShellId>{identity}</rsp:ShellId>'
            f"<rsp:ResourceUri>{COMMAND_SHELL}</rsp:ResourceUri><rsp:Owner>{envelope.text(user)}</rsp:Owner>"
            "<rsp:ClientIP>127.0.0.1</rsp:ClientIP><rsp:IdleTimeOut>PT7200.000S</rsp:IdleTimeOut>"
            "<rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams>"
            "</rsp:Shell>"
        )
        return envelope.reply(request, f"{TRANSFER}/CreateResponse", body)

    def _delete(self, request: Request, user: str, _: int) -> bytes:
        identity, _shell = self._shell(request, user)
        with self._changed:
            del self._shells[identity]
        return envelope.reply(request, f"{TRANSFER}/DeleteResponse", "")

    def _command(self, request: Request, user: str, _: int) -> bytes:
        shell = self._shell(request, user)[1]
        words = [request.text("Command", SHELL)]
        words += [argument.text or "" for argument in request.body.iterfind(f"{{{SHELL}}}Arguments")]
        command = _Command(request.body.get("CommandId") or str(uuid.uuid4()).upper())
        with self._changed:
            shell.commands[command.identity] = command
        arguments = (command, " ".join(words), shell)
        threading.Thread(target=self._run, args=arguments, daemon=True).start()
        body = f"<rsp:CommandId>{command.identity}</rsp:CommandId>"
        return _reply(request, "CommandResponse", body)

    def _run(self, command: _Command, line: str, shell: _Shell) -> None:
        try:
            result = self.prompt.run(line, shell.owner, shell.code_page)
        except Exception:
            logger.exception("%s failed", line)
            result = Result(255)
        with self._changed:
            command.result = result
            self._changed.notify_all()

    def _receive(self, request: Request, user: str, limit: int) -> bytes:
        shell = self._shell(request, user)[1]
        wanted = request.body.find(f"{{{SHELL}}}DesiredStream")
        command = _of(shell, "" if wanted is None else wanted.get("CommandId", ""))
        seconds = min(request.timeout or self._max_timeout, self._max_timeout)
        with self._changed:
            self._changed.wait_for(lambda: command.result or self._stopping, seconds)
            if command.result is None:
                raise timed_out()
            room = (limit - _OVERHEAD) * 3 // 4
            body = ""
            for stream, data in command.rest:
                piece, room = data[:room], room - len(data[:room])
                command.sent += len(piece)
                body += _stream(stream, command.identity, piece)
            if body and self.loses_output:
                self.loses_output -= 1
                body = body if self.loses_output else ""
            done = not any(data for _, data in command.rest)
        state = f'<rsp:CommandState CommandId="{command.identity}" State="{_STATE}/Running"/>'
        if done:
            state = (
                f'<rsp:CommandState CommandId="{command.identity}" State="{_STATE}/Done">'
                f"<rsp:ExitCode>{command.result.code}</rsp:ExitCode></rsp:CommandState>"
            )
        return _reply(request, "ReceiveResponse", body + state)

    def _signal(self, request: Request, user: str, _: int) -> bytes:
        shell = self._shell(request, user)[1]
        command = _of(shell, request.body.get("CommandId", ""))
        with self._changed:
            shell.commands.pop(command.identity, None)
        return _reply(request, "SignalResponse", "")

    def _shell(self, request: Request, user: str) -> tuple[str, _Shell]:
        """Find the user's shell; others' are not there for them."""
        selectors = {name.lower(): value for name, value in request.selectors.items()}
        identity = selectors.get("shellid", "")
        shell = self._shells.get(identity)
        if shell is None or shell.owner != user:
            text = "The shell was not found on the server."
            raise FaultError(2150858843, "w:InvalidSelectors", text, detail="UnexpectedSelectors")
        return identity, shell


def _of(shell: _Shell, identity: str) -> _Command:
    if identity not in shell.commands:
        text = f"The command {identity!r} was not found in the shell."
        raise FaultError(87, "w:InvalidParameter", text)  # the code is unproven
    return shell.commands[identity]


def _stream(name: str, command: str, data: bytes) -> str:
    if not data:
        return ""
    text = base64.b64encode(data).decode()
    return f'<rsp:Stream Name="{name}" CommandId="{command}">{text}</rsp:Stream>'


def _reply(request: Request, kind: str, content: str) -> bytes:
    body = f'<rsp:{kind} xmlns:rsp="{SHELL}">{content}</rsp:{kind}>'
    return envelope.reply(request, f"{SHELL}/{kind}", body)
