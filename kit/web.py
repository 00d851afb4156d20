"""HTTP to a Windows web server: sign-in, TLS, time-outs, manners, and failures told apart."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Collection
from functools import cached_property
from http import HTTPStatus
from types import TracebackType
from typing import Any

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import AuthBase
from requests.utils import get_environ_proxies

from kit import bodies, tls
from kit.authentication import BasicAuth, WindowsAuth, account, authentication
from kit.bodies import pieces, read
from kit.endpoint import Endpoint
from kit.errors import OutcomeUnknownError, ParameterError, ProtocolError, SourceError, UnreachableError
from kit.forms import FormsAuth
from kit.manners import Manners, Pace
from kit.refusals import correlation, explained, failure, refusal, site, without_user_info
from kit.sites import Sites, same_site

__all__ = ["Manners", "WebSession", "correlation", "explained", "pieces", "read", "same_site"]


class WebSession:
    r"""A signed-in HTTP session; it may be shared by threads.

    NTLM signs in a connection, not a request, so every thread has connections of its own. ``.netrc`` is
    ignored, and so are proxy variables unless asked for, since a proxy that splits connections breaks NTLM.

    Parameters
    ----------
    endpoint : Endpoint
        ``http://`` or ``https://`` address of the site; kinds of sign-in are those of
        `kit.authentication.authentication`.
    manners : Manners
        How many requests at once, how fast, and when again.
    my_site : str
        Address of the My Site host, if that is another; the account signs in there, too.
    hosts : collection of str
        Names of further hosts that the account may sign in to; see `kit.sites.same_site`.
    use_proxy : bool
        Whether the proxy of the environment or the system is used.
    transport : BaseAdapter or None
        Used instead of a network connection.
    wait : callable
        Called with the seconds to wait, between attempts and for a busy server.

    Raises
    ------
    ParameterError
        An address, a host's name, ``auth`` or ``ca_file`` cannot be used.
    CertificateError
        ``ca_file`` holds no certificates.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        manners: Manners = Manners(),  # noqa: B008 - frozen
        my_site: str = "",
        hosts: Collection[str] = (),
        use_proxy: bool = False,
        transport: BaseAdapter | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sites = Sites(endpoint.url, my_site, hosts)
        self.url = self._sites.url
        ca_file = endpoint.ca_file
        if ca_file and not ca_file.is_file():
            what = f"ca_file {str(ca_file)!r} cannot be used"
            raise ParameterError(what, "there is no such file", "name a PEM file with the CA's certificate")
        self._account = account(endpoint)
        self._auth = authentication(endpoint)
        self._timeout = endpoint.timeout
        self.deadline = bodies.deadline(endpoint.timeout)
        self._verify = endpoint.verify_tls
        self._endpoint = endpoint
        if ca_file or not endpoint.verify_tls:
            self._context  # noqa: B018 - a file that is none is refused now, not at the first request
        self._pace = Pace(manners, wait)
        self._use_proxy = use_proxy
        self._transport = transport
        self._threads = threading.local()
        self._sessions: list[requests.Session] = []
        if not endpoint.verify_tls:
            # That has been said once; urllib3 would say it for every connection.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def send(
        self,
        method: str,
        url: str,
        *,
        repeatable: bool = True,
        **options: Any,  # noqa: ANN401 - as requests has them
    ) -> requests.Response:
        """Send one request and return the answer, whatever its status; redirects are not followed.

        Parameters
        ----------
        method, url : str
            As in HTTP.
        repeatable : bool
            Whether the request does no harm if it takes effect twice; see `kit.manners.Pace.send`.
        **options
            Those of `requests.Session.request`. With ``stream=True`` reading the body is the caller's.

        Raises
        ------
        CertificateError
            The server's certificate is not trusted.
        UnreachableError
            No connection, or it was lost, or nothing came in time, or too many requests before had no answer.
        OutcomeUnknownError
            The same, after a request that is not repeatable may have reached the server.
        SignInError
            The server broke off the sign-in, or has refused the account before.
        NotFoundError
            The address is not one.
        ProtocolError
            The answer is garbled, or longer than `kit.bodies.LIMIT`.
        """
        url, streamed = without_user_info(url), options.pop("stream", False)
        sent = {
            "timeout": self._timeout,
            "allow_redirects": False,
            "proxies": get_environ_proxies(url) if self._use_proxy else {},
            **options,
        }

        def attempt() -> requests.Response:
            response = self._session(url).request(method, url, auth=self._auth_for(url), stream=True, **sent)
            if not streamed:
                _load(response, sent["timeout"], repeatable=repeatable)
            return response

        try:
            return self._pace.send(attempt, site(url), repeatable=repeatable)
        except (requests.RequestException, ValueError, ssl.SSLError) as error:
            raise failure(method, url, error, repeatable=repeatable) from error

    def expect(self, method: str, path: str, *also: int, **options: Any) -> requests.Response:  # noqa: ANN401 - likewise
        """Send one request below the site and return the answer if its status is 200 or one of ``also``.

        Raises
        ------
        SourceError
            Of the kind that the status stands for, with SharePoint's correlation id where there is one.
        """
        url = f"{self.url}/{path}"
        response = self.send(method, url, **options)
        if response.status_code == HTTPStatus.OK or response.status_code in also:
            return response
        raise self.refusal(response)

    def refusal(self, response: requests.Response) -> SourceError:
        """Return the error that an unwanted answer stands for."""
        signed_in = not isinstance(self._auth, WindowsAuth) or self._auth.has_signed_in(response.url)
        return refusal(response, self._account, signed_in=signed_in)

    def is_own(self, url: str) -> bool:
        """Say whether an address is on the site's own server or the My Site host, port included."""
        return self._sites.owns(url)

    def close(self) -> None:
        """Close every connection of every thread."""
        for session in self._sessions:
            session.close()

    def _auth_for(self, url: str) -> AuthBase | None:
        """Return what signs in to an address: nothing for a host that the password is not for."""
        in_the_clear = not url.lower().startswith("https:") and isinstance(self._auth, (BasicAuth, FormsAuth))
        return self._auth if self._sites.trusts(url) and not in_the_clear else None

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """What HTTPS trusts; reading the system's authorities takes 40 ms, which plain HTTP need not."""
        return tls.context(self._endpoint)

    def _session(self, url: str) -> requests.Session:
        """Return this thread's session, ready for an address."""
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = requests.Session()
            self._sessions.append(session)
            session.trust_env = False
            session.verify = self._verify
            session.headers["User-Agent"] = "kit"
            if not isinstance(self._auth, FormsAuth):
                # Where a zone has forms sign-in too, this asks for the Windows challenge, not a login page.
                session.headers["X-FORMS_BASED_AUTH_ACCEPTED"] = "f"
            if self._transport:
                session.mount("https://", self._transport)
                session.mount("http://", self._transport)
        is_https = url.lower().startswith("https:")
        if is_https and not (self._transport or isinstance(session.get_adapter(url), _Adapter)):
            session.mount("https://", _Adapter(self._context))
        return session

    def __enter__(self) -> WebSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Adapter(HTTPAdapter):
    """HTTPS that trusts what a TLS context trusts; requests' own would trust the authorities of certifi."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as requests calls it
        super().init_poolmanager(*arguments, ssl_context=self._context, **options)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - likewise
        return super().proxy_manager_for(*arguments, ssl_context=self._context, **options)

    def cert_verify(self, *arguments: Any) -> None:  # noqa: ANN401 - likewise
        """Leave all checks to the context."""


def _load(response: requests.Response, timeout: float, *, repeatable: bool) -> None:
    """Read an answer whole; without that, nobody knows what a request did that is not repeatable."""
    try:
        bodies.load(response, timeout)
    except (UnreachableError, ProtocolError) as error:
        if repeatable:
            raise
        what = f"{response.request.method} {response.url} may or may not have taken effect"
        raise OutcomeUnknownError(what, error.cause, "read the value back before anything else") from error
