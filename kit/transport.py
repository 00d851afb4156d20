"""The way to a WinRM listener: pypsrp's WSMan, made to sign in without a body and to send nothing twice."""

from __future__ import annotations

import logging
import math
from typing import Any
from urllib.parse import urlsplit

import requests
from pypsrp.negotiate import HTTPNegotiateAuth
from pypsrp.wsman import WSMan

from kit.endpoint import Endpoint
from kit.errors import CaseError, KitError
from kit.faults import translate

# pypsrp logs a traceback for each time-out; it goes only where an application asked for logs.
logging.getLogger("pypsrp").addHandler(logging.NullHandler())

MAX_ENVELOPE_SIZE = 2 * 1024 * 1024
LONGEST_OPERATION = 60


class _SignInWithoutBody(requests.auth.AuthBase):
    """Sign in with empty requests only.

    pypsrp answers a 401 by sending the refused request again with each token of the handshake. A request
    with a body must not travel that way: the sealed body would be undecipherable under the new keys, and a
    method could run twice.
    """

    def __init__(self, negotiate: HTTPNegotiateAuth) -> None:
        self.contexts = negotiate.contexts  # where pypsrp looks for the keys
        self._negotiate = negotiate

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request if request.body else self._negotiate(request)


class Transport:
    r"""A signed-in connection to one listener; not for use by several threads at once.

    Parameters
    ----------
    endpoint : Endpoint
        Such as ``http://mim01:5985/wsman``; over http the messages are encrypted with the sign-in's keys.
        Sign-in by ``ntlm`` (the usual one), ``negotiate``, ``kerberos``, ``basic`` or ``credssp``. WinRM
        allows an operation 60 seconds (MaxTimeoutms), so a longer time-out counts as that.

    Attributes
    ----------
    wsman : WSMan
        What sends the messages, after :meth:`prepare`.
    signed_in : bool
        Whether a message has been answered since the connection was opened; whoever sends sets it.

    Raises
    ------
    CaseError
        The URL is not one, or the kind of sign-in cannot be used with it.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.url = endpoint.url
        self.account = endpoint.username
        self.timeout = min(math.ceil(endpoint.timeout), LONGEST_OPERATION)
        self.verify = _verification(endpoint)
        self.signed_in = False
        host, port, path, tls = _address(endpoint.url)
        try:
            self.wsman = WSMan(
                host,
                port=port,
                path=path,
                ssl=tls,
                username=endpoint.username,
                password=endpoint.password,
                auth=endpoint.auth or "ntlm",
                cert_validation=self.verify,  # type: ignore[arg-type] # the path of a file is taken, too
                max_envelope_size=MAX_ENVELOPE_SIZE,
                operation_timeout=self.timeout,
                read_timeout=self.timeout + 5,
            )
        except ValueError as error:
            raise CaseError(
                f"sign-in {endpoint.auth!r} cannot be used with {endpoint.url}",
                str(error),
                "use ntlm or negotiate",
            ) from error
        self._http: Any = self.wsman.transport

    @property
    def address(self) -> str:
        """The URL that requests go to."""
        return str(self._http.endpoint)

    def prepare(self) -> None:
        """Make the next message one that is sent once: the session is built, the sign-in has no body."""
        if self._http.session is None:
            self._http.session = self._session()
        if not (self.signed_in or self._http.wrap_required):
            # Without message encryption pypsrp sends no empty request of its own to sign in with.
            self._http.session.post(self.address, timeout=self.timeout)

    def close(self) -> None:
        """Close the connection; :meth:`prepare` opens it again."""
        self.signed_in = False
        self._http.encryption = None
        self.wsman.close()

    def translated(self, error: Exception) -> KitError:
        """Turn what a library raised here into the kit's own error; see :func:`kit.faults.translate`."""
        return translate(error, self.url, self.account)

    def _session(self) -> requests.Session:
        session: requests.Session = self._http._build_session()
        session.max_redirects = 0
        session.trust_env = False  # pypsrp has read the environment; requests would again for each request
        if isinstance(session.auth, HTTPNegotiateAuth):
            session.auth = _SignInWithoutBody(session.auth)
        return session


def _verification(endpoint: Endpoint) -> str | bool:
    """Return what requests calls ``verify``."""
    return str(endpoint.ca_file) if endpoint.ca_file and endpoint.verify_tls else endpoint.verify_tls


def _address(url: str) -> tuple[str, int | None, str, bool]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CaseError(
            f"{url!r} is not the address of a WinRM listener",
            "it must be http or https with a host name",
            "write it like http://mim01:5985/wsman",
        )
    return parts.hostname, parts.port, parts.path.strip("/") or "wsman", parts.scheme == "https"
