"""A small company in both systems, each on a real port: for the tests of inventory, collection and drift."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import people

from kit.directory import Directory
from kit.endpoint import Endpoint
from kit.lab import directory, portraits, sharepoint
from kit.lab.clock import Clock
from kit.lab.directory import EmbeddedDirectory
from kit.lab.domain import Account, Domain
from kit.lab.sharepoint import SharePointServer
from kit.sharepoint import SharePoint

READER = Account("svc-kit", "Reader!pass1", frozenset({"profile-manager"}))
PORTRAITS = [portraits.portrait(number) for number in range(4)]


@dataclass(frozen=True)
class Crew:
    """Both servers: all have a photo in the directory, the first few in SharePoint, the last no profile."""

    directory: EmbeddedDirectory
    sharepoint: SharePointServer
    folder: Path

    def read_directory(self, url: str = "", page_size: int = 1000, base_dn: str = "") -> Directory:
        """Make a client of the directory."""
        account = people.WRITER
        endpoint = Endpoint(
            url or self.directory.url,
            f"CONTOSO\\{account.name}",
            account.password,
            ca_file=self.directory.ca_file,
        )
        return Directory(endpoint, base_dn=base_dn, page_size=page_size, user_filter="(department=Support)")

    def read_sharepoint(self) -> SharePoint:
        """Make a client of SharePoint that waits for nothing."""
        endpoint = Endpoint(self.sharepoint.url, f"CONTOSO\\{READER.name}", READER.password)
        return SharePoint(endpoint, wait=lambda _: None)

    def fail_after(self, pattern: str, answers: int) -> None:
        """Let SharePoint break every connection from so many answers on."""
        if answers:
            self.sharepoint.troubles.add(pattern, "headers", times=answers)
        self.sharepoint.troubles.add(pattern, "reset", times=None)


@contextmanager
def running(folder: Path) -> Iterator[Crew]:
    """Run the company: `people.STAFF` of the department Support."""
    staff = [people.staff(number) for number in range(people.STAFF)]
    server = directory.start(people.DOMAIN, staff, people.ACCOUNTS, folder)
    farm = sharepoint.start(Domain(), [READER], clock=Clock())
    try:
        for number in range(people.STAFF - 1):
            farm.store.create(f"CONTOSO\\staff{number:02}", {"PreferredName": f"Staff {number:02}"})
        for number, portrait in enumerate(PORTRAITS):
            farm.store.upload(f"CONTOSO\\staff{number:02}", portrait)
        yield Crew(server, farm, folder)
    finally:
        farm.stop()
        server.stop()
