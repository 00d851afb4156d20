"""The names, passwords and keys with which a lab server checks who signs in."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import spnego
from spnego.channel_bindings import GssChannelBindings

from kit.errors import SetupError
from kit.lab.domain import Account, Domain

# pyspnego's NTLM acceptor finds passwords, and the Kerberos library keys, only by process-wide variables.
_USER_FILE_VARIABLE = "NTLM_USER_FILE"
_KEYTAB_VARIABLE = "KRB5_KTNAME"
_variables_lock = threading.Lock()


class Credentials:
    """The names and passwords that one server accepts.

    Acceptors read passwords and keys from the files that environment variables name. Every server has files
    of its own, and the variables are set only for the length of one step, under a lock: two farms in one
    process do not see each other's accounts, and nothing is left behind in the environment.

    Parameters
    ----------
    domain : Domain
        The accounts' domain.
    accounts : Sequence[Account]
        The accounts; a name or a password may not hold a colon or a line end, which the file format reserves.

    Attributes
    ----------
    keytab : Path or None
        The service's keys; with them, tickets of its realm are accepted under ``Negotiate``.
    channel_bindings : GssChannelBindings or None
        What a sign-in must be bound to (Extended Protection); None for nothing. Kept for NTLM only.

    Raises
    ------
    SetupError
        An account cannot be written to the file.
    """

    def __init__(self, domain: Domain, accounts: Sequence[Account]) -> None:
        self.keytab: Path | None = None
        self.channel_bindings: GssChannelBindings | None = None
        self._names: dict[str, str] = {}
        self._accounts: dict[str, Account] = {}
        lines: list[str] = []
        for account in accounts:
            if set(":\r\n") & set(account.name + account.password):
                what = f"account {account.name!r} cannot sign in to the lab"
                raise SetupError(
                    what,
                    "its name or password holds a colon or a line end",
                    "choose another name or password",
                )
            principal = f"{domain.netbios_name}\\{account.name}"
            self._accounts[principal] = account
            for realm, user in (
                (domain.netbios_name, account.name),
                (domain.dns_name, account.name),
                ("", f"{account.name}@{domain.dns_name}"),
            ):
                self._names[f"{realm}\\{user}".lower()] = principal
                lines.append(f"{realm}:{user}:{account.password}")
        self._folder = tempfile.TemporaryDirectory(prefix="lab-accounts-")
        self._file = Path(self._folder.name) / "accounts"
        self._file.write_text("\n".join(lines), encoding="utf-8")

    def accept(self, protocol: str) -> spnego.ContextProxy:
        """Return a new acceptor for one connection; ``protocol`` is ``negotiate`` or ``ntlm``."""
        # Without an option Windows would hand the accounts to its own security provider.
        options = spnego.NegotiateOptions
        pure_python = options.use_negotiate if protocol == "negotiate" else options.use_ntlm
        with self._readable():
            return spnego.server(
                protocol=protocol, options=pure_python, channel_bindings=self.channel_bindings
            )

    def step(self, context: spnego.ContextProxy, token: bytes) -> bytes | None:
        """Feed one token to an acceptor and return its answer.

        Raises
        ------
        SpnegoError
            The token is malformed, or the name or password is wrong.
        """
        with self._readable():
            return context.step(token)

    def principal(self, name: str) -> str:
        r"""Return the one form, ``CONTOSO\anna``, of a name in any of its forms; empty for an unknown one."""
        return self._names.get(name.lower() if "\\" in name else f"\\{name.lower()}", "")

    def check(self, name: str, password: str) -> str:
        """Return the principal for a plain name and password (Basic); empty if they are wrong."""
        principal = self.principal(name)
        return principal if principal and self._accounts[principal].password == password else ""

    def roles(self, principal: str) -> frozenset[str]:
        """Return what an account may do; see `kit.lab.domain.Account`."""
        return self._accounts[principal].roles if principal in self._accounts else frozenset()

    def close(self) -> None:
        """Delete the file with the passwords."""
        self._folder.cleanup()

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        keytab = self.keytab or self._file.with_name("no-keytab")
        ours = {_USER_FILE_VARIABLE: str(self._file), _KEYTAB_VARIABLE: str(keytab)}
        with _variables_lock:
            before = {name: os.environ.get(name) for name in ours}
            os.environ.update(ours)
            try:
                yield
            finally:
                for name, value in before.items():
                    if value is None:
                        del os.environ[name]
                    else:
                        os.environ[name] = value
