"""The engine over the wire: LDAP on one side, SOAP and HTTP with NTLM on the other."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from kit.directory import Directory
from kit.endpoint import Endpoint
from kit.lab import directory, sharepoint
from kit.lab.agents import DirectoryConnector, DirectoryWriter, SharePointConnector
from kit.lab.clock import Clock
from kit.lab.domain import Account, Domain, Entry
from kit.lab.engine import Engine
from kit.lab.site import field_rules, imported_rules
from kit.sharepoint import SharePoint

DOMAIN = Domain()
WRITER = Account("svc-adma", "Writer pass 1", frozenset({"directory-writer"}))
READER = Account("svc-reader", "Reader pass 1")
MANAGER = Account("svc-spma", "Manager pass 1", frozenset({"profile-manager"}))
FULL = ("FullImport", "FullSync")
DELTA = ("DeltaImport", "DeltaSync")


def photo(colour: str) -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (96, 96), colour).save(encoded, "JPEG")
    return encoded.getvalue()


def user(name: str, unit: str = "Staff", **attributes: bytes) -> Entry:
    values = {
        "objectClass": [b"top", b"person", b"organizationalPerson", b"user"],
        "sAMAccountName": [name.encode()],
        "userPrincipalName": [f"{name}@{DOMAIN.dns_name}".encode()],
        "userAccountControl": [b"512"],
        "displayName": [name.title().encode()],
        **{attribute: [value] for attribute, value in attributes.items()},
    }
    return Entry(f"CN={name},OU={unit},{DOMAIN.base_dn}", values)


class Farm:
    """Both servers, the clients that the agents sign in with, and the engine."""

    def __init__(self, stack: ExitStack, folder: Path, *, directory_account: Account = WRITER) -> None:
        self.clock = Clock(timedelta(days=-30))
        people = [user("anna", thumbnailPhoto=photo("red")), user("berta"), user("robot", unit="Services")]
        self.directory = directory.start(DOMAIN, people, [WRITER, READER], folder)
        stack.callback(self.directory.stop)
        self.sharepoint = sharepoint.start(DOMAIN, [MANAGER], clock=self.clock)
        stack.callback(self.sharepoint.stop)
        self.store = self.sharepoint.store
        for name in ("anna", "berta"):
            self.store.create(f"CONTOSO\\{name}", {"PreferredName": name.title(), "WorkPhone": "1"})
        writer = self.client(DirectoryWriter, stack, directory_account)
        profiles = SharePoint(Endpoint(self.sharepoint.url, f"CONTOSO\\{MANAGER.name}", MANAGER.password))
        self.profiles = stack.enter_context(profiles)
        connectors = {
            "ADMA": DirectoryConnector(writer, (f"OU=Staff,{DOMAIN.base_dn}",)),
            "SPMA": SharePointConnector(self.profiles, upload=self.store.upload, delete=self.store.delete),
        }
        self.engine = Engine(imported_rules(), connectors, clock=self.clock)
        self.reader = self.client(Directory, stack, READER)

    def client(self, kind, stack, account):
        """Sign in to the directory."""
        name = f"CONTOSO\\{account.name}"
        return stack.enter_context(
            kind(Endpoint(self.directory.url, name, account.password, ca_file=self.directory.ca_file))
        )

    def run(self, agent: str, *profiles: str) -> list[str]:
        """Run some profiles of one agent; return their statuses."""
        return [self.engine.execute(agent, profile, "") for profile in profiles]

    def reverse(self) -> None:
        """Let photos flow to SharePoint once, then turn the flow round."""
        self.run("ADMA", *FULL)
        self.run("SPMA", *FULL, "Export", *DELTA)
        self.engine.change_rules(field_rules())
        self.run("SPMA", *FULL)
        self.run("ADMA", *FULL, "Export", *DELTA)

    def photo(self, name: str) -> bytes | None:
        """Return the photo that the directory holds."""
        (found,) = self.reader.users(photos=True, extra_filter=f"(sAMAccountName={name})")
        return found.photo

    def thumbnail(self, name: str) -> bytes | None:
        """Return the medium thumbnail that SharePoint holds."""
        profile = self.profiles.profile(f"CONTOSO\\{name}")
        assert profile is not None
        return self.profiles.picture(profile.picture_url).content


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with ExitStack() as stack:
        yield Farm(stack, tmp_path)


@pytest.fixture
def reversed_farm(farm: Farm) -> Farm:
    farm.reverse()
    return farm


def test_photos_flow_to_sharepoint_at_first(farm: Farm) -> None:
    farm.run("ADMA", *FULL)
    farm.run("SPMA", *FULL, "Export")
    assert farm.thumbnail("anna")


def test_reversing_the_flow_leaves_the_directory_photos_as_they_were(reversed_farm: Farm) -> None:
    assert reversed_farm.photo("anna") == photo("red")


@pytest.mark.parametrize(
    ("name", "profiles", "seen"),
    [("anna", FULL, False), ("anna", DELTA, True), ("berta", FULL, True), ("berta", DELTA, True)],
)
def test_which_import_sees_an_upload_before_the_fix(
    reversed_farm: Farm, name: str, profiles: tuple[str, ...], seen: bool
) -> None:
    reversed_farm.store.upload(f"CONTOSO\\{name}", photo("blue"))
    reversed_farm.run("SPMA", *profiles)
    reversed_farm.run("ADMA", "Export")
    assert (reversed_farm.photo(name) == reversed_farm.thumbnail(name)) == seen


@pytest.mark.parametrize("profiles", [FULL, DELTA])
def test_after_the_fix_both_imports_see_an_upload(reversed_farm: Farm, profiles: tuple[str, ...]) -> None:
    reversed_farm.engine.delete_connector_space("SPMA")
    reversed_farm.run("SPMA", *FULL)
    reversed_farm.run("ADMA", *FULL, "Export", *DELTA)
    reversed_farm.store.upload("CONTOSO\\anna", photo("blue"))
    reversed_farm.run("SPMA", *profiles)
    reversed_farm.run("ADMA", "Export")
    assert reversed_farm.photo("anna") == reversed_farm.thumbnail("anna")


@pytest.mark.parametrize("profiles", [FULL, DELTA])
def test_a_changed_phone_number_reaches_the_directory(reversed_farm: Farm, profiles: tuple[str, ...]) -> None:
    reversed_farm.store.modify("CONTOSO\\anna", {"WorkPhone": "2"})
    reversed_farm.run("SPMA", *profiles)
    reversed_farm.run("ADMA", "Export")
    (anna,) = reversed_farm.reader.users(extra_filter="(sAMAccountName=anna)")
    assert anna.telephone_number == "2"


def test_an_exported_photo_is_confirmed_by_a_delta_import(reversed_farm: Farm) -> None:
    reversed_farm.store.upload("CONTOSO\\berta", photo("blue"))
    reversed_farm.run("SPMA", *FULL)
    assert reversed_farm.run("ADMA", "Export", *DELTA) == ["success"] * 3
    assert not any(view.unconfirmed_export for view in reversed_farm.engine.connector_space_objects())


def test_people_outside_the_chosen_containers_are_out_of_scope(farm: Farm) -> None:
    farm.run("ADMA", *FULL)
    assert farm.engine.counters("ADMA")["NumConnectors"] == 2


def test_a_person_without_a_profile_gets_one(farm: Farm) -> None:
    farm.store.delete("CONTOSO\\berta")
    farm.run("ADMA", *FULL)
    farm.run("SPMA", *FULL, "Export", *DELTA)
    profile = farm.profiles.profile("CONTOSO\\berta")
    assert profile is not None
    assert profile.display_name == "Berta"
    assert farm.engine.counters("SPMA")["NumExportAdd"] == 0


def test_a_deleted_profile_is_seen_by_a_delta_import(reversed_farm: Farm) -> None:
    reversed_farm.run("SPMA", "FullImport")
    reversed_farm.store.delete("CONTOSO\\berta")
    reversed_farm.run("SPMA", "DeltaImport")
    assert reversed_farm.engine.counters("SPMA")["NumImportDelete"] == 1


def test_a_forbidden_picture_ends_the_import(reversed_farm: Farm) -> None:
    reversed_farm.store.upload("CONTOSO\\anna", photo("blue"))
    reversed_farm.store.forbid("CONTOSO\\anna", ())
    assert reversed_farm.run("SPMA", "FullImport") == ["stopped-extension-dll-exception"]


def test_a_delta_import_with_an_expired_watermark_asks_for_a_full_import(reversed_farm: Farm) -> None:
    reversed_farm.clock.set_offset(timedelta(0))
    assert reversed_farm.run("SPMA", "DeltaImport") == ["no-start-full-import-required"]


def test_without_the_right_to_write_the_export_names_the_permission(tmp_path: Path) -> None:
    with ExitStack() as stack:
        farm = Farm(stack, tmp_path, directory_account=READER)
        farm.reverse()
        farm.store.upload("CONTOSO\\berta", photo("blue"))
        farm.run("SPMA", *FULL)
        assert farm.run("ADMA", "Export") == ["completed-export-errors"]
        (error,) = {error.error_type for _, error in farm.engine.runs("ADMA")[0].steps[0].export_errors}
        assert error == "permission-issue"


def test_a_photo_over_the_directorys_limit_is_a_constraint_violation(reversed_farm: Farm) -> None:
    reversed_farm.store.upload("CONTOSO\\berta", photo("blue"))
    reversed_farm.store.replace_file("CONTOSO\\berta", "M", photo("blue") + b"\0" * 102_400)
    reversed_farm.run("SPMA", *FULL)
    reversed_farm.run("ADMA", "Export")
    (error,) = {error.error_type for _, error in reversed_farm.engine.runs("ADMA")[0].steps[0].export_errors}
    assert error == "constraint-violation"
