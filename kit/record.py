"""What the journal of the fix tells, as frames for charts and sentences for people."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kit import exports, plan
from kit.folder import CaseFolder
from kit.journal import Journal


def pending_exports(folder: CaseFolder) -> dict[str, int]:
    """Return what waited to be exported, by kind, as it was read before the export; zeros if it was not."""
    events = [event for event in Journal(folder.journal).events() if event.get("name") == plan.PENDING]
    read = [event["pending_exports"] for event in events if "pending_exports" in event]
    return dict(read[-1]) if read else dict.fromkeys(exports.SUMMARY.values(), 0)


def timeline(folder: CaseFolder) -> pd.DataFrame:
    """Return the steps of the fix with their times.

    Returns
    -------
    DataFrame
        ``agent``, ``run_profile``, ``started``, ``ended`` (UTC), ``status``, ``counts`` and ``kind``; a gate
        has no agent and its name as ``run_profile``. Times are of the kit's machine.
    """
    begun: dict[int, dict[str, Any]] = {}
    for event in Journal(folder.journal).events():
        new = {"started": event["time"], "kind": event.get("kind", ""), "status": "", "counts": ""}
        row = begun.setdefault(event["step"], new)
        gate = row["kind"] == "gate"
        row["agent"] = "" if gate else event.get("agent", "")
        row["run_profile"] = event.get("profile") or event.get("name") or event.get("gate", "")
        if event["event"] == "outcome":
            status = event.get("status", event.get("result", ""))
            row |= {"ended": event["time"], "status": status, "counts": event.get("detail", "")}
    columns = ["agent", "run_profile", "started", "ended", "status", "counts", "kind"]
    rows = [row for row in begun.values() if row["kind"] in {"run", "gate"}]
    frame = pd.DataFrame(rows).reindex(columns=columns)
    times = {name: pd.to_datetime(frame[name], utc=True, format="ISO8601") for name in ("started", "ended")}
    return frame.assign(**times)


def conclusion(steps: pd.DataFrame, *, apply: bool) -> str:
    """Say in one sentence how the fix stands."""
    done = int((steps["result"] == "ok").sum())
    if done == len(steps):
        return f"All {done} steps of the fix ended well."
    if not apply and not done:
        return (
            f"Nothing was changed: this is the plan of {len(steps)} steps, to be carried out with apply True."
        )
    waiting = steps[steps["result"] != "ok"].iloc[0]
    return f"{done} of {len(steps)} steps are done; step {waiting['step']} ({waiting['name']}) is next."
