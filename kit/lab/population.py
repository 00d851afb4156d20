"""The practice farm's people: who they are, the story of their photo, and what the kit should find.

The stories cover every verdict the kit knows. The Contractors organisational unit is not covered by the
Active Directory management agent, so whatever is wrong there stays wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from kit.errors import ParameterError
from kit.lab.names import Name, Names
from kit.lab.portraits import badge, portrait, reencode, retake, silhouette, truncated

MINIMUM_USERS = 20
LAST_RUN_DAYS_AGO = 1.0
"""The scheduled runs end this long ago; only uploads made after them were not yet due to be seen."""


class Story(StrEnum):
    """What happened to a person's photo."""

    IN_SYNC = "in_sync"
    STALE = "stale"
    SEEN_BY_FULL_IMPORT = "seen_by_full_import"
    UPLOADED_SINCE = "uploaded_since"
    MISSING_IN_AD = "missing_in_ad"
    MISSING_IN_SHAREPOINT = "missing_in_sharepoint"
    NO_PHOTO = "no_photo"
    PLACEHOLDER = "placeholder"
    UNREADABLE = "unreadable"
    UNCERTAIN = "uncertain"
    IN_SYNC_REENCODED = "in_sync_reencoded"
    UNMATCHED_DIRECTORY = "unmatched_directory"
    UNMATCHED_SHAREPOINT = "unmatched_sharepoint"
    UNREADABLE_FOR_KIT = "unreadable_for_kit"


SHARES: dict[Story, float] = {
    Story.STALE: 0.12,
    Story.SEEN_BY_FULL_IMPORT: 0.03,
    Story.UPLOADED_SINCE: 0.02,
    Story.MISSING_IN_AD: 0.02,
    Story.MISSING_IN_SHAREPOINT: 0.02,
    Story.NO_PHOTO: 0.06,
    Story.PLACEHOLDER: 0.01,
    Story.UNREADABLE: 0.01,
    Story.UNCERTAIN: 0.01,
    Story.IN_SYNC_REENCODED: 0.015,
    Story.UNMATCHED_DIRECTORY: 0.02,
    Story.UNMATCHED_SHAREPOINT: 0.015,
    Story.UNREADABLE_FOR_KIT: 0.01,
}
"""Every story's share of the people; the rest are in sync."""

_VERDICT_BEFORE = {
    Story.SEEN_BY_FULL_IMPORT: "in_sync",
    Story.UPLOADED_SINCE: "missing_in_ad",
    Story.IN_SYNC_REENCODED: "in_sync",
    Story.UNMATCHED_DIRECTORY: "unmatched",
    Story.UNMATCHED_SHAREPOINT: "unmatched",
    Story.UNREADABLE_FOR_KIT: "unknown",
}
_CAUSES = {
    Story.STALE: "overlooked_by_full_import",
    Story.UPLOADED_SINCE: "not_yet_due",
    Story.MISSING_IN_AD: "outside_directory_agent_scope",
    Story.MISSING_IN_SHAREPOINT: "no_picture_in_sharepoint",
    Story.NO_PHOTO: "no_picture_in_sharepoint",
    Story.PLACEHOLDER: "placeholder_as_picture",
    Story.UNREADABLE: "sign_in_page_as_picture",
    Story.UNCERTAIN: "outside_directory_agent_scope",
    Story.UNMATCHED_DIRECTORY: "no_profile",
    Story.UNMATCHED_SHAREPOINT: "no_account",
    Story.UNREADABLE_FOR_KIT: "picture_may_not_be_read",
}
_CONTRACTORS = {Story.MISSING_IN_AD, Story.UNREADABLE, Story.UNCERTAIN, Story.IN_SYNC_REENCODED}
_IMPORTED = {Story.IN_SYNC, Story.STALE, Story.PLACEHOLDER, Story.UNREADABLE_FOR_KIT}
_UPLOADED = {
    Story.STALE,
    Story.SEEN_BY_FULL_IMPORT,
    Story.UPLOADED_SINCE,
    Story.UNMATCHED_SHAREPOINT,
    *_CONTRACTORS,
}
_TITLES = {
    "Finance": ("Accountant", "Controller", "Treasury Analyst"),
    "Sales": ("Account Manager", "Sales Engineer", "Key Account Director"),
    "Marketing": ("Brand Manager", "Copywriter", "Event Coordinator"),
    "Human Resources": ("Recruiter", "Payroll Specialist", "HR Partner"),
    "IT": ("System Administrator", "Service Desk Analyst", "Solution Architect"),
    "Research & Development": ("Research Engineer", "Laboratory Technician", "Principal Scientist"),
    "Operations": ("Logistics Planner", "Shift Supervisor", "Quality Manager"),
    "Legal": ("Counsel", "Paralegal", "Compliance Officer"),
}
_SERVICES = ("backup", "scan", "print", "crawl", "monitoring", "deploy")


@dataclass(frozen=True)
class Person:
    """One person, or service account, of the practice farm.

    Parameters
    ----------
    account_name : str
        sAMAccountName; unique, ASCII, at most 20 characters.
    given_name, surname, display_name, department, title, telephone, mail : str
        Directory attributes; the display name is unique. A service account has no given name or surname.
    organizational_unit : str
        ``Staff``, ``Contractors``, ``Service Accounts`` or ``Leavers``.
    enabled : bool
        Whether the account may sign in.
    story : Story
        What happened to the photo.
    portrait_seed, new_portrait_seed : int
        For `original_photo` and `new_photo`.
    upload_days_ago : float or None
        When the person uploaded a photo in SharePoint; None if never.
    broken_side : str
        With an unreadable photo, where it is: ``sharepoint`` or ``directory``; else empty.
    planted : str
        The cause that was planted on top of the story; empty for most.
    planted_verdict : str
        The verdict that it makes of the story's; empty if it makes none.
    planted_diagnosis : str or None
        What is to be diagnosed because of it; None if that follows from the story.
    """

    account_name: str
    given_name: str
    surname: str
    display_name: str
    department: str
    title: str
    telephone: str
    mail: str
    organizational_unit: str
    enabled: bool
    story: Story
    portrait_seed: int
    new_portrait_seed: int
    upload_days_ago: float | None
    broken_side: str = ""
    planted: str = ""
    planted_verdict: str = ""
    planted_diagnosis: str | None = None

    @property
    def cause(self) -> str:
        """The cause that the kit should diagnose before the fix; empty where there is nothing to diagnose."""
        if self.planted_diagnosis is not None:
            return self.planted_diagnosis
        if self.broken_side == "directory":
            return "outside_directory_agent_scope"
        return _CAUSES.get(self.story, "")

    @property
    def expected_before(self) -> str:
        """The verdict the kit should reach before the fix."""
        if self.planted_verdict:
            return self.planted_verdict
        return _VERDICT_BEFORE.get(self.story, self.story.value)

    @property
    def expected_after(self) -> str:
        """The verdict the kit should reach after the fix; of planted people none is foretold."""
        return "in_sync" if self.story in {Story.STALE, Story.UPLOADED_SINCE} else self.expected_before

    @property
    def in_directory(self) -> bool:
        """Whether Active Directory has an account."""
        return self.story is not Story.UNMATCHED_SHAREPOINT

    @property
    def in_sharepoint(self) -> bool:
        """Whether SharePoint has a profile."""
        return self.story is not Story.UNMATCHED_DIRECTORY

    @property
    def photo_imported(self) -> bool:
        """Whether SharePoint once took the photo over from Active Directory."""
        return self.story in _IMPORTED


def people(users: int, seed: int) -> tuple[Person, ...]:
    """Make up the farm's people.

    Parameters
    ----------
    users : int
        How many, at least 20. Every story has one person or more, from 60 on two or more.
    seed : int
        The same seed gives the same people; how many have each story depends on ``users`` alone.

    Returns
    -------
    tuple of Person
        In no particular order of story.

    Raises
    ------
    ParameterError
        Fewer users than there must be.

    Examples
    --------
    >>> everyone = people(60, seed=1)
    >>> sum(person.story == "stale" for person in everyone)
    7
    """
    if users < MINIMUM_USERS:
        what, cause = f"users is {users}", "the stories of the practice farm need more people"
        raise ParameterError(what, cause, f"ask for {MINIMUM_USERS} or more")
    random = Random(f"people {seed}")  # noqa: S311 - repeatable people, no secrets
    stories = _stories(users)
    random.shuffle(stories)
    names = Names(random)
    seen: dict[Story, int] = dict.fromkeys(Story, -1)
    everyone = []
    for index, story in enumerate(stories):
        seen[story] += 1
        everyone.append(_person(random, names, story, index=index, turn=seen[story], seed=seed))
    return tuple(everyone)


def recast(person: Person, story: Story, upload_days_ago: float | None = None) -> Person:
    """Give a person another story, and what belongs to it.

    Parameters
    ----------
    person : Person
        Of the Staff, without a story of their own.
    story : Story
    upload_days_ago : float or None
        When a picture was uploaded; None if never.
    """
    unit = _organizational_unit(story)
    return replace(
        person,
        story=story,
        display_name=f"{person.display_name} (External)" if unit == "Contractors" else person.display_name,
        organizational_unit=unit,
        enabled=story is not Story.UNMATCHED_SHAREPOINT,
        upload_days_ago=upload_days_ago,
    )


def _stories(users: int) -> list[Story]:
    least = 2 if users >= 60 else 1
    counts = {story: max(least, round(users * share)) for story, share in SHARES.items()}
    counts[Story.IN_SYNC] = users - sum(counts.values())
    return [story for story in Story for _ in range(counts[story])]


def _person(random: Random, names: Names, story: Story, *, index: int, turn: int, seed: int) -> Person:
    """Make up one person; ``turn`` counts the people of this story, so that variants alternate."""
    service = story is Story.UNMATCHED_DIRECTORY and turn % 2 == 0
    woman = random.random() < 0.5
    department = "IT" if service else random.choice(tuple(_TITLES))
    task = _SERVICES[turn // 2 % len(_SERVICES)]
    name: Name = names.service(task) if service else names.draw(woman=woman)
    portrait_seed = seed * 10_000_000 + index * 2 + woman
    unit = "Service Accounts" if service else _organizational_unit(story)
    return Person(
        account_name=name.account,
        given_name=name.given,
        surname=name.surname,
        display_name=f"{name.display} (External)" if unit == "Contractors" else name.display,
        department=department,
        title="Service account" if service else random.choice(_TITLES[department]),
        telephone="" if service else f"+1 425 555 01{index % 100:02d} x{1000 + index}",
        mail="" if service else f"{name.account}@contoso.example",
        organizational_unit=unit,
        enabled=story is not Story.UNMATCHED_SHAREPOINT,
        story=story,
        portrait_seed=portrait_seed,
        new_portrait_seed=portrait_seed + 1_000_000_007,
        upload_days_ago=_upload_days_ago(random, story),
        broken_side=("sharepoint", "directory")[turn % 2] if story is Story.UNREADABLE else "",
    )


def _organizational_unit(story: Story) -> str:
    if story is Story.UNMATCHED_SHAREPOINT:
        return "Leavers"
    # New hires come through an agency: in an OU that is covered, provisioning would give them a profile.
    return "Contractors" if story in {*_CONTRACTORS, Story.UNMATCHED_DIRECTORY} else "Staff"


def _upload_days_ago(random: Random, story: Story) -> float | None:
    if story not in _UPLOADED:
        return None
    if story is Story.UPLOADED_SINCE:
        return round(random.uniform(0.05, 0.6) * LAST_RUN_DAYS_AGO, 3)
    return round(random.uniform(LAST_RUN_DAYS_AGO + 0.5, 20.0), 3)


def original_photo(person: Person) -> bytes:
    """Return the photo from the days when photos came from Active Directory: a JPEG of 96 x 96 pixels."""
    return portrait(person.portrait_seed, size=96, quality=88)


def new_photo(person: Person) -> bytes:
    """Return the photo the person uploads in SharePoint: another sitting, 300 to 600 pixels square."""
    size = (300, 360, 420, 480, 600)[person.portrait_seed // 2 % 5]
    return retake(person.portrait_seed, person.new_portrait_seed, size)


def directory_photo(person: Person) -> bytes | None:
    """Return what ``thumbnailPhoto`` holds before any run of MIM; None if nothing.

    Parameters
    ----------
    person : Person

    Returns
    -------
    bytes or None
        The original photo where there was one. Contractors, whom no run changes, hold what makes their story:
        half a file, the uploaded photo at 96 pixels, or that photo with a banner on it.
    """
    story = person.story
    if story is Story.PLACEHOLDER:
        return silhouette(96)
    if person.photo_imported or story is Story.MISSING_IN_SHAREPOINT or person.broken_side == "sharepoint":
        return original_photo(person)
    if story is Story.UNMATCHED_DIRECTORY and person.given_name:
        return original_photo(person)
    if story is Story.IN_SYNC_REENCODED:
        return reencode(new_photo(person), 96)
    if story is Story.UNCERTAIN:
        return badge(reencode(new_photo(person), 96, 92))
    return truncated(original_photo(person)) if person.broken_side == "directory" else None
