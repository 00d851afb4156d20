"""The case's settings: which farm, which accounts, where the case folder is; secrets only by name."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from reprlib import Repr
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator

from kit.errors import CaseError, ParameterError
from kit.settings import (
    ADVISED,
    CONFIDENTIAL,
    AnyPath,
    DirectorySettings,
    ExperimentSettings,
    MimSettings,
    RunProfiles,
    Section,
    SharePointSettings,
    SystemSettings,
)

__all__ = [
    "CASE_FILE_VARIABLE",
    "CASE_ID_RULE",
    "PROJECT",
    "Case",
    "DirectorySettings",
    "ExperimentSettings",
    "MimSettings",
    "RunProfiles",
    "SharePointSettings",
    "SystemSettings",
    "find",
    "is_case_id",
    "load",
    "override",
    "parse",
]

CASE_FILE_VARIABLE = "KIT_CASE_FILE"
PROJECT = Path(__file__).resolve().parent.parent
CASE_ID_RULE = "a case id is a folder name: letters, digits, dots, dashes and underscores"

_UNKNOWN = {"extra_forbidden", "invalid_key"}  # the second: a key that is no text
_MERGE, _TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"
_SHORT = Repr()
_SHORT.maxstring = 200


class Case(Section):
    """One case: a farm, and the folder that everything found there goes into.

    ``source`` is the file it came from; relative paths in that file are relative to the file.
    """

    case_id: str
    title: str = ""
    outputs: AnyPath = Path("outputs")
    secrets_file: AnyPath | None = None
    directory: DirectorySettings
    sharepoint: SharePointSettings
    mim: MimSettings
    experiment: ExperimentSettings | None = None
    source: AnyPath = Field(default=Path(), exclude=True)

    @field_validator("case_id")
    @classmethod
    def _is_a_folder_name(cls, value: str) -> str:
        if not is_case_id(value):
            raise ValueError(CASE_ID_RULE)
        return value

    @property
    def folder(self) -> Path:
        """The case folder, ``<outputs>/<case_id>``."""
        return self.resolve(self.outputs) / self.case_id

    def resolve(self, path: Path) -> Path:
        """Return a path of the case file as an absolute one."""
        return (self.source.parent / path).resolve()

    def ca_file(self, settings: SystemSettings) -> Path | None:
        """Return the certificate authorities' file of one system, absolute, if one is named."""
        return self.resolve(settings.ca_file) if settings.ca_file else None


def is_case_id(text: str) -> bool:
    """Whether a text can be a case's id, which names its folder.

    Examples
    --------
    >>> is_case_id("contoso-2024.05"), is_case_id("../contoso")
    (True, False)
    """
    return bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text)) and not text.endswith(".")


def find(case_file: str | Path = "") -> Path:
    """Return the case file to use: the one named, else the environment's, else ``case.yaml`` here.

    Parameters
    ----------
    case_file : str or Path
        As given by the user; relative to the working directory, or else to the project folder, because
        JupyterLab works in ``notebooks/``.

    Raises
    ------
    CaseError
        There is no such file.
    """
    named = Path(case_file or os.environ.get(CASE_FILE_VARIABLE) or "case.yaml")
    try:
        for candidate in (named.expanduser(), PROJECT / named):
            if candidate.is_file():
                return candidate.resolve()
    except (OSError, RuntimeError) as error:  # a name too long, a folder without access, ~somebody unknown
        cause = getattr(error, "strerror", None) or str(error)
        raise CaseError(f"case file '{named}' cannot be used", cause, "give another path") from error
    cause = "no such file" if case_file else f"no case file was named, and {CASE_FILE_VARIABLE} is not set"
    raise CaseError(
        f"case file '{named}' was not found", cause, "give the path of a case file, as in the README"
    )


def load(path: str | Path) -> Case:
    """Read a case file.

    Parameters
    ----------
    path : str or Path
        YAML file.

    Returns
    -------
    Case

    Raises
    ------
    CaseError
        It cannot be read, is no YAML, has an unknown key, or a value of the wrong type.
    """
    source = find(path)
    try:
        content = _read(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: no UTF-8, or a date like 2024-02-30
        raise CaseError(f"case file '{source}' cannot be read", _reason(error), "correct the file") from error
    except RecursionError as error:
        cause = "lists or sections are nested too deeply in it"
        raise CaseError(f"case file '{source}' cannot be read", cause, "correct the file") from error
    return parse(content, source)


def parse(content: object, source: Path) -> Case:
    """Make a case of a case file's content.

    Parameters
    ----------
    content : object
        What YAML gave.
    source : Path
        The file, for messages and relative paths.

    Raises
    ------
    CaseError
        As `load`.

    Examples
    --------
    >>> parse({"case_id": "contoso", "colour": "red"}, Path("case.yaml"))
    Traceback (most recent call last):
    kit.errors.CaseError: 'colour' in case file 'case.yaml': unknown key; remove it, the keys are case_id, ...
    """
    if not isinstance(content, Mapping):
        cause = "it holds no settings"
        raise CaseError(f"case file '{source}' was refused", cause, "start from the sample in the README")
    if "source" in content:  # a field of ours, and no setting
        raise CaseError(f"'source' in case file '{source}'", "unknown key", _advice(("source",)))
    try:
        return Case.model_validate({**content, "source": source.resolve()})
    except ValidationError as error:
        raise _explained(error.errors(include_url=False), source) from None


class _Loader(yaml.SafeLoader):
    """YAML without the tags that run code, whose keys are all text and unique (YAML 1.2.2, 3.2.1.3)."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - PyYAML's own
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"key '{key.value}' is given a second time"
                    raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
                seen.add(key.value)
                if key.tag != _MERGE:
                    key.tag = _TEXT
        return node


def _read(text: str) -> object:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _reason(error: Exception) -> str:
    """Say what is wrong and where, without quoting the line: it may hold what should not be there."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"{error.problem} in line {error.problem_mark.line + 1}"
    return " ".join(str(error).split())


def _explained(problems: list[Any], source: Path) -> CaseError:
    """Tell the first problem, unknown keys first: a misspelt key is why another one seems missing."""
    problem = min(problems, key=lambda one: one["type"] not in _UNKNOWN)
    where = ".".join(str(part) for part in problem["loc"])
    what = f"'{where}' in case file '{source}'"
    if problem["type"] in _UNKNOWN:
        return CaseError(what, "unknown key", _advice(problem["loc"]))
    if problem["type"] == "missing":
        return CaseError(what, "it is required and not there", "add it, as in the README's sample")
    cause = problem["msg"].removeprefix("Value error, ")
    advice = problem["ctx"]["advice"] if problem["type"] == ADVISED else "correct the value"
    return CaseError(what + _given(problem), cause[0].lower() + cause[1:], advice)


def _given(problem: Mapping[str, Any]) -> str:
    """Repeat a refused value, shortened, unless a password may be in it."""
    given = problem["input"]
    if not isinstance(given, str | int | float | list) or CONFIDENTIAL.intersection(problem["loc"]):
        return ""
    if isinstance(given, int) and given.bit_length() > 64:  # Python refuses to write very long ones
        return " is a number of many digits"
    shown = _SHORT.repr(given)
    return "" if "://" in shown else f" is {shown}"


def _advice(location: tuple[str | int, ...]) -> str:
    sections: dict[tuple[str, ...], type[Section]] = {
        (): Case,
        ("directory",): DirectorySettings,
        ("sharepoint",): SharePointSettings,
        ("mim",): MimSettings,
        ("mim", "run_profiles"): RunProfiles,
        ("experiment",): ExperimentSettings,
    }
    parents = tuple(str(part) for part in location[:-1])
    keys = [name for name in sections[parents].model_fields if name != "source"]
    key = str(location[-1])
    if key == "password":
        return (
            "did you mean 'password_name', the name under which the secret is kept, never the secret itself"
        )
    close = difflib.get_close_matches(key, keys, n=1)
    return f"did you mean '{close[0]}'" if close else f"remove it, the keys are {', '.join(keys)}"


def override(case: Case, **changes: str) -> Case:
    """Return the case with names of agents or run profiles that a notebook's parameters give.

    Parameters
    ----------
    case : Case
    **changes : str
        Keys of `MimSettings` or `RunProfiles`; an empty text keeps what the case file says.

    Examples
    --------
    >>> from kit.case import RunProfiles
    >>> sorted(RunProfiles().model_dump())[:2]
    ['delta_import', 'delta_sync']
    """
    given = {name: value for name, value in changes.items() if value}
    unknown = set(given) - set(RunProfiles.model_fields) - set(MimSettings.model_fields)
    if unknown:
        raise ParameterError(
            f"'{min(unknown)}' cannot be overridden", "it is not a name", "use the case file"
        )
    profiles = {name: value for name, value in given.items() if name in RunProfiles.model_fields}
    agents = {name: value for name, value in given.items() if name not in profiles}
    run_profiles = case.mim.run_profiles.model_copy(update=profiles)
    return case.model_copy(
        update={"mim": case.mim.model_copy(update={**agents, "run_profiles": run_profiles})}
    )
