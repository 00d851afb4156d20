"""Findings: what speaks against the fix, where it was read, what it leads to and what mends it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

import pandas as pd

SEVERITIES = ("stop", "warn", "note")
"""The gravest first: the fix is refused; somebody should decide; worth knowing."""


@dataclass(frozen=True)
class Finding:
    """One judgement, with where it was read (file and element) and what to do about it."""

    severity: str
    finding: str
    evidence: str
    consequence: str
    remedy: str


def frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return findings as a frame of text columns, which it keeps when there are none.

    Examples
    --------
    >>> frame([]).dtypes.astype(str).to_dict()
    {'severity': 'str', 'finding': 'str', 'evidence': 'str', 'consequence': 'str', 'remedy': 'str'}
    """
    columns = [column.name for column in fields(Finding)]
    return pd.DataFrame([astuple(finding) for finding in findings], columns=columns, dtype="str")
