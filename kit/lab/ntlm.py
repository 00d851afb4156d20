"""Windows sign-in for the farm's HTTP servers: NTLM and Kerberos, once per TCP connection (MS-NTHT)."""

from __future__ import annotations

import base64
import contextlib
import logging
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import spnego
from spnego.exceptions import SpnegoError

from kit.lab.credentials import Credentials
from kit.lab.domain import Account, Domain
from kit.lab.forms import Zone
from kit.lab.troubles import Trouble, Troubles

__all__ = ["WINDOWS_SCHEMES", "Credentials", "NTLMHandler", "Server"]

logger = logging.getLogger(__name__)

WINDOWS_SCHEMES = ("Negotiate", "NTLM")


class Server(ThreadingHTTPServer):
    """An HTTP/1.1 server on loopback that knows accounts and stops without leaving a thread or a socket.

    Parameters
    ----------
    handler : type[NTLMHandler]
        Answers the requests.
    domain : Domain
        The accounts' domain.
    accounts : Sequence[Account]
        Who may sign in.
    schemes : Sequence[str]
        What a request without credentials is offered, of ``Negotiate``, ``NTLM`` and ``Basic``; with none,
        everyone is let in.
    tls : ssl.SSLContext or None
        Serve HTTPS with this context.

    Attributes
    ----------
    credentials : Credentials
        What is accepted; Kerberos only once it has a ``keytab``.
    troubles : Troubles
        Trouble to make on purpose.
    zone : Zone or None
        Sign-in by a login page, instead of ``schemes`` or beside them.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        handler: type[NTLMHandler],
        domain: Domain,
        accounts: Sequence[Account],
        *,
        schemes: Sequence[str] = WINDOWS_SCHEMES,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.credentials = Credentials(domain, accounts)
        super().__init__(("127.0.0.1", 0), handler)
        self.schemes = tuple(schemes)
        self.troubles = Troubles()
        self.zone: Zone | None = None
        self.stopping = threading.Event()
        self._broken: set[socket.socket] = set()
        self._connections: set[socket.socket] = set()
        self._connections_changed = threading.Condition()
        if tls:
            # The handshake belongs to the connection's own thread: a client that gives up stops no other.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name=self.url, daemon=True)

    def start(self) -> None:
        """Serve on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, close every open connection and wait for their threads."""
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        self.close_connections()
        self.server_close()
        self.credentials.close()

    def close_connections(self) -> None:
        """Close every connection, as a server does with idle ones, and wait for their end."""
        with self._connections_changed:
            self._hang_up()
            self._connections_changed.wait_for(lambda: not self._connections, timeout=10)

    def die(self) -> None:
        """Go as a server does that crashes: nobody listens any more, every connection is cut."""
        self.shutdown()
        self.server_close()
        with self._connections_changed:
            self._hang_up()

    def reset(self, connection: socket.socket) -> None:
        """Have a connection end with a reset (RST) instead of a proper end when its request is over."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._broken.add(connection)

    def _hang_up(self) -> None:
        for connection in self._connections:
            # The client may have gone already, which is what is wanted.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        """Remember the connection, so that it can be closed on stop."""
        with self._connections_changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as in the base class
        """Close a connection that has ended."""
        with self._connections_changed:
            if request in self._broken:
                self.close_request(request)  # a farewell first would make an end of the reset
                self._broken.discard(request)
            else:
                super().shutdown_request(request)
            self._connections.discard(request)
            self._connections_changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - likewise
        """Log what ended a connection: a client that went away, or a mistake in a handler."""
        level = logging.DEBUG if isinstance(sys.exception(), OSError) else logging.ERROR
        logger.log(level, "%s: connection from %s ended", self.url, client_address, exc_info=True)


class NTLMHandler(BaseHTTPRequestHandler):
    r"""Base class of the farm's HTTP handlers: keep-alive, whole request bodies, sign-in per connection.

    A subclass implements ``do_GET`` and ``do_POST``, which begin with ``if not self.authenticate(): return``.
    After that ``self.user`` is the account (``CONTOSO\anna``; empty where the server asks for none),
    ``self.roles`` what it may do, ``self.body`` the request's body, and ``self.context`` the security
    context, whose ``unwrap_winrm`` and ``wrap_winrm`` serve WinRM's message encryption (MS-WSMV 2.2.9.1).
    As on Windows, raw NTLM tokens are taken under both schemes and SPNEGO under ``Negotiate``.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for headers and body
    server: Server

    def setup(self) -> None:
        """Begin a connection: nobody has signed in on it."""
        super().setup()
        self.user = ""
        self.context: spnego.ContextProxy | None = None
        self.body = b""
        self._token: tuple[str, bytes] | None = None
        self._trouble: Trouble | None = None

    def authenticate(self) -> bool:
        """Read the body and say whether the request may go on; if not, the answer has been sent.

        Returns
        -------
        bool
            True when the connection's user is signed in, or the server asks for no sign-in.
        """
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self.answer(HTTPStatus.LENGTH_REQUIRED)
            return False
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        if len(self.body) < length:  # the client has gone in the middle: what it asked for is not known
            self.close_connection = True
            return False
        if self.context is None:
            self.user = ""  # only Windows sign-in lasts for the connection
        if self.server.zone and not self.user and self._is_sent_away(self.server.zone):
            return False
        scheme, _, credentials = self.headers.get("Authorization", "").partition(" ")
        if credentials and scheme.lower() in {offered.lower() for offered in self.server.schemes}:
            self._sign_in(scheme.lower(), credentials)
        if self.user or not self.server.schemes:
            return not self._is_troubled()
        self.answer(HTTPStatus.UNAUTHORIZED)
        return False

    def _is_sent_away(self, zone: Zone) -> bool:
        """Take the user from a cookie, or give the zone's own answer."""
        self.user = zone.user(self.headers)
        if self.user:
            return False
        reply = zone.reply(self.path, self.headers, self.body, offers_windows=bool(self.server.schemes))
        if reply:
            self.answer(reply.status, reply.content, reply.content_type, reply.headers)
        return reply is not None

    def _is_troubled(self) -> bool:
        """Make the trouble that is due, and say whether the request is over with it."""
        trouble = self._trouble = self.server.troubles.take(unquote(urlsplit(self.path).path), self.user)
        if trouble is None or trouble.kind in {"headers", "truncate"}:
            return False
        details = trouble.details
        if trouble.kind == "delay":
            self.server.stopping.wait(details["seconds"])
            return False
        if trouble.kind == "status":
            self.answer(details["status"], details["body"], details["content_type"], details["headers"])
            return True
        if trouble.kind == "die_after":
            self.server.die()
        self.server.reset(self.connection)
        self.close_connection = True
        return True

    @property
    def roles(self) -> frozenset[str]:
        """The roles of the signed-in account."""
        return self.server.credentials.roles(self.user)

    def _sign_in(self, scheme: str, credentials: str) -> None:
        try:
            token = base64.b64decode(credentials, validate=True)
            if scheme == "basic":
                name, _, password = token.decode().partition(":")
                self.user = self.server.credentials.check(name, password)
            else:
                self._step(scheme, token)
        except (SpnegoError, struct.error, LookupError, TypeError, ValueError) as error:
            # pyspnego unpacks a malformed token without catching what that raises.
            logger.info("%s: sign-in refused: %s", self.server.url, error)
            self.user, self.context = "", None

    def _step(self, scheme: str, token: bytes) -> None:
        if self.context is None or self.context.complete:
            self.user, self.context = "", self.server.credentials.accept(scheme)
        answer = self.server.credentials.step(self.context, token)
        if answer:
            self._token = (scheme, answer)
        if self.context.complete:
            self.user = self.server.credentials.principal(self.context.client_principal or "")

    def answer(
        self,
        status: int,
        content: bytes = b"",
        content_type: str = "text/html; charset=utf-8",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send one whole answer; a HEAD request gets its headers only."""
        hanging_up = self._is_hanging_up(status)
        self.send_response(status)
        trouble, self._trouble = self._trouble, None
        details = trouble.details if trouble else {}
        for name, value in {**(headers or {}), **details.get("headers", {})}.items():
            self.send_header(name, value)
        if content:
            self.send_header("Content-Type", content_type)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        if status == HTTPStatus.UNAUTHORIZED and not self._token:
            for scheme in self.server.schemes:
                self.send_header("WWW-Authenticate", 'Basic realm="lab"' if scheme == "Basic" else scheme)
        self.end_headers()
        if "bytes" in details:
            content = content[: details["bytes"]]
            self.close_connection = True
        if self.command != "HEAD":
            self.wfile.write(content)
        self.close_connection |= hanging_up

    def _is_hanging_up(self, status: int) -> bool:
        """Say whether the connection of a sign-in is to end too early, and announce that if due."""
        if status != HTTPStatus.UNAUTHORIZED or not self._token:
            return False
        trouble = self.server.troubles.take(unquote(urlsplit(self.path).path), "", signing_in=True)
        self.close_connection |= bool(trouble and trouble.details["announced"])
        return trouble is not None

    def end_headers(self) -> None:
        """Add the security token that is due, also to the answer that completes the sign-in."""
        if self._token:
            scheme, token = self._token
            name = next(offered for offered in self.server.schemes if offered.lower() == scheme)
            self.send_header("WWW-Authenticate", f"{name} {base64.b64encode(token).decode()}")
            self._token = None
        super().end_headers()

    def version_string(self) -> str:
        """Name the web server as the real farm does."""
        return "Microsoft-IIS/10.0"

    def log_message(self, format: str, *args: object) -> None:
        """Log a request, quietly."""
        logger.debug("%s: " + format, self.server.url, *args)
