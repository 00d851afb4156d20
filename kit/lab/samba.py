"""A real Active Directory for the farm: Samba's domain controller, started like the embedded directory.

It differs from Windows where it can be seen from here: it has no MaxPageSize, and refuses a photo that is too
large with invalidAttributeSyntax instead of constraintViolation. Its times are the machine's, whatever the
farm's clock says.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ldap3
from ldap3.core.exceptions import LDAPExceptionError

from kit.endpoint import Endpoint
from kit.errors import SetupError
from kit.lab import certificates, seed
from kit.lab.clock import Clock
from kit.lab.domain import Account, Domain, Entry
from kit.lab.kerberos import Kerberos, realm
from kit.ldap import Session
from kit.results import check

logger = logging.getLogger(__name__)

_PORTS = (389, 636, 3268, 3269)  # fixed in Samba: LDAP, LDAPS and the global catalogue's
_KERBEROS_PORTS = (88, 464)  # as fixed: tickets and changes of password
_TEMPLATES = Path("/usr/share/samba/setup/provision.ldif")
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_WRITER = "directory-writer"


@dataclass(frozen=True)
class SambaDirectory:
    """A `kit.lab.directory.DirectoryServer` in a process of its own.

    ``kerberos`` is its realm, None if it was started without.
    """

    url: str
    plain_url: str
    base_dn: str
    domain: Domain
    ca_file: Path
    _process: subprocess.Popen[bytes] = field(repr=False)
    kerberos: Kerberos | None = None

    def stop(self) -> None:
        """End the process; its files stay in the folder it was given."""
        _end(self._process)


def available() -> str:
    """Return why Samba cannot run here, empty if it can.

    Returns
    -------
    str
        One reason, for a person.
    """
    if not sys.platform.startswith("linux"):
        return "Samba's domain controller runs on Linux only"
    if missing := [name for name in ("samba", "samba-tool") if not shutil.which(name, path=_PATH)]:
        return f"{missing[0]} is not installed (Debian: samba-ad-dc)"
    if not _TEMPLATES.exists():
        return f"{_TEMPLATES} is missing (Debian: samba-ad-provision)"
    if os.geteuid() != 0:
        return "Samba's domain controller needs root for port 389"
    return ""


def start(
    domain: Domain,
    entries: Iterable[Entry],
    accounts: Sequence[Account],
    folder: Path,
    *,
    clock: Clock | None = None,  # noqa: ARG001 # one signature for both directories
    kerberos: bool = False,
) -> SambaDirectory:
    """Provision a domain, start its controller on a free loopback address and fill it.

    Parameters
    ----------
    domain : Domain
        The domain to serve.
    entries : iterable of Entry
        Its objects; missing organizational units are made.
    accounts : sequence of Account
        Who can sign in; the role ``directory-writer`` becomes a domain administrator.
    folder : Path
        Where everything of Samba's goes; made if it is missing.
    clock : Clock or None
        Not used: Samba takes the machine's time.
    kerberos : bool
        Whether its key distribution centre runs, too, on the same address.

    Returns
    -------
    SambaDirectory
        Already answering.

    Raises
    ------
    SetupError
        If Samba cannot run here, or its provisioning, start or filling fails.
    """
    if reason := available():
        what = "Samba's domain controller"
        raise SetupError(what, reason, "use the embedded directory")
    folder.mkdir(parents=True, exist_ok=True)
    ports = (*_PORTS, *_KERBEROS_PORTS) if kerberos else _PORTS
    address = _free_address(ports)
    password = _provision(domain, folder, address)
    files = certificates.issue(folder / "certificates", [f"dc1.{domain.dns_name}", address])
    url = f"ldaps://{address}"
    administrator = Endpoint(url, f"Administrator@{domain.dns_name}", password, ca_file=files.ca_file)
    process = _run(folder, address, files, "ldap kdc" if kerberos else "ldap")
    tickets = realm(domain, folder, address, administrator) if kerberos else None
    server = SambaDirectory(url, f"ldap://{address}", domain.base_dn, domain, files.ca_file, process, tickets)
    try:
        _wait(process, [(address, port) for port in ports], folder)
        _fill(administrator, domain, seed.complete(domain, entries, accounts), accounts)
        if tickets:
            tickets.register(f"ldap/{address}", "DC1$")
    except BaseException:
        server.stop()
        raise
    return server


def _free_address(ports: Sequence[int]) -> str:
    """Find a loopback address on which every port of a domain controller is free."""
    for _ in range(100):
        address = f"127.{secrets.randbelow(250) + 1}.{secrets.randbelow(256)}.{secrets.randbelow(250) + 1}"
        if all(_is_free(address, port) for port in ports):
            return address
    what, cause = "loopback address for Samba", f"ports {ports} are taken on every address tried"
    raise SetupError(what, cause, "stop the server that listens on all addresses")


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def _options(folder: Path, address: str) -> list[str]:
    return [
        f"--option=interfaces={address}/8",
        "--option=bind interfaces only=yes",
        f"--option=pid directory={folder}",
        f"--option=ncalrpc dir={folder / 'ncalrpc'}",
        # Containers often forbid the extended attributes that would hold Windows permissions.
        f"--option=posix:eadb={folder / 'attributes.tdb'}",
    ]


def _provision(domain: Domain, folder: Path, address: str) -> str:
    """Make the domain's databases and return the administrator's password, which Samba chooses and prints."""
    command = [
        *("samba-tool", "domain", "provision", f"--targetdir={folder}", f"--realm={domain.dns_name.upper()}"),
        *(f"--domain={domain.netbios_name}", "--server-role=dc", "--dns-backend=NONE", "--host-name=dc1"),
        *_options(folder, address),
    ]
    done = subprocess.run(  # noqa: S603 # fixed program, no shell
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=_environment(), check=False
    )
    output = done.stdout + done.stderr
    password = re.search(r"Admin password: +(.+)", output)
    if done.returncode or not password:
        what = f"samba-tool domain provision in '{folder}'"
        raise SetupError(
            what, f"it failed ({_tail(output)})", "use an empty folder, or the embedded directory"
        )
    return password[1].strip()


def _run(
    folder: Path, address: str, files: certificates.ServerCertificate, services: str
) -> subprocess.Popen[bytes]:
    """Start the controller; it ends with this process, because its standard input closes then."""
    command = [
        *("samba", "--interactive", "--model=single", f"--configfile={folder / 'etc' / 'smb.conf'}"),
        *_options(folder, address),
        f"--option=server services={services}",
        # As on Windows, TLS is protection enough for every kind of sign-in.
        "--option=ldap server require strong auth=allow_sasl_over_tls",
        f"--option=tls cafile={files.ca_file}",
        f"--option=tls certfile={files.certificate_file}",
        f"--option=tls keyfile={files.key_file}",
    ]
    with _log(folder).open("wb") as log:
        return subprocess.Popen(  # noqa: S603 # fixed program, no shell
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=_environment()
        )


def _wait(process: subprocess.Popen[bytes], ports: Sequence[tuple[str, int]], folder: Path) -> None:
    """Wait until every port answers. Nothing announces that, so it is tried while the process lives."""
    deadline = time.monotonic() + _START_SECONDS
    for address, port in ports:
        while not _answers(address, port):
            if _has_ended(process, 0.05) or time.monotonic() > deadline:
                what, cause = f"Samba on {address}:{port}", _tail(_log(folder).read_text(errors="replace"))
                raise SetupError(what, f"it does not answer ({cause})", "use the embedded directory")


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _has_ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    if not _has_ended(process, _STOP_SECONDS):
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _fill(
    administrator: Endpoint, domain: Domain, entries: Sequence[Entry], accounts: Sequence[Account]
) -> None:
    """Create everything over LDAPS, as the administrator: no password is on a command line or in a file."""
    session = Session(administrator)
    try:
        connection = session.connect()
        # The lab's passwords are the case's business, not the policy's.
        _modify(connection, domain.base_dn, {"pwdProperties": b"0", "minPwdLength": b"0", "minPwdAge": b"0"})
        by_name = {seed.account_name(entry): entry.dn for entry in entries}
        for entry in entries:
            connection.add(entry.dn, attributes=_attributes(entry))
            check(connection.result, f"new object {entry.dn!r}")
        for account in accounts:
            quoted = f'"{account.password}"'.encode("utf-16-le")  # MS-ADTS 3.1.1.3.1.5.1
            _modify(connection, by_name[account.name.lower()], {"unicodePwd": quoted})
            if _WRITER in account.roles:
                group = f"CN=Domain Admins,CN=Users,{domain.base_dn}"
                change = {"member": [(ldap3.MODIFY_ADD, [by_name[account.name.lower()]])]}
                connection.modify(group, change)
                check(connection.result, f"membership of {account.name!r} in {group!r}")
    except LDAPExceptionError as error:
        what = f"objects of {domain.base_dn!r}"
        raise SetupError(what, f"Samba broke the connection ({error})", "see its log") from error
    finally:
        session.close()


def _modify(connection: ldap3.Connection, distinguished_name: str, values: Mapping[str, bytes]) -> None:
    changes = {name: [(ldap3.MODIFY_REPLACE, [value])] for name, value in values.items()}
    connection.modify(distinguished_name, changes)
    check(connection.result, f"{', '.join(values)} of {distinguished_name!r}")


def _attributes(entry: Entry) -> dict[str, list[bytes]]:
    return {name: list(values) for name, values in entry.attributes.items()}


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": _PATH}


def _log(folder: Path) -> Path:
    return folder / "samba.log"


def _tail(text: str) -> str:
    """Return the last lines that say something; indented ones are a traceback's."""
    lines = [line for line in text.splitlines() if line and not line[0].isspace()]
    return " | ".join(lines[-3:]) or "it said nothing"
