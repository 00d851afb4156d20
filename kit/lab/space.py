"""Connector spaces: what the synchronization service knows of each object in a connected system."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

Value = str | bytes
Attributes = Mapping[str, Value]

NAMESPACE = uuid.UUID("8a5d9a7e-3f0c-4a7f-9a55-2e3f0b4f6c1d")
_COMMA = re.compile(r"(?<!\\),")


def identifier(*parts: str) -> str:
    """Return the same GUID for the same parts, as WMI writes GUIDs: braces and upper case.

    Examples
    --------
    >>> identifier("SPMA", "anna") == identifier("SPMA", "anna")
    True
    """
    return "{" + str(uuid.uuid5(NAMESPACE, "|".join(parts))).upper() + "}"


@dataclass(frozen=True)
class Delta:
    """A change to one object: ``add``, ``update`` or ``delete``; an attribute changed to None is removed.

    Examples
    --------
    >>> Delta("update", {"mail": None}).apply({"mail": "a@b", "sn": "B"})
    {'sn': 'B'}
    """

    operation: str
    changes: Mapping[str, Value | None] = field(default_factory=dict, repr=False)
    new_dn: str = ""

    def apply(self, values: Attributes | None) -> dict[str, Value] | None:
        """Return the object's attributes after the change; None is an object that does not exist."""
        if self.operation == "delete":
            return None
        merged: dict[str, Value | None] = {**(values or {}), **self.changes}
        return {name: value for name, value in merged.items() if value is not None}

    def then(self, later: Delta) -> Delta:
        """Return the two changes as one."""
        if later.operation == "delete" or self.operation == "delete":
            return later
        return Delta(self.operation, {**self.changes, **later.changes})


def difference(before: Attributes, after: Attributes) -> dict[str, Value | None]:
    """Return what turns one set of attributes into another.

    Examples
    --------
    >>> difference({"sn": "A", "mail": "a@b"}, {"sn": "B"})
    {'sn': 'B', 'mail': None}
    """
    changes: dict[str, Value | None] = {
        name: value for name, value in after.items() if before.get(name) != value
    }
    changes.update((name, None) for name in before if name not in after)
    return changes


@dataclass(frozen=True)
class ObjectError:
    """An error that an import, a synchronisation or an export left on an object."""

    error_type: str
    first_occurred: datetime
    date_occurred: datetime
    retry_count: int = 0
    detail: str = ""
    algorithm_step: str = "staging"

    def repeated(self, earlier: ObjectError | None) -> ObjectError:
        """Return this error counted as a retry of an earlier one of the same type."""
        if earlier is None or earlier.error_type != self.error_type:
            return self
        return ObjectError(
            self.error_type,
            earlier.first_occurred,
            self.date_occurred,
            earlier.retry_count + 1,
            self.detail,
            self.algorithm_step,
        )


@dataclass(eq=False)
class ConnectorSpaceObject:
    """One object of a connected system as last known, with the changes that wait in each direction.

    Parameters
    ----------
    hologram : Attributes | None
        The synchronised attributes, replaced and never changed in place; None before the first.
    pending_import : Delta | None
        Staged by an import, waiting for a synchronisation.
    unapplied_export : Delta | None
        The pending export.
    unconfirmed_export : Delta | None
        Exported, and not yet seen again by an import.
    state : str
        ``normal``, ``explicit`` or ``filtered``.
    metaverse_guid : str
        The metaverse object it is joined to; empty for a disconnector.
    anchored : bool
        False while the connected system has not given the object its anchor; ``anchor`` is then the service's
        own name for it, and the distinguished name is what the connected system is told.
    picture_seeded_by_export : bool
        The engine once exported a picture to this object while pictures flowed to SharePoint.
    """

    agent: str
    anchor: str
    dn: str
    object_type: str = "user"
    account: str = ""
    domain: str = ""
    user_principal_name: str = ""
    hologram: Attributes | None = field(default=None, repr=False)
    pending_import: Delta | None = field(default=None, repr=False)
    unapplied_export: Delta | None = field(default=None, repr=False)
    unconfirmed_export: Delta | None = field(default=None, repr=False)
    state: str = "normal"
    metaverse_guid: str = ""
    anchored: bool = True
    picture_seeded_by_export: bool = False
    import_error: ObjectError | None = None
    export_error: ObjectError | None = None

    def __post_init__(self) -> None:
        self.guid = identifier(self.agent, self.anchor.casefold())

    @property
    def system_anchor(self) -> str:
        """The name by which the connected system is told of the object."""
        return self.anchor if self.anchored else self.dn

    @property
    def staged(self) -> Attributes | None:
        """The hologram with the pending import applied."""
        return self.pending_import.apply(self.hologram) if self.pending_import else self.hologram

    @property
    def expected(self) -> Attributes | None:
        """The hologram with the unconfirmed export applied: what the connected system should hold by now."""
        return self.unconfirmed_export.apply(self.hologram) if self.unconfirmed_export else self.hologram

    def apply_pending_import(self) -> None:
        """Let the staged import become the hologram."""
        if self.pending_import:
            self.dn = self.pending_import.new_dn or self.dn
            self.hologram = self.staged
            self.pending_import = None

    def confirm(self, imported: Attributes | None) -> bool:
        """Compare an import with what was exported; what did not come back becomes a pending export again.

        Parameters
        ----------
        imported : Attributes | None
            What the import read; None where the object is not there.

        Returns
        -------
        bool
            Whether every exported change was seen.
        """
        exported, self.unconfirmed_export = self.unconfirmed_export, None
        if exported is None:
            return True
        if exported.operation == "delete":
            lost = None if imported is None else exported
        elif imported is None:
            lost = exported if exported.operation == "add" else None
        else:
            changes = {name: value for name, value in exported.changes.items() if imported.get(name) != value}
            lost = Delta("update", changes) if changes else None
        if lost is not None:
            self.unapplied_export = lost.then(self.unapplied_export) if self.unapplied_export else lost
        return lost is None


class ConnectorSpace:
    """The objects of one management agent, by anchor, and its place in the source's change log.

    Parameters
    ----------
    agent : str
        The agent's name.
    partition : str
        Name of its partition; for a directory the distinguished name at which the containers end.
    """

    def __init__(self, agent: str, partition: str = "default") -> None:
        self.agent = agent
        self._partition = partition.casefold()
        self.watermark: str | None = None
        self._objects: dict[str, ConnectorSpaceObject] = {}

    def __iter__(self) -> Iterator[ConnectorSpaceObject]:
        return iter(list(self._objects.values()))

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, anchor: str) -> ConnectorSpaceObject | None:
        """Return the object with this anchor; case does not count."""
        return self._objects.get(anchor.casefold())

    def add(self, item: ConnectorSpaceObject) -> None:
        """Put an object in."""
        self._objects[item.anchor.casefold()] = item

    def remove(self, item: ConnectorSpaceObject) -> None:
        """Take an object out."""
        del self._objects[item.anchor.casefold()]

    def settle_anchor(self, item: ConnectorSpaceObject) -> None:
        """Give an object that has been created in the connected system the anchor it got there."""
        if not item.anchored and self.get(item.dn) is None:
            self.remove(item)
            item.anchor, item.anchored = item.dn, True
            self.add(item)

    def clear(self) -> None:
        """Discard every object and the watermark."""
        self._objects.clear()
        self.watermark = None

    def placeholders(self) -> frozenset[str]:
        """Return the containers above the objects, which are kept only because something lies in them."""
        found: set[str] = set()
        below = {item.dn for item in self._objects.values()}
        while below:
            containers = {_parent(dn) for dn in below if dn.casefold() != self._partition} - {""}
            below = containers - found
            found |= containers
        return frozenset(found)

    def counters(self) -> dict[str, int]:
        """Return what WMI's counting methods say (Microsoft Learn ms697768), by method name.

        All objects are connectors, disconnectors and placeholders together.
        """
        states = Counter((bool(item.metaverse_guid), item.state) for item in self._objects.values())
        imports = Counter(item.pending_import.operation if item.pending_import else "" for item in self)
        exports = Counter(item.unapplied_export.operation for item in self if item.unapplied_export)
        placeholders = len(self.placeholders())
        connectors = states[True, "normal"], states[True, "explicit"]
        disconnectors = states[False, "normal"], states[False, "explicit"], states[False, "filtered"]
        return {
            "NumCSObjects": len(self._objects) + placeholders,
            "NumTotalConnectors": sum(connectors),
            "NumConnectors": connectors[0],
            "NumExplicitConnectors": connectors[1],
            "NumTotalDisconnectors": sum(disconnectors),
            "NumDisconnectors": disconnectors[0],
            "NumExplicitDisconnectors": disconnectors[1],
            "NumFilteredDisconnectors": disconnectors[2],
            "NumPlaceHolders": placeholders,
            "NumImportAdd": imports["add"],
            "NumImportUpdate": imports["update"],
            "NumImportDelete": imports["delete"],
            "NumImportNoChange": imports[""],
            "NumExportAdd": exports["add"],
            "NumExportUpdate": exports["update"],
            "NumExportDelete": exports["delete"],
        }


def _parent(dn: str) -> str:
    """Return the container of a distinguished name; empty where there is none."""
    parts = _COMMA.split(dn, maxsplit=1)
    return parts[1] if len(parts) == 2 else ""
