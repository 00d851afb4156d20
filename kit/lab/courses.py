"""How causes, planted on people or on the whole farm, change the course that a farm's past takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from kit.errors import ParameterError
from kit.lab import conditions, plantings
from kit.lab.grounds import Grounds
from kit.lab.history import Course
from kit.lab.population import Person
from kit.lab.site import field_rules


def cast(
    everyone: tuple[Person, ...], causes: Collection[str], seed: int, directory: str
) -> tuple[Person, ...]:
    """Plant causes on people, or one on the whole farm.

    Parameters
    ----------
    everyone : tuple of Person
        The farm's people.
    causes : collection of str
        Keys of `kit.lab.plantings.PLANTINGS`, or one alone of `kit.lab.conditions.CONDITIONS`.
    seed : int
        The same seed plants the same people.
    directory : str
        The kind of directory that the farm has.

    Returns
    -------
    tuple of Person

    Raises
    ------
    ParameterError
        A cause is unknown or cannot be planted here.
    """
    known = {**plantings.PLANTINGS, **conditions.CONDITIONS}
    if unknown := [cause for cause in causes if cause not in known]:
        what, cause = f"cause {unknown[0]!r} cannot be planted", "the farm knows of no such cause"
        raise ParameterError(what, cause, f"choose among {', '.join(known)}")
    if causes and directory != "embedded":
        what, cause = (
            f"causes cannot be planted on a farm with {directory}",
            "its clock and stamps are its own",
        )
        raise ParameterError(what, cause, "use the embedded directory")
    farm_wide = [cause for cause in causes if cause in conditions.CONDITIONS]
    if not farm_wide:
        return plantings.plant(everyone, causes, seed)
    if len(causes) > 1:
        what, cause = f"{farm_wide[0]!r} cannot be planted beside others", "it concerns the whole farm"
        raise ParameterError(what, cause, "start a farm for it alone")
    return conditions.afflict(everyone, farm_wide[0])


def course(grounds: Grounds, everyone: Sequence[Person], causes: Collection[str]) -> Course:
    """Return what is particular to the past of a farm with these causes.

    Parameters
    ----------
    grounds : Grounds
        The farm.
    everyone : Sequence[Person]
        As `cast` returns them.
    causes : collection of str
        The same ones.
    """
    farm_wide = next(
        (conditions.CONDITIONS[cause] for cause in causes if cause in conditions.CONDITIONS), None
    )
    if farm_wide:
        events = [(ago, partial(happen, grounds)) for ago, happen in farm_wide.events]
        return Course(
            farm_wide.rules(), conditions.CYCLES, conditions.IMPORTS, events, tolerated=farm_wide.endings
        )
    planted = [(person, plantings.PLANTINGS[person.planted]) for person in everyone if person.planted]
    deeds = [(ago, partial(deed, grounds, person)) for person, one in planted for ago, deed in one.deeds]
    runs = dict.fromkeys(run for _, one in planted for run in one.runs)
    return Course(
        field_rules(domain_dn=grounds.domain.base_dn),
        events=[*deeds, *((ago, partial(run, grounds)) for ago, run in runs)],
        tolerated=plantings.TOLERATED if planted else (),
    )
