"""A case, and people of it, for tests that need no farm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from kit import schema
from kit.case import Case, parse

SYSTEM = {
    "url": "https://server.contoso.example",
    "username": "CONTOSO\\kit",
    "password_name": "KIT_TEST_SECRET",
}


def settings(**changes: Any) -> dict[str, Any]:
    """Return the smallest case file's content; a section's changes are merged into it."""
    content: dict[str, Any] = {
        "case_id": "contoso",
        "directory": {**SYSTEM, "url": "ldaps://server.contoso.example"},
        "sharepoint": dict(SYSTEM),
        "mim": dict(SYSTEM),
    }
    for name, value in changes.items():
        content[name] = {**content[name], **value} if isinstance(value, dict) and name in content else value
    return content


def case(folder: Path, **changes: Any) -> Case:
    """Return a case whose file would stand in a folder."""
    return parse(settings(**changes), folder / "case.yaml")


def people(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return people with verdicts; by default each is in both systems, named by their account."""
    default = {"in_directory": True, "in_sharepoint": True, "verdict": "in_sync"}
    frame = pd.DataFrame([{**default, "person": row["account"], **row} for row in rows])
    return schema.conform(frame, schema.PEOPLE)
