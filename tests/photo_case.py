"""A directory whose photos a fix has changed, and the case folder it left; no MIM and no SharePoint."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cases
import crowd
import pandas as pd
import people
import yaml

from kit import schema, undo
from kit.delta import DIRECTORY
from kit.directory import Directory
from kit.folder import CaseFolder
from kit.forest import Forest
from kit.journal import Journal
from kit.lab.directory import DirectoryServer
from kit.lab.domain import Account
from kit.restore import Restore
from kit.store import Reading

SECRET = "KIT_TEST_SECRET"
EXPORTED = people.photo(99)
"""What the fix exported, of whoever it changed."""


class PhotoCase:
    """One case of a directory; who is meant is said by ``sAMAccountName``."""

    def __init__(self, folder: Path, *servers: DirectoryServer, account: Account = people.WRITER) -> None:
        self.servers, self.account = servers, account
        first, *further = servers
        directory = {
            "url": first.url,
            "username": f"{first.domain.netbios_name}\\{account.name}",
            "ca_file": str(first.ca_file),
            "further_domains": [server.url for server in further],
        }
        settings = cases.settings(directory=directory, secrets_file="secrets.env", outputs=str(folder))
        self.case_file = folder / "case.yaml"
        self.case_file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        (folder / "secrets.env").write_text(f"{SECRET}={account.password}\n", encoding="utf-8")
        self.folder = CaseFolder(cases.parse(settings, self.case_file))
        self.journal = Journal(self.folder.path / undo.JOURNAL)
        self.directory = self.open(account)
        self.people = self._read()

    def open(self, account: Account) -> Directory | Forest:
        """Sign in to every domain."""
        opened = [crowd.connect(server, account) for server in self.servers]
        return Forest(opened) if opened[1:] else opened[0]

    def photos(self) -> dict[str, bytes | None]:
        """Read every photo over LDAP, by person."""
        return {user.person: user.photo for user in self.directory.users(photos=True)}

    def person(self, account_name: str) -> str:
        """Return the ``objectGUID`` of somebody."""
        names = self.people["account"].str.split("\\").str[-1]
        return str(self.people.loc[names == account_name, "person"].item())

    def photo(self, account_name: str) -> bytes | None:
        """Read somebody's photo over LDAP."""
        return dict(self.directory.photos([self.person(account_name)]))[self.person(account_name)]

    def change(self, account_name: str, photo: bytes | None) -> None:
        """Write somebody's photo as another person or program would."""
        where = undo.look_up(self.directory, [self.person(account_name)])[self.person(account_name)]
        self.directory.replace_photo(where.distinguished_name, photo, current=where.photo)

    def fix(self, *account_names: str, photo: bytes = EXPORTED) -> None:
        """Leave behind what a fix does that changes the photos of some people."""
        steps = Journal(self.folder.journal)
        steps.write("gate", 3, kind="gate", gate="provisioning_off")
        held = undo.look_up(self.directory, [self.person(name) for name in account_names])
        accounts = self.people.set_index("person")["account"]
        digest = undo.Held("", photo).sha256
        rows = [{"account": accounts[person], "class": "expected", "sha256": digest} for person in held]
        self.folder.write_frame(schema.conform(pd.DataFrame(rows), schema.EXPORTS), Path("exports.parquet"))
        for name in account_names:
            self.change(name, photo)
        steps.write("outcome", 13, kind="run", name="directory export", result="ok")

    def seen(self, account_name: str, photo: bytes | None, phase: str = "after") -> None:
        """Keep a photo as a measurement does."""
        with self.folder.store(phase) as store:
            store.record([Reading(self.person(account_name), DIRECTORY, photo, datetime.now(UTC))])

    def plan(self, *accounts: str, **options: Any) -> pd.DataFrame:
        """Plan to put photos back."""
        return undo.plan(self.folder, self.directory, accounts, **options)

    def classes(self, *accounts: str) -> dict[str, str]:
        """Return the class of everybody in the plan whose photo is not as before."""
        planned = self.plan(*accounts)
        planned = planned[planned["class"] != "same"]
        return dict(zip(planned["account"].str.split("\\").str[-1], planned["class"], strict=True))

    def restore(self, *accounts: str, apply: Any = True, **options: Any) -> pd.DataFrame:
        """Put photos back."""
        return Restore(self.folder, self.plan(*accounts), self.directory, **options).run(apply=apply)

    def results(self, done: pd.DataFrame) -> dict[str, str]:
        """Return the results of the chosen people."""
        chosen = done[done["chosen"]]
        return dict(zip(chosen["account"].str.split("\\").str[-1], chosen["result"], strict=True))

    def _read(self) -> pd.DataFrame:
        """Take the inventory as it is before the fix, and keep all photos."""
        users = list(self.directory.users(photos=True))
        rows: Sequence[dict[str, Any]] = [
            {
                "person": user.person,
                "account": user.account,
                "display_name": user.display_name,
                "mail": user.mail,
                "user_principal_name": user.user_principal_name,
            }
            for user in users
        ]
        found = cases.people(*rows)
        now = datetime.now(UTC)
        with self.folder.store("before") as store:
            store.record(Reading(user.person, DIRECTORY, user.photo, now) for user in users)
        self.folder.save_inventory(found, "before")
        return found
