"""SharePoint 2016 user profiles, their change log and their pictures, over SOAP, REST and plain HTTP.

Message shapes are those of live servers. Not proven for 2016 and so never relied upon: that the walk meets
every profile the count counts, the form of an unknown user's answer, and what a digest error's number means.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import TracebackType
from xml.etree.ElementTree import Element

import requests
from requests.adapters import BaseAdapter

from kit import capabilities, copies, downloads, profiles, rest, search, soap
from kit.capabilities import Capabilities
from kit.changes import Change, ChangeLog, Changes, Gap
from kit.copies import SiteCopy
from kit.endpoint import Endpoint
from kit.errors import ProtocolError
from kit.manners import Manners
from kit.pictures import Picture, Version
from kit.profiles import Profile, UnreadableProfile, claim, normalise_account
from kit.search import SearchPerson
from kit.walk import count, walk
from kit.web import WebSession, correlation

__all__ = [
    "Capabilities",
    "Change",
    "Changes",
    "Gap",
    "Picture",
    "Profile",
    "SearchPerson",
    "SharePoint",
    "UnreadableProfile",
    "Version",
    "normalise_account",
]

_PROFILES = "UserProfileService"


class SharePoint:
    r"""A SharePoint web application's user profiles; may be shared by threads.

    Parameters are those of `kit.web.WebSession`; its address may be any site of the farm. ``my_site`` is the
    address of the My Site host, if that is another: a relative ``PictureURL``, which a photo imported from
    Active Directory has at first, is relative to it, and pictures are given up when it does not answer.

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
        manners: Manners = Manners(),  # noqa: B008 - frozen
        my_site: str = "",
        hosts: Collection[str] = (),
        use_proxy: bool = False,
        transport: BaseAdapter | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._session = partial(
            WebSession,
            manners=manners,
            my_site=my_site,
            hosts=hosts,
            use_proxy=use_proxy,
            transport=transport,
            wait=wait,
        )
        self._endpoint = endpoint
        self._web = self._session(endpoint)
        self._soap = soap.Client(self._web)
        self._pictures = downloads.Client(self._web, my_site=my_site)
        self._changes = ChangeLog(self._soap)
        self.url = self._web.url

    def count(self) -> int:
        """Return the number of profiles the farm counts; the walk may well meet another number.

        `kit.walk.shortfall` compares the two.
        """
        return count(self._soap)

    def profiles(self) -> Iterator[Profile | UnreadableProfile]:
        """Walk through every profile, in the order of record numbers.

        An answer that cannot be read gives an `UnreadableProfile`, and the walk goes on after it. A walk
        during a profile import can miss or repeat people: ``profile_guid`` tells. A person can have two
        profiles, as after a move to another kind of claim: each has its own account.

        Yields
        ------
        Profile or UnreadableProfile
            One per profile.

        Raises
        ------
        ProtocolError
            The walk turns in circles, answer after answer cannot be read, or it ends without saying so and
            before everyone was met whom the farm counts.
        """
        return walk(self._soap)

    def profile(self, account_name: str) -> Profile | None:
        """Return one account's profile by SOAP, or None when it has none.

        Parameters
        ----------
        account_name : str
            Classic or claim form.

        Raises
        ------
        ProtocolError
            The answer is another account's profile.
        """
        # Live servers read AccountName, the published description says accountName, and a server that reads
        # neither answers with the caller's own profile (MS-UPSWS) or may even create that. So both are sent:
        # .NET passes over an element that it does not know, which is an inference for this service.
        name = soap.escape(account_name)
        request = f"<AccountName>{name}</AccountName><accountName>{name}</accountName>"
        response = self._soap.exchange(_PROFILES, "GetUserProfileByName", request)
        if _tells_unknown_user(soap.fault(soap.body(response.content)), account_name):
            return None
        element = self._soap.accept(response, "GetUserProfileByName")
        found = profiles.properties(element.iterfind("{*}GetUserProfileByNameResult/{*}PropertyData"))
        if not found:
            return None
        answered = Profile.of(found)
        if answered.account != normalise_account(account_name):
            what = f"asked for {account_name!r}, {self.url} answered with {answered.account_name!r}"
            cause = "the service did not read the name, or knows the person by another"
            raise ProtocolError(what, f"{cause}{correlation(response)}", "ask as the walk names the person")
        return answered

    def properties_for(self, account_name: str, *, light: bool = False) -> Profile | None:
        """Return one account's profile by REST, or None when it has none.

        Parameters
        ----------
        account_name : str
            Classic or claim form.
        light : bool
            Ask for light JSON instead of verbose JSON; the profile is the same.
        """
        name = rest.literal(claim(account_name))
        path = f"{rest.PEOPLE_MANAGER}/GetPropertiesFor(accountName=@v)?@v={name}"
        return profiles.person(rest.read(self._web, path, rest.LIGHT if light else rest.VERBOSE))

    def search_people(self, words: str = "*") -> Iterator[SearchPerson]:
        """Ask people search who has a profile: a second opinion, and never evidence that somebody has none.

        The index lags behind the crawl and leaves out who may not be seen; see `kit.search`.

        Parameters
        ----------
        words : str
            In the keyword query language; everyone by default.

        Yields
        ------
        SearchPerson
            In the order of the index.
        """
        return search.people(self._web, words)

    def site_copies(self) -> Iterator[SiteCopy]:
        """Ask the site for its own copies of people's picture addresses; see `kit.copies`."""
        return copies.copies(self._web)

    def my_site_host(self, somebody: str = "") -> str:
        """Return the address of the My Site host as profiles name it; empty where they do not.

        Parameters
        ----------
        somebody : str
            An account with a profile, asked about where this account has none.
        """
        return capabilities.my_site_host(self._web, somebody)

    def picture_editable(self) -> bool:
        """Say whether people may set their own picture; see `kit.capabilities.picture_editable`."""
        return capabilities.picture_editable(self._soap)

    def capabilities(self) -> Capabilities:
        """Ask for the server's version, its zone and what it offers this account; see `kit.capabilities`."""
        with self._session(replace(self._endpoint, username="", password="", auth="none")) as stranger:
            return capabilities.probe(self._web, stranger)

    def current_token(self) -> str:
        """Return the token of this moment in the change log; opaque, and good for 14 days."""
        return self._changes.current_token()

    def changes(self, token: str = "") -> Changes:
        """Return every change of profiles and of their single values since a token, all pages together.

        Parameters
        ----------
        token : str
            From `current_token` or an earlier `Changes`; empty for everything the log still holds.

        Returns
        -------
        Changes
            With ``gap`` set, and all that the log still holds, when the token was refused but the service
            answers: it has expired, and what happened before can be learnt only by comparing profiles.

        Raises
        ------
        ProtocolError
            The service refuses every token, or its answers come to no end.
        """
        return self._changes.since(token)

    def picture(
        self, url: str, *, size: str = "", known: Version | None = None, fresh: bool = False
    ) -> Picture:
        """Fetch a picture and judge what came; one person's trouble is a value, not an exception.

        Parameters
        ----------
        url : str
            ``PictureURL`` of a profile, absolute or relative.
        size : str
            ``S``, ``M`` or ``L``: that thumbnail instead of the one the address names; empty for the named
            one, which is what the synchronization service downloads.
        known : Version or None
            Version already held: an unchanged file then gives ``not_modified`` and no bytes.
        fresh : bool
            Ask past every cache, with a query that none of them has seen.

        Raises
        ------
        UnreachableError
            The site or its My Site host cannot be reached at all, or fails for one picture after the other;
            one file's silence is a value, and so is another host's.
        CertificateError
            Their certificate is not trusted.
        SignInError
            They refuse the account; another host's refusal is a value.
        ParameterError
            There is no such size.
        """
        return self._pictures.picture(url, size=size, known=known, fresh=fresh)

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
        return rest.write(self._web, path, content, headers or {})

    def close(self) -> None:
        """Close every connection."""
        self._web.close()

    def __enter__(self) -> SharePoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _tells_unknown_user(reason: str, account_name: str) -> bool:
    """Say whether a fault is about an account without a profile.

    The English texts are known; that a localised one names the account, too, is an inference.
    """
    named = "\\" in account_name and account_name.lower() in reason.lower()
    known = any(words in reason.lower() for words in ("could not be found", "user not found"))
    return (named or known) and not soap.denies(reason)
