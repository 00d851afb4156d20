"""What the notebooks are told: each one's parameters, checked by type before anything else happens.

papermill injects ``-p apply false`` as the text "false", which is true; nothing here is read by truthiness.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from kit import case as cases
from kit.case import Case
from kit.confirmation import PAUSED
from kit.errors import ParameterError
from kit.sequence import CONFIRMATIONS


def names(given: Any) -> Any:  # noqa: ANN401 - whatever was given
    """Read a text as names between commas, as the command line gives them; brackets and quotes are left out.

    Examples
    --------
    >>> names("schedules_paused"), names('["schedules_paused"]'), names("")
    (['schedules_paused'], ['schedules_paused'], [])
    """
    return re.findall(r"[^\s,\[\]\"']+", given) if isinstance(given, str) else given


Names = Annotated[list[str], BeforeValidator(names)]
"""A list of names that hold no blanks; neither papermill's ``-p`` nor the kit's has lists."""


class Parameters(BaseModel):
    """Parameters that every notebook has."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    case_file: str = ""

    def case(self) -> Case:
        """Read the case that the parameters name.

        Raises
        ------
        CaseError
            The case file was not found or was refused.
        """
        return cases.load(self.case_file)


class Inventory(Parameters):
    """Parameters of 10_inventory."""

    connector_space_sample: int = Field(default=500, ge=0)


class Comparison(Parameters):
    """Parameters of 20_compare_photos."""

    trace_sample: int = Field(default=500, ge=0)
    gallery_size: int = Field(default=12, ge=0, le=60)
    workers: int = Field(default=4, ge=1, le=16)


class Reset(Parameters):
    """Parameters of 30_reset_and_full_sync."""

    apply: bool = False
    sharepoint_agent: str = ""
    directory_agent: str = ""
    full_import: str = ""
    full_sync: str = ""
    delta_import: str = ""
    delta_sync: str = ""
    export: str = ""
    run_order: list[str] = []
    export_limit: int = Field(default=0, ge=0)
    export_limit_percent: float = Field(default=30.0, ge=0, le=100)
    first_export: str = ""
    canary: str = ""
    confirmed: Names = []
    sample_size: int = Field(default=12, ge=0, le=60)
    gate_minutes: float = Field(default=30.0, gt=0)
    restart: bool = False

    @field_validator("confirmed")
    @classmethod
    def _names_gates(cls, names: list[str]) -> list[str]:
        if unknown := sorted({*names} - {*CONFIRMATIONS}):
            words = {"gate": unknown[0], "gates": ", ".join(CONFIRMATIONS)}
            raise PydanticCustomError("unknown_gate", "'{gate}' is not one of {gates}", words)
        return names

    def case(self) -> Case:
        """Read the case, with the names of agents and run profiles that were given here."""
        names = ("sharepoint_agent", "directory_agent", *cases.RunProfiles.model_fields)
        return cases.override(super().case(), **{name: getattr(self, name) for name in names})


class Report(Parameters):
    """Parameters of 40_drift_report."""

    measure_again: bool = True
    trace_sample: int = Field(default=500, ge=0)
    gallery_size: int = Field(default=12, ge=0, le=60)
    workers: int = Field(default=4, ge=1, le=16)


class Experiment(Parameters):
    """Parameters of 60_experiment."""

    apply: bool = False
    confirmed: Names = []
    restart: bool = False

    @field_validator("confirmed")
    @classmethod
    def _names_what_is_asked_for(cls, names: list[str]) -> list[str]:
        if unknown := sorted({*names} - {PAUSED}):
            words = {"gate": unknown[0], "gates": PAUSED}
            raise PydanticCustomError("unknown_gate", "'{gate}' is not {gates}", words)
        return names


class Restoration(Parameters):
    """Parameters of 90_restore_photos."""

    apply: bool = False
    accounts: list[str] = []
    as_of: str = ""
    gallery_size: int = Field(default=12, ge=0, le=60)

    @property
    def time(self) -> datetime | None:
        """When the photos were last as they should be; None means before the fix.

        Raises
        ------
        ParameterError
            ``as_of`` is no time, or one without a time zone.
        """
        if not self.as_of:
            return None
        what, advice = f"parameter 'as_of' is {self.as_of!r}", "write it as 2026-11-22T18:00+00:00"
        try:
            time = datetime.fromisoformat(self.as_of)
        except ValueError as error:
            raise ParameterError(what, "it is no time in ISO 8601", advice) from error
        if time.tzinfo is None:
            raise ParameterError(what, "it names no time zone", advice)
        return time


NOTEBOOKS: Mapping[str, type[Parameters]] = {
    "10_inventory": Inventory,
    "20_compare_photos": Comparison,
    "30_reset_and_full_sync": Reset,
    "40_drift_report": Report,
    "60_experiment": Experiment,
    "90_restore_photos": Restoration,
}
"""The notebooks, in order, and what each one takes."""

ON_REQUEST = frozenset({"60_experiment", "90_restore_photos"})
"""Notebooks that run only where they are named."""

P = TypeVar("P", bound=Parameters)


def read(namespace: Mapping[str, Any], kind: type[P]) -> P:
    """Take a notebook's parameters out of its namespace and check them.

    Parameters
    ----------
    namespace : Mapping[str, Any]
        ``globals()`` of the notebook, where papermill's injected cell has put what it was given. papermill
        only warns of a name that the notebook does not know; here one that resembles a parameter is refused.
    kind : type[Parameters]
        What the notebook takes.

    Raises
    ------
    ParameterError
        A value has the wrong type or is out of range, or a name is a misspelt parameter.

    Examples
    --------
    >>> read({"apply": "false"}, Reset)
    Traceback (most recent call last):
    kit.errors.ParameterError: parameter 'apply' is 'false': input should be a valid boolean; ...
    """
    known = list(kind.model_fields)
    plain = {name: value for name, value in namespace.items() if _could_be_a_parameter(name, value)}
    for name in plain:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        if name not in known and close:
            cause = "this notebook has no such parameter"
            raise ParameterError(f"parameter '{name}' was given", cause, f"did you mean '{close[0]}'")
    return check({name: namespace[name] for name in known if name in namespace}, kind)


def check(values: Mapping[str, Any], kind: type[P]) -> P:
    """Check values against what a notebook takes; unknown names are refused.

    Raises
    ------
    ParameterError
        As `read`, and for any unknown name.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, kind.model_fields, n=1)
        advice = (
            f"did you mean '{close[0]}'" if close else f"the parameters are {', '.join(kind.model_fields)}"
        )
        raise ParameterError(f"parameter '{name}' was given", "there is no such parameter", advice)
    cause = problem["msg"][0].lower() + problem["msg"][1:]
    raise ParameterError(f"parameter '{name}' is {problem['input']!r}", cause, _advice(kind, name))


def _could_be_a_parameter(name: str, value: object) -> bool:
    return not name.startswith("_") and isinstance(value, str | int | float | list | dict)


def _advice(kind: type[Parameters], name: str) -> str:
    expected = kind.model_fields[name].annotation
    if expected is bool:
        return "use True or False, or papermill's -y for YAML; the text 'false' is no boolean"
    return f"give a value of type {getattr(expected, '__name__', expected)}"
