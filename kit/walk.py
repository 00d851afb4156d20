"""The walk through every profile of a farm by record number."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from kit import profiles, soap
from kit.errors import ProtocolError
from kit.profiles import Profile, UnreadableProfile

logger = logging.getLogger(__name__)

SERVICE = "UserProfileService"
_OPERATION = "GetUserProfileByIndex"
_START = -1
_END = -1
_MOST_WITHOUT_PROFILE = 25
"""Answers in a row without a readable profile, after which the walk is given up."""


@dataclass(frozen=True)
class _Step:
    """One answer: who is in it, and where it leads, None where it does not say."""

    found: Profile | UnreadableProfile | None
    following: int | None
    error: ProtocolError | None = None


def count(client: soap.Client) -> int:
    """Return the number of profiles that the farm counts.

    Only active profiles are counted, so that a walk may meet more (unproven for 2016).
    """
    return soap.integer(client.result(SERVICE, "GetUserProfileCount").text)


def shortfall(counted: int, met: int) -> str:
    """Say how many profiles a walk did not meet that the farm counts; empty if it met them all.

    Parameters
    ----------
    counted : int
        What `count` gave before the walk.
    met : int
        Profiles that the walk gave, unreadable ones included.

    Examples
    --------
    >>> shortfall(3, 2)
    'the farm counts 3 profiles, but the walk met only 2'
    >>> shortfall(3, 4)
    ''
    """
    return f"the farm counts {counted:,} profiles, but the walk met only {met:,}" if met < counted else ""


def walk(client: soap.Client) -> Iterator[Profile | UnreadableProfile]:
    """Walk through every profile; see `kit.sharepoint.SharePoint.profiles`.

    ``NextValue`` is the record number to ask for next, with holes between, and -1 at the end (MS-UPSWS 4.4.1
    and the clients in use). The walk begins at -1 as some of them do; a server that holds nothing there is
    asked for 0, where the others begin.

    Those clients also end at an answer that holds neither a profile nor a number. It may as well come from a
    record that is gone, so the next record is asked for; when that says nothing either, it is the end if
    everyone was met whom the farm counts.

    Parameters
    ----------
    client : soap.Client
        The signed-in client.

    Yields
    ------
    Profile or UnreadableProfile
        One per answer.

    Raises
    ------
    ProtocolError
        The numbers do not rise, answer after answer holds no profile, or the walk ends without saying so and
        too early: better no walk than half of one that looks whole.
    """
    index, met, without, silent = _START, 0, 0, False
    while True:
        step = _step(client, index)
        if step.found:
            met += 1
            yield step.found
        elif index == _START and step.following in {_END, None}:
            step = _Step(None, _START + 1)
        if step.following == _END:
            return
        if step.following is None and silent:
            _check_end(client, index, met)
            return
        silent = step.following is None
        following = index + 1 if step.following is None else step.following
        if following <= index:
            what = f"the profile walk went from record {index} to {following}"
            raise ProtocolError(what, "the service turns in circles", "repeat when no import is running")
        without = without + 1 if step.error or not step.found else 0
        if without > _MOST_WITHOUT_PROFILE:
            what = f"{without} records up to {index} gave no readable profile"
            cause = "the service leads on without a profile"
            raise step.error or ProtocolError(what, cause, "repeat when no import is running")
        index = following


def _check_end(client: soap.Client, index: int, met: int) -> None:
    """Raise an error if a walk that ended without the number for it has met fewer than the farm counts."""
    if missing := shortfall(count(client), met):
        what = f"the profile walk ended at record {index} without saying so"
        raise ProtocolError(what, missing, "repeat when no import is running")


def _step(client: soap.Client, index: int) -> _Step:
    """Ask for one record; an answer that cannot be read is told, never left out."""
    response = client.exchange(SERVICE, _OPERATION, f"<index>{index}</index>")
    try:
        return _read(client.accept(response, _OPERATION), index)
    except ProtocolError as error:
        return _rescued(response.content, index, error)


def _read(response: Element, index: int) -> _Step:
    """Return the profile in an answer, if any, and where to go on.

    A record that was deleted a moment ago may leave an answer without a profile that leads on.
    """
    result = f"{{*}}{_OPERATION}Result"
    found = profiles.properties(response.iterfind(f"{result}/{{*}}UserProfile/{{*}}PropertyData"))
    following = (response.findtext(f"{result}/{{*}}NextValue") or "").strip()
    if found:
        return _Step(Profile.of(found, index), soap.integer(following))
    return _Step(None, soap.integer(following) if following else None)


def _rescued(content: bytes, index: int, error: ProtocolError) -> _Step:
    """Return what can be saved of an answer that is no proper XML; where nothing can, go on by one record."""
    lost = UnreadableProfile(index, error.kind, str(error))
    try:
        step = _read(soap.body(soap.legible(content)), index)
    except ProtocolError as hopeless:
        logger.info("record %d: %s", index, hopeless)
        step = _Step(None, None)
    if isinstance(step.found, Profile):
        return _Step(replace(lost, account=step.found.account), step.following)
    return _Step(lost, index + 1, error)
