import base64
import os
import socket
import threading
from http import HTTPStatus

import pytest
import requests
import spnego
from requests_ntlm import HttpNtlmAuth

from kit.errors import SetupError
from kit.lab.domain import Account, Domain
from kit.lab.ntlm import Credentials, NTLMHandler, Server

OPTIONS = spnego.NegotiateOptions
ANNA = "CONTOSO\\anna"
PASSWORD = "Correct horse 1"
OFFER = ["Negotiate", "NTLM"]
ACCOUNTS = [Account("anna", PASSWORD), Account("björn", "Åäö-battery-2")]


class _WhoAmI(NTLMHandler):
    """Answers with the user and the body; decrypts and encrypts a body marked as sealed."""

    def do_GET(self):  # noqa: N802 - http.server's name
        if self.authenticate():
            self.answer(
                HTTPStatus.OK, f"{self.user}|{self.body.decode()}".encode(), "text/plain; charset=utf-8"
            )

    def do_POST(self):  # noqa: N802 - http.server's name
        if not self.authenticate():
            return
        if self.headers["Content-Type"] != "sealed":
            self.answer(HTTPStatus.OK, f"{self.user}|{len(self.body)}".encode(), "text/plain; charset=utf-8")
            return
        plain = self.context.unwrap_winrm(self.body[:16], self.body[16:])
        sealed = self.context.wrap_winrm(plain.upper())
        self.answer(HTTPStatus.OK, sealed.header + sealed.data, "sealed")


@pytest.fixture(scope="module")
def server():
    running = Server(_WhoAmI, Domain(), ACCOUNTS)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def session():
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


@pytest.mark.parametrize("name", [ANNA, "contoso\\ANNA", "contoso.example\\anna", "anna@contoso.example"])
def test_every_form_of_a_name_signs_in_as_one_user(server, session, name):
    answer = session.get(server.url, auth=HttpNtlmAuth(name, PASSWORD), timeout=5)
    assert answer.text == "CONTOSO\\anna|"


def test_names_and_passwords_beyond_ascii(server, session):
    answer = session.get(server.url, auth=HttpNtlmAuth("CONTOSO\\björn", "Åäö-battery-2"), timeout=5)
    assert answer.text == "CONTOSO\\björn|"


def test_anonymous_is_offered_both_schemes(server, session):
    answer = session.get(server.url, timeout=5)
    assert (answer.status_code, answer.raw.headers.getlist("WWW-Authenticate")) == (
        401,
        OFFER,
    )


@pytest.mark.parametrize(("name", "password"), [(ANNA, "wrong"), ("CONTOSO\\nobody", PASSWORD)])
def test_wrong_name_or_password_is_refused_with_a_fresh_offer(server, session, name, password):
    answer = session.get(server.url, auth=HttpNtlmAuth(name, password), timeout=5)
    assert (answer.status_code, answer.raw.headers.getlist("WWW-Authenticate")) == (
        401,
        OFFER,
    )


@pytest.mark.parametrize("token", ["%%%", "QUJD", "TlRMTVNTUAADAAAA"])
def test_malformed_token_is_refused(server, session, token):
    assert session.get(server.url, headers={"Authorization": f"NTLM {token}"}, timeout=5).status_code == 401


def test_a_connection_signs_in_once(server, session):
    auth = HttpNtlmAuth(ANNA, PASSWORD)
    first = session.get(server.url, auth=auth, timeout=5)
    second = session.get(server.url, auth=auth, timeout=5)
    assert (len(first.history), len(second.history)) == (2, 0)


def test_the_body_survives_the_sign_in(server, session):
    answer = session.post(server.url, data=b"x" * 300_000, auth=HttpNtlmAuth(ANNA, PASSWORD), timeout=5)
    assert answer.text == "CONTOSO\\anna|300000"


def sign_in(session, url, scheme, protocol):
    """Sign in with empty POSTs, as WinRM clients do; return the client's context and the last answer."""
    option = (
        spnego.NegotiateOptions.use_negotiate if protocol == "negotiate" else spnego.NegotiateOptions.use_ntlm
    )
    client = spnego.client(ANNA, PASSWORD, protocol=protocol, options=option)
    token, answer = client.step(), None
    while token:
        header = {"Authorization": f"{scheme} {base64.b64encode(token).decode()}"}
        answer = session.post(url, headers=header, timeout=5)
        given = answer.headers.get("WWW-Authenticate", "").partition(" ")[2]
        token = client.step(base64.b64decode(given)) if given else None
    return client, answer


@pytest.mark.parametrize(
    ("scheme", "protocol"), [("NTLM", "ntlm"), ("Negotiate", "ntlm"), ("Negotiate", "negotiate")]
)
def test_messages_are_sealed_in_the_context_of_the_sign_in(server, session, scheme, protocol):
    client, answer = sign_in(session, server.url, scheme, protocol)
    assert answer.text == "CONTOSO\\anna|0"
    for text in (b"first", b"second"):
        sealed = client.wrap_winrm(text)
        reply = session.post(
            server.url, data=sealed.header + sealed.data, headers={"Content-Type": "sealed"}, timeout=5
        )
        assert client.unwrap_winrm(reply.content[:16], reply.content[16:]) == text.upper()


def test_two_servers_do_not_share_accounts(server, session):
    other = Server(_WhoAmI, Domain(), [Account("anna", "Another password 3")])
    other.start()
    auth = HttpNtlmAuth(ANNA, "Another password 3")
    statuses = [session.get(url, auth=auth, timeout=5).status_code for url in (other.url, server.url)]
    other.stop()
    assert statuses == [200, 401]


def test_the_environment_is_left_as_it_was(server, session, monkeypatch):
    monkeypatch.setenv("NTLM_USER_FILE", "mine")
    session.get(server.url, auth=HttpNtlmAuth(ANNA, PASSWORD), timeout=5)
    assert os.environ["NTLM_USER_FILE"] == "mine"


@pytest.mark.parametrize(("password", "status"), [(PASSWORD, 200), ("wrong", 401)])
def test_basic_where_it_is_offered(session, password, status):
    running = Server(_WhoAmI, Domain(), ACCOUNTS, schemes=["Basic"])
    running.start()
    answer = session.get(running.url, auth=(ANNA, password), timeout=5)
    running.stop()
    assert answer.status_code == status


def test_stop_closes_connections_that_are_kept_alive():
    running = Server(_WhoAmI, Domain(), ACCOUNTS)
    running.start()
    before = threading.active_count()
    with socket.create_connection(("127.0.0.1", running.server_port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 401"
        running.stop()
        while connection.recv(4096):
            pass
    assert threading.active_count() < before + 1


def test_a_colon_in_a_password_is_refused_by_name():
    with pytest.raises(SetupError, match="'anna'"):
        Credentials(Domain(), [Account("anna", "a:b")])
