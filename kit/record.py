"""What the journal of the fix tells, as frames for charts and sentences for people."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from kit import exports, plan, remedy, schema, sequence
from kit.expectation import READ
from kit.folder import CaseFolder
from kit.gallery import Pair
from kit.journal import Journal
from kit.store import PhotoStore

GATES = ("gate", "confirm")
"""Kinds of steps at which a person acts."""
UNCONFIRMED, OTHERWISE = "not confirmed by an import", "imported otherwise than exported"


def pending_table(folder: CaseFolder, limit: int) -> pd.DataFrame:
    """Lay out what waited to be exported, by kind, with what is allowed of each.

    Parameters
    ----------
    folder : CaseFolder
    limit : int
        Most photos that one export may change.

    Returns
    -------
    DataFrame
        One row per kind of pending export: ``people``, ``percent`` of those with a photo in the directory,
        and the number that is ``allowed``.
    """
    counts = pending_exports(folder)
    with_photo = int((folder.people("before")["directory_sha256"] != "").sum())
    goes_out = {exports.SUMMARY[kind] for kind in exports.ALLOWED}
    frame = pd.DataFrame({"people": pd.Series(counts, dtype="int64")})
    frame["percent"] = (100 * frame["people"] / max(with_photo, 1)).round(1)
    frame["allowed"] = [limit if name in goes_out else 0 for name in frame.index]
    return frame.rename_axis("pending export")


def pending_exports(folder: CaseFolder) -> dict[str, int]:
    """Return what waited to be exported, by kind, as it was read before the export; zeros if it was not."""
    events = [event for event in Journal(folder.journal).events() if event.get("name") == plan.PENDING]
    read = [event["pending_exports"] for event in events if "pending_exports" in event]
    return dict(read[-1]) if read else dict.fromkeys(exports.SUMMARY.values(), 0)


def confirmation(folder: CaseFolder) -> pd.DataFrame:
    """Return what became of the exports, as the run details and the directory itself tell it.

    Returns
    -------
    DataFrame
        One row per ``outcome`` with its number of ``people``; no rows before the export was looked at.
    """
    told = {event["name"]: event for event in Journal(folder.journal).outcomes().values()}
    rows: dict[str, int] = {}
    if sequence.EXPORTED in told:
        rows["written"] = told[sequence.EXPORTED]["exported"]
        rows |= {f"not written, {kind}": number for kind, number in told[sequence.EXPORTED]["errors"].items()}
    if sequence.CONFIRMED in told:
        rows[UNCONFIRMED] = len(told[sequence.CONFIRMED]["unconfirmed"])
        rows[OTHERWISE] = len(told[sequence.CONFIRMED]["not_reimported"])
    frame = pd.DataFrame({"outcome": list(rows), "people": list(rows.values())})
    return frame.astype({"outcome": "str", "people": "int64"})


def replacements(folder: CaseFolder, size: int) -> list[Pair]:
    """Set photos that wait to be exported beside those that they replace.

    Parameters
    ----------
    folder : CaseFolder
    size : int
        People to show at most, drawn by lot, the same ones each time.

    Returns
    -------
    list of Pair
        None where nothing was read yet, or nothing waits.
    """
    path = folder.path / READ
    if not path.is_file():
        return []
    waiting = schema.conform(pd.read_parquet(path), schema.EXPORTS)
    waiting = waiting[waiting["sha256"] != ""]
    drawn = waiting.sample(min(size, len(waiting)), random_state=0).sort_values("account")
    people = folder.people("before").set_index("account")
    with folder.store("before") as before, folder.store("after") as after:
        return [_pair(one, people.loc[one["account"]], before, after) for one in drawn.to_dict("records")]


def _pair(waiting: Mapping[Hashable, Any], person: pd.Series, before: PhotoStore, after: PhotoStore) -> Pair:
    wanted, held = str(waiting["sha256"]), str(person["directory_sha256"])
    return Pair(
        label=str(person["display_name"] or waiting["account"]),
        verdict=str(waiting["class"]).replace("_", " "),
        distance=_number(person["distance"]),
        correlation=_number(person["correlation"]),
        left=after.get(wanted) if after.verify(wanted) else None,
        right=before.get(held) if held else None,
        left_caption="will be written",
        right_caption="AD now",
    )


def _number(value: Any) -> float | None:  # noqa: ANN401 - a number or NA
    return None if pd.isna(value) else float(value)


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
        gate = row["kind"] in GATES
        row["agent"] = "" if gate else event.get("agent", "")
        row["run_profile"] = event.get("profile") or event.get("name") or event.get("gate", "")
        if event["event"] == "outcome":
            status = event.get("status", event.get("result", ""))
            row |= {"ended": event["time"], "status": status, "counts": event.get("detail", "")}
    columns = ["agent", "run_profile", "started", "ended", "status", "counts", "kind"]
    rows = [
        row | {"kind": "gate" if row["kind"] in GATES else row["kind"]}
        for row in begun.values()
        if row["kind"] in {"run", *GATES}
    ]
    frame = pd.DataFrame(rows).reindex(columns=columns)
    times = {name: pd.to_datetime(frame[name], utc=True, format="ISO8601") for name in ("started", "ended")}
    return frame.assign(**times)


def conclusion(steps: pd.DataFrame, *, apply: bool) -> str:
    """Say in one sentence how the fix stands."""
    if steps.empty:
        return f"Nothing was changed: {remedy.REFUSED}. The findings above name the cause and its own fix."
    done = int((steps["result"] == "ok").sum())
    if done == len(steps):
        return f"All {done} steps of the fix ended well."
    if not apply and not done:
        return (
            f"Nothing was changed: this is the plan of {len(steps)} steps, to be carried out with apply True."
        )
    waiting = steps[steps["result"] != "ok"].iloc[0]
    return f"{done} of {len(steps)} steps are done; step {waiting['step']} ({waiting['name']}) is next."
