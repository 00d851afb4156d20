"""Bodies of HTTP answers: read no further than a limit, and for no longer than a deadline."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException

import requests
import urllib3

from kit.errors import ProtocolError, UnreachableError
from kit.refusals import correlation, without_user_info

LIMIT = 64_000_000
"""Bytes of an answer that is read whole; the longest page of the change log has a few million."""
TIMEOUTS_PER_ANSWER = 10
"""How many times the time-out a whole body may take: a server that sends byte by byte never times out."""
_PIECE = 65_536


def deadline(timeout: float) -> float:
    """Return the seconds that a body may take, where a wait for the server may take ``timeout``."""
    return TIMEOUTS_PER_ANSWER * timeout


def pieces(response: requests.Response, seconds: float) -> Iterator[bytes]:
    """Read a streamed body as it comes, unpacked.

    Parameters
    ----------
    response : requests.Response
        An answer whose body has not been read yet; the caller closes it.
    seconds : float
        How long the body may take altogether, from the first piece asked for.

    Yields
    ------
    bytes
        At most 65,536, never none.

    Raises
    ------
    requests.RequestException
        The body ended early, or is garbled.
    UnreachableError
        It took too long.
    """
    latest = time.monotonic() + seconds
    while piece := _piece(response):
        yield piece
        if time.monotonic() > latest:
            what = f"the answer of {without_user_info(response.url)} was given up"
            cause = f"it had not come whole after {seconds:g} s{correlation(response)}"
            raise UnreachableError(what, cause, "look at the server and the network")


def read(response: requests.Response, limit: int, seconds: float) -> bytes:
    """Return a streamed body; the same as `pieces`, together.

    Parameters
    ----------
    response : requests.Response
        As for `pieces`.
    limit : int
        Bytes that the unpacked body may have.
    seconds : float
        As for `pieces`.

    Raises
    ------
    requests.RequestException
        The body ended early, or is garbled.
    UnreachableError
        It took too long.
    ProtocolError
        It is too long.
    """
    body = bytearray()
    for piece in pieces(response, seconds):
        body += piece
        if len(body) > limit:
            what = f"the answer of {without_user_info(response.url)} was given up"
            cause = f"it has more than {limit:,} bytes{correlation(response)}"
            raise ProtocolError(what, cause, "check what is served at that address")
    return bytes(body)


def load(response: requests.Response, timeout: float) -> None:
    """Read a body whole, so that ``response.content`` has it and the connection can be used again.

    Parameters
    ----------
    response : requests.Response
        As for `pieces`; closed if its body cannot be read.
    timeout : float
        Seconds that each wait for the server may take.

    Raises
    ------
    SourceError or requests.RequestException
        As for `read`.
    """
    with closed_by_failure(response):
        body = read(response, LIMIT, deadline(timeout))
    response.raw = io.BytesIO(body)
    _ = response.content


@contextmanager
def closed_by_failure(response: requests.Response) -> Iterator[None]:
    """Close an answer when something is raised: its connection is of no more use."""
    try:
        yield
    except BaseException:
        response.close()
        raise


def _piece(response: requests.Response) -> bytes:
    """Return what has come of a body, waiting once at most, with the errors of requests; empty at its end."""
    try:
        return response.raw.read1(_PIECE, decode_content=True) or b""
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.ConnectionError(error) from error
    except urllib3.exceptions.DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    except urllib3.exceptions.SSLError as error:
        raise requests.exceptions.SSLError(error) from error
    except (urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
