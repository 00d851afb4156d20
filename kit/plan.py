"""The plan of the fix: its steps with what each must show, and whose photos should change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import pandas as pd

from kit import configuration as configuration_files
from kit import remedy, schema
from kit.agents import ManagementAgent
from kit.baseline import Baseline
from kit.case import Case
from kit.configuration import Configuration
from kit.errors import CaseError, NotFoundError, ParameterError, SafetyError
from kit.findings import SEVERITIES, Finding, frame
from kit.folder import CaseFolder
from kit.inventory import partial
from kit.preflight import judge
from kit.sequence import (
    AFTER,
    APPROVE,
    BACKUP,
    DELETE_SPACE,
    EXPORT,
    FIRST_EXPORT,
    PENDING,
    PROVISIONING_OFF,
    PROVISIONING_ON,
    QUIET,
    RUN_ORDER,
    Step,
    check_order,
    steps,
)

__all__ = [
    "AFTER",
    "BACKUP",
    "DELETE_SPACE",
    "PENDING",
    "PROVISIONING_OFF",
    "PROVISIONING_ON",
    "QUIET",
    "RUN_ORDER",
    "Plan",
    "Step",
    "changes",
    "check_names",
    "check_order",
    "make",
    "read_configuration",
    "refuse",
]


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
    export_limit: int = 0,
    baseline: Baseline | None = None,
    diagnosed: Mapping[str, Any] = MappingProxyType({}),
    first_export: str = "",
    canary: str = "",
) -> Plan:
    """Make the plan from what was measured and from MIM's own configuration.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.PEOPLE`, as measured before the fix.
    configuration : Configuration or None
        MIM's saved configuration; without it the plan can be shown and not carried out.
    run_order : sequence of str
        As `RUN_ORDER`, which is what an empty one means.
    export_limit_percent : float
        Most photos one export may change, in percent of the people who have one in the directory.
    export_limit : int
        The same as a number, where that is less; 0 for none.
    baseline : Baseline or None
        What the agents hold; without it the plan tells no numbers of objects.
    diagnosed : Mapping
        As `kit.folder.CaseFolder.diagnosis` returns it. Where every cause found is another one, the plan has
        no steps: see `kit.remedy`.
    first_export, canary : str
        As `kit.sequence.steps` takes them; the account may be without its domain.

    Raises
    ------
    CaseError
        The people have no verdicts yet.
    ParameterError
        The order is not one of runs, or exports before the connector space is filled again; the first
        export's profile is not one with an object threshold; the canary has no profile in SharePoint.
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
        _check_first_export(case, configuration, first_export)
    limit, expected = _limit(people, export_limit_percent, export_limit), changes(people)
    counts = _photo_counts(people, expected, limit) | (_object_counts(case, baseline) if baseline else {})
    laid_out = steps(case, run_order, first_export=first_export, canary=_canary(people, canary))
    findings = _findings(people, configuration, diagnosed)
    if remedy.is_refused(findings):
        return Plan((), expected.head(0), findings, limit)
    return Plan(tuple(_with_count(step, counts) for step in laid_out), expected, findings, limit)


def _limit(people: pd.DataFrame, percent: float, number: int) -> int:
    """Return the most photos that one export may change: the lesser of a share and, unless 0, a number."""
    with_photo = int((people["directory_sha256"] != "").sum())
    share = max(1, round(with_photo * percent / 100))
    return min(share, number) if number else share


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


def forecast(fix: Plan, people: pd.DataFrame) -> str:
    """Say in one sentence how many photos differ, how many of them can change, and how many may.

    Parameters
    ----------
    fix : Plan
    people : DataFrame
        As the plan was made of.
    """
    if remedy.is_refused(fix.findings):
        return f"There is no plan: {remedy.REFUSED} here."
    apart = int(fix.changes["person"].isin(_not_joined(people)).sum())
    told = f"; {apart:,} of these people are not joined in MIM and stay as they are" if apart else ""
    return f"{len(fix.changes):,} photos differ{told}; one export may change {fix.export_limit:,} at most."


def _not_joined(people: pd.DataFrame) -> pd.Series:
    return people.loc[people["joined"].eq(other=False).fillna(value=False), "person"]


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


def _check_first_export(case: Case, configuration: Configuration, profile: str) -> None:
    """Refuse a first export that would not end after a number of objects."""
    if not profile:
        return
    agent = next(one for one in configuration.agents if one.name == case.mim.directory_agent)
    limited = {
        one.name.casefold()
        for one in agent.run_profiles
        if one.does("export") and all(step.object_limit for step in one.steps)
    }
    if profile.casefold() not in limited:
        cause = (
            f"the export profiles of '{agent.name}' with an object threshold are {sorted(limited) or 'none'}"
        )
        raise ParameterError(f"first_export is '{profile}'", cause, "name one of them, or leave it empty")


def _canary(people: pd.DataFrame, account: str) -> str:
    """Return the canary's account with its domain; a name without one is looked for in all."""
    if not account:
        return ""
    known = people.loc[people["in_sharepoint"], "account"]
    wanted = account.casefold()
    found = [one for one in known if wanted in {one, one.rpartition("\\")[2]}]
    if len(found) != 1:
        cause = f"{len(found)} people with a profile in SharePoint have this account"
        raise ParameterError(f"canary is '{account}'", cause, "name one test account, as CONTOSO\\name")
    return str(found[0])


def _with_count(step: Step, counts: Mapping[str, str]) -> Step:
    count = counts.get(step.name)
    return replace(step, expected=f"{step.expected}: {count}") if count else step


def _photo_counts(people: pd.DataFrame, expected: pd.DataFrame, limit: int) -> dict[str, str]:
    """Say for each step with how many photos it has to do; whoever MIM has not joined gets none."""
    with_photo = set(people.loc[people["directory_sha256"] != "", "person"])
    apart = _not_joined(people)
    expected = expected[~expected["person"].isin(apart)]
    updates = f"{len(expected):,} updates"
    kept = len(with_photo - set(expected["person"]))
    return {
        BACKUP: f"{len(with_photo):,} photos",
        "directory full_sync": updates,
        PENDING: f"{updates}, {limit:,} at most",
        APPROVE: f"{len(expected):,} photos",
        FIRST_EXPORT: f"{updates} wait",
        EXPORT: updates,
        "directory delta_import": f"{len(expected):,} photos",
        AFTER: f"{len(expected):,} exported, {kept:,} as they were",
    }


def _object_counts(case: Case, baseline: Baseline) -> dict[str, str]:
    """Say for each step with how many objects of the connector spaces it has to do."""
    names = {"sharepoint": case.mim.sharepoint_agent, "directory": case.mim.directory_agent}
    held = {system: baseline.objects.get(name, 0) for system, name in names.items()}
    joined = {system: baseline.connectors.get(name, 0) for system, name in names.items()}
    told = [f"{name} {held[system]:,} objects, {joined[system]:,} joined" for system, name in names.items()]
    return {
        QUIET: "; ".join(told),
        DELETE_SPACE: f"0 instead of {held['sharepoint']:,}, and {held['directory']:,}",
        "sharepoint full_import": f"{held['sharepoint']:,} objects",
        "sharepoint full_sync": f"{joined['sharepoint']:,} joined",
        "directory full_import": f"{held['directory']:,} objects",
    }


def _findings(
    people: pd.DataFrame, configuration: Configuration | None, diagnosed: Mapping[str, Any]
) -> pd.DataFrame:
    """Return what is known of the cause, the measurement and MIM's configuration, the gravest first."""
    found = [remedy.judge(diagnosed), *_own_findings(people, configuration)]
    if configuration is not None:
        found += judge(configuration, people)
    return frame(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


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
