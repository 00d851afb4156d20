"""The experiment with one person of a practice farm as its test account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import yaml
from practice import Practice

from kit import case as cases
from kit import sources
from kit.behaviour import read
from kit.confirmation import PAUSED
from kit.execution import Patience
from kit.experiment import JOURNAL, Experiment
from kit.folder import CaseFolder
from kit.journal import Journal
from kit.lab.population import Person
from kit.profiles import Profile

PASSWORD_NAME = "KIT_TEST_ACCOUNT_PASSWORD"


class ExperimentCase:
    """The case of a practice, with a test account; signed in as somebody else where that is asked for."""

    def __init__(
        self, practice: Practice, person: Person, signed_in: Person | None = None, **sharepoint: object
    ) -> None:
        self.practice, self.farm, self.person = practice, practice.farm, person
        self.account = f"CONTOSO\\{person.account_name}"
        self.case_file = self._case_file(signed_in or person, sharepoint)
        self.case = cases.load(self.case_file)
        self.folder = CaseFolder(self.case)
        self.journal = Journal(self.folder.path / JOURNAL)
        self.said: list[str] = []

    def run(
        self,
        *,
        apply: Any = True,
        confirmed: tuple[str, ...] = (PAUSED,),
        restart: bool = False,
        say: Callable[[str], object] = lambda _: None,
    ) -> pd.DataFrame:
        """Make the experiment, or go on with it."""
        with sources.synchronization(self.case) as service, sources.as_test_account(self.case) as sharepoint:
            patience = Patience(grace=0.2)
            testing = Experiment(
                self.folder, service, sharepoint, confirmed=confirmed, patience=patience, say=say
            )
            return testing.run(apply=apply, restart=restart)

    def state(self) -> pd.DataFrame:
        """Compare what SharePoint shows with what the connector space holds."""
        with sources.synchronization(self.case) as service, sources.as_test_account(self.case) as sharepoint:
            return Experiment(self.folder, service, sharepoint).state()

    def measured(self, phase: str = "before") -> dict[str, tuple[str, str]]:
        """Return what was last measured of this account: Full Import, Delta Import."""
        mine = (phase, self.account.lower())
        found = next(one.measured for one in read(self.folder) if (one.phase, one.account) == mine)
        return {
            name: (found[f"{name} full_import"], found[f"{name} delta_import"])
            for name in ("picture", "WorkPhone")
        }

    def profile(self) -> Profile:
        """Read the test account's profile in the store."""
        return Profile.of(self.farm.sharepoint.store.get(self.account).properties)

    def picture(self) -> bytes | None:
        """Read the test account's medium thumbnail."""
        store = self.farm.sharepoint.store
        file = store.file(store.picture_path(self.account, "M"))
        return file.content if file and self.profile().picture_url else None

    def uploads(self) -> int:
        """Count the pictures that were set, by the change log."""
        log = self.farm.sharepoint.store.log
        rows = log.since("", lambda row: row.account_name == self.account).rows
        return sum(row.property_name == "SPS-PictureTimestamp" for row in rows)

    def results(self) -> dict[str, str]:
        """Return the last result of every step, by kind and name."""
        told = [event for event in self.journal.events() if event["event"] == "outcome"]
        return {f"{event['kind']} {event['name']}": event["result"] for event in told}

    def _case_file(self, signed_in: Person, sharepoint: dict[str, object]) -> Any:
        content = yaml.safe_load(self.practice.case_file.read_text(encoding="utf-8"))
        username = f"CONTOSO\\{signed_in.account_name}"
        content["experiment"] = {
            "account": self.account,
            "username": username,
            "password_name": PASSWORD_NAME,
        }
        content["sharepoint"] |= sharepoint
        stem = f"{self.person.account_name}-{signed_in.account_name}"
        secrets = self.farm.folder / f"{stem}.env"
        kept = self.farm.secrets_file.read_text(encoding="utf-8")
        secrets.write_text(f"{kept}{PASSWORD_NAME}={self.farm.passwords[signed_in.account_name]}\n")
        content["secrets_file"] = str(secrets)
        path = self.farm.folder / f"{stem}.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path
