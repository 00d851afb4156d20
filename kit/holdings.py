"""What connector-space objects hold of a photo: layer by layer its hash, never its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from kit.holograms import ConnectorSpaceObject, Value
from kit.profiles import normalise_account
from kit.store import PhotoStore

Digest = str | None
"""SHA-256 of a picture; empty where there is none, None where its bytes are not known."""


@dataclass(frozen=True, slots=True)
class Holding:
    r"""One connector-space object, reduced to what following a photo needs; under 1 kB.

    Parameters
    ----------
    guid, dn, metaverse_guid : str
        As of `kit.holograms.ConnectorSpaceObject`.
    group : str
        What all objects joined to one metaverse object have in common; empty for a disconnector.
    account : str
        ``contoso\anna``, lower case; without the domain where the object does not name it; empty where it
        names no account.
    export_operation : str
        ``add``, ``update``, ``delete``, or empty for nothing pending.
    hologram : Digest
        What the last import saw.
    pending_import, pending_export, unconfirmed_export : Digest
        The picture that a waiting change brings; empty where it leaves the picture alone or removes it.
    removal : bool
        An export waits that takes the picture away, or the whole object.
    """

    guid: str
    dn: str
    metaverse_guid: str
    group: str
    account: str
    export_operation: str
    hologram: Digest
    pending_import: Digest
    pending_export: Digest
    unconfirmed_export: Digest
    removal: bool

    @classmethod
    def of(cls, one: ConnectorSpaceObject, attribute: str, store: PhotoStore) -> Self:
        """Take a photo's hashes from an object, and put its bytes into the store.

        Parameters
        ----------
        one : ConnectorSpaceObject
        attribute : str
            `kit.flow.PICTURE` or `kit.flow.THUMBNAIL`.
        store : PhotoStore

        Raises
        ------
        OutputError
            The store cannot be written.
        """
        beneath = one.hologram.get(attribute)
        exported = one.export_changes

        def brought(layer: Mapping[str, Value]) -> Digest:
            return _digest(layer.get(attribute), store) if layer.get(attribute) != beneath else ""

        return cls(
            guid=one.guid,
            dn=one.dn,
            metaverse_guid=one.metaverse_guid,
            group=group_of(one),
            account=account_of(one),
            export_operation=one.export_operation,
            hologram=_digest(beneath, store),
            pending_import=brought(one.pending_import),
            pending_export=_digest(exported.get(attribute), store),
            unconfirmed_export=brought(one.unconfirmed_export),
            removal=one.export_operation == "delete" or exported.get(attribute, "") is None,
        )


def group_of(one: ConnectorSpaceObject) -> str:
    """Return what all objects joined to one metaverse object have in common; empty for a disconnector.

    That is its GUID, or where only the joined objects are named, the least of theirs; whether an object is
    named among its own is unproven and does not matter.
    """
    if one.metaverse_guid or not one.links:
        return one.metaverse_guid.upper()
    return min(guid.upper() for guid in (one.guid, *one.links))


def account_of(one: ConnectorSpaceObject) -> str:
    r"""Tell whose object it is: by its account, else by the attributes of the SharePoint connector.

    ``AccountName`` and ``domain`` are attributes of its published schema; that they hold the profile's
    account is unproven.

    Examples
    --------
    >>> layer = {"AccountName": "Anna", "domain": "CONTOSO"}
    >>> account_of(ConnectorSpaceObject("{G}", "anna", "SPMA", "", "user", "", layer, {}, {}, {}))
    'contoso\\anna'
    """
    layer = one.hologram or one.pending_import or one.unapplied_export
    name, domain = layer.get("AccountName"), layer.get("domain")
    if one.account or not isinstance(name, str):
        return one.account
    if isinstance(domain, str) and domain and not set(name) & {"\\", "|"}:
        name = f"{domain}\\{name}"
    return normalise_account(name)


@dataclass(frozen=True, slots=True)
class Trail:
    """One person's objects in the two connector spaces.

    Parameters
    ----------
    directory : Holding or None
        The directory agent's object.
    sharepoint : Holding or None
        The SharePoint agent's object: the one joined to the same metaverse object, else the person's own.
    joined : int
        How many SharePoint objects are joined to the directory object's metaverse object.
    """

    directory: Holding | None
    sharepoint: Holding | None
    joined: int = 0


def trail(account: str, directory: Holding | None, joined: list[Holding], own: list[Holding]) -> Trail:
    """Choose among a person's SharePoint objects: the joined ones first, then those of the account.

    Parameters
    ----------
    account : str
    directory : Holding or None
    joined : list of Holding
        SharePoint objects of the directory object's metaverse object.
    own : list of Holding
        SharePoint objects found by the account, some perhaps another's of that name in another domain; of
        those that do not tell their domain, none that somebody else is joined to.
    """
    candidates = joined or [one for one in own if "\\" not in one.account or one.account == account]
    candidates = sorted(candidates, key=lambda one: (one.account != account, one.dn, one.guid))
    return Trail(directory, next(iter(candidates), None), len(joined))


def _digest(value: Value, store: PhotoStore) -> Digest:
    """Keep a picture; text in its place, such as an address, says nothing of its bytes."""
    if isinstance(value, bytes):
        return store.put(value)
    return None if value else ""
