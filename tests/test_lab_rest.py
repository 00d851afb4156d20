from datetime import timedelta

import pytest
import requests
from profile_farm import photo
from requests_ntlm import HttpNtlmAuth

from kit.lab import sharepoint
from kit.lab.clock import Clock
from kit.lab.domain import Account, Domain

ANNA, BERIT = "CONTOSO\\anna", "CONTOSO\\berit"
PASSWORD = "Correct horse 1"
PEOPLE = "/_api/SP.UserProfiles.PeopleManager"
SET_PICTURE = f"{PEOPLE}/SetMyProfilePicture"


@pytest.fixture(scope="module")
def farm():
    running = sharepoint.start(Domain(), [Account("anna", PASSWORD)], clock=Clock())
    for name in (ANNA, BERIT, "CONTOSO\\carl"):
        running.store.create(name, {})
    running.store.upload(ANNA, photo("red"))
    yield running
    running.stop()


@pytest.fixture
def send(farm):
    """Send a request as Anna; the path is the server's."""
    with requests.Session() as session:
        session.trust_env = False
        session.auth = HttpNtlmAuth(ANNA, PASSWORD)
        yield lambda method, path, **options: session.request(method, farm.url + path, timeout=5, **options)


ANNAS_CLAIM = "i%3A0%23.w%7Ccontoso%5Canna"
VERBOSE, LIGHT, BARE = (
    {"Accept": f"application/json;odata={dialect}"}
    for dialect in ("verbose", "minimalmetadata", "nometadata")
)


@pytest.mark.parametrize(
    "arguments",
    [
        f"(accountName=@v)?@v='{ANNAS_CLAIM}'",
        f"(@v)?@v='{ANNAS_CLAIM}'",
        f"(accountName='{ANNAS_CLAIM}')",
        f"('{ANNAS_CLAIM}')",
    ],
)
def test_a_function_takes_its_argument_in_every_way_that_odata_knows(send, arguments):
    answer = send("GET", f"{PEOPLE}/GetPropertiesFor{arguments}", headers=LIGHT)
    assert answer.json()["AccountName"] == "i:0#.w|contoso\\anna"


def test_verbose_json_types_what_it_holds(send):
    person = send("GET", f"{PEOPLE}/GetMyProperties", headers=VERBOSE).json()["d"]
    first = person["UserProfileProperties"]["results"][0]
    types = (person["__metadata"]["type"], first["__metadata"]["type"])
    assert types == ("SP.UserProfiles.PersonProperties", "SP.KeyValue")


@pytest.mark.parametrize(("accept", "told"), [(LIGHT, True), (BARE, False)])
def test_only_minimal_metadata_names_where_the_metadata_are(send, accept, told):
    answer = send("GET", f"{PEOPLE}/GetMyProperties", headers=accept).json()
    assert ("odata.metadata" in answer, "__metadata" in answer) == (told, False)


@pytest.mark.parametrize(("accept", "key"), [(VERBOSE, "error"), (LIGHT, "odata.error")])
def test_an_error_is_in_the_dialect_asked_for(send, accept, key):
    answer = send("GET", "/_api/no/such", headers=accept)
    assert (answer.status_code, "Cannot find resource" in answer.json()[key]["message"]["value"]) == (
        404,
        True,
    )


def test_a_function_may_be_posted_only_with_a_digest(send):
    path = f"{PEOPLE}/GetPropertiesFor(accountName='{ANNAS_CLAIM}')"
    signed = {**VERBOSE, "X-RequestDigest": digest(send)["FormDigestValue"]}
    found = (send("POST", path, headers=VERBOSE).status_code, send("POST", path, headers=signed).status_code)
    assert found == (403, 200)


def test_the_current_user_is_told_as_a_claim(send):
    answer = send("GET", "/_api/web/currentuser", headers=LIGHT)
    assert answer.json()["LoginName"] == "i:0#.w|contoso\\anna"


def search(send, query):
    answer = send("GET", f"/_api/search/query?{query}", headers=LIGHT)
    return answer.json()["PrimaryQueryResult"]["RelevantResults"]


PEOPLE_SEARCH = "querytext='*'&sourceid='B09A7990-05EA-4AF9-81EF-EDFAB16C4E31'"


def test_only_the_people_source_holds_people(send):
    totals = (search(send, "querytext='*'")["TotalRows"], search(send, PEOPLE_SEARCH)["TotalRows"])
    assert totals == (0, 3)


def test_a_page_of_results_begins_at_the_row_asked_for(send):
    page = search(send, f"{PEOPLE_SEARCH}&startrow=1&rowlimit=1&selectproperties='AccountName'")
    cells = {cell["Key"]: cell["Value"] for cell in page["Table"]["Rows"][0]["Cells"]}
    assert (page["RowCount"], page["TotalRows"], cells["AccountName"]) == (1, 3, BERIT)


def test_a_row_number_that_is_none_is_refused(send):
    answer = send("GET", f"/_api/search/query?{PEOPLE_SEARCH}&startrow=first", headers=LIGHT)
    assert answer.status_code == 400


def digest(send):
    answer = send("POST", "/_api/contextinfo", headers={"Accept": "application/json;odata=verbose"})
    return answer.json()["d"]["GetContextWebInformation"]


def test_a_form_digest_lasts_half_an_hour(send):
    assert digest(send)["FormDigestTimeoutSeconds"] == 1800


@pytest.mark.parametrize("value", [None, "", "0x00,yesterday", "0x00,01 Jan 2020 00:00:00 -0000"])
def test_a_write_without_a_good_digest_is_refused(send, value):
    headers = {} if value is None else {"X-RequestDigest": value}
    answer = send("POST", SET_PICTURE, data=photo("red"), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"].split(",")[0]) == (403, "-2130575252")


def test_an_expired_digest_is_refused(send, farm):
    value = digest(send)["FormDigestValue"]
    farm.clock.set_offset(timedelta(minutes=31))
    answer = send("POST", SET_PICTURE, data=photo("red"), headers={"X-RequestDigest": value})
    farm.clock.set_offset(timedelta(0))
    assert answer.status_code == 403


def test_the_digest_of_another_user_is_refused(send, farm):
    value = farm.digests.give(BERIT)
    assert send("POST", SET_PICTURE, data=photo("red"), headers={"X-RequestDigest": value}).status_code == 403


def test_what_is_not_an_image_is_refused(send):
    headers = {"X-RequestDigest": digest(send)["FormDigestValue"], "Accept": "application/json"}
    answer = send("POST", SET_PICTURE, data=b"<html>", headers=headers)
    assert (answer.status_code, "not a whole image" in answer.text) == (500, True)


def test_my_properties_are_the_callers(send):
    answer = send("GET", f"{PEOPLE}/GetMyProperties", headers={"Accept": "application/json;odata=verbose"})
    assert answer.json()["d"]["AccountName"] == "i:0#.w|contoso\\anna"


def test_only_the_rest_picture_address_has_a_cache_buster(send, farm):
    path = f"{PEOPLE}/GetPropertiesFor(accountName=@v)?@v='i%3A0%23.w%7Ccontoso%5Canna'"
    person = send("GET", path, headers={"Accept": "application/json"}).json()
    stored = farm.store.get(ANNA).properties
    values = {pair["Key"]: pair["Value"] for pair in person["UserProfileProperties"]}
    assert person["PictureUrl"] == f"{stored['PictureURL']}?t={stored['SPS-PictureTimestamp']}"
    assert values["PictureURL"] == stored["PictureURL"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/json;odata=verbose", {"d": {"GetPropertiesFor": None}}),
        ("application/json", {"odata.null": True}),
    ],
)
def test_an_unknown_person_is_null(send, accept, expected):
    path = f"{PEOPLE}/getpropertiesfor(accountname=@v)?@v='i%3A0%23.w%7Ccontoso%5Cnobody'"
    answer = send("GET", path, headers={"Accept": accept})
    assert (answer.status_code, answer.json()) == (200, expected)
