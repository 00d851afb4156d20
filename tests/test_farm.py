from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from kit import case, sources
from kit.directory import Directory, DirectoryUser
from kit.endpoint import Endpoint
from kit.errors import OutputError, ParameterError
from kit.lab import farm as lab
from kit.lab import samba
from kit.lab.console import deletion_path, press
from kit.lab.farm import KIT_ACCOUNT, Farm
from kit.lab.population import Person, Story
from kit.lab.portraits import portrait
from kit.mim import SynchronizationService
from kit.photos import compare
from kit.pictures import Picture
from kit.runs import OK, WARNING, classify
from kit.sharepoint import Profile

SET_PICTURE = "_api/SP.UserProfiles.PeopleManager/SetMyProfilePicture"
SCHEDULE = {"SPMA": ("FullImport", "FullSync"), "ADMA": ("Export", "DeltaImport", "DeltaSync")}
FIX = {
    "SPMA": ("FullImport", "FullSync"),
    "ADMA": ("FullImport", "FullSync", "Export", "DeltaImport", "DeltaSync"),
}
Starter = Callable[..., Farm]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """Start farms that stop with the module."""
    farms: list[Farm] = []

    def started(users: int, directory: str = "embedded", seed: int = 1) -> Farm:
        reason = samba.available() if directory == "samba" else ""
        if reason and os.environ.get("CI"):
            pytest.fail(reason)
        if reason:
            pytest.skip(reason)
        folder = tmp_path_factory.mktemp("farm")
        options = {"users": users, "seed": seed, "directory": directory}
        farms.append(lab.start(folder, **options, outputs=folder / "outputs", case_id="practice"))
        return farms[-1]

    yield started
    for one in reversed(farms):
        one.stop()


@pytest.fixture(scope="module")
def farm(start: Starter) -> Farm:
    """Return a farm that no test changes."""
    return start(60)


Fixed = tuple[Farm, Mapping[str, DirectoryUser]]


@pytest.fixture(scope="module", params=["embedded", "samba"])
def site(start: Starter, request: pytest.FixtureRequest) -> Farm:
    """Return a farm as support finds it; every test changes other people."""
    return start(20, request.param)


@pytest.fixture(scope="module", params=["embedded", "samba"])
def fixed(start: Starter, request: pytest.FixtureRequest) -> Fixed:
    """Return a farm on which the fix was carried out, and its directory before that."""
    farm = start(20, request.param)
    before = directory(farm)
    press(farm.console.url, "/provisioning", {"enabled": False})
    press(farm.console.url, deletion_path("SPMA"))
    run(farm, FIX)
    press(farm.console.url, "/provisioning", {"enabled": True})
    run(farm, {"SPMA": ("DeltaImport", "DeltaSync"), "ADMA": ("DeltaSync",)})
    return farm, before


def run(farm: Farm, profiles: Mapping[str, tuple[str, ...]]) -> None:
    """Run profiles through WS-Man, agent by agent."""
    name, password = f"CONTOSO\\{KIT_ACCOUNT}", farm.passwords[KIT_ACCOUNT]
    with SynchronizationService(Endpoint(farm.wsman.url, name, password)) as service:
        for agent, names in profiles.items():
            for profile in names:
                assert classify(service.execute(agent, profile).status) in {OK, WARNING}


def directory(farm: Farm) -> dict[str, DirectoryUser]:
    """Read everyone over LDAP, by account name."""
    name, password = f"CONTOSO\\{KIT_ACCOUNT}", farm.passwords[KIT_ACCOUNT]
    with Directory(Endpoint(farm.directory.url, name, password, ca_file=farm.directory.ca_file)) as client:
        return {user.account_name: user for user in client.users(photos=True)}


def pictures(farm: Farm, reader: str = KIT_ACCOUNT) -> dict[str, Picture | None]:
    """Read every profile's picture over HTTP, by account name; None where there is none."""
    with farm.sign_in(reader) as client:
        profiles = [profile for profile in client.profiles() if isinstance(profile, Profile)]
        return {
            profile.account_name.rpartition("\\")[2]: client.picture(profile.picture_url)
            if profile.picture_url
            else None
            for profile in profiles
        }


def thumbnail(farm: Farm, person: Person) -> bytes | None:
    """Read what SharePoint shows of one person."""
    picture = pictures(farm, "svc-spma")[person.account_name]
    return picture.content if picture else None


def upload(farm: Farm, person: Person) -> None:
    """Set a new picture as the person would."""
    with farm.sign_in(person.account_name) as client:
        client.post(SET_PICTURE, portrait(person.portrait_seed, sitting_seed=77, size=400))


def people(farm: Farm, story: Story) -> list[Person]:
    return [person for person in farm.people if person.story is story]


def verdicts(farm: Farm) -> dict[str, str]:
    """Judge everyone by nothing but what LDAP and HTTP say."""
    users, seen = directory(farm), pictures(farm)
    names = [person.account_name for person in farm.people]
    return {name: verdict(users.get(name), name in seen, seen.get(name)) for name in names}


def verdict(user: DirectoryUser | None, enrolled: bool, picture: Picture | None) -> str:
    if user is None or not enrolled:
        return "unmatched"
    if picture is None:
        return "missing_in_sharepoint" if user.photo else "no_photo"
    if picture.content is None or user.photo is None:
        special = {"forbidden": "unknown", "not_an_image": "unreadable"}
        return special.get(picture.kind, "missing_in_ad")
    found = compare(picture.content, user.photo).verdict
    return {"different": "stale"}.get(found, "in_sync" if found.startswith("same") else found)


def test_everyone_is_as_their_story_says(farm: Farm) -> None:
    expected = {person.account_name: person.expected_before for person in farm.people}
    assert verdicts(farm) == expected


def test_covered_people_in_sync_have_sharepoints_bytes_in_the_directory(farm: Farm) -> None:
    users, seen = directory(farm), pictures(farm)
    people = [
        one for one in farm.people if one.organizational_unit == "Staff" and one.expected_before == "in_sync"
    ]
    assert [
        one.account_name for one in people if users[one.account_name].photo != seen[one.account_name].content
    ] == []


def test_the_same_seed_gives_the_same_photos(farm: Farm, start: Starter) -> None:
    def photos(one: Farm) -> tuple[dict[str, bytes | None], dict[str, bytes | None]]:
        users, seen = directory(one), pictures(one, "svc-spma")
        shown = {name: picture.content if picture else None for name, picture in seen.items()}
        return {name: user.photo for name, user in users.items()}, shown

    assert photos(start(60)) == photos(farm)


def test_uploads_were_made_when_their_story_says(farm: Farm) -> None:
    person = people(farm, Story.UPLOADED_SINCE)[0]
    with farm.sign_in(KIT_ACCOUNT) as client:
        profile = client.profile(f"CONTOSO\\{person.account_name}")
    days_ago = (farm.clock.now() - profile.picture_timestamp).total_seconds() / 86400
    assert days_ago == pytest.approx(person.upload_days_ago, abs=0.01)


def test_the_past_is_in_the_run_history(farm: Farm) -> None:
    last = next(iter(farm.engine.runs("ADMA")))
    assert (last.profile, (farm.clock.now() - last.ended).days) == ("DeltaSync", 1)


def test_the_case_file_names_this_farm(farm: Farm) -> None:
    settings = case.load(farm.case_file)
    urls = (settings.directory.url, settings.sharepoint.url, settings.mim.url)
    assert urls == (farm.directory.url, farm.sharepoint.url, farm.wsman.url)


def test_the_other_case_file_names_an_account_that_may_write_photos(farm: Farm) -> None:
    settings = case.load(farm.restore_case_file)
    somebody = next(person.account_name for person in farm.people if person.in_directory)
    with sources.directory(settings) as directory:
        found = next(directory.users(extra_filter=f"(sAMAccountName={somebody})"))
        assert "thumbnailPhoto" in directory.writable_attributes(found.distinguished_name)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps access rights elsewhere")
def test_only_the_owner_can_read_the_password(farm: Farm) -> None:
    assert stat.S_IMODE(farm.secrets_file.stat().st_mode) == 0o600


def test_no_password_shows_in_the_farms_text(farm: Farm) -> None:
    assert [name for name, password in farm.passwords.items() if password in repr(farm)] == []


def test_an_unknown_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"'openldap'.*embedded or samba"):
        lab.start(tmp_path, directory="openldap", outputs=tmp_path, case_id="practice")


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    occupied = tmp_path / "farm"
    occupied.write_text("a file")
    with pytest.raises(OutputError, match="farm"):
        lab.start(occupied, users=20, outputs=tmp_path, case_id="practice")


def test_a_start_that_fails_half_way_leaves_no_server_behind(tmp_path: Path) -> None:
    (tmp_path / "configuration").write_text("a file where a folder should be")
    before = set(threading.enumerate())
    with pytest.raises(OutputError):
        lab.start(tmp_path, users=20, outputs=tmp_path, case_id="practice")
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert left <= {"farm-reactor"}  # one for all farms of a process


# The table of the case: who is seen by which import.


def test_full_import_overlooks_a_new_picture_of_someone_once_imported(site: Farm) -> None:
    person = people(site, Story.IN_SYNC)[0]
    before = directory(site)[person.account_name].photo
    upload(site, person)
    run(site, SCHEDULE)
    assert directory(site)[person.account_name].photo == before


def test_delta_import_sees_a_new_picture_of_someone_once_imported(site: Farm) -> None:
    person = people(site, Story.IN_SYNC)[1]
    upload(site, person)
    run(site, {**SCHEDULE, "SPMA": ("DeltaImport", "DeltaSync")})
    assert directory(site)[person.account_name].photo == thumbnail(site, person)


def test_full_import_sees_the_first_picture_of_someone(site: Farm) -> None:
    person = people(site, Story.NO_PHOTO)[0]
    upload(site, person)
    run(site, SCHEDULE)
    assert directory(site)[person.account_name].photo == thumbnail(site, person)


def test_full_import_sees_a_new_phone_number(site: Farm) -> None:
    person = people(site, Story.IN_SYNC)[2]
    site.sharepoint.store.modify(f"CONTOSO\\{person.account_name}", {"WorkPhone": "+49 30 987"})
    run(site, SCHEDULE)
    assert directory(site)[person.account_name].telephone_number == "+49 30 987"


def test_after_the_fix_everyone_is_as_their_story_says(fixed: Fixed) -> None:
    farm, _ = fixed
    assert verdicts(farm) == {person.account_name: person.expected_after for person in farm.people}


def test_the_fix_changes_stale_and_new_photos_only(fixed: Fixed) -> None:
    farm, before = fixed
    changed = {name for name, user in directory(farm).items() if user.photo != before[name].photo}
    assert changed == {
        person.account_name for person in farm.people if person.expected_before != person.expected_after
    }


def test_after_the_fix_nothing_waits_to_be_added_to_sharepoint(fixed: Fixed) -> None:
    farm, _ = fixed
    assert farm.engine.counters("SPMA")["NumExportAdd"] == 0


def test_after_the_fix_full_import_sees_a_new_picture_of_someone_once_imported(fixed: Fixed) -> None:
    farm, _ = fixed
    person = people(farm, Story.STALE)[0]
    upload(farm, person)
    run(farm, SCHEDULE)
    assert directory(farm)[person.account_name].photo == thumbnail(farm, person)
