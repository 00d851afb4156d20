"""The practice farm's SharePoint 2016: profile services, REST, form digests and picture library over HTTP."""

from __future__ import annotations

import re
import ssl
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from kit.lab import rest, soap, wsdl
from kit.lab.clock import Clock
from kit.lab.delivery import LibraryHandler
from kit.lab.digests import FormDigests
from kit.lab.domain import Account, Domain
from kit.lab.ntlm import WINDOWS_SCHEMES, Server
from kit.lab.picture_library import SIZES
from kit.lab.profiles import ProfileStore
from kit.lab.search import SearchIndex
from kit.lab.user_information import UserInformationList
from kit.lab.variant import Variant

_BUILD = "16.0.0.4351"
_API = "/_api/"
_SERVICE = re.compile(r"/_vti_bin/(UserProfileService|UserProfileChangeService)\.asmx", re.IGNORECASE)
_SERVICE_NAMES = {name.lower(): name for name in ("UserProfileService", "UserProfileChangeService")}


class SharePointServer(Server):
    """A SharePoint farm with one web application, which is its own My Site host.

    Attributes
    ----------
    url : str
        The web application's address.
    store : ProfileStore
        Its user profiles.
    health_score : int
        What ``X-SharePointHealthScore`` says, 0 to 10; at 10 every request is refused with 503.
    variant : Variant
        How this farm differs from others.
    search_index : SearchIndex
        What people search finds; it can be made to lag and to hide people.
    user_information : UserInformationList
        The site's copies of picture addresses; they can be made to grow old.
    digests : FormDigests
        The form digests that were given.
    """

    def __init__(
        self,
        domain: Domain,
        accounts: Sequence[Account],
        *,
        clock: Clock,
        sizes: Mapping[str, int] = SIZES,
        schemes: Sequence[str] = WINDOWS_SCHEMES,
        tls: ssl.SSLContext | None = None,
        change_page_size: int = 1000,
    ) -> None:
        super().__init__(SharePointHandler, domain, accounts, schemes=schemes, tls=tls)
        self.clock = clock
        self.store = ProfileStore(self.url, clock=clock, sizes=sizes, change_page_size=change_page_size)
        self.health_score = 0
        self.variant = Variant()
        self.search_index = SearchIndex(self.store)
        self.digests = FormDigests(clock)
        self.user_information = UserInformationList(self.store)
        self.rest = rest.RestInterface(
            self.store, self.search_index, self.user_information, self.digests, self.url
        )


def start(
    domain: Domain,
    accounts: Sequence[Account],
    *,
    clock: Clock,
    sizes: Mapping[str, int] = SIZES,
    schemes: Sequence[str] = WINDOWS_SCHEMES,
    tls: ssl.SSLContext | None = None,
    change_page_size: int = 1000,
) -> SharePointServer:
    """Start a farm on a free port of loopback.

    Parameters
    ----------
    domain : Domain
        The accounts' domain.
    accounts : Sequence[Account]
        Who may sign in; the role ``profile-manager`` may write other people's profiles.
    clock : Clock
        The farm's time.
    sizes : Mapping[str, int]
        Thumbnails: name to longest side in pixels.
    schemes : Sequence[str]
        Sign-in offered; see `kit.lab.ntlm.Server`.
    tls : ssl.SSLContext or None
        Serve HTTPS.
    change_page_size : int
        Rows of the change log per answer.

    Returns
    -------
    SharePointServer
        Running; the caller stops it.
    """
    server = SharePointServer(
        domain,
        accounts,
        clock=clock,
        sizes=sizes,
        schemes=schemes,
        tls=tls,
        change_page_size=change_page_size,
    )
    server.start()
    return server


class SharePointHandler(LibraryHandler):
    """Answers one connection's requests."""

    server: SharePointServer

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        """Serve REST reads, service descriptions and library files."""
        if not self._admit():
            return
        path = unquote(urlsplit(self.path).path)
        service = _SERVICE.fullmatch(path)
        if path.lower().startswith(_API):
            self._rest(path)
        elif service:
            self._description(_SERVICE_NAMES[service[1].lower()], path)
        else:
            self._library_file(path)

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        """Serve SOAP calls, form digests and REST writes."""
        if not self._admit():
            return
        path = unquote(urlsplit(self.path).path)
        service = _SERVICE.fullmatch(path)
        if path.lower().startswith(_API):
            self._rest(path)
        elif service:
            self._soap(_SERVICE_NAMES[service[1].lower()])
        else:
            self.answer(HTTPStatus.NOT_FOUND, b"404 NOT FOUND")

    def answer(
        self,
        status: int,
        content: bytes = b"",
        content_type: str = "text/html; charset=utf-8",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send an answer with the headers that every SharePoint answer has."""
        correlation = str(uuid.uuid4())
        farm = {
            "SPRequestGuid": correlation,
            "request-id": correlation,
            "X-SharePointHealthScore": str(self.server.health_score),
            "MicrosoftSharePointTeamServices": _BUILD,
            "X-MS-InvokeApp": "1; RequireReadOnly",
            "X-Powered-By": "ASP.NET",
        }
        super().answer(status, content, content_type, {**farm, **(headers or {})})

    def _admit(self) -> bool:
        if not self.authenticate():
            return False
        if self.server.health_score >= 10:
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, b"The server is busy.", headers={"Retry-After": "30"})
            return False
        return True

    def _soap(self, service: str) -> None:
        headers = self.headers
        call = soap.Call(
            headers.get("Content-Type", ""), headers.get("SOAPAction", ""), self.body, self.user, self.roles
        )
        status, content_type, content = soap.answer(self.server.store, service, call, self.server.variant)
        self.answer(status, content, content_type)

    def _description(self, service: str, path: str) -> None:
        """Answer ``?wsdl``, and the page that a browser sees without it."""
        if urlsplit(self.path).query.lower() != "wsdl":
            self.answer(HTTPStatus.OK, f"<html><title>{service} Web Service</title></html>".encode())
        elif not self.server.variant.describes_itself:
            self.answer(HTTPStatus.NOT_FOUND, b"404 NOT FOUND")
        else:
            address = self.server.url + path
            description = wsdl.describe(service, address, self.server.variant.name_parameter)
            self.answer(HTTPStatus.OK, description, "text/xml; charset=utf-8")

    def _rest(self, path: str) -> None:
        headers = self.headers
        request = rest.Request(
            method="POST" if self.command == "POST" else "GET",
            path=path[len(_API) :],
            query=dict(parse_qsl(urlsplit(self.path).query)),
            accept=headers.get("Accept", ""),
            digest=headers.get("X-RequestDigest", ""),
            body=self.body,
            user=self.user,
        )
        answer = self.server.rest.answer(request, self.server.variant)
        self.answer(answer.status, answer.content, answer.content_type)
