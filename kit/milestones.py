"""When what bears on a photo happened: in SharePoint, in the runs of both agents, in the directory."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from kit.changes import Change
from kit.runs import ATTENTION, OK, WARNING, classify, parse_run_details, tabulate
from kit.schema import TIME
from kit.settings import RunProfiles

_PICTURE = frozenset({"pictureurl", "sps-picturetimestamp", "sps-pictureplaceholderstate"})
"""The profile properties that an upload changes, in lower case."""
_ENDED_WELL = (OK, WARNING, ATTENTION)
_NONE = parse_run_details("<run-history/>").join(tabulate([])[["status"]])
"""No runs and no steps."""


_PROFILES = RunProfiles()


def of(
    people: pd.DataFrame,
    *,
    directory_agent: str,
    sharepoint_agent: str,
    history: pd.DataFrame | None = None,
    steps: pd.DataFrame | None = None,
    run_profiles: RunProfiles = _PROFILES,
    changes: Iterable[Change] = (),
    written: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the time columns of `kit.schema.TRACE` for some people.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.PEOPLE`.
    directory_agent, sharepoint_agent : str
    history : DataFrame or None
        Columns of `kit.runs.HISTORY`, both agents.
    steps : DataFrame or None
        As `kit.runs.parse_run_details` returns them: of these runs the steps count, of others the profile.
    run_profiles : RunProfiles
        What the run profiles are called, in any case.
    changes : iterable of Change
    written : DataFrame or None
        Columns of `kit.replication.CHANGES`.

    Returns
    -------
    DataFrame
        On the index of ``people``.
    """
    full = _starts(history, steps, sharepoint_agent, "full import", run_profiles.full_import)
    delta = _starts(history, steps, sharepoint_agent, "delta import", run_profiles.delta_import)
    exports = _starts(history, steps, directory_agent, "export", run_profiles.export)
    logged = _logged(changes)
    stamps = {} if written is None else written.set_index("person")["changed_at"].to_dict()
    beginning = _runs(history, sharepoint_agent)["started"].min()
    uploaded = people["picture_timestamp"]
    columns = {
        "change_logged_at": [logged.get(account) for account in people["account"]],
        "full_import_at": full.max(),
        "delta_import_at": delta.max(),
        "directory_changed_at": [stamps.get(person) for person in people["person"]],
        "exported_at": exports.max(),
    }
    times = {name: pd.Series(times, people.index, TIME) for name, times in columns.items()}
    return pd.DataFrame(times).assign(
        full_import_since=_since(uploaded, full, beginning),
        delta_import_since=_since(uploaded, delta, beginning),
    )


def _starts(
    history: pd.DataFrame | None, steps: pd.DataFrame | None, agent: str, kind: str, profile: str
) -> pd.Series[pd.Timestamp]:
    """Return when an agent's runs of a kind began that reached their end."""
    runs, detailed = _runs(history, agent), _runs(steps, agent)
    named = runs["run_profile"].str.casefold() == profile.casefold()
    read = {"completed-discovery-errors"} if kind.endswith("import") else set()  # everybody else was read
    by_name = runs[named & ~runs["run_number"].isin(detailed["run_number"]) & _well(runs["status"], read)]
    by_step = detailed[detailed["step_type"].str.startswith(kind) & _well(detailed["result"], read)]
    return pd.concat([by_name["started"], by_step["started"]], ignore_index=True).dropna()


def _runs(frame: pd.DataFrame | None, agent: str) -> pd.DataFrame:
    """Return one agent's rows of a history or of steps; with all columns, also where there is none."""
    if frame is None:
        return _NONE
    return frame[frame["agent"].str.casefold() == agent.casefold()]


def _well(statuses: pd.Series[str], also: set[str]) -> pd.Series[bool]:
    return statuses.map(classify).isin(_ENDED_WELL) | statuses.isin(also)


def _since(
    uploaded: pd.Series[pd.Timestamp], starts: pd.Series[pd.Timestamp], beginning: pd.Timestamp
) -> pd.Series[bool]:
    """Tell whether a run began after each upload; null where the history does not reach back to it."""
    began = uploaded < starts.max()
    return began.astype("boolean").mask(~began & ~(uploaded >= beginning))


def _logged(changes: Iterable[Change]) -> dict[str, pd.Timestamp]:
    """Return by account when its picture was last logged as changed."""
    last: dict[str, pd.Timestamp] = {}
    for change in changes:
        if change.time and change.property_name.lower() in _PICTURE:
            time = pd.Timestamp(change.time)
            last[change.account] = max(time, last.get(change.account, time))
    return last
