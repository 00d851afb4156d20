"""Where people's pictures are, measured against where a farm's pictures usually are.

Nothing of a farm's addresses can be guessed: the My Site host is asked, and where it does not tell, the place
of most pictures that can be read is the usual one.
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd

from kit import addresses
from kit.cause import drifted
from kit.observation import Observation

LOCATIONS = {
    "form": "str",  # of kit.addresses.Place; empty: no address
    "relative": "bool",
    "at_home": "bool",  # on the My Site host, or where most pictures are, or relative
    "home_path": "bool",  # below the managed path of the one or the others
    "usual_folder": "bool",  # in the folder of most pictures
}
"""One row per person, on the index of the people."""

LOSSES = {
    "imported": "the address is that of an import, before there were thumbnails",
    "moved": "the address is on another host than the My Site host",
    "path": "the address is below another managed path",
    "incomplete": "other sizes of it are there",
    "removed": "the change log has the upload, and no size is there",
    "deleted": "no size is there",
}
"""Why there is no file at a picture's address, in the order in which they are asked for."""

LOG_REACHES = timedelta(days=14)
"""How far back SharePoint's change log goes by default, and with it a delta import (SharePoint 2016)."""


def locate(observation: Observation) -> pd.DataFrame:
    """Say of every picture's address what is usual about it.

    Parameters
    ----------
    observation : Observation

    Returns
    -------
    DataFrame
        Columns of `LOCATIONS`. Where neither the My Site host nor any readable picture tells what is usual,
        everything counts as usual.
    """
    people = observation.people
    places = observation.places
    readable = places[people["picture_kind"].eq("image") & places["form"].eq("thumbnail")]
    usual_folder = _most_frequent(readable["folder"])
    hosts = {_origin(observation.my_site), _most_frequent(readable["origin"])} - {""}
    paths = {_managed_path(usual_folder).casefold()} if usual_folder else set()
    if observation.my_site:
        paths.add(_path(observation.my_site).casefold())
    relative = places["form"].ne("") & places["origin"].eq("")
    return pd.DataFrame(
        {
            "form": places["form"].astype("str"),
            "relative": relative,
            "at_home": relative | places["origin"].isin(hosts) | (not hosts),
            "home_path": places["folder"].map(_managed_path).str.casefold().isin(paths) | (not paths),
            "usual_folder": places["folder"].str.casefold().eq(usual_folder.casefold()) | (not usual_folder),
        }
    ).astype(LOCATIONS)


def astray(observation: Observation) -> pd.Series:
    """Tell whose photo is not in order, of those in both systems: others have no photo to synchronize."""
    return drifted(observation) & observation.people["verdict"].ne("unmatched")


def losses(observation: Observation) -> pd.Series:
    """Say why there is no file at the address that a profile names, one reason each.

    Parameters
    ----------
    observation : Observation

    Returns
    -------
    Series of str
        A key of `LOSSES` on the people's index; empty where there is a file, no address, or no answer.
    """
    people, places = observation.people, locate(observation)
    conditions = {
        "imported": places["relative"] | places["form"].eq("imported"),
        "moved": ~places["at_home"],
        "path": ~places["home_path"],
        "incomplete": people["thumbnails"].str.contains("[SL]"),
        "removed": was_logged(observation),
        "deleted": pd.Series(data=True, index=people.index),
    }
    found = np.select([one.to_numpy(dtype=bool) for one in conditions.values()], list(conditions), "")
    gone = people["picture_kind"].eq("missing") & people["picture_url"].ne("")
    return pd.Series(found, index=people.index, dtype="str").where(gone, "")


def was_logged(observation: Observation) -> pd.Series:
    """Tell whose last picture is in the change log, or has to be where nobody's could be read."""
    logged = observation.people["change_logged_at"].notna()
    return logged if logged.any() else ~log_forgot(observation) & _dated(observation)


def log_forgot(observation: Observation) -> pd.Series:
    """Tell whose picture is older than what the change log holds, 14 days unless a farm sets it otherwise."""
    oldest = pd.Timestamp(observation.now) - LOG_REACHES
    return observation.people["picture_timestamp"].lt(oldest)


def _dated(observation: Observation) -> pd.Series:
    return observation.people["picture_timestamp"].notna()


def _origin(url: str) -> str:
    return addresses.place(url.rstrip("/") + "/any.jpg").origin if url else ""


def _path(url: str) -> str:
    return unquote(urlsplit(url).path).rstrip("/")


def _managed_path(folder: str) -> str:
    """Return what stands before the library and its folder.

    Examples
    --------
    >>> _managed_path("/my/User Photos/Profilbilder")
    '/my'
    """
    return folder.rsplit("/", 2)[0] if folder.count("/") > 1 else ""


def _most_frequent(texts: pd.Series) -> str:
    counts = texts.value_counts()
    return str(counts.index[0]) if len(counts) else ""
