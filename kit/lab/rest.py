"""The practice farm's REST interface: people, the web, people search and form digests, as JSON.

Atom, which the product answers with when nothing is asked for, is not modelled.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from kit.errors import KitError, NotFoundError
from kit.lab.digests import LIFETIME, FormDigests
from kit.lab.profiles import ProfileStore, StoredProfile
from kit.lab.search import SearchIndex
from kit.lab.user_information import Page, UserInformationList
from kit.lab.variant import Variant
from kit.profiles import claim

BUILD = "16.0.4351.1000"
_SERVER_EXCEPTION = "-1, Microsoft.SharePoint.Client.ServerException"
_INVALID_DIGEST = "-2130575252, Microsoft.SharePoint.SPException"
_PEOPLE = "sp.userprofiles.peoplemanager/"
_SEARCHES = ("search/", "microsoft.office.server.search.rest.searchservice/")
_FUNCTION = re.compile(r"(\w+)(?:\((.*)\))?")
_ARGUMENT = re.compile(r"\s*(?:(\w+)\s*=\s*)?('(?:[^']|'')*'|[^,']+)\s*(?:,|$)")
_POSITIONAL: Mapping[str, tuple[str, ...]] = {
    "getpropertiesfor": ("accountname",),
    "getuserprofilepropertyfor": ("accountname", "propertyname"),
}


@dataclass(frozen=True)
class Request:
    """One request below ``/_api/``.

    Parameters
    ----------
    method, path : str
        The path is decoded and begins after ``/_api/``.
    query : Mapping[str, str]
        Decoded.
    accept, digest : str
        The headers ``Accept`` and ``X-RequestDigest``.
    body : bytes
        As it came.
    user : str
        The caller's account.
    """

    method: str
    path: str
    query: Mapping[str, str]
    accept: str
    digest: str
    body: bytes
    user: str

    @property
    def dialect(self) -> str:
        """The JSON asked for; empty for anything else."""
        accept = self.accept.replace(" ", "").lower()
        if "application/json" not in accept:
            return ""
        found = re.search(r"odata=(verbose|nometadata|minimalmetadata|fullmetadata)", accept)
        return found[1] if found else "minimalmetadata"


@dataclass(frozen=True)
class Answer:
    """Status, body and content type."""

    status: int
    content: bytes = b""
    content_type: str = "text/html; charset=utf-8"


class RestError(Exception):
    """An answer that is an error; the code is the product's own."""

    def __init__(self, status: int, message: str, code: str = _SERVER_EXCEPTION) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class RestInterface:
    """Answers REST requests.

    Parameters
    ----------
    store : ProfileStore
        The profiles.
    index : SearchIndex
        What people search finds.
    users : UserInformationList
        The site's copies.
    digests : FormDigests
        What signs a write.
    url : str
        Address of the web application.
    """

    def __init__(
        self,
        store: ProfileStore,
        index: SearchIndex,
        users: UserInformationList,
        digests: FormDigests,
        url: str,
    ) -> None:
        self._store, self._index, self._users, self._digests, self._url = store, index, users, digests, url

    def answer(self, request: Request, variant: Variant) -> Answer:
        """Answer one request in the dialect that it asks for."""
        if not request.dialect and request.method == "GET":
            return Answer(HTTPStatus.NOT_ACCEPTABLE, b"Only JSON is modelled.")
        try:
            name, value = self._result(request, variant)
        except RestError as error:
            return _error(request, error)
        return _json(request, name, value, f"{self._url}/_api/")

    def _result(self, request: Request, variant: Variant) -> tuple[str, Any]:
        """Return the name of what was asked for and its value; None is OData's null."""
        path = request.path.lower()
        if request.method == "POST" and path == "contextinfo":
            return "GetContextWebInformation", self._context(request.user)
        if request.method == "POST" and not self._digests.accepts(request.digest, request.user):
            message = "The security validation for this page is invalid. Click Back in your Web browser."
            raise RestError(HTTPStatus.FORBIDDEN, message, _INVALID_DIGEST)
        if path.startswith(_PEOPLE):
            return self._people_manager(request, request.path[len(_PEOPLE) :])
        if path == "web" and request.method == "GET":
            return "", self._web()
        if path == "web/currentuser" and request.method == "GET":
            return "", _user(request.user)
        if path == "web/siteuserinfolist/items" and request.method == "GET":
            return "", self._copies(request)
        prefix = next((prefix for prefix in _SEARCHES if path.startswith(f"{prefix}query")), "")
        if prefix and request.method == "GET" and variant.searches:
            return "query", self._search(request, request.path[len(prefix) :])
        raise RestError(HTTPStatus.NOT_FOUND, f"Cannot find resource for the request {request.path}.")

    def _people_manager(self, request: Request, function: str) -> tuple[str, Any]:
        called = _FUNCTION.fullmatch(function)
        name = called[1].lower() if called else ""
        arguments = _arguments(name, (called[2] if called else "") or "", request.query)
        if name == "getmyproperties":
            return "GetMyProperties", self._person(request.user)
        if name == "getpropertiesfor" and "accountname" in arguments:
            return "GetPropertiesFor", self._person(arguments["accountname"])
        if name == "getuserprofilepropertyfor" and len(arguments) == 2:
            stored = self._find(arguments["accountname"])
            value = stored.properties.get(arguments["propertyname"], "") if stored else None
            return "GetUserProfilePropertyFor", value
        if name == "setmyprofilepicture" and request.method == "POST":
            self._upload(request.user, request.body)
            return "SetMyProfilePicture", None
        raise RestError(HTTPStatus.NOT_FOUND, f"Cannot find resource for the request {function}.")

    def _find(self, account_name: str) -> StoredProfile | None:
        try:
            return self._store.get(account_name)
        except NotFoundError:
            return None

    def _person(self, account_name: str) -> dict[str, Any] | None:
        """Return a person; null for an unknown one, not 404: most builds do so."""
        stored = self._find(account_name)
        return person_properties(stored, self._my_site) if stored else None

    @property
    def _my_site(self) -> str:
        """Address of the My Site host, below which the library of the pictures is."""
        library = self._store.picture_library
        return library.host + library.folder.rsplit("/", 2)[0]

    def _upload(self, user: str, picture: bytes) -> None:
        try:
            self._store.upload(user, picture)
        except KitError as error:
            raise RestError(HTTPStatus.INTERNAL_SERVER_ERROR, f"{error.what}: {error.cause}") from error

    def _copies(self, request: Request) -> Page:
        try:
            return self._users.page(request.query)
        except ValueError as error:
            raise RestError(HTTPStatus.BAD_REQUEST, f"The query could not be read: {error}") from error

    def _search(self, request: Request, function: str) -> dict[str, object]:
        called = _FUNCTION.fullmatch(function)
        inline = _arguments("query", (called[2] if called else "") or "", request.query)
        asked = {key.lower(): _literal(value) for key, value in request.query.items()}
        try:
            return self._index.query({**asked, **inline})
        except ValueError as error:
            raise RestError(HTTPStatus.BAD_REQUEST, f"A parameter could not be read: {error}") from error

    def _context(self, user: str) -> dict[str, Any]:
        return {
            "FormDigestTimeoutSeconds": int(LIFETIME.total_seconds()),
            "FormDigestValue": self._digests.give(user),
            "LibraryVersion": BUILD,
            "SiteFullUrl": self._url,
            "WebFullUrl": self._url,
        }

    def _web(self) -> dict[str, Any]:
        return {
            "__type": "SP.Web",
            "Id": str(uuid.uuid5(uuid.NAMESPACE_URL, "the root web of the practice farm")),
            "Language": 1033,
            "ServerRelativeUrl": "/",
            "Title": "Contoso",
            "UIVersion": 15,
            "Url": self._url,
            "WebTemplate": "SPSMSITEHOST",
        }


def person_properties(stored: StoredProfile, host: str) -> dict[str, Any]:
    """Return ``SP.UserProfiles.PersonProperties``; only its own ``PictureUrl`` has a cache-buster."""
    properties = stored.properties
    picture = properties["PictureURL"]
    return {
        "__type": "SP.UserProfiles.PersonProperties",
        "AccountName": claim(stored.account_name),
        "DirectReports": [],
        "DisplayName": properties["PreferredName"],
        "Email": properties["WorkEmail"],
        "ExtendedManagers": [],
        "ExtendedReports": [claim(stored.account_name)],
        "IsFollowed": False,
        "LatestPost": None,
        "Peers": [],
        "PersonalSiteHostUrl": f"{host}/",
        "PersonalUrl": f"{host}/Person.aspx?accountname={claim(stored.account_name)}",
        "PictureUrl": f"{picture}?t={properties['SPS-PictureTimestamp']}" if picture else None,
        "Title": properties["Title"],
        "UserProfileProperties": [
            {"__type": "SP.KeyValue", "Key": name, "Value": value, "ValueType": "Edm.String"}
            for name, value in properties.items()
        ],
        "UserUrl": f"{host}/Person.aspx?accountname={claim(stored.account_name)}",
    }


def _user(account_name: str) -> dict[str, Any]:
    return {
        "__type": "SP.User",
        "Email": "",
        "Id": 1,
        "IsSiteAdmin": False,
        "LoginName": claim(account_name),
        "Title": account_name,
    }


def _arguments(function: str, text: str, query: Mapping[str, str]) -> dict[str, str]:
    """Return the arguments of ``function(...)`` by name in lower case: named, by position, or ``@alias``."""
    names = iter(_POSITIONAL.get(function, ()))
    found = {}
    for name, value in _ARGUMENT.findall(text):
        key = name.lower() or next(names, "")
        found[key] = _literal(query.get(value, "") if value.startswith("@") else value)
    return found


def _literal(text: str) -> str:
    return text[1:-1].replace("''", "'") if text.startswith("'") and text.endswith("'") else text


def _json(request: Request, name: str, value: Any, base: str) -> Answer:  # noqa: ANN401 - any JSON
    """Return a value in the dialect asked for.

    A named value that is null or has no fields is wrapped in its name in verbose JSON; the others are too
    where they are no entities.
    """
    dialect = request.dialect or "verbose"
    payload: dict[str, Any]
    if isinstance(value, Page):
        payload = _collection(value, f"{base}{request.path}", verbose=dialect == "verbose")
    elif dialect == "verbose":
        entity = isinstance(value, dict) and "__type" in value
        verbose = _verbose(value, base + request.path)
        payload = {"d": verbose if entity else {name: verbose}}
    elif value is None:
        payload = {"odata.null": True}
    else:
        payload = _light(value) if isinstance(value, dict) else {"value": value}
        if dialect != "nometadata":
            payload = {"odata.metadata": f"{base}$metadata", **payload}
    return Answer(
        HTTPStatus.OK, json.dumps(payload).encode(), f"application/json;odata={dialect};charset=utf-8"
    )


def _collection(page: Page, address: str, *, verbose: bool) -> dict[str, Any]:
    """Return a page of a collection, with the address of the next one if there is one."""
    following = f"{address}?{page.following}" if page.following else ""
    if verbose:
        return {"d": {**_verbose(page.items), **({"__next": following} if following else {})}}
    return {"value": _light(page.items), **({"odata.nextLink": following} if following else {})}


def _verbose(value: Any, uri: str = "") -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return {"results": [_verbose(item) for item in value]}
    if not isinstance(value, dict):
        return value
    fields = {key: _verbose(item) for key, item in value.items() if key != "__type"}
    if "__type" not in value:
        return fields
    address = {"id": uri, "uri": uri} if uri else {}
    return {"__metadata": {**address, "type": value["__type"]}, **fields}


def _light(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return [_light(item) for item in value]
    if isinstance(value, dict):
        return {key: _light(item) for key, item in value.items() if key != "__type"}
    return value


def _error(request: Request, error: RestError) -> Answer:
    dialect = request.dialect or "verbose"
    key = "error" if dialect == "verbose" else "odata.error"
    content = {key: {"code": error.code, "message": {"lang": "en-US", "value": str(error)}}}
    return Answer(
        error.status, json.dumps(content).encode(), f"application/json;odata={dialect};charset=utf-8"
    )
