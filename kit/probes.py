"""What is asked of every system before anybody relies on it: settings, name, port, TLS and clock."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar, Literal, Self

from kit import network, tls
from kit.case import Case, SystemSettings
from kit.endpoint import Endpoint
from kit.network import Address

Result = Literal["ok", "warning", "failed", "skipped"]

_SIGN_INS: Mapping[str, str] = MappingProxyType(
    {
        "simple": "simple bind",
        "ntlm": "NTLM",
        "negotiate": "Negotiate",
        "kerberos": "Kerberos",
        "basic": "Basic",
        "forms": "forms",
    }
)
_CERTIFICATE_WARNING = timedelta(days=30)
_CLOCK_WARNING = timedelta(seconds=60)
_CLOCK_LIMIT = timedelta(seconds=300)
"""Kerberos refuses a sign-in when the clocks are further apart (RFC 4120 3.2.3, five minutes in Windows)."""


@dataclass(frozen=True)
class Finding:
    """What a probe found.

    Parameters
    ----------
    detail : str
        One sentence without its full stop.
    result : str
        ``ok``, ``warning``, ``failed``, or ``skipped`` where it cannot be known.
    fix : str
        What to do, unless all is well.
    """

    detail: str
    result: Result = "ok"
    fix: str = ""


@dataclass(frozen=True)
class Probe:
    """One question to a system.

    Parameters
    ----------
    name : str
        What it is about, unique in its system.
    ask : Callable
        Gives the finding, or raises a `kit.errors.KitError`, which is a failed check.
    needs : tuple of str
        The earlier probes without whose success this one makes no sense.
    """

    name: str
    ask: Callable[[], Finding]
    needs: tuple[str, ...] = ()


class System(ABC):
    """One system of a case and the questions to it; a context manager, for one examination.

    Parameters
    ----------
    case : Case
        Names it.
    settings : SystemSettings
        Its own section.
    """

    name: str
    server: str = ""
    """The address where the system has several servers and this is not the first."""
    ports: ClassVar[Mapping[str, int]]

    def __init__(self, case: Case, settings: SystemSettings) -> None:
        self.case = case
        self.settings = settings
        self.opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.close()

    @abstractmethod
    def open(self) -> None:
        """Make the client, which reads the secret and checks the settings, but connects to nothing yet."""

    @abstractmethod
    def own_probes(self) -> Iterator[Probe]:
        """Give the questions that only this system is asked, its sign-in among them."""

    def probes(self) -> Iterator[Probe]:
        """Give every question, each after those it needs."""
        yield Probe("settings", self.settings_finding)
        yield Probe("name", self._name)
        yield Probe("port", self._port, ("name",))
        yield Probe("TLS", self._tls, ("port",))
        yield from self.own_probes()

    @cached_property
    def address(self) -> Address:
        """Where it listens."""
        return Address.of(self.settings.url, self.ports)

    @property
    def account(self) -> str:
        """As whom and how the kit signs in."""
        if self.settings.auth == "none":
            return "as nobody: the case asks for no sign-in"
        who = self.settings.username or "the holder of this machine's Kerberos ticket"
        return f"as {who} by {_SIGN_INS[self.settings.auth]}"

    @property
    def stranger(self) -> Endpoint:
        """The system for somebody who does not sign in."""
        settings, file = self.settings, self.case.ca_file(self.settings)
        return Endpoint(settings.url, ca_file=file, verify_tls=settings.verify_tls, timeout=settings.timeout)

    @cached_property
    def context(self) -> ssl.SSLContext:
        """How its certificate is checked."""
        return tls.context(self.stranger)

    def certificate(self) -> tls.Certificate | None:
        """Read the server's certificate; None where it shows none, because there is no TLS."""
        if not self.address.tls:
            return None
        return tls.read(self.address.host, self.address.port, self.context, self.settings.timeout)

    def without_tls(self) -> Finding:
        """Judge that there is no TLS."""
        return Finding("the connection has no TLS", "skipped")

    def clock_error(self) -> timedelta:
        """Measure how far the clock is ahead of this machine's, by the date of an HTTP answer."""
        context = self.context if self.address.tls else None
        return network.http_clock_error(self.address, context, self.settings.timeout)

    def clock(self) -> Finding:
        """Judge the clock."""
        error = self.clock_error()
        seconds = round(abs(error.total_seconds()))
        if seconds == 0:
            return Finding("agrees with this machine's")
        detail = f"{seconds} s {'ahead of' if error > timedelta(0) else 'behind'} this machine's"
        fix = "have both machines take their time from the domain"
        if abs(error) > _CLOCK_LIMIT:
            return Finding(f"{detail}; Kerberos refuses more than 300 s", "failed", fix)
        return Finding(detail, "warning", fix) if abs(error) > _CLOCK_WARNING else Finding(detail)

    def settings_finding(self) -> Finding:
        """Judge the settings."""
        self.open()
        name = self.settings.password_name
        return Finding(f"{self.settings.url}, " + (f"secret {name} found" if name else "no secret needed"))

    def _name(self) -> Finding:
        host, addresses = self.address.host, network.resolve(self.address.host)
        return Finding(host if addresses == (host,) else f"{host} is {', '.join(addresses)}")

    def _port(self) -> Finding:
        return Finding(f"{network.connect(self.address, self.settings.timeout)}:{self.address.port} is open")

    def _tls(self) -> Finding:
        certificate = self.certificate()
        if certificate is None:
            return self.without_tls()
        until = f"valid until {certificate.not_after:%Y-%m-%d}"
        if not self.settings.verify_tls:
            fix = "remove verify_tls from the case file, and name the authority's PEM file as ca_file"
            return Finding(f"{until}, but verify_tls is off: the server may be anybody", "warning", fix)
        left = certificate.not_after - datetime.now(UTC)
        if left < _CERTIFICATE_WARNING:
            return Finding(f"{until}, {left.days} days from now", "warning", "have the certificate renewed")
        return Finding(f"{until}, issued by {certificate.issuer}")
