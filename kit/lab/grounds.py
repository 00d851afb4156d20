"""What the practice farm's past is made on: every system of the farm, and the hands that work on them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from ldap3.utils.dn import escape_rdn

from kit.errors import ParameterError, SetupError
from kit.lab.agents import DirectoryConnector, DirectoryWriter, SharePointConnector
from kit.lab.clock import Clock
from kit.lab.directory import DirectoryServer, EmbeddedDirectory
from kit.lab.domain import Domain
from kit.lab.engine import Engine
from kit.lab.ntlm import Server
from kit.lab.population import Person
from kit.lab.profiles import ProfileStore
from kit.lab.sharepoint import SharePointServer
from kit.runs import OK, WARNING, classify
from kit.sharepoint import SharePoint

_SET_PICTURE = "_api/SP.UserProfiles.PeopleManager/SetMyProfilePicture"


@dataclass(frozen=True)
class Service:
    """The synchronization service with the ways on which it reaches the other systems."""

    engine: Engine
    writer: DirectoryWriter
    directory: DirectoryConnector
    sharepoint: SharePointConnector


@dataclass(frozen=True)
class Grounds:
    """A farm in the making.

    Parameters
    ----------
    domain : Domain
        Of the accounts.
    clock : Clock
        The farm's.
    directory : DirectoryServer
    site : SharePointServer
    service : Service
    sign_in : Callable[[str], SharePoint]
        Makes a SharePoint client of an account name.
    folder : Path
        For the farm's own files.
    running : ExitStack
        Ends with the farm.
    """

    domain: Domain
    clock: Clock
    directory: DirectoryServer
    site: SharePointServer
    service: Service
    sign_in: Callable[[str], SharePoint]
    folder: Path
    running: ExitStack = field(repr=False)

    @property
    def engine(self) -> Engine:
        """The synchronization service."""
        return self.service.engine

    @property
    def store(self) -> ProfileStore:
        """SharePoint's profiles."""
        return self.site.store

    @property
    def embedded(self) -> EmbeddedDirectory:
        """The directory, where it can be made to misbehave.

        Raises
        ------
        ParameterError
            It is one that cannot.
        """
        if not isinstance(self.directory, EmbeddedDirectory):
            what = f"{type(self.directory).__name__} cannot be made to misbehave"
            raise ParameterError(what, "its times and stamps are its own", "use the embedded directory")
        return self.directory

    def go_to(self, days_ago: float) -> None:
        """Move the farm's time."""
        self.clock.set_offset(-timedelta(days=days_ago))

    def account(self, person: Person) -> str:
        """Return a person's account with its domain."""
        return f"{self.domain.netbios_name}\\{person.account_name}"

    def distinguished_name(self, person: Person) -> str:
        """Return the name of a person's object in the directory."""
        return distinguished_name(self.domain, person)

    def upload(self, person: Person, photo: bytes) -> None:
        """Set a person's picture in SharePoint as the person does."""
        with self.sign_in(person.account_name) as client:
            client.post(_SET_PICTURE, photo)

    def write_photo(self, person: Person, photo: bytes) -> None:
        """Write a photo into the directory, past the synchronization service."""
        self.service.writer.replace(self.distinguished_name(person), "thumbnailPhoto", photo)

    def run(self, agent: str, *profiles: str, tolerated: Collection[str] = ()) -> bool:
        """Run profiles of one agent, one after the other, as far as the agent has them.

        Parameters
        ----------
        agent : str
            Its name.
        *profiles : str
            Names of run profiles.
        tolerated : collection of str
            Statuses that are meant to be, beside those of runs that go well.

        Returns
        -------
        bool
            Whether all of them got through; the first one that broke off was the last that ran.

        Raises
        ------
        SetupError
            A run ended in a way that is not meant.
        """
        for profile in profiles:
            if self.engine.rules.by_name[agent].run_profile(profile) is None:
                continue
            status = self.engine.execute(agent, profile)
            if classify(status) not in {OK, WARNING} and status not in tolerated:
                what = f"{profile} of {agent} ended with {status!r}"
                raise SetupError(what, "the farm's past went wrong", "look at the lab's log")
            if not status.startswith(("success", "completed-")):
                return False
        return True

    def keep(self, server: Server) -> str:
        """Have a server stopped with the farm; return its address."""
        self.running.callback(server.stop)
        return server.url


def distinguished_name(domain: Domain, person: Person) -> str:
    """Return the name of a person's object in the directory."""
    return f"CN={escape_rdn(person.display_name)},OU={person.organizational_unit},{domain.base_dn}"
