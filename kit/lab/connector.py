"""What the synchronization service asks of a connector, whatever system lies behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from kit.lab.space import Attributes, Delta


@dataclass(frozen=True)
class ImportedObject:
    """An object as the connected system holds it now; ``deleted`` says that a change log reports it gone."""

    anchor: str
    dn: str
    attributes: Attributes = field(default_factory=dict, repr=False)
    account: str = ""
    domain: str = ""
    user_principal_name: str = ""
    deleted: bool = False


@dataclass(frozen=True)
class DiscoveryError:
    """An object that the connected system could not hand over.

    ``error_type`` is one of the discovery errors of Microsoft's "Management agent run error codes", such as
    ``read-error``.
    """

    error_type: str
    dn: str = ""
    anchor: str = ""
    attribute: str = ""
    detail: str = ""


@dataclass(frozen=True)
class ExportFailure:
    """Why one object was not exported: an export error type of MIM, and the connected system's words."""

    error_type: str
    detail: str = ""


class Connector(Protocol):
    """The way to one connected system.

    A system that cannot be reached or read raises a `kit.errors.SourceError`, which ends the step; an object
    that cannot be read is a `DiscoveryError` among the others, one that cannot be written an `ExportFailure`.
    """

    server: str

    def watermark(self) -> str:
        """Return the current place in the change log, from which a later delta import can go on."""

    def full_import(self, attributes: frozenset[str]) -> Iterator[ImportedObject | DiscoveryError]:
        """Read every object in scope with the attributes asked for."""

    def delta_import(
        self, watermark: str, attributes: frozenset[str]
    ) -> tuple[Iterator[ImportedObject | DiscoveryError], str]:
        """Read the objects that changed since the watermark; return them, whole, and the new watermark."""

    def export(self, anchor: str, dn: str, change: Delta) -> ExportFailure | None:
        """Write one change."""
