"""The case folder: its manifest, its snapshots before and after the fix, its lock."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

import kit
from kit import diagnosis, schema
from kit.case import Case
from kit.diagnosis import Diagnosis
from kit.drift import Measurement
from kit.errors import CaseError, LockedError, OutputError
from kit.journal import Journal
from kit.store import PhotoStore

SCHEMA_VERSION = 1
PACKAGES = ("pandas", "papermill", "ldap3", "requests", "pypsrp", "pillow", "matplotlib")


class CaseFolder:
    """``outputs/<case_id>``: everything a case leaves behind.

    What was measured before the fix is kept as it is from the moment the fix begins: a later measurement is
    an *after*.

    Parameters
    ----------
    case : Case
        Whose folder; made if it is missing.

    Raises
    ------
    OutputError
        The folder cannot be made or written.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.path = case.folder
        with self._written("the case folder"):
            for name in ("before", "after", "figures", "notebooks"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        if not (self.path / "case.json").exists():
            self.update(status="open")

    @property
    def journal(self) -> Path:
        """The journal of the fix."""
        return self.path / "journal.jsonl"

    @property
    def phase(self) -> str:
        """``before``, or ``after`` once a gate or a run was begun: verifications change nothing."""
        begun = any(event.get("kind") in {"gate", "run"} for event in Journal(self.journal).events())
        return "after" if begun else "before"

    def store(self, phase: str) -> PhotoStore:
        """Open the photos of a phase, for writing; the caller closes it."""
        return PhotoStore(self.path / phase / "photos.sqlite")

    def people(self, phase: str) -> pd.DataFrame:
        """Read the people of a phase.

        Raises
        ------
        CaseError
            They were not measured yet, or the file is damaged.
        """
        path = self.path / phase / "people.parquet"
        if not path.is_file():
            notebook = "10_inventory and 20_compare_photos" if phase == "before" else "40_drift_report"
            raise CaseError(
                f"'{path}' is not there", f"the people {phase} the fix were not measured", f"run {notebook}"
            )
        try:
            return schema.conform(pd.read_parquet(path), schema.PEOPLE)
        except (OSError, ValueError) as error:
            raise CaseError(
                f"'{path}' cannot be read", str(error), "run 10_inventory and 20_compare_photos"
            ) from error

    def measured(self, phase: str) -> bool:
        """Whether the people of a phase have verdicts."""
        path = self.path / phase / "people.parquet"
        return path.is_file() and bool((self.people(phase)["verdict"] != "").any())

    def save_inventory(self, people: pd.DataFrame, phase: str) -> None:
        """Write the inventory of a phase; the counts, verdicts and causes of an earlier measurement go."""
        manifest = self.manifest()
        earlier = {name: manifest.get(name, {}) for name in ("counts", "diagnosis")}
        kept = {name: {when: one[when] for when in one if when != phase} for name, one in earlier.items()}
        self.update(**kept)
        self.write_frame(schema.conform(people, schema.PEOPLE), Path(phase) / "people.parquet")

    def save(self, measurement: Measurement, phase: str) -> None:
        """Write a measurement and its counts; the frames first, so that counts never stand without them."""
        self.write_frame(measurement.people, Path(phase) / "people.parquet")
        self.write_frame(measurement.fingerprints, Path(phase) / "fingerprints.parquet")
        counts = {**self.manifest().get("counts", {}), phase: measurement.counts}
        partial = {**self.manifest().get("partial", {}), phase: measurement.partial}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.update(counts=counts, partial=partial, times={f"measured_{phase}": now})

    def measured_at(self, phase: str) -> datetime:
        """Return when a phase was measured; of a folder that does not tell, when it was last written to."""
        times = self.manifest()["times"]
        return datetime.fromisoformat(times.get(f"measured_{phase}", times["updated"]))

    def save_writers(self, writers: pd.DataFrame, phase: str) -> None:
        """Write who changed photos last (see `kit.replication`), and note the names of servers in it."""
        self.write_frame(writers, Path(phase) / "writers.parquet")
        controllers = sorted(set(writers["changed_on"]) - {""})
        self.update(servers={"domain_controller": {"host": controllers}})

    def save_diagnosis(self, found: Diagnosis, hops: pd.DataFrame, phase: str) -> None:
        """Write where photos stopped and why: the people as frames, the numbers into the manifest.

        Parameters
        ----------
        found : Diagnosis
        hops : DataFrame
            Columns of `kit.schema.TRACE`.
        phase : str
            ``before`` or ``after``.
        """
        self.write_frame(hops, Path(phase) / "trace.parquet")
        self.write_frame(found.people, Path(phase) / "diagnosis.parquet")
        told = {
            "findings": diagnosis.met(found).to_dict("records"),
            "unexplained": len(found.unexplained),
            "conclusion": diagnosis.conclusion(found),
        }
        self.update(diagnosis={**self.manifest().get("diagnosis", {}), phase: told})

    def diagnosis(self, phase: str) -> Mapping[str, Any]:
        """Return what was found out about the causes of a phase; empty if nobody asked yet."""
        found = self.manifest().get("diagnosis", {}).get(phase, {})
        return found if isinstance(found, dict) else {}

    def manifest(self) -> dict[str, Any]:
        """Read ``case.json``; empty if it is not there yet.

        Raises
        ------
        CaseError
            It is damaged.
        """
        path = self.path / "case.json"
        if not path.exists():
            return {}
        step = "move the case folder away and start again"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CaseError(f"'{path}' is damaged", str(error), step) from error
        if not isinstance(content, dict):
            raise CaseError(f"'{path}' is damaged", "it holds no settings", step)
        return content

    def update(self, **changes: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        """Put keys into ``case.json``, atomically."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        before = self.manifest()
        times = {"started": now, **before.get("times", {}), **changes.pop("times", {}), "updated": now}
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "case_id": self.case.case_id,
            "title": self.case.title or self.case.case_id,
            "status": "open",
            "counts": {},
            **before,
            "versions": _versions(),
            "settings": _settings(self.case),
            "operator": _operator(),
            "host": socket.gethostname(),
            "times": times,
            **changes,
        }
        self._write_bytes(json.dumps(manifest, indent=2, ensure_ascii=False).encode(), Path("case.json"))

    def save_checks(self, about: str, checks: pd.DataFrame) -> None:
        """Put checks into the manifest; those about something else stay.

        Parameters
        ----------
        about : str
            ``fix`` or ``photos``.
        checks : DataFrame
            See `kit.checks`.
        """
        kept = [check for check in self.manifest().get("checks", []) if check.get("about") != about]
        self.update(checks=[*kept, *checks.assign(about=about).to_dict("records")])

    def close(self, status: str) -> None:
        """Write the final status and every file's SHA-256 into the manifest."""
        self.update(status=status, times={"ended": datetime.now(UTC).isoformat(timespec="seconds")})
        self.seal()

    def seal(self) -> None:
        """Write every file's SHA-256 into the manifest, as the files are now."""
        files = {path.relative_to(self.path).as_posix(): _sha256(path) for path in self._files()}
        self.update(files=files)

    @contextmanager
    def locked(self, purpose: str) -> Iterator[None]:
        """Hold the case's lock; nobody else can change the farm for this case meanwhile.

        Raises
        ------
        LockedError
            Somebody else holds it; the message says who.
        """
        holder = self.path / "lock.json"
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            who = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
            cause = f"it is held by {who}"
            raise LockedError(
                f"case '{self.case.case_id}' is locked", cause, "wait until that run has ended"
            ) from None
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise OutputError(
                f"the lock in '{self.path}' cannot be taken", cause, "look at '.lock'"
            ) from error
        try:
            since = datetime.now(UTC).isoformat(timespec="seconds")
            who = f"process {os.getpid()} of {_operator()} on {socket.gethostname()}"
            holder.write_text(f"{who} since {since}, for {purpose}", encoding="utf-8")
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def _files(self) -> list[Path]:
        private = {"case.json", ".lock", "lock.json", ".redaction-key"}
        return sorted(path for path in self.path.rglob("*") if path.is_file() and path.name not in private)

    def write_frame(self, frame: pd.DataFrame, name: Path) -> None:
        """Write a frame as parquet under a name relative to the folder, whole or not at all."""
        with self._written(str(name)):
            temporary = self.path / name.with_suffix(".part")
            try:
                frame.to_parquet(temporary, index=False)
                temporary.replace(self.path / name)
            finally:
                temporary.unlink(missing_ok=True)

    def _write_bytes(self, content: bytes, name: Path) -> None:
        with self._written(str(name)), tempfile.NamedTemporaryFile(dir=self.path, delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                file.close()
                temporary.chmod(0o644)
                temporary.replace(self.path / name)
            finally:
                temporary.unlink(missing_ok=True)

    @contextmanager
    def _written(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            cause = error.strerror or type(error).__name__
            step = "make the folder writable, or set another 'outputs' in the case file"
            raise OutputError(f"{what} in '{self.path}' cannot be written", cause.lower(), step) from error


def _operator() -> str:
    """Return who runs the kit; in a container the user may have a number and no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"


def _versions() -> dict[str, str]:
    return {
        "kit": kit.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _settings(case: Case) -> Mapping[str, Any]:
    """Return the settings without anything secret: the case file holds only names of secrets."""
    return case.model_dump(mode="json", exclude={"secrets_file", "source"})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
