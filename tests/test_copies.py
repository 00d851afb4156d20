import pytest
from profile_farm import ANNA, BERIT, CARL, PASSWORD, running, signed_in

from kit.copies import copies
from kit.endpoint import Endpoint
from kit.errors import ProtocolError
from kit.lab.domain import Domain
from kit.lab.ntlm import NTLMHandler, Server
from kit.web import WebSession

EVERYONE = ["contoso\\anna", "contoso\\berit", "contoso\\carl"]


@pytest.fixture(scope="module")
def farm():
    with running() as farm:
        yield farm


@pytest.mark.parametrize("page_size", [1, 2, 3, 1000])
def test_all_pages_are_read(farm, page_size):
    with WebSession(Endpoint(farm.url, ANNA, PASSWORD)) as web:
        assert [copy.account for copy in copies(web, page_size=page_size)] == EVERYONE


def test_a_copy_names_the_picture_and_its_moment(farm):
    properties = farm.store.get(ANNA).properties
    with signed_in(farm) as client:
        found = {copy.account: copy.picture_url for copy in client.site_copies()}
    moment = f"{properties['PictureURL']}?t={properties['SPS-PictureTimestamp']}"
    assert found == {"contoso\\anna": moment, "contoso\\berit": "", "contoso\\carl": ""}


def test_a_copy_that_is_no_longer_renewed_stays_as_it_was():
    with running() as farm, signed_in(farm) as client:
        farm.user_information.hold(BERIT, "http://former/berit.jpg")
        farm.store.upload(CARL, farm.store.file(farm.store.picture_path(ANNA, "L")).content)
        found = {copy.account: copy.picture_url.split("?")[0] for copy in client.site_copies()}
        assert (found["contoso\\berit"], found["contoso\\carl"]) == (
            "http://former/berit.jpg",
            farm.store.get(CARL).properties["PictureURL"],
        )


class _Odd(NTLMHandler):
    """Answers everything with the server's one answer."""

    def do_GET(self):  # noqa: N802 - http.server's name
        self.answer(200, self.server.content, "application/json;odata=verbose;charset=utf-8")


def odd(content):
    server = Server(_Odd, Domain(), [], schemes=())
    server.content = content
    server.start()
    try:
        with WebSession(Endpoint(server.url, auth="none")) as web:
            return list(copies(web))
    finally:
        server.stop()


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"d": {"results": null}}', b'{"d": {"results": [1]}}'])
def test_an_answer_of_another_shape_is_told(content):
    with pytest.raises(ProtocolError, match="User Information List could not be read"):
        odd(content)


def test_a_service_that_gives_the_same_page_for_ever_is_stopped():
    with pytest.raises(ProtocolError, match="gave the same page again"):
        odd(b'{"d": {"results": [], "__next": "http://portal/_api/web/siteuserinfolist/items?$top=1"}}')


@pytest.mark.parametrize("picture", ['"http://my/a.jpg"', '{"Description": "", "Url": "http://my/a.jpg"}'])
def test_light_json_and_a_picture_as_text_are_taken_too(picture):
    (found,) = odd(f'{{"value": [{{"Name": "i:0#.w|CONTOSO\\\\Anna", "Picture": {picture}}}]}}'.encode())
    assert (found.account, found.picture_url) == ("contoso\\anna", "http://my/a.jpg")
