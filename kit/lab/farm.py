"""The whole practice farm: directory, SharePoint, MIM and its console, with a past and a case file."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import yaml

from kit.endpoint import Endpoint
from kit.errors import OutputError, ParameterError
from kit.lab import console, courses, plantings, samba, sharepoint, wsman
from kit.lab import directory as embedded
from kit.lab.agents import DirectoryConnector, DirectoryWriter, SharePointConnector
from kit.lab.clock import Clock
from kit.lab.connector import Connector
from kit.lab.console import ConsoleServer
from kit.lab.directory import DirectoryServer
from kit.lab.domain import Account, Domain, Entry
from kit.lab.engine import Engine
from kit.lab.grounds import Grounds, Service, distinguished_name
from kit.lab.history import BEGINNING, COVERED_UNIT, History
from kit.lab.population import Person, Story, directory_photo, people
from kit.lab.seed import USER_CLASSES
from kit.lab.sharepoint import SharePointServer
from kit.lab.site import DIRECTORY_AGENT, SHAREPOINT_AGENT, imported_rules
from kit.lab.wsman import WSManServer
from kit.sharepoint import SharePoint

KIT_ACCOUNT = "svc-photo-kit"
"""The account the kit signs in with everywhere: it reads, and may run management agents."""
PASSWORD_NAME = "KIT_PRACTICE_PASSWORD"  # noqa: S105 - a name, not a password
RESTORE_ACCOUNT = "svc-adma"
"""The account that photos are put back with: the directory agent's, which may write them."""
RESTORE_PASSWORD_NAME = "KIT_PRACTICE_RESTORE_PASSWORD"  # noqa: S105 - a name, not a password
TEST_PASSWORD_NAME = "KIT_PRACTICE_TEST_ACCOUNT_PASSWORD"  # noqa: S105 - a name, not a password
"""The password of the one person with whose account the experiment may be made."""
_SERVICE_ROLES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        KIT_ACCOUNT: frozenset({"sync-operator"}),
        RESTORE_ACCOUNT: frozenset({"directory-writer"}),
        "svc-spma": frozenset({"profile-manager"}),
        "svc-mim": frozenset({"sync-admin"}),
    }
)
_NORMAL_ACCOUNT, _DISABLED_ACCOUNT = "512", "514"  # userAccountControl, MS-ADTS 2.2.16
_DIRECTORIES: Mapping[str, Callable[..., DirectoryServer]] = MappingProxyType(
    {"embedded": embedded.start, "samba": samba.start}
)


@dataclass(frozen=True)
class Farm:
    """A running farm; a context manager.

    Parameters
    ----------
    people : tuple of Person
        Everyone, with what the kit should find of them.
    passwords : Mapping[str, str]
        By account name without the domain.
    folder : Path
        For the farm's own files.
    """

    domain: Domain
    clock: Clock
    people: tuple[Person, ...] = field(repr=False)
    passwords: Mapping[str, str] = field(repr=False)
    directory: DirectoryServer
    sharepoint: SharePointServer
    service: Service = field(repr=False)
    wsman: WSManServer
    console: ConsoleServer
    folder: Path
    _running: ExitStack = field(repr=False)

    @property
    def engine(self) -> Engine:
        """The synchronization service."""
        return self.service.engine

    @property
    def test_person(self) -> Person | None:
        """Somebody in sync whose photo SharePoint once took over; None where everybody is planted."""
        free = (person for person in self.people if person.story is Story.IN_SYNC and not person.planted)
        return next(free, None)

    @property
    def diagnoses(self) -> Mapping[str, str]:
        r"""What should be diagnosed of whom: account, ``contoso\anna``, to a cause or the empty text.

        Beside everyone's it holds the accounts of the farm's services and of people's further profiles.
        """
        domain = self.domain.netbios_name
        found = {f"{domain}\\{account}": "no_profile" for account in _SERVICE_ROLES}
        for person in self.people:
            found[f"{domain}\\{person.account_name}"] = person.cause
            found.update(plantings.others(person))
        return MappingProxyType({account.lower(): cause for account, cause in found.items()})

    @property
    def case_file(self) -> Path:
        """The case file that names this farm."""
        return self.folder / "case.yaml"

    @property
    def restore_case_file(self) -> Path:
        """The same case with an account that may write photos into the directory."""
        return self.folder / "restore.yaml"

    @property
    def secrets_file(self) -> Path:
        """The kit's passwords by their names, for their owner's eyes only."""
        return self.folder / "secrets.env"

    @property
    def configuration_folder(self) -> Path:
        """What MIM's operator exported."""
        return self.folder / "configuration"

    def sign_in(self, account: str) -> SharePoint:
        """Return a SharePoint client signed in as an account, named without its domain."""
        name = f"{self.domain.netbios_name}\\{account}"
        return SharePoint(Endpoint(self.sharepoint.url, name, self.passwords[account]))

    def stop(self) -> None:
        """End every server, the last one started first; a run in progress is asked to stop."""
        for agent in self.engine.agents:
            self.engine.stop_run(agent)
        self._running.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    folder: Path,
    *,
    users: int = 300,
    seed: int = 1,
    directory: str = "embedded",
    outputs: Path,
    case_id: str,
    max_timeout: float = 60.0,
    causes: Collection[str] = (),
) -> Farm:
    """Start a farm on loopback and play its past.

    Parameters
    ----------
    folder : Path
        For the farm's own files; made if it is missing, and empty for Samba.
    users : int
        How many people, at least 20.
    seed : int
        The same seed gives the same people, photos and past; passwords are always new.
    directory : str
        ``embedded`` or ``samba``.
    outputs : Path
        The outputs folder that the case file names.
    case_id : str
        The case's name.
    max_timeout : float
        Seconds after which the WS-Man endpoint answers that a run goes on.
    causes : collection of str
        Causes to plant, see `kit.lab.plantings.PLANTINGS`; or one alone of `kit.lab.conditions.CONDITIONS`.

    Returns
    -------
    Farm
        Running; the caller stops it.

    Raises
    ------
    ParameterError
        Too few users, an unknown kind of directory, or causes that are unknown or cannot be planted together.
    SetupError
        The directory cannot run here, or a run in the farm's past ended badly.
    OutputError
        The folder cannot be written.
    """
    if directory not in _DIRECTORIES:
        what, cause = f"directory is {directory!r}", "the farm has no directory of that kind"
        raise ParameterError(what, cause, f"choose {' or '.join(_DIRECTORIES)}")
    everyone = courses.cast(people(users, seed), causes, seed, directory)
    try:
        farm = _open(folder, everyone, directory, max_timeout)
        try:
            _furnish(farm, causes, outputs, case_id)
        except BaseException:
            farm.stop()
            raise
    except OSError as error:
        what = f"the practice farm's folder '{folder}' cannot be used"
        raise OutputError(what, error.strerror or str(error), "choose another folder") from error
    return farm


def _furnish(farm: Farm, causes: Collection[str], outputs: Path, case_id: str) -> None:
    """Play the farm's past and write what a support engineer is given."""
    grounds = Grounds(
        farm.domain,
        farm.clock,
        farm.directory,
        farm.sharepoint,
        farm.service,
        farm.sign_in,
        farm.folder,
        farm._running,
    )
    History(farm.people, grounds, courses.course(grounds, farm.people, causes)).play()
    farm.engine.export_configuration(farm.configuration_folder)
    _write_secrets(farm)
    _write_case(farm, case_id, outputs)


def _open(folder: Path, everyone: tuple[Person, ...], directory: str, max_timeout: float) -> Farm:
    """Start every server, before anything has happened."""
    domain, clock = Domain(), Clock(-timedelta(days=BEGINNING))
    services = [Account(name, _password(), roles) for name, roles in _SERVICE_ROLES.items()]
    owners = [Account(person.account_name, _password()) for person in everyone if person.in_sharepoint]
    accounts = [*services, *owners]
    with ExitStack() as stack:
        server = _DIRECTORIES[directory](
            domain, _entries(domain, everyone), services, folder / "directory", clock=clock
        )
        stack.callback(server.stop)
        site = sharepoint.start(domain, accounts, clock=clock)
        stack.callback(site.stop)
        service = _service(server, site, {account.name: account.password for account in services}, stack)
        listener = wsman.start(service.engine, domain, services, max_timeout=max_timeout)
        stack.callback(listener.stop)
        operator_console = console.start(service.engine)
        stack.callback(operator_console.stop)
        return Farm(
            domain=domain,
            clock=clock,
            people=everyone,
            passwords=MappingProxyType({account.name: account.password for account in accounts}),
            directory=server,
            sharepoint=site,
            service=service,
            wsman=listener,
            console=operator_console,
            folder=folder,
            _running=stack.pop_all(),
        )


def _password() -> str:
    return secrets.token_urlsafe(18)


def _service(
    server: DirectoryServer, site: SharePointServer, passwords: Mapping[str, str], stack: ExitStack
) -> Service:
    """Make the synchronization service, signed in to both systems as a site's would be."""
    domain = server.domain
    directory = DirectoryWriter(
        Endpoint(
            server.url, f"{domain.netbios_name}\\svc-adma", passwords["svc-adma"], ca_file=server.ca_file
        )
    )
    profiles = SharePoint(Endpoint(site.url, f"{domain.netbios_name}\\svc-spma", passwords["svc-spma"]))
    stack.callback(directory.close)
    stack.callback(profiles.close)
    readers = (
        DirectoryConnector(directory, [f"OU={COVERED_UNIT},{domain.base_dn}"]),
        SharePointConnector(
            profiles, domain.netbios_name, upload=site.store.upload, delete=site.store.delete
        ),
    )
    connectors: dict[str, Connector] = {DIRECTORY_AGENT: readers[0], SHAREPOINT_AGENT: readers[1]}
    engine = Engine(imported_rules(domain_dn=domain.base_dn), connectors, clock=site.clock)
    return Service(engine, directory, *readers)


def _entries(domain: Domain, everyone: Sequence[Person]) -> Iterator[Entry]:
    """Make the directory's objects of everyone who is in it."""
    for person in everyone:
        if person.in_directory:
            yield Entry(distinguished_name(domain, person), _attributes(domain, person))


def _attributes(domain: Domain, person: Person) -> dict[str, Sequence[bytes]]:
    """Return a person's attributes without the empty ones, which a directory refuses."""
    texts = {
        "sAMAccountName": person.account_name,
        "userPrincipalName": f"{person.account_name}@{domain.dns_name}",
        "displayName": person.display_name,
        "givenName": person.given_name,
        "sn": person.surname,
        "department": person.department,
        "title": person.title,
        "telephoneNumber": person.telephone,
        "mail": person.mail,
        "servicePrincipalName": _service_name(domain, person),
        "userAccountControl": _NORMAL_ACCOUNT if person.enabled else _DISABLED_ACCOUNT,
    }
    values: dict[str, Sequence[bytes]] = {name: [text.encode()] for name, text in texts.items() if text}
    photo = directory_photo(person)
    return {"objectClass": USER_CLASSES, **values, **({"thumbnailPhoto": [photo]} if photo else {})}


def _service_name(domain: Domain, person: Person) -> str:
    """Return the service that an account is for, by which a directory tells it from a person's."""
    serves = person.organizational_unit == "Service Accounts"
    return f"HOST/{person.account_name}.{domain.dns_name}" if serves else ""


def _write_secrets(farm: Farm) -> None:
    """Write the kit's passwords where their owner alone can read them."""
    farm.secrets_file.touch(mode=0o600)
    farm.secrets_file.chmod(0o600)
    accounts = {PASSWORD_NAME: KIT_ACCOUNT, RESTORE_PASSWORD_NAME: RESTORE_ACCOUNT}
    if farm.test_person:
        accounts[TEST_PASSWORD_NAME] = farm.test_person.account_name
    lines = "".join(f"{name}={farm.passwords[account]}\n" for name, account in accounts.items())
    farm.secrets_file.write_text(lines, encoding="utf-8")


def _write_case(farm: Farm, case_id: str, outputs: Path) -> None:
    """Write the case file, and beside it one whose account may write photos into the directory."""
    sign_in = {"username": f"{farm.domain.netbios_name}\\{KIT_ACCOUNT}", "password_name": PASSWORD_NAME}
    case: dict[str, Any] = {
        "case_id": case_id,
        "title": f"Practice farm, {len(farm.people)} people",
        "outputs": str(outputs.resolve()),
        "secrets_file": str(farm.secrets_file.resolve()),
        "directory": {"url": farm.directory.url, **sign_in, "ca_file": str(farm.directory.ca_file.resolve())},
        "sharepoint": {"url": farm.sharepoint.url, **sign_in},
        "mim": {
            "url": farm.wsman.url,
            **sign_in,
            "sharepoint_agent": SHAREPOINT_AGENT,
            "directory_agent": DIRECTORY_AGENT,
            "configuration_folder": str(farm.configuration_folder.resolve()),
            "poll_interval": 0.2,
        },
    }
    if farm.test_person:
        name = f"{farm.domain.netbios_name}\\{farm.test_person.account_name}"
        case["experiment"] = {"account": name, "username": name, "password_name": TEST_PASSWORD_NAME}
    _write_yaml(farm.case_file, case)
    writer = {
        "username": f"{farm.domain.netbios_name}\\{RESTORE_ACCOUNT}",
        "password_name": RESTORE_PASSWORD_NAME,
    }
    _write_yaml(farm.restore_case_file, {**case, "directory": case["directory"] | writer})


def _write_yaml(path: Path, case: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(dict(case), sort_keys=False, allow_unicode=True), encoding="utf-8")
