"""What one web server bears: a moment before which it wants no request, and an end of asking in vain."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from kit.errors import UnreachableError

MOST_FAILURES = 3
"""Requests in a row that may use up all their attempts before the server is left alone."""


class Breaker:
    """A circuit breaker for one server; shared by the threads that ask it.

    Parameters
    ----------
    server : str
        Scheme, host and port.
    rest : float
        Seconds for which a server that does not answer is left alone. Then one request is let through with a
        single attempt: an answer to it ends the rest, and anything else begins the next.
    jitter : float
        Seconds up to which threads that wait for the same moment come later than that.
    clock : callable
        Returns seconds that never go back.
    """

    def __init__(self, server: str, rest: float, jitter: float, clock: Callable[[], float]) -> None:
        self._server = server
        self._rest = rest
        self._jitter = jitter
        self._clock = clock
        self._lock = threading.Lock()
        self._not_before = clock()
        self._failures = 0
        self._again = clock()
        self._reason = ""

    def hold(self, seconds: float) -> None:
        """Have every thread wait so long, as the server asked one of them to."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def remaining(self) -> float:
        """Return the seconds that a request is to wait now."""
        with self._lock:
            remaining = self._not_before - self._clock()
        if remaining <= 0:
            return 0.0
        return remaining + random.uniform(0, self._jitter)  # noqa: S311 - spreads requests, guards nothing

    def check(self) -> None:
        """Pass unless the server is left alone.

        Raises
        ------
        UnreachableError
            It is.
        """
        with self._lock:
            if self._failures < MOST_FAILURES:
                return
            if self._clock() >= self._again:
                self._again = self._clock() + self._rest
                return
            cause = f"its last {self._failures} requests failed after all attempts ({self._reason})"
        what, step = f"{self._server} was not asked", f"look at it; {self._rest:g} s later it is asked again"
        raise UnreachableError(what, cause, step)

    def succeed(self) -> None:
        """Note that the server answered."""
        with self._lock:
            self._failures = 0

    def fail(self, reason: str) -> None:
        """Note that a request used up all its attempts."""
        with self._lock:
            self._failures += 1
            self._reason = reason
            self._again = self._clock() + self._rest
