"""Every chart and sheet at the sizes that a farm can have: few people and many, short names and long."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kit import charts, schema
from kit.gallery import Pair, Trail, sheet
from kit.lab.portraits import login_page, portrait, reencode

NOW = pd.Timestamp("2026-11-22 14:00", tz="UTC")
LONG = "Rinderkennzeichnungsfleischetikettierungsueberwachungsaufgaben"
"""One word of 60 letters, as German departments are called."""
CAUSES = [
    "thumbnails_fail_for_claims_account",
    "my_site_zone_without_windows_sign_in",
    "overlooked_by_full_import",
    *(f"one_more_of_the_causes_number_{number}" for number in range(17)),
]


def population(size: int) -> pd.DataFrame:
    """Return people with verdicts, causes and hops, and names of all lengths."""
    random = np.random.default_rng(size)
    verdicts = random.choice(list(schema.VERDICTS), size, p=[0.8, 0.1, *[0.0125] * 8])
    stale = verdicts == "stale"
    compared = np.isin(verdicts, ["in_sync", "stale", "uncertain"])
    core = np.where(stale, random.uniform(-0.2, 0.7, size), random.uniform(0.85, 1, size))
    likeness = core - random.uniform(0, 0.2, size)
    departments = [f"{LONG[: 60 - number]} {number}" for number in range(0, 28, 2)]
    units = [f"OU={name},OU=Staff of the $ and the $,DC=contoso,DC=example" for name in departments]
    drawn = random.integers(0, len(departments), size)
    return pd.DataFrame(
        {
            "department": np.array(departments)[drawn],
            "distinguished_name": np.array(units)[drawn],
            "verdict": verdicts,
            "core_likeness": np.where(compared, core, np.nan),
            "likeness": np.where(compared, likeness, np.nan),
            "picture_timestamp": NOW - pd.to_timedelta(random.uniform(-1, 500, size), unit="D"),
            "traced": random.uniform(size=size) < 0.9,
            "stopped_at": random.choice([*schema.HOPS, "unknown", ""], size),
            "cause": np.where(random.uniform(size=size) < 0.9, random.choice(CAUSES, size), ""),
            "certainty": random.choice(["confirmed", "probable", "suspected"], size),
        }
    )


def one_of_everything(size: int) -> pd.DataFrame:
    """Return people whose photos are all stale, stopped at one hop, for one reason, in one department."""
    return population(size).assign(
        verdict="stale", stopped_at="sharepoint_connector_space", cause=CAUSES[2], certainty="confirmed"
    )


def findings(people: pd.DataFrame) -> pd.DataFrame:
    """Return what a diagnosis found out: one row per cause."""
    names = sorted(set(people["cause"]) - {""})
    return pd.DataFrame({"cause": pd.Series(names, dtype="str"), "harmless": False, "checked": True})


def fix(steps: int, seconds: float) -> pd.DataFrame:
    """Return the steps of a fix, every fourth of them a gate."""
    rows = [
        {
            "agent": "" if number % 4 == 0 else "SharePoint MA",
            "run_profile": f"FULL IMPORT {number}",
            "started": NOW + pd.Timedelta(seconds=number * seconds),
            "ended": NOW + pd.Timedelta(seconds=(number + 0.8) * seconds),
            "status": "" if number % 4 == 0 else "completed-export-errors",
            "counts": f"{number * 1000:,} adds, {number * 100:,} updates, 3 errors",
        }
        for number in range(steps)
    ]
    return pd.DataFrame(rows)


def past(runs: int, days: float) -> pd.DataFrame:
    """Return the history of both agents, one that has a long name among them."""
    agents = ["ADMA", f"SharePoint MA of the {LONG}"]
    profiles = ["FULLIMPORT", "DELTAIMPORT", "FULLSYNC", "DELTASYNC", "EXPORT"]
    statuses = ["success", "completed-export-errors", "stopped-server", "in-progress"]
    return pd.DataFrame(
        {
            "agent": [agents[number % 2] for number in range(runs)],
            "run_profile": [profiles[number % 5] for number in range(runs)],
            "status": [statuses[number * number % 4] for number in range(runs)],
            "started": [NOW - pd.Timedelta(days=days * number / max(runs, 1)) for number in range(runs)],
        }
    ).astype({"started": schema.TIME})


@cache
def photo(seed: int, size: int) -> bytes:
    """Return a portrait of somebody."""
    return reencode(portrait(seed), size)


def pairs(number: int) -> list[Pair]:
    """Return pairs whose photos differ in size, are missing or are no photos, and names of all lengths."""
    lefts = [photo(0, 300), photo(1, 72), login_page(), None]
    middles = [(photo(2, 72), "old"), (None, "absent"), (None, "unknown"), (photo(1, 72), "current")]
    rights = [photo(2, 96), photo(3, 48), None, b"\xff\xd8\xff"]
    names = ["Ann Lee", "W" * 80, "Dr. Anna-Sophie von und zu Müller-Lüdenscheidt (Extern, $ und $)", "Bo"]
    detail = "proportions differ (1.00 against 0.75), one may be cropped; first: JPEG; second: JPEG"
    return [
        Pair(
            names[row % 4],
            "uncertain" if row % 4 else "stale",
            None if row % 4 == 3 else 104,
            0.31,
            lefts[row % 4],
            rights[row % 4],
            "SharePoint now",
            "AD now",
            detail=detail if row % 2 else "",
            trail=Trail(*middles[row % 4], "sharepoint_connector_space", CAUSES[row % 3], "suspected"),
        )
        for row in range(number)
    ]


def counted(size: int) -> dict[str, int]:
    """Return people per verdict."""
    return {str(name): int(number) for name, number in population(size)["verdict"].value_counts().items()}


EXPORTS = {"expected_updates": 36, "re_encoded_only": 4812, "unexpected_people": 0, "deletes": 1}
POPULATIONS = {
    "5": lambda: population(5),
    "5,000": lambda: population(5000),
    "nobody": lambda: population(0),
}
OF_PEOPLE: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "agreement": charts.agreement,
    "departments": charts.departments,
    "units": lambda people: charts.departments(people, by="organizational_unit"),
    "funnel": charts.funnel,
    "causes": lambda people: charts.causes(findings(people), people),
    "ages": lambda people: charts.ages(people, NOW),
    "history": lambda people: charts.history(past(len(people) % 977, 200), people),
}
FIGURES: dict[str, Callable[[], Figure]] = {
    **{
        f"{chart} of {name}": lambda draw=draw, make=make: draw(make())
        for chart, draw in OF_PEOPLE.items()
        for name, make in POPULATIONS.items()
    },
    **{
        f"{chart} of 5,000 with one reason": lambda chart=chart: OF_PEOPLE[chart](one_of_everything(5000))
        for chart in ("departments", "funnel", "causes")
    },
    "verdicts of 5": lambda: charts.verdicts(counted(5), counted(5)),
    "verdicts of 5,000": lambda: charts.verdicts(counted(5000), counted(4999)),
    "verdicts, all but one in sync": lambda: charts.verdicts(
        {"in_sync": 4999, "stale": 1}, {"in_sync": 5000}
    ),
    "verdicts of nobody": lambda: charts.verdicts({}),
    "exports": lambda: charts.exports(EXPORTS, 40),
    "timeline of seconds": lambda: charts.timeline(fix(10, 0.4)),
    "timeline of hours": lambda: charts.timeline(fix(10, 4000)),
    "timeline of nothing": lambda: charts.timeline(fix(0, 1)),
    "sheet of 5": lambda: sheet(pairs(5), "Photos that differ"),
    "sheet of 12 of 5,000": lambda: sheet(pairs(5000), "Photos that differ"),
    "sheet of nobody": lambda: sheet([], "Photos that differ"),
    "sheet, one in a row": lambda: sheet(pairs(2), "Photos that differ", per_row=1),
}
"""How to draw each, by what it is."""
