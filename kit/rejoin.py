"""Whether the emptied connector space filled again as it should, read from the counters of two runs."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from kit.errors import RunError
from kit.plan import Step
from kit.runs import parse_outbound_flows, parse_run_details

LEAST_SHARE = 0.95
"""Share of the objects before that must be back; people come and go while the fix runs."""
_FOUND = ("stage_add", "stage_delete_add", "stage_update", "stage_rename", "stage_no_change")


def require_rejoined(step: Step, details: str, baseline: Mapping[str, int]) -> None:
    """Stop the fix where the SharePoint agent's full import or full sync did not restore what was there.

    Parameters
    ----------
    step : Step
        ``sharepoint full_import`` or ``sharepoint full_sync``.
    details : str
        RunDetails XML of its run.
    baseline : Mapping[str, int]
        Objects per agent before the connector space was deleted.

    Raises
    ------
    RunError
        Objects are missing; metaverse objects were removed; objects were provisioned into the connector space
        as if the people were new.
    """
    counters = parse_run_details(details).select_dtypes("number").sum()
    if step.name == "sharepoint full_import":
        # An import that was stopped and begun again finds what the first one staged unchanged.
        _require_found(step, int(counters[list(_FOUND)].sum()), baseline.get(step.agent, 0))
        return
    removed = int(counters[[name for name in counters.index if name.endswith("remove_mv")]].sum())
    if removed:
        what = f"the full sync of '{step.agent}' removed {removed} metaverse objects"
        raise _refusal(what, "a deletion rule or a filter acts on the SharePoint agent")
    provisioned = _provisioned(parse_outbound_flows(details), step.agent)
    if provisioned:
        what = f"the full sync provisioned {provisioned} new objects into '{step.agent}'"
        raise _refusal(what, "provisioning is on, so that people would get a second profile")


def _require_found(step: Step, found: int, before: int) -> None:
    if found < before * LEAST_SHARE:
        what = f"the full import of '{step.agent}' found {found} objects, {before} were there before"
        raise _refusal(what, "SharePoint did not return all profiles")


def _provisioned(flows: pd.DataFrame, agent: str) -> int:
    to_agent = flows[flows["target"] == agent]
    names = [name for name in flows.columns if name.startswith("provisioned_add")]
    return int(to_agent[names].fillna(0).sum().sum())


def _refusal(what: str, cause: str) -> RunError:
    return RunError(what, cause, "export nothing; look at the run in miisclient, mend the cause, run again")
