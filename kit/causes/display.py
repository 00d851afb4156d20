"""Causes of an old face where the photo in Active Directory is right: copies, caches, indexes and clocks."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import pandas as pd

from kit import addresses
from kit.cause import Cause, graded
from kit.observation import Observation
from kit.profiles import picture_time

_SLACK = timedelta(minutes=5)
"""How far clocks may be apart without being wrong: what Kerberos tolerates."""
_MOMENT = re.compile(r"[?&]t=(\d+)")


def _in_sync(observation: Observation) -> pd.Series:
    return observation.people["verdict"].eq("in_sync")


def _outdated(observation: Observation, copy: str) -> pd.Series:
    """Tell whose copied address names another file than the profile's, or the same one at an earlier moment.

    The host is left out: copies have the address of the default zone.
    """
    people = observation.people
    known = people[copy].ne("") & people["picture_url"].ne("")
    other_file = people[copy].map(_file).ne(people["picture_url"].map(_file))
    moment = people[copy].map(_moment).astype(people["picture_timestamp"].dtype)
    earlier = moment.lt(people["picture_timestamp"])
    return known & (other_file | earlier)


def _file(url: str) -> str:
    try:
        return unquote(urlsplit(addresses.without_cache_buster(url.strip())).path).casefold()
    except ValueError:  # a port that is none
        return url


def _moment(url: str) -> object:
    found = _MOMENT.search(url)
    return picture_time(found[1]) if found else None


def _site_copy(observation: Observation) -> pd.Series:
    return graded(observation, confirmed=_in_sync(observation) & _outdated(observation, "site_copy"))


def _search(observation: Observation) -> pd.Series:
    return graded(observation, confirmed=_in_sync(observation) & _outdated(observation, "search_picture"))


def _cached(observation: Observation) -> pd.Series:
    people = observation.people
    right = people["fresh_sha256"].ne("") & people["fresh_sha256"].eq(people["directory_sha256"])
    return graded(
        observation,
        suspected=people["cached_picture"] & _in_sync(observation),
        confirmed=people["cached_picture"] & right,
    )


def _clocks(observation: Observation) -> pd.Series:
    errors = [abs(error) for error in observation.clock_errors.values()]
    latest = pd.Timestamp(observation.now) + max(errors, default=timedelta()) + _SLACK
    return graded(
        observation, confirmed=_in_sync(observation) & observation.people["picture_timestamp"].gt(latest)
    )


CAUSES = (
    Cause(
        name="site_copy_is_old",
        symptom="one site shows an old or broken face, though the profile shows the new one",
        checked="the address in the site's User Information List against the profile's",
        evidence=("site_copy", "picture_url", "picture_timestamp"),
        cause="The site's own copy of the profile has not been renewed.",
        refuted_by="the site's copy names the profile's file and moment",
        fix=(
            "Run the job 'User Profile to SharePoint Full Synchronization', or Set-SPUser -SyncFromAD for "
            "the person."
        ),
        next_notebook="",
        applies=_site_copy,
        needs=("looks",),
        harmless=True,
    ),
    Cause(
        name="cached_picture",
        symptom="an old face in a browser, or from one web server only",
        checked="the answer of the picture's address against that of the same address past every cache",
        evidence=("cached_picture", "fresh_sha256", "directory_sha256"),
        cause="A cache between the library and its readers still has the former picture.",
        refuted_by="both answers are the same file",
        fix="Flush the BLOB cache on every web server, or wait until it ends by itself.",
        next_notebook="",
        applies=_cached,
        needs=("looks",),
        harmless=True,
    ),
    Cause(
        name="search_index_is_old",
        symptom="an old or broken face in people search only",
        checked="the address in people search against the profile's",
        evidence=("search_picture", "picture_url"),
        cause="The profile has not been crawled since its picture was set.",
        refuted_by="the search result names the profile's file",
        fix="Run an incremental crawl of the people, and look why the last one left the profile out.",
        next_notebook="",
        applies=_search,
        needs=("looks",),
        harmless=True,
    ),
    Cause(
        name="clocks_disagree",
        symptom="a picture that was set in the future",
        checked="SPS-PictureTimestamp against the time now, give or take the error of the clocks",
        evidence=("picture_timestamp", "farm: errors of the clocks"),
        cause="A server's clock was wrong when the picture was set, or a local time was taken for UTC.",
        refuted_by="the time lies in the past",
        fix=(
            "Correct the clock. The order of upload and import is unknown for this person: only the pictures "
            "count."
        ),
        next_notebook="",
        applies=_clocks,
        harmless=True,
    ),
)
"""In order of evaluation."""
