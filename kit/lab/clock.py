"""The farm's clock, so that weeks of history can be played in seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that runs at normal speed from a movable offset.

    Parameters
    ----------
    offset : timedelta
        How far the farm's time is from the machine's; negative is in the past.

    Examples
    --------
    >>> clock = Clock(timedelta(days=-30))
    >>> round((datetime.now(UTC) - clock.now()) / timedelta(days=1))
    30
    >>> clock.set_offset(timedelta(0))
    >>> round((datetime.now(UTC) - clock.now()) / timedelta(days=1))
    0
    """

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self._offset = offset

    def now(self) -> datetime:
        """Return the farm's time, timezone-aware UTC."""
        return datetime.now(UTC) + self._offset

    def set_offset(self, offset: timedelta) -> None:
        """Move the farm's time; the caller moves it only forward."""
        self._offset = offset
