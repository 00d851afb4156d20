"""Incidents: what went wrong with single objects in runs, out of their RunDetails XML.

The shapes are those of Microsoft Learn ms697834 and of published clients of the service; elements that a
shape lacks are empty, and a date that is none is no date, because an error without one is still an error.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element

import pandas as pd

from kit import runs, schema
from kit.errors import ProtocolError

INCIDENTS = {
    "agent": "str",
    "run_number": "Int64",
    "run_profile": "str",
    "step_number": "Int64",
    "side": "str",  # discovery, import, export or connection
    "dn": "str",
    "guid": "str",  # of the connector-space object, in braces
    "anchor": "str",  # as text
    "error_type": "str",
    "detail": "str",  # codes, texts and attributes, as far as they were told
    "algorithm_step": "str",  # of an import error: join, import-flow, provisioning ...
    "occurred_at": schema.TIME,
}
"""One row per error of one object, or of the connection, in one run step. `parse` makes it."""

_HEALTHY = frozenset({"", "success"})
_TOLD = ("error-code", "error-literal", "error-name", "server-error-detail", "extra-error-details", "value")
_EXTENSION = ("extension-name", "extension-callsite", "extension-context", "call-stack")


def parse(xml: str | bytes) -> pd.DataFrame:
    """Read the incidents of one or more runs.

    Parameters
    ----------
    xml : str or bytes
        As for `kit.runs.parse_run_details`.

    Returns
    -------
    DataFrame
        Columns and dtypes of `INCIDENTS`, in the order of the file.

    Raises
    ------
    ProtocolError
        The text is not well-formed XML, or not RunDetails.
    """
    rows = [
        {**runs.identity(run, step), **incident}
        for run in runs.read_runs(xml)
        for step in run.iterfind("step-details")
        for incident in _of_step(step)
    ]
    return frame(rows)


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a frame, which keeps its columns when there are none.

    Examples
    --------
    >>> frame([{"side": "export", "error_type": "permission-issue"}])["error_type"].tolist()
    ['permission-issue']
    """
    return schema.conform(pd.DataFrame(rows, columns=list(INCIDENTS)), INCIDENTS)


def latest(incidents: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Return the incidents that were not overcome: those of every run profile's last run that got through.

    Errors of a synchronization or an export come again in every run until they are mended.

    Parameters
    ----------
    incidents : DataFrame
        Columns of `INCIDENTS`.
    history : DataFrame
        Columns of `kit.runs.HISTORY`; without any, the last run is that with the last incident.
    """
    if incidents.empty:
        return incidents
    profile = ["agent", "run_profile"]
    through = history[history["status"].map(runs.classify).ne(runs.FAILED)]
    last = pd.concat([through, incidents]).groupby(profile)["run_number"].max().rename("last")
    numbers = incidents.join(last, on=profile)["last"]
    return incidents[incidents["run_number"].ge(numbers).fillna(value=True).astype("bool")]


def concern(people: pd.DataFrame, incidents: pd.DataFrame) -> pd.Series:
    r"""Tell whom any of the incidents is about.

    An object is known by its GUID, else by its distinguished name, else by its anchor, which of a SharePoint
    object is the account name without its domain. One that two people share names nobody.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.PEOPLE` and `kit.schema.TRACE`.
    incidents : DataFrame
        Columns of `INCIDENTS`.

    Returns
    -------
    Series of bool
    """
    named = {
        text.casefold()
        for column in ("guid", "dn", "anchor")
        for text in incidents[column].unique()
        if text.strip()
    }
    concerned = pd.Series(data=False, index=people.index)
    for keys in _keys(people) if named else ():
        known = keys.str.casefold()
        unique = known.ne("") & ~known.duplicated(keep=False)
        concerned |= unique & known.isin(named)
    return concerned


def _keys(people: pd.DataFrame) -> Iterator[pd.Series]:
    for column in ("directory_guid", "sharepoint_guid", "sharepoint_object", "distinguished_name"):
        yield people[column]
    for column in ("account", "profile_account"):
        yield people[column]
    yield people["account"].str.replace(r"^.*\\", "", regex=True)


def _of_step(step: Element) -> Iterator[Mapping[str, Any]]:
    yield from _connection(step)
    for error in step.iterfind("ma-discovery-errors/ma-object-error"):
        yield _discovery(error)
    for error in step.iterfind("synchronization-errors/import-error"):
        yield _object(error, "import") | {
            "detail": _joined(_told(error), _extension(error), _attributes(error)),
            "algorithm_step": error.findtext("algorithm-step", "").strip(),
        }
    for error in step.iterfind("synchronization-errors/export-error"):
        yield _object(error, "export") | {"detail": _joined(_told(error))}


def _connection(step: Element) -> Iterator[Mapping[str, Any]]:
    """Yield the troubles of the connection; its last state where the log does not tell of any."""
    connection = step.find("ma-connection")
    if connection is None:
        return
    entries = connection.findall("connection-log/incident")
    for entry in [*entries, *([] if entries else [connection])]:
        result = entry.findtext("connection-result", "").strip()
        told = _joined(_told(entry))
        if result not in _HEALTHY or told:
            yield {
                "side": "connection",
                "error_type": result,
                "detail": _joined([entry.findtext("server", "")], [told]),
                "occurred_at": _time(entry.findtext("date")),
            }


def _discovery(error: Element) -> Mapping[str, Any]:
    anchor = error.find("anchor")
    attribute = error.findtext("attribute-name", "")
    return {
        "side": "discovery",
        "error_type": error.findtext("error-type", "").strip(),
        "dn": error.findtext("dn", "").strip(),
        "guid": error.get("cs-guid", ""),
        "anchor": "" if anchor is None else _anchor(anchor),
        "detail": _joined([attribute], _told(error)),
    }


def _object(error: Element, side: str) -> dict[str, Any]:
    return {
        "side": side,
        "dn": error.get("dn", ""),
        "guid": error.get("cs-guid", ""),
        "error_type": (error.findtext("error-type") or error.get("error-type") or "").strip(),
        "occurred_at": _time(error.findtext("date-occurred")),
    }


def _told(error: Element) -> list[str]:
    """Return what the connected system said, wherever in the error it stands."""
    return [told.findtext(name, "") for told in error.iter("cd-error") for name in _TOLD]


def _extension(error: Element) -> list[str]:
    return [info.findtext(name, "") for info in error.iter("extension-error-info") for name in _EXTENSION]


def _attributes(error: Element) -> list[str]:
    """Return the attributes that a rule failed at, or whose exported change did not come back."""
    mapped = [mapping.get("dest-attr", "") for mapping in error.iter("attribute-mapping")]
    return mapped + [
        attribute.get("name", "")
        for change in error.iter("change-not-reimported")
        for attribute in change.iter("attr")
    ]


def _joined(*texts: list[str]) -> str:
    """Join what is not empty and was not said yet."""
    said = [" ".join(text.split()) for group in texts for text in group]
    return "; ".join(dict.fromkeys(filter(None, said)))


def _anchor(anchor: Element) -> str:
    """Return an anchor as text; the bytes of one that is none in hexadecimal."""
    text = (anchor.text or "").strip()
    if anchor.get("encoding") != "base64":
        return text
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:  # binascii.Error is one
        return text
    try:
        decoded = value.decode("utf-16-le" if value[1:2] == b"\0" else "utf-8")
    except UnicodeDecodeError:
        return value.hex()
    return decoded if decoded.isprintable() else value.hex()


def _time(text: str | None) -> datetime | None:
    try:
        return runs.parse_time(text)
    except ProtocolError:
        return None
