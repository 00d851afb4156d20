"""Causes planted on people of the practice farm: who is hit, by what, on which day of the farm's past.

Every cause of the diagnosis that concerns single persons has a planting here; those that concern the whole
farm are in `kit.lab.conditions`. A planting works on real parts: pictures are uploaded over HTTP, the
engine runs, the directory is written. The days at which they work keep them from disturbing each other: what
breaks an import comes after the last good run of the schedule, see `kit.lab.population.LAST_RUN_DAYS_AGO`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from types import MappingProxyType

from kit.errors import ParameterError
from kit.lab import deeds
from kit.lab.deeds import Deed
from kit.lab.grounds import Grounds
from kit.lab.population import Person, Story, recast
from kit.lab.site import SHAREPOINT_AGENT

FOUNDING = 40.0
"""The day, counted backwards from now, on which the farm was set up."""
MANY = 300
"""From so many people on every cause is planted twice."""
TOLERATED = frozenset({"completed-sync-errors", "completed-export-errors", "completed-discovery-errors"})
"""How runs may end on a farm with planted people."""

_CLEANUP, _OBSOLESCENCE, _DELTA = 26.0, 25.0, 24.0
_ABORTED, _BROKEN = 0.9, 0.5
_SHAREPOINT_LEAST, _OUTLOOK_LEAST = 110_000, 12_000


@dataclass(frozen=True)
class Planting:
    """How one person is planted.

    Parameters
    ----------
    verdict : str
        The kit's verdict on that person; empty for that of the story.
    story : Story
        The story that the person is given first.
    upload_days_ago : float or None
        When the story's picture was uploaded.
    deeds : tuple of (float, Deed)
        What is done to the person, each so many days ago.
    runs : tuple of (float, callable)
        What is done once for the whole farm.
    others : Mapping[str, str]
        Accounts of further profiles, ``{name}`` standing for the account name, and what is to be diagnosed
        of each.
    """

    verdict: str = ""
    story: Story = Story.IN_SYNC
    upload_days_ago: float | None = None
    deeds: tuple[tuple[float, Deed], ...] = ()
    runs: tuple[tuple[float, Callable[[Grounds], None]], ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)


def _let_objects_go(grounds: Grounds) -> None:
    """Run a full import and synchronisation while the provisioning code is switched off."""
    grounds.engine.set_provisioning(enabled=False)
    grounds.run(SHAREPOINT_AGENT, "FullImport", "FullSync")
    grounds.engine.set_provisioning(enabled=True)


def _delta(grounds: Grounds) -> None:
    grounds.run(SHAREPOINT_AGENT, "DeltaImport", "DeltaSync")


def _full_import(grounds: Grounds) -> None:
    grounds.run(SHAREPOINT_AGENT, "FullImport", tolerated=TOLERATED)


def _broken(verdict: str, deed: Deed) -> Planting:
    """Return the planting of what is done once, after the last run of the schedule."""
    return Planting(verdict, deeds=((_BROKEN, deed),))


def _first_photo(verdict: str, *done: tuple[float, Deed]) -> Planting:
    """Return the planting on somebody whose first photo ever a full import sees."""
    return Planting(verdict, Story.SEEN_BY_FULL_IMPORT, 5.0, deeds=done)


_LET_GO = ((_OBSOLESCENCE, _let_objects_go),)

PLANTINGS: Mapping[str, Planting] = MappingProxyType(
    {
        "sign_in_page_as_picture": _broken("unreadable", deeds.show_sign_in_page),
        "picture_removed_after_upload": Planting(
            "missing_in_sharepoint", deeds=((0.6, deeds.upload), (_BROKEN, deeds.delete_files))
        ),
        "picture_may_not_be_read": Planting(story=Story.UNREADABLE_FOR_KIT),
        "windows_sign_in_fails": _broken("unknown", deeds.name_host_that_refuses),
        "throttled": _broken("unknown", deeds.throttle),
        "certificate_not_trusted": _broken("unknown", deeds.name_host_without_trust),
        "no_picture_in_sharepoint": Planting(story=Story.NO_PHOTO),
        "picture_file_missing": _broken("missing_in_sharepoint", deeds.delete_files),
        "thumbnails_incomplete": _broken("missing_in_sharepoint", deeds.delete_medium),
        "imported_without_thumbnails": _broken("missing_in_sharepoint", deeds.import_raw),
        "thumbnails_fail_for_claims_account": _broken("missing_in_sharepoint", deeds.import_raw_for_claim),
        "my_site_host_moved": _broken("missing_in_sharepoint", deeds.name_old_host),
        "managed_path_changed": _broken("missing_in_sharepoint", deeds.name_old_path),
        "library_language_changed": Planting("in_sync", deeds=((22.0, deeds.upload_elsewhere),)),
        "placeholder_as_picture": Planting(story=Story.PLACEHOLDER),
        "exchange_overwrites": _broken("stale", deeds.let_exchange_own),
        "two_profiles": Planting(
            "missing_in_sharepoint",
            deeds=((_BROKEN, deeds.make_second_profile),),
            others={deeds.SECOND_PROFILE: "two_profiles"},
        ),
        "no_profile": Planting(story=Story.UNMATCHED_DIRECTORY),
        "no_account": Planting(story=Story.UNMATCHED_SHAREPOINT),
        "overlooked_by_full_import": Planting(story=Story.STALE, upload_days_ago=5.0),
        "delta_import_never_ran": Planting("stale", deeds=((0.3, deeds.upload),)),
        "missed_by_delta_import": Planting(
            "stale", deeds=((_CLEANUP, deeds.upload),), runs=(*_LET_GO, (_DELTA, _delta))
        ),
        "not_yet_due": Planting(story=Story.UPLOADED_SINCE, upload_days_ago=0.3),
        "profile_not_imported": Planting(
            "stale", deeds=((_CLEANUP, deeds.leave_out), (3.0, deeds.upload)), runs=_LET_GO
        ),
        "import_aborts_on_profile": Planting(
            "unknown", deeds=((0.95, deeds.spoil_profile),), runs=((_ABORTED, _full_import),)
        ),
        "wrong_domain_prefix": Planting(
            "unmatched",
            deeds=((FOUNDING, deeds.prefix_wrongly),),
            others={f"{deeds.FOREIGN_PREFIX}\\{{name}}": "wrong_domain_prefix"},
        ),
        "not_joined": Planting(
            "stale",
            deeds=((_CLEANUP, deeds.leave_out), (20.5, deeds.let_in_renamed), (5.0, deeds.upload)),
            runs=_LET_GO,
        ),
        "joined_to_wrong_person": Planting(
            "stale",
            deeds=((_CLEANUP, deeds.give_way_to_stranger), (20.5, deeds.let_in)),
            runs=_LET_GO,
            others={deeds.STRANGER: "no_account"},
        ),
        "rules_extension_fails": _first_photo(
            "missing_in_ad", (4.0, deeds.fail_synchronization("extension-dll-exception"))
        ),
        "synchronization_fails": _first_photo(
            "missing_in_ad", (4.0, deeds.fail_synchronization("unique-index-violation"))
        ),
        "provisioned_twice": Planting("stale", deeds=((10.0, deeds.leave_out), (3.0, deeds.upload))),
        "deletions_pending": Planting("stale", deeds=((3.0, deeds.upload), (2.0, deeds.leave_scope))),
        "export_not_permitted": _first_photo("missing_in_ad", (4.0, deeds.refuse_export("permission-issue"))),
        "photo_too_large": _first_photo("missing_in_ad", (4.9, deeds.fatten(_SHAREPOINT_LEAST))),
        "export_refused": _first_photo("missing_in_ad", (4.0, deeds.refuse_export("dn-attributes-failure"))),
        "too_large_for_outlook": _first_photo("in_sync", (4.9, deeds.fatten(_OUTLOOK_LEAST))),
        "overwritten_by_another_writer": _broken("stale", deeds.overwrite),
        "domain_controllers_differ": Planting(
            "stale",
            Story.SEEN_BY_FULL_IMPORT,
            12.0,
            deeds=((5.0, deeds.upload_another), (_BROKEN, deeds.fall_behind)),
        ),
        "outside_directory_agent_scope": Planting(story=Story.MISSING_IN_AD, upload_days_ago=5.0),
        "thumbnail_too_small": Planting("in_sync", Story.NO_PHOTO, deeds=((5.0, deeds.upload_tiny),)),
        "site_copy_is_old": _broken("in_sync", deeds.keep_site_copy),
        "cached_picture": _broken("stale", deeds.cache),
        "search_index_is_old": _broken("in_sync", deeds.keep_search_row),
        "clocks_disagree": Planting("in_sync", deeds=((0.0, deeds.be_early),)),
    }
)
"""Every cause that concerns single persons, and how it is planted."""


def plant(everyone: Sequence[Person], causes: Iterable[str], seed: int) -> tuple[Person, ...]:
    """Choose people for causes, among those whose photo is in sync and who have no story of their own.

    Parameters
    ----------
    everyone : Sequence[Person]
        The farm's people.
    causes : iterable of str
        Keys of `PLANTINGS`.
    seed : int
        The same seed chooses the same people.

    Returns
    -------
    tuple of Person
        Everyone in the same order, the chosen ones planted.

    Raises
    ------
    ParameterError
        There are not enough people.

    Examples
    --------
    >>> from kit.lab.population import people
    >>> [person.cause for person in plant(people(60, seed=1), ["throttled"], seed=1) if person.planted]
    ['throttled']
    """
    wanted = [name for name in PLANTINGS if name in set(causes)]
    plain = [place for place, person in enumerate(everyone) if person.story is Story.IN_SYNC]
    times = 2 if len(everyone) >= MANY else 1
    if len(wanted) * times > len(plain):
        what = f"{len(wanted)} causes cannot be planted on {len(everyone)} people"
        raise ParameterError(what, f"{len(plain)} of them are free", "ask for more people or fewer causes")
    Random(f"plantings {seed}").shuffle(plain)  # noqa: S311 - repeatable people, no secrets
    chosen = dict(zip(plain, (name for name in wanted for _ in range(times)), strict=False))
    return tuple(
        _planted(person, chosen[place]) if place in chosen else person
        for place, person in enumerate(everyone)
    )


def others(person: Person) -> Mapping[str, str]:
    """Return a planted person's further profiles: account and what is to be diagnosed of it."""
    if person.planted not in PLANTINGS:
        return {}
    accounts = PLANTINGS[person.planted].others
    return {account.format(name=person.account_name): cause for account, cause in accounts.items()}


def _planted(person: Person, cause: str) -> Person:
    planting = PLANTINGS[cause]
    return replace(
        recast(person, planting.story, planting.upload_days_ago),
        planted=cause,
        planted_verdict=planting.verdict,
        planted_diagnosis=cause,
    )
