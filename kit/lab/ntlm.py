"""Windows sign-in for the farm's HTTP servers: real NTLM, once per TCP connection (MS-NTHT)."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import socket
import ssl
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import spnego
from spnego.exceptions import SpnegoError

from kit.errors import SetupError
from kit.lab.domain import Account, Domain

logger = logging.getLogger(__name__)

WINDOWS_SCHEMES = ("Negotiate", "NTLM")

# pyspnego's NTLM acceptor finds passwords only through this process-wide variable.
_USER_FILE_VARIABLE = "NTLM_USER_FILE"
_user_file_lock = threading.Lock()


class Credentials:
    """The names and passwords that one server accepts.

    pyspnego's acceptor reads passwords from the file that an environment variable names. Every server has a
    file of its own, and the variable is set only for the length of one step, under a lock: two farms in one
    process do not see each other's accounts, and nothing is left behind in the environment.

    Parameters
    ----------
    domain : Domain
        The accounts' domain.
    accounts : Sequence[Account]
        The accounts; a name or a password may not hold a colon or a line end, which the file format reserves.

    Raises
    ------
    SetupError
        An account cannot be written to the file.
    """

    def __init__(self, domain: Domain, accounts: Sequence[Account]) -> None:
        self._names: dict[str, str] = {}
        self._accounts: dict[str, Account] = {}
        lines: list[str] = []
        for account in accounts:
            if set(":\r\n") & set(account.name + account.password):
                what = f"account {account.name!r} cannot sign in to the lab"
                raise SetupError(
                    what,
                    "its name or password holds a colon or a line end",
                    "choose another name or password",
                )
            principal = f"{domain.netbios_name}\\{account.name}"
            self._accounts[principal] = account
            for realm, user in (
                (domain.netbios_name, account.name),
                (domain.dns_name, account.name),
                ("", f"{account.name}@{domain.dns_name}"),
            ):
                self._names[f"{realm}\\{user}".lower()] = principal
                lines.append(f"{realm}:{user}:{account.password}")
        self._folder = tempfile.TemporaryDirectory(prefix="lab-accounts-")
        self._file = Path(self._folder.name) / "accounts"
        self._file.write_text("\n".join(lines), encoding="utf-8")

    def accept(self, protocol: str) -> spnego.ContextProxy:
        """Return a new acceptor for one connection; ``protocol`` is ``negotiate`` or ``ntlm``."""
        # Without an option Windows would hand the accounts to its own security provider.
        options = spnego.NegotiateOptions
        pure_python = options.use_negotiate if protocol == "negotiate" else options.use_ntlm
        with self._readable():
            return spnego.server(protocol=protocol, options=pure_python)

    def step(self, context: spnego.ContextProxy, token: bytes) -> bytes | None:
        """Feed one token to an acceptor and return its answer.

        Raises
        ------
        SpnegoError
            The token is malformed, or the name or password is wrong.
        """
        with self._readable():
            return context.step(token)

    def principal(self, name: str) -> str:
        r"""Return the one form, ``CONTOSO\anna``, of a name in any of its forms; empty for an unknown one."""
        return self._names.get(name.lower() if "\\" in name else f"\\{name.lower()}", "")

    def check(self, name: str, password: str) -> str:
        """Return the principal for a plain name and password (Basic); empty if they are wrong."""
        principal = self.principal(name)
        return principal if principal and self._accounts[principal].password == password else ""

    def roles(self, principal: str) -> frozenset[str]:
        """Return what an account may do; see `kit.lab.domain.Account`."""
        return self._accounts[principal].roles if principal in self._accounts else frozenset()

    def close(self) -> None:
        """Delete the file with the passwords."""
        self._folder.cleanup()

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        with _user_file_lock:
            before = os.environ.get(_USER_FILE_VARIABLE)
            os.environ[_USER_FILE_VARIABLE] = str(self._file)
            try:
                yield
            finally:
                if before is None:
                    del os.environ[_USER_FILE_VARIABLE]
                else:
                    os.environ[_USER_FILE_VARIABLE] = before


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
        self.shutdown()
        self._thread.join()
        with self._connections_changed:
            for connection in self._connections:
                # The client may have gone already, which is what is wanted.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._connections_changed.wait_for(lambda: not self._connections, timeout=10)
        self.server_close()
        self.credentials.close()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        """Remember the connection, so that it can be closed on stop."""
        with self._connections_changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as in the base class
        """Close a connection that has ended."""
        with self._connections_changed:
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
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.context is None:
            self.user = ""  # only Windows sign-in lasts for the connection
        scheme, _, credentials = self.headers.get("Authorization", "").partition(" ")
        if credentials and scheme.lower() in {offered.lower() for offered in self.server.schemes}:
            self._sign_in(scheme.lower(), credentials)
        if self.user or not self.server.schemes:
            return True
        self.answer(HTTPStatus.UNAUTHORIZED)
        return False

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
        self.send_response(status)
        for name, value in (headers or {}).items():
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
        if self.command != "HEAD":
            self.wfile.write(content)

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
