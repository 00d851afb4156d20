"""What one SharePoint server offers: its version, its zone, and which services answer this account."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import requests

from kit import rest, search, soap
from kit.changes import ChangeLog
from kit.errors import (
    CertificateError,
    ProtocolError,
    RightsError,
    SignInError,
    SourceError,
    UnreachableError,
)
from kit.profiles import Profile, claim
from kit.refusals import login_page
from kit.walk import SERVICE, walk
from kit.web import WebSession

logger = logging.getLogger(__name__)

_VERSION_HEADER = "MicrosoftSharePointTeamServices"
_FORMS_REQUIRED = "X-Forms_Based_Auth_Required"
_FORMS_ACCEPTED = "X-FORMS_BASED_AUTH_ACCEPTED"
# First builds of the generations that all call themselves 16.0, highest first.
_GENERATIONS = ((14326, "Subscription Edition"), (10337, "2019"), (0, "2016"))


@dataclass(frozen=True)
class Zone:
    r"""How a web application is reached at this address; the zone's name is not told to clients.

    Parameters
    ----------
    public_url : str
        What the farm calls the site here. Another address than the one asked means that alternate access
        mapping sends clients elsewhere.
    sign_in : tuple[str, ...]
        Kinds of sign-in offered to who has not signed in: ``Negotiate``, ``NTLM``, ``Basic``, ``Forms``.
    signed_in_as : str
        The account as SharePoint sees it, ``i:0#.w|contoso\kit`` with claims.
    """

    public_url: str
    sign_in: tuple[str, ...]
    signed_in_as: str

    @property
    def uses_claims(self) -> bool:
        """Whether the web application works with claims, as nearly all do since 2013."""
        return "|" in self.signed_in_as


@dataclass(frozen=True)
class Capabilities:
    """What a server said of itself.

    Parameters
    ----------
    version : str
        As in every answer's ``MicrosoftSharePointTeamServices``; empty where a proxy takes that away.
    product : str
        The generation that the version belongs to, ``SharePoint 2016``; empty for an unknown one.
    my_site_host : str
        Where the picture library is; empty where no profile could be read.
    zone : Zone
        How the site is reached.
    offers : Mapping[str, bool | str]
        By name of an ability: True, False, or why not in one sentence.
    """

    version: str
    product: str
    my_site_host: str
    zone: Zone
    offers: Mapping[str, bool | str]


def product(version: str) -> str:
    """Return the generation of SharePoint that a version belongs to; the limits are those of first releases.

    Examples
    --------
    >>> product("16.0.0.4351"), product("16.0.10337.12109"), product("15.0.0.4569"), product("")
    ('SharePoint 2016', 'SharePoint 2019', 'SharePoint 2013', '')
    """
    numbers = [int(part) for part in version.split(".") if part.isdecimal()]
    if len(numbers) < 4 or numbers[0] not in {15, 16}:
        return ""
    if numbers[0] == 15:
        return "SharePoint 2013"
    build = numbers[2] or numbers[3]
    return f"SharePoint {next(name for first, name in _GENERATIONS if build >= first)}"


def probe(web: WebSession, stranger: WebSession) -> Capabilities:
    """Ask a server what it offers; nothing is written.

    Parameters
    ----------
    web : WebSession
        The signed-in session.
    stranger : WebSession
        One of the same site that does not sign in, to be offered the kinds of sign-in.

    Raises
    ------
    SourceError
        The server cannot be reached, its certificate is not trusted, it refuses the account, or it is no
        SharePoint server.
    """
    version = web.expect("GET", "_api/web", headers=rest.VERBOSE).headers.get(_VERSION_HEADER, "").strip()
    zone = _zone(web, stranger)
    client = soap.Client(web)
    sample: list[Profile] = []
    offers = {
        "profile_walk": _attempt(lambda: sample.extend(_first(client))),
        "change_log": _attempt(ChangeLog(client).current_token),
        "people_manager": _attempt(lambda: rest.read(web, f"{rest.PEOPLE_MANAGER}/GetMyProperties")),
        "people_search": _attempt(lambda: next(search.people(web, page_size=1), None)),
        "picture_user_editable": _attempt(lambda: picture_editable(client)),
        "service_description": _attempt(lambda: web.expect("GET", f"_vti_bin/{SERVICE}.asmx?wsdl")),
    }
    return Capabilities(
        version=version,
        product=product(version),
        my_site_host=my_site_host(web, sample[0].account_name if sample else ""),
        zone=zone,
        offers=MappingProxyType(offers),
    )


def _attempt(question: Callable[[], object]) -> bool | str:
    """Return True for an answer, or what the answer is where that is a truth value, or why there is none."""
    try:
        answer = question()
    except (UnreachableError, CertificateError, SignInError):
        raise
    except SourceError as error:
        return str(error)
    return answer if isinstance(answer, bool) else True


def _first(client: soap.Client) -> list[Profile]:
    """Return the first profile of the walk, which only an account with Manage Profiles may see."""
    return [found for found in [next(walk(client), None)] if isinstance(found, Profile)]


def picture_editable(client: soap.Client) -> bool:
    """Say whether people may set their own ``PictureURL``, as the schema's ``IsUserEditable`` has it.

    Raises
    ------
    SourceError
        The schema cannot be read, or has no such property.
    """
    for described in client.result(SERVICE, "GetUserProfileSchema").iterfind("{*}PropertyInfo"):
        if described.findtext("{*}Name") == "PictureURL":
            return described.findtext("{*}IsUserEditable") == "true"
    what = "the profile schema has no property PictureURL"
    raise ProtocolError(what, "the service described others", "look at the service application's properties")


def my_site_host(web: WebSession, somebody: str) -> str:
    """Return ``PersonalSiteHostUrl`` of the caller, or of somebody else where the caller has no profile.

    Empty where neither tells.
    """
    functions = ["GetMyProperties"]
    if somebody:
        functions.append(f"GetPropertiesFor(accountName=@v)?@v={rest.literal(claim(somebody))}")
    for function in functions:
        try:
            fields = rest.read(web, f"{rest.PEOPLE_MANAGER}/{function}")["d"]
            if host := fields.get("PersonalSiteHostUrl"):
                return str(host)
        except (ProtocolError, RightsError, KeyError, TypeError, AttributeError) as error:
            logger.info("no My Site host from %s: %s", function, error)
    return ""


def _zone(web: WebSession, stranger: WebSession) -> Zone:
    site, user = rest.read(web, "_api/web"), rest.read(web, "_api/web/currentuser")
    offered: dict[str, None] = {}
    # A zone with forms sign-in, too, names the one or the other.
    for forms_accepted in ("f", None):
        headers = {**rest.VERBOSE, _FORMS_ACCEPTED: forms_accepted}
        with closing(
            stranger.send("GET", f"{stranger.url}/_api/web", headers=headers, stream=True)
        ) as answer:
            offered |= dict.fromkeys(_sign_in(answer))
    return Zone(_field(site, "Url"), tuple(offered), _field(user, "LoginName"))


def _field(payload: Any, name: str) -> str:  # noqa: ANN401 - any JSON may come
    try:
        return str(payload["d"][name])
    except (KeyError, TypeError) as error:
        what = f"an answer about the site has no {name}"
        raise ProtocolError(what, "the answer has another shape", "check the address") from error


def _sign_in(answer: requests.Response) -> tuple[str, ...]:
    schemes = [value.split()[0] for value in answer.raw.headers.getlist("WWW-Authenticate") if value.strip()]
    forms = _FORMS_REQUIRED in answer.headers or login_page(answer)
    return (*schemes, *(["Forms"] if forms else []))
