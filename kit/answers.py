"""An HTTP answer judged: is it the picture, and if not, what came in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import urlsplit

from kit.addresses import is_placeholder_address
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
_BUSY = ("unreachable", "The server is too busy or stopped")
_STATUSES: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys((301, 302, 303, 307, 308), ("not_an_image", "One redirection leads to the next")),
        HTTPStatus.UNAUTHORIZED: ("forbidden", "The account was refused, or is not meant for that host"),
        HTTPStatus.FORBIDDEN: ("forbidden", "The account may not read the file"),
        **dict.fromkeys(_GONE, ("missing", "There is no file at the address")),
        HTTPStatus.TOO_MANY_REQUESTS: _BUSY,
        HTTPStatus.SERVICE_UNAVAILABLE: _BUSY,
    }
)


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
        Why the body ended before its end; empty if it did not.
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
    trace = "" if kind in versions else answer.correlation
    return Picture(
        kind=kind,
        detail=f"{detail}{trace}.",
        url=answer.url,
        status=answer.status,
        content=answer.body if whole and (kind == "image" or not turned_away) else None,
        content_type=answer.headers.get("Content-Type", ""),
        version=versions.get(kind, UNVERSIONED),
    )


def _status(answer: Answer) -> tuple[str, str]:
    """Judge an answer that is not a 200."""
    status = answer.status
    if status == HTTPStatus.NOT_MODIFIED and answer.known.url:
        return "not_modified", "The file is still the version that is held"
    forms = next((answer.headers[name] for name in _FORMS_HEADERS if name in answer.headers), "")
    sign_in = forms or answer.sign_in_address
    if sign_in and status not in _GONE:
        kind, detail = "login_page", f"The zone wants a sign-in by a form, at {sign_in}"
    elif answer.was_denied:
        kind, detail = _STATUSES[HTTPStatus.FORBIDDEN]
    else:
        kind, detail = _STATUSES.get(status, ("not_an_image", "The server gave no file"))
    return kind, f"{detail} (HTTP {status})"


def _body(answer: Answer) -> tuple[str, str]:
    """Judge the body of a 200."""
    body, size = answer.body, f"{len(answer.body):,} bytes"
    if answer.oversize:
        return "oversize", f"The body is longer than {size}, where reading was given up"
    if answer.interruption:
        return "truncated", f"The body did not come whole: {answer.interruption}"
    if not body:
        return "empty", "The file has 0 bytes"
    image_format = image_format_of(body)
    if not image_format:
        return _other(answer)
    if not is_whole(image_format, body):
        return "truncated", f"The {image_format} of {size} has no end"
    return "image", f"{image_format} of {size}{_oddity(answer, image_format)}"


def _other(answer: Answer) -> tuple[str, str]:
    """Judge a body that does not begin like a picture."""
    body = answer.body
    found = name_what_it_is(body) or f"{len(body):,} bytes, beginning with {body[:4].hex(' ')}"
    if answer.was_denied:
        return "forbidden", f"The account may not read the file: {found}, at {answer.url}"
    if answer.sign_in_address:
        return "login_page", f"The address leads to the sign-in page {answer.sign_in_address}: {found}"
    if "HTML" in found and _SIGN_IN_PAGE.search(body):
        return "login_page", f"A sign-in page came in the picture's place: {found}"
    return "not_an_image", f"What came is no picture: {found}"


def _oddity(answer: Answer, image_format: str) -> str:
    """Return what is strange about a picture, as the rest of a sentence."""
    if is_placeholder_address(answer.url):
        return ", from an address of SharePoint's placeholder art"
    if image_format == "PNG" and urlsplit(answer.url).path.lower().endswith((".jpg", ".jpeg")):
        return " under a .jpg address, as SharePoint's placeholder art may be"
    content_type = answer.headers.get("Content-Type", "")
    return "" if content_type.lower().startswith("image/") else f", served as {content_type or 'no type'!r}"
