"""How the practice farm answers for a file of its picture library: faithfully, or with a field trouble."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from kit.lab.ntlm import NTLMHandler
from kit.lab.picture_library import Delivery, PictureFile
from kit.lab.portraits import login_page
from kit.profiles import normalise_account

if TYPE_CHECKING:
    from kit.lab.sharepoint import SharePointServer

SIGN_IN_PAGE = "/_login/default.aspx"
_AUTHENTICATE = "/_layouts/15/Authenticate.aspx"
_ACCESS_DENIED = "/_layouts/15/AccessDenied.aspx"
_ACCESS_DENIED_PAGE = b"<!DOCTYPE html><html><head><title>Access required</title></head><body></body></html>"
_CHUNK = bytes(65_536)
_LONGEST = 1_000
"""Chunks after which even an endless body ends, should nobody go away."""


class LibraryHandler(NTLMHandler):
    """Answers requests for files, for a handler whose server has a profile store and a clock."""

    server: SharePointServer

    def _library_file(self, path: str) -> None:
        """Answer for a file, or for one of the pages that a refused browser is sent to."""
        file = self.server.store.file(path)
        if path.lower() == _AUTHENTICATE.lower():
            self._redirect(f"{SIGN_IN_PAGE}?ReturnUrl={quote(self.path, safe='')}")
        elif path.lower() == SIGN_IN_PAGE:
            self.answer(HTTPStatus.OK, login_page())
        elif path.lower() == _ACCESS_DENIED.lower():
            self.answer(HTTPStatus.OK, _ACCESS_DENIED_PAGE)
        elif file is None:
            self.answer(HTTPStatus.NOT_FOUND, b"404 NOT FOUND")
        elif not self.server.store.may_read(path, self.user):
            self.answer(HTTPStatus.FORBIDDEN, b"403 FORBIDDEN")
        else:
            library = self.server.store.picture_library
            delivery = library.delivery(path, normalise_account(self.user))
            if delivery is Delivery.OUTDATED:
                delivery = Delivery.WHOLE
                if "t" not in parse_qs(urlsplit(self.path).query):
                    file = _earlier(file, library.outdated(path))
            self._deliver(file, path, delivery)

    def _deliver(self, file: PictureFile, path: str, delivery: Delivery) -> None:
        """Answer for a file that the account may read."""
        headers = self._file_headers(file, delivery)
        if delivery is Delivery.SIGN_IN_REDIRECT:
            self._redirect(f"{_AUTHENTICATE}?Source={quote(path, safe='')}")
        elif delivery is Delivery.DENIAL_REDIRECT:
            self._redirect(f"{_ACCESS_DENIED}?Source={quote(path, safe='')}")
        elif delivery is Delivery.SIGN_IN_REFUSAL:
            self._refuse(path)
        elif delivery is Delivery.SIGN_IN_PAGE:
            self.answer(HTTPStatus.OK, login_page())
        elif delivery is Delivery.BUSY:
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, b"The server is busy.")
        elif delivery is Delivery.CUT:
            self._cut(file, headers)
        elif delivery is Delivery.ENDLESS:
            self._go_on(file, headers)
        elif self._has(file, headers):
            self.answer(HTTPStatus.NOT_MODIFIED, headers=headers)
        else:
            self.answer(HTTPStatus.OK, file.content, file.content_type, headers)

    def _redirect(self, location: str) -> None:
        self.answer(HTTPStatus.FOUND, b"Object moved", headers={"Location": self.server.url + location})

    def _refuse(self, path: str) -> None:
        """Refuse as a zone with forms sign-in refuses clients that are no browsers."""
        back = quote(path, safe="")
        headers = {
            "X-Forms_Based_Auth_Required": f"{self.server.url}{SIGN_IN_PAGE}?ReturnUrl={back}",
            "X-Forms_Based_Auth_Return_Url": f"{self.server.url}/_layouts/15/error.aspx",
            "X-MSDAVEXT_Error": "917656; Access+denied.+Before+opening+files+in+this+location",
        }
        self.answer(HTTPStatus.FORBIDDEN, b"403 FORBIDDEN", "text/plain; charset=utf-8", headers)

    def _cut(self, file: PictureFile, headers: Mapping[str, str]) -> None:
        """Announce the whole file, send half of it and end the connection."""
        self._begin(file, {**headers, "Content-Length": str(len(file.content))})
        self.wfile.write(file.content[: len(file.content) // 2])
        self.close_connection = True

    def _go_on(self, file: PictureFile, headers: Mapping[str, str]) -> None:
        """Send the file and then chunk after chunk (RFC 9112 7.1)."""
        self._begin(file, {**headers, "Transfer-Encoding": "chunked"})
        for chunk in (file.content, *[_CHUNK] * _LONGEST, b""):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))

    def _begin(self, file: PictureFile, headers: Mapping[str, str]) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in {**headers, "Content-Type": file.content_type}.items():
            self.send_header(name, value)
        self.end_headers()

    def _has(self, file: PictureFile, headers: Mapping[str, str]) -> bool:
        """Say whether the client holds this version; an ETag goes before a date (RFC 9110 13.2.2)."""
        if "If-None-Match" in self.headers:
            return "ETag" in headers and headers["ETag"] in self.headers["If-None-Match"]
        try:
            since = parsedate_to_datetime(self.headers.get("If-Modified-Since", "")).astimezone(UTC)
        except ValueError:
            return False
        return file.modified.replace(microsecond=0) <= since

    def _file_headers(self, file: PictureFile, delivery: Delivery) -> Mapping[str, str]:
        fifteen_days_ago = self.server.clock.now() - timedelta(days=15)
        headers = {
            "ETag": file.etag,
            "Last-Modified": format_datetime(file.modified, usegmt=True),
            "Cache-Control": "private,max-age=0",
            "Expires": format_datetime(fifteen_days_ago, usegmt=True),
            "ResourceTag": f"rt:{str(file.guid).upper()}@{file.version:011d}",
            "Public-Extension": "http://schemas.microsoft.com/repl-2",
        }
        if delivery is Delivery.CACHED:
            # As if every request met another web front end.
            return {**headers, "ETag": f'"{uuid.uuid4()}"', "Cache-Control": "private,max-age=86400"}
        if delivery is Delivery.WITHOUT_ETAG:
            del headers["ETag"]
        return headers


def _earlier(file: PictureFile, content: bytes) -> PictureFile:
    """Return the file as a cache has it: with other bytes, and so with a version of its own."""
    guid = uuid.uuid5(file.guid, content.hex())
    return replace(file, content=content, guid=guid, modified=file.modified - timedelta(days=1))
