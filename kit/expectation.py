"""What the directory agent was asked to export: a record that only grows, for the comparison afterwards."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from kit import schema
from kit.errors import ExportError
from kit.folder import CaseFolder

READ = Path("exports.parquet")
"""What waited to be exported when it was last read; see `kit.verifications`."""
ASKED = Path("exports_asked.parquet")
"""What waited when an export was about to be asked for."""


def keep(folder: CaseFolder, *, again: bool) -> None:
    """Keep what was read as what will have been asked for, before it is.

    Parameters
    ----------
    folder : CaseFolder
    again : bool
        Whether an export was asked for before: then that one's people stay on record, because some of
        their photos may have been written.
    """
    now = _read(folder, READ)
    if again and (folder.path / ASKED).exists():
        before = _read(folder, ASKED)
        now = pd.concat([before[~before["account"].isin(now["account"])], now], ignore_index=True)
    folder.write_frame(now, ASKED)
    folder.write_frame(now, READ)


def require_same(folder: CaseFolder, *, partly: bool = False) -> None:
    """Refuse an export whose pending exports, read again, are not those that were checked.

    Parameters
    ----------
    folder : CaseFolder
    partly : bool
        Whether a first export has taken some of them out already.

    Raises
    ------
    ExportError
        Some have come, gone or changed.
    """
    rows = [set(_read(folder, name).itertuples(index=False, name=None)) for name in (ASKED, READ)]
    if differing := sorted(rows[1] - rows[0] if partly else rows[0] ^ rows[1]):
        what = f"{len(differing)} pending exports are not as they were checked, first {differing[0][0]}"
        cause = "somebody has run an agent meanwhile, or changed a picture"
        raise ExportError(what, cause, "freeze all schedules, run this notebook again: they are checked anew")
    folder.write_frame(_read(folder, ASKED), READ)


def _read(folder: CaseFolder, name: Path) -> pd.DataFrame:
    return schema.conform(pd.read_parquet(folder.path / name), schema.EXPORTS)
