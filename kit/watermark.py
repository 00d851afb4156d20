"""Where a reading of one domain controller ended, and whether the next one can begin there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kit.users import DirectoryUser


@dataclass(frozen=True)
class Watermark:
    """How far one domain controller's changes have been read.

    An update sequence number counts for one controller alone, and only as long as it has the database that
    gave it: a restored database has another invocation id (MS-ADTS 3.1.1.1.9; "Polling for Changes Using
    USNChanged", Microsoft Learn).

    Parameters
    ----------
    controller : str
        Distinguished name of its nTDSDSA object (``dsServiceName``).
    invocation_id : str
        Of its database; empty if the account may not read it.
    usn : int
        ``highestCommittedUSN`` when the reading began.
    """

    controller: str
    invocation_id: str
    usn: int


@dataclass(frozen=True)
class Reading:
    """Users, whole or what has changed, and the watermark to give next time.

    Parameters
    ----------
    users : Iterator of DirectoryUser
        To be consumed once; the watermark may be kept when it has ended, not before.
    full : bool
        Whether these are all users.
    reason : str
        Why they are all; empty if they are the changed ones.
    watermark : Watermark
        Where the next reading begins.
    """

    users: Iterator[DirectoryUser]
    full: bool
    reason: str
    watermark: Watermark


def reason_for_all(previous: Watermark | None, now: Watermark) -> str:
    """Say why the changes since a watermark cannot be asked for; empty if they can.

    Examples
    --------
    >>> reason_for_all(Watermark("CN=DC1", "a", 70), Watermark("CN=DC1", "a", 90))
    ''
    >>> reason_for_all(Watermark("CN=DC1", "a", 70), Watermark("CN=DC2", "b", 90))
    'another domain controller answers: CN=DC2 instead of CN=DC1'
    """
    if previous is None:
        return "nothing was read before"
    if previous.controller.casefold() != now.controller.casefold():
        return f"another domain controller answers: {now.controller} instead of {previous.controller}"
    if previous.invocation_id != now.invocation_id:
        return f"the database of {now.controller} was restored: it has another invocation id"
    if now.usn < previous.usn:
        return f"the update sequence number of {now.controller} went back from {previous.usn} to {now.usn}"
    return ""
