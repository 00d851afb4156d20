"""The client's side of a Windows sign-in: tokens of NTLM and Kerberos, whatever protocol carries them."""

from __future__ import annotations

import logging
import struct
import sys

import spnego
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from kit import kerberos
from kit.errors import KitError, SignInError

logger = logging.getLogger(__name__)

_KEY_EXCHANGE = 0x40000000  # NTLMSSP_NEGOTIATE_KEY_EXCH, MS-NLMP 2.2.2.5


class Negotiation:
    """One sign-in with one service, token by token.

    Parameters
    ----------
    kind : str
        ``ntlm``, ``kerberos``, or ``negotiate``: Kerberos where a ticket can be had, else NTLM.
    username, password : str
        Whose; without a password, Kerberos takes the ticket that this machine holds.
    service, host : str
        The service's class and host, for which the ticket is: ``HTTP`` and ``portal.contoso.example``.
    bindings : bytes
        What the sign-in is bound to, ``tls-server-end-point`` (RFC 5929); empty for nothing.
    what : str
        Who signs in where, for an error.
    signed : bool
        Whether keys for signing messages are negotiated, too.
    """

    def __init__(
        self,
        kind: str,
        username: str,
        password: str,
        *,
        service: str,
        host: str,
        bindings: bytes,
        what: str,
        signed: bool = True,
    ) -> None:
        self._username = username
        self._password = password
        self._service = service
        self._host = host
        self._bindings = GssChannelBindings(application_data=bindings) if bindings else None
        self._what = what
        self._signed = signed
        self._context, self.first = self._begin(kind)

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to say, and the service has proved who it is where that is asked."""
        return self._context.complete

    def step(self, token: bytes) -> bytes:
        """Take the service's token and return the answer to it, empty at the end.

        Raises
        ------
        SignInError
            The token makes no sense, or the service did not prove that it is the one that was meant.
        """
        return self._step(self._context, token)

    def _begin(self, kind: str) -> tuple[spnego.ContextProxy, bytes]:
        if kind != "negotiate" or sys.platform == "win32":
            return self._first(kind)
        try:
            return self._first("kerberos")
        except KitError as error:
            cause = error.__cause__
            about_account = isinstance(cause, Exception) and kerberos.code(cause) in kerberos.ACCOUNT_CODES
            if about_account or not self._password:
                raise  # a wrong password tried again by NTLM would count twice
            logger.info("no Kerberos, so NTLM: %s", error)
        return self._first("ntlm")

    def _first(self, kind: str) -> tuple[spnego.ContextProxy, bytes]:
        if kind == "ntlm" and sys.platform != "win32" and not (self._username and self._password):
            raise SignInError(self._what, "name or password is empty", "give both for NTLM")
        try:
            context = self._client(kind)
        except ImportError as error:
            raise kerberos.missing(self._what) from error
        except Exception as error:  # what gssapi and krb5 raise cannot be named: they are optional
            raise self._refusal(error) from error
        return context, self._step(context, None)

    def _client(self, kind: str) -> spnego.ContextProxy:
        request, options = spnego.ContextReq, spnego.NegotiateOptions
        pure_python = kind == "ntlm" and bool(self._password)
        unsigned = request.mutual_auth if pure_python else request.mutual_auth | request.no_integrity
        name = kerberos.principal(self._username) if kind == "kerberos" else self._username
        context = spnego.client(
            name or None,
            self._password or None,
            hostname=self._host,
            service=self._service,
            channel_bindings=self._bindings,
            context_req=request.default if self._signed else unsigned,
            protocol=kind,
            options=options.use_ntlm if pure_python else options.none,
        )
        if pure_python and not self._signed:
            # pyspnego always asks for a session key of its own, and without signing sends one byte for it,
            # which Samba refuses. There is no public setting.
            context._context_req &= ~_KEY_EXCHANGE
        return context

    def _step(self, context: spnego.ContextProxy, token: bytes | None) -> bytes:
        try:
            return context.step(token) or b""
        except Exception as error:  # as above
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> Exception:
        if kerberos.code(error) is not None:
            return kerberos.refusal(self._what, error, username=self._username)
        if isinstance(error, SpnegoError):
            return SignInError(self._what, f"no token could be made ({error})", "check name and password")
        if isinstance(error, (struct.error, LookupError, TypeError, ValueError)):
            # pyspnego unpacks a malformed token without catching what that raises.
            cause = f"the server's token cannot be understood ({error})"
            return SignInError(self._what, cause, "look for a proxy in between")
        return error
