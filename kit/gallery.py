"""Photos side by side, so that a person can judge what the numbers say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from kit.browser import Browser
from kit.pair import Pair, Trail
from kit.progress import has_buttons
from kit.sheet import AT_MOST, BLOCKS, pixelated, sheet, thumbnail
from kit.store import PhotoStore

__all__ = [
    "AT_MOST",
    "BLOCKS",
    "Pair",
    "Trail",
    "ordered",
    "pairs",
    "pixelated",
    "sheet",
    "show",
    "thumbnail",
    "with_outcome",
]


def pairs(
    people: pd.DataFrame,
    store: PhotoStore,
    trace: pd.DataFrame | None = None,
    diagnosed: pd.DataFrame | None = None,
) -> list[Pair]:
    """Pair what SharePoint and Active Directory show, one pair per person of a frame and in its order.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.PEOPLE`.
    store : PhotoStore
        Where their photos are.
    trace : DataFrame, optional
        Columns of `kit.schema.TRACE`: the photo that the connector space holds is shown between the two.
    diagnosed : DataFrame, optional
        ``person``, ``cause`` and ``certainty``, which are told with each pair.
    """
    trails = _trails(set(people["person"]), store, trace, diagnosed)
    captions = ("SharePoint", "AD") if trace is None else ("SharePoint now", "AD now")
    return [
        Pair(
            str(person.display_name or person.account),
            str(person.verdict),
            _number(person.distance),
            _number(person.correlation),
            _photo(store, person.sharepoint_sha256),
            _photo(store, person.directory_sha256),
            *captions,
            detail=str(person.detail),
            trail=trails.get(str(person.person), Trail()),
            account=str(person.account),
        )
        for person in people.itertuples()
    ]


def with_outcome(before: Sequence[Pair], after: Sequence[Pair]) -> list[Pair]:
    """Set what both show after the fix beside what Active Directory showed before it, person by person."""
    return [
        replace(
            one,
            left=now.left,
            left_caption="SharePoint now",
            right_caption="AD before",
            third=now.right,
            third_caption="AD now",
            verdict=now.verdict,
            distance=now.distance,
            correlation=now.correlation,
            detail=now.detail,
            trail=replace(one.trail, state=""),
        )
        for one, now in zip(before, after, strict=True)
    ]


def ordered(pairs: Sequence[Pair]) -> list[Pair]:
    """Put the uncertain first, for a person must look at them, then those without a cause, then one of each.

    People of one cause look alike: after them comes one person of every cause, the most frequent cause first,
    then the next of every cause.
    """
    of_cause = Counter(pair.trail.cause for pair in pairs)
    named = sorted(pairs, key=lambda pair: (pair.verdict != "uncertain", pair.verdict, pair.label.casefold()))
    turns: Counter[str] = Counter()
    keyed = []
    for pair in named:
        cause, uncertain = pair.trail.cause, pair.verdict == "uncertain"
        turn = 0 if uncertain or not cause else turns[cause]
        turns[cause] += not uncertain
        keyed.append(((not uncertain, bool(cause), turn, -of_cause[cause], cause), pair))
    return [pair for _, pair in sorted(keyed, key=lambda one: one[0])]


def show(pairs: Sequence[Pair], title: str, at_most: int = AT_MOST) -> Figure | Browser:
    """Show pairs, those first that need a person's eye.

    Parameters
    ----------
    pairs : Sequence[Pair]
    title : str
        What they are.
    at_most : int
        Pairs to show, or to show at once.

    Returns
    -------
    Figure or Browser
        Somebody who runs the notebook in JupyterLab, with ipywidgets installed, can browse; else one sheet.
    """
    if at_most and pairs and has_buttons():
        return Browser(ordered(pairs), title, at_most)
    return sheet(ordered(pairs), title, at_most=at_most)


def _trails(
    people: set[str], store: PhotoStore, trace: pd.DataFrame | None, diagnosed: pd.DataFrame | None
) -> dict[str, Trail]:
    """Lay out where each one's photo stopped, and why, as far as it is known."""
    hop = "sharepoint_connector_space"
    found = pd.DataFrame({"person": sorted(people)}, dtype="str")
    for frame, columns in (
        (trace, [hop, f"{hop}_sha256", "stopped_at"]),
        (diagnosed, ["cause", "certainty"]),
    ):
        if frame is None:
            found = found.assign(**dict.fromkeys(columns, ""))
        else:
            found = found.merge(frame[["person", *columns]], on="person", how="left")
    if trace is not None:
        found[hop] = found[hop].fillna("unknown")
    return {
        row["person"]: Trail(
            _photo(store, row[f"{hop}_sha256"]), row[hop], row["stopped_at"], row["cause"], row["certainty"]
        )
        for row in found.fillna("").to_dict("records")
    }


def _photo(store: PhotoStore, sha256: object) -> bytes | None:
    return store.get(str(sha256)) if sha256 else None


def _number(value: object) -> float | None:
    return None if pd.isna(value) else float(value)  # type: ignore[arg-type, call-overload] # a number or NA
