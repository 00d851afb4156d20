"""The metaverse: one object per person, each value with the connector-space object that gave it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kit.lab.rules import Rules
from kit.lab.space import ConnectorSpaceObject, Value, identifier

_LAST = 1 << 30  # the rank of a contributor that no flow names any more


@dataclass(frozen=True)
class Contribution:
    """A metaverse value and its lineage."""

    value: Value = field(repr=False)
    agent: str
    object_guid: str


@dataclass(eq=False)
class MetaverseObject:
    """One person: values by attribute, and the connectors by the GUID of their connector-space object."""

    guid: str
    object_type: str = "person"
    contributions: dict[str, Contribution] = field(default_factory=dict, repr=False)
    connectors: dict[str, ConnectorSpaceObject] = field(default_factory=dict, repr=False)

    def value(self, attribute: str) -> Value | None:
        """Return an attribute's value."""
        contribution = self.contributions.get(attribute)
        return contribution.value if contribution else None

    def connectors_of(self, agent: str) -> list[ConnectorSpaceObject]:
        """Return the connectors in one agent's space."""
        return [connector for connector in self.connectors.values() if connector.agent == agent]


class Metaverse:
    """The metaverse objects, with an index over the attributes that join rules look up."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._objects: dict[str, MetaverseObject] = {}
        self._index: dict[tuple[str, Value], set[str]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[MetaverseObject]:
        return iter(list(self._objects.values()))

    def get(self, guid: str) -> MetaverseObject | None:
        """Return the object with this GUID."""
        return self._objects.get(guid)

    def find(self, attribute: str, value: Value) -> list[MetaverseObject]:
        """Return the objects with this value, case aside, in a join attribute."""
        return [self._objects[guid] for guid in sorted(self._index.get((attribute, _folded(value)), ()))]

    def change_rules(self, rules: Rules) -> None:
        """Follow new rules; values and joins stay until a synchronisation looks at them again."""
        self._rules = rules
        self._index = {}
        for person in self._objects.values():
            for attribute in rules.join_attributes:
                self._reindex(person, attribute, None, person.value(attribute))

    def project(self, source: ConnectorSpaceObject) -> MetaverseObject:
        """Make a metaverse object for a connector-space object."""
        guid = identifier("metaverse", source.guid)
        while guid in self._objects:
            guid = identifier("metaverse", guid)
        person = MetaverseObject(guid, self._rules.object_type)
        self._objects[person.guid] = person
        self.link(person, source)
        return person

    def link(self, person: MetaverseObject, source: ConnectorSpaceObject) -> None:
        """Make a connector."""
        person.connectors[source.guid] = source
        source.metaverse_guid = person.guid
        source.state = "normal"

    def unlink(self, person: MetaverseObject, source: ConnectorSpaceObject) -> None:
        """Make a disconnector again."""
        del person.connectors[source.guid]
        source.metaverse_guid = ""

    def remove(self, person: MetaverseObject) -> None:
        """Take a metaverse object out, with its connectors already unlinked."""
        for attribute in list(person.contributions):
            self._set(person, attribute, None)
        del self._objects[person.guid]

    def dies(self, person: MetaverseObject, agent: str) -> bool:
        """Say whether the deletion rule deletes a person who has just lost a connector of ``agent``.

        ``declared-any``, ``scripted``: any named agent's connector went. ``declared-last``: no connector is
        left, the named agents' not counting.
        """
        rule = self._rules.deletion
        if rule.type in {"declared-any", "scripted"}:
            return agent in rule.agents
        if rule.type == "declared-last":
            return all(connector.agent in rule.agents for connector in person.connectors.values())
        return False

    def flow_in(self, person: MetaverseObject, source: ConnectorSpaceObject) -> bool:
        """Run the import flows from one connector, by precedence.

        A value gives way only to one of equal or better rank, or to any where precedence is equal; when its
        own contributor has none any more, the next in rank gives one.

        Returns
        -------
        bool
            Whether any value changed.
        """
        changes = [self._flow(person, attribute, source) for attribute in self._rules.ranked_flows]
        dropped = [
            attribute
            for attribute, contribution in person.contributions.items()
            if contribution.object_guid == source.guid and attribute not in self._rules.ranked_flows
        ]
        changes += [self._set(person, attribute, None) for attribute in dropped]
        return any(changes)

    def recall(self, person: MetaverseObject, source: ConnectorSpaceObject) -> None:
        """Withdraw every value that an unlinked object gave, and let the next in rank give one."""
        given = [name for name, value in person.contributions.items() if value.object_guid == source.guid]
        for attribute in given:
            self._repopulate(person, attribute)

    def _flow(self, person: MetaverseObject, attribute: str, source: ConnectorSpaceObject) -> bool:
        ranked = self._rules.ranked_flows[attribute]
        current = person.contributions.get(attribute)
        own = current is not None and current.object_guid == source.guid
        rank, name = ranked.get(source.agent, (_LAST, ""))
        value = (source.hologram or {}).get(name)
        if value is None:
            return self._repopulate(person, attribute) if own else False
        is_ranked = attribute not in self._rules.equal_precedence
        if current is not None and is_ranked and ranked.get(current.agent, (_LAST, ""))[0] < rank:
            return False
        return self._set(person, attribute, Contribution(value, source.agent, source.guid))

    def _repopulate(self, person: MetaverseObject, attribute: str) -> bool:
        for agent, (_, name) in self._rules.ranked_flows.get(attribute, {}).items():
            for connector in person.connectors_of(agent):
                value = (connector.hologram or {}).get(name)
                if value is not None:
                    return self._set(person, attribute, Contribution(value, agent, connector.guid))
        return self._set(person, attribute, None)

    def _set(self, person: MetaverseObject, attribute: str, contribution: Contribution | None) -> bool:
        before = person.value(attribute)
        if contribution is None:
            person.contributions.pop(attribute, None)
        else:
            person.contributions[attribute] = contribution
        after = contribution.value if contribution else None
        if before != after and attribute in self._rules.join_attributes:
            self._reindex(person, attribute, before, after)
        return before != after

    def _reindex(
        self, person: MetaverseObject, attribute: str, before: Value | None, after: Value | None
    ) -> None:
        if before is not None:
            self._index.get((attribute, _folded(before)), set()).discard(person.guid)
        if after is not None:
            self._index.setdefault((attribute, _folded(after)), set()).add(person.guid)


def _folded(value: Value) -> Value:
    return value.casefold() if isinstance(value, str) else value
