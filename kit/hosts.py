"""Which hosts answer: one that has stopped is left alone for a while, unless everybody needs it."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from kit.addresses import origin
from kit.errors import UnreachableError

MOST_FAILURES = 3
"""Times in a row that a foreign host may fail to answer before it is left alone."""
MOST_FAILING_ADDRESSES = 5
"""Addresses in a row that may fail on a host that must answer, before it counts as gone."""
REST = 300.0
"""Seconds for which a host is left alone."""


@dataclass
class _Failures:
    """What failed since a host last answered, and when the last of it did."""

    addresses: Counter[str] = field(default_factory=Counter)
    latest: float = 0.0


class Hosts:
    """Remembers which hosts fail to answer; may be shared by threads.

    Parameters
    ----------
    is_own : callable
        Says of an address whether it is on a host that everybody needs, which is always asked.
    now : callable
        Returns seconds that only rise.
    """

    def __init__(self, is_own: Callable[[str], bool], now: Callable[[], float] = time.monotonic) -> None:
        self._is_own = is_own
        self._now = now
        self._failures: dict[str, _Failures] = {}
        self._lock = threading.Lock()

    def check(self, url: str) -> None:
        """Spare everybody the time-outs of a foreign host that has stopped answering.

        Raises
        ------
        UnreachableError
            It failed again and again a moment ago.
        """
        with self._lock:
            wait = self._rest(origin(url))
        if wait > 0:
            what, cause = f"{origin(url)} was not asked", f"it did not answer {MOST_FAILURES} times in a row"
            step = f"check that host; it is asked again in {math.ceil(wait)} seconds"
            raise UnreachableError(what, cause, step)

    def answered(self, url: str) -> None:
        """Note that the host of an address answers."""
        with self._lock:
            self._failures.pop(origin(url), None)

    def failed(self, url: str) -> bool:
        """Note that an address did not answer, and say whether too many in a row did not on that host."""
        host = origin(url)
        with self._lock:
            failures = self._failures.setdefault(host, _Failures())
            if self._rest(host) <= 0:  # what was not asked does not prolong the rest
                failures.addresses[url] += 1
                failures.latest = self._now()
            return len(failures.addresses) >= MOST_FAILING_ADDRESSES

    def _rest(self, host: str) -> float:
        """Return the seconds for which a host is still to be left alone."""
        failures = self._failures.get(host)
        if failures is None or self._is_own(host) or failures.addresses.total() < MOST_FAILURES:
            return 0.0
        return failures.latest + REST - self._now()
