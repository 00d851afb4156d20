"""The user profile store of the practice farm: profiles, pictures and what changed when."""

from __future__ import annotations

import bisect
import threading
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from kit.errors import NotFoundError, ProtocolError
from kit.lab.changes import ChangeLog
from kit.lab.clock import Clock
from kit.lab.picture_library import SIZES, Delivery, PictureFile, PictureLibrary, renditions
from kit.profiles import claim, normalise_account, picture_seconds

_EMPTY_PROPERTIES = (
    "FirstName",
    "LastName",
    "PreferredName",
    "WorkPhone",
    "WorkEmail",
    "Department",
    "Title",
    "Manager",
    "Office",
    "PictureURL",
    "SPS-PictureTimestamp",
    "SPS-UserPrincipalName",
    "SPS-DistinguishedName",
    "SPS-SavedAccountName",
)


@dataclass(frozen=True)
class StoredProfile:
    """One profile as it is at one moment; a change makes a new one."""

    account_name: str
    record: int
    properties: Mapping[str, str]


class ProfileStore:
    r"""Profiles by account, in the order of their record numbers; safe to use from several threads.

    Accounts may be named in the classic form ``CONTOSO\anna`` or as a Windows claim.

    Parameters
    ----------
    url : str
        Address of the My Site host, as picture addresses begin.
    clock : Clock
        The farm's time.
    sizes : Mapping[str, int]
        Thumbnails to make: name to longest side in pixels.
    change_page_size : int
        Rows of the change log given at once.

    Attributes
    ----------
    library : PictureLibrary
        The pictures' files.
    """

    def __init__(
        self, url: str, *, clock: Clock, sizes: Mapping[str, int] = SIZES, change_page_size: int = 1000
    ) -> None:
        self.log = ChangeLog(clock, change_page_size)
        self.picture_library = PictureLibrary(url)
        self._clock = clock
        self._sizes = dict(sizes)
        self._profiles: dict[str, StoredProfile] = {}
        self._records: list[tuple[int, str]] = []
        self._last_record = 0
        self._lock = threading.RLock()

    def create(self, account_name: str, properties: Mapping[str, str]) -> None:
        """Add a profile; properties not given are empty.

        Raises
        ------
        ProtocolError
            The account has a profile already.
        """
        account = normalise_account(account_name)
        user_name = account_name.rpartition("\\")[2]
        with self._lock:
            if account in self._profiles:
                what = f"a profile for {account_name!r} was refused"
                raise ProtocolError(what, "the account has one already", "modify that one")
            # Record numbers have holes: profiles that are gone took theirs with them.
            self._last_record += 1 + (self._last_record * 7 + 3) % 4
            self._records.append((self._last_record, account))
            initial = {
                "UserProfile_GUID": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{account}#{self._last_record}")),
                "AccountName": account_name,
                **dict.fromkeys(_EMPTY_PROPERTIES, ""),
                "UserName": user_name,
                "SPS-ClaimID": account,
                "SPS-PicturePlaceholderState": "1",
                "SPS-PictureExchangeSyncState": "0",
                **properties,
            }
            stored = StoredProfile(account_name, self._last_record, MappingProxyType(initial))
            self._profiles[account] = stored
            self.log.append(account_name, "Add", "UserProfile")

    def modify(self, account_name: str, properties: Mapping[str, str]) -> None:
        """Set properties; each whose value differs makes a row in the change log.

        That an equal value makes no row is a choice: what the product does then is not known.

        Raises
        ------
        NotFoundError
            The account has no profile.
        """
        with self._lock:
            before = self.get(account_name)
            changed = {
                name: value for name, value in properties.items() if before.properties.get(name) != value
            }
            after = MappingProxyType({**before.properties, **changed})
            self._profiles[normalise_account(account_name)] = replace(before, properties=after)
            for name, value in changed.items():
                self.log.append(before.account_name, "Modify", "SingleValueProperty", name, value)

    def rewrite(self, account_name: str, properties: Mapping[str, str]) -> None:
        """Set properties as a restored database has them: nothing is logged."""
        with self._lock:
            before = self.get(account_name)
            after = MappingProxyType({**before.properties, **properties})
            self._profiles[normalise_account(account_name)] = replace(before, properties=after)

    def use_claim(self, account_name: str) -> None:
        """Name an account by its claim from now on, as profiles do that were made in claims mode."""
        with self._lock:
            before = self.get(account_name)
            name = claim(account_name)
            after = MappingProxyType({**before.properties, "AccountName": name})
            renamed = replace(before, account_name=name, properties=after)
            self._profiles[normalise_account(account_name)] = renamed

    def delete(self, account_name: str) -> None:
        """Remove a profile and its pictures."""
        with self._lock:
            stored = self.get(account_name)
            account = normalise_account(account_name)
            del self._profiles[account]
            self._records.remove((stored.record, account))
            self._delete_files(stored)
            self.log.append(stored.account_name, "Delete", "UserProfile")

    def upload(self, account_name: str, photo: bytes) -> None:
        """Set a person's picture as SharePoint does: new thumbnails under the same names.

        ``PictureURL`` is the address of the medium thumbnail and stays as it is from one picture to the next;
        ``SPS-PictureTimestamp`` advances.

        Raises
        ------
        NotFoundError
            The account has no profile.
        ProtocolError
            The bytes are not an image.
        """
        thumbnails = renditions(photo, self._sizes)
        with self._lock:
            stored = self.get(account_name)
            self._delete_imported(stored)
            url = self.picture_library.save_thumbnails(stored.account_name, thumbnails, self._clock.now())
            self._set_picture(stored, url, placeholder="0")

    def import_picture(self, account_name: str, photo: bytes) -> None:
        """Set a person's picture as an import from Active Directory does: one raw file, a relative address.

        It stays like that until ``Update-SPProfilePhotoStore`` makes thumbnails of it, which is an `upload`.
        """
        with self._lock:
            stored = self.get(account_name)
            self._delete_files(stored)
            path = self.picture_library.imported_path(stored.record)
            self.picture_library.save(path, photo, "image/jpeg", self._clock.now())
            self._set_picture(stored, path, placeholder="0")

    def remove_picture(self, account_name: str) -> None:
        """Take a person's picture away, files and address."""
        with self._lock:
            stored = self.get(account_name)
            self._delete_files(stored)
            self._set_picture(stored, "", placeholder="1")

    def replace_file(
        self, account_name: str, size: str, content: bytes, content_type: str = "image/jpeg"
    ) -> None:
        """Put other bytes under a thumbnail's name behind the profile's back: no property changes."""
        with self._lock:
            path = self.picture_path(self.get(account_name).account_name, size)
            self.picture_library.save(path, content, content_type, self._clock.now())

    def delete_file(self, account_name: str, size: str) -> None:
        """Delete a thumbnail behind the profile's back, as a failed script leaves a set incomplete."""
        with self._lock:
            self.picture_library.delete(self.picture_path(self.get(account_name).account_name, size))

    def delete_files(self, account_name: str) -> None:
        """Delete all of a person's picture files behind the profile's back, which goes on naming them."""
        with self._lock:
            for path in self._paths(self.get(account_name)):
                self.picture_library.delete(path)

    def cache(self, account_name: str, content: bytes) -> None:
        """Have the address of a person's picture answer with an earlier one; see `Delivery.OUTDATED`."""
        with self._lock:
            self.picture_library.cache(self.picture_path(self.get(account_name).account_name, "M"), content)

    def deliver(
        self,
        account_name: str,
        delivery: Delivery,
        times: int | None = None,
        *,
        spared: Collection[str] = (),
    ) -> None:
        """Have a person's picture files answered in a way of their own.

        Parameters
        ----------
        account_name : str
        delivery : Delivery
        times : int or None
            For so many requests per file; None for all.
        spared : Collection[str]
            Accounts that get the files as they are.
        """
        names = {normalise_account(name) for name in spared}
        with self._lock:
            for path in self._paths(self.get(account_name)):
                self.picture_library.deliver(path, delivery, times, names)

    def forbid(self, account_name: str, allowed: Collection[str]) -> None:
        """Let only these accounts read a person's picture files."""
        with self._lock:
            readers = {normalise_account(name) for name in allowed}
            for path in self._paths(self.get(account_name)):
                self.picture_library.restrict(path, readers)

    def count(self) -> int:
        """Return the number of profiles."""
        with self._lock:
            return len(self._profiles)

    def get(self, account_name: str) -> StoredProfile:
        """Return an account's profile.

        Raises
        ------
        NotFoundError
            It has none.
        """
        with self._lock:
            stored = self._profiles.get(normalise_account(account_name))
        if stored is None:
            what = f"A user with the account name {account_name} could not be found"
            raise NotFoundError(what, "it has no profile", "check the name")
        return stored

    def at(self, index: int) -> tuple[StoredProfile | None, int]:
        """Return the first profile whose record number is not below ``index``, and the next one's number.

        Returns
        -------
        tuple[StoredProfile or None, int]
            None past the end; the number is -1 when nothing follows.
        """
        with self._lock:
            position = bisect.bisect_left(self._records, (index, ""))
            if position == len(self._records):
                return None, -1
            following = self._records[position + 1][0] if position + 1 < len(self._records) else -1
            return self._profiles[self._records[position][1]], following

    def file(self, path: str) -> PictureFile | None:
        """Return the file at a server-relative path, or None."""
        return self.picture_library.get(path)

    def may_read(self, path: str, user: str) -> bool:
        """Say whether an account may read the file at a path."""
        return self.picture_library.may_read(path, normalise_account(user))

    def picture_path(self, account_name: str, size: str) -> str:
        r"""Return the server-relative path of a thumbnail, ``.../CONTOSO_anna_MThumb.jpg``."""
        return self.picture_library.path(account_name, size)

    def _paths(self, stored: StoredProfile) -> list[str]:
        """Return where a person's files are, or would be."""
        thumbnails = [self.picture_path(stored.account_name, size) for size in self._sizes]
        return [*thumbnails, self.picture_library.imported_path(stored.record)]

    def _delete_files(self, stored: StoredProfile) -> None:
        self.picture_library.delete_thumbnails(stored.account_name, self._sizes)
        self._delete_imported(stored)

    def _delete_imported(self, stored: StoredProfile) -> None:
        self.picture_library.delete(self.picture_library.imported_path(stored.record))

    def _set_picture(self, stored: StoredProfile, url: str, *, placeholder: str) -> None:
        # Whole seconds: two pictures in the same second must still be two changes.
        previous = int(stored.properties["SPS-PictureTimestamp"] or 0)
        now = max(picture_seconds(self._clock.now()), previous + 1)
        self.modify(
            stored.account_name,
            {
                "PictureURL": url,
                "SPS-PictureTimestamp": str(now),
                "SPS-PicturePlaceholderState": placeholder,
                "SPS-PictureExchangeSyncState": "0",
            },
        )
