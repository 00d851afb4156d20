"""Run history: what each run of a management agent did, and its RunDetails XML."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from kit.errors import RunError
from kit.lab.connector import DiscoveryError
from kit.lab.layers import text_child
from kit.lab.rules import AgentRules, Rules, Step
from kit.lab.saved import step_element
from kit.lab.space import ConnectorSpaceObject, ObjectError, identifier

STAGING = tuple(
    f"stage-{event}" for event in ("no-change", "add", "update", "rename", "delete", "delete-add", "failure")
)
INBOUND = (
    "disconnector-filtered",
    "disconnector-joined-no-flow",
    "disconnector-joined-flow",
    "disconnector-joined-remove-mv",
    "disconnector-projected-no-flow",
    "disconnector-projected-flow",
    "disconnector-projected-remove-mv",
    "disconnector-remains",
    "connector-filtered-remove-mv",
    "connector-filtered-leave-mv",
    "connector-flow",
    "connector-flow-remove-mv",
    "connector-no-flow",
    "connector-delete-remove-mv",
    "connector-delete-leave-mv",
    "connector-delete-add-processed",
    "flow-failure",
)
OUTBOUND = (
    "provisioned-add-no-flow",
    "provisioned-add-flow",
    "provisioned-delete-add-no-flow",
    "provisioned-delete-add-flow",
    "provisioned-rename-no-flow",
    "provisioned-rename-flow",
    "provisioned-disconnect",
    "connector-flow",
    "connector-no-flow",
)
EXPORT = tuple(f"export-{event}" for event in ("add", "update", "rename", "delete", "delete-add", "failure"))
_WITHOUT_DETAIL = frozenset({"stage-no-change", "disconnector-remains"})
_ERRORS = (
    "completed-discovery-errors",
    "completed-sync-errors",
    "completed-export-errors",
    "completed-warnings",
)


OBJECT_LIMIT = "stopped-object-limit"
DELETION_LIMIT = "stopped-deletion-limit"
USER_TERMINATION = "stopped-user-termination-from-wmi-or-ui"
EXTENSION_EXCEPTION = "stopped-extension-dll-exception"
FULL_IMPORT_REQUIRED = "no-start-full-import-required"
MA_UPDATE_IN_PROGRESS = "no-start-ma-update-in-progress"
MA_ALREADY_RUNNING = "no-start-ma-already-running"
UNKNOWN_PROFILE = "no-start-unknown-profile-name"
WITHOUT_RUN = frozenset(
    {
        MA_UPDATE_IN_PROGRESS,
        MA_ALREADY_RUNNING,
        UNKNOWN_PROFILE,
        "no-start-concurrent-execution-not-support",
        "access-denied",
        "call-failure",
        "connection-failure",
    }
)
"""What Execute answers where no run was begun (Microsoft Learn ms697765, ms699322)."""


class StepStoppedError(RunError):
    """A run step cannot go on.

    Parameters
    ----------
    status : str
        The step's result, for instance ``stopped-object-limit``.
    cause : str
        What made it stop.
    connection : str
        The ``connection-result`` of RunDetails.
    logged : bool
        Whether the connection's log says what made it stop.
    """

    def __init__(self, status: str, cause: str, connection: str = "success", *, logged: bool = False) -> None:
        super().__init__(f"the run step ended with {status}", cause, "look at the run's details")
        self.status = status
        self.connection = connection
        self.logged = cause if logged else ""


def stamp(moment: datetime | None) -> str:
    """Write a time as MIM does: UTC with milliseconds; empty for None.

    Examples
    --------
    >>> from datetime import UTC
    >>> stamp(datetime(2024, 5, 1, 10, 0, 0, 123000, UTC))
    '2024-05-01 10:00:00.123'
    """
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] if moment else ""


@dataclass
class Counters:
    """The counters of one step; ``outbound`` has one set for each target agent."""

    staging: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STAGING, 0))
    inbound: dict[str, int] = field(default_factory=lambda: dict.fromkeys(INBOUND, 0))
    outbound: dict[str, dict[str, int]] = field(default_factory=dict)
    export: dict[str, int] = field(default_factory=lambda: dict.fromkeys(EXPORT, 0))

    def outbound_of(self, agent: str) -> dict[str, int]:
        """Return the counters of what the step did to one target agent."""
        return self.outbound.setdefault(agent, dict.fromkeys(OUTBOUND, 0))


@dataclass
class StepRecord:
    """One step of a run, while it runs and after."""

    number: int
    step: Step
    started: datetime
    server: str = ""
    ended: datetime | None = None
    result: str = "in-progress"
    connection: str = "success"
    connection_log: str = ""
    counters: Counters = field(default_factory=Counters)
    discovery_errors: list[DiscoveryError] = field(default_factory=list)
    import_errors: list[tuple[ConnectorSpaceObject, ObjectError]] = field(default_factory=list)
    export_errors: list[tuple[ConnectorSpaceObject, ObjectError]] = field(default_factory=list)


@dataclass(eq=False)
class RunRecord:
    """One run of a management agent."""

    agent: str
    agent_guid: str
    run_number: int
    profile: str
    security_id: str
    started: datetime
    rules: Rules = field(repr=False)
    status: str = "in-progress"
    ended: datetime | None = None
    steps: list[StepRecord] = field(default_factory=list, repr=False)
    stop_requested: threading.Event = field(default_factory=threading.Event, repr=False)

    def finish(self, now: datetime) -> str:
        """Close the run and return its status."""
        self.ended = now
        self.status = overall(step.result for step in self.steps)
        return self.status

    def details_xml(self) -> str:
        """Return RunDetails (Microsoft Learn ms697826): the newest step comes first."""
        root = Element("run-history")
        run = SubElement(root, "run-details")
        for tag, text in (
            ("ma-id", self.agent_guid),
            ("ma-name", self.agent),
            ("run-number", str(self.run_number)),
            ("run-profile-name", self.profile),
            ("security-id", self.security_id),
        ):
            text_child(run, tag, text)
        for step in reversed(list(self.steps)):
            run.append(self._step(step))
        return tostring(root, encoding="unicode")

    def _step(self, step: StepRecord) -> Element:
        identity = identifier("step", self.agent_guid, str(self.run_number), str(step.number))
        root = Element("step-details", {"step-number": str(step.number), "step-id": identity})
        text_child(root, "start-date", stamp(step.started))
        text_child(root, "end-date", stamp(step.ended))
        text_child(root, "step-result", step.result)
        description = SubElement(root, "step-description")
        description.extend(step_element(self._agent, step.step))
        text_child(root, "current-export-step-counter", str(sum(step.counters.export.values())))
        text_child(root, "last-successful-export-step-counter", str(sum(step.counters.export.values())))
        connection = SubElement(root, "ma-connection")
        text_child(connection, "connection-result", step.connection)
        text_child(connection, "server", step.server)
        _connection_log(SubElement(connection, "connection-log"), step)
        _discovery(root, step)
        errors = SubElement(root, "synchronization-errors")
        for item, error in list(step.import_errors):
            errors.append(_import_error(item, error))
        for item, error in list(step.export_errors):
            errors.append(_export_error(item, error))
        SubElement(root, "mv-retry-errors")
        self._flow_counters(root, step)
        return root

    def _flow_counters(self, root: Element, step: StepRecord) -> None:
        counters = step.counters
        for name in sorted(counters.outbound):
            attributes = {"ma": name, "ma-id": self.rules.by_name[name].guid}
            _counters(root, "outbound-flow-counters", counters.outbound[name], attributes)
        _counters(root, "staging-counters", counters.staging)
        _counters(root, "inbound-flow-counters", counters.inbound)
        _counters(root, "export-counters", counters.export)

    @property
    def _agent(self) -> AgentRules:
        return self.rules.by_name[self.agent]


def overall(results: Iterable[str]) -> str:
    """Return a run's status from its steps': the worst of them.

    Which one MIM shows when several steps end differently is not documented; the worst is the safe choice.

    Examples
    --------
    >>> overall(["completed-export-errors", "success"])
    'completed-export-errors'
    >>> overall(["completed-no-objects", "success"])
    'success'
    """
    seen = list(results)
    stopped = [result for result in seen if not result.startswith(("success", "completed-"))]
    errors = [result for result in _ERRORS if result in seen]
    return next(iter([*stopped, *errors]), "success" if "success" in seen or not seen else seen[-1])


def goes_on(result: str) -> bool:
    """Say whether the next step of a run follows: after success, sync errors and export errors it does."""
    return result == "success" or (result.startswith("completed-") and result != "completed-discovery-errors")


def _counters(
    root: Element, tag: str, counters: Mapping[str, int], attributes: Mapping[str, str] | None = None
) -> None:
    parent = SubElement(root, tag, dict(attributes or {}))
    for name, count in counters.items():
        text_child(parent, name, str(count), detail="false" if name in _WITHOUT_DETAIL else "true")


def _connection_log(log: Element, step: StepRecord) -> None:
    if step.connection_log:
        incident = SubElement(log, "incident")
        text_child(incident, "connection-result", step.connection)
        text_child(incident, "date", stamp(step.ended))
        text_child(incident, "server", step.server)
        text_child(SubElement(incident, "cd-error"), "error-literal", step.connection_log)


def _discovery(root: Element, step: StepRecord) -> None:
    errors = SubElement(root, "ma-discovery-errors")
    for error in list(step.discovery_errors):
        item = SubElement(errors, "ma-object-error")
        text_child(item, "error-type", error.error_type)
        text_child(item, "dn", error.dn)
        text_child(item, "anchor", error.anchor)
        if error.attribute:
            text_child(item, "attribute-name", error.attribute)
        text_child(SubElement(item, "cd-error"), "error-literal", error.detail)
    counters = SubElement(root, "ma-discovery-counters")
    text_child(counters, "filtered-deletions", "0")
    text_child(counters, "filtered-objects", "0")


def _dated(tag: str, item: ConnectorSpaceObject, error: ObjectError) -> Element:
    root = Element(tag, {"cs-guid": item.guid, "dn": item.dn})
    text_child(root, "first-occurred", stamp(error.first_occurred))
    text_child(root, "retry-count", str(error.retry_count))
    text_child(root, "date-occurred", stamp(error.date_occurred))
    text_child(root, "error-type", error.error_type)
    return root


def _import_error(item: ConnectorSpaceObject, error: ObjectError) -> Element:
    root = _dated("import-error", item, error)
    text_child(root, "algorithm-step", error.algorithm_step, dn=item.dn)
    if error.error_type.startswith("extension-"):
        text_child(SubElement(root, "extension-error-info"), "call-stack", error.detail)
    return root


def _export_error(item: ConnectorSpaceObject, error: ObjectError) -> Element:
    root = _dated("export-error", item, error)
    cd_error = SubElement(root, "cd-error")
    text_child(cd_error, "error-code", "")
    text_child(cd_error, "error-literal", error.detail)
    return root
