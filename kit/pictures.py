"""What the address of a picture gives: a picture, or one of the many things that are served in its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType

from kit.addresses import is_imported, is_placeholder_address, rebased, sized

__all__ = [
    "KINDS",
    "UNVERSIONED",
    "Picture",
    "Version",
    "http_time",
    "is_imported",
    "is_placeholder_address",
    "rebased",
    "sized",
]

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "image": "a picture, whole as far as can be seen",
        "not_modified": "the version that is held is still the one",
        "missing": "the profile names no picture, or there is no file at the address",
        "unusable_address": "what the profile names, or a redirection, is no address that can be asked",
        "forbidden": "the file may not be read, or a foreign host does not take the account",
        "login_page": "a sign-in page, or the demand for one",
        "empty": "a file of 0 bytes",
        "truncated": "a file without its end, or a body that a lost connection cut",
        "oversize": "more bytes than any photo has",
        "not_an_image": "something else",
        "unreachable": "no answer, or none that came to its end in time",
    }
)
"""Every kind of answer, and what it means."""

_ERROR_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "unusable_address": "NotFound",
        "forbidden": "Rights",
        "login_page": "SignIn",
        "truncated": "Unreachable",
        "unreachable": "Unreachable",
        "oversize": "Protocol",
        "not_an_image": "Protocol",
    }
)


@dataclass(frozen=True)
class Version:
    """Which version of a file was read, for asking whether it is still the one.

    Parameters
    ----------
    url : str
        Where the file was read; the version says nothing about another address.
    etag : str
        As the server gave it, quotes included.
    last_modified : str
        The header as it came: servers compare the text.

    Examples
    --------
    >>> version = Version("https://my/anna_MThumb.jpg", '"{5A}",2')
    >>> Version.parse(version.text) == version
    True
    """

    url: str = ""
    etag: str = ""
    last_modified: str = ""

    @property
    def text(self) -> str:
        """The version as one string, for keeping; empty if the server named none."""
        named = self.etag or self.last_modified
        return json.dumps([self.url, self.etag, self.last_modified]) if named else ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """Return the version that `text` was made of; a text that is none means that no version is known."""
        try:
            url, etag, last_modified = json.loads(text)
        except (ValueError, TypeError):
            return cls()
        return cls(str(url), str(etag), str(last_modified))

    @property
    def modified(self) -> datetime | None:
        """When the file was written, aware, UTC; None if the server did not say."""
        return http_time(self.last_modified)

    def conditions(self, url: str) -> dict[str, str]:
        """Return the headers that ask for a file only if it changed; none for another address.

        Both are sent: a server that knows the ETag must ignore the date (RFC 9110 13.1.3).
        """
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value and url == self.url}


UNVERSIONED = Version()
"""The version of what has none."""


@dataclass(frozen=True)
class Picture:
    """What came of one address.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    detail : str
        One sentence: what came, and for anything but a picture the address, the cause and what to do. Without
        user names, passwords and queries of addresses.
    url : str
        Where the answer came from, after redirects.
    status : int
        HTTP status; 0 when there was no answer.
    content : bytes or None
        The whole body of a 200, picture or not; None where none came, it did not come whole, or it is a page
        that the account was sent away to.
    content_type : str
        As the server named it, which may be wrong.
    version : Version
        Of an ``image`` or a picture ``not_modified``; empty for anything else.
    """

    kind: str
    detail: str
    url: str
    status: int = 0
    content: bytes | None = field(default=None, repr=False)
    content_type: str = ""
    version: Version = UNVERSIONED

    @property
    def error_kind(self) -> str:
        """What kept the picture from being read, as frames store it; empty where nothing did.

        Nothing did where bytes came that can be judged as a photo, where the file is missing, and where the
        version held is still the one.
        """
        return _ERROR_KINDS.get(self.kind, "") if self.content is None else ""


def http_time(text: str) -> datetime | None:
    """Return the time in an HTTP header, aware, UTC; None if there is none.

    Examples
    --------
    >>> http_time("Mon, 05 Jan 2026 08:00:00 GMT")
    datetime.datetime(2026, 1, 5, 8, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        time = parsedate_to_datetime(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
