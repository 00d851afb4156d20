"""The change log of SharePoint's user profiles: what changed since a token, and what cannot be known."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from kit import soap
from kit.errors import ProtocolError
from kit.profiles import normalise_account

logger = logging.getLogger(__name__)

_SERVICE = "UserProfileChangeService"

# Every flag of UserProfileChangeQuery is mandatory, in this order (the base type's first).
_WANTED = {"SingleValueProperty", "Add", "Update", "Delete", "UserProfile"}
_QUERY = "".join(
    f"<{flag}>{str(flag in _WANTED).lower()}</{flag}>"
    for flag in (
        "SingleValueProperty",
        "MultiValueProperty",
        "Custom",
        "Add",
        "Update",
        "UpdateMetadata",
        "Delete",
        "Anniversary",
        "DistributionListMembership",
        "SiteMembership",
        "QuickLink",
        "Colleague",
        "WebLog",
        "PersonalizationSite",
        "UserProfile",
        "OrganizationMembership",
    )
)


@dataclass(frozen=True)
class Change:
    """One row of the profile change log (``UserProfileChangeData``).

    ``change_types`` and ``object_types`` are sets: on the wire they are blank-separated lists.
    """

    event: int
    account: str
    change_types: frozenset[str]
    object_types: frozenset[str]
    time: datetime | None
    property_name: str
    value: str

    @classmethod
    def of(cls, row: Element) -> Change:
        """Return the row that a ``UserProfileChangeData`` element holds."""

        def text(name: str) -> str:
            return (row.findtext(f"{{*}}{name}") or "").strip()

        return cls(
            event=soap.integer(text("Id")),
            account=normalise_account(text("UserAccountName")),
            change_types=frozenset(text("ChangeType").split()),
            object_types=frozenset(text("ObjectType").split()),
            time=_time(text("EventTime")),
            property_name=text("PropertyName"),
            value=text("Value"),
        )


@dataclass(frozen=True)
class Gap:
    """Why and since when the change log says nothing.

    Parameters
    ----------
    reason : str
        Why the token was refused, in the server's words.
    until : datetime or None
        Time of the oldest change that the log still holds, UTC: whatever happened between the token and this
        time is lost, and only comparing profiles brings it to light. None where the log holds no change at
        all, so that nothing is known up to now.
    """

    reason: str
    until: datetime | None


@dataclass(frozen=True)
class Changes:
    """The change log since a token.

    Parameters
    ----------
    changes : tuple[Change, ...]
        Oldest first.
    token : str
        Where to go on the next time.
    gap : Gap or None
        Set when the token asked with was refused; ``changes`` is then all that the log still holds, which may
        begin before the token where it was refused for another reason than its age.
    """

    changes: tuple[Change, ...]
    token: str
    gap: Gap | None = None


@dataclass(frozen=True)
class _Page:
    rows: list[Change]
    token: str
    exceeded: bool

    @classmethod
    def of(cls, result: Element) -> _Page:
        rows = [Change.of(row) for row in result.iterfind("{*}Changes/{*}UserProfileChangeData")]
        exceeded = (result.findtext("{*}HasExceededCountLimit") or "").strip() in {"true", "1"}
        return cls(rows, result.findtext("{*}ChangeToken") or "", exceeded)


class ChangeLog:
    """The change log of one farm (MS-USRPCH); every call needs Manage Profiles, as far as is known.

    Parameters
    ----------
    client : soap.Client
        The signed-in client; the caller closes its session.
    """

    def __init__(self, client: soap.Client) -> None:
        self._client = client

    def current_token(self) -> str:
        """Return the token of this moment; opaque, and good for the 14 days that the log reaches back."""
        return self._client.result(_SERVICE, "GetCurrentChangeToken").text or ""

    def since(self, token: str = "") -> Changes:
        """Return every change since a token, all pages together; see `kit.sharepoint.SharePoint.changes`.

        A fault does not say in any language-independent way that it is about the token. So the same question
        is asked with a token that was given just now: where that one is accepted, the old one is what is
        refused.

        Raises
        ------
        ProtocolError
            The service refuses every token, or its answers come to no end.
        """
        if not token:
            return self._drained(self._everything())
        try:
            first = self._after(token)
        except ProtocolError as error:
            self._after(self.current_token())
            logger.warning("the change log has a gap: %s", error)
            held = self._drained(self._everything())
            times = [change.time for change in held.changes if change.time]
            return Changes(held.changes, held.token, Gap(error.cause, min(times, default=None)))
        return self._drained(first)

    def _drained(self, page: _Page) -> Changes:
        """Return a page and all that follow it: until one is empty and the server says that it was the last.

        An empty page can be followed by others: the server counts what it looked at, not what it gave.
        """
        rows, met = list(page.rows), set[str]()
        while page.rows or page.exceeded:
            if page.token in met:
                what = "reading the change log came to no end"
                raise ProtocolError(what, "the service gave the same token twice", "report the farm's build")
            met.add(page.token)
            page = self._after(page.token)
            rows += page.rows
        return Changes(tuple(rows), page.token)

    def _everything(self) -> _Page:
        return _Page.of(self._client.result(_SERVICE, "GetAllChanges"))

    def _after(self, token: str) -> _Page:
        after = f"<changeToken>{soap.escape(token)}</changeToken>"
        query = f"<changeQuery>{_QUERY}</changeQuery>"
        return _Page.of(self._client.result(_SERVICE, "GetChanges", after + query))


def _time(text: str) -> datetime | None:
    """Return an ``xs:dateTime`` as UTC; one without a zone is taken for UTC, which is unproven."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
