"""The behaviour table of the case as measured on one farm: which import picks up which change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from kit.errors import CaseError, OutputError
from kit.folder import CaseFolder

FILE = "experiment.json"
SCHEMA_VERSION = 1

SEEN, MISSED, NOT_MEASURED = "picks it up", "does not see it", "not measured"

ACCOUNTS = {
    "has_a_photo": "has a photo (that it once came from AD cannot be read)",
    "had_a_photo": "had a photo, and has none now",
    "never_had_a_photo": "never had a photo",
}
"""Kinds of test accounts, and what they are called.

Whether a photo once came from Active Directory, as the case has it, nothing tells: the thumbnails that
SharePoint makes of such a photo have a time of their own, and an export of the synchronization service
replaces the stamp of its origin in Active Directory (both unproven). What a Full Import does with it does.
"""

COLUMNS = {
    "fix": "str",  # before or after
    "test account": "str",  # a value of ACCOUNTS
    "changed in SharePoint": "str",  # picture or WorkPhone
    "Full Import": "str",  # SEEN, MISSED or NOT_MEASURED
    "Delta Import": "str",
    "put back": "bool",  # the account is as it was
}
"""The table: two rows per experiment."""


@dataclass(frozen=True)
class Behaviour:
    """What one experiment has measured.

    Parameters
    ----------
    phase : str
        ``before`` or ``after`` the fix.
    account : str
    account_kind : str
        Key of `ACCOUNTS`.
    began : str
        UTC, ISO 8601.
    measured : Mapping[str, str]
        Such as ``picture full_import`` to `SEEN`.
    put_back : bool
        Whether account and connector space are as they were.
    """

    phase: str
    account: str
    account_kind: str
    began: str
    measured: Mapping[str, str]
    put_back: bool

    def save(self, folder: CaseFolder) -> None:
        """Keep it in the case folder, in place of the last one of its phase and kind of account.

        The manifest tells the same without the account.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        key = (self.phase, self.account_kind)
        others = [one for one in read(folder) if (one.phase, one.account_kind) != key]
        kept = sorted([*others, self], key=lambda one: (one.phase != "before", one.account_kind))
        told = {"schema_version": SCHEMA_VERSION, "experiments": [asdict(one) for one in kept]}
        path = folder.path / FILE
        temporary = path.with_suffix(".part")
        try:
            temporary.write_text(json.dumps(told, indent=2), encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise OutputError(f"'{path}' cannot be written", cause, "make the folder writable") from error
        without = [{name: one for name, one in asdict(row).items() if name != "account"} for row in kept]
        folder.update(experiment=without)


def read(folder: CaseFolder) -> list[Behaviour]:
    """Read what was measured on this case's farm, before the fix first.

    Raises
    ------
    CaseError
        The file is damaged.
    """
    path = folder.path / FILE
    if not path.exists():
        return []
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return [Behaviour(**one) for one in content["experiments"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CaseError(f"'{path}' is damaged", str(error), "move it away and measure again") from error


def table(folder: CaseFolder) -> pd.DataFrame:
    """Return the behaviour table, before and after the fix together where both were measured.

    Returns
    -------
    DataFrame
        Columns of `COLUMNS`.
    """
    told = rows([asdict(one) for one in read(folder)])
    return pd.DataFrame(told, columns=list(COLUMNS)).astype(COLUMNS)


def rows(experiments: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Lay out experiments, as the manifest has them, as the rows of the table."""
    return [
        {
            "fix": one["phase"],
            "test account": ACCOUNTS[one["account_kind"]],
            "changed in SharePoint": attribute,
            "Full Import": one["measured"][f"{attribute} full_import"],
            "Delta Import": one["measured"][f"{attribute} delta_import"],
            "put back": one["put_back"],
        }
        for one in experiments
        for attribute in ("picture", "WorkPhone")
    ]


def conclusion(measured: pd.DataFrame) -> str:
    """Say whether the farm behaves like the case, before the fix and after it.

    Parameters
    ----------
    measured : DataFrame
        Of `table`.

    Examples
    --------
    >>> same = {"fix": "before", "test account": ACCOUNTS["has_a_photo"], "put back": True}
    >>> picture = {"changed in SharePoint": "picture", "Full Import": MISSED, "Delta Import": SEEN}
    >>> phone = {"changed in SharePoint": "WorkPhone", "Full Import": SEEN, "Delta Import": SEEN}
    >>> conclusion(pd.DataFrame([same | picture, same | phone])).partition(": ")[0]
    'Before the fix the farm behaves like the case for an account that has a photo'
    """
    if measured.empty:
        return "Nothing was measured yet."
    groups = measured.groupby(["fix", "test account"], sort=False)
    return " ".join(_sentence(str(fix), str(account), rows) for (fix, account), rows in groups)


def _sentence(fix: str, account: str, rows: pd.DataFrame) -> str:
    pairs = rows.set_index("changed in SharePoint")[["Full Import", "Delta Import"]]
    found = {str(name): (str(full), str(delta)) for name, full, delta in pairs.itertuples()}
    what = "; ".join(_told(name, *pair) for name, pair in found.items())
    left = "" if rows["put back"].all() else " The test account is NOT as it was: run 60_experiment again."
    judged = _judgement(fix, account, found["picture"])
    return f"{fix.capitalize()} the fix {judged} for an account that {_short(account)}: {what}.{left}"


def _judgement(fix: str, account: str, picture: tuple[str, str]) -> str:
    """Compare what was measured of a picture with the case."""
    has_a_photo = account != ACCOUNTS["never_had_a_photo"]
    if NOT_MEASURED in picture:
        return "it is not known whether the farm behaves like the case"
    if fix == "after":
        return "changes are seen" if picture == (SEEN, SEEN) else "the farm does not see every change"
    if picture == ((MISSED, SEEN) if has_a_photo else (SEEN, SEEN)):
        return "the farm behaves like the case"
    if has_a_photo and picture == (SEEN, SEEN):
        return "the farm does not behave like the case, unless this photo never came from AD,"
    return "the farm does not behave like the case"


def _short(account: str) -> str:
    return account.partition(" (")[0]


def _told(name: str, full: str, delta: str) -> str:
    if (full, delta) == (SEEN, SEEN):
        return f"a Full and a Delta Import pick up a new {name}"
    return f"of a new {name}, Full Import: {full}, Delta Import: {delta}"
