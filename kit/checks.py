"""What a case is judged by: checks over the photos before and after, and over the steps of the fix."""

from __future__ import annotations

import pandas as pd

from kit import plan

COLUMNS = {"check": "str", "result": "str", "detail": "str"}


def of_photos(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Check that the fix changed the photos it should, and no others.

    Parameters
    ----------
    before, after : DataFrame
        Columns of `kit.schema.PEOPLE`.

    Returns
    -------
    DataFrame
        Text columns ``check``, ``result`` (``ok`` or ``failed``) and ``detail``.
    """
    both = before.merge(after, on="person", suffixes=("", "_now"))
    had, now = both["directory_sha256"], both["directory_sha256_now"]
    planned = both["person"].isin(plan.changes(before)["person"])
    in_sync = (both["verdict"] == "in_sync") & ~planned
    others = ~planned & ~in_sync
    return _frame(
        _check(
            "everybody in sync before has the same bytes in Active Directory", both[in_sync & (had != now)]
        ),
        _check("nobody outside the plan has another photo in Active Directory", both[others & (had != now)]),
        _check("nobody has lost a photo in Active Directory", both[(had != "") & (now == "")]),
        _check("nobody is stale", both[both["verdict_now"] == "stale"]),
        _check(
            "everybody measured before was measured again", before[~before["person"].isin(after["person"])]
        ),
    )


def of_steps(steps: pd.DataFrame, confirmation: pd.DataFrame | None = None) -> pd.DataFrame:
    """Check that every step of the fix ended well, and that every export was confirmed.

    Parameters
    ----------
    steps : DataFrame
        As `kit.resync.Resync.frame` returns it.
    confirmation : DataFrame, optional
        As `kit.record.confirmation` returns it; without rows exports were not looked at.

    Returns
    -------
    DataFrame
        As `of_photos`; one row per verification, one for the exports, and one for all steps.
    """
    begun = steps[steps["result"] != "not run"]
    if begun.empty:
        return _frame()
    rows = [
        (f"step {step.step}: {step.expected}", "ok" if step.result == "ok" else "failed", step.detail)
        for step in steps[steps["kind"] == "verify"].itertuples()
    ]
    if confirmation is not None and len(confirmation):
        others = confirmation[(confirmation["outcome"] != "written") & (confirmation["people"] > 0)]
        told = ", ".join(f"{one.people} {one.outcome}" for one in others.itertuples())
        rows.append(("every exported photo was written and confirmed", _word(others.empty), told))
    ended = f"{(steps['result'] == 'ok').sum()} of {len(steps)} steps ended well"
    return _frame(*rows, ("every step of the plan ended well", _word((steps["result"] == "ok").all()), ended))


def _check(name: str, offenders: pd.DataFrame) -> tuple[str, str, str]:
    if offenders.empty:
        return name, "ok", ""
    shown = ", ".join(offenders["account"].head(5))
    more = f" and {len(offenders) - 5} more" if len(offenders) > 5 else ""
    return name, "failed", f"{len(offenders)}: {shown}{more}"


def _word(good: object) -> str:
    return "ok" if good else "failed"


def _frame(*rows: tuple[str, str, object]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
