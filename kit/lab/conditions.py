"""Causes that concern the whole practice farm: its configuration, its runs, its web application.

On such a farm the schedule runs delta imports, so that no picture is overlooked, and who has an old photo, or
none, has it for the one reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from kit.lab.grounds import Grounds
from kit.lab.picture_library import Delivery
from kit.lab.population import Person, Story, recast
from kit.lab.rules import Rules
from kit.lab.runs import EXTENSION_EXCEPTION
from kit.lab.site import DIRECTORY_AGENT, OBSTACLES, SHAREPOINT_AGENT, field_rules

CYCLES = (20.0, 8.0, 1.0)
"""Days ago on which the schedule ran; less than the 14 days apart that the change log keeps."""
IMPORTS = ("DeltaImport", "DeltaSync")

_JUST_BEFORE = 1.01
_UPLOAD = 5.0
_UPLOADERS = frozenset({Story.STALE, Story.SEEN_BY_FULL_IMPORT})
_WITHOUT_PICTURE = frozenset(
    {Story.NO_PHOTO, Story.MISSING_IN_SHAREPOINT, Story.UNMATCHED_DIRECTORY, Story.UNMATCHED_SHAREPOINT}
)
_REFUSED_ANYWAY = frozenset({Story.UNREADABLE_FOR_KIT})
_VERDICTS = {Story.STALE: "stale", Story.SEEN_BY_FULL_IMPORT: "missing_in_ad"}


@dataclass(frozen=True)
class Condition:
    """How a whole farm comes to be in a state.

    Parameters
    ----------
    rules : callable
        Makes the rules in force since the flow was turned round.
    events : tuple of (float, callable)
        What is done to the farm, each so many days ago.
    victims : frozenset of Story
        Whose photo the cause keeps from being right.
    verdict : str
        The kit's verdict on them; empty for the one of their story.
    endings : frozenset of str
        How runs end because of it.
    """

    rules: Callable[[], Rules] = field_rules
    events: tuple[tuple[float, Callable[[Grounds], None]], ...] = ()
    victims: frozenset[Story] = _UPLOADERS
    verdict: str = ""
    endings: frozenset[str] = frozenset()


def _refuse_windows_sign_in(grounds: Grounds) -> None:
    """Ask everybody who wants a picture to sign in on a form."""
    index = 0
    while index != -1:
        profile, index = grounds.store.at(index)
        if profile:
            grounds.store.deliver(profile.account_name, Delivery.SIGN_IN_REFUSAL)


def _check_loopback(grounds: Grounds) -> None:
    """Refuse the synchronization service's own server, and nobody else."""
    grounds.engine.disturbances.end_next(
        SHAREPOINT_AGENT,
        EXTENSION_EXCEPTION,
        connection="failed-authentication",
        told="The remote server returned an error: (401) Unauthorized.",
    )


def _stop_server(grounds: Grounds) -> None:
    """Let the synchronization service be stopped in the middle of an export."""
    grounds.engine.disturbances.end_next(DIRECTORY_AGENT, "stopped-server")


def _forbid_editing(grounds: Grounds) -> None:
    """Let nobody change the own picture."""
    grounds.site.variant = replace(grounds.site.variant, picture_user_editable=False)


def _without_import_flow() -> Rules:
    rules = field_rules()
    kept = (
        flow
        for flow in rules.import_flows
        if (flow.metaverse_attribute, flow.agent) != ("photo", SHAREPOINT_AGENT)
    )
    return replace(rules, import_flows=tuple(kept))


def _letting_nulls_flow() -> Rules:
    return field_rules(suppress_deletions=False, directory_second=False)


CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {
        "my_site_zone_without_windows_sign_in": Condition(
            events=((_JUST_BEFORE, _refuse_windows_sign_in),),
            victims=frozenset(Story) - _WITHOUT_PICTURE - _REFUSED_ANYWAY,
            verdict="unknown",
            endings=frozenset({EXTENSION_EXCEPTION}),
        ),
        "loopback_check": Condition(
            events=((_JUST_BEFORE, _check_loopback),), endings=frozenset({EXTENSION_EXCEPTION})
        ),
        "picture_not_editable": Condition(events=((0.5, _forbid_editing),), victims=frozenset()),
        "picture_not_selected": Condition(OBSTACLES["a picture that is not selected"]),
        "picture_export_only": Condition(OBSTACLES["pictures are never imported"]),
        "directory_takes_precedence": Condition(
            OBSTACLES["the directory first"], victims=frozenset({Story.STALE})
        ),
        "no_import_flow": Condition(_without_import_flow),
        "no_export_flow": Condition(OBSTACLES["no photo to the directory"]),
        "photos_flow_both_ways": Condition(OBSTACLES["both directions"], victims=frozenset()),
        "photo_removed_by_null_flow": Condition(
            _letting_nulls_flow, victims=frozenset({Story.MISSING_IN_SHAREPOINT}), verdict="no_photo"
        ),
        "export_never_runs": Condition(OBSTACLES["no export to the directory"]),
        "wrong_directory_attribute": Condition(OBSTACLES["the wrong attribute"]),
        "run_did_not_complete": Condition(
            events=((_JUST_BEFORE, _stop_server),), endings=frozenset({"stopped-server"})
        ),
    }
)
"""Every cause that concerns the whole farm, and how a farm comes to it."""


def afflict(everyone: Sequence[Person], cause: str) -> tuple[Person, ...]:
    """Make the people of a farm those that a cause allows.

    Parameters
    ----------
    everyone : Sequence[Person]
        The farm's people.
    cause : str
        A key of `CONDITIONS`.

    Returns
    -------
    tuple of Person
        In the same order. Who would be stale for another reason uploaded a first picture in time instead.
    """
    condition = CONDITIONS[cause]
    return tuple(_afflicted(person, cause, condition) for person in everyone)


def _afflicted(person: Person, cause: str, condition: Condition) -> Person:
    late = bool(condition.endings)
    if person.story is Story.UPLOADED_SINCE or (
        person.story is Story.STALE and Story.STALE not in condition.victims
    ):
        person = recast(person, Story.SEEN_BY_FULL_IMPORT, _UPLOAD)
    if person.story not in condition.victims:
        return person
    if late and person.story in _UPLOADERS:
        person = replace(person, upload_days_ago=_UPLOAD)
    verdict = condition.verdict or _VERDICTS[person.story]
    return replace(person, planted=cause, planted_verdict=verdict, planted_diagnosis=cause)
