"""Pictures over HTTP: asked for only if they changed, read no further than is sane, one trouble at a time."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from contextlib import closing

import requests

from kit import addresses
from kit.answers import Answer, judge
from kit.errors import CertificateError, NotFoundError, ProtocolError, SignInError, UnreachableError
from kit.pictures import UNVERSIONED, Picture, Version
from kit.web import WebSession, correlation

logger = logging.getLogger(__name__)

LIMIT = 5_000_000
"""Bytes after which reading is given up: a thumbnail has thousands, an attribute of AD takes 102,400."""
LONGEST_REDIRECT_CHAIN = 5
MOST_FAILURES = 3
"""Times in a row that a foreign host may fail to answer before it is no longer asked."""
_CHUNK = 65_536


class Client:
    """Fetches pictures through a signed-in session; may be shared by threads.

    Parameters
    ----------
    web : WebSession
        Its site is the one that must answer; other hosts may fail.
    limit : int
        Bytes after which reading a body is given up.
    """

    def __init__(self, web: WebSession, *, limit: int = LIMIT) -> None:
        self._web = web
        self._limit = limit
        self._failures: Counter[str] = Counter()
        self._lock = threading.Lock()

    def picture(self, url: str, *, size: str = "", known: Version | None = None, site: str = "") -> Picture:
        """Fetch a picture and judge what came; see `kit.sharepoint.SharePoint.picture`."""
        if not url:
            return Picture("missing", "The profile has no picture address.", url)
        plain = addresses.without_cache_buster(addresses.sized(url, size))
        try:
            address = addresses.absolute(plain, f"{(site or self._web.url).rstrip('/')}/")
        except NotFoundError as error:
            return Picture("missing", str(error), url)
        picture = self._judged(address, known or UNVERSIONED)
        if picture.kind == "truncated" and picture.content is None:
            # A connection that was lost does this, too, but hardly twice.
            picture = self._judged(address, known or UNVERSIONED)
        return picture

    def _judged(self, address: str, known: Version) -> Picture:
        """Ask once, with every failure that concerns this picture alone made a value."""
        way = [address]
        try:
            answer = self._answer(way, known)
        except SignInError as error:
            return Picture("forbidden", str(error), way[-1], status=requests.codes.unauthorized)
        except NotFoundError as error:
            return Picture("missing", str(error), way[-1])
        except ProtocolError as error:
            return Picture("not_an_image", str(error), way[-1])
        except (UnreachableError, CertificateError) as error:
            origin = addresses.origin(way[-1])
            if origin == addresses.origin(self._web.url):
                raise
            self._count(origin, failed=True)
            return Picture("unreachable", str(error), way[-1])
        return judge(answer)

    def _answer(self, way: list[str], known: Version) -> Answer:
        """Follow redirections to their end, noting each on the way, and read what is there."""
        while True:
            address = way[-1]
            self._check(addresses.origin(address))
            conditions = known.conditions(address)
            # Unpacked bodies have no length that could be checked, and a small one can unpack to any size.
            headers = {"Accept-Encoding": "identity", **conditions}
            response = self._web.send("GET", address, headers=headers, stream=True)
            with closing(response):
                answer = self._read(response, tuple(way), known if conditions else UNVERSIONED)
            self._count(addresses.origin(address), failed=False)
            if not response.is_redirect or len(way) > LONGEST_REDIRECT_CHAIN:
                return answer
            target = response.headers["Location"].encode("latin-1").decode("utf-8", "replace")
            way.append(addresses.absolute(target, address))

    def _read(self, response: requests.Response, way: tuple[str, ...], known: Version) -> Answer:
        """Read a body as far as the limit, and note how it ended."""
        body, interruption = bytearray(), ""
        try:
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > self._limit:
                    break
        except requests.RequestException as error:
            logger.info("the body of %s ended early: %s", response.url, error)
            named = response.headers.get("Content-Length", "an unknown number of")
            interruption = f"{response.raw.tell():,} of {named} bytes came"
        return Answer(
            addresses=way,
            status=response.status_code,
            headers=response.headers,
            body=bytes(body[: self._limit]),
            interruption=interruption,
            oversize=len(body) > self._limit,
            known=known,
            correlation=correlation(response),
        )

    def _check(self, origin: str) -> None:
        """Spare everybody the time-outs of a host that has stopped answering."""
        if self._failures[origin] >= MOST_FAILURES:
            what, cause = f"{origin} was not asked", f"it did not answer {MOST_FAILURES} times in a row"
            raise UnreachableError(what, cause, "check that host, then read the pictures again")

    def _count(self, origin: str, *, failed: bool) -> None:
        with self._lock:
            self._failures[origin] = self._failures[origin] + 1 if failed else 0
