"""The plan and the journal of the fix, merged: what each step was to do, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_TOLD_ELSEWHERE = (
    "time",
    "step",
    "event",
    "kind",
    "agent",
    "profile",
    "gate",
    "name",
    "case_id",
    "run",
    "schema_version",
)
"""Keys of a journal line that are told in columns of their own, or not at all."""


def steps(plan: Sequence[Mapping[str, Any]], journal: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Merge the plan and the journal, one row per step; steps that were not planned come last.

    Parameters
    ----------
    plan : Sequence[Mapping]
        Steps with ``step``, ``kind`` (``gate``, ``run``, ``verify``), ``agent``, ``profile``, ``expected``.
    journal : Sequence[Mapping]
        Events with ``time``, ``step``, ``event`` (``intent``, ``outcome``, ``gate``) and what else there is.

    Returns
    -------
    list of dict
        ``step``, ``kind``, ``what``, ``expected``, ``began``, ``took`` and ``result``; all text.

    Examples
    --------
    >>> plan = [{"step": 1, "kind": "run", "agent": "AD MA", "profile": "Export"}]
    >>> journal = [{"time": "2026-11-22T10:00:00+00:00", "step": 1, "event": "intent"}]
    >>> steps(plan, journal)[0]["result"]
    'begun, outcome not recorded'
    """
    planned = {str(step.get("step", number)): step for number, step in enumerate(plan, 1)}
    events: dict[str, list[Mapping[str, Any]]] = {key: [] for key in planned}
    for event in journal:
        events.setdefault(str(event.get("step", "")), []).append(event)
    return [_step(key, planned.get(key, {}), told) for key, told in events.items()]


def _step(key: str, plan: Mapping[str, Any], events: list[Mapping[str, Any]]) -> dict[str, str]:
    told = {name: value for event in events for name, value in event.items()} | dict(plan)
    last = events[-1] if events else {}
    began = next((event.get("time") for event in events), None)
    ended = last.get("time") if last.get("event") != "intent" else None
    return {
        "step": key,
        "kind": str(told.get("kind") or ("gate" if last.get("event") == "gate" else "run")),
        "what": _what(told),
        "expected": str(plan.get("expected") or ""),
        "began": clock(began),
        "took": _took(began, ended) if len(events) > 1 else "",
        "result": _result(last) if events else "not run",
    }


def _what(told: Mapping[str, Any]) -> str:
    """Name a run by its agent and profile, everything else by its own name."""
    name = str(told.get("gate") or told.get("name") or told.get("kind") or "").replace("_", " ").capitalize()
    agent, profile = str(told.get("agent") or ""), str(told.get("profile") or "")
    return " · ".join(filter(None, [agent, profile] if profile else [name, agent]))


def _result(event: Mapping[str, Any]) -> str:
    if event.get("event") == "intent":
        return "begun, outcome not recorded"
    told = {name: value for name, value in event.items() if name not in _TOLD_ELSEWHERE and _says(value)}
    leading = [str(told.pop(name)) for name in ("status", "result", "outcome") if name in told]
    leading = leading[:1] if leading[1:] == ["ok"] else leading
    if "detail" in told:
        return "; ".join([*leading, str(told["detail"])])
    rest = [f"{name.replace('_', ' ')}: {_value(value)}" for name, value in told.items()]
    return "; ".join([*leading, *rest]) or "done"


def _says(value: object) -> bool:
    return value is not None and value not in ("", {}, [])


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(inner)}" for name, inner in value.items())
    return ", ".join(_value(inner) for inner in value) if isinstance(value, list) else str(value)


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:  # an older or damaged journal: the step is shown without its time
        return None


def clock(value: object) -> str:
    """Return an ISO time as it is shown, in UTC and to the second; nothing if it is no time.

    Examples
    --------
    >>> clock("2026-11-22T15:00:00.25+01:00")
    '2026-11-22 14:00:00'
    """
    time = _time(value)
    if time is None:
        return ""
    return f"{time.astimezone(UTC) if time.tzinfo else time:%Y-%m-%d %H:%M:%S}"


def _took(began: object, ended: object) -> str:
    first, last = _time(began), _time(ended)
    if first is None or last is None or (first.tzinfo is None) != (last.tzinfo is None):
        return ""
    seconds = (last - first).total_seconds()
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
