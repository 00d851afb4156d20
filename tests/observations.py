"""Observations made by hand, for tests of the diagnosis that need no farm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from kit import incidents, runs, schema
from kit.configuration import Configuration, read
from kit.observation import OBSERVED, Observation
from tests.saved_site import Site

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
MY_SITE = "https://my.contoso.example"
STATES = (
    *("sharepoint", "sharepoint_connector_space", "pending_import", "metaverse", "ad_connector_space"),
    *("pending_export", "unconfirmed_export", "active_directory", "stopped_at"),
)
OVERLOOKED: dict[str, Any] = {
    "verdict": "stale",
    "traced": True,
    "joined": True,
    "sharepoint": "current",
    "sharepoint_connector_space": "old",
    "pending_import": "none",
    "ad_connector_space": "old",
    "pending_export": "none",
    "unconfirmed_export": "none",
    "active_directory": "old",
    "stopped_at": "sharepoint_connector_space",
    "full_import_since": True,
    "delta_import_since": False,
}
"""Somebody to whom all five pieces of evidence for the case apply, on a farm with a `configuration`."""

ARRIVED = OVERLOOKED | {"sharepoint_connector_space": "current", "stopped_at": "metaverse"}
"""Somebody whose new photo came into the SharePoint connector space and no further."""


def ago(days: float) -> datetime:
    """Return a time before the observation."""
    return NOW - timedelta(days=days)


def observe(*rows: dict[str, Any], **farm: Any) -> Observation:
    """Return an observation: one row per person, all else unknown; ``history`` takes rows of `run`.

    By default each person is in both systems, uploaded a picture five days ago, and the farm's clocks agree.
    """
    frames = {
        "history": pd.DataFrame(farm.pop("history", []), columns=list(runs.HISTORY)).astype(
            dict(runs.HISTORY)
        ),
        "steps": farm.pop("steps", runs.parse_run_details("<run-history/>")),
        "incidents": incidents.frame(farm.pop("incidents", [])),
    }
    known = {"my_site": MY_SITE, "now": NOW, "domains": frozenset({"contoso"})}
    return Observation(people(*rows), **frames, **(known | farm))


def people(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return the people of an observation, named ``p0``, ``p1`` ... unless they say otherwise."""
    return schema.conform(pd.DataFrame([_person(number, row) for number, row in enumerate(rows)]), OBSERVED)


def _person(number: int, row: dict[str, Any]) -> dict[str, Any]:
    name = row.get("account", f"contoso\\p{number}").rpartition("\\")[2]
    return {
        **dict.fromkeys(STATES, "unknown"),
        "person": f"guid-{number}",
        "account": f"contoso\\{name}",
        "profile_account": f"CONTOSO\\{name}",
        "distinguished_name": f"CN={name},DC=contoso,DC=example",
        "in_directory": True,
        "in_sharepoint": True,
        "verdict": "in_sync",
        "picture_url": f"{MY_SITE}/User%20Photos/Profile%20Pictures/{name}_MThumb.jpg",
        "picture_timestamp": ago(5),
        "directory_sha256": "aa",
        "sharepoint_sha256": "bb",
        **row,
    }


def run(
    agent: str, profile: str, days_ago: float, status: str = "success", number: int = 1
) -> dict[str, Any]:
    """Return one row of a run history."""
    begun = ago(days_ago)
    return {
        "agent": agent,
        "agent_guid": "{A}",
        "run_number": number,
        "run_profile": profile,
        "status": status,
        "started": begun,
        "ended": begun + timedelta(minutes=5),
    }


def configuration(folder: Path, **settings: Any) -> Configuration:
    """Return a configuration whose photos flow from SharePoint to Active Directory, but for some settings."""
    return read(Site(**settings).save(folder / "configuration"))
