"""The connectors of the two management agents: Active Directory over LDAP, SharePoint over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from kit.connection import telling
from kit.directory import Directory, DirectoryUser
from kit.errors import NotFoundError, ProtocolError, RightsError
from kit.lab.connector import DiscoveryError, ExportFailure, ImportedObject
from kit.lab.runs import EXTENSION_EXCEPTION, FULL_IMPORT_REQUIRED, StepStoppedError
from kit.lab.space import Delta, Value
from kit.lab.staging import PICTURE
from kit.profiles import Profile, UnreadableProfile
from kit.results import check
from kit.sharepoint import SharePoint
from kit.soap import escape

_DIRECTORY_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "sAMAccountName": "account_name",
        "userPrincipalName": "user_principal_name",
        "displayName": "display_name",
        "department": "department",
        "mail": "mail",
        "telephoneNumber": "telephone_number",
        "givenName": "given_name",
        "sn": "surname",
        "thumbnailPhoto": "photo",
    }
)
_PROFILE_PROPERTIES = ("AccountName", "UserName", "PreferredName", "WorkEmail", "Department", "WorkPhone")


class DirectoryWriter(Directory):
    """A directory client that writes what the Active Directory agent exports; parameters as `Directory`."""

    def replace(self, distinguished_name: str, attribute: str, value: Value | None) -> None:
        """Write one attribute of one object; None takes it away.

        Raises
        ------
        SourceError
            What the directory or the connection refused.
        """
        raw = value.encode() if isinstance(value, str) else value
        what = f"{attribute} of {distinguished_name!r}"
        self._session.modify(distinguished_name, attribute, [] if raw is None else [raw], what)

    def delete(self, distinguished_name: str) -> None:
        """Delete one object.

        Raises
        ------
        NotFoundError
            It is not there.
        SourceError
            What the directory or the connection refused.
        """
        connection, what = self._session.connect(), f"deletion of {distinguished_name!r}"
        with telling(what):
            connection.delete(distinguished_name)
        check(connection.result, what)


class DirectoryConnector:
    """The Active Directory agent's connector.

    The real agent follows changes with the DirSync control; this one asks for ``uSNChanged``, and so learns
    of a deleted account from a full import only.

    Parameters
    ----------
    directory : DirectoryWriter
        Signed in as the agent's account.
    containers : Sequence[str]
        Distinguished names; only what lies below one of them is in scope. Empty for everything.
    server : str
        The domain controller's name for the run history.

    Attributes
    ----------
    left_out : set of str
        Account names, lower case, that are out of scope wherever they lie.
    """

    def __init__(
        self, directory: DirectoryWriter, containers: Sequence[str] = (), server: str = "dc01"
    ) -> None:
        self.server = server
        self._directory = directory
        self._containers = tuple(f",{container}".casefold() for container in containers)
        self.left_out: set[str] = set()

    def watermark(self) -> str:
        """Return the highest update sequence number given out."""
        return str(self._directory.highest_usn())

    def full_import(self, attributes: frozenset[str]) -> Iterator[ImportedObject | DiscoveryError]:
        """Read every user in scope."""
        photos = "thumbnailPhoto" in attributes
        for user in self._directory.users(photos=photos):
            if self._in_scope(user):
                yield self._imported(user, attributes)

    def delta_import(
        self, watermark: str, attributes: frozenset[str]
    ) -> tuple[Iterator[ImportedObject | DiscoveryError], str]:
        """Read the users changed since; one that has left the scope is reported deleted."""
        following = self.watermark()
        return self._changed(f"(uSNChanged>={int(watermark) + 1})", attributes), following

    def export(self, anchor: str, dn: str, change: Delta) -> ExportFailure | None:  # noqa: ARG002 - the interface
        """Write an update or a deletion; this farm's rules never create an account."""
        if change.operation == "add":
            return ExportFailure("unexpected-error", "add is not modelled by this practice farm")
        try:
            if change.operation == "delete":
                self._directory.delete(dn)
            for attribute, value in change.changes.items():
                self._directory.replace(dn, attribute, value)
        except RightsError as error:
            return ExportFailure("permission-issue", str(error))
        except NotFoundError as error:
            return ExportFailure("cd-missing-object", str(error))
        except ProtocolError as error:
            constraint = "constraintviolation" in error.cause.casefold()
            return ExportFailure("constraint-violation" if constraint else "cd-error", str(error))
        return None

    def _changed(
        self, usn_filter: str, attributes: frozenset[str]
    ) -> Iterator[ImportedObject | DiscoveryError]:
        photos = "thumbnailPhoto" in attributes
        for user in self._directory.users(photos=photos, extra_filter=usn_filter):
            if self._in_scope(user):
                yield self._imported(user, attributes)
            else:
                yield ImportedObject(user.person, user.distinguished_name, deleted=True)

    def _in_scope(self, user: DirectoryUser) -> bool:
        if user.account_name.casefold() in self.left_out:
            return False
        return not self._containers or user.distinguished_name.casefold().endswith(self._containers)

    def _imported(self, user: DirectoryUser, attributes: frozenset[str]) -> ImportedObject:
        values = {
            name: getattr(user, _DIRECTORY_FIELDS[name]) for name in attributes if name in _DIRECTORY_FIELDS
        }
        return ImportedObject(
            anchor=user.person,
            dn=user.distinguished_name,
            attributes={name: value for name, value in values.items() if value},
            account=user.account_name,
            domain=self._directory.netbios_name,
            user_principal_name=user.user_principal_name,
        )


class SharePointConnector:
    r"""The SharePoint agent's connector.

    The real one calls ProfileImportExportService, whose import messages are not documented; this one
    reads the same profiles by UserProfileService, the same changes by UserProfileChangeService, and
    every picture with one GET, as the real one does. An anchor is an account name without its domain.

    Parameters
    ----------
    sharepoint : SharePoint
        Signed in as the agent's account, which needs Manage Profiles.
    domain : str
        NetBIOS name before the backslash of the accounts.
    upload : Callable[[str, bytes], None] | None
        Sets the picture of an account, server side; needed only while pictures flow to SharePoint.
    delete : Callable[[str], None] | None
        Deletes an account's profile, server side; neither has a documented message.
    server : str
        The server's name for the run history.

    Attributes
    ----------
    left_out : set of str
        Accounts, normalised, that the connector does not read, as those of another service application.
    prefixes : dict[str, str]
        NetBIOS name by anchor, for profiles that are created under another domain's than their own.
    """

    def __init__(
        self,
        sharepoint: SharePoint,
        domain: str = "CONTOSO",
        *,
        upload: Callable[[str, bytes], None] | None = None,
        delete: Callable[[str], None] | None = None,
        server: str = "sharepoint01",
    ) -> None:
        self.server = server
        self._sharepoint = sharepoint
        self._domain = domain
        self._upload = upload
        self._delete = delete
        self.left_out: set[str] = set()
        self.prefixes: dict[str, str] = {}

    def watermark(self) -> str:
        """Return the change log's current token."""
        return self._sharepoint.current_token()

    def full_import(self, attributes: frozenset[str]) -> Iterator[ImportedObject | DiscoveryError]:
        """Walk through every profile and fetch its picture."""
        for profile in self._sharepoint.profiles():
            if isinstance(profile, UnreadableProfile):
                anchor = _anchor(profile.account) or str(profile.record)
                yield DiscoveryError("read-error", anchor=anchor, detail=profile.error)
            elif profile.account not in self.left_out:
                yield self._imported(profile, attributes)

    def delta_import(
        self, watermark: str, attributes: frozenset[str]
    ) -> tuple[Iterator[ImportedObject | DiscoveryError], str]:
        """Read the people in the change log since the token, each whole.

        Raises
        ------
        StepStoppedError
            The log does not reach back to the token; that this asks for a full import is not proven.
        """
        log = self._sharepoint.changes(watermark)
        if log.gap:
            cause = "the profile change log keeps 14 days and the watermark is older"
            raise StepStoppedError(FULL_IMPORT_REQUIRED, cause, "warning-no-watermark")
        changed = (change.account for change in log.changes)
        accounts = dict.fromkeys(account for account in changed if account not in self.left_out)
        return self._changed(accounts, attributes), log.token

    def export(self, anchor: str, dn: str, change: Delta) -> ExportFailure | None:  # noqa: ARG002 - the interface
        """Create, modify or delete a profile."""
        account = anchor if "|" in anchor else f"{self.prefixes.get(anchor, self._domain)}\\{anchor}"
        try:
            return self._export(account, change)
        except RightsError as error:
            return ExportFailure("permission-issue", str(error))
        except NotFoundError as error:
            return ExportFailure("cd-missing-object", str(error))
        except ProtocolError as error:
            missing = change.operation == "update" and self._sharepoint.profile(account) is None
            return ExportFailure("cd-missing-object" if missing else "cd-error", str(error))

    def _export(self, account: str, change: Delta) -> ExportFailure | None:
        if change.operation == "delete":
            if self._delete is None:
                return ExportFailure("cd-error", "this connector was given no way to delete a profile")
            self._delete(account)
            return None
        if change.operation == "add":
            if self._sharepoint.profile(account) is not None:
                return ExportFailure("cd-existing-object", f"{account} has a profile already")
            name = f"<accountName>{escape(account)}</accountName>"
            self._sharepoint.call("UserProfileService", "CreateUserProfileByAccountName", name)
        self._modify(
            account, {name: text for name, text in change.changes.items() if isinstance(text, str | None)}
        )
        picture = change.changes.get(PICTURE)
        if isinstance(picture, bytes):
            if self._upload is None:
                return ExportFailure("cd-error", "this connector was given no way to set a picture")
            self._upload(account, picture)
        return None

    def _modify(self, account: str, values: Mapping[str, str | None]) -> None:
        names = {name: "PictureURL" if name == PICTURE else name for name in values}
        data = "".join(
            "<PropertyData><IsPrivacyChanged>false</IsPrivacyChanged><IsValueChanged>true</IsValueChanged>"
            f"<Name>{escape(names[name])}</Name><Privacy>NotSet</Privacy>{_values(value)}</PropertyData>"
            for name, value in values.items()
        )
        if data:
            body = f"<accountName>{escape(account)}</accountName><newData>{data}</newData>"
            self._sharepoint.call("UserProfileService", "ModifyUserPropertyByAccountName", body)

    def _changed(
        self, accounts: Mapping[str, None], attributes: frozenset[str]
    ) -> Iterator[ImportedObject | DiscoveryError]:
        for account in accounts:
            anchor = _anchor(account)
            try:
                profile = self._sharepoint.profile(account)
            except ProtocolError as error:
                yield DiscoveryError("read-error", anchor, anchor, detail=str(error))
                continue
            if profile is None:
                yield ImportedObject(anchor, anchor, deleted=True)
            else:
                yield self._imported(profile, attributes)

    def _imported(self, profile: Profile, attributes: frozenset[str]) -> ImportedObject:
        values: dict[str, Value] = {name: profile.properties.get(name, "") for name in _PROFILE_PROPERTIES}
        anchor = _anchor(profile.account)
        values["Anchor"] = anchor
        if PICTURE in attributes and profile.picture_url:
            values[PICTURE] = self._picture(profile)
        selected = {name: value for name, value in values.items() if value and name in attributes}
        return ImportedObject(anchor, anchor, selected)

    def _picture(self, profile: Profile) -> bytes:
        """Fetch a picture; whatever a 200 brings is taken, and one refusal ends the step, as in the field."""
        picture = self._sharepoint.picture(profile.picture_url)
        if picture.content is None:
            cause = f"GET {profile.picture_url} of {profile.account} was answered with {picture.status}"
            raise StepStoppedError(EXTENSION_EXCEPTION, cause)
        return picture.content


def _anchor(account: str) -> str:
    return account if "|" in account else account.rpartition("\\")[2]


def _values(value: str | None) -> str:
    if not value:
        return "<Values/>"
    return f'<Values><ValueData><Value xsi:type="xsd:string">{escape(value)}</Value></ValueData></Values>'
