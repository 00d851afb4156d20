"""Photos fetched from both systems: only what changed, and a part told as a part."""

import hashlib
from urllib.parse import urlsplit

import cases
import crew
import people
import pytest

from kit import controller, coverage, drift, inventory
from kit.collection import SHAREPOINT
from kit.delta import DIRECTORY
from kit.errors import UnreachableError
from kit.lab import portraits
from kit.plan import make
from kit.store import PhotoStore

ANNOUNCED = "PARTIAL: "


@pytest.fixture
def company(tmp_path):
    with crew.running(tmp_path) as running:
        yield running


@pytest.fixture
def directory(company):
    with company.read_directory() as client:
        yield client


@pytest.fixture
def sharepoint(company):
    with company.read_sharepoint() as client:
        yield client


@pytest.fixture
def store(tmp_path):
    with PhotoStore(tmp_path / "photos.sqlite") as opened:
        yield opened


def measured(directory, sharepoint, store, **options):
    return drift.measure(
        inventory.take(directory, sharepoint), directory, sharepoint, store, **options
    ).people


@pytest.fixture
def pictures_asked(company, monkeypatch):
    """Record how the server answers when a picture is asked for, sign-in aside."""
    seen = []
    handler = company.sharepoint.RequestHandlerClass
    log = handler.log_request

    def log_request(self, code="-", size="-"):
        if "/User%20Photos/" in self.path and int(code) != 401:
            seen.append((self.path.rpartition("/")[2], int(code)))
        log(self, code, size)

    monkeypatch.setattr(handler, "log_request", log_request)
    return seen


class Recorder:
    """Notes whose photos are read from the directory; everything still goes over the wire."""

    def __init__(self, read):
        self.read, self.asked = read, []

    def __call__(self, wanted, batch=100):
        """Read as `Directory.photos`."""
        wanted = list(wanted)
        self.asked.extend(wanted)
        return self.read(wanted, batch)


@pytest.fixture
def photos_asked(directory):
    directory.photos = Recorder(directory.photos)
    return directory.photos.asked


def test_an_unchanged_picture_costs_an_answer_without_a_body(directory, sharepoint, store, pictures_asked):
    first = measured(directory, sharepoint, store)
    pictures_asked.clear()
    again = measured(directory, sharepoint, store)
    assert sorted(status for _, status in pictures_asked) == [304] * len(crew.PORTRAITS)
    assert again["sharepoint_sha256"].tolist() == first["sharepoint_sha256"].tolist()


def test_a_picture_is_of_the_same_kind_whether_fetched_or_held(company, directory, sharepoint, store):
    company.sharepoint.store.delete_file("CONTOSO\\staff01", "M")
    kinds = [
        measured(directory, sharepoint, store).set_index("account")["picture_kind"].head(5).tolist()
        for _ in range(2)
    ]
    assert kinds == [["image", "missing", "image", "image", ""]] * 2


def test_a_changed_picture_is_fetched(company, directory, sharepoint, store, pictures_asked):
    first = measured(directory, sharepoint, store)
    company.sharepoint.store.upload("CONTOSO\\staff00", portraits.portrait(50))
    pictures_asked.clear()
    again = measured(directory, sharepoint, store)
    assert sorted(status for _, status in pictures_asked) == [200, 304, 304, 304]
    assert (first["sharepoint_sha256"] != again["sharepoint_sha256"]).sum() == 1


def test_a_damaged_picture_in_the_store_is_fetched_again(directory, sharepoint, store, pictures_asked):
    measured(directory, sharepoint, store)
    link = next(one for one in store.links(system=SHAREPOINT) if one.sha256)
    store._connection.execute("UPDATE photos SET content = x'00' WHERE sha256 = ?", (link.sha256,))
    pictures_asked.clear()
    measured(directory, sharepoint, store)
    assert sorted(status for _, status in pictures_asked) == [200, 304, 304, 304]


def test_the_pictures_of_an_earlier_store_serve_a_new_one(
    directory, sharepoint, store, tmp_path, pictures_asked
):
    measured(directory, sharepoint, store)
    pictures_asked.clear()
    with PhotoStore(tmp_path / "after.sqlite") as after:
        people_after = measured(directory, sharepoint, after, earlier=store)
        assert {status for _, status in pictures_asked} == {304}
        assert all(after.verify(sha256) for sha256 in people_after["sharepoint_sha256"] if sha256)


def test_photos_of_the_directory_are_read_once(directory, sharepoint, store, photos_asked):
    first = measured(directory, sharepoint, store)
    assert len(photos_asked) == people.STAFF
    photos_asked.clear()
    again = measured(directory, sharepoint, store)
    assert photos_asked == []
    assert again["directory_sha256"].tolist() == first["directory_sha256"].tolist()


def test_who_changed_in_the_directory_is_read_again(directory, sharepoint, store, photos_asked):
    first = measured(directory, sharepoint, store)
    user = next(one for one in directory.users(photos=True) if one.account_name == "staff05")
    directory.replace_photo(user.distinguished_name, people.photo(99), current=user.photo)
    photos_asked.clear()
    again = measured(directory, sharepoint, store)
    assert photos_asked == [user.person]
    assert (first["directory_sha256"] != again["directory_sha256"]).sum() == 1


def test_a_new_store_reads_every_photo_from_the_directory(
    directory, sharepoint, store, tmp_path, photos_asked
):
    measured(directory, sharepoint, store)
    photos_asked.clear()
    with PhotoStore(tmp_path / "after.sqlite") as after:
        measured(directory, sharepoint, after, earlier=store)
    assert len(photos_asked) == people.STAFF


def test_another_domain_controller_is_read_in_full(directory, sharepoint, store, tmp_path):
    measured(directory, sharepoint, store)
    with crew.running(tmp_path / "other") as other, other.read_directory() as elsewhere:
        elsewhere.photos = recorded = Recorder(elsewhere.photos)
        measured(elsewhere, sharepoint, store)
    assert len(recorded.asked) == people.STAFF


def test_somebody_deleted_since_is_not_taken_from_the_store(directory, sharepoint, store):
    found = inventory.take(directory, sharepoint)
    drift.measure(found, directory, sharepoint, store)
    gone = found[found["account"] == "contoso\\staff07"].iloc[0]
    directory._session.connect().delete(gone["distinguished_name"])
    again = drift.measure(found, directory, sharepoint, store).people.set_index("account")
    assert again.loc["contoso\\staff07", "verdict"] == "unknown"
    assert "disappeared from the directory" in again.loc["contoso\\staff07", "error"]


def test_somebody_who_was_not_seen_once_is_read_the_next_time(company, directory, sharepoint, store):
    found = inventory.take(directory, sharepoint)
    with company.read_directory(base_dn=f"CN=Users,{people.BASE}") as elsewhere:
        blind = drift.measure(found, elsewhere, sharepoint, store).people
    assert set(blind["verdict"][found["in_sharepoint"]]) == {"unknown"}
    seen = drift.measure(found, directory, sharepoint, store).people
    assert (seen["directory_sha256"] != "").all()


def test_somebody_without_a_photo_is_asked_again(directory, sharepoint, store, photos_asked):
    user = next(one for one in directory.users(photos=True) if one.account_name == "staff05")
    directory.replace_photo(user.distinguished_name, None, current=user.photo)
    measured(directory, sharepoint, store)
    photos_asked.clear()
    measured(directory, sharepoint, store)
    assert photos_asked == [user.person]


def test_a_change_that_takes_somebody_out_of_the_filter_is_seen(company, sharepoint, store):
    with company.read_directory() as directory:
        found = inventory.take(directory, sharepoint)
        drift.measure(found, directory, sharepoint, store)
        user = next(one for one in directory.users(photos=True) if one.account_name == "staff05")
        directory.replace_photo(user.distinguished_name, people.photo(99), current=user.photo)
        directory._session.modify(user.distinguished_name, "department", [b"Sales"], "department")
        again = drift.measure(found, directory, sharepoint, store).people.set_index("account")
    assert again.loc["contoso\\staff05", "directory_bytes"] == len(people.photo(99))
    assert again.loc["contoso\\staff05", "directory_sha256"] == hashlib.sha256(people.photo(99)).hexdigest()


def test_a_picture_that_could_not_be_read_is_not_kept_as_no_photo(company, directory, sharepoint, store):
    measured(directory, sharepoint, store)
    before = {link.person: link.sha256 for link in store.links(system=SHAREPOINT)}
    company.sharepoint.troubles.add("/User Photos/*", "status", times=None, status=500)
    measured(directory, sharepoint, store)
    assert {link.person: link.sha256 for link in store.links(system=SHAREPOINT)} == before


def test_a_global_catalogue_is_no_source_of_photos(company, directory, sharepoint, store, monkeypatch):
    monkeypatch.setattr(controller, "_GLOBAL_CATALOG_PORTS", (urlsplit(company.directory.catalog_url).port,))
    with company.read_directory(url=company.directory.catalog_url) as catalog:
        found = measured(catalog, sharepoint, store)
    assert found["partial"].str.contains("read from a global catalogue").all()
    assert set(found["error"][found["in_directory"]]) == {"a global catalogue holds no photos by default"}
    assert measured(directory, sharepoint, store)["directory_sha256"].ne("").all()


def test_a_deleted_account_is_told_from_one_that_never_was(directory, sharepoint, company):
    company.sharepoint.store.create("CONTOSO\\stranger", {"PreferredName": "Stranger"})
    gone = next(user for user in directory.users() if user.account_name == "staff03")
    directory._session.connect().delete(gone.distinguished_name)
    found = inventory.take(directory, sharepoint).set_index("account")
    assert found.loc["contoso\\staff03", "kind"] == "deleted"
    assert found.loc["contoso\\stranger", "kind"] == ""


def test_every_photo_read_is_in_the_store(directory, sharepoint, store):
    found = measured(directory, sharepoint, store)
    kept = {link.person: link.sha256 or "" for link in store.links(system=DIRECTORY)}
    assert kept == dict(zip(found["person"], found["directory_sha256"], strict=True))


def test_a_walk_that_breaks_off_leaves_a_frame_that_says_so(company, directory, sharepoint):
    company.fail_after("/_vti_bin/UserProfileService.asmx", 11)  # the count and ten profiles
    found = inventory.take(directory, sharepoint)
    assert int(found["in_sharepoint"].sum()) == 10
    assert found["partial"].str.startswith("SharePoint stopped after 10: ").all()
    assert inventory.conclusion(found).startswith(ANNOUNCED + "SharePoint stopped after 10: ")


def test_a_directory_that_dies_leaves_a_frame_that_says_so(company, sharepoint):
    with company.read_directory(page_size=10) as directory:
        directory.netbios_name  # noqa: B018 - read before, so that only pages are counted below
        company.directory.drop_after(3)
        found = inventory.take(directory, sharepoint)
    assert 0 < int(found["in_directory"].sum()) < people.STAFF
    assert found["partial"].str.startswith("Active Directory stopped after ").all()


def test_nobody_is_missing_in_a_part(company, directory, sharepoint, store):
    company.fail_after("/_vti_bin/UserProfileService.asmx", 11)
    found = measured(directory, sharepoint, store)
    assert set(found["verdict"][~found["in_sharepoint"]]) == {"unknown"}
    assert "unmatched" not in set(found["verdict"])


def test_the_fix_is_refused_after_a_partial_reading(company, directory, sharepoint, store, tmp_path):
    company.fail_after("/_vti_bin/UserProfileService.asmx", 11)
    plan = make(
        cases.case(tmp_path), measured(directory, sharepoint, store), None, (), export_limit_percent=30
    )
    first = plan.findings.iloc[0]
    assert (first["severity"], first["finding"]) == ("stop", "the people were not all read")
    assert first["evidence"].startswith("SharePoint stopped after 10: ")


def test_a_system_that_gives_nothing_is_an_error(company, directory, sharepoint):
    company.fail_after("/_vti_bin/UserProfileService.asmx", 1)
    with pytest.raises(UnreachableError, match=company.sharepoint.url):
        inventory.take(directory, sharepoint)


def test_photos_that_break_off_leave_the_rest_unknown(company, directory, sharepoint, store, monkeypatch):
    monkeypatch.setattr(drift, "BATCH", 2)
    found = inventory.take(directory, sharepoint)
    company.fail_after("*", 3)
    judged = drift.measure(found, directory, sharepoint, store).people
    assert judged["verdict"].tolist()[2:-1] == ["unknown"] * (people.STAFF - 3)
    assert set(judged["error_kind"][2:-1]) == {"Unreachable"}
    assert judged["partial"].str.startswith("The photos were read until: ").all()
    assert drift.conclusion(judged).startswith(ANNOUNCED)


def test_people_search_names_whom_the_walk_missed(company, directory, sharepoint):
    company.fail_after("/_vti_bin/UserProfileService.asmx", 11)
    found = inventory.take(directory, sharepoint)
    company.sharepoint.troubles.clear()
    opinion = coverage.second_opinion(found, sharepoint)
    assert len(opinion) == people.STAFF - 1 - 10
    assert set(opinion["answer"]) == {"has a profile that the walk did not meet"}


def test_an_old_index_is_told_from_a_missed_profile(company, directory, sharepoint):
    company.sharepoint.search_index.freeze()
    company.sharepoint.store.delete("CONTOSO\\staff03")
    found = inventory.take(directory, sharepoint)
    opinion = coverage.second_opinion(found, sharepoint)
    assert opinion.to_dict("records") == [
        {"account": "contoso\\staff03", "display_name": "Staff 03", "answer": "has no profile any more"}
    ]


def test_a_lead_that_cannot_be_followed_is_told_beside_the_others(company, directory, sharepoint):
    company.fail_after("/_vti_bin/UserProfileService.asmx", 22)
    found = inventory.take(directory, sharepoint)
    company.sharepoint.troubles.clear()
    company.sharepoint.troubles.add("/_vti_bin/UserProfileService.asmx", "status", status=500)
    answers = coverage.second_opinion(found, sharepoint)["answer"].tolist()
    assert answers[0].startswith("could not be asked about: ")
    assert answers[1:] == ["has a profile that the walk did not meet"] * (people.STAFF - 1 - 22)


def test_profiles_that_are_counted_and_not_met_are_told(company, directory, sharepoint):
    company.fail_after("/_vti_bin/UserProfileService.asmx", 11)
    found = inventory.take(directory, sharepoint)
    company.sharepoint.troubles.clear()
    told = coverage.profiles(found, sharepoint)
    assert told.startswith("SharePoint counts 24 profiles; 10 people of the inventory have one. Look for")


def test_people_search_that_is_not_there_is_told(company, directory, sharepoint):
    found = inventory.take(directory, sharepoint)
    company.sharepoint.troubles.add("/_api/search/query", "status", times=None, status=404)
    (answer,) = coverage.second_opinion(found, sharepoint)["answer"]
    assert answer.startswith("people search could not be asked: ")
