"""What SharePoint says of a person: profiles as plain values, and the one form of an account name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element

from kit.errors import ProtocolError

# An identity claim of a Windows account, encoded; "i:" is left out where only identities can stand.
_WINDOWS_CLAIM = re.compile(r"^((?:i:)?0#\.w\|)+", re.IGNORECASE)


def normalise_account(name: str) -> str:
    r"""Return an account name in the one form by which accounts are compared.

    Windows accounts lose the claim prefix that claims-mode web applications put in front; everything becomes
    lower case. Other claims (trusted provider, forms, and a Windows account named by its SID) keep their
    prefix: they are other accounts, also where the same person is behind them. Blanks stay: SharePoint takes
    a name with a trailing blank for another account.

    Examples
    --------
    >>> normalise_account(r"i:0#.w|CONTOSO\Anna")
    'contoso\\anna'
    >>> normalise_account(r"CONTOSO\Anna")
    'contoso\\anna'
    >>> normalise_account(r"0#.w|contoso\anna")
    'contoso\\anna'
    >>> normalise_account("i:05.t|adfs|Anna@contoso.example")
    'i:05.t|adfs|anna@contoso.example'
    """
    return _WINDOWS_CLAIM.sub("", name).lower()


def claim(account_name: str) -> str:
    r"""Return the claim form that the REST interface asks for.

    Examples
    --------
    >>> claim(r"CONTOSO\Anna")
    'i:0#.w|contoso\\anna'
    """
    name = normalise_account(account_name)
    return name if "|" in name else f"i:0#.w|{name}"


def picture_time(seconds: str) -> datetime | None:
    """Return the time in an ``SPS-PictureTimestamp``: whole seconds since year 1, UTC.

    Returns
    -------
    datetime or None
        Aware, UTC; None where the text is empty or no such number.

    Examples
    --------
    >>> picture_time("63783110969").isoformat()
    '2022-03-17T10:49:29+00:00'
    >>> picture_time("yesterday")
    """
    try:
        return datetime.min.replace(tzinfo=UTC) + timedelta(seconds=int(seconds))
    except (ValueError, OverflowError):
        return None


def picture_seconds(time: datetime) -> int:
    """Return a time as ``SPS-PictureTimestamp`` counts it; see `picture_time`.

    Examples
    --------
    >>> picture_seconds(datetime(2022, 3, 17, 10, 49, 29, tzinfo=UTC))
    63783110969
    """
    return (time - datetime.min.replace(tzinfo=UTC)) // timedelta(seconds=1)


@dataclass(frozen=True)
class Profile:
    r"""One user profile.

    Parameters
    ----------
    account : str
        Normalised account, ``contoso\anna``.
    account_name : str
        The account as SharePoint gave it.
    profile_guid : str
        ``UserProfile_GUID``; the only stable key of a profile.
    record : int
        Record number in the index walk; -1 for the first of a walk and for a profile read another way, whose
        answers do not tell it.
    properties : Mapping[str, str]
        Every property as text; an empty one is empty text, several values are joined by ``|`` as REST does.
    """

    account: str
    account_name: str
    profile_guid: str
    record: int
    properties: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, properties: Mapping[str, str], record: int = -1) -> Profile:
        """Return the profile that holds these properties."""
        name = properties.get("AccountName", "")
        return cls(normalise_account(name), name, properties.get("UserProfile_GUID", ""), record, properties)

    @property
    def picture_url(self) -> str:
        """The stored address of the medium thumbnail; it stays the same when the picture changes."""
        return self.properties.get("PictureURL", "")

    @property
    def picture_timestamp(self) -> datetime | None:
        """When the picture was last set (``SPS-PictureTimestamp``)."""
        return picture_time(self.properties.get("SPS-PictureTimestamp", ""))

    @property
    def placeholder_state(self) -> int | None:
        """``SPS-PicturePlaceholderState``: 0 a real picture, 1 none yet (unproven for 2016)."""
        return self._state("SPS-PicturePlaceholderState")

    @property
    def exchange_sync_state(self) -> int | None:
        """``SPS-PictureExchangeSyncState``: 1 where Exchange owns the picture, else 0 (unproven for 2016)."""
        return self._state("SPS-PictureExchangeSyncState")

    @property
    def display_name(self) -> str:
        """``PreferredName``."""
        return self.properties.get("PreferredName", "")

    @property
    def user_name(self) -> str:
        """``UserName``, the name without its domain."""
        return self.properties.get("UserName", "")

    @property
    def department(self) -> str:
        """``Department``."""
        return self.properties.get("Department", "")

    @property
    def work_phone(self) -> str:
        """``WorkPhone``."""
        return self.properties.get("WorkPhone", "")

    @property
    def work_email(self) -> str:
        """``WorkEmail``."""
        return self.properties.get("WorkEmail", "")

    def _state(self, name: str) -> int | None:
        """Return a property that is a small number; None where it is empty or none."""
        state = self.properties.get(name, "")
        return int(state) if state.isdecimal() else None


@dataclass(frozen=True)
class UnreadableProfile:
    """A profile that exists but whose answer could not be read.

    Parameters
    ----------
    record : int
        The record number that was asked for.
    error_kind : str
        The kind of `KitError`, as frames store it.
    error : str
        One sentence.
    account : str
        Normalised account where it could be made out, else empty.
    """

    record: int
    error_kind: str
    error: str
    account: str = ""


def properties(data: Iterable[Element]) -> dict[str, str]:
    """Return the values in a series of SOAP ``PropertyData`` by name, as in `Profile`."""
    return {
        name: "|".join(value.text or "" for value in element.iterfind("{*}Values/{*}ValueData/{*}Value"))
        for element in data
        if (name := element.findtext("{*}Name"))
    }


def person(payload: Any) -> Profile | None:  # noqa: ANN401 - any JSON may come
    """Return the profile in a ``GetPropertiesFor`` answer, in verbose or light JSON; None for no profile.

    That an unknown account gives null and not an error is unproven for some builds.

    Raises
    ------
    ProtocolError
        The answer has another shape.
    """
    try:
        fields = payload.get("d", payload)
        if payload.get("odata.null") or ("GetPropertiesFor" in fields and fields["GetPropertiesFor"] is None):
            return None
        pairs = fields["UserProfileProperties"]
        pairs = pairs["results"] if "d" in payload else pairs
        found = {str(pair["Key"]): str(pair["Value"] or "") for pair in pairs}
    except (AttributeError, KeyError, TypeError) as error:
        what = "a GetPropertiesFor answer could not be read"
        raise ProtocolError(
            what, f"it has no UserProfileProperties ({error})", "check the address"
        ) from error
    return Profile.of(found)
