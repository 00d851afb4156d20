"""Whether a search gave everything: some servers and proxies stop at a limit and call it success.

The protocol has no count to compare with, and asking the same again stops at the same limit. But the search
in two halves, by ranges of ``uSNChanged``, gives more than the whole as soon as a limit per search is what
ended it: the whole gave as many entries as the limit allows, each half holds fewer of those, and so a half
that has lost any has room to show one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from kit.errors import ProtocolError
from kit.users import DirectoryUser

logger = logging.getLogger(__name__)


class Roll:
    """Who was seen, and what to ask to learn of the others.

    The check costs a second search for ``objectGUID`` alone, in two parts.

    Parameters
    ----------
    highest : int
        ``highestCommittedUSN`` before the search began: what was written later may rightly be missing.
    """

    def __init__(self, highest: int) -> None:
        self._highest = highest
        self._seen: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, user: DirectoryUser) -> None:
        """Note one who was seen."""
        self._seen[user.person] = user.usn_changed

    def filters(self) -> Iterator[str]:
        """Yield the filter of each half; none if there is nothing to divide.

        Examples
        --------
        >>> roll = Roll(highest=90)
        >>> roll._seen.update(anna=10, berta=20, clara=30)
        >>> list(roll.filters())
        ['(uSNChanged<=20)', '(&(uSNChanged>=21)(uSNChanged<=90))']
        """
        numbers = sorted(number for number in self._seen.values() if number <= self._highest)
        if not any(numbers):
            if self._seen:
                logger.warning("uSNChanged is not readable, so whether the search was whole is not known")
            return
        middle = numbers[(len(numbers) - 1) // 2]
        if middle < numbers[-1]:
            yield f"(uSNChanged<={middle})"
            yield f"(&(uSNChanged>={middle + 1})(uSNChanged<={self._highest}))"

    def require(self, people: Iterator[str], what: str) -> None:
        """Compare with the people that a half gave.

        Raises
        ------
        ProtocolError
            If somebody among them was not seen.
        """
        missing = sum(1 for person in people if person not in self._seen)
        if missing:
            cause = (
                f"the server ended it after {len(self):,} entries without a word, "
                f"and has at least {missing:,} more"
            )
            raise ProtocolError(what, cause, "ask another domain controller, with no proxy between")
