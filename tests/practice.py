"""A case on a practice farm, carried through the kit's Python calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from kit import case as cases
from kit import drift, inventory, plan, sources
from kit.delta import DIRECTORY
from kit.drift import Measurement
from kit.execution import Patience
from kit.folder import CaseFolder
from kit.journal import Journal
from kit.lab.farm import Farm
from kit.lab.operator import StandIn
from kit.plan import Plan
from kit.resync import Resync
from kit.sequence import CONFIRMATIONS

logger = logging.getLogger(__name__)

SERVICES = ("CONTOSO\\svc-photo-kit", "CONTOSO\\svc-spma", "CONTOSO\\svc-mim")


class Practice:
    """One case of a farm, in a case folder of its own."""

    def __init__(self, farm: Farm, case_id: str = "practice", **mim: object) -> None:
        self.farm = farm
        self.case_file = self._case_file(case_id, mim)
        self.case = cases.load(self.case_file)
        self.folder = CaseFolder(self.case)
        self.journal = Journal(self.folder.journal)

    def measured(self, phase: str = "before") -> Measurement:
        """Take the inventory, compare all photos, and keep both."""
        with sources.directory(self.case) as directory, sources.sharepoint(self.case) as sharepoint:
            people = inventory.take(directory, sharepoint)
            with self.folder.store(phase) as store:
                measurement = drift.measure(people, directory, sharepoint, store)
        self.folder.save(measurement, phase)
        return measurement

    def plan(self, *run_order: str, limit: float = 30.0) -> Plan:
        """Make the plan of what was measured."""
        configuration = plan.read_configuration(self.case)
        people = self.folder.people("before")
        return plan.make(self.case, people, configuration, run_order, export_limit_percent=limit)

    def fix(
        self,
        chosen: Plan | None = None,
        *,
        apply: Any = True,
        operator: bool = True,
        gate_seconds: float = 20.0,
        restart: bool = False,
        until: str = "",
        confirmed: Sequence[str] = CONFIRMATIONS,
        say: Callable[[str], None] = logger.info,
    ) -> pd.DataFrame:
        """Carry out the plan, with somebody at miisclient or nobody."""
        with (
            sources.synchronization(self.case) as service,
            sources.directory(self.case) as directory,
            sources.sharepoint(self.case) as sharepoint,
            self._operator(present=operator),
        ):
            fixing = Resync(
                self.folder,
                chosen or self.plan(),
                service,
                directory,
                sharepoint,
                gate_seconds=gate_seconds,
                patience=Patience(grace=1.0),
                confirmed=confirmed,
                say=say,
            )
            return fixing.run(apply=apply, restart=restart, until=until)

    def photos(self) -> dict[str, bytes | None]:
        """Read every photo over LDAP, by account."""
        with sources.directory(self.case) as directory:
            return {user.account: user.photo for user in directory.users(photos=True)}

    def run_numbers(self) -> dict[str, int]:
        """Read the number of each agent's last run through WS-Man."""
        with sources.synchronization(self.case) as service:
            return {agent: service.last_run(agent).run_number for agent in ("ADMA", "SPMA")}

    def state(self) -> tuple[object, ...]:
        """Return what a fix would change on the farm."""
        return self.run_numbers(), self.photos(), self.farm.engine.rules.provisioning_enabled

    def runs_after(self, numbers: dict[str, int]) -> list[tuple[str, str]]:
        """Return agent and profile of every run after those numbers, oldest first."""
        runs = [run for run in self.farm.engine.runs() if run.run_number > numbers[run.agent]]
        return [(run.agent, run.profile) for run in reversed(runs)]

    def run(self, agent: str, *profiles: str) -> None:
        """Run profiles as somebody at miisclient would."""
        for profile in profiles:
            assert self.farm.engine.execute(agent, profile) in {"success", "completed-no-objects"}

    def let_read(self, account: str, readers: Sequence[str] = SERVICES) -> None:
        """Let only these accounts read somebody's picture."""
        self.farm.sharepoint.store.forbid(account, readers)

    def kept(self, phase: str = "before") -> dict[str, bytes]:
        """Return the directory's photos that the store has, by person, each read back by its hash."""
        with self.folder.store(phase) as store:
            links = {link.person: link.sha256 for link in store.links(system=DIRECTORY)}
            return {person: store.get(sha256) for person, sha256 in links.items() if sha256}

    def somebody(self, verdict: str, unit: str = "Staff") -> str:
        """Return the account of the first one with a verdict before the fix."""
        chosen = (
            person.account_name
            for person in self.farm.people
            if person.expected_before == verdict and person.organizational_unit == unit
        )
        return f"CONTOSO\\{next(chosen)}"

    @contextmanager
    def _operator(self, *, present: bool) -> Iterator[None]:
        if not present:
            yield
            return
        with StandIn(self.farm.console.url, self.folder.journal, self.farm.configuration_folder):
            yield

    def _case_file(self, case_id: str, mim: dict[str, object]) -> Path:
        case = yaml.safe_load(self.farm.case_file.read_text(encoding="utf-8"))
        case["case_id"] = case_id
        case["mim"] |= {"poll_interval": 0.05, **mim}
        path = self.farm.folder / f"{case_id}.yaml"
        path.write_text(yaml.safe_dump(case), encoding="utf-8")
        return path
