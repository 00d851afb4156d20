"""The practice farm's past: photos came from Active Directory, then the flow was turned round.

The synchronization service runs over the wire as it did at the site of the case, and people upload their
pictures over HTTP, while the farm's clock is moved from day to day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from operator import itemgetter

from kit.errors import SetupError
from kit.lab.clock import Clock
from kit.lab.domain import Domain
from kit.lab.engine import Engine
from kit.lab.population import LAST_RUN_DAYS_AGO, Person, Story, new_photo
from kit.lab.portraits import login_page
from kit.lab.profiles import ProfileStore
from kit.lab.site import DIRECTORY_AGENT, SHAREPOINT_AGENT, field_rules
from kit.runs import OK, WARNING, classify
from kit.sharepoint import SharePoint

COVERED_UNIT = "Staff"
"""The organizational unit that the Active Directory management agent reads."""
BEGINNING = timedelta(days=40)
"""How long ago the farm was set up."""
REVERSAL = timedelta(days=30)
"""How long ago the flow was turned round; within the 14 days that the change log keeps from the beginning."""
CYCLES = tuple(timedelta(days=LAST_RUN_DAYS_AGO + days) for days in (7, 0))
"""How long ago the schedule ran."""

_FULL = ("FullImport", "FullSync")
_PUBLISH = ("Export", "DeltaImport", "DeltaSync")
_READS_EVERY_PICTURE = ("svc-spma", "svc-mim")
_SET_PICTURE = "_api/SP.UserProfiles.PeopleManager/SetMyProfilePicture"


@dataclass(frozen=True)
class History:
    """What happened on a farm before anyone called support.

    Parameters
    ----------
    people : Sequence[Person]
        The farm's people.
    domain : Domain
        Of their accounts.
    engine : Engine
        With `kit.lab.site.imported_rules` in force.
    store : ProfileStore
        SharePoint's profiles; none yet.
    clock : Clock
        The farm's; it is left at the present.
    sign_in : Callable[[str], SharePoint]
        Makes a SharePoint client of an account name.
    """

    people: Sequence[Person]
    domain: Domain
    engine: Engine
    store: ProfileStore
    clock: Clock
    sign_in: Callable[[str], SharePoint]

    def play(self) -> None:
        """Play it from the beginning to now.

        Raises
        ------
        SetupError
            A run of a management agent ended badly.
        """
        self._import_from_directory()
        self._turn_round()
        self._live()
        self._break()
        self._go_to(timedelta(0))

    def _import_from_directory(self) -> None:
        """Fill SharePoint from the directory, as the published configuration does."""
        self._go_to(BEGINNING)
        for person in self.people:
            if person.in_sharepoint and person.organizational_unit != COVERED_UNIT:
                self.store.create(self._account(person), _properties(person))
        self._run(DIRECTORY_AGENT, *_FULL)
        self._run(SHAREPOINT_AGENT, *_FULL, "Export")
        for person in self._of_story(Story.MISSING_IN_SHAREPOINT):
            self.store.remove_picture(self._account(person))

    def _turn_round(self) -> None:
        """Let SharePoint feed the directory from now on.

        No delta import ran since the export: this one is the first to read the pictures that SharePoint made
        of the exported photos, and so brings them into the directory. It warns that they are not the bytes
        that were exported.
        """
        self._go_to(REVERSAL)
        self.engine.change_rules(field_rules(domain_dn=self.domain.base_dn))
        self._run(SHAREPOINT_AGENT, "DeltaImport", "DeltaSync")
        self._run(DIRECTORY_AGENT, *_FULL, *_PUBLISH)

    def _live(self) -> None:
        """Upload pictures and run the schedule, each in its time."""
        events: list[tuple[timedelta, Callable[[], None]]] = [(ago, self._cycle) for ago in CYCLES]
        events += [
            (timedelta(days=person.upload_days_ago), partial(self._upload, person))
            for person in self.people
            if person.upload_days_ago is not None
        ]
        for ago, happen in sorted(events, key=itemgetter(0), reverse=True):
            self._go_to(ago)
            happen()

    def _cycle(self) -> None:
        """Run what the schedule runs: a full import, which overlooks pictures that were once exported."""
        self._run(SHAREPOINT_AGENT, *_FULL)
        self._run(DIRECTORY_AGENT, *_PUBLISH)

    def _upload(self, person: Person) -> None:
        with self.sign_in(person.account_name) as client:
            client.post(_SET_PICTURE, new_photo(person))

    def _break(self) -> None:
        """Spoil one picture in the library, and forbid others to all but their owners and the services."""
        for person in self._of_story(Story.UNREADABLE):
            if person.broken_side == "sharepoint":
                self.store.replace_file(self._account(person), "M", login_page(), "text/html")
        for person in self._of_story(Story.UNREADABLE_FOR_KIT):
            names = (*_READS_EVERY_PICTURE, person.account_name)
            self.store.forbid(
                self._account(person), {f"{self.domain.netbios_name}\\{name}" for name in names}
            )

    def _run(self, agent: str, *profiles: str) -> None:
        for profile in profiles:
            status = self.engine.execute(agent, profile)
            if classify(status) not in {OK, WARNING}:
                what = f"{profile} of {agent} ended with {status!r}"
                raise SetupError(what, "the farm's past went wrong", "look at the lab's log")

    def _go_to(self, ago: timedelta) -> None:
        self.clock.set_offset(-ago)

    def _account(self, person: Person) -> str:
        return f"{self.domain.netbios_name}\\{person.account_name}"

    def _of_story(self, story: Story) -> Iterable[Person]:
        return (person for person in self.people if person.story is story)


def _properties(person: Person) -> Mapping[str, str]:
    return {
        "FirstName": person.given_name,
        "LastName": person.surname,
        "PreferredName": person.display_name,
        "WorkPhone": person.telephone,
        "WorkEmail": person.mail,
        "Department": person.department,
        "Title": person.title,
    }
