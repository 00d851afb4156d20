"""The form digests with which SharePoint signs what a browser may write."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta

from kit.lab.clock import Clock

LIFETIME = timedelta(seconds=1800)
_TIME = "%d %b %Y %H:%M:%S -0000"


class FormDigests:
    """Gives form digests and knows them again; each is for one user and half an hour.

    Parameters
    ----------
    clock : Clock
        The farm's time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)

    def give(self, user: str, at: datetime | None = None) -> str:
        """Return the form digest that a user was given at a time; now, where none is named."""
        stamp = (at or self._clock.now()).strftime(_TIME)
        seal = hmac.new(self._secret, f"{user},{stamp}".encode(), hashlib.sha256)
        return f"0x{seal.hexdigest().upper()},{stamp}"

    def accepts(self, digest: str, user: str) -> bool:
        """Say whether a form digest was given to this user and has not expired."""
        try:
            given = datetime.strptime(digest.partition(",")[2], _TIME).replace(tzinfo=UTC)
        except ValueError:
            return False
        expired = self._clock.now() - given > LIFETIME
        return not expired and hmac.compare_digest(digest.encode(), self.give(user, given).encode())
