"""The person at miisclient.exe, played by a thread: it does the hand work that a running fix waits for."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from kit.errors import KitError, SafetyError
from kit.lab.console import deletion_path, press

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 0.1


class StandIn:
    """Follows a case's journal and does the work of every open gate once, on the operator console.

    A gate is open from its line, ``{"event": "gate", "gate": ..., "step": n}``, to a later
    ``{"event": "outcome", "step": n}``. After switching provisioning the configuration is exported again, so
    that the switch can be seen. A refusal because a run is in progress is taken as "not yet"; any other is
    logged and the gate left open. A context manager; it works from the first moment.

    Parameters
    ----------
    console_url : str
        The operator console's address.
    journal : Path
        The case's ``journal.jsonl``; need not exist yet, and may be put aside for a new one.
    configuration_folder : Path
        Where the case looks for MIM's exported configuration.
    """

    def __init__(self, console_url: str, journal: Path, configuration_folder: Path) -> None:
        self.actions: list[str] = []
        self._console_url = console_url
        self._journal = journal
        self._configuration_folder = configuration_folder
        self._done: set[bytes] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"stand-in at {console_url}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Go home; what is being done is finished first."""
        self._stopping.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _work(self) -> None:
        while not self._stopping.wait(_SECONDS_BETWEEN_LOOKS):
            for line, event in _open_gates(self._journal).items():
                if line not in self._done:
                    self._pass(line, event)

    def _pass(self, line: bytes, gate: Mapping[str, Any]) -> None:
        """Do one gate's work, or leave it for the next look."""
        try:
            self._do(str(gate.get("gate")), str(gate.get("agent", "")))
        except SafetyError as refusal:
            logger.info("%s has to wait: %s", gate.get("gate"), refusal)
            return
        except KitError as error:
            logger.warning("%s cannot be done: %s", gate.get("gate"), error)
        self._done.add(line)

    def _do(self, gate: str, agent: str) -> None:
        if gate == "delete_connector_space":
            outcome = press(self._console_url, deletion_path(agent))
            self._tell(f"deleted the connector space of {agent}, {outcome['deleted']} objects")
        elif gate in {"provisioning_off", "provisioning_on"}:
            press(self._console_url, "/provisioning", {"enabled": gate == "provisioning_on"})
            folder = str(self._configuration_folder.resolve())
            press(self._console_url, "/export-configuration", {"folder": folder})
            self._tell(f"switched {gate.replace('_', ' ')} and exported the configuration")
        else:
            logger.warning("gate %r asks for nothing that this stand-in can do", gate)

    def _tell(self, action: str) -> None:
        logger.info("%s", action)
        self.actions.append(action)


def _open_gates(journal: Path) -> dict[bytes, Mapping[str, Any]]:
    """Return the gates without an outcome, by their line, which is unlike any other for its time."""
    try:
        lines = journal.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    waiting: dict[object, tuple[bytes, Mapping[str, Any]]] = {}
    for line in lines:
        event = _event(line)
        if event.get("event") == "gate":
            waiting[event.get("step")] = (line, event)
        elif event.get("event") == "outcome":
            waiting.pop(event.get("step"), None)
    return dict(waiting.values())


def _event(line: bytes) -> Mapping[str, Any]:
    """Read one line; one that is being written, or was cut short, says nothing yet."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
