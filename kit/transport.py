"""The way to a WinRM listener: pypsrp's WSMan, made to sign in without a body and to send nothing twice."""

from __future__ import annotations

import contextlib
import logging
import math
import ssl
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import requests
from defusedxml.ElementTree import fromstring
from pypsrp.exceptions import WinRMTransportError
from pypsrp.negotiate import HTTPNegotiateAuth
from pypsrp.wsman import WSMan

from kit import kerberos
from kit.bodies import closed_by_failure
from kit.endpoint import Endpoint
from kit.errors import CaseError, KitError
from kit.faults import translate

# pypsrp logs a traceback for each time-out; it goes only where an application asked for logs.
logging.getLogger("pypsrp").addHandler(logging.NullHandler())

MAX_ENVELOPE_SIZE = 2 * 1024 * 1024
LONGEST_OPERATION = 60

_WINDOWS = frozenset({"ntlm", "negotiate", "kerberos", "credssp"})
"""Kinds of sign-in whose keys encrypt the messages; the others need TLS (MS-WSMV 2.2.9.1)."""


class _SignInWithoutBody(requests.auth.AuthBase):
    """Sign in with empty requests only.

    pypsrp answers a 401 by sending the refused request again with each token of the handshake. A request
    with a body must not travel that way: the sealed body would be undecipherable under the new keys, and a
    method could run twice.
    """

    def __init__(self, negotiate: HTTPNegotiateAuth, what: str) -> None:
        self.contexts = negotiate.contexts  # where pypsrp looks for the keys
        self._negotiate: Any = negotiate
        self._what = what

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if not request.body:
            request.headers["Connection"] = "Keep-Alive"
            request.register_hook("response", self._sign_in)  # type: ignore[no-untyped-call] # requests'
        return request

    def _sign_in(self, response: requests.Response, **options: object) -> requests.Response:
        try:
            with closed_by_failure(response):
                answer: requests.Response = self._negotiate.response_hook(response, **options)
        except ImportError as error:
            raise kerberos.missing(self._what) from error
        except Exception as error:  # what gssapi and krb5 raise cannot be named: they are optional
            if kerberos.code(error) is None:
                raise
            raise kerberos.refusal(self._what, error, username=self._negotiate.username or "") from error
        return answer


class Transport:
    r"""A signed-in connection to one listener; not for use by several threads at once.

    Parameters
    ----------
    endpoint : Endpoint
        Such as ``http://mim01:5985/wsman``; over http the messages are encrypted with the sign-in's keys.
        Sign-in by ``ntlm`` (the usual one), ``negotiate``, ``kerberos`` or ``credssp``; over https also by
        ``basic`` or ``certificate``, for accounts of that server only. WinRM allows an operation 60 seconds
        (MaxTimeoutms), so a longer time-out counts as that.

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
        self.account = endpoint.username or str(endpoint.certificate_file or "")
        self.timeout = min(math.ceil(endpoint.timeout), LONGEST_OPERATION)
        self.signed_in = False
        host, port, path, tls = _address(endpoint.url)
        auth = endpoint.auth or "ntlm"
        _require_protection(endpoint, auth, tls=tls)
        certificate, key = _certificate(endpoint) if auth == "certificate" else (None, None)
        self.wsman = WSMan(
            host,
            port=port,
            path=path,
            ssl=tls,
            username=_name(endpoint.username, auth) or None,  # none is whoever holds a ticket
            password=endpoint.password or None,
            auth=auth,
            certificate_pem=certificate,
            certificate_key_pem=key,
            certificate_key_password=endpoint.password or None if certificate else None,
            cert_validation=_verification(endpoint),  # type: ignore[arg-type] # the path of a file is taken, too
            max_envelope_size=MAX_ENVELOPE_SIZE,
            operation_timeout=self.timeout,
            read_timeout=self.timeout + 5,
        )
        self._http: Any = self.wsman.transport
        _refuse_entities(self._http)

    @property
    def address(self) -> str:
        """The URL that requests go to."""
        return str(self._http.endpoint)

    def prepare(self) -> None:
        """Make the next message one that is sent once: the session is built, the sign-in has no body."""
        if self._http.session is None:
            self._http.session = self._session()
        if not (self.signed_in or self._http.wrap_required) and self._http.auth in _WINDOWS:
            # Without message encryption pypsrp sends no empty request of its own to sign in with.
            self._http.session.post(self.address, timeout=self.timeout)

    def close(self) -> None:
        """Close the connection; :meth:`prepare` opens it again."""
        self.signed_in = False
        self._http.encryption = None
        self.wsman.close()

    def anonymous(self) -> requests.Session:
        """Return a session of its own that signs nobody in; the caller closes it."""
        session = self._session()
        session.auth = None
        session.headers.pop("Authorization", None)
        return session

    def translated(self, error: Exception) -> KitError:
        """Turn what a library raised here into the kit's own error; see :func:`kit.faults.translate`."""
        return translate(error, self.url, self.account)

    def _session(self) -> requests.Session:
        session: requests.Session = self._http._build_session()
        session.max_redirects = 0
        session.trust_env = False  # pypsrp has read the environment; requests would again for each request
        if isinstance(session.auth, HTTPNegotiateAuth):
            what = f"the sign-in of '{self.account}' to {self.url} could not be completed"
            session.auth = _SignInWithoutBody(session.auth, what)
        return session


def _refuse_entities(transport: Any) -> None:  # noqa: ANN401 - pypsrp's, of a private class
    """Have a transport refuse an answer with a document type before pypsrp's parser expands its entities.

    SOAP allows none (SOAP 1.2 part 1, section 5). What is no XML at all is pypsrp's to refuse.
    """
    send = transport._send_request

    def send_request(*arguments: object, **options: object) -> bytes:
        try:
            content: bytes = send(*arguments, **options)
        except WinRMTransportError as error:
            _require_plain(error.response_text)
            raise
        _require_plain(content)
        return content

    transport._send_request = send_request


def _require_plain(content: bytes | str) -> None:
    with contextlib.suppress(ParseError):
        fromstring(content, forbid_dtd=True)


def _require_protection(endpoint: Endpoint, auth: str, *, tls: bool) -> None:
    """Raise CaseError for a sign-in that would send a password, or the messages, readable by anyone."""
    what = f"sign-in {auth!r} cannot be used with {endpoint.url}"
    if auth not in {*_WINDOWS, "basic", "certificate"}:
        raise CaseError(what, "there is no such kind of sign-in", "use ntlm, negotiate or kerberos")
    if auth not in _WINDOWS and not tls:
        next_step = "use https and port 5986, or ntlm, negotiate or kerberos"
        raise CaseError(what, "nothing would encrypt the password and the messages", next_step)


def _name(username: str, auth: str) -> str:
    """Return an account as the sign-in wants it; Kerberos has realms in capitals, NTLM does not mind."""
    is_principal = auth == "kerberos" or (auth == "negotiate" and "@" in username)
    return kerberos.principal(username) if is_principal else username


def _certificate(endpoint: Endpoint) -> tuple[str, str]:
    """Return the files of the client's certificate and key, once they have been found to belong together."""
    files = (endpoint.certificate_file, endpoint.key_file)
    what = f"sign-in by certificate to {endpoint.url} is not possible"
    next_step = "name the PEM files of the certificate and of its key as certificate_file and key_file"
    certificate, key = files
    if certificate is None or key is None:
        raise CaseError(what, "the certificate or its key is not named", next_step)
    try:
        ssl.create_default_context().load_cert_chain(certificate, key, password=endpoint.password)
    except OSError as error:
        cause = f"'{certificate}' with '{key}' cannot be used ({error.strerror or error})"
        raise CaseError(what, cause, next_step) from error
    return str(certificate), str(key)


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
