"""What a case file may say about each system, checked before anything is asked of it.

A password that was typed where none belongs must go nowhere: what an address or a secret's name was is never
repeated, and an address that has a password in it is refused.
"""

from __future__ import annotations

import re
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from kit.directory import USER_FILTER

ADVISED = "advised"
"""Type of a refusal that has its own next step, as ``advice`` in its context."""

CONFIDENTIAL = frozenset({"url", "further_domains", "my_site", "hosts", "password_name"})
"""Keys whose value may have a password in it when it is refused."""

_HOST = re.compile(r"[\w.:-]+")
_LONGEST = 3600.0  # an hour, in seconds
_SLOWEST = 0.01  # requests per second


def refusal(cause: str, advice: str) -> PydanticCustomError:
    """Return what a validator raises: why a value is refused, and what to do instead."""
    return PydanticCustomError(ADVISED, "{cause}", {"cause": cause, "advice": advice})


def check_address(address: str, schemes: tuple[str, ...], *, path: bool = True) -> str:
    """Return an address as it is, if it names a host of one of the schemes and nothing that may be secret.

    Parameters
    ----------
    address : str
        URL (RFC 3986).
    schemes : tuple of str
        Which ones it may have.
    path : bool
        Whether anything may stand behind host and port.

    Raises
    ------
    PydanticCustomError
        It does not; the address is not repeated.

    Examples
    --------
    >>> check_address("https://my.contoso.com/sites/a", ("http", "https"))
    'https://my.contoso.com/sites/a'
    >>> check_address("ldaps://kit:secret@dc1", ("ldap", "ldaps"))
    Traceback (most recent call last):
    pydantic_core._pydantic_core.PydanticCustomError: an address has no user name and no password in it
    """
    advice = f"write it as {schemes[-1]}://host or {schemes[-1]}://host:port"
    if "@" in address:
        secretless = f"{advice}, and give the account as username and password_name"
        raise refusal("an address has no user name and no password in it", secretless)
    try:
        parts = urlsplit(address)
        usable = parts.scheme in schemes and parts.port != 0 and _HOST.fullmatch(parts.hostname or "")
    except ValueError:  # its text may quote the address
        usable = None
    if not usable or re.search(r"[\s\x00-\x1f]", address):
        raise refusal(f"it is no address with {' or '.join(schemes)}, a host and a valid port", advice)
    if "?" in address or "#" in address:
        raise refusal("an address ends before any ? or #", advice)
    if not path and parts.path.strip("/"):
        raise refusal("nothing stands behind a directory's host and port", f"{advice}, and use base_dn")
    return address


def check_filter(text: str) -> str:
    """Return an LDAP filter without the white space around it, if one pair of parentheses encloses it.

    Parentheses in values are escaped (RFC 4515), so that counting them is enough.

    Raises
    ------
    PydanticCustomError
        There is no such pair.

    Examples
    --------
    >>> check_filter(" (&(objectClass=user)(mail=*)) ")
    '(&(objectClass=user)(mail=*))'
    """
    text = text.strip()
    depths = list(accumulate((character == "(") - (character == ")") for character in text))
    if not depths or depths[-1] != 0 or min(depths[:-1], default=0) < 1:
        raise refusal("it is not one filter in parentheses", "enclose it in parentheses: (objectClass=user)")
    return text


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


def _check_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise refusal("it is not a name like KIT_PASSWORD", "name the secret, do not write it here")
    return value


def _check_host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise refusal("it is no host name", "write it as photos.contoso.com, without https:// and path")
    return value


def _check_rate(value: float) -> float:
    if 0 < value < _SLOWEST:
        raise refusal(f"that is slower than {_SLOWEST}", "use 0 for no ceiling, or a greater number")
    return value


def _directory_address(value: str) -> str:
    return check_address(value, ("ldap", "ldaps"), path=False)


def _web_address(value: str) -> str:
    return check_address(value, ("http", "https"))


def _web_address_or_none(value: str) -> str:
    return _web_address(value) if value else value


AnyPath = Annotated[Path, BeforeValidator(_as_path)]
DirectoryAddress = Annotated[str, AfterValidator(_directory_address)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Seconds = Annotated[float, Field(gt=0, le=_LONGEST, allow_inf_nan=False)]
SecretName = Annotated[str, AfterValidator(_check_name)]
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
    timeout: Seconds = 30.0

    @model_validator(mode="after")
    def _names_an_account(self) -> Self:
        """Ask for an account where the sign-in cannot do with a ticket, or without one."""
        for name in ("username", "password_name"):
            if self.auth not in {"kerberos", "negotiate", "certificate", "none"} and not getattr(self, name):
                msg = f"{name} is not there, and sign-in by '{self.auth}' needs it"
                raise ValueError(msg)
        return self


class DirectorySettings(SystemSettings):
    """How to read one domain controller; the meanings are those of `kit.directory.Directory`."""

    url: DirectoryAddress
    auth: Literal["simple", "ntlm", "negotiate", "kerberos"] = "simple"
    further_domains: list[DirectoryAddress] = []
    base_dn: str = ""
    start_tls: bool = False
    clear_text: bool = False
    page_size: int = Field(default=1000, ge=1, le=100_000)
    user_filter: Annotated[str, AfterValidator(check_filter)] = USER_FILTER


class SharePointSettings(SystemSettings):
    """How to reach SharePoint's profile services; the meanings are those of `kit.sharepoint.SharePoint`."""

    url: WebAddress
    auth: Literal["ntlm", "negotiate", "kerberos", "basic", "forms", "none"] = "ntlm"
    my_site: Annotated[str, AfterValidator(_web_address_or_none)] = ""
    hosts: list[Annotated[str, AfterValidator(_check_host)]] = []
    use_proxy: bool = False
    requests_per_second: Annotated[float, Field(ge=0, le=1000), AfterValidator(_check_rate)] = 0.0
    connections: int = Field(default=4, ge=1, le=16)
    attempts: int = Field(default=5, ge=1, le=20)


class ExperimentSettings(Section):
    r"""The one test account of the experiment, and its own sign-in to SharePoint.

    ``account`` is that of its profile, ``CONTOSO\test``; the sign-in is of the kind of SharePoint's section.
    """

    account: str
    username: str
    password_name: SecretName

    @field_validator("account")
    @classmethod
    def _names_one_account(cls, value: str) -> str:
        if not re.fullmatch(r"[^\\*]+\\[^\\*]+", value):
            raise refusal("it is not one account with its domain", r"write it as CONTOSO\test")
        return value


class RunProfiles(Section):
    """Names of the run profiles on both management agents; the defaults are those of the field."""

    full_import: str = "FullImport"
    full_sync: str = "FullSync"
    delta_import: str = "DeltaImport"
    delta_sync: str = "DeltaSync"
    export: str = "Export"


class MimSettings(SystemSettings):
    """How to reach the synchronization service, and what its agents and run profiles are called."""

    url: WebAddress
    auth: Literal["ntlm", "negotiate", "kerberos", "basic", "certificate"] = "ntlm"
    certificate_file: AnyPath | None = None
    key_file: AnyPath | None = None
    sharepoint_agent: str = "SPMA"
    directory_agent: str = "ADMA"
    run_profiles: RunProfiles = RunProfiles()
    configuration_folder: AnyPath | None = None
    csexport_folder: AnyPath | None = None
    command_shell: bool = False
    poll_interval: Seconds = 1.0

    @model_validator(mode="after")
    def _names_a_certificate(self) -> Self:
        """Ask for both files where the sign-in is by certificate, and for TLS where the sign-in needs it."""
        for name in ("certificate_file", "key_file"):
            if self.auth == "certificate" and not getattr(self, name):
                msg = f"{name} is not there, and sign-in by 'certificate' needs it"
                raise ValueError(msg)
        if self.auth in {"basic", "certificate"} and not self.url.lower().startswith("https:"):
            msg = f"sign-in by '{self.auth}' needs an https:// address (port 5986)"
            raise ValueError(msg)
        return self
