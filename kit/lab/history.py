"""The practice farm's past: photos came from Active Directory, then the flow was turned round.

The synchronization service runs over the wire as it did at the site of the case, and people upload their
pictures over HTTP, while the farm's clock is moved from day to day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter

from kit.lab.grounds import Grounds
from kit.lab.population import LAST_RUN_DAYS_AGO, Person, Story, new_photo
from kit.lab.portraits import login_page
from kit.lab.rules import Rules
from kit.lab.site import DIRECTORY_AGENT, SHAREPOINT_AGENT

COVERED_UNIT = "Staff"
"""The organizational unit that the Active Directory management agent reads."""
BEGINNING = 40.0
"""How many days ago the farm was set up."""
REVERSAL = 30.0
"""How many days ago the flow was turned round; within the 14 that the change log keeps from the beginning."""
CYCLES = (LAST_RUN_DAYS_AGO + 7, LAST_RUN_DAYS_AGO)
"""How many days ago the schedule ran."""

_FULL = ("FullImport", "FullSync")
_PUBLISH = ("Export", "DeltaImport", "DeltaSync")
_READS_EVERY_PICTURE = ("svc-spma", "svc-mim")

Event = tuple[float, Callable[[], None]]
"""How many days ago something happened, and what."""


@dataclass(frozen=True)
class Course:
    """What is particular to one farm's past.

    Parameters
    ----------
    rules : Rules
        In force since the flow was turned round.
    cycles : Sequence[float]
        How many days ago the schedule ran.
    imports : Sequence[str]
        What it ran of the SharePoint agent: full imports, which overlook pictures that were once exported.
    events : Sequence[Event]
        What happened besides.
    tolerated : Collection[str]
        How runs may end, beside well.
    """

    rules: Rules
    cycles: Sequence[float] = CYCLES
    imports: Sequence[str] = _FULL
    events: Sequence[Event] = ()
    tolerated: Collection[str] = ()


@dataclass(frozen=True)
class History:
    """What happened on a farm before anyone called support.

    Parameters
    ----------
    people : Sequence[Person]
        The farm's people.
    grounds : Grounds
        The farm: its engine has `kit.lab.site.imported_rules` in force, its SharePoint no profiles yet. Its
        clock is left at the present.
    course : Course
        What is particular to it.
    """

    people: Sequence[Person]
    grounds: Grounds
    course: Course

    def play(self) -> None:
        """Play it from the beginning to now.

        Raises
        ------
        SetupError
            A run of a management agent ended badly.
        """
        for ago, happen in sorted(self._events(), key=itemgetter(0), reverse=True):
            self.grounds.go_to(ago)
            happen()
        self._break()
        self.grounds.go_to(0)

    def _events(self) -> Iterator[Event]:
        """Tell what happened when; of one moment, first what is particular."""
        yield from self.course.events
        yield BEGINNING, self._import_from_directory
        yield REVERSAL, self._turn_round
        for ago in self.course.cycles:
            yield ago, self._cycle
        for person in self.people:
            if person.upload_days_ago is not None:
                yield person.upload_days_ago, partial(self._upload, person)

    def _import_from_directory(self) -> None:
        """Fill SharePoint from the directory, as the published configuration does."""
        grounds = self.grounds
        for person in self.people:
            if person.in_sharepoint and person.organizational_unit != COVERED_UNIT:
                grounds.store.create(grounds.account(person), _properties(person))
        self._run(DIRECTORY_AGENT, *_FULL)
        self._run(SHAREPOINT_AGENT, *_FULL, "Export")
        for person in self._of_story(Story.MISSING_IN_SHAREPOINT):
            grounds.store.remove_picture(grounds.account(person))

    def _turn_round(self) -> None:
        """Let SharePoint feed the directory from now on.

        No delta import ran since the export: this one is the first to read the pictures that SharePoint made
        of the exported photos, and so brings them into the directory. It warns that they are not the bytes
        that were exported.
        """
        self.grounds.engine.change_rules(self.course.rules)
        self._run(SHAREPOINT_AGENT, "DeltaImport", "DeltaSync")
        self._run(DIRECTORY_AGENT, *_FULL, *_PUBLISH)

    def _cycle(self) -> None:
        """Run what the schedule runs, as far as it gets."""
        if self._run(SHAREPOINT_AGENT, *self.course.imports):
            self._run(DIRECTORY_AGENT, *_PUBLISH)

    def _upload(self, person: Person) -> None:
        self.grounds.upload(person, new_photo(person))

    def _break(self) -> None:
        """Spoil one picture in the library, and forbid others to all but their owners and the services."""
        grounds = self.grounds
        for person in self._of_story(Story.UNREADABLE):
            if person.broken_side == "sharepoint":
                grounds.store.replace_file(grounds.account(person), "M", login_page(), "text/html")
        for person in self._of_story(Story.UNREADABLE_FOR_KIT):
            names = (*_READS_EVERY_PICTURE, person.account_name)
            grounds.store.forbid(
                grounds.account(person), {f"{grounds.domain.netbios_name}\\{name}" for name in names}
            )

    def _run(self, agent: str, *profiles: str) -> bool:
        return self.grounds.run(agent, *profiles, tolerated=self.course.tolerated)

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
