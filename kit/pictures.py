"""What the address of a picture gives: a picture, or one of the many things that are served in its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests

_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")


@dataclass(frozen=True)
class Picture:
    """One answer.

    Parameters
    ----------
    status : int
        HTTP status; 0 when the address could not be asked.
    content : bytes or None
        The bytes of a 200.
    content_type : str
        As the server named it, which may be wrong.
    etag : str
        Version of the file, for the next question.
    last_modified : datetime or None
        Aware, UTC.
    url : str
        Where the answer came from, after redirects.
    kind : str
        ``image``, ``not_modified``, ``missing``, ``forbidden`` or ``not_an_image``.
    """

    status: int
    content: bytes | None = field(repr=False)
    content_type: str
    etag: str
    last_modified: datetime | None
    url: str
    kind: str

    @classmethod
    def without_answer(cls, url: str, kind: str, status: int = 0) -> Picture:
        """Return the result for an address that gave nothing to look at."""
        return cls(status, None, "", "", None, url, kind)

    @classmethod
    def of(cls, response: requests.Response) -> Picture:
        """Judge an answer."""
        content = response.content if response.status_code == HTTPStatus.OK else None
        return cls(
            status=response.status_code,
            content=content,
            content_type=response.headers.get("Content-Type", ""),
            etag=response.headers.get("ETag", ""),
            last_modified=_time(response.headers.get("Last-Modified", "")),
            url=response.url,
            kind=_kind(response.status_code, content or b""),
        )


def _kind(status: int, content: bytes) -> str:
    """Return the kind of an answer; the first bytes tell a picture from a login page, names do not."""
    if status == HTTPStatus.OK:
        return "image" if content.startswith(_BEGINNINGS) or _is_webp(content) else "not_an_image"
    kinds: dict[int, str] = {
        HTTPStatus.NOT_MODIFIED: "not_modified",
        HTTPStatus.NOT_FOUND: "missing",
        HTTPStatus.GONE: "missing",
        HTTPStatus.UNAUTHORIZED: "forbidden",
        HTTPStatus.FORBIDDEN: "forbidden",
    }
    return kinds.get(status, "not_an_image")


def _is_webp(content: bytes) -> bool:
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def _time(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None
