"""HTTP to a Windows web server: sign-in, TLS, time-outs, and failures told apart."""

from __future__ import annotations

import ipaddress
import ssl
import struct
import threading
from http import HTTPStatus
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from requests_ntlm import HttpNtlmAuth
from spnego.exceptions import SpnegoError

from kit.endpoint import Endpoint
from kit.errors import (
    CertificateError,
    NotFoundError,
    ParameterError,
    ProtocolError,
    RightsError,
    SignInError,
    UnreachableError,
)


class WebSession:
    r"""A signed-in HTTP session; it may be shared by threads.

    NTLM signs in a connection, not a request, so every thread has connections of its own. Proxy variables and
    ``.netrc`` are ignored, since a proxy that splits connections breaks NTLM. The account signs in to no site
    but the one it is for; see `same_site`.

    Parameters
    ----------
    endpoint : Endpoint
        ``http://`` or ``https://`` address of the site; sign-in by ``ntlm`` (the usual one), ``basic`` or
        ``none``.
    transport : BaseAdapter or None
        Used instead of a network connection.

    Raises
    ------
    ParameterError
        The address, ``auth`` or ``ca_file`` cannot be used.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        transport: BaseAdapter | None = None,
    ) -> None:
        self.url = _checked(endpoint.url)
        ca_file = endpoint.ca_file
        if ca_file and not ca_file.is_file():
            what = f"ca_file {str(ca_file)!r} cannot be used"
            raise ParameterError(what, "there is no such file", "name a PEM file with the CA's certificate")
        self._username = endpoint.username
        self._auth = _authentication(endpoint.auth or "ntlm", endpoint.username, endpoint.password)
        self._timeout = endpoint.timeout
        self._verify = (str(ca_file) if ca_file else True) if endpoint.verify_tls else False
        self._transport = transport
        self._threads = threading.local()
        self._sessions: list[requests.Session] = []

    def send(self, method: str, url: str, **options: Any) -> requests.Response:  # noqa: ANN401 - as requests has them
        """Send one request and return the answer, whatever its status; redirects are not followed.

        Raises
        ------
        CertificateError
            The server's certificate is not trusted.
        UnreachableError
            No connection, or it was lost, or nothing came in time.
        SignInError
            The server broke off the sign-in.
        NotFoundError
            The address is not one.
        ProtocolError
            The answer is garbled.
        """
        try:
            return self._session().request(
                method, url, auth=self._auth_for(url), timeout=self._timeout, allow_redirects=False, **options
            )
        except (requests.exceptions.SSLError, ssl.SSLError) as error:
            raise _tls_failure(url, error) from error
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            what = f"{_site(url)} could not be reached"
            raise UnreachableError(
                what, _reason(error), "check the address, the network and the server"
            ) from error
        except (PermissionError, SpnegoError, struct.error, KeyError) as error:
            # What requests-ntlm and pyspnego let through when a server's part of the sign-in makes no sense.
            raise self._refusal(url) from error
        except ValueError as error:
            what = f"address {url!r} cannot be asked"
            raise NotFoundError(what, str(error), "check where the address comes from") from error
        except requests.RequestException as error:
            what = f"the answer of {url} could not be read"
            raise ProtocolError(what, _reason(error), "repeat it, then look at the server") from error

    def expect(self, method: str, path: str, *also: int, **options: Any) -> requests.Response:  # noqa: ANN401 - likewise
        """Send one request below the site and return the answer if its status is 200 or one of ``also``.

        Raises
        ------
        SourceError
            Of the kind that the status stands for, with SharePoint's correlation id where there is one.
        """
        url = f"{self.url}/{path}"
        response = self.send(method, url, **options)
        status = response.status_code
        if status == HTTPStatus.OK or status in also:
            return response
        what = f"{method} {url} as {self._username} gave {status} {response.reason}"
        trace = correlation(response)
        if status == HTTPStatus.UNAUTHORIZED:
            raise self._refusal(url)
        if status == HTTPStatus.FORBIDDEN:
            raise RightsError(
                what, f"the account may not do this{trace}", "grant it the right, or use another"
            )
        if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            raise UnreachableError(what, f"the server is too busy or stopped{trace}", "try again later")
        raise ProtocolError(what, f"that is not a SharePoint service{trace}", "check the address")

    def _auth_for(self, url: str) -> AuthBase | None:
        downgraded = self.url.startswith("https:") and not url.startswith("https:")
        if not same_site(self.url, url) or (downgraded and isinstance(self._auth, HTTPBasicAuth)):
            return None
        return self._auth

    def _refusal(self, url: str) -> SignInError:
        what = f"sign-in to {_site(url)} as {self._username} was refused"
        return SignInError(
            what, "name or password is wrong, or the account may not sign in there", "check the account"
        )

    def close(self) -> None:
        """Close every connection of every thread."""
        for session in self._sessions:
            session.close()

    def _session(self) -> requests.Session:
        """Return this thread's session."""
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = requests.Session()
            self._sessions.append(session)
            session.trust_env = False
            session.verify = self._verify
            # Where a zone has forms sign-in too, this asks for the Windows challenge, not a login page.
            session.headers.update({"User-Agent": "kit", "X-FORMS_BASED_AUTH_ACCEPTED": "f"})
            if self._transport:
                session.mount("http://", self._transport)
                session.mount("https://", self._transport)
        return session

    def __enter__(self) -> WebSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def same_site(home: str, url: str) -> bool:
    """Say whether an address belongs to the site that the password is for.

    That is the same host, or one in the same DNS domain, as a My Site host is to its portal. Anyone can put a
    foreign address into a profile; signing in there would hand the account's NTLM response to a stranger.

    Examples
    --------
    >>> same_site("https://portal.contoso.example", "https://my.contoso.example/a.jpg")
    True
    >>> same_site("https://portal.contoso.example", "https://portal.fabrikam.example")
    False
    >>> same_site("https://10.0.0.1", "https://11.0.0.1")
    False
    """
    first, second = urlsplit(home).hostname or "", urlsplit(url).hostname or ""
    return first == second or "" != _dns_domain(first) == _dns_domain(second)


def correlation(response: requests.Response) -> str:
    """Return SharePoint's correlation id as words for an error's cause; empty where there is none."""
    found = response.headers.get("SPRequestGuid") or response.headers.get("request-id")
    return f" (correlation id {found})" if found else ""


def _dns_domain(host: str) -> str:
    """Return a host's domain; empty for an IP address and for what is directly below a top-level domain."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        domain = host.partition(".")[2]
        return domain if "." in domain else ""
    return ""


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        what = f"url {url!r} cannot be used"
        raise ParameterError(what, "it is not an http:// or https:// address", "give the site's address")
    return url.rstrip("/")


def _authentication(auth: str, username: str, password: str) -> AuthBase | None:
    if auth == "ntlm":
        return HttpNtlmAuth(username, password)
    if auth == "basic":
        return HTTPBasicAuth(username.encode(), password.encode())
    if auth == "none":
        return None
    what = f"auth {auth!r} cannot be used"
    raise ParameterError(what, "it is not a kind of sign-in", "choose 'ntlm', 'basic' or 'none'")


def _tls_failure(url: str, error: Exception) -> CertificateError | UnreachableError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        what = f"the certificate of {_site(url)} is not trusted"
        return CertificateError(what, _reason(error), "set ca_file to the PEM file of the CA that signed it")
    what = f"no TLS connection to {_site(url)} could be made"
    return UnreachableError(what, _reason(error), "check the address, the port and the server's TLS versions")


def _reason(error: BaseException) -> str:
    """Return the text of the first failure in a chain, without the wrapping that each layer adds."""
    while error.__context__:
        error = error.__context__
    return str(error) or type(error).__name__


def _site(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
