"""Staging: an import is compared with the connector space, and the difference waits as a pending import.

The picture model
-----------------
At sites where photos first flowed from Active Directory to SharePoint, a full import of the SharePoint
agent does not notice a replaced photo while a delta import does; people who never had a photo are
noticed by both, and after the connector space was deleted so is everybody. Why the real connector
behaves so is not documented. This is a model that gives the same four outcomes: an object to which the
service itself once exported a picture is marked, and while it is marked a full import stages no change
for its picture. A delta import replaces the value and leaves the mark. Deleting the connector space
deletes the mark with the object.
"""

from __future__ import annotations

from dataclasses import dataclass

from kit.lab.connector import ImportedObject
from kit.lab.rules import AgentRules
from kit.lab.space import Attributes, ConnectorSpace, ConnectorSpaceObject, Delta, Value, difference

PICTURE = "Picture"


@dataclass(frozen=True)
class Staged:
    """What staging one object came to.

    Parameters
    ----------
    counter : str
        The staging counter it belongs to; empty for none.
    confirmed : bool
        False if a change that had been exported did not come back.
    """

    counter: str
    item: ConnectorSpaceObject
    confirmed: bool = True


def stage(
    space: ConnectorSpace,
    agent: AgentRules,
    found: ImportedObject,
    *,
    delta: bool,
    picture_model: bool = True,
) -> Staged:
    """Stage one object that an import has read.

    Parameters
    ----------
    space : ConnectorSpace
        The agent's connector space.
    agent : AgentRules
        Its rules; only importable attributes are compared.
    found : ImportedObject
        The object as it is in the connected system.
    delta : bool
        Whether a change log reported it.
    picture_model : bool
        Whether the picture model of this module applies.
    """
    item = space.get(found.anchor)
    if item is None:
        item = ConnectorSpaceObject(agent.name, found.anchor, found.dn)
        space.add(item)
    kept = set(agent.export_only)
    if picture_model and item.picture_seeded_by_export and not delta:
        kept.add(PICTURE)
    values = _comparable(item, agent, found, kept)
    confirmed = item.confirm(values)
    item.account, item.domain = found.account, found.domain
    item.user_principal_name = found.user_principal_name
    if item.hologram is None and item.pending_import is None:
        item.dn = found.dn
    counter = _set_pending(item, values, found.dn)
    return Staged(counter, item, confirmed)


def stage_missing(space: ConnectorSpace, item: ConnectorSpaceObject) -> Staged:
    """Stage the deletion of an object that is not in the connected system any more (obsoletion)."""
    if item.hologram is None:
        confirmed = item.confirm(None)
        if item.pending_import is None:
            return Staged("", item, confirmed)
        item.pending_import = None
        if not item.metaverse_guid:
            space.remove(item)
        return Staged("stage-delete", item)
    confirmed = item.confirm(None)
    if item.pending_import is not None and item.pending_import.operation == "delete":
        return Staged("stage-no-change", item)
    item.pending_import = Delta("delete")
    return Staged("stage-delete", item, confirmed)


def _comparable(
    item: ConnectorSpaceObject, agent: AgentRules, found: ImportedObject, kept: set[str]
) -> dict[str, Value]:
    """Return what the import says of an object; for the kept attributes, what is known of them without it."""
    values = {name: value for name, value in found.attributes.items() if name in agent.importable - kept}
    known: Attributes = item.staged or {}
    if item.unconfirmed_export is not None:
        known = item.unconfirmed_export.apply(known) or {}
    values.update((name, known[name]) for name in kept if name in known)
    return values


def _set_pending(item: ConnectorSpaceObject, values: Attributes, dn: str) -> str:
    """Stage the difference to the hologram; return the counter."""
    before = item.pending_import
    if item.hologram is None:
        item.pending_import = Delta("add", dict(values))
        return "stage-no-change" if before == item.pending_import else "stage-add"
    changes = difference(item.hologram, values)
    new_dn = dn if dn != item.dn else ""
    item.pending_import = Delta("update", changes, new_dn) if changes or new_dn else None
    if item.pending_import == before:
        return "stage-no-change"
    return "stage-rename" if new_dn else "stage-update"
