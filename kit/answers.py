"""An HTTP answer judged: is it the picture, and if not, what came in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import urlsplit

from kit.addresses import is_placeholder_address, shown
from kit.decoder import name_what_it_is
from kit.pictures import UNVERSIONED, Picture, Version, http_time
from kit.signatures import image_format_of, is_whole

# Where SharePoint and ADFS send whoever has not signed in.
_SIGN_IN_ADDRESS = re.compile(
    r"/_login/|/_forms/|/_trust/|/_windows/|/authenticate\.aspx|/adfs/|/login\.aspx|[?&]wa=wsignin",
    re.IGNORECASE,
)
_DENIAL_ADDRESS = re.compile(r"/accessdenied\.aspx", re.IGNORECASE)
# A password field, the form that carries a token to ADFS or SAML, or an English title.
_SIGN_IN_PAGE = re.compile(
    rb"type=[\"']?password|wsignin1\.0|samlrequest|<title[^>]*>[^<]*\b(?:sign|log)[ -]?[io]n\b", re.IGNORECASE
)
_FORMS_HEADERS = ("X-Forms_Based_Auth_Required", "X-Forms_Based_Auth_Return_Url")
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_UPLOAD = "have the picture uploaded again"
_GRANT = "give it Full Read on the My Site web application by a user policy"
_OTHER_ZONE = "set sharepoint.auth to forms, or name a zone with Windows sign-in"
_LOOK = "open the address in a browser as this account"
_DENIED = ("forbidden", "the account may not read the file", _GRANT)
_MISSING = ("missing", "there is no such file", f"{_UPLOAD}, or correct the profile's PictureURL")
_BUSY = ("unreachable", "the server is too busy or stopped", "try again later")
_STATUSES: Mapping[int, tuple[str, str, str]] = MappingProxyType(
    {
        HTTPStatus.UNAUTHORIZED: (
            "forbidden",
            "the host does not take the account, or the account does not sign in there",
            "name the host in sharepoint.hosts if it may have the account's password",
        ),
        HTTPStatus.FORBIDDEN: _DENIED,
        **dict.fromkeys(_GONE, _MISSING),
        HTTPStatus.TOO_MANY_REQUESTS: _BUSY,
        HTTPStatus.SERVICE_UNAVAILABLE: _BUSY,
    }
)
_REDIRECTIONS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Answer:
    """An answer as it came, before it is judged.

    Parameters
    ----------
    addresses : tuple of str
        The address asked, then every redirection's.
    status : int
    headers : Mapping[str, str]
        Case-insensitive.
    body : bytes
        What was read of it.
    interruption : str
        How a lost connection ended the body; empty if it came whole.
    oversize : bool
        Whether reading was given up because the body is too long.
    known : Version
        The version that was named in the question's conditions; empty without conditions.
    correlation : str
        SharePoint's correlation id in words, for whoever reads its logs; may be empty.
    """

    addresses: tuple[str, ...]
    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    interruption: str = ""
    oversize: bool = False
    known: Version = UNVERSIONED
    correlation: str = ""

    @property
    def url(self) -> str:
        """Where the answer came from."""
        return self.addresses[-1]

    @property
    def sign_in_address(self) -> str:
        """The first address on the way that is a sign-in page; empty if none is."""
        return next((url for url in self.addresses if _SIGN_IN_ADDRESS.search(url)), "")

    @property
    def was_denied(self) -> bool:
        """Whether the way led to the page that tells people they have no access."""
        return any(_DENIAL_ADDRESS.search(url) for url in self.addresses)

    @property
    def version(self) -> Version:
        """The version that the headers name, as far as it can be relied upon.

        A date alone tells two versions of the same second apart only if it lies well before the answer: one
        minute is what HTTP asked for (RFC 9110 8.8.2.2).
        """
        etag, last_modified = self.headers.get("ETag", ""), self.headers.get("Last-Modified", "")
        modified, now = http_time(last_modified), http_time(self.headers.get("Date", ""))
        settled = modified and now and now - modified >= timedelta(seconds=60)
        return Version(self.url, etag, last_modified if etag or settled else "")


def judge(answer: Answer) -> Picture:
    """Say what an answer is, by its status, the way to it, its headers and its first and last bytes.

    Parameters
    ----------
    answer : Answer

    Returns
    -------
    Picture
        A PNG under a ``.jpg`` address is an ``image``: that SharePoint's placeholder art comes like that is
        unproven, and a script may have stored a portrait so. ``detail`` says it; the pixels decide.
    """
    kind, detail = _body(answer) if answer.status == HTTPStatus.OK else _status(answer)
    versions = {"image": answer.version, "not_modified": answer.known}
    whole = answer.status == HTTPStatus.OK and not answer.interruption and not answer.oversize
    turned_away = answer.was_denied or answer.sign_in_address
    return Picture(
        kind=kind,
        detail=detail,
        url=answer.url,
        status=answer.status,
        content=answer.body if whole and (kind == "image" or not turned_away) else None,
        content_type=answer.headers.get("Content-Type", ""),
        version=versions.get(kind, UNVERSIONED),
    )


def _trouble(answer: Answer, kind: str, gave: str, cause: str, step: str) -> tuple[str, str]:
    """Return a kind, and the sentence for it: the address and what it gave, the cause, what to do."""
    first, last = answer.addresses[0], answer.addresses[-1]
    where = shown(first) if first == last else f"{shown(first)}, which leads to {shown(last)},"
    return kind, f"{where} gave {gave}: {cause}{answer.correlation}; {step}."


def _status(answer: Answer) -> tuple[str, str]:
    """Judge an answer that is not a 200."""
    status = answer.status
    if status == HTTPStatus.NOT_MODIFIED and answer.known.url:
        return "not_modified", "The file is still the version that is held."
    gave = f"HTTP {status}"
    forms = next((answer.headers[name] for name in _FORMS_HEADERS if name in answer.headers), "")
    sign_in = forms or answer.sign_in_address
    if sign_in and status not in _GONE:
        cause = f"the zone wants a sign-in by a form, at {shown(sign_in)}"
        return _trouble(answer, "login_page", gave, cause, _OTHER_ZONE)
    if answer.was_denied:
        return _trouble(answer, _DENIED[0], gave, *_DENIED[1:])
    if status in _REDIRECTIONS:
        return _trouble(answer, "not_an_image", gave, _redirection(answer), f"{_LOOK} and see where it ends")
    step = f"{_LOOK}, then look at the web server's log"
    kind, cause, step = _STATUSES.get(status, ("not_an_image", "that is no file", step))
    return _trouble(answer, kind, gave, cause, step)


def _redirection(answer: Answer) -> str:
    """Say why a redirection was not followed."""
    target = answer.headers.get("Location", "")
    return f"one redirection leads to the next, now to {shown(target)}" if target else "it names no target"


def _body(answer: Answer) -> tuple[str, str]:
    """Judge the body of a 200."""
    body, size = answer.body, f"{len(answer.body):,} bytes"
    if answer.oversize:
        return _trouble(answer, "oversize", f"more than {size}", "reading was given up there", _UPLOAD)
    if answer.interruption:
        cause, step = f"the connection was lost or fell silent, {answer.interruption}", "read it again"
        return _trouble(answer, "truncated", "a part of a file", cause, step)
    if not body:
        return _trouble(answer, "empty", "0 bytes", "the file is empty", _UPLOAD)
    image_format = image_format_of(body)
    if not image_format:
        return _other(answer)
    if not is_whole(image_format, body):
        gave = f"a {image_format} of {size} without an end"
        return _trouble(answer, "truncated", gave, "the stored file is damaged", _UPLOAD)
    return "image", f"{image_format} of {size}{_oddity(answer, image_format)}."


def _other(answer: Answer) -> tuple[str, str]:
    """Judge a body that does not begin like a picture."""
    body = answer.body
    found = name_what_it_is(body) or f"{len(body):,} bytes, beginning with {body[:4].hex(' ')}"
    if answer.was_denied:
        return _trouble(answer, _DENIED[0], found, *_DENIED[1:])
    if answer.sign_in_address:
        cause = f"the address leads to the sign-in page {shown(answer.sign_in_address)}"
        return _trouble(answer, "login_page", found, cause, _OTHER_ZONE)
    if "HTML" in found and _SIGN_IN_PAGE.search(body):
        return _trouble(answer, "login_page", found, "that page is for signing in", _OTHER_ZONE)
    return _trouble(answer, "not_an_image", found, "that is no picture", _LOOK)


def _oddity(answer: Answer, image_format: str) -> str:
    """Return what is strange about a picture, as the rest of a sentence."""
    if is_placeholder_address(answer.url):
        return ", from an address of SharePoint's placeholder art"
    if image_format == "PNG" and urlsplit(answer.url).path.lower().endswith((".jpg", ".jpeg")):
        return " under a .jpg address, as SharePoint's placeholder art may be"
    content_type = answer.headers.get("Content-Type", "")
    return "" if content_type.lower().startswith("image/") else f", served as {content_type or 'no type'!r}"
