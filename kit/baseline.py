"""What the management agents held before the fix: the numbers that its runs are measured by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from kit.folder import CaseFolder
from kit.journal import Journal
from kit.mim import SynchronizationService


@dataclass(frozen=True)
class Baseline:
    """Counts per management agent.

    Parameters
    ----------
    objects : Mapping[str, int]
        All objects of its connector space (``NumCSObjects``, Microsoft Learn ms697768).
    connectors : Mapping[str, int]
        Those that are joined to the metaverse (``NumTotalConnectors``).
    """

    objects: Mapping[str, int]
    connectors: Mapping[str, int]

    @classmethod
    def read(cls, service: SynchronizationService) -> Self:
        """Read the counts as they are now, of every agent of the server."""
        agents = [str(name) for name in service.agents()["name"]]
        counted = {agent: service.counters(agent) for agent in agents}
        return cls(
            {agent: counters["NumCSObjects"] for agent, counters in counted.items()},
            {agent: counters["NumTotalConnectors"] for agent, counters in counted.items()},
        )

    @classmethod
    def of(cls, folder: CaseFolder, service: SynchronizationService) -> Self:
        """Return the counts before a case's fix: those on record once it has begun, else those of now."""
        events = Journal(folder.journal).outcomes().values() if folder.phase == "after" else ()
        kept = next((event for event in events if "baseline" in event and "connectors" in event), None)
        return cls.read(service) if kept is None else cls(dict(kept["baseline"]), dict(kept["connectors"]))

    def facts(self) -> dict[str, Any]:
        """Return the counts as the journal keeps them."""
        counts = asdict(self)
        return {
            "baseline": counts["objects"],
            "connectors": counts["connectors"],
            "detail": ", ".join(f"{name}: {number:,} objects" for name, number in self.objects.items()),
        }
