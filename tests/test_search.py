import pytest
from profile_farm import ANNA, BERIT, CARL, running, signed_in

from kit import search
from kit.endpoint import Endpoint
from kit.errors import ProtocolError
from kit.lab.domain import Domain
from kit.lab.ntlm import NTLMHandler, Server
from kit.lab.variant import Variant
from kit.web import WebSession


@pytest.fixture(scope="module")
def farm():
    with running() as farm:
        yield farm


@pytest.fixture
def client(farm):
    with signed_in(farm) as opened:
        yield opened
    farm.variant = Variant()
    farm.search_index.crawl()


def names(people):
    return [person.account_name for person in people]


def test_everyone_who_was_crawled_is_found(client):
    assert names(client.search_people()) == [ANNA, BERIT, CARL]


def test_a_person_is_told_as_the_index_has_them(client):
    anna = next(client.search_people())
    profile = client.profile(ANNA)
    assert (anna.account, anna.display_name, anna.picture_url, anna.profile_guid) == (
        "contoso\\anna",
        "Anna Ö. O'Neill & Söner",
        profile.picture_url,
        profile.profile_guid,
    )


def test_words_narrow_the_search(client):
    assert names(client.search_people("o'neill söner")) == [ANNA]


@pytest.mark.parametrize("page_size", [1, 2, 3])
def test_all_pages_are_read(farm, page_size):
    endpoint = Endpoint(farm.url, ANNA, "Correct horse 1")
    with WebSession(endpoint) as web:
        assert names(search.people(web, page_size=page_size)) == [ANNA, BERIT, CARL]


def test_an_index_that_lags_knows_the_deleted_and_not_the_new(client, farm):
    farm.store.create("CONTOSO\\dora", {})
    farm.search_index.freeze()
    farm.store.delete("CONTOSO\\dora")
    farm.store.create("CONTOSO\\emil", {})
    found = names(client.search_people())
    farm.store.delete("CONTOSO\\emil")
    assert found == [ANNA, BERIT, CARL, "CONTOSO\\dora"]


def test_whom_search_trims_has_a_profile_all_the_same():
    with running() as other, signed_in(other) as client:
        other.search_index.hide(BERIT)
        assert (names(client.search_people()), client.profile(BERIT).account_name) == ([ANNA, CARL], BERIT)


def test_a_farm_without_search_is_told(client, farm):
    farm.variant = Variant(searches=False)
    with pytest.raises(ProtocolError, match="404"):
        next(client.search_people())


def test_what_the_walk_did_not_meet_is_a_lead(client):
    leads = search.overlooked(client.search_people(), {"contoso\\anna", "contoso\\carl"})
    assert names(leads) == [BERIT]


class _Odd(NTLMHandler):
    """Answers every search with the server's one answer."""

    def do_GET(self):  # noqa: N802 - http.server's name
        self.answer(200, self.server.content, "application/json;odata=verbose;charset=utf-8")


def odd(content):
    server = Server(_Odd, Domain(), [], schemes=())
    server.content = content
    server.start()
    try:
        with WebSession(Endpoint(server.url, auth="none")) as web:
            list(search.people(web))
    finally:
        server.stop()


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"d":{"query":{"PrimaryQueryResult":null}}}', b"<html>"])
def test_an_answer_of_another_shape_is_told(content):
    with pytest.raises(ProtocolError, match="could not be read"):
        odd(content)


def test_a_service_that_gives_the_first_page_for_ever_is_stopped():
    cell = b'{"Key":"AccountName","Value":"CONTOSO\\\\anna","ValueType":"Edm.String"}'
    rows = b'{"Rows":{"results":[{"Cells":{"results":[' + cell + b"]}}]}}"
    results = b'{"PrimaryQueryResult":{"RelevantResults":{"Table":' + rows + b"}}}"
    with pytest.raises(ProtocolError, match="the same people from row 1 on again"):
        odd(b'{"d":{"query":' + results + b"}}")
