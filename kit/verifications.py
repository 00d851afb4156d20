"""The verifications of the fix: what must be so before, between and after its runs, read from the systems."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from kit import csexport, drift, expectation, exports, plan, reimport, sequence, sources
from kit.baseline import Baseline
from kit.delta import DIRECTORY
from kit.directory import Directory
from kit.errors import SafetyError
from kit.folder import CaseFolder
from kit.forest import Forest
from kit.journal import Journal
from kit.mim import SynchronizationService
from kit.plan import Plan, Step
from kit.progress import Progress, quiet
from kit.sharepoint import SharePoint
from kit.shell import CommandShell
from kit.store import Link, PhotoStore, Reading

Facts = dict[str, Any]


class Verifications:
    """What the plan verifies, one method per verification; each returns facts for the journal.

    Parameters
    ----------
    folder : CaseFolder
        With the people and photos as measured before the fix.
    plan : Plan
    service, directory, sharepoint
        The three systems.
    progress : Progress

    Raises
    ------
    SafetyError
        Something is not as it must be.
    """

    def __init__(
        self,
        folder: CaseFolder,
        plan: Plan,
        service: SynchronizationService,
        directory: Directory | Forest,
        sharepoint: SharePoint,
        *,
        progress: Progress = quiet,
    ) -> None:
        self.case, self.folder, self.plan = folder.case, folder, plan
        self.journal = Journal(folder.journal)
        self.service, self.directory, self.sharepoint = service, directory, sharepoint
        self.progress = progress
        self.people = folder.people("before")

    def run(self, step: Step) -> Facts:
        """Carry out one verification of the plan."""
        checks: Mapping[str, Callable[[Step], Facts]] = {
            plan.QUIET: self._quiet,
            plan.BACKUP: self._backup,
            plan.PENDING: self._pending,
            sequence.FIRST: self._first_photos,
            sequence.EXPORTED: self._exported,
            sequence.CONFIRMED: self._confirmed,
            sequence.SETTLED: self._settled,
            plan.AFTER: self._photos_after,
            sequence.CANARY: self._canary,
        }
        return checks[step.name](step)

    def _quiet(self, _: Step) -> Facts:
        if what := self.service.in_progress():
            raise SafetyError(
                what, "a schedule or another person started it", "freeze all schedules, wait for its end"
            )
        waiting = self.service.counters(self.case.mim.directory_agent)
        pending = {
            name: number for name, number in waiting.items() if name.startswith("NumExport") and number
        }
        if pending:
            what = f"'{self.case.mim.directory_agent}' has pending exports already: {pending}"
            raise SafetyError(
                what, "they would go out with the fix", "export or discard them first, then run again"
            )
        return Baseline.read(self.service).facts()

    def _backup(self, _: Step) -> Facts:
        """Read every photo of the directory once more, keep it, and read it back by its hash."""
        kept = 0
        with self.folder.store("before") as store:
            for links in self._kept(store, "backup"):
                damaged = [link.person for link in links if link.sha256 and not store.verify(link.sha256)]
                if damaged:
                    what = f"the photo of '{damaged[0]}' cannot be read back from the backup"
                    raise SafetyError(
                        what, "the disk or the file is damaged", "check the disk, then run again"
                    )
                kept += sum(link.sha256 is not None for link in links)
        return {"photos": kept, "detail": f"{kept} photos of the directory kept and verified"}

    def _pending(self, step: Step) -> Facts:
        """Read what would be exported and compare it with what SharePoint and the directory hold now."""
        agent = self.case.mim.directory_agent
        with self.folder.store("after") as store:
            now = drift.measure(self.people, self.directory, self.sharepoint, store, progress=self.progress)
        if now.partial:
            what = "what should change cannot be said, because not everybody was read"
            raise SafetyError(what, now.partial, "export nothing; mend the cause, run this notebook again")
        changes = plan.changes(now.people)
        with tempfile.TemporaryDirectory() as folder:
            file = self._csexport(agent, Path(folder))
            pending = exports.read(
                self.service, agent, now.people, changes, file=file, progress=self.progress
            )
        self.folder.write_frame(pending, Path("exports.parquet"))
        counts = exports.summary(pending)
        self.journal.write("read", step.number, kind="verify", name=step.name, pending_exports=counts)
        exports.require_safe(pending, self.service.counters(agent), self.plan.export_limit)
        return {
            "pending_exports": counts,
            "mark": exports.mark(self.service, agent),
            "detail": f"{len(pending)} photo updates, of the expected people only",
        }

    def _csexport(self, agent: str, folder: Path) -> Path | None:
        """Return csexport's file of what waits, if the case says where it comes from; else WMI is asked."""
        settings = self.case.mim
        if settings.csexport_folder is not None:
            file = csexport.from_folder(self.case.resolve(settings.csexport_folder), agent)
            self._require_fresh(file, agent)
            return file
        if settings.command_shell:
            with CommandShell(sources.endpoint(self.case, settings)) as shell:
                return csexport.export(shell, agent, folder=folder)
        return None

    def _require_fresh(self, file: Path, agent: str) -> None:
        """Refuse a file from before the agent's last run, which may have changed what waits."""
        ended = self.service.last_run(agent).ended
        written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        if ended and written < ended:
            what = f"'{file}' was written at {written:%Y-%m-%d %H:%M:%S} UTC, before the last run ended"
            cause = f"'{agent}' ran until {ended:%Y-%m-%d %H:%M:%S} UTC"
            step = f'run csexport "{agent}" again, copy the file there, then run this notebook again'
            raise SafetyError(what, cause, step)

    def _first_photos(self, step: Step) -> Facts:
        """Compare all photos after the first, limited export, and count what still waits."""
        facts = self._photos_after(step)
        mark = exports.mark(self.service, step.agent)
        if mark["waiting"] != {
            "NumExportAdd": 0,
            "NumExportUpdate": len(facts["not_exported"]),
            "NumExportDelete": 0,
        }:
            what = f"after the first export {mark['waiting']} wait on '{step.agent}'"
            cause = f"{len(facts['not_exported'])} of the checked photos were not exported yet"
            raise SafetyError(what, cause, "export nothing more; look at them in miisclient")
        return {**facts, "mark": mark}

    def _exported(self, step: Step) -> Facts:
        """Read from the runs' details what the exports wrote, and whom they could not write."""
        details = [
            self.service.run_details(step.agent, outcome["run_number"])
            for outcome in self.journal.outcomes().values()
            if outcome["name"] in sequence.DIRECTORY_EXPORTS
        ]
        return reimport.of_exports(details)

    def _confirmed(self, step: Step) -> Facts:
        """Read whether the confirming import found what was exported."""
        runs = [event for event in self.journal.outcomes().values() if event["name"].startswith("directory")]
        written = next(number for number, event in enumerate(runs) if event["name"] == sequence.EXPORT)
        imports = [event for event in runs[written:] if event["name"] == "directory delta_import"]
        details = [self.service.run_details(step.agent, event["run_number"]) for event in imports]
        accounts = self._asked().index.tolist()
        return reimport.of_imports(self.service, step.agent, details, accounts, progress=self.progress)

    def _settled(self, _: Step) -> Facts:
        """Count what waits on either agent now that provisioning is on again."""
        agents = (self.case.mim.sharepoint_agent, self.case.mim.directory_agent)
        counted = {agent: self.service.counters(agent) for agent in agents}
        for agent, counters in counted.items():
            added, deleted = counters["NumExportAdd"], counters["NumExportDelete"]
            if added or deleted:
                what = f"{added} additions and {deleted} deletes wait to be exported by '{agent}'"
                cause = "provisioning made or dropped objects when it came on again"
                raise SafetyError(what, cause, "look at them in miisclient before anything exports them")
        told = [f"{agent} {counters['NumExportUpdate']:,} updates" for agent, counters in counted.items()]
        return {"detail": f"no additions, no deletes; {', '.join(told)} wait"}

    def _canary(self, step: Step) -> Facts:
        """Look whether the last full import has staged the canary's new picture."""
        joined = {one.metaverse_guid for one in self.service.connector_space_objects(account=step.subject)}
        objects = [
            one
            for guid in joined - {""}
            for one in self.service.connector_space_objects(metaverse_guid=guid)
            if one.agent == step.agent
        ]
        return reimport.of_canary(self.service.run_details(step.agent), objects, step.subject)

    def _photos_after(self, _: Step) -> Facts:
        """Compare every photo of the directory with what it should be now, byte by byte."""
        exported = self._asked()["sha256"]
        accounts = self.people.set_index("person")["account"]
        lost: list[str] = []
        not_exported: list[str] = []
        changed = 0
        with self.folder.store("after") as after, self.folder.store("before") as before:
            for link in chain.from_iterable(self._kept(after, "photos after the fix")):
                held = before.held(link.person, DIRECTORY)
                wanted = exported.get(accounts[link.person], held.sha256 if held else None)
                changed += bool(held and held.sha256 != link.sha256)
                if wanted == link.sha256:
                    continue
                waits = bool(held and held.sha256 == link.sha256)
                (not_exported if waits else lost).append(str(accounts[link.person]))
        if lost:
            what = f"{len(lost)} photos are neither the old nor the exported ones, first {lost[0]}"
            cause = "something else wrote thumbnailPhoto meanwhile"
            raise SafetyError(what, cause, "compare them with the backup in before/photos.sqlite")
        detail = f"{changed} photos changed as planned, {len(not_exported)} were not exported, none lost"
        return {"changed": changed, "not_exported": not_exported, "lost": 0, "detail": detail}

    def _asked(self) -> pd.DataFrame:
        """Return what was asked to be exported, by account."""
        return pd.read_parquet(self.folder.path / expectation.ASKED).set_index("account")

    def _kept(self, store: PhotoStore, description: str) -> Iterator[list[Link]]:
        """Read every photo of the directory into a store, batch by batch; yield what each person has."""
        people = self.people.loc[self.people["in_directory"], "person"].tolist()
        batches = [people[start : start + drift.BATCH] for start in range(0, len(people), drift.BATCH)]
        for batch in self.progress(batches, description, len(batches)):
            now = datetime.now(UTC)
            held = dict(self.directory.photos(batch))
            self._require_seen(batch, held)
            yield store.record(Reading(person, DIRECTORY, photo, now) for person, photo in held.items())

    def _require_seen(self, people: Sequence[str], seen: Container[str]) -> None:
        """Refuse to go on where somebody is not in the directory any more, or not to be seen."""
        missing = [person for person in people if person not in seen]
        if missing:
            first = str(self.people.set_index("person").loc[missing[0], "account"])
            what = f"{len(missing)} people are not seen in the directory any more, first '{first}'"
            cause = "they were deleted or moved, or the account may not see them"
            raise SafetyError(
                what, cause, "find them; leavers go with a new 10_inventory and 20_compare_photos"
            )
