"""The practice farm's SharePoint 2016: profile services, REST, form digests and picture library over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import ssl
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

from kit.errors import KitError, NotFoundError
from kit.lab import soap
from kit.lab.clock import Clock
from kit.lab.domain import Account, Domain
from kit.lab.ntlm import WINDOWS_SCHEMES, NTLMHandler, Server
from kit.lab.picture_library import SIZES, PictureFile
from kit.lab.profiles import ProfileStore, StoredProfile
from kit.profiles import claim

_BUILD = "16.0.0.4266"
_SERVER_EXCEPTION = "-1, Microsoft.SharePoint.Client.ServerException"
_DIGEST_LIFETIME = timedelta(seconds=1800)
_PEOPLE_MANAGER = "/_api/sp.userprofiles.peoplemanager/"
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
        self._secret = secrets.token_bytes(32)

    def digest(self, user: str, given: datetime) -> str:
        """Return the form digest that a user was given at a time."""
        stamp = given.strftime("%d %b %Y %H:%M:%S -0000")
        seal = hmac.new(self._secret, f"{user},{stamp}".encode(), hashlib.sha256)
        return f"0x{seal.hexdigest().upper()},{stamp}"

    def accepts(self, digest: str, user: str) -> bool:
        """Say whether a form digest was given to this user and has not expired."""
        try:
            given = datetime.strptime(digest.partition(",")[2], "%d %b %Y %H:%M:%S -0000").replace(tzinfo=UTC)
        except ValueError:
            return False
        expired = self.clock.now() - given > _DIGEST_LIFETIME
        return not expired and hmac.compare_digest(digest.encode(), self.digest(user, given).encode())


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


class SharePointHandler(NTLMHandler):
    """Answers one connection's requests."""

    server: SharePointServer

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        """Serve REST reads and library files."""
        if not self._admit():
            return
        path = unquote(urlsplit(self.path).path)
        if path.lower().startswith(_PEOPLE_MANAGER):
            self._people_manager(path[len(_PEOPLE_MANAGER) :])
        else:
            self._library_file(path)

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        """Serve SOAP calls, form digests and REST writes."""
        if not self._admit():
            return
        path = unquote(urlsplit(self.path).path)
        service = _SERVICE.fullmatch(path)
        if service:
            name, action = _SERVICE_NAMES[service[1].lower()], self.headers.get("SOAPAction", "")
            status, content = soap.answer(self.server.store, name, action, self.body, self.roles)
            self.answer(status, content, "text/xml; charset=utf-8")
        elif path.lower() == "/_api/contextinfo":
            self._context_info()
        elif path.lower() == f"{_PEOPLE_MANAGER}setmyprofilepicture":
            self._set_my_picture()
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

    # REST

    def _people_manager(self, function: str) -> None:
        name, _, _ = function.partition("(")
        if name.lower() == "getmyproperties":
            self._person("GetMyProperties", self.user)
        elif function.lower() == "getpropertiesfor(accountname=@v)":
            literal = parse_qs(urlsplit(self.path).query).get("@v", [""])[0]
            self._person("GetPropertiesFor", literal[1:-1].replace("''", "'"))
        else:
            self._error(HTTPStatus.NOT_FOUND, f"Cannot find resource for the request {name}.")

    def _person(self, function: str, account_name: str) -> None:
        try:
            stored = self.server.store.get(account_name)
        except NotFoundError:
            # 200 and null, not 404: most builds do so.
            self._json({"d": {function: None}}, {"odata.null": True})
            return
        fields = _person_properties(stored)
        verbose = {
            key: {"results": value} if isinstance(value, list) else value for key, value in fields.items()
        }
        self._json({"d": verbose}, {"odata.metadata": f"{self.server.url}/_api/$metadata", **fields})

    def _context_info(self) -> None:
        information = {
            "FormDigestTimeoutSeconds": int(_DIGEST_LIFETIME.total_seconds()),
            "FormDigestValue": self.server.digest(self.user, self.server.clock.now()),
            "LibraryVersion": _BUILD,
            "SiteFullUrl": self.server.url,
            "WebFullUrl": self.server.url,
        }
        self._json({"d": {"GetContextWebInformation": information}}, information)

    def _set_my_picture(self) -> None:
        if not self.server.accepts(self.headers.get("X-RequestDigest", ""), self.user):
            message = "The security validation for this page is invalid."
            self._error(HTTPStatus.FORBIDDEN, message, "-2130575252, Microsoft.SharePoint.SPException")
            return
        try:
            self.server.store.upload(self.user, self.body)
        except KitError as error:
            self._error(HTTPStatus.INTERNAL_SERVER_ERROR, f"{error.what}: {error.cause}")
            return
        self._json({"d": {"SetMyProfilePicture": None}}, {"odata.null": True})

    def _json(self, verbose: Mapping[str, object], light: Mapping[str, object]) -> None:
        """Answer in the JSON dialect that was asked for; Atom, the product's default, is not modelled."""
        accept = self.headers.get("Accept", "").replace(" ", "").lower()
        if "application/json" not in accept:
            self.answer(HTTPStatus.NOT_ACCEPTABLE, b"Only JSON is modelled.")
            return
        dialect = "verbose" if "odata=verbose" in accept else "minimalmetadata"
        content = json.dumps(verbose if dialect == "verbose" else light).encode()
        self.answer(HTTPStatus.OK, content, f"application/json;odata={dialect};charset=utf-8")

    def _error(self, status: int, message: str, code: str = _SERVER_EXCEPTION) -> None:
        error = {"error": {"code": code, "message": {"lang": "en-US", "value": message}}}
        self.answer(status, json.dumps(error).encode(), "application/json;odata=verbose;charset=utf-8")

    # Picture library

    def _library_file(self, path: str) -> None:
        file = self.server.store.file(path)
        if file is None:
            self.answer(HTTPStatus.NOT_FOUND, b"404 NOT FOUND")
        elif not self.server.store.may_read(path, self.user):
            self.answer(HTTPStatus.FORBIDDEN, b"403 FORBIDDEN")
        elif self._has(file):
            self.answer(HTTPStatus.NOT_MODIFIED, headers=self._file_headers(file))
        else:
            self.answer(HTTPStatus.OK, file.content, file.content_type, self._file_headers(file))

    def _has(self, file: PictureFile) -> bool:
        """Say whether the client holds this version; an ETag goes before a date (RFC 9110 13.2.2)."""
        if "If-None-Match" in self.headers:
            return file.etag in self.headers["If-None-Match"]
        try:
            since = parsedate_to_datetime(self.headers.get("If-Modified-Since", "")).astimezone(UTC)
        except ValueError:
            return False
        return file.modified.replace(microsecond=0) <= since

    def _file_headers(self, file: PictureFile) -> Mapping[str, str]:
        fifteen_days_ago = self.server.clock.now() - timedelta(days=15)
        return {
            "ETag": file.etag,
            "Last-Modified": format_datetime(file.modified, usegmt=True),
            "Cache-Control": "private,max-age=0",
            "Expires": format_datetime(fifteen_days_ago, usegmt=True),
            "ResourceTag": f"rt:{str(file.guid).upper()}@{file.version:011d}",
            "Public-Extension": "http://schemas.microsoft.com/repl-2",
        }


def _person_properties(stored: StoredProfile) -> dict[str, object]:
    """Return ``SP.UserProfiles.PersonProperties``; only its own ``PictureUrl`` has a cache-buster."""
    properties = stored.properties
    picture = properties["PictureURL"]
    return {
        "AccountName": claim(stored.account_name),
        "DirectReports": [],
        "DisplayName": properties["PreferredName"],
        "Email": properties["WorkEmail"],
        "IsFollowed": False,
        "PersonalSiteHostUrl": picture.partition("/User%20Photos")[0] + "/" if picture else "",
        "PictureUrl": f"{picture}?t={properties['SPS-PictureTimestamp']}" if picture else None,
        "Title": properties["Title"],
        "UserProfileProperties": [
            {"Key": name, "Value": value, "ValueType": "Edm.String"} for name, value in properties.items()
        ],
    }
