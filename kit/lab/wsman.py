"""The farm's WinRM listener: WS-Management over HTTP, signed in and sealed (MS-WSMV)."""

from __future__ import annotations

import logging
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from types import MappingProxyType

import spnego

from kit.lab import certificates, envelope, wmi
from kit.lab.domain import Account, Domain
from kit.lab.endpoint import MAX_ENVELOPE_SIZE, ConnectionCutError, Endpoint, Faults
from kit.lab.engine import Engine
from kit.lab.ntlm import WINDOWS_SCHEMES, Credentials, NTLMHandler, Server
from kit.lab.prompt import Prompt
from kit.lab.sealing import CONTENT_TYPE, SealError, is_sealed, seal, unseal
from kit.lab.shell import Shells

logger = logging.getLogger(__name__)

_PATH = "/wsman"
_BY_CERTIFICATE = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
"""What stands for credentials in a request that the client's certificate vouches for (DSP0226)."""


class _Handler(NTLMHandler):
    """One connection; messages must be sealed, as a default listener demands (AllowUnencrypted=false)."""

    server: _Server

    def do_POST(self) -> None:  # noqa: N802 - the base class's name
        """Answer one request."""
        if int(self.headers.get("Content-Length") or 0) > MAX_ENVELOPE_SIZE:
            self.close_connection = True
            self.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif self.headers.get("WSMANIDENTIFY", "").lower() == "unauthenticated":
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.answer(HTTPStatus.OK, envelope.identity(), "application/soap+xml;charset=UTF-8")
        elif not self.authenticate():
            return
        elif self.path.partition("?")[0].lower() != _PATH:
            self.answer(HTTPStatus.NOT_FOUND)
        elif not self.body:
            self.answer(HTTPStatus.OK)
        elif self.context and is_sealed(self.headers.get("Content-Type", "")):
            self._answer_sealed(self.context)
        elif self.server.accepts_plain:
            self._answer_message(self.body, "application/soap+xml;charset=UTF-8", bytes)
        else:
            # What practitioners report for plain messages; no document says it.
            self.answer(HTTPStatus.INTERNAL_SERVER_ERROR)

    def authenticate(self) -> bool:
        """Take the user from the client's certificate, if the request refers to it."""
        if self.headers.get("Authorization") != _BY_CERTIFICATE:
            return super().authenticate()
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.user = self._mapped_user()
        if not self.user:
            self.answer(HTTPStatus.UNAUTHORIZED)
        return bool(self.user)

    def _mapped_user(self) -> str:
        certificate = (
            self.connection.getpeercert(binary_form=True)
            if isinstance(self.connection, ssl.SSLSocket)
            else None
        )
        account = self.server.mappings.get(certificates.principal(certificate), "") if certificate else ""
        return self.server.credentials.principal(account)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return what the ``Date`` header says: the time by this server's own clock."""
        if timestamp is not None:
            return super().date_time_string(timestamp)
        return format_datetime(datetime.now(UTC) + self.server.clock_error, usegmt=True)

    def _answer_sealed(self, context: spnego.ContextProxy) -> None:
        try:
            message = unseal(context, self.body)
        except SealError as error:
            logger.info("%s: %s", self.server.url, error)
            self.close_connection = True
            self.answer(HTTPStatus.BAD_REQUEST)
        else:
            self._answer_message(message, CONTENT_TYPE, lambda answer: seal(context, answer))

    def _answer_message(self, message: bytes, content_type: str, pack: Callable[[bytes], bytes]) -> None:
        try:
            status, answer = self.server.endpoint.answer(message, self.user)
        except ConnectionCutError as error:
            logger.info("%s: %s", self.server.url, error)
            self.close_connection = True
        else:
            self.answer(status, pack(answer), content_type)


class _Server(Server):
    endpoint: Endpoint
    accepts_plain: bool
    mappings: Mapping[str, str]
    clock_error = timedelta(0)


class WSManServer:
    """A running listener.

    Parameters
    ----------
    endpoint : Endpoint
        What it serves.
    domain : Domain
        The accounts' domain.
    accounts : Sequence[Account]
        Who may sign in.
    tls : ssl.SSLContext or None
        Serve HTTPS with this context.
    basic : bool
        Offer Basic as well.
    mappings : Mapping[str, str]
        Principal in a client certificate to account.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        domain: Domain,
        accounts: Sequence[Account],
        tls: ssl.SSLContext | None,
        *,
        basic: bool = False,
        mappings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._endpoint = endpoint
        schemes = (*WINDOWS_SCHEMES, "Basic") if basic else WINDOWS_SCHEMES
        self._server = _Server(_Handler, domain, accounts, schemes=schemes, tls=tls)
        self._server.endpoint = endpoint
        self._server.mappings = mappings
        self._server.accepts_plain = tls is not None
        self.url = f"{self._server.url}{_PATH}"
        self._server.start()

    @property
    def faults(self) -> Faults:
        """The trouble to make."""
        return self._endpoint.faults

    @property
    def credentials(self) -> Credentials:
        """What it accepts; Kerberos only once it has a ``keytab``."""
        return self._server.credentials

    @property
    def shells(self) -> Shells:
        """The command shells, with the switches of who may open one and of what runs in them."""
        return self._endpoint.shells

    @property
    def clock_error(self) -> timedelta:
        """How far this server's clock is ahead of the machine's."""
        return self._server.clock_error

    @clock_error.setter
    def clock_error(self, error: timedelta) -> None:
        self._server.clock_error = error

    def turn_away(self, account: str, gate: wmi.Gate | None) -> None:
        """Turn an account, named without its domain, away at one gate of WMI; None ends that."""
        self._endpoint.provider.turn_away(account, gate)

    @property
    def received(self) -> Counter[str]:
        """How many times each operation and method was asked for."""
        return self._endpoint.received

    def stop(self) -> None:
        """Close the listener; a run goes on to its end."""
        self._endpoint.stop()
        self._server.stop()


def start(
    engine: Engine,
    domain: Domain,
    accounts: Sequence[Account],
    *,
    max_timeout: float = 60.0,
    tls: ssl.SSLContext | None = None,
    basic: bool = False,
    mappings: Mapping[str, str] = MappingProxyType({}),
) -> WSManServer:
    """Start a listener on a free port of 127.0.0.1.

    Parameters
    ----------
    engine : Engine
        The synchronisation service.
    domain : Domain
        The accounts' domain.
    accounts : Sequence[Account]
        Who may sign in. WinRM lets in whoever has a role of :data:`kit.lab.wmi.REMOTE_ROLES`.
    max_timeout : float
        Seconds after which an operation is answered with TimedOut while it goes on; WinRM's default is 60.
    tls : ssl.SSLContext or None
        Serve HTTPS with this context; messages over HTTPS are not sealed.
    basic : bool
        Offer Basic as well, which WinRM does not by default.
    mappings : Mapping[str, str]
        Principal in a client certificate to the account it stands for (WinRM's certmapping); the context
        must ask for certificates, and trust their authority.

    Returns
    -------
    WSManServer
        With the ``url`` to connect to.
    """
    provider = wmi.Provider(engine, domain, accounts)
    shells = Shells(Prompt(engine, provider.is_administrator), max_timeout)
    endpoint = Endpoint(provider, shells, max_timeout)
    return WSManServer(endpoint, domain, accounts, tls, basic=basic, mappings=mappings)
