"""The plan of the fix: gates, runs and verifications in their order, and whose photos should change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd

from kit import configuration as configuration_files
from kit import schema
from kit.agents import ManagementAgent
from kit.case import Case
from kit.configuration import Configuration
from kit.errors import CaseError, NotFoundError, ParameterError, SafetyError
from kit.folder import CaseFolder
from kit.inventory import partial
from kit.preflight import Finding, frame

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

RUN_EXPECTATIONS = {
    "sharepoint full_import": "every profile staged as new, none changed",
    "sharepoint full_sync": "every object joined again, nothing removed or provisioned",
    "directory full_import": "the directory as it is now",
    "directory full_sync": "the changed photos become pending exports",
    "directory export": "only the pending photo updates that were checked",
    "directory delta_import": "the exported photos confirmed",
    "directory delta_sync": "nothing left to export",
    "sharepoint export": "nothing, or what the site flows to SharePoint anyway",
    "sharepoint delta_import": "the watermark set, for later delta imports",
    "sharepoint delta_sync": "nothing left to export",
}
PROVISIONING_OFF, DELETE_SPACE, PROVISIONING_ON = (
    "provisioning_off",
    "delete_connector_space",
    "provisioning_on",
)
QUIET, BACKUP, PENDING, AFTER = "quiet", "backup", "pending_exports", "photos_after"


@dataclass(frozen=True)
class Step:
    """One step: a gate (a person acts), a run (of a management agent) or a verification."""

    number: int
    kind: str
    name: str
    agent: str = ""
    profile: str = ""
    expected: str = ""


@dataclass(frozen=True)
class Plan:
    """What the fix will do.

    Parameters
    ----------
    steps : tuple of Step
        In order, numbered from 1.
    changes : DataFrame
        Photos that the export should change: person, account, verdict, ``class`` (``expected`` or
        ``re_encoded``: the same picture with other bytes), ``sha256`` that the directory will hold.
    findings : DataFrame
        The preflight's findings; see `kit.configuration.Configuration.findings`.
    export_limit : int
        Most photos that one export may change.
    """

    steps: tuple[Step, ...]
    changes: pd.DataFrame = field(repr=False)
    findings: pd.DataFrame = field(repr=False)
    export_limit: int

    def frame(self) -> pd.DataFrame:
        """Return the steps as a frame with the columns of `kit.schema.PLAN`."""
        rows = [step.__dict__ | {"step": step.number} for step in self.steps]
        return schema.conform(pd.DataFrame(rows), schema.PLAN)

    def put_on_record(self, folder: CaseFolder) -> None:
        """Write steps and findings into the case's manifest, where they stand before anything is done."""
        folder.update(plan=self.frame().to_dict("records"), findings=self.findings.to_dict("records"))

    def refuse_hazards(self) -> None:
        """Refuse to be carried out where the configuration would lose photos.

        Raises
        ------
        SafetyError
            A finding has severity ``stop``, or the configuration was not read.
        """
        refuse(self.findings)


def refuse(findings: pd.DataFrame) -> None:
    """Raise SafetyError, telling the first, where any finding of a preflight has severity ``stop``."""
    stops = findings[findings["severity"] == "stop"]
    if len(stops):
        first = stops.iloc[0]
        hazards = "1 hazard" if len(stops) == 1 else f"{len(stops)} hazards"
        what = f"the fix must not go on, {hazards}: {first['finding']}"
        raise SafetyError(what, str(first["consequence"]), str(first["remedy"]))


def make(
    case: Case,
    people: pd.DataFrame,
    configuration: Configuration | None,
    run_order: Sequence[str],
    *,
    export_limit_percent: float,
) -> Plan:
    """Make the plan from what was measured and from MIM's own configuration.

    Parameters
    ----------
    case : Case
    people : DataFrame
        Columns of `kit.schema.PEOPLE`, as measured before the fix.
    configuration : Configuration or None
        MIM's saved configuration; without it the plan can be shown and not carried out.
    run_order : sequence of str
        As `RUN_ORDER`, which is what an empty one means.
    export_limit_percent : float
        Most photos one export may change, in percent of the people who have one in the directory.

    Returns
    -------
    Plan

    Raises
    ------
    CaseError
        The people have no verdicts yet.
    ParameterError
        The order is not one of runs, or exports before the connector space is filled again.
    NotFoundError
        The configuration does not have an agent or run profile that the case names.
    """
    if not (people["verdict"] != "").any():
        what, cause = f"the photos of case '{case.case_id}' were not compared", "there is an inventory only"
        raise CaseError(what, cause, "run 20_compare_photos")
    run_order = run_order or RUN_ORDER
    check_order(run_order)
    if configuration is not None:
        check_names(case, configuration)
    with_photo = int((people["directory_sha256"] != "").sum())
    return Plan(
        steps=tuple(_steps(case, run_order)),
        changes=changes(people),
        findings=_findings(people, configuration),
        export_limit=max(1, round(with_photo * export_limit_percent / 100)),
    )


def read_configuration(case: Case) -> Configuration | None:
    """Read MIM's saved configuration; None if the case names no folder for it.

    Raises
    ------
    NotFoundError, CaseError
        The folder is not there, or is not one that MIM exported its configuration to.
    """
    folder = case.mim.configuration_folder
    return None if folder is None else configuration_files.read(case.resolve(folder))


def changes(people: pd.DataFrame) -> pd.DataFrame:
    """Say whose photos the fix should change.

    They are those of whom SharePoint has a real picture with other bytes than the directory's. People whose
    verdict is ``uncertain`` are not among them, and neither are placeholders, unreadable pictures and people
    who could not be read: if MIM wants to export one of those, a person must decide.
    """
    wanted = people["verdict"].isin(["in_sync", "stale", "missing_in_ad"]) & (
        people["sharepoint_sha256"] != ""
    )
    chosen = people[wanted & (people["sharepoint_sha256"] != people["directory_sha256"])]
    kind = chosen["verdict"].eq("in_sync").map({True: "re_encoded", False: "expected"}).astype("str")
    columns = ["person", "account", "verdict"]
    return (
        chosen[columns]
        .assign(**{"class": kind, "sha256": chosen["sharepoint_sha256"]})
        .reset_index(drop=True)
    )


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
    unknown = [run for run in run_order if run not in RUN_EXPECTATIONS]
    if unknown:
        raise ParameterError(what, f"'{unknown[0]}' is no run", f"use {', '.join(RUN_EXPECTATIONS)}")
    if list(run_order[:2]) != ["sharepoint full_import", "sharepoint full_sync"]:
        cause = "the SharePoint agent's connector space is empty until its full import and full sync"
        raise ParameterError(what, cause, "begin with 'sharepoint full_import' and 'sharepoint full_sync'")
    prepared = ("directory full_import", "directory full_sync", "directory export")
    if [run for run in run_order if run in prepared] != list(prepared):
        cause = (
            "the directory agent needs its full import, its full sync and its export once each, in this order"
        )
        raise ParameterError(what, cause, f"use {', '.join(prepared)}")


def check_names(case: Case, configuration: Configuration) -> None:
    """Refuse names of agents and run profiles that the server's configuration does not have.

    Raises
    ------
    NotFoundError
        Naming the one that is missing and those that are there.
    SafetyError
        The agent is one of the other system: its connector space would be deleted.
    """
    for wanted, system in ((case.mim.sharepoint_agent, "SharePoint"), (case.mim.directory_agent, "AD")):
        agent = next((one for one in configuration.agents if one.name == wanted), None)
        if agent is None:
            there = ", ".join(one.name for one in configuration.agents)
            raise NotFoundError(
                f"management agent '{wanted}' is unknown", f"the server has {there}", "correct the case file"
            )
        if not (agent.is_sharepoint if system == "SharePoint" else agent.is_directory):
            what = f"management agent '{wanted}' is not one of {system}"
            raise SafetyError(
                what, f"the server says '{agent.listname or agent.category}'", "correct the case file"
            )
        _check_profiles(case, agent)


def _check_profiles(case: Case, agent: ManagementAgent) -> None:
    names = {profile.name.casefold() for profile in agent.run_profiles}
    for profile in case.mim.run_profiles.model_dump().values():
        if profile.casefold() not in names:
            what = f"run profile '{profile}' of '{agent.name}' is unknown"
            there = ", ".join(one.name for one in agent.run_profiles) or "none"
            raise NotFoundError(
                what, f"the agent has {there}", "create it in miisclient, or correct the case file"
            )


def _steps(case: Case, run_order: Sequence[str]) -> Iterator[Step]:
    for number, step in enumerate(_unnumbered(case, run_order), 1):
        yield Step(number, *step)


def _unnumbered(case: Case, run_order: Sequence[str]) -> Iterator[tuple[str, ...]]:
    sharepoint, directory = case.mim.sharepoint_agent, case.mim.directory_agent
    agents = {"sharepoint": sharepoint, "directory": directory}
    yield "verify", QUIET, "", "", "no run in progress, nothing waiting to be exported to the directory"
    yield "verify", BACKUP, "", "", "every photo of the directory in the store, read back by its hash"
    yield "gate", PROVISIONING_OFF, "", "", "the exported configuration says provisioning is off"
    yield "gate", DELETE_SPACE, sharepoint, "", f"{sharepoint} holds 0 objects, {directory} as many as before"
    provisioning = "off"
    for run in run_order:
        system, profile = run.split()
        if run == "directory export":
            yield "verify", PENDING, directory, "", "nothing but photo updates of the expected people"
        if run == "sharepoint export":
            provisioning = "on"
            yield _PROVISIONING_ON
        yield "run", run, agents[system], getattr(case.mim.run_profiles, profile), RUN_EXPECTATIONS[run]
    if provisioning == "off":
        yield _PROVISIONING_ON
    yield "verify", AFTER, "", "", "exported photos are in the directory, everybody else's are the same bytes"


_PROVISIONING_ON = ("gate", PROVISIONING_ON, "", "", "the exported configuration says provisioning is on")


def _findings(people: pd.DataFrame, configuration: Configuration | None) -> pd.DataFrame:
    """Return what speaks against the fix: first of the measurement, then of MIM's configuration."""
    own = list(_own_findings(people, configuration))
    if configuration is None:
        return frame(own)
    return pd.concat([frame(own), configuration.findings()], ignore_index=True)


def _own_findings(people: pd.DataFrame, configuration: Configuration | None) -> Iterator[Finding]:
    if reason := partial(people):
        yield Finding(
            "stop",
            "the people were not all read",
            reason,
            "somebody who was not read would look like somebody without a photo",
            "run 10_inventory and 20_compare_photos again",
        )
    if configuration is None:
        yield Finding(
            "stop",
            "MIM's configuration was not read",
            "mim.configuration_folder is not set in the case file",
            "nobody knows whether deleting the connector space would delete photos",
            "in miisclient choose File, Export Server Configuration; name that folder in the case file",
        )
