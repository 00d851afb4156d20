"""A line to a server that can be cut at any byte of one exchange, and is whole before and after."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Self
from urllib.parse import urlsplit

_HEAD_END = b"\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Cut:
    """Where a line is cut.

    Parameters
    ----------
    answer : bool
        In the answer, or in the request.
    head, body : float
        What share of the message's head and body still passes.
    extra : int
        How many bytes more.
    reset : bool
        Whether the line is reset, or closed as by a peer that has ended.
    """

    answer: bool
    head: float = 1.0
    body: float = 1.0
    extra: int = 0
    reset: bool = False

    def bytes_of(self, message: bytes) -> bytes:
        """Return what of a message still passes."""
        head = message.index(_HEAD_END) + len(_HEAD_END)
        length = int(head * self.head) + int((len(message) - head) * self.body) + self.extra
        return message[: max(0, length)]


class SeveredLine:
    """A line to a server that lets HTTP messages through, one by one; a context manager.

    Parameters
    ----------
    url : str
        The server's; that of the line has the same path.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = parts._replace(netloc=f"127.0.0.1:{self._listener.getsockname()[1]}").geturl()
        self._due: tuple[Cut, Callable[[], object]] | None = None
        self._holding = b""
        self.cuts = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut_next(
        self, cut: Cut, before: Callable[[], object] = lambda: None, *, holding: bytes = b""
    ) -> None:
        """Cut the line in the next exchange whose request holds some bytes, once ``before`` has returned."""
        self._holding = holding
        self._due = (cut, before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # the line is taken down
                return
            thread = threading.Thread(target=self._carry, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _carry(self, client: socket.socket) -> None:
        """Carry messages to and fro until one side has ended or the line is cut."""
        with client, socket.create_connection(self._server) as server, suppress(OSError):
            client_file, server_file = client.makefile("rb"), server.makefile("rb")
            with client_file, server_file:
                while request := _message(client_file):
                    due, self._due = (self._due, None) if self._holding in request else (None, self._due)
                    if due and not due[0].answer:
                        server.sendall(due[0].bytes_of(request))
                        return self._cut(client, server, *due)
                    server.sendall(request)
                    answer = _message(server_file)
                    if due:
                        client.sendall(due[0].bytes_of(answer))
                        return self._cut(client, server, *due)
                    client.sendall(answer)
        return None

    def _cut(
        self, client: socket.socket, server: socket.socket, cut: Cut, before: Callable[[], object]
    ) -> None:
        before()
        self.cuts += 1
        for side in (client, server):
            if cut.reset:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            else:
                side.shutdown(socket.SHUT_RDWR)


def _message(file: BinaryIO) -> bytes:
    """Read one HTTP message; empty at the end of the line."""
    head = b""
    while line := file.readline():
        head += line
        if line == b"\r\n":
            break
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return head + file.read(int(lengths[0].partition(b":")[2])) if lengths else head
