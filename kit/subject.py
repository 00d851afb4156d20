"""The test account of the experiment: what SharePoint shows of it, what its connector space holds of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from kit import photos, profiles
from kit.case import Case
from kit.errors import NotFoundError, ProtocolError, SafetyError
from kit.mim import SynchronizationService
from kit.profiles import Profile, normalise_account
from kit.sharepoint import SharePoint
from kit.soap import escape

PICTURE, PHONE = "picture", "WorkPhone"
SAME = frozenset({"same_bytes", "same_pixels", "same_picture"})
"""Verdicts of `kit.photos.compare` that stand for one picture."""

_SET_PICTURE = "_api/SP.UserProfiles.PeopleManager/SetMyProfilePicture"
_SERVICE = "UserProfileService"

Value = bytes | str | None
"""A picture or a phone number; no picture is None, no number the empty text."""


class Subject:
    """One account, signed in to SharePoint as itself: nobody else's profile can be written this way.

    ``SetMyProfilePicture`` sets the caller's own picture. ``ModifyUserPropertyByAccountName`` is for those
    who manage profiles; that it writes the caller's own profile without that right, as far as the property
    may be edited by its owner, is unproven for SharePoint 2016.

    Parameters
    ----------
    sharepoint : SharePoint
        Signed in as the account.
    account : str
        The account that this must be.
    """

    def __init__(self, sharepoint: SharePoint, account: str) -> None:
        self._sharepoint = sharepoint
        self.account = normalise_account(account)

    def require_own(self) -> None:
        """Refuse a sign-in that is another account's: that account's picture would be overwritten.

        Raises
        ------
        NotFoundError
            The account has no profile.
        SafetyError
            The sign-in is not the account's own.
        """
        self.profile()
        # A name that is left out stands for the caller (MS-UPSWS 3.1.4.28).
        answer = self._sharepoint.call(_SERVICE, "GetUserProfileByName", "")
        data = answer.iterfind("{*}GetUserProfileByNameResult/{*}PropertyData")
        caller = Profile.of(profiles.properties(data)).account
        if caller != self.account:
            what = f"the sign-in of the test account '{self.account}' is that of '{caller}'"
            cause = "somebody else's picture would be overwritten"
            raise SafetyError(what, cause, "correct 'experiment' in the case file")

    def profile(self) -> Profile:
        """Read the account's profile.

        Raises
        ------
        NotFoundError
            It has none.
        """
        found = self._sharepoint.profile(self.account)
        if found is None:
            what = f"the test account '{self.account}' has no profile in SharePoint"
            raise NotFoundError(what, "it was never imported", "take another test account")
        return found

    def picture(self, size: str = "", *, fresh: bool = False) -> bytes | None:
        """Download the picture that the profile names, or another size of it; None where there is none.

        Parameters
        ----------
        size : str
            As of `kit.sharepoint.SharePoint.picture`.
        fresh : bool
            Ask past every cache.

        Raises
        ------
        ProtocolError
            What is there is no picture.
        """
        url = self.profile().picture_url
        if not url:
            return None
        found = self._sharepoint.picture(url, size=size, fresh=fresh)
        if found.kind != "image" and size:
            return self.picture()
        if found.kind != "image" or found.content is None:
            what = f"the picture of '{self.account}' is no picture"
            raise ProtocolError(what, found.detail, "take another test account, or mend this one's picture")
        return found.content

    def value(self, attribute: str) -> Value:
        """Return what SharePoint shows, of `PICTURE` or `PHONE`."""
        return self.picture() if attribute == PICTURE else self.profile().work_phone

    def shows(self, attribute: str, value: Value) -> bool:
        """Say whether SharePoint holds this value, of a picture perhaps in another encoding or size.

        It is asked past every cache: who sees the former value may write once more.
        """
        held = self.picture(fresh=True) if attribute == PICTURE else self.value(attribute)
        return is_same(held, value)

    def write(self, attribute: str, value: Value) -> None:
        """Set a value, exactly once; None takes the picture's address away, its files stay in the library.

        Raises
        ------
        SourceError
            It was refused.
        OutcomeUnknownError
            No answer came: read the value back.
        """
        if isinstance(value, bytes):
            self._sharepoint.post(_SET_PICTURE, value)
        else:
            self._modify("PictureURL" if attribute == PICTURE else PHONE, value or "")

    def _modify(self, name: str, text: str) -> None:
        values = f"<ValueData><Value>{escape(text)}</Value></ValueData>" if text else ""
        data = (
            "<PropertyData><IsPrivacyChanged>false</IsPrivacyChanged><IsValueChanged>true</IsValueChanged>"
            f"<Name>{name}</Name><Privacy>NotSet</Privacy><Values>{values}</Values></PropertyData>"
        )
        request = f"<accountName>{escape(self.account)}</accountName><newData>{data}</newData>"
        self._sharepoint.call(_SERVICE, "ModifyUserPropertyByAccountName", request)


@dataclass(frozen=True)
class Staged:
    """What MIM holds of the test account.

    Parameters
    ----------
    imported : dict of str to Value
        `PICTURE` and `PHONE` of the SharePoint object: what the next synchronization will see.
    directory_photo : bytes or None
        What the directory agent's connector space holds.
    dn : str
        The name of the SharePoint object, by which errors of an import tell of it.
    """

    imported: dict[str, Value] = field(repr=False)
    directory_photo: bytes | None = field(repr=False)
    dn: str


def staged(service: SynchronizationService, case: Case, account: str) -> Staged:
    """Find the test account in both connector spaces, through its metaverse object.

    Raises
    ------
    NotFoundError
        The directory agent has no object of this account.
    SafetyError
        It is not joined to exactly one SharePoint profile.
    """
    mim = case.mim
    found = service.connector_space_objects(account=account)
    own = [one for one in found if one.agent.casefold() == mim.directory_agent.casefold()]
    if not own:
        what = f"the test account '{account}' is not in the connector space of '{mim.directory_agent}'"
        raise NotFoundError(what, "the agent does not read it", "take an account of the agent's scope")
    guid = own[0].metaverse_guid
    joined = service.connector_space_objects(metaverse_guid=guid) if guid else []
    objects = [one for one in joined if one.agent.casefold() == mim.sharepoint_agent.casefold()]
    if len(objects) != 1:
        what = f"the test account '{account}' is joined to {len(objects)} objects of '{mim.sharepoint_agent}'"
        raise SafetyError(what, "the experiment needs exactly one", "take another test account")
    layer = objects[0].pending_import or objects[0].hologram
    imported: dict[str, Value] = {PICTURE: _bytes(layer.get("Picture")), PHONE: _text(layer.get("WorkPhone"))}
    return Staged(imported, _bytes(own[0].hologram.get("thumbnailPhoto")), objects[0].dn)


def is_same(first: Value, second: Value) -> bool:
    """Say whether two values are one: the same text, or the same picture in whatever encoding.

    Examples
    --------
    >>> is_same("+1 425", "+1 425"), is_same(None, None), is_same(None, b"a picture")
    (True, True, False)
    """
    if isinstance(first, bytes) and isinstance(second, bytes):
        return photos.compare(first, second).verdict in SAME
    return first == second


def compared(subject: Subject, held: Staged) -> pd.DataFrame:
    """Show what SharePoint and the connector space have of the test account.

    Returns
    -------
    DataFrame
        One row for the picture and one for the phone number: ``attribute``, ``SharePoint``, ``connector
        space`` (str), ``same`` (bool).
    """
    shown = {attribute: subject.value(attribute) for attribute in (PICTURE, PHONE)}
    rows = [
        {
            "attribute": attribute,
            "SharePoint": _told(value),
            "connector space": _told(held.imported[attribute]),
            "same": is_same(value, held.imported[attribute]),
        }
        for attribute, value in shown.items()
    ]
    return pd.DataFrame(rows)


def _told(value: Value) -> str:
    return photos.fingerprint(value).description if isinstance(value, bytes) else value or "none"


def _bytes(value: object) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
