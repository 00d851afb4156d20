"""Runs of management agents: what their status tokens mean and what their RunDetails XML holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import pandas as pd
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from kit.errors import ParameterError, ProtocolError

OK, WARNING, ATTENTION, FAILED, UNKNOWN = "ok", "warning", "attention", "failed", "unknown"

LIVE_STATUSES = frozenset({"in-progress", "completing-obsoletion", "completing-referential-updates"})

_NO_START = """
    bad-ma-configuration change-log-not-enabled connection credentials database-permission
    database-schema-mismatch database-table delta-step-type-not-configured file-access-denied
    file-code-page file-contains-incorrect-step-type file-not-found file-open file-sharing-violation
    full-import-required header-row-mismatch ma ma-working-directory missing-partition-for-run-step
    no-domain-controller no-steps-in-profile partition-delete partition-not-configured partition-rename
    server ma-already-running ma-update-in-progress unknown-profile-name
    concurrent-execution-not-support notes-api-not-availible notes-client-init-failure
"""
_STOPPED = """
    bad-ma-configuration bad-server-credentials change-log-out-of-order code-page-conversion
    connectivity database-connection-lost database-disk-full deadlocked deletion-limit disk-full
    entry-export-error entry-point-not-implemented error-in-end-connection error-limit export-disabled
    export-write extensible-extension-error extension-dll-access extension-dll-ambiguous
    extension-dll-exception extension-dll-file-not-found extension-dll-instantiation
    extension-dll-invalid-assembly extension-dll-load extension-dll-missing-dependency
    extension-dll-no-implementation extension-dll-not-configured-for-ma
    extension-dll-not-configured-for-mv extension-dll-updated-version failed-to-delete-file
    file-embedded-nulls file-error import-read ma ma-extension-error-in-end-connection
    ma-extension-timeout object-limit out-of-memory parsing-errors password-extension-not-configured
    password-extension-timeout server server-down service-shutdown unexpected-data
    user-termination-from-extension user-termination-from-wmi-or-ui
"""

STATUSES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("success", "completed-no-objects"), OK)
    | dict.fromkeys(("completed-warnings", "completed-transient-objects"), WARNING)
    | dict.fromkeys(("completed-sync-errors", "completed-export-errors"), ATTENTION)
    | dict.fromkeys(("completed-discovery-errors", "access-denied"), FAILED)
    | dict.fromkeys(("call-failure", "connection-failure"), FAILED)
    | {f"no-start-{reason}": FAILED for reason in _NO_START.split()}
    | {f"stopped-{reason}": FAILED for reason in _STOPPED.split()}
    | dict.fromkeys(LIVE_STATUSES, UNKNOWN)
)
"""Every documented status token and its class (Microsoft Learn ms697765, ms699322; MS-UPSDBDAP 2.2.1.1)."""

_COUNTERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ma-discovery-counters": ("filtered-deletions", "filtered-objects"),
        "staging-counters": tuple(
            f"stage-{event}"
            for event in ("no-change", "add", "update", "rename", "delete", "delete-add", "failure")
        ),
        "inbound-flow-counters": (
            *("disconnector-filtered", "disconnector-joined-no-flow", "disconnector-joined-flow"),
            *("disconnector-joined-remove-mv", "disconnector-projected-no-flow"),
            *("disconnector-projected-flow", "disconnector-projected-remove-mv", "disconnector-remains"),
            *("connector-filtered-remove-mv", "connector-filtered-leave-mv", "connector-flow"),
            *("connector-flow-remove-mv", "connector-no-flow", "connector-delete-remove-mv"),
            *("connector-delete-leave-mv", "connector-delete-add-processed", "flow-failure"),
        ),
        "export-counters": tuple(
            f"export-{event}" for event in ("add", "update", "rename", "delete", "delete-add", "failure")
        ),
    }
)
_OUTBOUND_COUNTERS = (
    *("provisioned-add-no-flow", "provisioned-add-flow", "provisioned-delete-add-no-flow"),
    *("provisioned-delete-add-flow", "provisioned-rename-no-flow", "provisioned-rename-flow"),
    *("provisioned-disconnect", "connector-flow", "connector-no-flow"),
)
_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "discovery_errors": "ma-discovery-errors/ma-object-error",
        "import_errors": "synchronization-errors/import-error",
        "export_errors": "synchronization-errors/export-error",
    }
)
_DIGITS = 18  # always fits in Int64
HISTORY: Mapping[str, str] = MappingProxyType(
    {
        "agent": "string",
        "agent_guid": "string",
        "run_number": "Int64",
        "run_profile": "string",
        "status": "string",
        "started": "datetime64[us, UTC]",
        "ended": "datetime64[us, UTC]",  # missing while the run goes on
    }
)
"""The columns of a run history."""

_IDENTITY: Mapping[str, str] = MappingProxyType(
    {
        "agent": "string",
        "run_number": "Int64",
        "run_profile": "string",
        "step_number": "Int64",
    }
)
_STEP: Mapping[str, str] = MappingProxyType(
    {
        "step_type": "string",
        "result": "string",
        "started": "datetime64[us, UTC]",
        "ended": "datetime64[us, UTC]",
    }
)
_STEP_TYPES: Mapping[tuple[str, ...], str] = MappingProxyType(
    {
        ("full-import", "to-cs"): "full import",
        ("delta-import", "to-cs"): "delta import",
        ("full-import",): "full import and delta sync",
        ("delta-import",): "delta import and delta sync",
        ("full-import-reevaluate-rules",): "full import and full sync",
        ("apply-rules", "apply-pending"): "delta sync",
        ("apply-rules", "reevaluate-flow-connectors"): "full sync",
        ("export",): "export",
    }
)


def classify(status: str) -> str:
    """Say what a run's or a step's status token means for whoever waits for it.

    Parameters
    ----------
    status : str
        The token as MIM gave it.

    Returns
    -------
    str
        ``ok``, ``warning``, ``attention`` (the run reached its end, some objects failed), ``failed``, or
        ``unknown`` for a run that has not ended, an empty token, and any token that is not documented.

    Examples
    --------
    >>> classify("completed-export-errors"), classify("stopped-deletion-limit"), classify("completed-somehow")
    ('attention', 'failed', 'unknown')
    """
    return STATUSES.get(status, UNKNOWN)


def parse_time(text: str | None) -> datetime | None:
    """Read the provider's ``yyyy-MM-dd HH:mm:ss.fff``, which is UTC (Microsoft Learn ms697764).

    Raises
    ------
    ProtocolError
        The text is no such time.

    Examples
    --------
    >>> parse_time("2024-05-01 10:00:00.123").isoformat()
    '2024-05-01T10:00:00.123000+00:00'
    """
    if not text or not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    except ValueError as error:
        raise _malformed(f"the time {text!r} is not yyyy-MM-dd HH:mm:ss.fff") from error


def write_time(moment: datetime) -> str:
    """Write a time as the provider does, for comparison with its own as text.

    Raises
    ------
    ParameterError
        The time has no zone.

    Examples
    --------
    >>> write_time(datetime(2024, 5, 1, 10, tzinfo=UTC))
    '2024-05-01 10:00:00.000'
    """
    if moment.tzinfo is None:
        what = f"the time {moment} cannot be compared with MIM's, which are UTC"
        raise ParameterError(what, "it has no time zone", "give it one, such as datetime.UTC")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")


def tabulate(instances: Iterable[Mapping[str, str]]) -> pd.DataFrame:
    """Make the frame of instances of MIIS_RunHistory (Microsoft Learn ms697834).

    Returns
    -------
    pandas.DataFrame
        The columns and dtypes of :data:`HISTORY`, newest run first; that the provider lists them so already
        is only reported.

    Raises
    ------
    ProtocolError
        A number or a time is none.
    """
    newest_first = sorted(instances, key=lambda run: run.get("RunStartTime", ""), reverse=True)
    rows = [
        {
            "agent": run.get("MaName", ""),
            "agent_guid": run.get("MaGuid", ""),
            "run_number": _number(run.get("RunNumber"), "RunNumber"),
            "run_profile": run.get("RunProfile", ""),
            "status": run.get("RunStatus", ""),
            "started": parse_time(run.get("RunStartTime")),
            "ended": parse_time(run.get("RunEndTime")),
        }
        for run in newest_first
    ]
    return _frame(rows, HISTORY, ())


def parse_run_details(xml: str | bytes) -> pd.DataFrame:
    """Read RunDetails XML, as the provider returns it or as miisclient.exe saves it.

    MIM lists a run's steps newest first; the rows are oldest first, run by run.

    Parameters
    ----------
    xml : str or bytes
        ``<run-history>``, ``<run-details>``, or the ``<execution-histories>`` wrapper of a saved history.

    Returns
    -------
    pandas.DataFrame
        One row per run step: ``agent``, ``run_number``, ``run_profile``, ``step_number``, ``step_type`` (such
        as ``full import``, ``full sync``, ``export``; MIM's own words for a type not listed), ``result``,
        ``started`` and ``ended`` (UTC; ``ended`` is missing while the step runs), the numbers of errors, and
        every counter with underscores, as Int64; a counter that the step did not report is missing. Outbound
        counters begin with ``outbound_`` and are summed over the target agents;
        :func:`parse_outbound_flows` has them one by one.

    Raises
    ------
    ProtocolError
        The text is not well-formed XML, not RunDetails, or holds a number or a time that is none.
    """
    rows = [
        identity(run, step) | _step(step) | _counters(step)
        for run in read_runs(xml)
        for step in reversed(run.findall("step-details"))
    ]
    counters = [_column(name) for names in _COUNTERS.values() for name in names]
    outbound = [f"outbound_{_column(name)}" for name in _OUTBOUND_COUNTERS]
    return _frame(rows, {**_IDENTITY, **_STEP}, (*_ERRORS, *counters, *outbound))


def parse_outbound_flows(xml: str | bytes) -> pd.DataFrame:
    """Read what each synchronisation step of a run passed on to each target management agent.

    Parameters
    ----------
    xml : str or bytes
        As for :func:`parse_run_details`.

    Returns
    -------
    pandas.DataFrame
        One row per step and target: ``agent``, ``run_number``, ``run_profile``, ``step_number``, ``target``,
        and the outbound counters with underscores, as Int64.

    Raises
    ------
    ProtocolError
        As for :func:`parse_run_details`.
    """
    rows = [
        identity(run, step)
        | {"target": flows.get("ma", "")}
        | {_column(counter.tag): _number(counter.text, counter.tag) for counter in flows}
        for run in read_runs(xml)
        for step in reversed(run.findall("step-details"))
        for flows in step.findall("outbound-flow-counters")
    ]
    return _frame(rows, {**_IDENTITY, "target": "string"}, [_column(name) for name in _OUTBOUND_COUNTERS])


def read_runs(xml: str | bytes) -> Iterator[Element]:
    """Yield the ``<run-details>`` of RunDetails XML, in whichever of its shapes.

    Raises
    ------
    ProtocolError
        The text is not well-formed XML, or not RunDetails.
    """
    try:
        root: Element = fromstring(xml)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise _malformed(f"it is not well-formed XML ({error})") from error
    if root.tag not in {"run-history", "execution-histories", "run-details"}:
        raise _malformed(f"its root element is <{root.tag}>")
    return root.iter("run-details")


def identity(run: Element, step: Element) -> dict[str, Any]:
    """Name a run step: ``agent``, ``run_number``, ``run_profile`` and ``step_number``."""
    return {
        "agent": run.findtext("ma-name", ""),
        "run_number": _number(run.findtext("run-number"), "run-number"),
        "run_profile": run.findtext("run-profile-name", ""),
        "step_number": _number(step.get("step-number"), "step-number"),
    }


def _step(step: Element) -> dict[str, Any]:
    return {
        "step_type": _step_type(step),
        "result": step.findtext("step-result", "").strip(),
        "started": parse_time(step.findtext("start-date")),
        "ended": parse_time(step.findtext("end-date")),
    }


def _step_type(step: Element) -> str:
    described = step.find("step-description//step-type")
    if described is None:
        return ""
    words = (described.get("type", ""), *(subtype.text or "" for subtype in described))
    return _STEP_TYPES.get(words, " ".join(words))


def _counters(step: Element) -> dict[str, int | None]:
    counts: dict[str, int | None] = {column: len(step.findall(path)) for column, path in _ERRORS.items()}
    for group in _COUNTERS:
        for counter in step.findall(f"{group}/*"):
            counts[_column(counter.tag)] = _number(counter.text, counter.tag)
    for counter in step.findall("outbound-flow-counters/*"):
        column = f"outbound_{_column(counter.tag)}"
        counts[column] = (counts.get(column) or 0) + (_number(counter.text, counter.tag) or 0)
    return counts


def _frame(rows: list[dict[str, Any]], types: Mapping[str, str], counters: Iterable[str]) -> pd.DataFrame:
    columns = dict(types) | dict.fromkeys(counters, "Int64")
    # A counter that a newer build reports gets a column too.
    columns |= {name: "Int64" for row in rows for name in row if name not in columns}
    return pd.DataFrame(
        {name: pd.Series([row.get(name) for row in rows], dtype=dtype) for name, dtype in columns.items()}
    )


def _column(tag: str) -> str:
    return tag.replace("-", "_")


def _number(text: str | None, name: str) -> int | None:
    if not text or not text.strip():
        return None
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS):
        raise _malformed(f"<{name}> holds {text!r}, not a number")
    return int(digits)


def _malformed(cause: str) -> ProtocolError:
    return ProtocolError(
        "the run details from MIM could not be read",
        cause,
        "save the run's history from miisclient.exe (Operations) and compare",
    )
