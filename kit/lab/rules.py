"""What an administrator sets up: agents, flows and their precedence, deletion rule, run profiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Any

from kit.errors import ParameterError

IMPORT_ONLY = "Import only (ALWAYS from SharePoint)"
EXPORT_ONLY = "Export only (NEVER from SharePoint)"


class StepType(Enum):
    """A run step: ``step-type/@type``, the subtype's element and its text.

    The pairs are those of exported management agents (samples of the SharePoint 2016 and MIM solution).
    """

    FULL_IMPORT = ("full-import", "import-subtype", "to-cs")
    DELTA_IMPORT = ("delta-import", "import-subtype", "to-cs")
    FULL_IMPORT_DELTA_SYNC = ("full-import", "", "")
    DELTA_IMPORT_DELTA_SYNC = ("delta-import", "", "")
    FULL_IMPORT_FULL_SYNC = ("full-import-reevaluate-rules", "", "")
    DELTA_SYNC = ("apply-rules", "apply-rules-subtype", "apply-pending")
    FULL_SYNC = ("apply-rules", "apply-rules-subtype", "reevaluate-flow-connectors")
    EXPORT = ("export", "", "")

    @property
    def imports(self) -> bool:
        """Whether the step reads the connected system."""
        return "import" in self.value[0]

    @property
    def delta(self) -> bool:
        """Whether the import reads changes only."""
        name: str = self.value[0]
        return name == "delta-import"

    @property
    def synchronises(self) -> bool:
        """Whether the step applies synchronisation rules."""
        name: str = self.value[0]
        return name == "apply-rules" or (self.imports and not self.value[1])

    @property
    def everything(self) -> bool:
        """Whether the synchronisation is a full one."""
        return self in {StepType.FULL_SYNC, StepType.FULL_IMPORT_FULL_SYNC}


@dataclass(frozen=True)
class Step:
    """One step of a run profile; the thresholds end it after that many objects or deletions."""

    type: StepType
    object_limit: int | None = None
    deletion_limit: int | None = None
    batch_size: int = 50


@dataclass(frozen=True)
class RunProfile:
    """A named sequence of steps."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class ImportFlow:
    """Connector-space attribute to metaverse attribute; the order among flows is their precedence."""

    metaverse_attribute: str
    agent: str
    attribute: str


@dataclass(frozen=True)
class ExportFlow:
    """Metaverse attribute to connector-space attribute.

    ``suppress_deletions`` is the user interface's "Allow Nulls" unticked: an empty source is not exported.
    """

    attribute: str
    metaverse_attribute: str
    suppress_deletions: bool = True


@dataclass(frozen=True)
class JoinRule:
    """Equality, without regard to case, of a connector-space and a metaverse attribute."""

    attribute: str
    metaverse_attribute: str


@dataclass(frozen=True)
class DeletionRule:
    """When a metaverse object dies: its type, and the agents it names.

    ``declared-any`` deletes when a connector of any named agent goes; ``declared-last`` when the last
    connector goes, the named agents' connectors not counting; ``none`` never. With ``scripted`` a rules
    extension decides: here as ``declared-any`` does, but nobody reads the agents in the configuration.
    """

    type: str
    agents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Provisioning:
    """What the provisioning code does: a connector of ``agent`` for every person who has none.

    ``initial`` maps connector-space attributes to the metaverse attributes of their first values. Where the
    code does not know the anchor (``knows_anchor``), what it adds is another object than the one that an
    import finds in the connected system, until its export has succeeded.
    """

    agent: str
    anchor: str = "accountName"
    initial: tuple[tuple[str, str], ...] = ()
    knows_anchor: bool = True


@dataclass(frozen=True)
class AgentRules:
    """One management agent.

    Parameters
    ----------
    category, listname, company
        ``AD`` or ``Extensible2``; agents are recognised by these, never by name.
    attributes : tuple[str, ...]
        The selected attributes.
    export_only : tuple[str, ...]
        Those of them that the schema does not let in.
    join : JoinRule | None
        How a disconnector finds its metaverse object.
    projects : bool
        Whether a disconnector without a match makes a metaverse object.
    connector_filter : tuple[tuple[str, str], ...]
        Attribute and value; an object that has any of them stays a filtered disconnector.
    deprovisioning : str
        ``delete-object``, ``make-normal-disconnector`` or ``make-explicit-disconnector``.
    enable_recall : bool
        Whether values are withdrawn from the metaverse when the object that gave them is disconnected.
    parameters : tuple[tuple[str, str], ...]
        Connectivity parameters, never a password.
    """

    name: str
    guid: str
    category: str
    listname: str = ""
    company: str = "Microsoft"
    partition: str = "default"
    attributes: tuple[str, ...] = ()
    export_only: tuple[str, ...] = ()
    join: JoinRule | None = None
    projects: bool = False
    connector_filter: tuple[tuple[str, str], ...] = ()
    export_flows: tuple[ExportFlow, ...] = ()
    deprovisioning: str = "make-normal-disconnector"
    enable_recall: bool = True
    run_profiles: tuple[RunProfile, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def type(self) -> str:
        """The display type that WMI's ``Type`` shows."""
        return "Active Directory" if self.category == "AD" else self.category

    @cached_property
    def importable(self) -> frozenset[str]:
        """The attributes that an import brings in."""
        return frozenset(self.attributes) - frozenset(self.export_only)

    def run_profile(self, name: str) -> RunProfile | None:
        """Find a run profile; case does not count, as the field's scripts send upper case."""
        return next(
            (profile for profile in self.run_profiles if profile.name.casefold() == name.casefold()), None
        )


@dataclass(frozen=True)
class Rules:
    """The whole configuration of the synchronization service.

    Parameters
    ----------
    import_flows : tuple[ImportFlow, ...]
        Ranked: of two flows to one metaverse attribute the earlier wins.
    provisioning : Provisioning | None
        The provisioning code, or none at all.
    provisioning_enabled : bool
        Whether it is called.
    equal_precedence : frozenset[str]
        Metaverse attributes whose flows are not ranked: whichever came last wins.
    """

    agents: tuple[AgentRules, ...]
    import_flows: tuple[ImportFlow, ...]
    deletion: DeletionRule
    provisioning: Provisioning | None = None
    provisioning_enabled: bool = True
    object_type: str = "person"
    equal_precedence: frozenset[str] = frozenset()

    @cached_property
    def by_name(self) -> Mapping[str, AgentRules]:
        """The agents by name."""
        return MappingProxyType({agent.name: agent for agent in self.agents})

    @cached_property
    def ranked_flows(self) -> Mapping[str, Mapping[str, tuple[int, str]]]:
        """Metaverse attribute to agent to (rank, connector-space attribute), best rank first."""
        flows: dict[str, dict[str, tuple[int, str]]] = {}
        for flow in self.import_flows:
            ranked = flows.setdefault(flow.metaverse_attribute, {})
            ranked.setdefault(flow.agent, (len(ranked), flow.attribute))
        return MappingProxyType(flows)

    @cached_property
    def join_attributes(self) -> frozenset[str]:
        """The metaverse attributes that join rules look up."""
        return frozenset(agent.join.metaverse_attribute for agent in self.agents if agent.join)

    def with_agent(self, name: str, **changes: Any) -> Rules:  # noqa: ANN401 - any field of AgentRules
        """Return these rules with one agent's fields replaced.

        Raises
        ------
        ParameterError
            No such agent.
        """
        if name not in self.by_name:
            cause = f"the rules name {', '.join(self.by_name)}"
            what = f"management agent {name!r} is unknown"
            raise ParameterError(what, cause, "use one of those")
        return replace(
            self,
            agents=tuple(replace(agent, **changes) if agent.name == name else agent for agent in self.agents),
        )

    def with_threshold(
        self, name: str, profile: str, *, objects: int | None = None, deletions: int | None = None
    ) -> Rules:
        """Return these rules with thresholds on every step of one run profile."""
        profiles = tuple(
            replace(
                one,
                steps=tuple(
                    replace(step, object_limit=objects, deletion_limit=deletions) for step in one.steps
                ),
            )
            if one.name.casefold() == profile.casefold()
            else one
            for one in self.by_name[name].run_profiles
        )
        return self.with_agent(name, run_profiles=profiles)


def run_profiles(types: Iterable[tuple[str, StepType]], batch_size: int) -> tuple[RunProfile, ...]:
    """Make run profiles of one step each."""
    return tuple(RunProfile(name, (Step(kind, batch_size=batch_size),)) for name, kind in types)
