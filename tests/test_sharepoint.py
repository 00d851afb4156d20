import contextlib
import io
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kit import profiles, soap
from kit.endpoint import Endpoint
from kit.errors import (
    CertificateError,
    ParameterError,
    ProtocolError,
    RightsError,
    SignInError,
    UnreachableError,
)
from kit.lab import certificates, sharepoint
from kit.lab.clock import Clock
from kit.lab.domain import Account, Domain
from kit.lab.ntlm import NTLMHandler, Server
from kit.sharepoint import SharePoint, UnreadableProfile, normalise_account
from kit.web import same_site

MANAGER, ANNA, BERIT, CARL = (f"CONTOSO\\{name}" for name in ("svc-kit", "anna", "berit", "carl"))
PASSWORD = "Correct horse 1"
ACCOUNTS = [
    Account("svc-kit", PASSWORD, frozenset({"profile-manager"})),
    Account("anna", PASSWORD),
]
unhurried = settings(deadline=None)  # the machine may be busy
HTML = b"<html><body>Sign in</body></html>"


def photo(colour, size=(400, 300), format="JPEG"):
    encoded = io.BytesIO()
    Image.new("RGB", size, colour).save(encoded, format)
    return encoded.getvalue()


@pytest.fixture
def farm():
    clock = Clock(timedelta(days=-60))
    running = sharepoint.start(Domain(), ACCOUNTS, clock=clock, change_page_size=3)
    running.store.create(
        ANNA, {"PreferredName": "Anna Ö. O'Neill & Söner", "WorkPhone": "1", "Department": "R&D"}
    )
    running.store.create(BERIT, {"PreferredName": "Berit"})
    running.store.create(CARL, {"PreferredName": "Carl"})
    running.store.upload(ANNA, photo("red"))
    yield running
    running.stop()


@pytest.fixture
def client(farm):
    with SharePoint(Endpoint(farm.url, MANAGER, PASSWORD)) as opened:
        yield opened


class _Foreign(NTLMHandler):
    """A web server that is no SharePoint: every path is a status, optionally with somewhere to go."""

    def do_GET(self):  # noqa: N802 - http.server's name
        self.authenticate()
        _, status, *rest = self.path.split("/", 2)
        headers = {"Location": rest[0]} if rest else {}
        self.answer(int(status) if status.isdecimal() else 200, HTML, headers=headers)

    do_POST = do_GET  # noqa: N815 - http.server's name


@pytest.fixture
def foreign():
    running = Server(_Foreign, Domain(), [], schemes=())
    running.start()
    yield running
    running.stop()


# Profiles


def test_count(client):
    assert client.count() == 3


def test_the_walk_meets_everyone_in_record_order(client):
    assert [profile.account_name for profile in client.profiles()] == [ANNA, BERIT, CARL]


def test_the_walk_carries_sparse_record_numbers_forward(client, farm):
    walked = [profile.record for profile in client.profiles()]
    assert walked[1:] == [farm.store.get(BERIT).record, farm.store.get(CARL).record]


def test_the_walk_over_an_empty_farm_is_empty(client, farm):
    for name in (ANNA, BERIT, CARL):
        farm.store.delete(name)
    assert list(client.profiles()) == []


@pytest.mark.parametrize("name", [ANNA, BERIT, CARL])
def test_a_profile_with_an_illegal_character_is_told_and_the_walk_goes_on(client, farm, name):
    farm.store.modify(name, {"Title": "bell\x07"})
    walked = list(client.profiles())
    bad = [found for found in walked if isinstance(found, UnreadableProfile)]
    assert ([found.account for found in walked], [found.account for found in bad]) == (
        [normalise_account(who) for who in (ANNA, BERIT, CARL)],
        [normalise_account(name)],
    )


def test_an_unreadable_profile_has_a_kind_and_a_sentence(client, farm):
    farm.store.modify(BERIT, {"Title": "bell\x07"})
    bad = next(found for found in client.profiles() if isinstance(found, UnreadableProfile))
    assert (bad.error_kind, bad.record, "not XML" in bad.error) == (
        "Protocol",
        farm.store.get(BERIT).record,
        True,
    )


def test_a_profile_by_name(client):
    found = client.profile(ANNA)
    assert (found.account, found.display_name, found.work_phone, found.department, found.user_name) == (
        "contoso\\anna",
        "Anna Ö. O'Neill & Söner",
        "1",
        "R&D",
        "anna",
    )


def test_a_profile_by_claim(client):
    assert client.profile("i:0#.w|contoso\\anna").account_name == ANNA


def test_rest_and_soap_and_both_dialects_give_the_same_profile(client):
    by_soap = client.profile(ANNA)
    assert client.properties_for(ANNA) == by_soap
    assert client.properties_for(ANNA, light=True) == by_soap


def test_an_account_without_a_profile_is_none_everywhere(client):
    nobody = "CONTOSO\\o'brien"
    found = (client.profile(nobody), client.properties_for(nobody), client.properties_for(nobody, light=True))
    assert found == (None, None, None)


def test_the_picture_properties_of_a_profile(client, farm):
    found = client.profile(ANNA)
    assert found.picture_url == f"{farm.url}/User%20Photos/Profile%20Pictures/CONTOSO_anna_MThumb.jpg"
    assert abs(found.picture_timestamp - farm.clock.now()) < timedelta(seconds=30)
    assert found.placeholder_state == 0


def test_a_profile_without_a_picture(client):
    found = client.profile(BERIT)
    assert (found.picture_url, found.picture_timestamp, found.placeholder_state) == ("", None, 1)


# Writing


NEW_PHONE = (
    "<accountName>{0}</accountName><newData><PropertyData><IsPrivacyChanged>false</IsPrivacyChanged>"
    "<IsValueChanged>true</IsValueChanged><Name>WorkPhone</Name><Privacy>NotSet</Privacy>"
    "<Values><ValueData><Value>2</Value></ValueData></Values></PropertyData></newData>"
)


def test_a_manager_modifies_someone_else(client, farm):
    client.call("UserProfileService", "ModifyUserPropertyByAccountName", NEW_PHONE.format(ANNA))
    assert farm.store.get(ANNA).properties["WorkPhone"] == "2"


def test_a_manager_creates_a_profile(client):
    body = "<accountName>CONTOSO\\dora</accountName>"
    client.call("UserProfileService", "CreateUserProfileByAccountName", body)
    assert client.profile("CONTOSO\\dora").user_name == "dora"


@pytest.mark.parametrize("operation", ["ModifyUserPropertyByAccountName", "CreateUserProfileByAccountName"])
def test_others_may_not_write(farm, operation):
    with (
        SharePoint(Endpoint(farm.url, ANNA, PASSWORD)) as client,
        pytest.raises(RightsError, match="Manage Profiles"),
    ):
        client.call("UserProfileService", operation, NEW_PHONE.format(BERIT))


def test_a_user_uploads_a_picture_and_only_the_address_stays(client, farm):
    before, old = client.profile(ANNA), client.picture(client.profile(ANNA).picture_url)
    with SharePoint(Endpoint(farm.url, ANNA, PASSWORD)) as as_anna:
        as_anna.post("_api/SP.UserProfiles.PeopleManager/SetMyProfilePicture", photo("blue"))
    after, new = client.profile(ANNA), client.picture(before.picture_url)
    assert after.picture_url == before.picture_url
    assert after.picture_timestamp > before.picture_timestamp
    assert new.content != old.content
    assert old.etag.removesuffix('1"') == new.etag.removesuffix('2"')


# Change log


def test_an_upload_is_logged_by_its_timestamp_alone(client, farm):
    token = client.current_token()
    farm.store.upload(ANNA, photo("blue"))
    changes = client.changes(token).changes
    rows = [(row.account, row.property_name, row.change_types, row.object_types) for row in changes]
    kinds = (frozenset({"Modify"}), frozenset({"SingleValueProperty"}))
    assert rows == [("contoso\\anna", "SPS-PictureTimestamp", *kinds)]


def test_a_first_upload_is_logged_with_the_address(client, farm):
    token = client.current_token()
    farm.store.upload(BERIT, photo("blue"))
    names = {row.property_name for row in client.changes(token).changes}
    assert names == {"PictureURL", "SPS-PictureTimestamp", "SPS-PicturePlaceholderState"}


def test_all_pages_are_drained_in_order(client, farm):
    token = client.current_token()
    for number in range(2, 12):
        farm.store.modify(ANNA, {"WorkPhone": str(number)})
    assert [row.value for row in client.changes(token).changes] == [str(number) for number in range(2, 12)]


def test_the_token_of_an_answer_leads_on(client, farm):
    farm.store.modify(ANNA, {"WorkPhone": "2"})
    token = client.changes().token
    farm.store.modify(ANNA, {"WorkPhone": "3"})
    assert [row.value for row in client.changes(token).changes] == ["3"]


def test_without_a_token_the_whole_log_is_read(client, farm):
    farm.store.delete(CARL)
    found = [
        (row.account, *sorted(row.change_types)) for row in client.changes().changes if not row.property_name
    ]
    assert found == [(f"contoso\\{who}", "Add") for who in ("anna", "berit", "carl")] + [
        ("contoso\\carl", "Delete")
    ]


@pytest.mark.parametrize("token", ["rubbish", "MTs="])
def test_a_refused_token_is_a_gap_not_an_error(client, token):
    found = client.changes(token)
    assert (found.changes, found.gap, client.changes(found.token).gap) == ((), True, False)


def test_a_token_expires_after_fourteen_days(client, farm):
    token = client.current_token()
    farm.clock.set_offset(timedelta(days=-60 + 13))
    assert not client.changes(token).gap
    farm.clock.set_offset(timedelta(days=-60 + 15))
    assert client.changes(token).gap


def test_the_log_forgets_after_fourteen_days(client, farm):
    farm.clock.set_offset(timedelta(days=-60 + 15))
    assert client.changes().changes == ()


# Pictures


def address(farm, name="anna"):
    return f"{farm.url}/User%20Photos/Profile%20Pictures/CONTOSO_{name}_MThumb.jpg"


def test_a_picture_is_fetched_with_its_version(client, farm):
    found = client.picture(address(farm))
    with Image.open(io.BytesIO(found.content)) as image:
        assert (image.format, image.size) == ("JPEG", (72, 54))
    assert (found.status, found.kind, found.content_type) == (200, "image", "image/jpeg")
    assert abs(found.last_modified - farm.clock.now()) < timedelta(seconds=30)


def test_a_relative_address_is_below_the_site(client):
    assert client.picture("/User Photos/Profile Pictures/CONTOSO_anna_LThumb.jpg").kind == "image"


def test_an_unchanged_picture_is_not_sent_again(client, farm):
    held = client.picture(address(farm))
    found = client.picture(address(farm), etag=held.etag)
    assert (found.kind, found.content, found.etag) == ("not_modified", None, held.etag)


def test_a_changed_picture_is_sent_again(client, farm):
    held = client.picture(address(farm))
    farm.store.upload(ANNA, photo("blue"))
    assert client.picture(address(farm), etag=held.etag).kind == "image"


def test_threads_may_share_a_client(client, farm):
    with ThreadPoolExecutor(8) as pool:
        kinds = list(pool.map(lambda _: client.picture(address(farm)).kind, range(80)))
    assert kinds == ["image"] * 80


@pytest.mark.parametrize("url", ["", "/no/such.jpg", "ftp://x/y.jpg", "http://[", "http://", "mailto:anna"])
def test_an_address_without_a_picture_is_missing(client, url):
    assert client.picture(url).kind == "missing"


def test_a_removed_picture_is_missing(client, farm):
    farm.store.remove_picture(ANNA)
    assert (client.picture(address(farm)).kind, client.profile(ANNA).picture_url) == ("missing", "")


def test_a_forbidden_picture_is_a_value(client, farm):
    farm.store.forbid(ANNA, {ANNA})
    found = client.picture(address(farm))
    assert (found.status, found.kind, found.content) == (403, "forbidden", None)


def test_a_login_page_is_not_an_image_whatever_its_type_says(client, farm):
    farm.store.replace_file(ANNA, "M", HTML, "image/jpeg")
    found = client.picture(address(farm))
    assert (found.kind, found.content) == ("not_an_image", HTML)


def test_an_image_of_another_format_is_an_image(client, farm):
    farm.store.replace_file(ANNA, "M", photo("grey", (96, 96), "PNG"))
    assert client.picture(address(farm)).kind == "image"


def test_a_truncated_image_is_left_to_the_decoder(client, farm):
    farm.store.replace_file(ANNA, "M", photo("red")[:200])
    assert client.picture(address(farm)).kind == "image"


def test_a_redirect_to_a_login_page_is_not_an_image(client, foreign):
    found = client.picture(f"{foreign.url}/302//login.aspx")
    assert (found.status, found.kind, found.url) == (200, "not_an_image", f"{foreign.url}/login.aspx")


def test_a_redirect_to_the_picture_is_followed(client, farm, foreign):
    assert client.picture(f"{foreign.url}/301/{address(farm)}").kind == "image"


def test_redirects_in_a_circle_end(client, foreign):
    assert client.picture(f"{foreign.url}/302//302/x").kind == "not_an_image"


# A service that misbehaves


class _Scripted(NTLMHandler):
    """Answers every call with the next of the server's messages; the last one for ever."""

    def do_POST(self):  # noqa: N802 - http.server's name
        self.authenticate()
        content = self.server.script.pop(0) if len(self.server.script) > 1 else self.server.script[0]
        self.answer(500 if "Fault" in content else 200, soap.envelope(content), "text/xml")


@pytest.fixture
def scripted():
    running = Server(_Scripted, Domain(), [], schemes=())
    running.start()
    with SharePoint(Endpoint(running.url, "", "", auth="none")) as client:
        yield running, client
    running.stop()


FAULT = "<soap:Fault><faultcode>soap:Server</faultcode><faultstring>no index</faultstring></soap:Fault>"


def walked(name, following):
    profile = (
        f"<PropertyData><Name>AccountName</Name><Values><ValueData><Value>{name}</Value></ValueData></Values>"
    )
    return (
        "<GetUserProfileByIndexResponse><GetUserProfileByIndexResult>"
        f"<NextValue>{following}</NextValue><UserProfile>{profile}</PropertyData></UserProfile>"
        "</GetUserProfileByIndexResult></GetUserProfileByIndexResponse>"
    )


def test_a_walk_in_circles_is_stopped(scripted):
    server, client = scripted
    server.script = [walked("a", 5), walked("b", 3)]
    with pytest.raises(ProtocolError, match="from record 5 to 3"):
        list(client.profiles())


def test_a_fault_for_one_record_does_not_end_the_walk(scripted):
    server, client = scripted
    server.script = [walked("a", 5), FAULT, walked("b", -1)]
    found = [(one.account, one.record) for one in client.profiles()]
    assert found == [("a", -1), ("", 5), ("b", 6)]


def test_fault_after_fault_ends_the_walk_with_its_text(scripted):
    server, client = scripted
    server.script = [FAULT]
    with pytest.raises(ProtocolError, match="no index"):
        list(client.profiles())


def test_an_answer_without_a_profile_is_the_end(scripted):
    server, client = scripted
    server.script = [walked("a", 5), "<GetUserProfileByIndexResponse/>"]
    assert [one.account for one in client.profiles()] == ["a"]


def test_a_change_log_without_end_is_stopped(scripted):
    server, client = scripted
    rows = "<Changes><UserProfileChangeData><Id>1</Id></UserProfileChangeData></Changes>"
    page = f"<GetChangesResult>{rows}<ChangeToken>t</ChangeToken></GetChangesResult>"
    server.script = [f"<GetChangesResponse>{page}</GetChangesResponse>"]
    with pytest.raises(ProtocolError, match="came to no end"):
        client.changes("t")


def test_a_fault_about_missing_rights_is_not_a_gap(scripted):
    server, client = scripted
    server.script = [FAULT.replace("no index", "Access is denied.")]
    with pytest.raises(RightsError, match="GetChanges"):
        client.changes("t")


def test_a_count_that_is_no_number_is_told(scripted):
    server, client = scripted
    count = "<GetUserProfileCountResult>many</GetUserProfileCountResult>"
    server.script = [f"<GetUserProfileCountResponse>{count}</GetUserProfileCountResponse>"]
    with pytest.raises(ProtocolError, match="'many'"):
        client.count()


# Troubles


def test_a_wrong_password_is_told_without_it(farm):
    with (
        SharePoint(Endpoint(farm.url, ANNA, "not the password")) as client,
        pytest.raises(SignInError) as caught,
    ):
        client.count()
    assert "anna" in str(caught.value)
    assert "not the password" not in repr(caught.value)


def test_basic_sign_in():
    running = sharepoint.start(Domain(), ACCOUNTS, clock=Clock(), schemes=["Basic"])
    with SharePoint(Endpoint(running.url, ANNA, PASSWORD, auth="basic")) as client:
        assert client.count() == 0
    running.stop()


def test_no_sign_in():
    running = sharepoint.start(Domain(), [], clock=Clock(), schemes=[])
    with SharePoint(Endpoint(running.url, "", "", auth="none")) as client:
        assert client.count() == 0
    running.stop()


def test_nobody_listening_is_unreachable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with SharePoint(Endpoint(url, ANNA, PASSWORD)) as client, pytest.raises(UnreachableError, match=url):
            client.count()


def test_a_silent_server_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            SharePoint(Endpoint(url, ANNA, PASSWORD, timeout=0.2)) as client,
            pytest.raises(UnreachableError, match="timed out"),
        ):
            client.count()


def test_a_throttling_farm_is_unreachable(farm, client):
    farm.health_score = 10
    with pytest.raises(UnreachableError, match="503"):
        client.count()


@pytest.mark.parametrize("path", ["", "/404", "/500", "/302//login"])
def test_another_web_server_is_not_taken_for_sharepoint(foreign, path):
    with (
        SharePoint(Endpoint(foreign.url + path, ANNA, PASSWORD)) as client,
        pytest.raises(ProtocolError, match="not a SharePoint"),
    ):
        client.count()


@pytest.mark.parametrize("read", ["properties_for", "profile"])
def test_another_web_server_has_no_profiles(foreign, read):
    with SharePoint(Endpoint(foreign.url, ANNA, PASSWORD)) as client, pytest.raises(ProtocolError):
        getattr(client, read)(ANNA)


def test_a_fault_names_its_correlation_id(client):
    with pytest.raises(ProtocolError, match=r"not modelled.*correlation id [0-9a-f-]{36}"):
        client.call("UserProfileService", "GetUserProfileSchema", "")


def test_a_write_that_is_refused_names_its_status(client):
    with pytest.raises(ProtocolError, match="404"):
        client.post("_api/nothing", b"")


@pytest.fixture
def https(tmp_path):
    issued = certificates.issue(tmp_path, ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate_file, issued.key_file)
    running = sharepoint.start(Domain(), ACCOUNTS, clock=Clock(), tls=context)
    yield running.url, issued.ca_file
    running.stop()


def test_an_unknown_ca_is_refused(https):
    with (
        SharePoint(Endpoint(https[0], ANNA, PASSWORD)) as client,
        pytest.raises(CertificateError, match="ca_file"),
    ):
        client.count()


def test_a_named_ca_is_trusted(https):
    with SharePoint(Endpoint(https[0], ANNA, PASSWORD, ca_file=https[1])) as client:
        assert client.count() == 0


def test_unverified_tls_only_by_name(https):
    with (
        SharePoint(Endpoint(https[0], ANNA, PASSWORD, verify_tls=False)) as client,
        pytest.warns(match="Unverified HTTPS request"),
    ):
        assert client.count() == 0


@pytest.mark.parametrize(
    ("url", "options", "named"),
    [
        ("portal", {}, "'portal'"),
        ("ftp://portal", {}, "'ftp://portal'"),
        ("http://[", {}, "'http://['"),
        ("http://portal", {"auth": "kerberos"}, "'kerberos'"),
    ],
)
def test_a_wrong_setting_is_named(url, options, named):
    with pytest.raises(ParameterError) as caught:
        SharePoint(Endpoint(url, ANNA, PASSWORD, **options))
    assert named in str(caught.value)


def test_a_missing_ca_file_is_named(tmp_path):
    with pytest.raises(ParameterError, match=r"none\.pem"):
        SharePoint(Endpoint("https://portal", ANNA, PASSWORD, ca_file=tmp_path / "none.pem"))


def test_the_account_signs_in_to_its_own_site_only(farm):
    other = sharepoint.start(Domain(), ACCOUNTS, clock=Clock())
    other.store.create(ANNA, {})
    other.store.upload(ANNA, photo("red"))
    elsewhere = other.store.get(ANNA).properties["PictureURL"].replace("127.0.0.1", "localhost")
    with SharePoint(Endpoint(farm.url, ANNA, PASSWORD)) as client:
        assert client.picture(elsewhere).kind == "forbidden"
    other.stop()


@pytest.mark.parametrize(
    ("home", "url", "same"),
    [
        ("https://portal", "https://portal/x", True),
        ("https://portal", "https://my", False),
        ("https://sp.contoso.com", "https://my.contoso.com", True),
        ("https://contoso.com", "https://fabrikam.com", False),
        ("https://10.0.0.1", "https://11.0.0.1", False),
    ],
)
def test_what_belongs_to_a_site(home, url, same):
    assert same_site(home, url) is same


# Parsers


@unhurried
@given(st.text())
def test_normalising_an_account_twice_changes_nothing(name):
    assert normalise_account(normalise_account(name)) == normalise_account(name)


@unhurried
@given(st.text(alphabet=st.characters(exclude_characters="|")))
def test_the_claim_and_the_classic_form_are_one_account(name):
    assert normalise_account(profiles.claim(name)) == normalise_account(name)


@unhurried
@given(st.datetimes(min_value=datetime(1, 1, 1)))
def test_picture_timestamps_hold_whole_seconds(time):
    seconds = profiles.picture_seconds(time.replace(tzinfo=UTC))
    assert profiles.picture_time(str(seconds)) == time.replace(microsecond=0, tzinfo=UTC)


@unhurried
@given(st.text())
def test_any_text_survives_the_repair_of_a_message_but_for_what_xml_forbids(text):
    message = soap.envelope(f"<a>{soap.escape(text)}</a>")
    kept = soap.body(soap.legible(message)).text or ""
    legal = "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
    assert kept == legal.replace("\r\n", "\n").replace("\r", "\n")


@unhurried
@given(st.binary() | st.text().map(lambda text: soap.envelope(escape(text))))
def test_a_message_is_an_element_or_a_kit_error(message):
    with contextlib.suppress(ProtocolError):
        assert soap.body(message).tag


def test_an_entity_bomb_is_refused():
    bomb = b'<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>'
    with pytest.raises(ProtocolError, match="not XML"):
        soap.body(bomb)


json = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["d", "results", "UserProfileProperties", "Key", "Value"]), inner, max_size=3
        )
    ),
)


@unhurried
@given(json)
def test_any_json_is_a_profile_or_none_or_a_kit_error(payload):
    try:
        found = profiles.person(payload)
    except ProtocolError:
        return
    assert found is None or isinstance(found, profiles.Profile)


def test_a_transport_can_be_given(farm):
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=1)
    with SharePoint(Endpoint(farm.url, ANNA, PASSWORD), transport=adapter) as client:
        assert client.count() == 3
