"""Trouble that a lab web server makes on purpose: for one path, one account, so many times."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal

Kind = Literal["status", "headers", "reset", "delay", "truncate", "die_after", "hang_up"]

# What each kind may be told, and what it does when it is not told.
_DETAILS: Mapping[Kind, Mapping[str, object]] = MappingProxyType(
    {
        "status": {"status": 503, "headers": {}, "body": b"", "content_type": "text/html; charset=utf-8"},
        "headers": {"headers": {}},
        "reset": {},
        "delay": {"seconds": 1.0},
        "truncate": {"bytes": 0},
        "die_after": {"responses": 0},
        "hang_up": {"announced": True},
    }
)


@dataclass
class Trouble:
    r"""One kind of trouble and for whom it is.

    Parameters
    ----------
    path_pattern : str
        Shell pattern of the paths concerned, such as ``/_vti_bin/*``; without query, in any case.
    kind : str
        See `Troubles.add`.
    times : int or None
        How many requests are left to be concerned; None for all.
    account : str
        Whose requests are concerned, ``CONTOSO\\anna``; empty for everyone's.
    details : dict
        What belongs to the kind.
    """

    path_pattern: str
    kind: Kind
    times: int | None
    account: str
    details: dict[str, Any]

    def concerns(self, path: str, account: str) -> bool:
        """Say whether a request is meant."""
        meant = not self.account or self.account.lower() == account.lower()
        return meant and self.times != 0 and fnmatchcase(path.lower(), self.path_pattern.lower())


class Troubles:
    """The trouble that is due on one server; none at first."""

    def __init__(self) -> None:
        self._due: list[Trouble] = []
        self._lock = threading.Lock()

    def add(
        self,
        path_pattern: str,
        kind: Kind,
        *,
        times: int | None = 1,
        account: str = "",
        **details: Any,  # noqa: ANN401 - each kind has details of its own
    ) -> None:
        r"""Make trouble for requests that have got past the sign-in, or are in it.

        Parameters
        ----------
        path_pattern, account : str
            Whom it meets; see `Trouble`.
        kind : str
            - ``status``: an answer of its own (``status``, ``headers``, ``body``, ``content_type``).
            - ``headers``: the usual answer with further ``headers``.
            - ``reset``: the connection is reset before the request is looked at.
            - ``delay``: the answer comes after so many ``seconds``.
            - ``truncate``: the request takes effect, its answer's body breaks off after so many ``bytes``.
            - ``die_after``: the server dies when so many ``responses`` have been sent.
            - ``hang_up``: a sign-in's connection is closed before its last message, ``announced`` or not.
        times : int or None
            How many requests it meets; None for every one. Trouble added first is used up first.
        **details
            As listed.

        Raises
        ------
        TypeError
            A detail does not belong to the kind.

        Examples
        --------
        >>> troubles = Troubles()
        >>> troubles.add("/User Photos/*", "status", status=404)
        >>> troubles.take("/user photos/anna.jpg", "CONTOSO\\anna").details["status"]
        404
        >>> troubles.take("/user photos/anna.jpg", "CONTOSO\\anna") is None
        True
        """
        unknown = details.keys() - _DETAILS[kind].keys()
        if unknown:
            raise TypeError(f"trouble {kind!r} has no {', '.join(sorted(unknown))}")
        with self._lock:
            self._due.append(Trouble(path_pattern, kind, times, account, {**_DETAILS[kind], **details}))

    def health(self, scores: Iterable[int]) -> None:
        """Have the next answers carry these values of ``X-SharePointHealthScore``, one each."""
        for score in scores:
            self.add("*", "headers", headers={"X-SharePointHealthScore": str(score)})

    def take(self, path: str, account: str, *, signing_in: bool = False) -> Trouble | None:
        """Return the trouble that a request meets, and count it."""
        with self._lock:
            for trouble in self._due:
                if not trouble.concerns(path, account) or signing_in != (trouble.kind == "hang_up"):
                    continue
                if trouble.details.get("responses"):
                    trouble.details["responses"] -= 1
                    continue
                if trouble.times is not None:
                    trouble.times -= 1
                return trouble
        return None

    def clear(self) -> None:
        """End all trouble."""
        with self._lock:
            self._due.clear()
