"""Gates: work that a person does by hand in miisclient, shown, awaited, and seen done by what it changes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from kit import configuration, plan
from kit.case import Case
from kit.errors import CaseError, GateError, SafetyError
from kit.mim import SynchronizationService
from kit.plan import DELETE_SPACE, PROVISIONING_OFF, PROVISIONING_ON, Step

logger = logging.getLogger(__name__)

Say = Callable[[str], None]
"""Tells the person at the notebook what to do, or why nothing moves."""


def instruction(step: Step, case: Case) -> str:
    """Return what the person is to do, as a click path in miisclient.exe."""
    saving = f"then File, Export Server Configuration, into {case.mim.configuration_folder}"
    return {
        PROVISIONING_OFF: "Tools, Options: clear 'Enable Provisioning Rules Extension', " + saving,
        PROVISIONING_ON: "Tools, Options: tick 'Enable Provisioning Rules Extension', " + saving,
        DELETE_SPACE: (
            f"Management Agents, select '{step.agent}', Actions, Delete, choose "
            "'Delete connector space only', never 'Delete management agent and connector space'"
        ),
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

    MIM exports its configuration file by file, so that for a while new files stand beside old ones.
    """
    files = _files(case)
    missing = check(step, case, service, baseline)
    if missing:
        return missing
    threading.Event().wait(min(case.mim.poll_interval, 1.0))
    missing = check(step, case, service, baseline)
    return missing or ("the configuration is being written" if _files(case) != files else "")


def _files(case: Case) -> list[tuple[str, int, int]]:
    """Return name, size and time of change of everything in the configuration folder."""
    folder = case.mim.configuration_folder
    return [] if folder is None else [_state(path) for path in sorted(case.resolve(folder).glob("*"))]


def _state(path: Path) -> tuple[str, int, int]:
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
) -> None:
    """Wait until a gate's work is seen done; what is seen counts, nobody's word does.

    Parameters
    ----------
    seconds : float
        Longest wait.
    say : callable
        Told once what to do.

    Raises
    ------
    GateError
        It was not seen in time. Nothing is lost: the fix resumes at this gate.
    SafetyError
        As `check`.
    """
    say(f"Gate '{step.name}': {instruction(step, case)}. Waiting up to {seconds / 60:g} minutes.")
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while missing := settled(step, case, service, baseline):
        if time.monotonic() >= deadline:
            what = f"gate '{step.name}' was not seen done within {seconds / 60:g} minutes"
            raise GateError(what, missing, "do it, then run 30_reset_and_full_sync again: it goes on here")
        pause.wait(min(case.mim.poll_interval, 1.0))
    logger.info("gate %s is done", step.name)
