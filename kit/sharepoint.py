"""SharePoint 2016 user profiles, their change log and their pictures, over SOAP, REST and plain HTTP.

Message shapes are those of live servers. Not proven for 2016 and so never relied upon: that the walk meets
every profile the count counts, the form of an unknown user's answer, and what a digest error's number means.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from types import TracebackType
from typing import Any
from urllib.parse import quote, urljoin
from xml.etree.ElementTree import Element

import requests
from requests.adapters import BaseAdapter

from kit import profiles, soap
from kit.endpoint import Endpoint
from kit.errors import NotFoundError, ProtocolError, SignInError
from kit.pictures import Picture
from kit.profiles import Change, Changes, Profile, UnreadableProfile, claim, normalise_account
from kit.web import WebSession, correlation

__all__ = [
    "Change",
    "Changes",
    "Picture",
    "Profile",
    "SharePoint",
    "UnreadableProfile",
    "normalise_account",
]

logger = logging.getLogger(__name__)

_PROFILES = "UserProfileService"
_CHANGES = "UserProfileChangeService"
_PEOPLE_MANAGER = "_api/SP.UserProfiles.PeopleManager"
_LONGEST_REDIRECT_CHAIN = 5
_MOST_UNREADABLE_IN_A_ROW = 25

# Every flag of UserProfileChangeQuery is mandatory, in this order (the base type's first).
_WANTED = {"SingleValueProperty", "Add", "Update", "Delete", "UserProfile"}
_CHANGE_QUERY = "".join(
    f"<{flag}>{str(flag in _WANTED).lower()}</{flag}>"
    for flag in (
        "SingleValueProperty",
        "MultiValueProperty",
        "Custom",
        "Add",
        "Update",
        "UpdateMetadata",
        "Delete",
        "Anniversary",
        "DistributionListMembership",
        "SiteMembership",
        "QuickLink",
        "Colleague",
        "WebLog",
        "PersonalizationSite",
        "UserProfile",
        "OrganizationMembership",
    )
)


class SharePoint:
    r"""A SharePoint web application's user profiles; may be shared by threads.

    Parameters are those of `kit.web.WebSession`; its address may be any site of the farm.

    Examples
    --------
    >>> with SharePoint(Endpoint("https://portal.contoso.example/", "CONTOSO\\kit", "secret")) as farm:
    ...     farm.url
    'https://portal.contoso.example'
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        transport: BaseAdapter | None = None,
    ) -> None:
        self._web = WebSession(endpoint, transport=transport)
        self._soap = soap.Client(self._web)
        self.url = self._web.url

    def count(self) -> int:
        """Return the number of profiles the farm counts; the walk may well meet another number."""
        return soap.integer(self._soap.result(_PROFILES, "GetUserProfileCount").text)

    def profiles(self) -> Iterator[Profile | UnreadableProfile]:
        """Walk through every profile, in the order of record numbers.

        ``NextValue`` of one answer is the record number to ask for next, with holes between, and -1 at the
        end. An answer that cannot be read gives an `UnreadableProfile`, and the walk goes on after it. A walk
        during a profile import can miss or repeat people: ``profile_guid`` tells.

        Yields
        ------
        Profile or UnreadableProfile
            One per profile.

        Raises
        ------
        ProtocolError
            The walk turns in circles, or answer after answer cannot be read.
        """
        index, unreadable = -1, 0
        while True:
            response = self._soap.exchange(_PROFILES, "GetUserProfileByIndex", f"<index>{index}</index>")
            found: Profile | UnreadableProfile | None
            try:
                found, following = _indexed(self._soap.accept(response, "GetUserProfileByIndex"), index)
                unreadable = 0
            except ProtocolError as error:
                unreadable += 1
                if unreadable > _MOST_UNREADABLE_IN_A_ROW:
                    raise
                found, following = _unreadable(response.content, index, error)
            if found:
                yield found
            if following == -1:
                return
            if following <= index:
                what = f"the profile walk went from record {index} to {following}"
                raise ProtocolError(what, "the service turns in circles", "repeat when no import is running")
            index = following

    def profile(self, account_name: str) -> Profile | None:
        """Return one account's profile by SOAP, or None when it has none.

        Parameters
        ----------
        account_name : str
            Classic or claim form.
        """
        # A live server wants a capital A in this one operation; the published description has a small one.
        request = f"<AccountName>{soap.escape(account_name)}</AccountName>"
        response = self._soap.exchange(_PROFILES, "GetUserProfileByName", request)
        if _tells_unknown_user(soap.fault(soap.body(response.content)), account_name):
            return None
        element = self._soap.accept(response, "GetUserProfileByName")
        found = profiles.properties(element.iterfind("{*}GetUserProfileByNameResult/{*}PropertyData"))
        return Profile.of(found) if found else None

    def properties_for(self, account_name: str, *, light: bool = False) -> Profile | None:
        """Return one account's profile by REST, or None when it has none.

        Parameters
        ----------
        account_name : str
            Classic or claim form.
        light : bool
            Ask for light JSON instead of verbose JSON; the profile is the same.
        """
        literal = quote("'" + claim(account_name).replace("'", "''") + "'", safe="")
        accept = f"application/json;odata={'minimalmetadata' if light else 'verbose'}"
        path = f"{_PEOPLE_MANAGER}/GetPropertiesFor(accountName=@v)?@v={literal}"
        return profiles.person(_json(self._web.expect("GET", path, headers={"Accept": accept})))

    def current_token(self) -> str:
        """Return the token of this moment in the change log; opaque, and good for 14 days."""
        return self._soap.result(_CHANGES, "GetCurrentChangeToken").text or ""

    def changes(self, token: str = "") -> Changes:
        """Return every change of profiles and of their single values since a token, all pages together.

        Parameters
        ----------
        token : str
            From `current_token` or an earlier `Changes`; empty for everything the log still holds.

        Returns
        -------
        Changes
            With ``gap`` set and nothing in it when the token was refused but the service answers: the token
            has expired, and what happened before the new one can be learnt only by comparing profiles.
        """
        rows: list[Change] = []
        try:
            page, following = self._page(token)
        except ProtocolError as error:
            fresh = self.current_token()
            logger.warning("the change log has a gap: %s", error)
            return Changes((), fresh, gap=True)
        while page:
            rows += page
            asked = following
            page, following = self._page(asked)
            if page and following == asked:
                what = "reading the change log came to no end"
                raise ProtocolError(what, "the service gave the same token twice", "report the farm's build")
        return Changes(tuple(rows), following)

    def picture(self, url: str, *, etag: str = "") -> Picture:
        """Fetch a picture and judge what came; one person's trouble is a value, not an exception.

        Parameters
        ----------
        url : str
            ``PictureURL`` of a profile, absolute or relative to the site.
        etag : str
            Version already held: an unchanged file then gives ``not_modified`` and no bytes.

        Raises
        ------
        UnreachableError
            The server cannot be reached at all.
        CertificateError
            Its certificate is not trusted.
        """
        if not url:
            return Picture.without_answer(url, "missing")
        headers = {"If-None-Match": etag} if etag else {}
        address, redirects = url, 0
        try:
            address = urljoin(f"{self.url}/", url)
            response = self._web.send("GET", address, headers=headers)
            while response.is_redirect and redirects < _LONGEST_REDIRECT_CHAIN:
                redirects += 1
                address = urljoin(address, response.headers["Location"])
                response = self._web.send("GET", address, headers=headers)
        except SignInError:
            return Picture.without_answer(address, "forbidden", HTTPStatus.UNAUTHORIZED)
        except (NotFoundError, ValueError) as error:
            logger.info("no picture at %r: %s", url, error)
            return Picture.without_answer(address, "missing")
        except ProtocolError as error:
            logger.info("no picture at %r: %s", url, error)
            return Picture.without_answer(address, "not_an_image")
        return Picture.of(response)

    def call(self, service: str, operation: str, body: str) -> Element:
        """Make one SOAP call.

        Parameters
        ----------
        service : str
            ``UserProfileService`` or ``UserProfileChangeService``.
        operation : str
            Its name in the service.
        body : str
            The parameters as XML, in the service's namespace, in the documented order.

        Returns
        -------
        Element
            The response element, which holds the result.

        Raises
        ------
        RightsError
            The account may not do this.
        ProtocolError
            A fault, or no SharePoint service at the address.
        """
        return self._soap.call(service, operation, body)

    def post(
        self, path: str, content: bytes | None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a REST write, with the form digest that it needs.

        Parameters
        ----------
        path : str
            Below the site, ``_api/...``.
        content : bytes or None
            The body as it is.
        headers : Mapping[str, str] or None
            Further headers.
        """
        verbose = {"Accept": "application/json;odata=verbose"}
        context = _json(self._web.expect("POST", "_api/contextinfo", headers=verbose, data=b""))
        try:
            digest = str(context["d"]["GetContextWebInformation"]["FormDigestValue"])
        except (KeyError, TypeError) as error:
            what = f"{self.url}/_api/contextinfo gave no form digest"
            raise ProtocolError(what, "the answer has another shape", "check the address") from error
        signed = {**verbose, "X-RequestDigest": digest, **(headers or {})}
        return self._web.expect("POST", path, data=content, headers=signed)

    def close(self) -> None:
        """Close every connection."""
        self._web.close()

    def __enter__(self) -> SharePoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _page(self, token: str) -> tuple[list[Change], str]:
        """Return one page of the change log and the token after it."""
        if token:
            after = f"<changeToken>{soap.escape(token)}</changeToken>"
            query = f"<changeQuery>{_CHANGE_QUERY}</changeQuery>"
            result = self._soap.result(_CHANGES, "GetChanges", after + query)
        else:
            result = self._soap.result(_CHANGES, "GetAllChanges")
        rows = [profiles.change(row) for row in result.iterfind("{*}Changes/{*}UserProfileChangeData")]
        return rows, result.findtext("{*}ChangeToken") or ""


def _indexed(response: Element, index: int) -> tuple[Profile | None, int]:
    """Return the profile in an answer of the walk, if any, and the record number to ask for next."""
    result = "{*}GetUserProfileByIndexResult"
    found = profiles.properties(response.iterfind(f"{result}/{{*}}UserProfile/{{*}}PropertyData"))
    if not found:
        return None, -1  # without a profile the walk is over, whatever NextValue says
    return Profile.of(found, index), soap.integer(response.findtext(f"{result}/{{*}}NextValue"))


def _unreadable(content: bytes, index: int, error: ProtocolError) -> tuple[UnreadableProfile, int]:
    """Return what can be saved of an answer that is no proper XML; where nothing can, go on by one record."""
    lost = UnreadableProfile(index, error.kind, str(error))
    try:
        found, following = _indexed(soap.body(soap.legible(content)), index)
    except ProtocolError as hopeless:
        logger.info("record %d: %s", index, hopeless)
        found = None
    return (replace(lost, account=found.account), following) if found else (lost, max(index, 0) + 1)


def _tells_unknown_user(reason: str, account_name: str) -> bool:
    """Say whether a fault is about an account without a profile.

    The English texts are known; that a localised one names the account, too, is an inference.
    """
    named = "\\" in account_name and account_name.lower() in reason.lower()
    known = any(words in reason.lower() for words in ("could not be found", "user not found"))
    return (named or known) and not soap.denies(reason)


def _json(response: requests.Response) -> Any:  # noqa: ANN401 - any JSON may come
    try:
        return response.json()
    except ValueError as error:
        what = f"the answer of {response.url} could not be read"
        cause = f"it is {response.headers.get('Content-Type', '')!r}, not JSON{correlation(response)}"
        raise ProtocolError(what, cause, "check the address") from error
