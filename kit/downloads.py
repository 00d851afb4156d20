"""Pictures over HTTP: asked for only if they changed, read no further than is sane, one trouble at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from http import HTTPStatus

import requests

from kit import addresses, bodies
from kit.answers import Answer, judge
from kit.errors import (
    CertificateError,
    NotFoundError,
    ProtocolError,
    RightsError,
    SignInError,
    UnreachableError,
)
from kit.hosts import MOST_FAILING_ADDRESSES, Hosts
from kit.pictures import UNVERSIONED, Picture, Version
from kit.web import WebSession, correlation

logger = logging.getLogger(__name__)

LIMIT = 5_000_000
"""Bytes after which reading is given up: a thumbnail has thousands, an attribute of AD takes 102,400."""
LONGEST_REDIRECT_CHAIN = 5
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class Client:
    """Fetches pictures through a signed-in session; may be shared by threads.

    Parameters
    ----------
    web : WebSession
        Its site and its My Site host must answer; other hosts may fail.
    my_site : str
        Address of the My Site host, if that is another: what a relative address is relative to.
    limit : int
        Bytes after which reading a body is given up.
    now : callable
        Returns seconds that only rise.
    """

    def __init__(
        self,
        web: WebSession,
        *,
        my_site: str = "",
        limit: int = LIMIT,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._web = web
        self._base = f"{(my_site or web.url).rstrip('/')}/"
        self._limit = limit
        self._hosts = Hosts(web.is_own, now)

    def picture(
        self, url: str, *, size: str = "", known: Version | None = None, fresh: bool = False
    ) -> Picture:
        """Fetch a picture and judge what came; see `kit.sharepoint.SharePoint.picture`."""
        if not url.strip():
            return Picture("missing", "The profile has no picture address.", "")
        try:
            named = addresses.of_picture(addresses.sized(url.strip(), size), self._base)
        except NotFoundError as error:
            return Picture("unusable_address", str(error), addresses.shown(url))
        address = addresses.without_cache_buster(named)
        if fresh:
            address = addresses.with_cache_buster(address, time.time_ns())
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
        except NotFoundError as error:
            return Picture("unusable_address", str(error), way[-1])
        except ProtocolError as error:
            return Picture("not_an_image", str(error), way[-1])
        except SignInError as error:
            if self._web.is_own(way[-1]):
                raise
            return Picture("forbidden", _foreign(error), way[-1], status=HTTPStatus.UNAUTHORIZED)
        except (UnreachableError, CertificateError) as error:
            self._failed(way[-1], error)
            return Picture("unreachable", str(error), way[-1])
        picture = judge(answer)
        if picture.kind == "unreachable":
            what = f"{addresses.shown(way[-1])} gave HTTP {picture.status}"
            self._failed(
                way[-1], UnreachableError(what, "the server is too busy or stopped", "try again later")
            )
        else:
            self._hosts.answered(way[-1])
        if picture.status == HTTPStatus.UNAUTHORIZED and self._web.is_own(way[-1]):
            self._require_sign_in(way[-1])
            what = f"{addresses.shown(way[-1])} gave HTTP 401"
            cause = f"this file refuses the account that the site takes{answer.correlation}"
            return replace(picture, detail=str(RightsError(what, cause, "give the account Read on the file")))
        return picture

    def _failed(self, address: str, error: UnreachableError | CertificateError) -> None:
        """Raise what kept an address from being read, unless it is the trouble of that address alone."""
        too_often = self._hosts.failed(address)
        if not self._web.is_own(address):
            return
        if isinstance(error, CertificateError) or self._is_down(address):
            raise error
        if too_often:
            what = f"{addresses.origin(address)} failed for {MOST_FAILING_ADDRESSES} pictures in a row"
            cause = f"the latest: {error.what}, {error.cause}"
            raise UnreachableError(what, cause, "check that server, then repeat") from error

    def _is_down(self, address: str) -> bool:
        """Say whether the site gives no answer to anything, not even where its start page is asked for."""
        try:
            with closing(self._root(address)) as response:
                return response.status_code in _BUSY
        except UnreachableError as error:
            logger.info("the site is down: %s", error)
            return True

    def _require_sign_in(self, address: str) -> None:
        """Raise an error if it is not one file that refuses the account, but the whole site."""
        with closing(self._root(address)) as response:
            if response.status_code == HTTPStatus.UNAUTHORIZED:
                raise self._web.refusal(response)

    def _root(self, address: str) -> requests.Response:
        """Ask a site for its start page, of which nothing is read."""
        return self._web.send("GET", f"{addresses.origin(address)}/", stream=True)

    def _answer(self, way: list[str], known: Version) -> Answer:
        """Follow redirections to their end, noting each on the way, and read what is there."""
        while True:
            address = way[-1]
            self._hosts.check(address)
            conditions = known.conditions(address)
            # Unpacked bodies have no length that could be checked, and a small one can unpack to any size.
            headers = {"Accept-Encoding": "identity", **conditions}
            response = self._web.send("GET", address, headers=headers, stream=True)
            with closing(response):
                answer = self._read(response, tuple(way), known if conditions else UNVERSIONED)
            if not response.is_redirect or len(way) > LONGEST_REDIRECT_CHAIN:
                return answer
            self._hosts.answered(address)
            way.append(_target(response, address))

    def _read(self, response: requests.Response, way: tuple[str, ...], known: Version) -> Answer:
        """Read a body as far as the limit, and note how it ended.

        Raises
        ------
        ProtocolError
            The body is packed, though that was not asked for, and cannot be unpacked.
        UnreachableError
            It took too long.
        """
        body, interruption = bytearray(), ""
        try:
            for piece in bodies.pieces(response, self._web.deadline):
                body += piece
                if len(body) > self._limit:
                    break
        except requests.exceptions.ContentDecodingError as error:
            packing = response.headers.get("Content-Encoding", "")
            what, cause = f"{addresses.shown(way[-1])} could not be read", f"its body is no {packing!r} data"
            raise ProtocolError(what, f"{cause}{correlation(response)}", "look at the web server") from error
        except requests.RequestException as error:
            logger.info("the body of %s ended early: %s", addresses.shown(way[-1]), error)
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


def _target(response: requests.Response, address: str) -> str:
    """Return where a redirection leads.

    Raises
    ------
    NotFoundError
        That cannot be asked.
    """
    target = response.headers["Location"].encode("latin-1").decode("utf-8", "replace")
    try:
        return addresses.absolute(target, address)
    except NotFoundError as error:
        what = f"{addresses.shown(address)} leads to {addresses.shown(target)!r}, which cannot be asked"
        step = "correct the profile's PictureURL, or the redirection"
        raise NotFoundError(what, f"{error.cause}{correlation(response)}", step) from error


def _foreign(error: SignInError) -> str:
    """Return the sentence for a sign-in that a foreign host refused."""
    step = "name the host in sharepoint.hosts if it may have the account's password"
    return str(SignInError(error.what, error.cause, step))
