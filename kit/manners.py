"""How a client behaves towards a busy web server: how many requests at once, how fast, and when again."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_result,
    stop_after_attempt,
    wait_exponential_jitter,
)

from kit.breaker import Breaker
from kit.errors import ParameterError
from kit.refusals import was_lost

logger = logging.getLogger(__name__)

_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_WORST_HEALTH = 10.0


@dataclass(frozen=True)
class Manners:
    """How fast and how persistently requests are sent.

    Parameters
    ----------
    attempts : int
        How many times a request is sent at most; 1 means never again.
    first_wait : float
        Seconds before the second attempt; each further wait is twice as long. Jitter of up to this much is
        added, so that clients which failed together do not come back together.
    longest_wait : float
        Seconds that no wait exceeds, but for jitter, whatever ``Retry-After`` asks for. A server that did not
        answer several requests in a row is left alone for so long; see `kit.breaker.Breaker`.
    requests_per_second : float
        Ceiling over all threads; 0 means none.
    busy_health : int
        ``X-SharePointHealthScore`` (MS-WSSHP; 0 is idle, 10 refuses requests) from which on every request is
        preceded by a wait.
    connections : int
        How many requests may be under way at once.

    Raises
    ------
    ParameterError
        A number makes no sense.
    """

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60.0
    requests_per_second: float = 0.0
    busy_health: int = 7
    connections: int = 4

    def __post_init__(self) -> None:
        lowest = {"attempts": 1, "connections": 1}
        for name, value in vars(self).items():
            least = lowest.get(name, 0)
            if not least <= value < math.inf:
                what = f"{name} {value!r} cannot be used"
                raise ParameterError(what, f"it is not a number from {least} up", "correct the setting")


class Pace:
    """Sends the requests of one session with manners; may be shared by threads.

    Parameters
    ----------
    manners : Manners
        The settings.
    wait : callable
        Called with the seconds to wait, before a request.
    clock : callable
        Returns seconds that never go back.
    """

    def __init__(
        self,
        manners: Manners,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manners = manners
        self._wait = wait
        self._clock = clock
        self._breakers: dict[str, Breaker] = {}
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(manners.connections)
        self._ceiling = _Ceiling(manners.requests_per_second) if manners.requests_per_second else None
        self._health = 0.0
        self._backoff = wait_exponential_jitter(
            multiplier=manners.first_wait, jitter=manners.first_wait, max=manners.longest_wait
        )

    def send(
        self, request: Callable[[], requests.Response], server: str, *, repeatable: bool
    ) -> requests.Response:
        """Send a request, again where that may help, and return the last answer.

        A server that is too busy (429, 503) has refused the request, so it is sent again in any case. After a
        lost connection or a time-out it is sent again only if it is repeatable.

        Parameters
        ----------
        request : callable
            Sends it once.
        server : str
            To which scheme, host and port. When it asks one thread to wait, all wait.
        repeatable : bool
            Whether the request does no harm if it takes effect twice.

        Raises
        ------
        requests.RequestException
            What the last attempt ended with.
        UnreachableError
            The server did not answer the last requests, and is left alone.
        """
        with self._lock:
            breaker = self._breakers.get(server) or self._breaker(server)
        retry = Retrying(
            sleep=self._sleep,
            stop=stop_after_attempt(self._manners.attempts),
            wait=self._pause,
            retry=retry_if_result(_is_refused)
            | retry_if_exception(lambda error: repeatable and was_lost(error)),
            before_sleep=_forget,
            retry_error_callback=_outcome,
        )
        try:
            response = retry(self._once, request, breaker)
        except requests.RequestException as error:
            if was_lost(error) or isinstance(error, requests.ConnectTimeout):
                breaker.fail(type(error).__name__)
            raise
        if _is_refused(response):
            breaker.fail(f"{response.status_code} {response.reason}")
        else:
            breaker.succeed()
        return response

    def _breaker(self, server: str) -> Breaker:
        manners = self._manners
        breaker = Breaker(server, manners.longest_wait, manners.first_wait, self._clock)
        self._breakers[server] = breaker
        return breaker

    def _once(self, request: Callable[[], requests.Response], breaker: Breaker) -> requests.Response:
        with self._places:
            breaker.check()
            ceiling = self._ceiling.reserve() if self._ceiling else 0.0
            self._sleep(max(breaker.remaining(), self._strain(), ceiling))
            response = request()
            self._health = _score(response.headers.get("X-SharePointHealthScore"), self._health)
            if _is_refused(response):
                breaker.hold(min(retry_after(response) or 0.0, self._manners.longest_wait))
        return response

    def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._wait(seconds)

    def _strain(self) -> float:
        """Return the seconds to leave a strained server alone; doubled with every point of its score."""
        beyond = self._health - self._manners.busy_health
        wait: float = self._manners.first_wait * 2.0**beyond
        return min(wait, self._manners.longest_wait) if beyond >= 0 else 0.0

    def _pause(self, state: RetryCallState) -> float:
        """Return the seconds before the next attempt; what the server asks for is waited by every thread."""
        asked = None if state.outcome is None or state.outcome.failed else retry_after(state.outcome.result())
        return 0.0 if asked else float(self._backoff(state))


class _Ceiling:
    """So many requests per second, evenly spaced, over all threads."""

    def __init__(self, requests_per_second: float) -> None:
        self._interval = 1 / requests_per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next free place in the row and return the seconds until then."""
        with self._lock:
            now = time.monotonic()
            place = max(now, self._next)
            self._next = place + self._interval
        return place - now


def retry_after(response: requests.Response) -> float | None:
    """Return the seconds that a server asks to be left alone (RFC 9110 10.2.3); None if it does not say.

    A date is taken by the server's own clock where its answer has one.

    Examples
    --------
    >>> answer = requests.Response()
    >>> answer.headers["Retry-After"] = "30"
    >>> retry_after(answer)
    30.0
    """
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    until = _date(text)
    if until is None:
        return None
    now = _date(response.headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _score(text: str | None, otherwise: float) -> float:
    """Return a health score; the highest is 10."""
    return min(float(text), _WORST_HEALTH) if text and text.isdecimal() else otherwise


def _is_refused(response: requests.Response) -> bool:
    return response.status_code in _BUSY


def _forget(state: RetryCallState) -> None:
    """Log why a request is sent again, and give its connection back."""
    if state.outcome is None:
        return
    if state.outcome.failed:
        reason = repr(state.outcome.exception())
    else:
        response = state.outcome.result()
        reason = f"{response.status_code} {response.reason}"
        response.close()
    logger.info("attempt %d: %s; again in %.1f s", state.attempt_number, reason, state.upcoming_sleep)


def _outcome(state: RetryCallState) -> requests.Response:
    """Return the answer to the last attempt, or raise what it ended with."""
    assert state.outcome is not None  # noqa: S101 - tenacity calls this after an attempt only
    response: requests.Response = state.outcome.result()
    return response
