"""A directory and a SharePoint in memory behind the connector interface, and an engine between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kit.lab.clock import Clock
from kit.lab.connector import DiscoveryError, ExportFailure, ImportedObject
from kit.lab.engine import Engine
from kit.lab.rules import Rules
from kit.lab.site import field_rules, imported_rules
from kit.lab.space import Delta, Value

FULL = ("FullImport", "FullSync")
DELTA = ("DeltaImport", "DeltaSync")


def small(photo: bytes) -> bytes:
    """Return other bytes, as SharePoint does with an uploaded photo."""
    return b"thumbnail of " + photo


@dataclass
class MemoryConnector:
    """A connected system in a dictionary, with a change log."""

    parent: str = ""
    objects: dict[str, dict[str, Value]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    server: str = "memory"
    failures: dict[str, str] = field(default_factory=dict)
    trouble: Exception | DiscoveryError | None = None

    def put(self, anchor: str, **values: Value | None) -> None:
        """Create or change an object; None takes a value away."""
        merged = {**self.objects.get(anchor, {}), **values}
        self.objects[anchor] = {name: value for name, value in merged.items() if value is not None}
        self.log.append(anchor)

    def drop(self, anchor: str) -> None:
        """Delete an object."""
        del self.objects[anchor]
        self.log.append(anchor)

    def watermark(self) -> str:
        """Return the length of the log."""
        return str(len(self.log))

    def full_import(self, attributes: frozenset[str]) -> Iterator[ImportedObject | DiscoveryError]:
        """Read everything, then run into trouble if there is any."""
        for anchor in list(self.objects):
            yield self._read(anchor, attributes)
        if isinstance(self.trouble, DiscoveryError):
            yield self.trouble
        elif self.trouble is not None:
            raise self.trouble

    def delta_import(
        self, watermark: str, attributes: frozenset[str]
    ) -> tuple[Iterator[ImportedObject | DiscoveryError], str]:
        """Read what the log names since the watermark."""
        changed = dict.fromkeys(self.log[int(watermark) :])
        return iter([self._read(anchor, attributes) for anchor in changed]), self.watermark()

    def export(self, anchor: str, dn: str, change: Delta) -> ExportFailure | None:  # noqa: ARG002 - the interface
        """Write one change, or fail as told."""
        if anchor in self.failures:
            return ExportFailure(self.failures[anchor], "refused")
        if (change.operation == "add") == (anchor in self.objects):
            return ExportFailure("cd-existing-object" if anchor in self.objects else "cd-missing-object")
        if change.operation == "delete":
            self.drop(anchor)
        else:
            self.put(anchor, **change.changes)
        return None

    def _read(self, anchor: str, attributes: frozenset[str]) -> ImportedObject:
        dn = f"CN={anchor},{self.parent}" if self.parent else anchor
        if anchor not in self.objects:
            return ImportedObject(anchor, dn, deleted=True)
        values = {name: value for name, value in self.objects[anchor].items() if name in attributes}
        return ImportedObject(anchor, dn, values, account=anchor, domain="CONTOSO")


class MemoryFarm:
    """Both systems and the engine; accounts are anchors on both sides."""

    def __init__(
        self, rules: Rules | None = None, *, sharepoint: MemoryConnector | None = None, **options: bool
    ) -> None:
        self.directory = MemoryConnector("OU=Staff,DC=contoso,DC=example")
        self.sharepoint = sharepoint or MemoryConnector()
        self.engine = Engine(
            rules or field_rules(),
            {"ADMA": self.directory, "SPMA": self.sharepoint},
            clock=Clock(),
            **options,
        )

    def hire(self, name: str, photo: bytes | None = None) -> None:
        """Create an account in the directory."""
        self.directory.put(name, sAMAccountName=name, displayName=name.title(), thumbnailPhoto=photo)

    def enrol(self, name: str, **values: Value) -> None:
        """Create a profile in SharePoint."""
        self.sharepoint.put(name, UserName=name, **values)

    def upload(self, name: str, photo: bytes) -> None:
        """Set a picture in SharePoint."""
        self.sharepoint.put(name, Picture=small(photo))

    def photo(self, name: str) -> Value | None:
        """Return the photo that the directory holds."""
        return self.directory.objects[name].get("thumbnailPhoto")

    def run(self, agent: str, *profiles: str) -> list[str]:
        """Run some profiles of one agent; return their statuses."""
        return [self.engine.execute(agent, profile, "") for profile in profiles]

    def publish(self) -> None:
        """Export to both systems and let each confirm."""
        for agent in ("SPMA", "ADMA"):
            self.run(agent, "Export", *DELTA)

    def pending(self, agent: str) -> dict[str, Delta]:
        """Return the pending exports of one agent by anchor."""
        return {
            view.anchor: view.unapplied_export
            for view in self.engine.connector_space_objects()
            if view.agent == agent and view.unapplied_export is not None
        }


def case_farm(*, rules: Rules | None = None, **options: bool) -> MemoryFarm:
    """Play the case: anna's photo came from the directory, berta never had one; then the flow turned."""
    farm = MemoryFarm(imported_rules(), **options)
    farm.hire("anna", b"old photo")
    farm.hire("berta")
    for name in ("anna", "berta"):
        farm.enrol(name, WorkPhone="1")
    farm.run("ADMA", *FULL)
    farm.run("SPMA", *FULL)
    farm.publish()
    farm.engine.change_rules(rules or field_rules())
    farm.run("SPMA", *FULL)
    farm.run("ADMA", *FULL)
    farm.publish()
    return farm
