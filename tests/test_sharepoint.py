import socket
from datetime import timedelta

import pytest
import requests
from profile_farm import ACCOUNTS, ANNA, BERIT, PASSWORD, photo, running, signed_in

from kit.endpoint import Endpoint
from kit.errors import (
    ProtocolError,
    RightsError,
    SignInError,
    UnreachableError,
)
from kit.lab import sharepoint
from kit.lab.clock import Clock
from kit.lab.domain import Domain
from kit.lab.ntlm import NTLMHandler, Server
from kit.lab.variant import Variant
from kit.sharepoint import SharePoint

HTML = b"<html><body>Sign in</body></html>"


@pytest.fixture
def farm():
    with running() as farm:
        yield farm


@pytest.fixture
def client(farm):
    with signed_in(farm) as opened:
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


@pytest.mark.parametrize("spelling", ["AccountName", "accountName"])
def test_a_profile_is_found_whichever_way_the_server_spells_its_parameter(client, farm, spelling):
    farm.variant = Variant(name_parameter=spelling)
    assert client.profile(BERIT).account_name == BERIT


def test_a_server_that_reads_no_name_at_all_is_found_out(farm):
    farm.variant = Variant(name_parameter="neither")
    with signed_in(farm, ANNA) as client, pytest.raises(ProtocolError, match=r"berit.* answered with .*anna"):
        client.profile(BERIT)


def test_a_profile_by_trusted_provider_claim(client, farm):
    name = "i:05.t|adfs|dora@contoso.example"
    farm.store.create(name, {"PreferredName": "Dora"})
    assert (client.profile(name).display_name, client.properties_for(name).display_name) == ("Dora", "Dora")


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
    assert (found.placeholder_state, found.exchange_sync_state) == (0, 0)


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


def test_a_user_modifies_the_own_phone_number(farm):
    with SharePoint(Endpoint(farm.url, ANNA, PASSWORD)) as as_anna:
        as_anna.call("UserProfileService", "ModifyUserPropertyByAccountName", NEW_PHONE.format(ANNA))
    assert farm.store.get(ANNA).properties["WorkPhone"] == "2"


def test_a_user_may_not_modify_what_is_not_to_be_edited(farm):
    farm.variant = Variant(phone_user_editable=False)
    with (
        SharePoint(Endpoint(farm.url, ANNA, PASSWORD)) as as_anna,
        pytest.raises(RightsError, match="Manage Profiles"),
    ):
        as_anna.call("UserProfileService", "ModifyUserPropertyByAccountName", NEW_PHONE.format(ANNA))


def test_a_user_uploads_a_picture_and_only_the_address_stays(client, farm):
    before, old = client.profile(ANNA), client.picture(client.profile(ANNA).picture_url)
    with SharePoint(Endpoint(farm.url, ANNA, PASSWORD)) as as_anna:
        as_anna.post("_api/SP.UserProfiles.PeopleManager/SetMyProfilePicture", photo("blue"))
    after, new = client.profile(ANNA), client.picture(before.picture_url)
    assert after.picture_url == before.picture_url
    assert after.picture_timestamp > before.picture_timestamp
    assert new.content != old.content
    assert old.version.etag.removesuffix('1"') == new.version.etag.removesuffix('2"')


# Troubles


def test_a_wrong_password_is_told_without_it(farm):
    with (
        SharePoint(Endpoint(farm.url, ANNA, "not the password")) as client,
        pytest.raises(SignInError) as caught,
    ):
        client.count()
    assert "anna" in str(caught.value)
    assert "not the password" not in repr(caught.value)


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


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", "that is not a SharePoint service"),
        ("/404", "gave 404 Not Found: "),
        ("/500", "gave 500 Internal Server Error: "),
        ("/302//login", "gave 302 Found: "),
    ],
)
def test_another_web_server_is_not_taken_for_sharepoint(foreign, path, told):
    with (
        SharePoint(Endpoint(foreign.url + path, ANNA, PASSWORD)) as client,
        pytest.raises(ProtocolError, match=told),
    ):
        client.count()


@pytest.mark.parametrize("read", ["properties_for", "profile"])
def test_another_web_server_has_no_profiles(foreign, read):
    with SharePoint(Endpoint(foreign.url, ANNA, PASSWORD)) as client, pytest.raises(ProtocolError):
        getattr(client, read)(ANNA)


def test_a_fault_names_its_correlation_id(client):
    with pytest.raises(ProtocolError, match=r"not modelled.*correlation id [0-9a-f-]{36}"):
        client.call("UserProfileService", "GetCommonManager", "")


def test_a_write_that_is_refused_names_its_status(client):
    with pytest.raises(ProtocolError, match="404"):
        client.post("_api/nothing", b"")


def test_the_account_signs_in_to_its_own_site_only(farm):
    other = sharepoint.start(Domain(), ACCOUNTS, clock=Clock())
    other.store.create(ANNA, {})
    other.store.upload(ANNA, photo("red"))
    elsewhere = other.store.get(ANNA).properties["PictureURL"].replace("127.0.0.1", "localhost")
    with SharePoint(Endpoint(farm.url, ANNA, PASSWORD)) as client:
        assert client.picture(elsewhere).kind == "forbidden"
    other.stop()


def test_a_transport_can_be_given(farm):
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=1)
    with SharePoint(Endpoint(farm.url, ANNA, PASSWORD), transport=adapter) as client:
        assert client.count() == 3
