"""The case's settings: which farm, which accounts, where the case folder is; secrets only by name."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from kit.directory import USER_FILTER
from kit.errors import CaseError, ParameterError

CASE_FILE_VARIABLE = "KIT_CASE_FILE"
PROJECT = Path(__file__).resolve().parent.parent
CASE_ID_RULE = "a case id is a folder name: letters, digits, dots, dashes and underscores"


def _as_path(value: object) -> object:
    """Take text for a path; what is neither is pydantic's to refuse."""
    if not isinstance(value, str):
        return value
    if "\0" in value:
        msg = "no path holds a NUL character"
        raise ValueError(msg)
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # ~somebody who is not there
        raise ValueError(str(error)) from error


AnyPath = Annotated[Path, BeforeValidator(_as_path)]


SecretName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A name as environment variables have; most passwords typed here by mistake are none."""


class Section(BaseModel):
    """Settings that know all their keys, take no text for a number or a boolean, and never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SystemSettings(Section):
    """How to reach one system; the meanings are those of `kit.endpoint.Endpoint`."""

    url: str
    username: str = ""
    password_name: SecretName | None = None
    auth: str = ""
    ca_file: AnyPath | None = None
    verify_tls: bool = True
    timeout: float = Field(default=30.0, gt=0)

    @model_validator(mode="after")
    def _names_an_account(self) -> Self:
        """Ask for an account where the sign-in cannot do with a ticket, or without one."""
        for name in ("username", "password_name"):
            if self.auth not in {"kerberos", "negotiate", "none"} and not getattr(self, name):
                msg = f"{name} is not there, and sign-in by '{self.auth}' needs it"
                raise ValueError(msg)
        return self


class DirectorySettings(SystemSettings):
    """How to read one domain controller; the meanings are those of `kit.directory.Directory`."""

    auth: Literal["simple", "ntlm", "negotiate", "kerberos"] = "simple"
    further_domains: list[str] = []
    base_dn: str = ""
    start_tls: bool = False
    page_size: int = Field(default=1000, ge=1)
    user_filter: str = USER_FILTER


class SharePointSettings(SystemSettings):
    """How to reach SharePoint's profile services; the meanings are those of `kit.sharepoint.SharePoint`."""

    auth: Literal["ntlm", "negotiate", "kerberos", "basic", "forms", "none"] = "ntlm"
    my_site: str = ""
    hosts: list[str] = []
    use_proxy: bool = False
    requests_per_second: float = Field(default=0.0, ge=0)
    connections: int = Field(default=4, ge=1, le=16)
    attempts: int = Field(default=5, ge=1, le=20)


class RunProfiles(Section):
    """Names of the run profiles on both management agents; the defaults are those of the field."""

    full_import: str = "FullImport"
    full_sync: str = "FullSync"
    delta_import: str = "DeltaImport"
    delta_sync: str = "DeltaSync"
    export: str = "Export"


class MimSettings(SystemSettings):
    """How to reach the synchronization service, and what its agents and run profiles are called."""

    auth: Literal["ntlm", "negotiate", "kerberos", "basic"] = "ntlm"
    sharepoint_agent: str = "SPMA"
    directory_agent: str = "ADMA"
    run_profiles: RunProfiles = RunProfiles()
    configuration_folder: AnyPath | None = None
    poll_interval: float = Field(default=1.0, gt=0)


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
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: no UTF-8, or a date like 2024-02-30
        raise CaseError(f"case file '{source}' cannot be read", _reason(error), "correct the file") from error
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


def _reason(error: Exception) -> str:
    """Say what is wrong and where, without quoting the line: it may hold what should not be there."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"{error.problem} in line {error.problem_mark.line + 1}"
    return " ".join(str(error).split())


def _explained(problems: list[Any], source: Path) -> CaseError:
    """Tell the first problem, unknown keys first: a misspelt key is why another one seems missing."""
    problem = min(problems, key=lambda one: one["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in problem["loc"])
    what = f"'{where}' in case file '{source}'"
    if problem["type"] == "extra_forbidden":
        return CaseError(what, "unknown key", _advice(problem["loc"]))
    if problem["type"] == "missing":
        return CaseError(what, "it is required and not there", "add it, as in the README's sample")
    if problem["loc"][-1] == "password_name":  # it may be the password itself: it is not repeated
        return CaseError(what, "it is not a name like KIT_PASSWORD", "name the secret, do not write it here")
    given = problem["input"]
    value = f" is {given!r}" if isinstance(given, str | int | float | bool | list) else ""
    cause = problem["msg"].removeprefix("Value error, ")
    return CaseError(what + value, cause[0].lower() + cause[1:], "correct the value")


def _advice(location: tuple[str | int, ...]) -> str:
    sections: dict[tuple[str, ...], type[Section]] = {
        (): Case,
        ("directory",): DirectorySettings,
        ("sharepoint",): SharePointSettings,
        ("mim",): MimSettings,
        ("mim", "run_profiles"): RunProfiles,
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
