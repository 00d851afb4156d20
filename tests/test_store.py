import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from kit.errors import OutputError
from kit.photos import PhotoStore, Reading

MONDAY = datetime(2026, 1, 5, 8, tzinfo=UTC)
ANNA, BORIS = b"the photo of Anna", b"the photo of Boris"


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
    with pytest.raises(OutputError, match="schema version 0, not 1"):
        PhotoStore(tmp_path / "other.sqlite")


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        PhotoStore(tmp_path / "nowhere" / "photos.sqlite")
