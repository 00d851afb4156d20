import pytest
from profile_farm import ANNA, MANAGER, PASSWORD, running, signed_in

from kit.capabilities import product
from kit.endpoint import Endpoint
from kit.errors import ProtocolError, SignInError
from kit.lab.domain import Domain
from kit.lab.forms import FormsZone
from kit.lab.ntlm import NTLMHandler, Server
from kit.lab.variant import Variant
from kit.sharepoint import SharePoint

ALL = {
    "profile_walk": True,
    "change_log": True,
    "people_manager": True,
    "people_search": True,
    "picture_user_editable": True,
    "service_description": True,
}


@pytest.fixture(scope="module")
def farm():
    with running() as farm:
        yield farm


def probed(farm, variant=None, account=MANAGER):
    farm.variant = variant or Variant()
    with signed_in(farm, account) as client:
        return client.capabilities()


def test_a_farm_tells_its_version(farm):
    found = probed(farm)
    assert (found.version, found.product) == ("16.0.0.4351", "SharePoint 2016")


def test_a_whole_farm_offers_everything(farm):
    assert probed(farm).offers == ALL


def test_the_zone_is_told_by_its_address_its_sign_in_and_the_account_there(farm):
    zone = probed(farm).zone
    assert (zone.public_url, zone.sign_in, zone.signed_in_as, zone.uses_claims) == (
        farm.url,
        ("Negotiate", "NTLM"),
        "i:0#.w|contoso\\svc-kit",
        True,
    )


@pytest.mark.parametrize("account", [MANAGER, ANNA])
def test_the_my_site_host_is_told_whether_or_not_the_account_has_a_profile(farm, account):
    assert probed(farm, account=account).my_site_host == f"{farm.url}/"


@pytest.mark.parametrize(
    ("variant", "ability", "reason"),
    [
        (Variant(guarded=frozenset({"GetUserProfileByIndex"})), "profile_walk", "Manage Profiles"),
        (Variant(guarded=frozenset({"GetCurrentChangeToken"})), "change_log", "Manage Profiles"),
        (Variant(searches=False), "people_search", "404"),
        (Variant(describes_itself=False), "service_description", "404"),
    ],
)
def test_what_is_not_offered_says_why_and_the_rest_is_offered(farm, variant, ability, reason):
    offers = dict(probed(farm, variant, ANNA).offers)
    assert reason in offers.pop(ability)
    assert offers == {name: value for name, value in ALL.items() if name != ability}


def test_a_picture_that_nobody_may_change_is_told(farm):
    assert probed(farm, Variant(picture_user_editable=False)).offers["picture_user_editable"] is False


def test_a_zone_with_forms_sign_in_beside_windows_tells_both():
    with running() as farm:
        farm.zone = FormsZone(farm.credentials, farm.url)
        assert probed(farm).zone.sign_in == ("Negotiate", "NTLM", "Forms")


def test_a_wrong_password_is_no_missing_ability(farm):
    with SharePoint(Endpoint(farm.url, ANNA, f"not {PASSWORD}")) as client, pytest.raises(SignInError):
        client.capabilities()


class _Page(NTLMHandler):
    """A web server that is no SharePoint, though it may know who asks."""

    def do_GET(self):  # noqa: N802 - http.server's name
        content = b"<html></html>"
        if self.path.endswith(self.server.json_path):
            content = b'{"d": {"Url": "http://portal", "LoginName": "anna"}}'
        self.answer(200, content)

    do_POST = do_GET  # noqa: N815 - http.server's name


@pytest.mark.parametrize("json_path", ["nothing", "/currentuser", "/_api/web"])
def test_another_web_server_is_not_taken_for_sharepoint(json_path):
    server = Server(_Page, Domain(), [], schemes=())
    server.json_path = json_path
    server.start()
    told = f"{server.url}/_api/web.* could not be read: it is 'text/html[^']*', not JSON"
    try:
        with (
            SharePoint(Endpoint(server.url, auth="none")) as client,
            pytest.raises(ProtocolError, match=told),
        ):
            client.capabilities()
    finally:
        server.stop()


class _Elsewhere(NTLMHandler):
    """A site that sends whoever has not signed in somewhere else, though not to sign in."""

    def do_GET(self):  # noqa: N802 - http.server's name
        self.server.hosts_asked.append(self.headers["Host"])
        if self.headers.get("X-FORMS_BASED_AUTH_ACCEPTED") is None:
            self.answer(302, headers={"Location": self.server.location})
        else:
            content = b'{"d": {"Url": "http://portal", "LoginName": "anna"}}'
            self.answer(200, content, "application/json")

    def do_POST(self):  # noqa: N802 - http.server's name
        self.answer(404)


@pytest.fixture
def elsewhere():
    server = Server(_Elsewhere, Domain(), [], schemes=())
    server.hosts_asked, server.location = [], "/start"
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(("location", "sign_in"), [("/start", ()), ("/_login/default.aspx", ("Forms",))])
def test_only_a_redirection_to_a_login_page_is_a_sign_in_by_forms(elsewhere, location, sign_in):
    elsewhere.location = location
    with SharePoint(Endpoint(elsewhere.url, auth="none")) as client:
        assert client.capabilities().zone.sign_in == sign_in


def test_who_has_not_signed_in_goes_by_the_same_proxy(elsewhere, monkeypatch):
    monkeypatch.setenv("http_proxy", elsewhere.url)
    monkeypatch.setenv("no_proxy", "")
    behind = "http://portal.invalid"
    with SharePoint(Endpoint(behind, auth="none"), use_proxy=True) as client:
        assert client.capabilities().zone.public_url == "http://portal"
    assert set(elsewhere.hosts_asked) == {"portal.invalid"}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("16.0.0.5443", "SharePoint 2016"),
        ("16.0.0.10337", "SharePoint 2019"),
        ("16.0.0.14326", "SharePoint Subscription Edition"),
        ("14.0.0.7177", ""),
        ("rubbish", ""),
    ],
)
def test_the_version_says_which_product_it_is(version, expected):
    assert product(version) == expected
