"""The Kerberos realm of Samba's domain controller: what clients and services on this machine need of it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import ldap3

from kit.endpoint import Endpoint
from kit.errors import NotFoundError, SetupError
from kit.lab.domain import Domain
from kit.ldap import Session, escape
from kit.results import check

# The names of services are taken as they are written: the farm has no DNS that could make others of them.
_CONFIGURATION = """\
[libdefaults]
default_realm = {realm}
default_ccache_name = FILE:{folder}/tickets
dns_canonicalize_hostname = false
dns_lookup_kdc = false
dns_lookup_realm = false
rdns = false
udp_preference_limit = 1

[realms]
{realm} = {{
  kdc = {address}:88
}}
"""


@dataclass(frozen=True)
class Kerberos:
    """A realm with its key distribution centre running.

    Parameters
    ----------
    realm : str
        The domain's DNS name in capitals (MS-KILE 3.1.5.11).
    configuration : Path
        The krb5.conf that a process must have as ``KRB5_CONFIG`` to use this realm.
    """

    realm: str
    configuration: Path
    _domain: Domain = field(repr=False)
    _samba_configuration: Path = field(repr=False)
    _administrator: Endpoint = field(repr=False)

    def register(self, service_principal: str, account: str) -> None:
        """Put a service's name on the account whose key its tickets are made with (MS-ADTS 3.1.1.5.1.3).

        Parameters
        ----------
        service_principal : str
            Such as ``HTTP/127.0.0.1``.
        account : str
            ``sAMAccountName`` of an account that has a password.

        Raises
        ------
        NotFoundError
            If there is no such account.
        """
        session = Session(self._administrator)
        try:
            search_filter, attribute = f"(sAMAccountName={escape(account.encode())})", "servicePrincipalName"
            found = list(session.search(self._domain.base_dn, search_filter, [attribute], 10))
            if not found:
                what, cause = f"account {account!r}", f"it is not in {self._domain.base_dn!r}"
                raise NotFoundError(what, cause, "start the directory with it")
            distinguished_name, values = found[0]
            if service_principal.encode() in values.get(attribute, ()):
                return
            connection = session.connect()
            change = {attribute: [(ldap3.MODIFY_ADD, [service_principal.encode()])]}
            connection.modify(distinguished_name, change)
            check(connection.result, f"service principal {service_principal!r} on account {account!r}")
        finally:
            session.close()

    def keytab(self, service_principal: str, account: str) -> Path:
        """Register a service on an account and export the keys with which it accepts tickets.

        Parameters
        ----------
        service_principal, account : str
            As for `register`.

        Returns
        -------
        Path
            A keytab for ``KRB5_KTNAME``.

        Raises
        ------
        NotFoundError
            If there is no such account.
        SetupError
            If Samba does not export the keys.
        """
        self.register(service_principal, account)
        path = self.configuration.with_name(f"{service_principal.replace('/', '_')}.keytab")
        path.unlink(missing_ok=True)
        command = [
            *("samba-tool", "domain", "exportkeytab", str(path), f"--principal={service_principal}"),
            f"--configfile={self._samba_configuration}",
        ]
        done = subprocess.run(  # noqa: S603 # fixed program, no shell
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode or not path.exists():
            what, cause = f"keytab of {service_principal!r}", (done.stdout + done.stderr).strip()
            raise SetupError(what, f"Samba does not export it ({cause})", "see Samba's log")
        return path


def realm(domain: Domain, folder: Path, address: str, administrator: Endpoint) -> Kerberos:
    """Describe the realm of a controller that listens on an address.

    Parameters
    ----------
    domain : Domain
        Its domain.
    folder : Path
        Samba's folder, where the realm's files go, too.
    address : str
        Where the key distribution centre listens.
    administrator : Endpoint
        The directory as someone who may name services.

    Returns
    -------
    Kerberos
        With its krb5.conf written.
    """
    files = folder / "kerberos"
    files.mkdir()
    name = domain.dns_name.upper()
    configuration = files / "krb5.conf"
    text = _CONFIGURATION.format(realm=name, folder=files, address=address)
    configuration.write_text(text, encoding="utf-8")
    return Kerberos(name, configuration, domain, folder / "etc" / "smb.conf", administrator)
