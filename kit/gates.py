"""Gates: work that a person does by hand in miisclient, shown, awaited, and seen done by what it changes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from kit import configuration, plan
from kit.case import Case
from kit.confirmation import Confirmations
from kit.errors import CaseError, GateError, SafetyError
from kit.mim import SynchronizationService
from kit.sequence import (
    APPROVE,
    BACKUPS,
    CONFIRMATIONS,
    DELETE_SPACE,
    FREEZE,
    PROVISIONING_OFF,
    PROVISIONING_ON,
    UNFREEZE,
    UPLOAD,
    Step,
)

logger = logging.getLogger(__name__)

Say = Callable[[str], None]
"""Tells the person at the notebook what to do, or why nothing moves."""
LOOKS = 5
"""Poll intervals for which no run may begin once everything is said to be paused."""
SECONDS_BETWEEN_WORDS = 10.0
"""How often a wait says what is still missing, at most."""


def instruction(step: Step, case: Case) -> str:
    """Return what the person is to do: a click path in miisclient.exe, or a command."""
    saving = f"then File, Export Server Configuration, into {case.mim.configuration_folder}"
    return {
        FREEZE: (
            "on every machine that starts runs of MIM pause what does: Task Scheduler "
            "(Disable-ScheduledTask -TaskName NAME), and services such as AutoSync, Event Broker, MASequencer"
        ),
        BACKUPS: (
            "back up the databases (BACKUP DATABASE FIMSynchronizationService TO DISK = 'FILE'), the keys "
            "(miiskmu.exe, Export key set) and the configuration (File, Export Server Configuration)"
        ),
        PROVISIONING_OFF: "Tools, Options: clear 'Enable Provisioning Rules Extension', " + saving,
        PROVISIONING_ON: "Tools, Options: tick 'Enable Provisioning Rules Extension', " + saving,
        DELETE_SPACE: (
            f"Management Agents, select '{step.agent}', Actions, Delete, choose "
            "'Delete connector space only', never 'Delete management agent and connector space'"
        ),
        APPROVE: (
            f"look at the pending exports in {case.folder / 'figures'}, or in miisclient: Management Agents, "
            f"'{step.agent}', Actions, Search Connector Space, Scope 'Pending Export', Search"
        ),
        UPLOAD: (
            f"sign in to SharePoint as {step.subject}, About me, Edit your profile, Picture, Change your "
            "photo: upload another one than the present; the fix never writes to SharePoint"
        ),
        UNFREEZE: "let everything run again that was paused (Enable-ScheduledTask -TaskName NAME)",
    }[step.name]


def check(step: Step, case: Case, service: SynchronizationService, baseline: Mapping[str, int]) -> str:
    """Look whether a gate's work is done.

    Parameters
    ----------
    step : Step
        A gate.
    case : Case
    service : SynchronizationService
    baseline : Mapping[str, int]
        Objects per agent before the fix (``NumCSObjects``).

    Returns
    -------
    str
        Empty when it is done, else what is still to be seen.

    Raises
    ------
    SafetyError
        The wrong thing was done: the directory agent's connector space has changed. Or the configuration
        that was exported for the gate shows a hazard.
    SourceError
        MIM cannot be read, or there is no exported configuration.
    """
    if step.name in CONFIRMATIONS:
        return _not_confirmed(step, case) or (service.in_progress() if step.name == FREEZE else "")
    if step.name == DELETE_SPACE:
        return _space_is_empty(step, case, service, baseline)
    folder = case.mim.configuration_folder
    if folder is None:
        what = f"gate '{step.name}' cannot be checked"
        raise SafetyError(what, "mim.configuration_folder is not set", "name the folder in the case file")
    try:
        exported = configuration.read(case.resolve(folder))
    except CaseError as error:  # MIM writes the files while they are looked at: the next look sees them whole
        return str(error)
    wanted = step.name == PROVISIONING_ON
    if exported.provisioning_enabled != wanted:
        words = {True: "on", False: "off"}
        return f"the exported configuration says provisioning is {words[exported.provisioning_enabled]}"
    if not wanted:
        plan.refuse(
            exported.findings()
        )  # the configuration that was judged at first may have been an old one
    return ""


def settled(step: Step, case: Case, service: SynchronizationService, baseline: Mapping[str, int]) -> str:
    """Look twice, as `check` does: what is being written or deleted at this moment is not done.

    MIM exports its configuration file by file, so that for a while new files stand beside old ones; a
    schedule that was not paused starts a run sooner or later.
    """
    missing = check(step, case, service, baseline)
    if missing or step.name in {*CONFIRMATIONS} - {FREEZE}:
        return missing
    before = _state(step, case, service)
    threading.Event().wait(min(case.mim.poll_interval, 1.0) * (LOOKS if step.name == FREEZE else 1))
    missing = check(step, case, service, baseline)
    if missing or _state(step, case, service) == before:
        return missing
    return "a run was started meanwhile" if step.name == FREEZE else "the configuration is being written"


def _not_confirmed(step: Step, case: Case) -> str:
    confirmations = Confirmations(case.folder)
    if confirmations.given(step.name):
        return ""
    return f"nobody has confirmed it yet; to confirm it, {confirmations.ways(step.name)}"


def _state(step: Step, case: Case, service: SynchronizationService) -> list[tuple[str, int, int]]:
    """Return what must stand still between two looks: the agents' run numbers, or the exported files."""
    if step.name != FREEZE:
        return _files(case)
    agents = [str(name) for name in service.agents()["name"]]
    return [(agent, service.last_run(agent).run_number, 0) for agent in agents]


def _files(case: Case) -> list[tuple[str, int, int]]:
    """Return name, size and time of change of everything in the configuration folder."""
    folder = case.mim.configuration_folder
    return [] if folder is None else [_stamp(path) for path in sorted(case.resolve(folder).glob("*"))]


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        facts = path.stat()
    except FileNotFoundError:  # replaced at this moment
        return path.name, -1, time.monotonic_ns()
    return path.name, facts.st_size, facts.st_mtime_ns


def _space_is_empty(
    step: Step, case: Case, service: SynchronizationService, baseline: Mapping[str, int]
) -> str:
    directory = case.mim.directory_agent
    there, before = service.counters(directory)["NumCSObjects"], baseline[directory]
    if there != before:
        what = f"'{directory}' holds {there} objects, {before} before the gate"
        cause = "its connector space was deleted or changed as well"
        raise SafetyError(what, cause, "run nothing; restore the synchronization database from its backup")
    left = {name: number for name, number in service.counters(step.agent).items() if number}
    return f"'{step.agent}' still holds {left.get('NumCSObjects', 0)} objects" if left else ""


def wait(
    step: Step,
    case: Case,
    service: SynchronizationService,
    baseline: Mapping[str, int],
    *,
    seconds: float,
    say: Say,
) -> str:
    """Wait until a gate's work is seen done; where nothing can be seen of it, until somebody confirms it.

    Parameters
    ----------
    seconds : float
        Longest wait.
    say : callable
        Told once what to do, and now and then what is still missing.

    Returns
    -------
    str
        What opened the gate.

    Raises
    ------
    GateError
        It was not seen in time. Nothing is lost: the fix resumes at this gate.
    SafetyError
        As `check`.
    """
    confirmations = Confirmations(case.folder)
    confirm = f" Then {confirmations.ways(step.name)}." if step.name in CONFIRMATIONS else ""
    say(f"Gate '{step.name}': {instruction(step, case)}.{confirm} Waiting up to {seconds / 60:g} minutes.")
    if confirm:
        confirmations.offer_button(step.name)
    began, pause = time.monotonic(), threading.Event()
    said = ("", began)
    while missing := settled(step, case, service, baseline):
        now = time.monotonic()
        if now - began >= seconds:
            what = f"gate '{step.name}' was not seen done within {seconds / 60:g} minutes"
            raise GateError(what, missing, "do it, then run 30_reset_and_full_sync again: it goes on here")
        if missing != said[0] and now - said[1] >= SECONDS_BETWEEN_WORDS:
            say(f"{missing}; {(began + seconds - now) / 60:.0f} minutes left.")
            said = (missing, now)
        pause.wait(min(case.mim.poll_interval, 1.0))
    logger.info("gate %s is done", step.name)
    if step.name not in CONFIRMATIONS:
        return step.expected
    return f"confirmed by {confirmations.take(step.name)}"
