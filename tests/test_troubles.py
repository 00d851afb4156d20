import pytest
import requests
from web_server import ANNA, PASSWORD, running

from kit.lab.domain import Account
from kit.lab.troubles import Troubles

BERIT = "CONTOSO\\berit"


@pytest.fixture
def basic():
    """Ask a server with two accounts, by Basic sign-in, for a path's status."""
    accounts = (Account("anna", PASSWORD), Account("berit", PASSWORD))
    with running(accounts=accounts, schemes=["Basic"]) as server, requests.Session() as session:
        session.trust_env = False

        def status(path, account=ANNA):
            return session.get(f"{server.url}{path}", auth=(account, PASSWORD), timeout=5).status_code

        yield server, status


def test_trouble_is_for_one_path(basic):
    server, status = basic
    server.troubles.add("/User Photos/*", "status", status=404)
    assert [status("/other"), status("/user%20photos/anna.jpg?t=1")] == [200, 404]


def test_trouble_is_for_one_account(basic):
    server, status = basic
    server.troubles.add("*", "status", status=403, account=BERIT, times=None)
    assert [status("/"), status("/", BERIT), status("/", BERIT)] == [200, 403, 403]


def test_trouble_is_used_up_in_the_order_it_was_made(basic):
    server, status = basic
    server.troubles.add("*", "status", status=429, times=2)
    server.troubles.add("*", "status", status=503)
    assert [status("/") for _ in range(4)] == [429, 429, 503, 200]


def test_trouble_ends_when_it_is_cleared(basic):
    server, status = basic
    server.troubles.add("*", "status", times=None)
    server.troubles.clear()
    assert status("/") == 200


def test_trouble_waits_until_someone_has_signed_in(basic):
    server, status = basic
    server.troubles.add("*", "status", status=503)
    assert [status("/", "CONTOSO\\nobody"), status("/")] == [401, 503]


def test_a_reset_is_a_reset(basic):
    server, status = basic
    server.troubles.add("*", "reset")
    with pytest.raises(requests.ConnectionError, match="ConnectionResetError"):
        status("/")


def test_a_dead_server_listens_no_more(basic):
    server, status = basic
    server.troubles.add("*", "die_after", responses=1)
    assert status("/") == 200
    with pytest.raises(requests.ConnectionError):
        status("/")
    with pytest.raises(requests.ConnectionError, match="refused"):
        status("/")


def test_a_detail_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="'reset' has no seconds"):
        Troubles().add("*", "reset", seconds=1)
