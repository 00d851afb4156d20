"""The people at miisclient.exe, played by threads: who does a fix's hand work, and who comes in its way."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from kit.errors import KitError, SafetyError
from kit.lab.console import deletion_path, press, run_path

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 0.1
CONFIRMATIONS = frozenset(
    {"freeze_schedules", "backups_confirmed", "approve_exports", "upload_canary", "unfreeze"}
)
"""Gates of which nothing can be seen: an empty file of that name in the folder ``confirmed`` opens them."""


class _Onlooker:
    """Follows a case's journal from its first moment; a context manager that ends with its block."""

    def __init__(self, console_url: str, journal: Path) -> None:
        self.actions: list[str] = []
        self._console_url = console_url
        self._journal = journal
        self._stopping = threading.Event()
        name = f"{type(self).__name__} at {console_url}"
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
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
            self._look(_lines(self._journal))

    def _look(self, lines: Sequence[bytes]) -> None:
        """Do what the journal's lines ask for."""
        raise NotImplementedError

    def _tell(self, action: str) -> None:
        logger.info("%s", action)
        self.actions.append(action)


class StandIn(_Onlooker):
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
        self._configuration_folder = configuration_folder
        self._done: set[bytes] = set()
        super().__init__(console_url, journal)

    def _look(self, lines: Sequence[bytes]) -> None:
        for line, event in _open_gates(lines).items():
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
        elif gate in CONFIRMATIONS:
            confirmed = self._journal.with_name("confirmed")
            confirmed.mkdir(exist_ok=True)
            (confirmed / gate).touch()
            self._tell(f"confirmed {gate.replace('_', ' ')}")
        else:
            logger.warning("gate %r asks for nothing that this stand-in can do", gate)


class SecondOperator(_Onlooker):
    """Somebody who has not been told of the fix, and starts one run in the middle of it.

    Parameters
    ----------
    console_url : str
        The operator console's address.
    journal : Path
        The case's ``journal.jsonl``; need not exist yet.
    agent, profile : str
        What is run, once; ``actions`` then says how that ended.
    event, name : str
        The journal's line at which it is: its ``event``, and its ``name`` or ``gate``.
    """

    def __init__(
        self, console_url: str, journal: Path, agent: str, profile: str, *, event: str, name: str
    ) -> None:
        self._run, self._moment = (agent, profile), (event, name)
        super().__init__(console_url, journal)

    def _look(self, lines: Sequence[bytes]) -> None:
        moments = {
            (event.get("event"), name)
            for event in map(_event, lines)
            for name in (event.get("name"), event.get("gate"))
        }
        if self._moment in moments and not self.actions:
            agent, profile = self._run
            try:
                told = press(self._console_url, run_path(agent), {"profile": profile})["status"]
            except KitError as refusal:
                told = str(refusal)
            self._tell(f"ran {profile} of {agent}: {told}")


def _lines(journal: Path) -> list[bytes]:
    try:
        return journal.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []


def _open_gates(lines: Sequence[bytes]) -> dict[bytes, Mapping[str, Any]]:
    """Return the gates without an outcome, by their line, which is unlike any other for its time."""
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
