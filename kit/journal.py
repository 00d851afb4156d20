"""The journal of the fix: what was about to be done, on disk before it was done, and what became of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kit.errors import CaseError, OutputError

SCHEMA_VERSION = 1


class Journal:
    """Lines of JSON, each on disk (fsync) before the call that wrote it returns.

    Parameters
    ----------
    path : Path
        ``journal.jsonl``; made with the first line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, event: str, step: int, **facts: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        """Append one event.

        Parameters
        ----------
        event : str
            ``intent`` (about to do), ``gate`` (a person must act), ``outcome`` (done, with ``result``).
        step : int
            Number of the plan's step.
        **facts
            What else is known; goes into the line as it is.

        Raises
        ------
        OutputError
            The line could not be written: then nothing may be done either.
        """
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "schema_version": SCHEMA_VERSION, "step": step, "event": event, **facts}
        try:
            with self.path.open("ab") as file:
                if _ends_broken(self.path):
                    file.write(b"\n")
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise OutputError(
                f"journal '{self.path}' cannot be written", cause, "make the folder writable"
            ) from error

    def events(self) -> list[dict[str, Any]]:
        """Read all events; a line that a crash cut short is left out: what it announced was never begun.

        Raises
        ------
        CaseError
            A line in the middle is damaged: somebody edited the file.
        """
        return list(self._events())

    def outcomes(self) -> dict[int, dict[str, Any]]:
        """Return the outcome of every step that ended well, by number."""
        return {
            int(event["step"]): event
            for event in self.events()
            if event["event"] == "outcome" and event.get("result") == "ok"
        }

    def open_intent(self, step: int) -> dict[str, Any] | None:
        """Return the intent of a step of which no outcome is known."""
        of_step = [event for event in self.events() if event["step"] == step and event["event"] != "gate"]
        return of_step[-1] if of_step and of_step[-1]["event"] == "intent" else None

    def archive(self) -> None:
        """Put the journal aside, so that the fix can be run from its first step again."""
        if self.path.exists():
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            self.path.rename(self.path.with_name(f"journal-{stamp}.jsonl"))

    def _events(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        lines = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except ValueError as error:
                if _is_cut(line):
                    continue
                cause = f"line {number} is not JSON ({error})"
                raise CaseError(
                    f"journal '{self.path}' is damaged", cause, "restore it before going on"
                ) from error


def _is_cut(line: bytes) -> bool:
    """Whether a line is the beginning of one of ours: a crash cut it, and a later run went on below it."""
    return line.startswith(b'{"time"') and not line.endswith(b"}")


def _ends_broken(path: Path) -> bool:
    """Whether the file ends in the middle of a line."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
