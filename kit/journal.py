"""The journal of the fix: what was about to be done, on disk before it was done, and what became of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

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
            ``intent`` (about to do), ``gate`` (a person must act), ``refused`` (not begun: what was intended
            was turned down), ``outcome`` (done, with ``result``).
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
        is_new = not self.path.exists()
        try:
            with self.path.open("ab") as file:
                _mend(file, self.path.read_bytes())
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                _keep_name(self.path)
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
        """Return the intent of a step of which neither an outcome nor a refusal is known."""
        of_step = [event for event in self.events() if event["step"] == step and event["event"] != "gate"]
        return of_step[-1] if of_step and of_step[-1]["event"] == "intent" else None

    def archive(self) -> None:
        """Put the journal aside, so that what it tells of can be begun again."""
        if self.path.exists():
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            self.path.rename(self.path.with_name(f"{self.path.stem}-{stamp}.jsonl"))

    def _events(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        *lines, rest = self.path.read_bytes().split(b"\n")
        for number, line in enumerate([*lines, rest] if _event(rest) else lines, 1):
            event = _event(line)
            if event is not None:
                yield event
            elif line.strip():
                cause = f"line {number} is no event"
                raise CaseError(f"journal '{self.path}' is damaged", cause, "restore it before going on")


def _event(line: bytes) -> dict[str, Any] | None:
    """Read one line; None if it is not an event, as when a crash has cut it short."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and {"step", "event"} <= event.keys() else None


def _mend(file: BinaryIO, content: bytes) -> None:
    """End the last line, or take it away if a crash cut it short: what it announced was never begun."""
    rest = content.rpartition(b"\n")[2]
    if _event(rest):
        file.write(b"\n")
    elif rest:
        file.truncate(len(content) - len(rest))


def _keep_name(path: Path) -> None:
    """Put the name of a new file on disk as well, where a folder can be opened for that."""
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
