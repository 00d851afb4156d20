"""How long photos have been stale: since their upload in SharePoint."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
from matplotlib.figure import Figure

from kit.figure import QUIET, VERMILION, Chart, bars, count_axis, plain

BUCKETS = {
    "less than 1 day": 0,
    "1 to 6 days": 1,
    "7 to 13 days": 7,
    "14 to 29 days": 14,
    "30 to 89 days": 30,
    "90 to 364 days": 90,
    "365 days or more": 365,
}
"""Ages, and the fewest days of each; SharePoint's change log reaches back 14 days by default."""
AHEAD, NOT_KNOWN = "upload lies ahead of now", "upload time not known"
SINCE_WHEN_NOT_KNOWN = ("#aeb6bf", "..")


def ages(people: pd.DataFrame, now: datetime) -> Figure:
    """Draw for how long the stale people's photos have been stale, in days since the upload.

    Parameters
    ----------
    people : DataFrame
        ``verdict`` and ``picture_timestamp`` (UTC; null where SharePoint does not say) are used.
    now : datetime
        With time zone: the moment of the measurement.

    Returns
    -------
    Figure
    """
    stale = people.loc[people["verdict"] == "stale", "picture_timestamp"]
    days = (pd.Timestamp(now) - pd.to_datetime(stale, utc=True)).dt.total_seconds() / 86_400
    counts = _counts(days)
    figure = Chart(height=1.6 + 0.42 * len(counts))
    axis = plain(figure.add_subplot())
    numbers = list(counts.values())
    bars(axis, list(counts), numbers, [f"{number:,}" for number in numbers], kind=(VERMILION, "//"))
    for name, bar in zip(counts, axis.patches, strict=True):
        if name not in BUCKETS:
            bar.set(facecolor=SINCE_WHEN_NOT_KNOWN[0], hatch=SINCE_WHEN_NOT_KNOWN[1], edgecolor=QUIET)
    count_axis(axis, max(numbers), "stale people, by days since the upload in SharePoint")
    told = "; ".join(f"{name}: {number:,}" for name, number in counts.items())
    figure.tell(_title(days, len(people)), f"Stale people by days since the upload. {told}.")
    return figure


def _counts(days: pd.Series) -> dict[str, int]:
    """Count people per bucket; uploads that lie ahead or are not known only where there are any."""
    edges = [*BUCKETS.values(), float("inf")]
    found = pd.cut(days, edges, right=False, labels=list(BUCKETS)).value_counts()
    apart = {AHEAD: int((days < 0).sum()), NOT_KNOWN: int(days.isna().sum())}
    return {name: int(found[name]) for name in BUCKETS} | {k: v for k, v in apart.items() if v}


def _title(days: pd.Series, people: int) -> str:
    known = days[days >= 0]
    if days.empty:
        return f"Nobody's photo is stale; n = {people:,}"
    noun = "person" if len(days) == 1 else "people"
    if known.empty:
        return f"{len(days):,} stale {noun}; since when is not known; n = {people:,}"
    half = "for" if len(known) == 1 else "half of them for at least"
    unit = "day" if int(known.median()) == 1 else "days"
    return f"{len(days):,} stale {noun}, {half} {int(known.median()):,} {unit}; n = {people:,}"
