"""The change log of the practice farm's profile store."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kit.errors import ProtocolError
from kit.lab.clock import Clock

RETENTION = timedelta(days=14)


@dataclass(frozen=True)
class ChangeRow:
    """One row of the log, in the words of ``UserProfileChangeData``.

    ``change_type`` is ``Add``, ``Modify`` or ``Delete``; ``object_type`` is ``SingleValueProperty`` or
    ``UserProfile``.
    """

    event: int
    account_name: str
    change_type: str
    object_type: str
    time: datetime
    property_name: str = ""
    value: str = ""


@dataclass(frozen=True)
class ChangePage:
    """What one question brings: rows, the token to go on from, and whether more are left."""

    rows: tuple[ChangeRow, ...]
    token: str
    exceeded: bool


class ChangeLog:
    """An append-only log that forgets after 14 days, as the "user profile change cleanup" job does.

    A token holds an event number and a time, as the product's does; its written form here is the lab's own,
    since clients must not look inside.

    Parameters
    ----------
    clock : Clock
        The farm's time.
    page_size : int
        Rows given at once; 1,000 as the product's reference says of ``GetChanges``.
    """

    def __init__(self, clock: Clock, page_size: int = 1000) -> None:
        self._clock = clock
        self._page_size = page_size
        self._rows: list[ChangeRow] = []
        self._last_event = 0
        self._lock = threading.Lock()

    def append(
        self, account_name: str, change_type: str, object_type: str, property_name: str = "", value: str = ""
    ) -> None:
        """Write one row, now."""
        with self._lock:
            self._last_event += 1
            row = (
                self._last_event,
                account_name,
                change_type,
                object_type,
                self._clock.now(),
                property_name,
                value,
            )
            self._rows.append(ChangeRow(*row))

    def current_token(self) -> str:
        """Return the token of this moment: a later question with it gets only what comes after."""
        with self._lock:
            return self._token(self._last_event)

    def since(self, token: str = "", wanted: Callable[[ChangeRow], bool] = lambda _: True) -> ChangePage:
        """Return the wanted rows after a token; without one, from the beginning of what is kept.

        Raises
        ------
        ProtocolError
            The token is malformed or older than the log.
        """
        with self._lock:
            now = self._clock.now()
            self._rows = [row for row in self._rows if row.time > now - RETENTION]
            after = self._event(token) if token else 0
            rows = [row for row in self._rows if row.event > after and wanted(row)]
            page = tuple(rows[: self._page_size])
            exceeded = len(rows) > len(page)
            return ChangePage(page, self._token(page[-1].event if exceeded else self._last_event), exceeded)

    def _token(self, event: int) -> str:
        return base64.b64encode(f"{event};{self._clock.now().isoformat()}".encode()).decode()

    def _event(self, token: str) -> int:
        try:
            event, _, time = base64.b64decode(token, validate=True).decode().partition(";")
            number, given = int(event), datetime.fromisoformat(time).astimezone(UTC)
        except (binascii.Error, ValueError) as error:
            what = f"change token {token!r} is not valid"
            raise ProtocolError(what, "this server did not give it", "ask for the current token") from error
        if given <= self._clock.now() - RETENTION:
            what = f"change token {token!r} has expired"
            raise ProtocolError(what, "the log keeps 14 days", "ask for the current token")
        return number
