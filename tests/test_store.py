import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kit.errors import OutputError
from kit.photos import PhotoStore, Reading

MONDAY = datetime(2026, 1, 5, 8, tzinfo=UTC)
ANNA, BORIS = b"the photo of Anna", b"the photo of Boris"
# Written by the kit when links had no version: Anna's photo and that Boris had none, in SharePoint on Monday.
VERSION_1 = Path(__file__).with_name("photos_version_1.sqlite")


@pytest.fixture
def store(tmp_path):
    with PhotoStore(tmp_path / "photos.sqlite") as opened:
        yield opened


def test_a_photo_comes_back_by_its_hash(store):
    assert store.get(store.put(ANNA)) == ANNA


def test_a_photo_is_kept_once(store):
    store.put(ANNA)
    store.put(ANNA)
    assert store.count() == 1


def test_a_missing_photo_is_named(store):
    with pytest.raises(OutputError, match="photo 'abc' is not in"):
        store.get("abc")


def altered(store):
    sha256 = store.put(ANNA)
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE photos SET content = ?", (BORIS,))
    connection.close()
    return sha256


def test_verify_sees_altered_bytes(store):
    assert not store.verify(altered(store))


def test_altered_bytes_are_never_handed_out(store):
    with pytest.raises(OutputError, match="is damaged"):
        store.get(altered(store))


def test_what_was_held_before_a_time_is_found(store):
    readings = [
        Reading("anna", "active_directory", photo, MONDAY + timedelta(days=day))
        for day, photo in enumerate((ANNA, BORIS))
    ]
    links = store.record(readings)
    assert store.held("anna", "active_directory", before=MONDAY + timedelta(days=1)) == links[0]
    assert store.held("anna", "active_directory") == links[1]


def test_having_had_no_photo_is_remembered(store):
    store.record([Reading("anna", "active_directory", None, MONDAY)])
    assert store.held("anna", "active_directory").sha256 is None


def test_a_person_never_read_has_no_link(store):
    assert store.held("anna", "active_directory") is None


def test_links_are_selected_by_person_and_system(store):
    store.record(
        Reading(person, system, ANNA, MONDAY)
        for person in ("anna", "boris")
        for system in ("ad", "sharepoint")
    )
    assert [(link.person, link.system) for link in store.links(person="boris", system="ad")] == [
        ("boris", "ad")
    ]


def test_links_reach_past_one_page(store):
    store.record(Reading(f"person {number}", "ad", None, MONDAY) for number in range(2_001))
    assert sum(1 for _ in store.links()) == 2_001


def test_a_link_needs_its_photo(store):
    with pytest.raises(OutputError, match="FOREIGN KEY"):
        store.link("anna", "ad", "0" * 64, MONDAY)


def failing():
    yield Reading("anna", "ad", ANNA, MONDAY)
    raise InterruptedError


def test_a_batch_that_fails_leaves_nothing(store):
    with pytest.raises(InterruptedError):
        store.record(failing())
    assert (store.count(), list(store.links())) == (0, [])


def test_a_reader_sees_what_was_committed_while_a_batch_is_written(store):
    store.put(ANNA)
    with store.transaction():
        store.put(BORIS)
        with PhotoStore(store.path, read_only=True) as reader:
            assert reader.count() == 1


def test_a_reader_cannot_write(store):
    with PhotoStore(store.path, read_only=True) as reader, pytest.raises(OutputError, match="readonly"):
        reader.put(ANNA)


def test_a_store_stays_when_closed(tmp_path):
    with PhotoStore(tmp_path / "photos.sqlite") as store:
        sha256 = store.put(ANNA)
    with PhotoStore(tmp_path / "photos.sqlite", read_only=True) as store:
        assert store.verify(sha256)


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be looked at" * 20])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "photos.sqlite").write_bytes(content)
    with pytest.raises(OutputError, match="not a database"):
        PhotoStore(tmp_path / "photos.sqlite")


def test_another_database_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "other.sqlite") as connection:
        connection.execute("CREATE TABLE other (id)")
    connection.close()
    with pytest.raises(OutputError, match="schema version 0, not 2"):
        PhotoStore(tmp_path / "other.sqlite")


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        PhotoStore(tmp_path / "nowhere" / "photos.sqlite")


def test_the_version_of_a_photo_is_held_with_it(store):
    store.record([Reading("anna", "sharepoint", ANNA, MONDAY, "version 7")])
    held = store.held("anna", "sharepoint")
    assert (held.version, store.get(held.sha256)) == ("version 7", ANNA)


def test_a_photo_without_a_version_has_an_empty_one(store):
    store.record([Reading("anna", "active_directory", ANNA, MONDAY)])
    assert store.held("anna", "active_directory").version == ""


def test_the_same_photo_can_be_linked_again_with_its_version(store):
    sha256 = store.put(ANNA)
    made = store.link("anna", "sharepoint", sha256, MONDAY, version="version 7")
    assert list(store.links()) == [made]
    assert made.version == "version 7"


def test_reading_again_at_the_same_time_replaces_the_version(store):
    store.record([Reading("anna", "sharepoint", ANNA, MONDAY, "version 7")])
    store.record([Reading("anna", "sharepoint", None, MONDAY)])
    assert store.held("anna", "sharepoint").version == ""


@pytest.fixture
def old_file(tmp_path):
    return Path(shutil.copy(VERSION_1, tmp_path / "photos.sqlite"))


def schema_version(path):
    with sqlite3.connect(path) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return version


def old_links(store):
    return [(link.person, link.read_at, link.version) for link in store.links()]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_version_1_is_read(old_file, read_only):
    with PhotoStore(old_file, read_only=read_only) as store:
        assert old_links(store) == [("anna", MONDAY, ""), ("boris", MONDAY, "")]
        assert store.get(store.held("anna", "sharepoint").sha256) == ANNA
        assert store.held("boris", "sharepoint").sha256 is None


@pytest.mark.parametrize(("read_only", "version"), [(False, 2), (True, 1)])
def test_a_file_of_version_1_is_brought_up_to_date_only_for_writing(old_file, read_only, version):
    PhotoStore(old_file, read_only=read_only).close()
    assert schema_version(old_file) == version


def test_a_file_of_version_1_takes_versions(old_file):
    with PhotoStore(old_file) as store:
        store.record([Reading("anna", "sharepoint", BORIS, MONDAY + timedelta(days=1), "version 7")])
    with PhotoStore(old_file) as store:
        assert [link.version for link in store.links(person="anna")] == ["", "version 7"]


def test_two_connections_may_bring_a_file_up_to_date_at_once(old_file):
    with PhotoStore(old_file, read_only=True) as reader, PhotoStore(old_file), PhotoStore(old_file) as store:
        assert old_links(store) == old_links(reader)


def test_a_file_of_a_later_version_is_refused(old_file):
    with sqlite3.connect(old_file) as connection:
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    with pytest.raises(OutputError, match="schema version 3, not 2"):
        PhotoStore(old_file)
