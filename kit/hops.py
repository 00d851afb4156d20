"""What each hop of a photo holds, measured against the picture that SharePoint shows now."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from kit.errors import OutputError
from kit.flow import PICTURE, THUMBNAIL, PhotoFlow
from kit.holdings import Digest, Holding, Trail
from kit.photos import Fingerprint, compare_fingerprints, fingerprint
from kit.schema import HOPS
from kit.store import PhotoStore

logger = logging.getLogger(__name__)

LAYERS = {
    "sharepoint": ("sharepoint",),
    "sharepoint_connector_space": ("sharepoint_connector_space", "pending_import"),
    "metaverse": ("metaverse",),
    "ad_connector_space": ("ad_connector_space", "pending_export", "unconfirmed_export"),
    "active_directory": ("active_directory",),
}
"""The columns of `kit.schema.TRACE` of which one is enough for a hop to hold the picture."""

_STATES = {
    **dict.fromkeys(("same_bytes", "same_pixels", "same_picture"), "current"),
    "different": "old",
    "uncertain": "uncertain",
}
"""Verdict of comparing two images to the state of the hop that holds one of them."""
_FINGERPRINTS = 1024
_PAIRS = 65_536


class Comparisons:
    """Compares stored pictures with the ones that SharePoint shows; every pair once, as far as memory goes.

    Parameters
    ----------
    store : PhotoStore
        With all the pictures.
    people : DataFrame or None
        Columns of `kit.schema.PEOPLE`: what has been compared there is not compared again.
    """

    def __init__(self, store: PhotoStore, people: pd.DataFrame | None = None) -> None:
        self._store = store
        self._known = {} if people is None else _compared(people)
        self._fingerprint: Callable[[str], Fingerprint | None] = lru_cache(_FINGERPRINTS)(self._decode)
        self.state: Callable[[Digest, str], str] = lru_cache(_PAIRS)(self._state)

    def kind(self, sha256: str) -> str:
        """Return ``image``, ``placeholder`` or ``unreadable``; empty for a picture that cannot be had."""
        if (sha256, sha256) in self._known:
            return "image"
        found = self._fingerprint(sha256)
        return found.kind if found else ""

    def _state(self, held: Digest, shown: str) -> str:
        """Return the key of `HOP_STATES` for a picture held against the one shown; no picture is empty."""
        if not held:
            return "unknown" if held is None else "none"
        return self._known.get((held, shown)) or self._measured(held, shown)

    def _measured(self, held: str, shown: str) -> str:
        """Compare two pictures; two stand-ins are taken for the same, neither shows the person."""
        first, second = self._fingerprint(held), self._fingerprint(shown) if shown else None
        if first is None or (shown and second is None):
            return "unknown"
        if first.kind == "unreadable":
            return "unreadable"
        if second is None or second.kind == "unreadable":
            return "old"
        if "placeholder" in (first.kind, second.kind):
            return "current" if first.kind == second.kind else "old"
        return _STATES[compare_fingerprints(second, first).verdict]

    def _decode(self, sha256: str) -> Fingerprint | None:
        try:
            return fingerprint(self._store.get(sha256))
        except OutputError as error:
            logger.warning("a picture cannot be compared: %s", error)
            return None


def _compared(people: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return the states that are known: of what was compared, and of every image against itself."""
    compared = people[people["comparison"].isin(list(_STATES))]
    pairs = zip(compared["directory_sha256"], compared["sharepoint_sha256"], strict=True)
    known = dict(zip(pairs, compared["comparison"].map(_STATES), strict=True))
    images = {*compared["sharepoint_sha256"]}
    images |= {*people.loc[people["verdict"].eq("missing_in_ad"), "sharepoint_sha256"]}
    return known | {(sha256, sha256): "current" for sha256 in images}


def states(
    row: Mapping[Any, Any], trail: Trail, comparisons: Comparisons, flow: PhotoFlow | None
) -> dict[str, str]:
    """Tell what every hop of one person holds.

    Parameters
    ----------
    row : Mapping
        One person of a frame with the columns of `kit.schema.PEOPLE`.
    trail : Trail
        The person's objects.
    comparisons : Comparisons
    flow : PhotoFlow or None
        The configuration, to infer the metaverse's value with.

    Returns
    -------
    dict of str to str
        The columns of `LAYERS` to keys of `kit.schema.HOP_STATES`.
    """
    sharepoint = shown(row, comparisons)

    def state(digest: Digest) -> str:
        if sharepoint == "unknown" and digest:
            return "unknown"
        return comparisons.state(digest, row["sharepoint_sha256"])

    def layer(holding: Holding | None, name: str, missing: str = "none") -> str:
        return state(getattr(holding, name)) if holding else missing

    found = {
        "sharepoint": sharepoint,
        "sharepoint_connector_space": layer(trail.sharepoint, "hologram", "absent"),
        "pending_import": layer(trail.sharepoint, "pending_import"),
        "ad_connector_space": layer(trail.directory, "hologram", "absent"),
        "pending_export": layer(trail.directory, "pending_export"),
        "unconfirmed_export": layer(trail.directory, "unconfirmed_export"),
        "active_directory": _in_directory(row, state),
    }
    return found | {"metaverse": _metaverse(found, trail, flow)}


def shown(row: Mapping[Any, Any], comparisons: Comparisons) -> str:
    """Tell whether SharePoint shows a picture at all."""
    if row["sharepoint_sha256"]:
        kinds = {"": "unknown", "unreadable": "unreadable"}
        return kinds.get(comparisons.kind(row["sharepoint_sha256"]), "current")
    if not row["in_sharepoint"]:
        return "unknown" if row["partial"] else "absent"
    return "unknown" if row["error_kind"] else "none"


def _in_directory(row: Mapping[Any, Any], state: Callable[[Digest], str]) -> str:
    if not row["in_directory"]:
        return "unknown" if row["partial"] else "absent"
    if not row["directory_sha256"] and row["error_kind"]:
        return "unknown"  # which of the two systems failed is not told
    return state(row["directory_sha256"])


def _metaverse(found: Mapping[str, str], trail: Trail, flow: PhotoFlow | None) -> str:
    """Infer what the metaverse holds; no interface of MIM shows it.

    Without a join it holds nothing of SharePoint's; of somebody without an object on the directory's side,
    the link of the SharePoint object is the join. What waits for the directory, be it a removal, or was
    just exported there, came out of it. Else it is the picture of the connector that the configuration's
    import flows let win; of the SharePoint agent only what was synchronized, not what is pending. Without a
    configuration the SharePoint agent is taken for the only source: what it never brought cannot be there,
    and what it brought is there for certain only if it arrived on the other side.
    """
    alone = trail.sharepoint is not None and bool(trail.sharepoint.group)
    if not (trail.joined if trail.directory else alone):
        return "absent"
    if trail.directory and trail.directory.removal:
        return "none"
    for layer in ("pending_export", "unconfirmed_export"):
        if found[layer] != "none":
            return found[layer]
    sharepoint, directory = found["sharepoint_connector_space"], found["ad_connector_space"]
    if flow is None:
        return "unknown" if sharepoint == "current" != directory else sharepoint
    sources = {(flow.sharepoint.guid, PICTURE): sharepoint, (flow.directory.guid, THUMBNAIL): directory}
    provided = [sources.get((one.agent, "".join(one.sources)), "unknown") for one in flow.providers]
    there = [state for state in provided if state not in {"none", "absent"}]
    ranked = all(one.precedence == "ranked" and not one.scripted for one in flow.providers)
    if ranked or len(set(there)) < 2:
        return there[0] if there else "none"
    return "unknown"


def stopped_at(found: Mapping[str, str]) -> str:
    """Name the first hop that does not hold the picture that SharePoint shows.

    Parameters
    ----------
    found : Mapping[str, str]
        Of `states`.

    Returns
    -------
    str
        A key of `kit.schema.HOPS`; ``unknown`` where a hop before it may or may not hold the picture; empty
        where all hops hold it.

    Examples
    --------
    >>> every = {column: "current" for columns in LAYERS.values() for column in columns}
    >>> stopped_at(every), stopped_at(every | {"sharepoint_connector_space": "old", "pending_import": "none"})
    ('', 'sharepoint_connector_space')
    """
    for hop in HOPS:
        layers: Sequence[str] = [found[column] for column in LAYERS[hop]]
        if "current" in layers:
            continue
        return "unknown" if {"unknown", "uncertain"} & set(layers) else hop
    return ""
