"""A refused sign-in is not repeated: domains lock an account after a few wrong passwords."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from kit.errors import SignInError
from kit.refusals import site

MOST_REFUSALS = 3
"""In a row, from a server that took the account before; domains lock an account after five or more."""


@dataclass
class _Sign:
    """What one server said of the account."""

    first: threading.Lock = field(default_factory=threading.Lock)
    taken: bool = False
    refusals: Counter[int] = field(default_factory=Counter)  # in a row, by thread
    last: SignInError | None = None

    @property
    def trusted(self) -> bool:
        """Whether the account was taken, and not refused since."""
        return self.taken and not self.refusals.total()

    @property
    def refused(self) -> SignInError | None:
        """The refusal that is to be believed: the first one of an account that was never taken.

        A server that has taken the account may refuse one file in the same words, so some are let pass.
        """
        enough = MOST_REFUSALS if self.taken else 1
        return self.last if self.refusals.total() >= enough else None


class Lockout:
    """Remembers, for every scheme, host and port, whether the account was taken there; shared by threads."""

    def __init__(self) -> None:
        self._signs: defaultdict[str, _Sign] = defaultdict(_Sign)
        self._lock = threading.Lock()

    def check(self, url: str) -> None:
        """Pass unless the account has been refused there.

        Raises
        ------
        SignInError
            It has.
        """
        refused = self._sign(url).refused
        if refused:
            cause = f"{refused.cause}, which is not tried again, lest the account be locked"
            raise SignInError(refused.what, cause, refused.next_step)

    @contextmanager
    def turn(self, url: str) -> Iterator[None]:
        """Hold the place of one sign-in: one by one until the account is taken, then side by side.

        Raises
        ------
        SignInError
            The account has been refused there.
        """
        sign = self._sign(url)
        with ExitStack() as alone:
            if not sign.trusted:
                alone.enter_context(sign.first)
                if sign.trusted:
                    alone.close()
            self.check(url)
            yield

    def take(self, url: str) -> None:
        """Note that the account has signed in there: whatever was refused before were single files."""
        sign = self._sign(url)
        sign.taken = True
        sign.refusals.clear()

    def confirm(self, url: str) -> None:
        """Note that this thread was served there, on a connection of its own that has signed in before.

        That says nothing of other threads' connections: a password may have expired since.
        """
        self._sign(url).refusals.pop(threading.get_ident(), None)

    def has_taken(self, url: str) -> bool:
        """Say whether the account was ever taken there."""
        return self._sign(url).taken

    def refuse(self, url: str, error: SignInError) -> None:
        """Note that the account was refused there."""
        sign = self._sign(url)
        sign.refusals[threading.get_ident()] += 1
        sign.last = error

    def _sign(self, url: str) -> _Sign:
        with self._lock:
            return self._signs[site(url)]
