"""The sequence of the fix: its gates, runs and verifications, in the order in which photos are safe.

The order is Microsoft's for deleting a connector space (TechNet wiki 4189) with its own for exports: both
agents, full import, full synchronization, export, confirming import. The SharePoint agent goes first, so that
the metaverse holds the new photos before the directory agent looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.case import Case
from kit.errors import ParameterError
from kit.runs import classify

FREEZE, BACKUPS, APPROVE, UPLOAD, UNFREEZE = (
    "freeze_schedules",
    "backups_confirmed",
    "approve_exports",
    "upload_canary",
    "unfreeze",
)
CONFIRMATIONS = (FREEZE, BACKUPS, APPROVE, UPLOAD, UNFREEZE)
"""Gates that a person's word opens: of what was done there MIM shows nothing."""

PROVISIONING_OFF, DELETE_SPACE, PROVISIONING_ON = (
    "provisioning_off",
    "delete_connector_space",
    "provisioning_on",
)
QUIET, BACKUP, PENDING, FIRST, EXPORTED, CONFIRMED, SETTLED, AFTER, CANARY = (
    "quiet",
    "backup",
    "pending_exports",
    "first_photos",
    "exported",
    "confirmed",
    "settled",
    "photos_after",
    "canary_seen",
)
EXPORT, FIRST_EXPORT, CANARY_IMPORT = "directory export", "directory first_export", "sharepoint canary_import"
DIRECTORY_EXPORTS = (FIRST_EXPORT, EXPORT)

RUN_ORDER = (
    "sharepoint full_import",
    "sharepoint full_sync",
    "directory full_import",
    "directory full_sync",
    "directory export",
    "directory delta_import",
    "directory delta_sync",
    "sharepoint export",
    "sharepoint delta_import",
    "sharepoint delta_sync",
)
"""Runs of the fix, ``<which agent> <which run profile>``; the SharePoint agent goes first."""

FINAL_CYCLE = ("sharepoint delta_import", "sharepoint delta_sync")
"""Runs once provisioning is on again, whatever the order of the others."""

EXPECTATIONS = {
    FREEZE: "nothing starts a run: every schedule is paused, and no run is in progress",
    BACKUPS: "database, encryption keys and configuration of MIM are backed up",
    QUIET: "no run in progress, nothing waiting to be exported to the directory",
    BACKUP: "every photo of the directory in the store, read back by its hash",
    PROVISIONING_OFF: "the exported configuration says provisioning is off",
    DELETE_SPACE: "{sharepoint} holds 0 objects, {directory} as many as before",
    "sharepoint full_import": "every profile staged as new, none changed",
    "sharepoint full_sync": "every object joined again, nothing removed or provisioned",
    "directory full_import": "the directory as it is now",
    "directory full_sync": "the changed photos become pending exports",
    PENDING: "nothing but photo updates of the expected people",
    APPROVE: "somebody has looked at what waits, and lets it out",
    FIRST_EXPORT: "the first few of the checked photo updates, then stopped-object-limit",
    FIRST: "the photos of the first export are in the directory, everybody else's are the same bytes",
    EXPORT: "only the pending photo updates that were checked",
    EXPORTED: "no additions, no deletes; whoever failed is named",
    "directory delta_import": "the exported photos confirmed",
    "directory delta_sync": "nothing left to export",
    CONFIRMED: "no export unconfirmed, none that came back otherwise",
    "sharepoint export": "nothing, or what the site flows to SharePoint anyway",
    "sharepoint delta_import": "the watermark set, for later delta imports",
    "sharepoint delta_sync": "nothing left to export",
    PROVISIONING_ON: "the exported configuration says provisioning is on",
    SETTLED: "no additions and no deletes wait on either agent",
    AFTER: "exported photos are in the directory, everybody else's are the same bytes",
    UPLOAD: "a new photo of {canary} is in SharePoint",
    CANARY_IMPORT: "at least 1 object staged as changed",
    CANARY: "{canary} has a new picture waiting in {sharepoint}: a Full Import sees changes",
    UNFREEZE: "every schedule that was paused runs again",
}
"""What every step must show, in words."""


@dataclass(frozen=True)
class Step:
    """One step of the fix.

    Parameters
    ----------
    number : int
        From 1.
    kind : str
        ``gate`` (a person acts, and it is seen), ``confirm`` (a person acts, and says so), ``run`` (of a
        management agent) or ``verify``.
    name, agent, profile, expected : str
        As in `kit.schema.PLAN`.
    subject : str
        The person whom the step is about; empty for all but the canary's.
    """

    number: int
    kind: str
    name: str
    agent: str = ""
    profile: str = ""
    expected: str = ""
    subject: str = ""

    def accepts(self, status: str) -> bool:
        """Whether a run that ended with this status did what the step is for.

        Examples
        --------
        >>> Step(1, "run", EXPORT).accepts("completed-export-errors")
        True
        >>> Step(1, "run", EXPORT).accepts("stopped-object-limit")
        False
        >>> Step(1, "run", FIRST_EXPORT).accepts("stopped-object-limit")
        True
        """
        if self.name == FIRST_EXPORT and status == "stopped-object-limit":
            return True
        judgement = classify(status)
        return judgement in {"ok", "warning"} or (self.name.endswith("export") and judgement == "attention")


def steps(
    case: Case, run_order: Sequence[str], *, first_export: str = "", canary: str = ""
) -> Iterator[Step]:
    """Lay out the fix, step by step.

    Parameters
    ----------
    case : Case
    run_order : sequence of str
        As `RUN_ORDER`.
    first_export : str
        Run profile of a first, limited export; empty for none.
    canary : str
        Account whose new photo shows in the end that a Full Import sees changes; empty for none.

    Yields
    ------
    Step
    """
    agents = {"sharepoint": case.mim.sharepoint_agent, "directory": case.mim.directory_agent}
    profiles = case.mim.run_profiles.model_dump() | {"first_export": first_export}
    profiles["canary_import"] = profiles["full_import"]
    for number, name in enumerate(_names(run_order, first=bool(first_export), canary=bool(canary)), 1):
        system, _, profile = name.partition(" ")
        about = canary if name in {UPLOAD, CANARY} else ""
        agent = agents[system] if profile else _agent(name, agents)
        expected = EXPECTATIONS[name].format(**agents, canary=canary)
        yield Step(number, _kind(name), name, agent, profiles.get(profile, ""), expected, about)


def _names(run_order: Sequence[str], *, first: bool, canary: bool) -> Iterator[str]:
    yield from (FREEZE, BACKUPS, QUIET, BACKUP, PROVISIONING_OFF, DELETE_SPACE)
    after = run_order[run_order.index(EXPORT) :]
    confirming = [run for run in after if run.startswith("directory delta")]
    confirms = False
    for run in run_order:
        if run == EXPORT:
            yield from (PENDING, APPROVE)
            yield from (FIRST_EXPORT, FIRST) if first else ()
        yield run
        if run == EXPORT:
            yield EXPORTED
            confirms = "directory delta_import" in confirming
        elif confirms and run == confirming[-1]:
            yield CONFIRMED
            confirms = False
    yield from (PROVISIONING_ON, *FINAL_CYCLE, SETTLED, AFTER)
    yield from (UPLOAD, CANARY_IMPORT, CANARY) if canary else ()
    yield UNFREEZE


def _agent(name: str, agents: dict[str, str]) -> str:
    if name in {PENDING, APPROVE, FIRST, EXPORTED, CONFIRMED}:
        return agents["directory"]
    return agents["sharepoint"] if name in {DELETE_SPACE, CANARY} else ""


def _kind(name: str) -> str:
    if name in CONFIRMATIONS:
        return "confirm"
    if name in {PROVISIONING_OFF, DELETE_SPACE, PROVISIONING_ON}:
        return "gate"
    return "run" if " " in name else "verify"


def check_order(run_order: Sequence[str]) -> None:
    """Refuse an order of runs that is unknown or dangerous.

    Until the SharePoint agent's full synchronization has filled the metaverse again, a run of the directory
    agent could find photos gone and export their deletion.

    Raises
    ------
    ParameterError
        A run is unknown, the SharePoint agent does not begin with full import and full sync, or an export
        of the directory agent is not prepared by its full import and full sync.
    """
    what = f"run_order is {list(run_order)!r}"
    unknown = [run for run in run_order if run not in RUN_ORDER]
    if unknown:
        raise ParameterError(what, f"'{unknown[0]}' is no run", f"use {', '.join(RUN_ORDER)}")
    if list(run_order[:2]) != ["sharepoint full_import", "sharepoint full_sync"]:
        cause = "the SharePoint agent's connector space is empty until its full import and full sync"
        raise ParameterError(what, cause, "begin with 'sharepoint full_import' and 'sharepoint full_sync'")
    prepared = ("directory full_import", "directory full_sync", EXPORT)
    if [run for run in run_order if run in prepared] != list(prepared):
        cause = (
            "the directory agent needs its full import, its full sync and its export once each, in this order"
        )
        raise ParameterError(what, cause, f"use {', '.join(prepared)}")
