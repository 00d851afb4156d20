"""The causes the diagnosis knows, one module per family, in the order in which they are evaluated."""

from __future__ import annotations

from kit.cause import CERTAINTIES, Cause, drifted, graded, nobody
from kit.causes import delivery, display, exports, imports, profiles, synchronization

__all__ = ["ALL", "CERTAINTIES", "Cause", "drifted", "graded", "nobody"]

ALL: tuple[Cause, ...] = (
    *delivery.CAUSES,
    *profiles.CAUSES,
    *imports.CAUSES,
    *synchronization.CAUSES,
    *exports.CAUSES,
    *display.CAUSES,
)
"""Every cause: transport first, then SharePoint's store, MIM's import, its rules, the export, the display."""
