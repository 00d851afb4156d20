"""Synchronisation: from a connector-space object to its person in the metaverse, and on to other systems."""

from __future__ import annotations

from collections.abc import Mapping

from kit.errors import RunError
from kit.lab.metaverse import Metaverse, MetaverseObject
from kit.lab.rules import Rules
from kit.lab.runs import Counters
from kit.lab.space import ConnectorSpace, ConnectorSpaceObject, Delta, Value, identifier


class ObjectExistsError(RunError):
    """The provisioning code asked for a connector-space object that is there already."""


class Synchronization:
    """The rules at work on the connector spaces and the metaverse; the caller holds the engine's lock."""

    def __init__(self, rules: Rules, spaces: Mapping[str, ConnectorSpace], metaverse: Metaverse) -> None:
        self.rules = rules
        self._spaces = spaces
        self._metaverse = metaverse

    def synchronise(self, source: ConnectorSpaceObject, counters: Counters) -> None:
        """Apply an object's pending import, run the inbound rules on it and the outbound rules on its person.

        Raises
        ------
        ObjectExistsError
            Provisioning collided with an object that has not been joined; what flowed in stays.
        """
        if source.pending_import is not None and source.pending_import.operation == "delete":
            person, outcome = self._import_deletion(source, counters)
        else:
            source.apply_pending_import()
            person, outcome = self._inbound(source, counters)
        if outcome:
            counters.inbound[outcome] += 1
        if person is not None:
            self.outbound(person, counters)

    def discard(self, source: ConnectorSpaceObject, counters: Counters, *, by_the_rules: bool) -> None:
        """Take an object out of its connector space, which is being deleted.

        Parameters
        ----------
        by_the_rules : bool
            Whether it is disconnected as by an imported deletion; otherwise its person keeps what it gave.
        """
        person = self._metaverse.get(source.metaverse_guid)
        if by_the_rules:
            person = self.disconnect(source, counters)
            if person is not None:
                self.outbound(person, counters, provision=False)
        elif person is not None:
            self._metaverse.unlink(person, source)
        space = self._spaces[source.agent]
        if space.get(source.anchor) is source:
            space.remove(source)

    def disconnect(self, source: ConnectorSpaceObject, counters: Counters) -> MetaverseObject | None:
        """Break a join, recall what the object gave, ask the deletion rule; return the person if it lives."""
        person = self._metaverse.get(source.metaverse_guid)
        if person is None:
            return None
        self._metaverse.unlink(person, source)
        if self.rules.by_name[source.agent].enable_recall:
            self._metaverse.recall(person, source)
        if not self._metaverse.dies(person, source.agent):
            return person
        for connector in list(person.connectors.values()):
            self._metaverse.unlink(person, connector)
            self._deprovision(connector)
            counters.outbound_of(connector.agent)["provisioned-disconnect"] += 1
        self._metaverse.remove(person)
        return None

    def outbound(self, person: MetaverseObject, counters: Counters, *, provision: bool = True) -> None:
        """Provision what the person lacks and recompute the pending export of every connector.

        Raises
        ------
        ObjectExistsError
            As for :meth:`synchronise`.
        """
        provisioned = self._provision(person) if provision else None
        for connector in person.connectors.values():
            flowed = self._flow_out(person, connector)
            event = "provisioned-add" if connector is provisioned else "connector"
            counters.outbound_of(connector.agent)[f"{event}-{'flow' if flowed else 'no-flow'}"] += 1

    def _import_deletion(
        self, source: ConnectorSpaceObject, counters: Counters
    ) -> tuple[MetaverseObject | None, str]:
        joined = bool(source.metaverse_guid)
        person = self.disconnect(source, counters)
        self._spaces[source.agent].remove(source)
        if not joined:
            return None, ""
        return person, f"connector-delete-{'leave' if person else 'remove'}-mv"

    def _inbound(
        self, source: ConnectorSpaceObject, counters: Counters
    ) -> tuple[MetaverseObject | None, str]:
        """Filter, join or project, and flow in; return the person and the inbound counter."""
        person = self._metaverse.get(source.metaverse_guid)
        if self._is_filtered(source):
            alive = self.disconnect(source, counters)
            source.state = "filtered"
            if person is None:
                return None, "disconnector-filtered"
            return alive, f"connector-filtered-{'leave' if alive else 'remove'}-mv"
        if source.state == "filtered":
            source.state = "normal"
        event = "connector"
        if person is None:
            person, event = self._connect(source)
        if person is None:
            return None, event
        return person, f"{event}-{'flow' if self._metaverse.flow_in(person, source) else 'no-flow'}"

    def _connect(self, source: ConnectorSpaceObject) -> tuple[MetaverseObject | None, str]:
        """Join or project a disconnector."""
        leaving = [source.unapplied_export, source.unconfirmed_export]
        if source.state == "explicit" or any(delta and delta.operation == "delete" for delta in leaving):
            return None, "disconnector-remains"
        person = self._match(source)
        if person is not None:
            self._metaverse.link(person, source)
            return person, "disconnector-joined"
        if self.rules.by_name[source.agent].projects:
            return self._metaverse.project(source), "disconnector-projected"
        return None, "disconnector-remains"

    def _match(self, source: ConnectorSpaceObject) -> MetaverseObject | None:
        """Return the one metaverse object that the join rule finds and that has no connector here yet."""
        join = self.rules.by_name[source.agent].join
        value = (source.hologram or {}).get(join.attribute) if join else None
        if join is None or value is None:
            return None
        found = self._metaverse.find(join.metaverse_attribute, value)
        return found[0] if len(found) == 1 and not found[0].connectors_of(source.agent) else None

    def _is_filtered(self, source: ConnectorSpaceObject) -> bool:
        values = source.hologram or {}
        return any(
            values.get(name) == value for name, value in self.rules.by_name[source.agent].connector_filter
        )

    def _provision(self, person: MetaverseObject) -> ConnectorSpaceObject | None:
        """Make the connector that the provisioning code wants and the person lacks.

        The published provisioning code does not catch the exception for an object that exists; that object's
        synchronisation then fails with ``extension-dll-exception``.
        """
        code = self.rules.provisioning
        if code is None or not self.rules.provisioning_enabled or person.connectors_of(code.agent):
            return None
        anchor = person.value(code.anchor)
        if not isinstance(anchor, str):
            return None
        space = self._spaces[code.agent]
        if code.knows_anchor and space.get(anchor) is not None:
            what = f"{code.agent} has an object {anchor!r} already"
            raise ObjectExistsError(
                what, "it is not joined to this person", "import and synchronise it first"
            )
        initial = ((name, person.value(source)) for name, source in code.initial)
        values: dict[str, Value | None] = {name: value for name, value in initial if value is not None}
        item = ConnectorSpaceObject(
            code.agent,
            anchor if code.knows_anchor else identifier("provisioned", person.guid),
            anchor,
            anchored=code.knows_anchor,
            unapplied_export=Delta("add", values),
        )
        space.add(item)
        self._metaverse.link(person, item)
        return item

    def _flow_out(self, person: MetaverseObject, target: ConnectorSpaceObject) -> bool:
        """Recompute a connector's pending export; return whether it became another one.

        The metaverse value is compared with what the connected system should hold by now: the hologram and
        what was exported since. An empty value goes out as a deletion unless the flow suppresses those.
        """
        expected = target.expected
        changes: dict[str, Value | None] = {}
        for flow in self.rules.by_name[target.agent].export_flows:
            value = person.value(flow.metaverse_attribute)
            if value is None and flow.suppress_deletions:
                continue
            if value != (expected or {}).get(flow.attribute):
                changes[flow.attribute] = value
        before = target.unapplied_export
        if expected is None:
            target.unapplied_export = Delta("add", {**(before.changes if before else {}), **changes})
        else:
            target.unapplied_export = Delta("update", changes) if changes else None
        if target.unapplied_export is None:
            target.export_error = None
        return target.unapplied_export != before

    def _deprovision(self, item: ConnectorSpaceObject) -> None:
        """Do to a connector of a dead metaverse object what its agent's rules say."""
        action = self.rules.by_name[item.agent].deprovisioning
        if action == "delete-object" and item.expected is None:
            self._spaces[item.agent].remove(item)
        elif action == "delete-object":
            item.unapplied_export = Delta("delete")
        else:
            item.unapplied_export = None
            item.state = "explicit" if action == "make-explicit-disconnector" else "normal"
