"""Closer looks at pictures, over real sockets."""

import hashlib
from dataclasses import replace
from http import HTTPStatus

import crew
import pandas as pd
import pytest

from kit import drift, inventory, looks, schema
from kit.lab import foreign, portraits
from kit.lab.picture_library import Delivery
from kit.lab.variant import Variant
from kit.store import PhotoStore

NAMES = [f"CONTOSO\\staff{number:02}" for number in range(6)]


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    with crew.running(tmp_path_factory.mktemp("crew")) as running:
        yield running


@pytest.fixture(scope="module")
def sharepoint(company):
    with company.read_sharepoint() as client:
        yield client


@pytest.fixture(scope="module")
def seen(company, sharepoint, tmp_path_factory):
    """Spoil some of the pictures, then look."""
    store = company.sharepoint.store
    store.delete_file(NAMES[0], "M")
    store.delete_files(NAMES[1])
    store.cache(NAMES[2], portraits.portrait(77))
    store.import_picture(NAMES[4], portraits.portrait(5))
    store.delete_files(NAMES[4])
    company.sharepoint.search_index.hold(NAMES[3], "http://former/staff03.jpg")
    company.sharepoint.user_information.hold(NAMES[3], "http://former/staff03.jpg?t=1")
    with (
        PhotoStore(tmp_path_factory.mktemp("store") / "photos.sqlite") as photos,
        company.read_directory() as ad,
    ):
        people = drift.measure(inventory.take(ad, sharepoint), ad, sharepoint, photos).people
    people["verdict"] = people["verdict"].mask(people["picture_kind"].eq("image"), "stale")
    return looks.take(people, sharepoint).assign(account=people["account"]).set_index("account")


@pytest.mark.parametrize(
    ("number", "thumbnails"),
    [(0, "SL"), (1, "-"), (2, ""), (4, "-"), (5, "")],
    ids=["medium gone", "all gone", "there", "imported", "no picture"],
)
def test_the_sizes_of_missing_pictures_are_told(seen, number, thumbnails):
    assert seen.loc[NAMES[number].lower(), "thumbnails"] == thumbnails


def test_a_cache_with_an_earlier_picture_is_told(seen):
    assert seen["cached_picture"].dropna().to_dict() == {NAMES[2].lower(): True, NAMES[3].lower(): False}


def test_the_picture_behind_the_cache_is_named(seen, company):
    store = company.sharepoint.store
    medium = store.file(store.picture_path(NAMES[2], "M")).content
    assert seen.loc[NAMES[2].lower(), "fresh_sha256"] == hashlib.sha256(medium).hexdigest()


@pytest.mark.parametrize("column", ["search_picture", "site_copy"])
def test_copies_elsewhere_are_told(seen, column):
    assert seen.loc[NAMES[3].lower(), column].startswith("http://former/staff03.jpg")


def test_the_looks_have_the_columns_of_the_schema(seen):
    assert seen.dtypes.astype(str).to_dict() == {
        name: dtype for name, dtype in schema.LOOKS.items() if name != "account"
    }


def people(**columns):
    return schema.conform(pd.DataFrame(columns), schema.PEOPLE)


def test_a_source_that_fails_leaves_its_looks_unknown_and_the_others_known(company, sharepoint, caplog):
    company.sharepoint.troubles.add("/_api/search/query", "status", status=HTTPStatus.NOT_FOUND)
    found = looks.take(people(person=["3"], account=["contoso\\staff03"]), sharepoint)
    assert (found["search_picture"].tolist(), found["site_copy"].ne("").tolist()) == ([""], [True])
    assert "copies of picture addresses were not read to the end" in caplog.text


def test_nobody_is_looked_at_in_an_empty_frame(sharepoint):
    found = looks.take(people(person=[]), sharepoint)
    assert (len(found), list(found)) == (0, list(schema.LOOKS))


def test_people_in_sync_are_sampled_evenly(company, sharepoint):
    url = company.sharepoint.store.get(NAMES[3]).properties["PictureURL"]
    six = people(
        person=list("abcdef"), verdict=["in_sync"] * 6, picture_kind=["image"] * 6, picture_url=[url] * 6
    )
    found = looks.take(six, sharepoint, sample=3)
    assert found.loc[found["cached_picture"].notna(), "person"].tolist() == ["a", "c", "e"]


def test_a_mail_address_that_several_share_tells_of_no_second_profile():
    shared = {"in_directory": [True, True, False], "work_email": ["office@contoso.example"] * 3}
    frame = people(account=["a", "b", "c"], in_sharepoint=[True] * 3, **shared)
    assert looks.second_profiles(frame).tolist() == ["", "", ""]


@pytest.mark.parametrize("editable", [True, False])
def test_whether_a_picture_may_be_changed_is_read_from_the_schema(company, sharepoint, editable):
    company.sharepoint.variant = replace(Variant(), picture_user_editable=editable)
    assert looks.picture_editable(sharepoint) is editable


def test_a_schema_that_may_not_be_read_tells_nothing(company):
    company.sharepoint.variant = Variant(guarded=frozenset({"GetUserProfileSchema"}))
    company.sharepoint.troubles.add("/_vti_bin/*", "status", status=HTTPStatus.NOT_FOUND)
    with company.read_sharepoint() as client:
        assert looks.picture_editable(client) is None
    company.sharepoint.variant = Variant()


def test_the_my_site_host_is_the_one_that_profiles_name(company, sharepoint):
    everyone = people(in_sharepoint=[True], profile_account=["CONTOSO\\staff03"])
    assert looks.my_site_host(everyone, sharepoint) == f"{company.sharepoint.url}/"


def test_a_picture_that_is_always_busy_is_told_after_the_last_attempt(company, sharepoint):
    store = company.sharepoint.store
    store.deliver(NAMES[3], Delivery.BUSY)
    found = sharepoint.picture(store.get(NAMES[3]).properties["PictureURL"])
    store.deliver(NAMES[3], Delivery.WHOLE)
    assert (found.kind, found.status) == ("unreachable", HTTPStatus.SERVICE_UNAVAILABLE)


def test_an_account_that_is_spared_gets_the_file_as_it_is(company, sharepoint):
    store = company.sharepoint.store
    store.deliver(NAMES[3], Delivery.BUSY, spared=[f"CONTOSO\\{crew.READER.name}"])
    found = sharepoint.picture(store.get(NAMES[3]).properties["PictureURL"])
    store.deliver(NAMES[3], Delivery.WHOLE)
    assert found.kind == "image"


def test_a_foreign_host_that_takes_nobody_is_no_missing_file(sharepoint):
    server = foreign.start(HTTPStatus.UNAUTHORIZED)
    try:
        found = sharepoint.picture(f"{server.url}/User%20Photos/anna_MThumb.jpg")
    finally:
        server.stop()
    assert (found.kind, "HTTP 403" in found.detail) == ("forbidden", False)


def test_a_foreign_host_without_the_library_has_no_file(sharepoint):
    server = foreign.start()
    try:
        assert sharepoint.picture(f"{server.url}/User%20Photos/anna_MThumb.jpg").kind == "missing"
    finally:
        server.stop()


def test_a_certificate_that_nobody_trusts_is_named(sharepoint, tmp_path):
    server = foreign.start_untrusted(tmp_path)
    try:
        found = sharepoint.picture(f"{server.url}/User%20Photos/anna_MThumb.jpg")
    finally:
        server.stop()
    assert (found.kind, "certificate" in found.detail) == ("unreachable", True)
