import contextlib
import io
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kit import addresses, downloads
from kit.addresses import Place
from kit.answers import Answer, judge
from kit.endpoint import Endpoint
from kit.errors import CertificateError, NotFoundError, ParameterError, SignInError, UnreachableError
from kit.lab import certificates, sharepoint
from kit.lab.clock import Clock
from kit.lab.domain import Account, Domain
from kit.lab.ntlm import NTLMHandler, Server
from kit.lab.picture_library import Delivery
from kit.lab.portraits import login_page, silhouette, truncated
from kit.photos import PhotoStore, Reading, fingerprint
from kit.pictures import KINDS, Version, is_placeholder_address, rebased, sized
from kit.sharepoint import SharePoint
from kit.signatures import image_format_of, is_whole
from kit.web import Manners, WebSession

READER, ANNA = "CONTOSO\\svc-kit", "CONTOSO\\anna"
PASSWORD = "Correct horse 1"
ACCOUNTS = [Account("svc-kit", PASSWORD)]
LONG_AGO = timedelta(days=-60)
unhurried = settings(deadline=None)  # the machine may be busy


def photo(colour, size=(400, 300), format="JPEG", **options):
    encoded = io.BytesIO()
    Image.new("RGB", size, colour).save(encoded, format, **options)
    return encoded.getvalue()


@contextlib.contextmanager
def farm_at(**options):
    running = sharepoint.start(Domain(), ACCOUNTS, clock=Clock(LONG_AGO), **options)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def server():
    with farm_at() as running:
        yield running


@pytest.fixture
def farm(server):
    server.store.create(ANNA, {})
    server.store.upload(ANNA, photo("red"))
    yield server
    server.store.deliver(ANNA, Delivery.WHOLE)
    server.store.picture_library.host = server.url
    server.store.delete(ANNA)
    server.store.picture_library.folder = "/User Photos/Profile Pictures"


@pytest.fixture
def client(farm):
    with SharePoint(Endpoint(farm.url, READER, PASSWORD)) as opened:
        yield opened


def address(farm, account=ANNA):
    return farm.store.get(account).properties["PictureURL"]


# What comes


def test_a_picture_comes_with_its_format_and_length(client, farm):
    found = client.picture(address(farm))
    assert (found.kind, found.detail) == ("image", f"JPEG of {len(found.content):,} bytes.")


def test_a_picture_comes_with_its_version(client, farm):
    found = client.picture(address(farm))
    file = farm.store.file(farm.store.picture_path(ANNA, "M"))
    assert (found.version.url, found.version.etag) == (address(farm), file.etag)
    assert found.version.modified == file.modified.replace(microsecond=0)


def test_a_profile_without_an_address_has_a_missing_picture(client):
    found = client.picture("")
    assert (found.kind, found.detail) == ("missing", "The profile has no picture address.")


def test_a_file_that_is_gone_is_missing(client, farm):
    url = address(farm)
    farm.store.remove_picture(ANNA)
    found = client.picture(url)
    assert (found.kind, found.error_kind) == ("missing", "")
    assert found.detail.startswith(f"{url} gave HTTP 404: there is no such file (correlation id ")
    assert found.detail.endswith("; have the picture uploaded again, or correct the profile's PictureURL.")


def test_a_file_that_the_account_may_not_read_is_forbidden(client, farm):
    farm.store.forbid(ANNA, {ANNA})
    found = client.picture(address(farm))
    farm.store.forbid(ANNA, {READER})
    assert (found.kind, found.error_kind, found.content) == ("forbidden", "Rights", None)
    assert found.detail.startswith(f"{address(farm)} gave HTTP 403: the account may not read the file (corr")
    assert found.detail.endswith("; give it Full Read on the My Site web application by a user policy.")


def test_the_page_that_denies_access_is_forbidden_though_it_comes_with_200(client, farm):
    farm.store.deliver(ANNA, Delivery.DENIAL_REDIRECT)
    found = client.picture(address(farm))
    assert (found.kind, found.error_kind, found.status) == ("forbidden", "Rights", 200)
    page = f"{farm.url}/_layouts/15/AccessDenied.aspx?..."
    gave = f"{address(farm)}, which leads to {page}, gave an HTML page, titled 'Access required': "
    assert found.detail.startswith(f"{gave}the account may not read the file (correlation id ")


def test_redirections_to_a_sign_in_page_are_a_login_page(client, farm):
    farm.store.deliver(ANNA, Delivery.SIGN_IN_REDIRECT)
    found = client.picture(address(farm))
    assert (found.kind, found.error_kind, found.content) == ("login_page", "SignIn", None)
    assert urlsplit(found.url).path == "/_login/default.aspx"
    assert f"leads to the sign-in page {farm.url}/_layouts/15/Authenticate.aspx?... (corr" in found.detail
    assert found.detail.endswith("; set sharepoint.auth to forms, or name a zone with Windows sign-in.")


def test_a_refusal_that_names_a_form_is_a_login_page(client, farm):
    farm.store.deliver(ANNA, Delivery.SIGN_IN_REFUSAL)
    found = client.picture(address(farm))
    assert (found.kind, found.error_kind, found.status) == ("login_page", "SignIn", 403)
    assert f"wants a sign-in by a form, at {farm.url}/_login/default.aspx" in found.detail


def test_a_sign_in_page_in_the_pictures_place_is_a_login_page(client, farm):
    farm.store.deliver(ANNA, Delivery.SIGN_IN_PAGE)
    found = client.picture(address(farm))
    assert (found.kind, found.error_kind, found.content) == ("login_page", "", login_page())
    assert f"{address(farm)} gave an HTML page, titled 'Sign in to Contoso': that page is for" in found.detail


def test_a_stored_sign_in_page_is_a_login_page_whatever_its_type_says(client, farm):
    farm.store.replace_file(ANNA, "M", login_page(), "image/jpeg")
    assert client.picture(address(farm)).kind == "login_page"


def test_any_other_page_is_not_an_image(client, farm):
    farm.store.replace_file(ANNA, "M", b"<html><title>Under repair</title></html>", "image/jpeg")
    found = client.picture(address(farm))
    assert (found.kind, "titled 'Under repair'" in found.detail) == ("not_an_image", True)


def test_any_other_file_is_not_an_image(client, farm):
    farm.store.replace_file(ANNA, "M", b"%PDF-1.7", "image/jpeg")
    found = client.picture(address(farm))
    assert (found.kind, "8 bytes, beginning with 25 50 44 46" in found.detail) == ("not_an_image", True)


def test_a_file_of_no_bytes_is_empty(client, farm):
    farm.store.replace_file(ANNA, "M", b"")
    found = client.picture(address(farm))
    assert (found.kind, found.content) == ("empty", b"")
    assert found.detail.startswith(f"{address(farm)} gave 0 bytes: the file is empty (correlation id ")
    assert found.detail.endswith("; have the picture uploaded again.")


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_stored_file_without_an_end_is_truncated(client, farm, format):
    broken = truncated(photo("red", format=format))
    farm.store.replace_file(ANNA, "M", broken)
    found = client.picture(address(farm))
    assert (found.kind, found.content) == ("truncated", broken)
    assert f"gave a {format} of {len(broken):,} bytes without an end: the stored file is" in found.detail


def test_a_body_shorter_than_announced_is_truncated_and_not_kept(client, farm):
    farm.store.deliver(ANNA, Delivery.CUT)
    found = client.picture(address(farm))
    whole = len(farm.store.file(farm.store.picture_path(ANNA, "M")).content)
    assert (found.kind, found.error_kind, found.content) == ("truncated", "Unreachable", None)
    assert f"{address(farm)} gave a part of a file: the connection was lost or fell silent, " in found.detail
    assert f" silent, {whole // 2:,} of {whole} bytes came" in found.detail


def test_a_body_that_a_lost_connection_cut_is_asked_for_again(client, farm):
    farm.store.deliver(ANNA, Delivery.CUT, times=1)
    assert client.picture(address(farm)).kind == "image"


@pytest.mark.parametrize("kind", ["announced", "endless"])
def test_a_body_without_measure_is_cut_and_oversize(client, farm, kind):
    if kind == "endless":
        farm.store.deliver(ANNA, Delivery.ENDLESS)
    else:
        farm.store.replace_file(ANNA, "M", photo("red") + bytes(downloads.LIMIT))
    found = client.picture(address(farm))
    assert (found.kind, found.error_kind, found.content) == ("oversize", "Protocol", None)
    assert f"{address(farm)} gave more than 5,000,000 bytes: reading was given up there" in found.detail


def test_a_body_of_just_the_limit_is_whole(farm):
    picture = photo("red")
    farm.store.replace_file(ANNA, "M", picture)
    with WebSession(Endpoint(farm.url, READER, PASSWORD)) as web:
        kinds = [downloads.Client(web, limit=len(picture) - n).picture(address(farm)).kind for n in (0, 1)]
    assert kinds == ["image", "oversize"]


def test_a_png_under_a_jpg_address_is_an_image_that_the_decoder_knows_for_a_placeholder(client, farm):
    farm.store.replace_file(ANNA, "M", silhouette(image_format="PNG"))
    found = client.picture(address(farm))
    assert (found.kind, fingerprint(found.content).kind) == ("image", "placeholder")
    assert found.detail.endswith("bytes under a .jpg address, as SharePoint's placeholder art may be.")


def test_a_portrait_stored_as_png_is_an_image(client, farm):
    picture = Image.effect_noise((96, 96), 90)
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    farm.store.replace_file(ANNA, "M", encoded.getvalue())
    found = client.picture(address(farm))
    assert (found.kind, fingerprint(found.content).kind) == ("image", "image")


def test_a_picture_with_another_files_type_is_told(client, farm):
    farm.store.replace_file(ANNA, "M", photo("red"), "text/plain")
    found = client.picture(address(farm))
    assert (found.kind, found.content_type) == ("image", "text/plain")
    assert found.detail.endswith("bytes, served as 'text/plain'.")


# Conditional requests


def test_an_unchanged_picture_is_not_sent_again(client, farm):
    held = client.picture(address(farm)).version
    found = client.picture(address(farm), known=held)
    assert (found.status, found.kind, found.content, found.version) == (304, "not_modified", None, held)
    assert found.detail == "The file is still the version that is held."


def test_a_changed_picture_is_sent_again(client, farm):
    held = client.picture(address(farm)).version
    farm.store.upload(ANNA, photo("blue"))
    found = client.picture(address(farm), known=held)
    assert (found.kind, found.version.etag) == ("image", held.etag.replace(',1"', ',2"'))


def test_both_conditions_are_sent():
    version = Version("http://my/a.jpg", '"1"', "Mon, 05 Jan 2026 08:00:00 GMT")
    assert version.conditions("http://my/a.jpg") == {
        "If-None-Match": '"1"',
        "If-Modified-Since": "Mon, 05 Jan 2026 08:00:00 GMT",
    }


def test_a_date_alone_is_asked_by(client, farm):
    farm.store.deliver(ANNA, Delivery.WITHOUT_ETAG)
    held = client.picture(address(farm)).version
    assert (held.etag, client.picture(address(farm), known=held).kind) == ("", "not_modified")


def test_a_date_alone_is_not_trusted_when_the_file_is_fresh(client, farm):
    farm.clock.set_offset(timedelta(0))
    farm.store.deliver(ANNA, Delivery.WITHOUT_ETAG)
    farm.store.upload(ANNA, photo("blue"))
    held = client.picture(address(farm)).version
    farm.clock.set_offset(LONG_AGO)
    assert held.text == ""


def test_a_cache_that_renames_every_version_costs_the_picture_never_the_truth(client, farm):
    farm.store.deliver(ANNA, Delivery.CACHED)
    held = client.picture(address(farm)).version
    assert client.picture(address(farm), known=held).kind == "image"


def test_the_version_of_another_address_is_not_asked_by(client, farm):
    held = client.picture(address(farm)).version
    assert client.picture(address(farm), size="L", known=held).kind == "image"


def test_a_version_survives_the_photo_store(client, farm, tmp_path):
    first = client.picture(address(farm))
    with PhotoStore(tmp_path / "photos.sqlite") as store:
        now = datetime.now(UTC)
        store.record([Reading("anna", "sharepoint", first.content, now, first.version.text)])
        held = store.held("anna", "sharepoint")
        found = client.picture(address(farm), known=Version.parse(held.version))
        assert (found.kind, store.get(held.sha256)) == ("not_modified", first.content)


@pytest.mark.parametrize("delivery", [Delivery.SIGN_IN_PAGE, Delivery.CUT, Delivery.SIGN_IN_REFUSAL])
def test_what_is_no_picture_has_no_version(client, farm, delivery):
    farm.store.deliver(ANNA, delivery)
    assert client.picture(address(farm)).version.text == ""


@pytest.mark.parametrize("text", ["", "rubbish", "[]", "7", "null", '["a", "b"]'])
def test_a_text_that_is_no_version_asks_without_conditions(text):
    assert Version.parse(text).conditions("") == {}


@given(st.text(), st.text(min_size=1), st.text())
def test_a_version_is_kept_as_text(url, etag, last_modified):
    version = Version(url, etag, last_modified)
    assert Version.parse(version.text) == version


# Addresses


@pytest.mark.parametrize(("size", "side"), [("", 72), ("S", 48), ("M", 72), ("L", 300)])
def test_each_size_can_be_asked_for(client, farm, size, side):
    found = client.picture(address(farm), size=size)
    with Image.open(io.BytesIO(found.content)) as image:
        assert max(image.size) == side


def test_an_incomplete_set_is_missing_in_one_size_only(client, farm):
    farm.store.delete_file(ANNA, "L")
    kinds = [client.picture(address(farm), size=size).kind for size in "SML"]
    assert kinds == ["image", "image", "missing"]


def test_an_unknown_size_is_named(client, farm):
    with pytest.raises(ParameterError, match="'XL'"):
        client.picture(address(farm), size="XL")


@pytest.mark.parametrize("size", ["S", "M", "L"])
def test_an_imported_file_has_a_relative_address_and_no_sizes(client, farm, size):
    farm.store.import_picture(ANNA, photo("green"))
    found = client.picture(address(farm), size=size)
    assert (address(farm)[0], addresses.is_imported(address(farm))) == ("/", True)
    assert (found.kind, found.content) == ("image", photo("green"))


@pytest.mark.parametrize(("named", "kind"), [(False, "missing"), (True, "image")])
def test_a_relative_address_is_relative_to_the_my_site_host(farm, named, kind):
    with farm_at() as host:
        host.store.create(ANNA, {})
        host.store.import_picture(ANNA, photo("green"))
        my_site = host.url if named else ""
        with SharePoint(Endpoint(farm.url, READER, PASSWORD), my_site=my_site) as opened:
            assert opened.picture(address(host)).kind == kind


@pytest.mark.parametrize(
    "folder", ["/my/User Photos/Profilbilder", "/personal/hosts/User Photos/Photos de profil été"]
)
def test_managed_paths_and_localised_folders_are_taken_from_the_address(client, farm, folder):
    farm.store.remove_picture(ANNA)
    farm.store.picture_library.folder = folder
    farm.store.upload(ANNA, photo("red"))
    assert client.picture(address(farm), size="L").kind == "image"
    assert addresses.folder(address(farm)) == folder


@pytest.mark.parametrize("name", ["jörg", "o'neill & søn", "anna-maria.berg", "100% anna", "ан на"])
@pytest.mark.parametrize("encode", [str, quote])
def test_names_are_encoded_once_and_never_twice(client, farm, name, encode):
    account = f"CONTOSO\\{name}"
    farm.store.create(account, {})
    farm.store.upload(account, photo("red"))
    plain = farm.store.picture_path(account, "M")
    found = client.picture(farm.url + encode(plain))
    farm.store.delete(account)
    assert found.kind == "image"


def test_a_cache_buster_is_not_part_of_the_version(client, farm):
    held = client.picture(f"{address(farm)}?t=63850000000").version
    assert client.picture(address(farm), known=held).kind == "not_modified"


def test_a_my_site_host_on_another_port_is_signed_in_to(client, farm):
    with farm_at() as host:
        host.store = farm.store
        farm.store.picture_library.host = host.url
        farm.store.upload(ANNA, photo("red"))
        assert (addresses.origin(address(farm)), client.picture(address(farm)).kind) == (host.url, "image")


def test_the_same_file_is_read_through_another_zone(client, farm):
    with farm_at() as zone:
        zone.store = farm.store
        found = client.picture(rebased(address(farm), zone.url))
    assert (found.kind, addresses.origin(found.url)) == ("image", zone.url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("User%20Photos/a b.jpg", "http://my/sites/User%20Photos/a%20b.jpg"),
        ("/User Photos/a.jpg", "http://my/User%20Photos/a.jpg"),
        (" https://host:8080/ü.jpg ", "https://host:8080/%C3%BC.jpg"),
        ("https://name:secret@host/a.jpg#x", "https://host/a.jpg"),
        ("//host/50%.jpg?t=1", "http://host/50%25.jpg?t=1"),
    ],
)
def test_an_address_is_made_absolute(url, expected):
    assert addresses.absolute(url, "http://my/sites/") == expected


@unhurried
@given(st.text())
def test_an_address_made_absolute_stays_as_it_is(url):
    try:
        once = addresses.absolute(url, "http://my/")
    except NotFoundError:
        return
    assert addresses.absolute(once, "http://my/") == once
    assert once.isascii() or not urlsplit(once).netloc.isascii()


UNUSABLE = {
    "ftp://x/y.jpg": "it is not an http:// or https:// address",
    "file:///c:/a.jpg": "it is not an http:// or https:// address",
    "mailto:anna": "it is not an http:// or https:// address",
    "C:\\a.jpg": "it is not an http:// or https:// address",
    "http://x:0/a.jpg": "it is not an http:// or https:// address",
    "http://x:99999/a.jpg": "its host or port is malformed",
    "http://[": "its host or port is malformed",
    "\ud800": "its host or port is malformed",
    f"http://{'x' * 64}.example/a.jpg": "its host has a part that is empty or longer than 63 characters",
    "http://my..example/a.jpg": "its host has a part that is empty or longer than 63 characters",
    "\\\\server\\share\\a.jpg": "it is a file server's path",
    "http:///a.jpg": "it names no host",
    "///a.jpg": "it names no host",
    "http:a.jpg": "it names no host",
    "http://my.contoso.example": "it names no file",
    "http://my.contoso.example/": "it names no file",
    "/": "it names no file",
    "#...": "it names no file",
    "?...": "it names no file",
}


@pytest.mark.parametrize("url", UNUSABLE)
def test_an_address_that_cannot_be_asked_is_unusable_and_named(client, url):
    found = client.picture(url)
    assert (found.kind, found.error_kind, found.content) == ("unusable_address", "NotFound", None)
    assert (
        found.detail == f"address {url!r} cannot be asked: {UNUSABLE[url]}; correct the profile's PictureURL."
    )


def test_a_cache_buster_alone_is_no_address(client):
    found = client.picture("?t=5")
    assert (found.kind, found.detail) == (
        "unusable_address",
        "address '?...' cannot be asked: it names no file; correct the profile's PictureURL.",
    )


def test_a_blank_address_is_none(client):
    found = client.picture(" \t")
    assert (found.kind, found.detail, found.error_kind) == (
        "missing",
        "The profile has no picture address.",
        "",
    )


@pytest.mark.parametrize(
    "url", ["ftp://u:hunter2@host/a.jpg", "http://u:hun@hunter2@host:99999/a.jpg?hunter2"]
)
def test_the_password_in_an_address_is_not_repeated(client, url):
    found = client.picture(url)
    assert (found.kind, "hunter2" in repr(found), "host" in found.detail) == ("unusable_address", False, True)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://my/x/C_anna_MThumb.jpg", "http://my/x/C_anna_LThumb.jpg"),
        ("http://my/x/C_anna_mthumb.JPG?t=1", "http://my/x/C_anna_LThumb.JPG?t=1"),
        ("http://my/C_MThumb.jpg/anna.jpg", "http://my/C_MThumb.jpg/anna.jpg"),
        ("http://my/anna.jpg", "http://my/anna.jpg"),
        ("", ""),
    ],
)
def test_a_size_replaces_the_suffix_of_a_thumbnail(url, expected):
    assert sized(url, "L") == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://p/_layouts/15/userphoto.aspx?AccountName=x", True),
        ("http://p/_layouts/images/personplaceholder.42x42x32.png", True),
        ("http://p/User%20Photos/Profile%20Pictures/C_anna_MThumb.jpg", False),
    ],
)
def test_addresses_of_placeholder_art(url, expected):
    assert is_placeholder_address(url) is expected


def test_pictures_are_counted_by_where_they_are():
    guid = "0c37852b-34d0-418e-91c6-2ac25af4be5b"
    library = "https://my.contoso.example/User%20Photos/Profilbilder"
    found = addresses.origins(
        [
            f"{library}/CONTOSO_anna_MThumb.jpg",
            f"{library}/CONTOSO_berta_LThumb.jpg?t=1".replace("https://my.", "HTTPS://anna:secret@My."),
            f"{library}/anna.jpg",
            f"/User Photos/Profile Pictures/{guid}_10.jpg",
            "https://portal/_layouts/15/images/PersonPlaceholder.96x96x32.png",
            "file://server/a.jpg",
            "http:///a.jpg",
            " ",
            "",
        ]
    )
    host, folder = "https://my.contoso.example", "/User Photos/Profilbilder"
    assert found == {
        Place(host, folder, "thumbnail"): 2,
        Place(host, folder, "other"): 1,
        Place("", "/User Photos/Profile Pictures", "imported"): 1,
        Place("https://portal", "/_layouts/15/images", "placeholder"): 1,
        Place("", "", "unusable"): 2,
    }


# Hosts that are not ours


class _Foreign(NTLMHandler):
    """A web server whose every path is a status, optionally with somewhere to go; its root is a page."""

    def do_GET(self):  # noqa: N802 - http.server's name
        self.authenticate()
        _, status, *rest = self.path.split("/", 2)
        headers = {"Location": rest[0]} if rest else {}
        self.answer(int(status or 200), b"<html></html>", headers=headers)


@pytest.fixture(scope="module")
def foreign():
    running = Server(_Foreign, Domain(), [], schemes=())
    running.start()
    yield running
    running.stop()


def test_a_redirection_to_the_picture_is_followed_and_its_version_held(client, farm, foreign):
    url = f"{foreign.url}/301/{address(farm)}"
    found = client.picture(url)
    again = client.picture(url, known=found.version)
    assert (found.kind, found.version.url, again.kind) == ("image", address(farm), "not_modified")


@pytest.mark.parametrize(
    ("path", "kind", "detail"),
    [
        ("302", "not_an_image", "/302 gave HTTP 302: it names no target; open the address in a browser"),
        ("302//302/x", "not_an_image", "one redirection leads to the next, now to x; open the address in a"),
        (
            "302/file:///c/y",
            "unusable_address",
            "leads to 'file:///c/y', which cannot be asked: it is not an",
        ),
        (
            "302//500/_login/default.aspx",
            "login_page",
            "gave HTTP 500: the zone wants a sign-in by a form, at",
        ),
        ("304", "not_an_image", "/304 gave HTTP 304: that is no file; open the address in a browser"),
        ("404", "missing", "/404 gave HTTP 404: there is no such file; have the picture uploaded again"),
        ("410", "missing", "/410 gave HTTP 410: there is no such file; have the picture uploaded again"),
        ("401", "forbidden", "gave HTTP 401: the host does not take the account, or the account does not"),
        ("401", "forbidden", "; name the host in sharepoint.hosts if it may have the account's password."),
        ("500", "not_an_image", "/500 gave HTTP 500: that is no file; open the address in a browser"),
    ],
)
def test_another_servers_answer_is_named(client, foreign, path, kind, detail):
    found = client.picture(f"{foreign.url}/{path}")
    assert (found.kind, detail in found.detail) == (kind, True), found.detail


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_stays_too_busy_is_unreachable(foreign, status):
    endpoint = Endpoint(foreign.url, auth="none")
    with WebSession(endpoint, manners=Manners(attempts=1)) as web:
        found = downloads.Client(web).picture(f"{foreign.url}/{status}")
    assert (found.kind, found.error_kind) == ("unreachable", "Unreachable")
    gave = f"{foreign.url}/{status} gave HTTP {status}"
    assert found.detail == f"{gave}: the server is too busy or stopped; try again later."


@pytest.mark.parametrize("times", [1, 2])
def test_a_wrong_password_is_everybodys_trouble(farm, times):
    with SharePoint(Endpoint(farm.url, READER, "not the password")) as client:
        for _ in range(times):
            with pytest.raises(SignInError, match=f"sign-in to {farm.url} as .*svc-kit was refused"):
                client.picture(address(farm))


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_another_host_that_does_not_answer_is_a_value(farm):
    gone = closed_port()
    with SharePoint(Endpoint(farm.url, READER, PASSWORD)) as client:
        found = client.picture(f"{gone}/a.jpg")
    assert (found.kind, found.error_kind) == ("unreachable", "Unreachable")
    assert f"{gone} could not be reached" in found.detail


def test_a_host_that_never_answers_is_given_up(farm):
    gone = closed_port()
    with SharePoint(Endpoint(farm.url, READER, PASSWORD)) as client:
        details = [client.picture(f"{gone}/{n}.jpg").detail for n in range(4)]
    not_asked = [f"{gone} was not asked: it did not answer 3 times in a row" in detail for detail in details]
    assert not_asked == [False, False, False, True]


def test_a_redirection_to_a_host_that_does_not_answer_is_a_value(foreign):
    gone = closed_port()
    with SharePoint(Endpoint(foreign.url, auth="none")) as client:
        found = client.picture(f"/302/{gone}/a.jpg")
    assert (found.kind, found.url) == ("unreachable", f"{gone}/a.jpg")


def test_the_sites_own_silence_is_an_error():
    gone = closed_port()
    with SharePoint(Endpoint(gone, READER, PASSWORD)) as client, pytest.raises(UnreachableError, match=gone):
        client.picture(f"{gone}/a.jpg")


@pytest.fixture
def untrusted(tmp_path):
    issued = certificates.issue(tmp_path, ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate_file, issued.key_file)
    with farm_at(tls=context) as running:
        yield running.url


def test_another_hosts_certificate_is_a_value(client, untrusted):
    found = client.picture(f"{untrusted}/a.jpg")
    assert (found.kind, found.detail.startswith(untrusted)) == ("unreachable", True)
    assert "its certificate is not trusted" in found.detail


def test_the_sites_own_certificate_is_an_error(untrusted):
    with SharePoint(Endpoint(untrusted, READER, PASSWORD)) as client, pytest.raises(CertificateError):
        client.picture(f"{untrusted}/a.jpg")


def test_threads_may_share_a_client(client, farm):
    with ThreadPoolExecutor(8) as pool:
        kinds = list(pool.map(lambda _: client.picture(address(farm)).kind, range(40)))
    assert kinds == ["image"] * 40


# Judging


@unhurried
@given(
    status=st.sampled_from([200, 302, 304, 403, 404, 418, 503, 600]),
    beginning=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"<html>", b"RIFF1234WEBP"]),
    rest=st.binary(max_size=60),
    headers=st.dictionaries(st.sampled_from(["ETag", "Last-Modified", "Date", "Content-Type"]), st.text()),
)
def test_any_answer_is_of_one_kind_and_has_one_sentence(status, beginning, rest, headers):
    found = judge(Answer(("http://my/a.jpg",), status, headers, beginning + rest))
    assert found.kind in KINDS
    assert found.detail.endswith(".")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_every_format_that_is_decoded_is_known_by_its_first_bytes(format):
    content = photo("red", format=format)
    assert (image_format_of(content), is_whole(format, content)) == (format, True)


def test_the_preview_inside_a_photo_is_not_its_end():
    preview = b"Exif\0\0" + photo("red", (32, 32))
    whole = photo("blue", exif=preview)
    assert (is_whole("JPEG", whole), is_whole("JPEG", whole[:-40])) == (True, False)


@pytest.mark.parametrize("options", [{"progressive": True}, {"optimize": True}, {"quality": 20}])
def test_what_follows_the_end_of_a_photo_does_not_matter(options):
    whole = photo("blue", **options)
    assert (is_whole("JPEG", whole + bytes(100)), is_whole("JPEG", whole[:-2])) == (True, False)


def test_bytes_may_fill_the_space_before_a_marker():
    whole = photo("blue")
    assert is_whole("JPEG", whole[:2] + b"\xff\xff" + whole[2:])
