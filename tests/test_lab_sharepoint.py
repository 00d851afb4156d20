import io
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest
import requests
from PIL import Image
from requests_ntlm import HttpNtlmAuth

from kit import soap
from kit.errors import NotFoundError, ProtocolError
from kit.lab import sharepoint
from kit.lab.changes import ChangeLog
from kit.lab.clock import Clock
from kit.lab.domain import Account, Domain
from kit.lab.picture_library import renditions
from kit.lab.profiles import ProfileStore
from kit.lab.variant import Variant

ANNA, BERIT, MANAGER = "CONTOSO\\anna", "CONTOSO\\berit", "CONTOSO\\manager"
PASSWORD = "Correct horse 1"
SPACE = soap.namespace("UserProfileService")
PICTURE = "/User%20Photos/Profile%20Pictures/CONTOSO_anna_MThumb.jpg"


def photo(colour="red", size=(400, 300), format="JPEG", mode="RGB"):
    encoded = io.BytesIO()
    Image.new(mode, size, colour).save(encoded, format)
    return encoded.getvalue()


@pytest.fixture(scope="module")
def farm():
    accounts = [
        Account("anna", PASSWORD),
        Account("berit", PASSWORD),
        Account("manager", PASSWORD, frozenset({"profile-manager"})),
    ]
    running = sharepoint.start(Domain(), accounts, clock=Clock())
    for name in (ANNA, BERIT, "CONTOSO\\carl"):
        running.store.create(name, {})
    running.store.upload(ANNA, photo())
    yield running
    running.stop()


@pytest.fixture
def send(farm):
    """Send a request as Anna; the path is the server's."""
    with requests.Session() as session:
        session.trust_env = False
        session.auth = HttpNtlmAuth(ANNA, PASSWORD)
        yield lambda method, path, **options: session.request(method, farm.url + path, timeout=5, **options)


def call(send, operation, content="", action=None, service="UserProfileService"):
    action = f'"{SPACE}/{operation}"' if action is None else action
    return send(
        "POST",
        f"/_vti_bin/{service}.asmx",
        data=soap.envelope(f'<{operation} xmlns="{SPACE}">{content}</{operation}>'),
        headers={"SOAPAction": action, "Content-Type": "text/xml; charset=utf-8"},
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", PICTURE), ("POST", "/_vti_bin/UserProfileService.asmx"), ("POST", "/_api/contextinfo")],
)
def test_nobody_is_served_without_windows_sign_in(farm, method, path):
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, farm.url + path, timeout=5)
        assert (answer.status_code, answer.raw.headers.getlist("WWW-Authenticate")) == (
            401,
            ["Negotiate", "NTLM"],
        )


def test_every_answer_carries_the_farms_headers(send):
    names = {"SPRequestGuid", "request-id", "X-SharePointHealthScore", "MicrosoftSharePointTeamServices"}
    assert names <= set(send("GET", PICTURE).headers)


@pytest.mark.parametrize(("method", "path"), [("GET", "/no/such.jpg"), ("POST", "/_vti_bin/Lists.asmx")])
def test_an_unknown_address_is_404(send, method, path):
    assert send(method, path).status_code == 404


# SOAP


@pytest.mark.parametrize("action", ["", '"wrong"', f'"{SPACE}/GetUserProfileByName"'])
def test_the_soap_action_must_name_the_operation(send, action):
    answer = call(send, "GetUserProfileCount", action=action)
    assert (answer.status_code, "SOAPAction" in soap.fault(soap.body(answer.content))) == (500, True)


def test_an_unknown_operation_is_a_fault(send):
    answer = call(send, "GetCommonManager")
    assert (answer.status_code, "not modelled" in soap.fault(soap.body(answer.content))) == (500, True)


def test_what_is_not_xml_is_a_fault(send):
    answer = send("POST", "/_vti_bin/UserProfileService.asmx", data=b"<", headers={"SOAPAction": "x"})
    assert soap.fault(soap.body(answer.content)).startswith("Server was unable to read request")


def next_value(answer):
    return int(soap.body(answer.content).findtext("{*}GetUserProfileByIndexResult/{*}NextValue"))


def account_at(answer):
    data = soap.body(answer.content).iterfind("{*}GetUserProfileByIndexResult/{*}UserProfile/{*}PropertyData")
    return next(
        (row.findtext(".//{*}Value") for row in data if row.findtext("{*}Name") == "AccountName"), None
    )


@pytest.mark.parametrize("start", [-1, 0])
def test_the_walk_begins_at_minus_one_or_zero(send, start):
    assert account_at(call(send, "GetUserProfileByIndex", f"<index>{start}</index>")) == ANNA


def test_next_value_is_the_next_record_and_holes_lead_there(send, farm):
    first, second = (farm.store.get(name).record for name in (ANNA, BERIT))
    assert second > first + 1
    assert next_value(call(send, "GetUserProfileByIndex", f"<index>{first}</index>")) == second
    assert account_at(call(send, "GetUserProfileByIndex", f"<index>{first + 1}</index>")) == BERIT


def test_the_last_profile_leads_to_minus_one(send, farm):
    last = farm.store.get("CONTOSO\\carl").record
    assert next_value(call(send, "GetUserProfileByIndex", f"<index>{last}</index>")) == -1


def test_beyond_the_last_profile_there_is_none(send):
    answer = call(send, "GetUserProfileByIndex", "<index>9999</index>")
    assert (account_at(answer), next_value(answer)) == (None, -1)


def named(answer):
    data = soap.body(answer.content).iterfind("{*}GetUserProfileByNameResult/{*}PropertyData")
    return next(row.findtext(".//{*}Value") for row in data if row.findtext("{*}Name") == "AccountName")


@pytest.mark.parametrize(
    ("variant", "parameter", "answered"),
    [
        ("AccountName", "AccountName", BERIT),
        ("AccountName", "accountName", ANNA),
        ("accountName", "AccountName", ANNA),
        ("accountName", "accountName", BERIT),
    ],
)
def test_a_name_in_the_wrong_spelling_is_no_name_and_gives_the_callers_profile(
    send, farm, variant, parameter, answered
):
    farm.variant = Variant(name_parameter=variant)
    answer = call(send, "GetUserProfileByName", f"<{parameter}>{BERIT}</{parameter}>")
    farm.variant = Variant()
    assert named(answer) == answered


def test_an_unknown_user_is_a_fault_with_the_known_text(send):
    answer = call(send, "GetUserProfileByName", "<AccountName>CONTOSO\\nobody</AccountName>")
    expected = "A user with the account name CONTOSO\\nobody could not be found"
    assert expected in soap.fault(soap.body(answer.content))


def test_a_value_may_hold_what_xml_forbids(send, farm):
    farm.store.create("CONTOSO\\dora", {"Title": "bell\x07"})
    answer = call(send, "GetUserProfileByName", "<AccountName>CONTOSO\\dora</AccountName>")
    farm.store.delete("CONTOSO\\dora")
    assert b"bell&#x7;" in answer.content


def changes(send, operation, content=""):
    space = soap.namespace("UserProfileChangeService")
    answer = send(
        "POST",
        "/_vti_bin/UserProfileChangeService.asmx",
        data=soap.envelope(f'<{operation} xmlns="{space}">{content}</{operation}>'),
        headers={"SOAPAction": f"{space}/{operation}"},
    )
    result = soap.body(answer.content).find(f"{{*}}{operation}Result")
    return {
        (row.findtext("{*}UserAccountName"), row.findtext("{*}ChangeType"), row.findtext("{*}ObjectType"))
        for row in result.iterfind("{*}Changes/{*}UserProfileChangeData")
    }


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("<Add>true</Add><UserProfile>true</UserProfile>", {(BERIT, "Add", "UserProfile")}),
        ("<Update>true</Update><UserProfile>true</UserProfile>", set()),
        ("<Add>false</Add><UserProfile>true</UserProfile>", set()),
    ],
)
def test_a_change_query_filters(send, flags, expected):
    query = f"<userAccountName>{BERIT}</userAccountName><changeQuery>{flags}</changeQuery>"
    assert changes(send, "GetUserChanges", query) == expected


def test_one_accounts_changes(send):
    found = changes(send, "GetUserAllChanges", "<userAccountName>i:0#.w|contoso\\berit</userAccountName>")
    assert found == {(BERIT, "Add", "UserProfile")}


NEWER = "http://www.w3.org/2003/05/soap-envelope"


def call_12(send, operation, content=""):
    return send(
        "POST",
        "/_vti_bin/UserProfileService.asmx",
        data=soap.envelope(f'<{operation} xmlns="{SPACE}">{content}</{operation}>', NEWER),
        headers={"Content-Type": f'application/soap+xml; charset=utf-8; action="{SPACE}/{operation}"'},
    )


def test_soap_12_is_answered_in_its_own_envelope_and_type(send):
    answer = call_12(send, "GetUserProfileCount")
    assert answer.headers["Content-Type"] == "application/soap+xml; charset=utf-8"
    assert soap.body(answer.content, NEWER).findtext("{*}GetUserProfileCountResult") == "3"


def test_a_soap_12_fault_has_the_newer_shape(send):
    answer = call_12(send, "GetUserProfileByName", "<AccountName>CONTOSO\\nobody</AccountName>")
    fault = soap.body(answer.content, NEWER)
    codes = (fault.findtext("{*}Code/{*}Value"), "could not be found" in fault.findtext("{*}Reason/{*}Text"))
    assert (answer.status_code, *codes) == (500, "soap:Receiver", True)


@pytest.mark.parametrize("service", ["UserProfileService", "userprofilechangeservice"])
def test_a_service_describes_itself(send, service):
    answer = send("GET", f"/_vti_bin/{service}.asmx?WSDL")
    kind, address = answer.headers["Content-Type"], f'location="{answer.url.partition("?")[0]}"'
    assert (kind, address in answer.text) == ("text/xml; charset=utf-8", True)


def test_a_hardened_farm_does_not_describe_itself(send, farm):
    farm.variant = Variant(describes_itself=False)
    answer = send("GET", "/_vti_bin/UserProfileService.asmx?wsdl")
    farm.variant = Variant()
    assert answer.status_code == 404


def test_an_unknown_property_is_a_fault(send):
    answer = call(send, "GetUserPropertyByAccountName", f"<accountName>{ANNA}</accountName>")
    assert "Property Not Found" in soap.fault(soap.body(answer.content))


# Picture library


def test_a_file_names_its_version(send):
    headers = send("GET", PICTURE).headers
    guid = headers["ETag"].strip('"').partition(",")[0].strip("{}")
    assert headers["ETag"] == f'"{{{guid}}},1"'
    assert headers["ResourceTag"] == f"rt:{guid}@00000000001"
    assert headers["Cache-Control"] == "private,max-age=0"


def test_head_gives_the_headers_only(send):
    got, asked = send("GET", PICTURE), send("HEAD", PICTURE)
    assert (asked.content, asked.headers["Content-Length"]) == (b"", str(len(got.content)))


def test_a_held_version_is_not_sent(send):
    headers = send("GET", PICTURE).headers
    assert send("GET", PICTURE, headers={"If-None-Match": headers["ETag"]}).status_code == 304
    assert send("GET", PICTURE, headers={"If-Modified-Since": headers["Last-Modified"]}).status_code == 304


@pytest.mark.parametrize("conditions", [{"If-None-Match": '"other"'}, {"If-Modified-Since": "rubbish"}])
def test_another_version_is_sent(send, conditions):
    assert send("GET", PICTURE, headers=conditions).status_code == 200


def test_an_older_version_is_sent_again(send):
    modified = parsedate_to_datetime(send("GET", PICTURE).headers["Last-Modified"])
    before = format_datetime(modified - timedelta(seconds=1), usegmt=True)
    assert send("GET", PICTURE, headers={"If-Modified-Since": before}).status_code == 200


@pytest.mark.parametrize(("readers", "status"), [({ANNA}, 200), ({BERIT}, 403)])
def test_a_forbidden_file_is_served_to_the_allowed(send, farm, readers, status):
    farm.store.forbid(ANNA, readers)
    found = send("GET", PICTURE).status_code
    farm.store.forbid(ANNA, {ANNA})
    assert found == status


def test_at_the_highest_health_score_requests_are_refused(send, farm):
    farm.health_score = 10
    answer = send("GET", PICTURE)
    farm.health_score = 0
    assert (answer.status_code, answer.headers["X-SharePointHealthScore"]) == (503, "10")


# Store


@pytest.fixture
def store():
    made = ProfileStore("http://my", clock=Clock(), sizes={"S": 10, "M": 20})
    made.create(ANNA, {"PreferredName": "Anna"})
    return made


def size(content):
    with Image.open(io.BytesIO(content)) as image:
        return image.format, image.size


@pytest.mark.parametrize(
    "given", [photo(), photo(format="PNG"), photo("#ff000080", mode="RGBA", format="PNG")]
)
def test_thumbnails_are_jpegs_with_the_longest_side_as_asked(given):
    made = renditions(given, {"S": 48, "L": 1000})
    assert {name: size(content) for name, content in made.items()} == {
        "S": ("JPEG", (48, 36)),
        "L": ("JPEG", (400, 300)),
    }


@pytest.mark.parametrize("given", [b"", b"<html>", photo()[:200]])
def test_what_cannot_be_decoded_is_refused(given):
    with pytest.raises(ProtocolError, match="not a whole image"):
        renditions(given)


def test_a_refused_picture_changes_nothing(store):
    before = store.get(ANNA)
    with pytest.raises(ProtocolError):
        store.upload(ANNA, b"<html>")
    assert store.get(ANNA) == before


def test_two_uploads_in_one_second_have_two_timestamps(store):
    stamps = []
    for colour in ("red", "blue", "green"):
        store.upload(ANNA, photo(colour))
        stamps.append(int(store.get(ANNA).properties["SPS-PictureTimestamp"]))
    assert stamps == sorted(set(stamps))


def test_a_deleted_and_recreated_file_is_another_file(store):
    path = store.picture_path(ANNA, "M")
    store.upload(ANNA, photo())
    first = store.file(path)
    store.remove_picture(ANNA)
    store.upload(ANNA, photo())
    second = store.file(path)
    assert (second.version, first.guid != second.guid) == (1, True)


def test_a_replaced_file_leaves_the_profile_alone(store):
    store.upload(ANNA, photo())
    before, token = store.get(ANNA), store.log.current_token()
    store.replace_file(ANNA, "M", b"other")
    assert (store.get(ANNA), store.log.since(token).rows) == (before, ())


def test_record_numbers_are_the_same_in_every_farm():
    def records():
        made = ProfileStore("http://my", clock=Clock())
        for number in range(20):
            made.create(f"CONTOSO\\u{number}", {})
        return [made.get(f"CONTOSO\\u{number}").record for number in range(20)]

    assert records() == records()


@pytest.mark.parametrize("method", ["modify", "upload", "replace_file", "delete", "forbid"])
def test_an_account_without_a_profile_is_named(store, method):
    arguments = {
        "modify": [{}],
        "upload": [photo()],
        "replace_file": ["M", b""],
        "delete": [],
        "forbid": [set()],
    }
    with pytest.raises(NotFoundError, match="nobody"):
        getattr(store, method)("CONTOSO\\nobody", *arguments[method])


def test_an_account_has_one_profile(store):
    with pytest.raises(ProtocolError, match="one already"):
        store.create("i:0#.w|contoso\\anna", {})


# Change log


class _Fixed(Clock):
    """A clock that stands still."""

    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC) + self._offset


def test_rows_leave_the_log_after_fourteen_days():
    clock = _Fixed()
    log = ChangeLog(clock)
    log.append(ANNA, "Add", "UserProfile")
    clock.set_offset(timedelta(days=13, hours=23))
    log.append(ANNA, "Modify", "SingleValueProperty", "Title", "x")
    assert [row.event for row in log.since().rows] == [1, 2]
    clock.set_offset(timedelta(days=14))
    assert [row.event for row in log.since().rows] == [2]


def test_pages_hold_what_was_asked_and_say_when_more_is_left():
    log = ChangeLog(_Fixed(), page_size=2)
    for number in range(3):
        log.append(ANNA, "Modify", "SingleValueProperty", "Title", str(number))
    first = log.since()
    second = log.since(first.token)
    assert [[row.value for row in page.rows] for page in (first, second)] == [["0", "1"], ["2"]]
    assert (first.exceeded, second.exceeded) == (True, False)
