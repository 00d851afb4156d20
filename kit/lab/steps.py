"""Run steps: import, synchronisation and export of one management agent."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from kit.errors import CertificateError, RightsError, SignInError, SourceError, UnreachableError
from kit.lab.clock import Clock
from kit.lab.connector import Connector, DiscoveryError, ExportFailure, ImportedObject
from kit.lab.disturbances import Disturbances, Passage
from kit.lab.rules import AgentRules
from kit.lab.runs import (
    DELETION_LIMIT,
    EXTENSION_EXCEPTION,
    FULL_IMPORT_REQUIRED,
    OBJECT_LIMIT,
    StepRecord,
    StepStoppedError,
    goes_on,
    overall,
)
from kit.lab.space import ConnectorSpace, ConnectorSpaceObject, Delta, ObjectError
from kit.lab.staging import PICTURE, Staged, stage, stage_missing
from kit.lab.synchronization import ObjectExistsError, Synchronization

Item = TypeVar("Item")

_UNREACHABLE = (
    (SignInError, "no-start-credentials", "failed-authentication"),
    (RightsError, "no-start-connection", "failed-permission"),
    ((UnreachableError, CertificateError), "no-start-connection", "failed-connection"),
)


@dataclass
class StepRunner:
    """Runs one step; it changes things under the engine's lock, and waits for other systems without it.

    Parameters
    ----------
    lock : threading.RLock
        Guards the connector spaces and the metaverse.
    passage : Passage
        The run's way through its objects, where it can be stopped.
    disturbances : Disturbances
        Exports and synchronisations that are to fail.
    picture_model : bool
        See `kit.lab.staging`.
    """

    agent: AgentRules
    space: ConnectorSpace
    connector: Connector
    record: StepRecord
    synchronization: Synchronization
    lock: threading.RLock
    clock: Clock
    passage: Passage
    disturbances: Disturbances
    picture_model: bool = True

    def run(self) -> None:
        """Run the step and write its result into the record."""
        kind = self.record.step.type
        results: list[str] = []
        try:
            self.passage.check()
            if kind.imports:
                results.append(self._import())
            if kind.synchronises and all(goes_on(result) for result in results):
                results.append(self._synchronise())
            if not kind.imports and not kind.synchronises:
                results.append(self._export())
        except StepStoppedError as stop:
            results.append(stop.status)
            self.record.connection, self.record.connection_log = stop.connection, stop.logged
        except SourceError as error:
            results.append(self._broken_off(error))
        self.record.ended = self.clock.now()
        self.record.result = self.passage.result(overall(results))

    def _import(self) -> str:
        """Import; that changes which did not come back make it ``completed-warnings`` is not proven."""
        attributes = self.agent.importable
        if not self.record.step.type.delta:
            watermark = self.connector.watermark()
            complete = self._stage_all(self.connector.full_import(attributes))
        else:
            if self.space.watermark is None:
                cause = "the connector space has no place in the change log"
                raise StepStoppedError(FULL_IMPORT_REQUIRED, cause, "warning-no-watermark")
            changed, watermark = self.connector.delta_import(self.space.watermark, attributes)
            complete = self._stage_all(changed)
        with self.lock:
            self.space.watermark = watermark
        if not complete:
            return "completed-discovery-errors"
        if self.record.import_errors:
            return "completed-warnings"
        return "success" if any(self.record.counters.staging.values()) else "completed-no-objects"

    def _stage_all(self, objects: Iterable[ImportedObject | DiscoveryError]) -> bool:
        """Stage everything read; what a full import without discovery errors did not see is obsolete."""
        delta = self.record.step.type.delta
        seen: set[str] = set()
        for found in self._limited(objects):
            if isinstance(found, DiscoveryError):
                self.record.discovery_errors.append(found)
                continue
            key = found.anchor.casefold()
            if key in seen and not delta:
                self.record.discovery_errors.append(
                    DiscoveryError("duplicate-object", found.dn, found.anchor)
                )
                continue
            seen.add(key)
            with self.lock:
                self._stage(found)
        if self.record.discovery_errors:
            return False
        if not delta:
            for item in self.space:
                self.passage.next_object()
                if item.anchor.casefold() not in seen:
                    with self.lock:
                        self._stage_gone(item)
        return True

    def _stage(self, found: ImportedObject) -> None:
        if not found.deleted:
            delta = self.record.step.type.delta
            self._count(stage(self.space, self.agent, found, delta=delta, picture_model=self.picture_model))
        elif (item := self.space.get(found.anchor)) is not None:
            self._stage_gone(item)

    def _stage_gone(self, item: ConnectorSpaceObject) -> None:
        limit = self.record.step.deletion_limit
        if limit is not None and self.record.counters.staging["stage-delete"] >= limit:
            cause = f"more than {limit} objects are gone from the connected system"
            raise StepStoppedError(DELETION_LIMIT, cause)
        self._count(stage_missing(self.space, item))

    def _count(self, staged: Staged) -> None:
        if staged.counter:
            self.record.counters.staging[staged.counter] += 1
        if not staged.confirmed:
            self._import_error(staged.item, "exported-change-not-reimported", "", "staging")
        else:
            self._clear_error(staged.item, "staging")

    def _synchronise(self) -> str:
        everything = self.record.step.type.everything
        failures = len(self.record.import_errors)
        for item in self.space:
            self.passage.next_object()
            with self.lock:
                if self.space.get(item.anchor) is item and (everything or item.pending_import is not None):
                    self._synchronise_one(item)
        return "completed-sync-errors" if len(self.record.import_errors) > failures else "success"

    def _synchronise_one(self, item: ConnectorSpaceObject) -> None:
        if fault := self.disturbances.fault(item):
            self._import_error(
                item, fault, "the practice farm's rules extension was told to fail", "import-flow"
            )
            return
        self._clear_error(item, "import-flow")
        try:
            self.synchronization.synchronise(item, self.record.counters)
        except ObjectExistsError as error:
            self._import_error(item, "extension-dll-exception", str(error), "provisioning")
            return
        self._clear_error(item, "provisioning")

    def _export(self) -> str:
        with self.lock:
            pending = [(item, item.unapplied_export) for item in self.space if item.unapplied_export]
        counters = self.record.counters.export
        limit = self.record.step.deletion_limit
        for item, change in self._limited(pending):
            if change.operation == "delete" and limit is not None and counters["export-delete"] >= limit:
                cause = f"more than {limit} deletions were to be exported"
                raise StepStoppedError(DELETION_LIMIT, cause)
            failure = self.disturbances.failure(item) or self.connector.export(
                item.system_anchor, item.dn, change
            )
            with self.lock:
                self._settle(item, change, failure)
        if self.record.export_errors:
            return "completed-export-errors"
        return "success" if pending else "completed-no-objects"

    def _settle(self, item: ConnectorSpaceObject, change: Delta, failure: ExportFailure | None) -> None:
        """Record one object's export: what succeeded awaits confirmation, what failed stays pending."""
        if failure is not None:
            self.record.counters.export["export-failure"] += 1
            now = self.clock.now()
            error = ObjectError(failure.error_type, now, now, detail=failure.detail).repeated(
                item.export_error
            )
            item.export_error = error
            self.record.export_errors.append((item, error))
            return
        self.record.counters.export[f"export-{change.operation}"] += 1
        self.space.settle_anchor(item)
        item.export_error = None
        earlier = item.unconfirmed_export
        item.unconfirmed_export = earlier.then(change) if earlier else change
        if item.unapplied_export is change:
            item.unapplied_export = None
        if PICTURE in self.agent.export_only and change.changes.get(PICTURE) is not None:
            item.picture_seeded_by_export = True

    def _import_error(
        self, item: ConnectorSpaceObject, error_type: str, detail: str, algorithm_step: str
    ) -> None:
        now = self.clock.now()
        error = ObjectError(error_type, now, now, detail=detail, algorithm_step=algorithm_step)
        item.import_error = error.repeated(item.import_error)
        self.record.import_errors.append((item, item.import_error))

    def _clear_error(self, item: ConnectorSpaceObject, algorithm_step: str) -> None:
        if item.import_error is not None and item.import_error.algorithm_step == algorithm_step:
            item.import_error = None

    def _limited(self, items: Iterable[Item]) -> Iterator[Item]:
        """Pass the items on until someone stops the run or the object threshold is reached."""
        limit = self.record.step.object_limit
        for count, item in enumerate(items):
            self.passage.next_object()
            if limit is not None and count >= limit:
                raise StepStoppedError(OBJECT_LIMIT, f"the threshold is {limit} objects")
            yield item

    def _broken_off(self, error: SourceError) -> str:
        """Return the result of a step whose connected system failed, by what it was and when."""
        counters = self.record.counters
        begun = any((*counters.staging.values(), *counters.export.values()))
        for kinds, status, connection in _UNREACHABLE:
            if isinstance(error, kinds):
                self.record.connection = "dropped-connection" if begun else connection
                return "stopped-connectivity" if begun else status
        return "stopped-ma" if self.agent.category == "AD" else EXTENSION_EXCEPTION
