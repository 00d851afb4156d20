import contextlib
import logging
import re
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

import pytest
from web_server import ANNA, CORRELATION, PASSWORD, client, running, running_tls

from kit import bodies, soap
from kit.endpoint import Endpoint
from kit.errors import (
    CertificateError,
    NotFoundError,
    OutcomeUnknownError,
    ParameterError,
    ProtocolError,
    RightsError,
    SignInError,
    UnreachableError,
)
from kit.manners import Manners
from kit.web import WebSession, read, same_site


@pytest.fixture
def server():
    with running() as started:
        yield started


@pytest.fixture
def session(server):
    with client(server.url) as opened:
        yield opened


# Failures told apart


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, SignInError, "name or password is wrong"),
        (403, RightsError, "the account may not do this"),
        (400, ProtocolError, "the server cannot make sense of the request"),
        (404, ProtocolError, "there is nothing at that address"),
        (418, ProtocolError, "a SharePoint service does not answer so"),
        (502, UnreachableError, "a proxy or load balancer got no answer"),
        (504, UnreachableError, "a proxy or load balancer got no answer"),
        (429, UnreachableError, "too busy or stopped"),
        (500, ProtocolError, "gave 500 Internal Server Error"),
        (503, UnreachableError, "too busy or stopped"),
    ],
)
def test_every_error_has_a_kind_and_the_correlation_id(server, session, status, kind, words):
    server.troubles.add("*", "status", times=None, status=status)
    with pytest.raises(kind, match=f"{words}.*correlation id {CORRELATION}"):
        session.expect("GET", "")


def test_an_unwanted_status_that_is_expected_is_an_answer(server, session):
    server.troubles.add("*", "status", status=404)
    assert session.expect("GET", "", 404).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": "-1", "message": {"lang": "en-US", "value": "The farm is read only."}}}',
        b'{"odata.error": {"code": "-1", "message": {"value": "The farm is read only."}}}',
        b'{"error": {"code": "-1", "message": "The farm is read only."}}',
        b'<m:error xmlns:m="urn:m"><m:message>The farm is read only.</m:message></m:error>',
        soap.envelope("<soap:Fault><faultstring>The farm is\nread only.</faultstring></soap:Fault>"),
    ],
)
def test_what_the_server_says_is_quoted(server, session, body):
    server.troubles.add("*", "status", status=500, body=body)
    with pytest.raises(ProtocolError, match=r"the server failed, and says 'The farm is read only\.'"):
        session.expect("GET", "")


def test_a_redirection_to_https_names_the_address(server, session):
    target = {"Location": "https://portal.contoso.example/sites/a"}
    server.troubles.add("*", "status", status=302, headers=target)
    with pytest.raises(
        ProtocolError, match=r"it is at https://portal.contoso.example/sites/a .*give that address as url"
    ):
        session.expect("GET", "")


def test_a_long_answer_is_given_up_at_a_named_limit(server, session):
    server.troubles.add("*", "status", status=200, body=bytes(bodies.LIMIT + 1))
    with pytest.raises(ProtocolError, match=f"more than 64,000,000 bytes.*{CORRELATION}"):
        session.expect("GET", "")


def test_after_a_long_answer_to_a_write_the_outcome_is_unknown(server, session):
    server.troubles.add("*", "status", status=200, body=bytes(bodies.LIMIT + 1))
    with pytest.raises(OutcomeUnknownError, match=r"may or may not have taken effect: it has more than"):
        session.expect("POST", "write", data=b"x", repeatable=False)


class _Dripping(BaseHTTPRequestHandler):
    """Sends one byte after another, each within every time-out."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        with contextlib.suppress(OSError):  # the client is meant to go
            while not self.server.stopping.wait(0.02):
                self.wfile.write(b"x")

    def log_message(self, *arguments):
        """Keep quiet."""


@pytest.fixture
def dripping():
    """Run a server whose answers drip."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Dripping) as listening:
        listening.stopping = threading.Event()
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        listening.stopping.set()
        listening.shutdown()
        thread.join()


def test_an_answer_that_drips_is_given_up_after_ten_time_outs(dripping):
    with (
        client(dripping, "none", timeout=0.1) as session,
        pytest.raises(UnreachableError, match="it had not come whole after 1 s"),
    ):
        session.expect("GET", "")


def test_a_streamed_answer_that_drips_is_given_up_by_its_reader(dripping):
    with (
        client(dripping, "none", timeout=0.1) as session,
        session.send("GET", dripping, stream=True) as response,
        pytest.raises(UnreachableError, match=r"it had not come whole after 0\.3 s"),
    ):
        read(response, 10_000, 0.3)


def test_nobody_listening_is_unreachable_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with client(url) as session, pytest.raises(UnreachableError, match=url):
            session.expect("GET", "")
    assert session.waits == []


def test_a_host_without_an_address_is_unreachable_at_once():
    with client("http://no-such-host.invalid") as session, pytest.raises(UnreachableError):
        session.expect("GET", "")
    assert session.waits == []


@pytest.mark.parametrize("url", ["http://[", "ftp://x/y.jpg", "http://", "mailto:anna"])
def test_what_is_no_address_is_not_found(session, url):
    with pytest.raises(NotFoundError, match="cannot be asked"):
        session.send("GET", url)


def test_an_answer_that_cannot_be_decoded_is_told(server, session):
    broken = {"Content-Encoding": "gzip"}
    server.troubles.add("*", "status", status=200, headers=broken, body=b"not gzip")
    with pytest.raises(ProtocolError, match="could not be read"):
        session.expect("GET", "")


@pytest.mark.parametrize(
    ("url", "named"),
    [("portal", "'portal'"), ("ftp://portal", "'ftp://portal'"), ("http://[", r"'http://\['")],
)
def test_a_wrong_address_is_named(url, named):
    with pytest.raises(ParameterError, match=named):
        client(url)


@pytest.mark.parametrize(
    "url",
    ["http://anna:hunter2@portal", "https://anna:hunter2@[", "anna:hunter2@portal", "ftp://a:hunter2@x"],
)
@pytest.mark.parametrize("name", ["url", "my_site"])
def test_an_address_with_a_password_is_refused_without_repeating_it(name, url):
    with pytest.raises(ParameterError, match=rf"^{name} '….*has a user's name in it") as caught:
        client(url) if name == "url" else client("http://portal", my_site=url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://anna:hunter2@127.0.0.1:1/x.jpg", "ftp://anna:hunter2@portal/x.jpg"])
def test_the_password_of_a_foreign_address_is_in_no_message(session, url):
    with pytest.raises((UnreachableError, NotFoundError)) as caught:
        session.send("GET", url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("my_site", ["my", "ftp://my", "https://my:99999", "https://"])
def test_a_wrong_my_site_is_named(my_site):
    with pytest.raises(ParameterError, match=f"my_site '{my_site}'"):
        client("http://portal", my_site=my_site)


@pytest.mark.parametrize("host", ["my:80", "https://my", "my/x", "", "*.contoso.com", "anna:pw@my"])
def test_what_is_no_plain_host_is_named(host):
    with pytest.raises(ParameterError, match=re.escape(f"host {host.rpartition('@')[2]!r} in hosts")):
        client("http://portal", hosts=[host])


# TLS


def test_an_unknown_ca_is_refused(tmp_path):
    with (
        running_tls(tmp_path) as (server, _),
        client(server.url) as session,
        pytest.raises(CertificateError, match="ca_file"),
    ):
        session.expect("GET", "")


def test_a_named_ca_is_trusted(tmp_path):
    with (
        running_tls(tmp_path) as (server, issued),
        client(server.url, ca_file=issued.ca_file) as session,
    ):
        assert session.expect("GET", "").text == ANNA


def test_the_systems_authorities_are_trusted(tmp_path, monkeypatch):
    with running_tls(tmp_path) as (server, issued):
        monkeypatch.setenv("SSL_CERT_FILE", str(issued.ca_file))
        with client(server.url) as session:
            assert session.expect("GET", "").text == ANNA


def test_a_named_ca_is_trusted_instead_of_the_systems(tmp_path, monkeypatch):
    with running_tls(tmp_path / "server") as (server, issued), running_tls(tmp_path / "other") as (_, other):
        monkeypatch.setenv("SSL_CERT_FILE", str(issued.ca_file))
        with client(server.url, ca_file=other.ca_file) as session, pytest.raises(CertificateError):
            session.expect("GET", "")


def test_a_certificate_for_another_name_is_refused(tmp_path):
    with (
        running_tls(tmp_path) as (server, issued),
        client(server.url.replace("127.0.0.1", "localhost"), ca_file=issued.ca_file) as session,
        pytest.raises(CertificateError, match="use a host name that the certificate holds"),
    ):
        session.expect("GET", "")


def test_an_unchecked_certificate_is_warned_of_once(tmp_path, caplog):
    with (
        caplog.at_level(logging.WARNING, "kit"),
        running_tls(tmp_path) as (server, _),
        client(server.url, verify_tls=False) as session,
    ):
        assert [session.expect("GET", "").text for _ in range(2)] == [ANNA, ANNA]
    assert caplog.messages == [f"the certificate of {server.url} is not checked"]


def test_a_server_without_tls_is_told(server):
    with (
        client(server.url.replace("http:", "https:")) as session,
        pytest.raises(UnreachableError, match="no TLS there"),
    ):
        session.expect("GET", "")


def test_a_missing_ca_file_is_named(tmp_path):
    with pytest.raises(ParameterError, match=r"none\.pem"):
        client("https://portal", ca_file=tmp_path / "none.pem")


# Where the account signs in


@pytest.mark.parametrize(("hosts", "status"), [([], 401), (["localhost"], 200), (["LOCALHOST"], 200)])
def test_the_account_signs_in_to_named_hosts_only(server, hosts, status):
    with running() as other, client(server.url, hosts=hosts) as session:
        assert session.send("GET", other.url.replace("127.0.0.1", "localhost")).status_code == status


def test_the_account_signs_in_to_the_my_site_host(server):
    with running() as other:
        my_site = other.url.replace("127.0.0.1", "localhost")
        with client(server.url, my_site=my_site) as session:
            assert session.send("GET", my_site).text == ANNA


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://PORTAL.contoso.com:443/x", True),
        ("http://my:8080/a.jpg", True),
        ("http://my/a.jpg", False),
        ("https://other.contoso.com/x", False),
        ("http://[", False),
    ],
)
def test_what_is_the_sites_own(url, own):
    with client("https://portal.contoso.com/sites/a", my_site="http://my:8080/personal") as session:
        assert session.is_own(url) is own


def test_no_token_is_sent_to_a_stranger(server):
    with running() as stranger, client(server.url) as session:
        session.send("GET", stranger.url.replace("127.0.0.1", "localhost"))
    assert [headers["Authorization"] for headers in stranger.headers] == [None]


@pytest.mark.parametrize(
    ("home", "url", "same"),
    [
        ("https://portal", "https://portal/x", True),
        ("https://portal", "https://my", False),
        ("https://sp.contoso.com", "https://my.contoso.com", True),
        ("https://contoso.com", "https://fabrikam.com", False),
        ("https://10.0.0.1", "https://11.0.0.1", False),
        ("https://PORTAL.contoso.com", "https://my.contoso.com.", True),
        ("https://contoso.co.uk", "https://evil.co.uk", False),
        ("https://sp.contoso.co.uk", "https://my.contoso.co.uk", False),
        ("https://sp.contoso.com", "https://a.my.contoso.com", False),
    ],
)
def test_what_belongs_to_a_site(home, url, same):
    assert same_site(home, url) is same


# Proxies


class _Proxy(BaseHTTPRequestHandler):
    """Answers by itself whatever it is asked to fetch."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "9")
        self.end_headers()
        self.wfile.write(b"the proxy")

    def log_message(self, *arguments):
        """Keep quiet."""


@pytest.fixture
def proxy(monkeypatch):
    """Run a proxy that the environment names."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Proxy) as listening:
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listening.server_address[1]}")
        yield
        listening.shutdown()
        thread.join()


@pytest.mark.usefixtures("proxy")
def test_proxy_variables_are_ignored(session):
    assert session.expect("GET", "").text == ANNA


@pytest.mark.usefixtures("proxy")
def test_a_proxy_is_used_where_it_is_asked_for(server):
    with client(server.url, use_proxy=True) as session:
        assert session.expect("GET", "").text == "the proxy"


@pytest.mark.usefixtures("proxy")
def test_a_proxy_is_not_used_for_what_the_environment_excepts(server, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with client(server.url, use_proxy=True) as session:
        assert session.expect("GET", "").text == ANNA


def test_passwords_of_netrc_are_ignored(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login anna password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with running(schemes=()) as server, client(server.url, "none") as session:
        session.expect("GET", "")
    assert "Authorization" not in server.headers[0]


# Requests that must not take effect twice


@pytest.mark.parametrize(
    ("kind", "details"), [("reset", {}), ("truncate", {"bytes": 2}), ("delay", {"seconds": 5.0})]
)
def test_after_a_lost_connection_the_outcome_of_a_write_is_unknown(server, kind, details):
    with client(server.url, timeout=0.3) as session:
        server.troubles.add("*", kind, **details)
        with pytest.raises(OutcomeUnknownError, match=r"POST .* may or may not have taken effect"):
            session.expect("POST", "write", data=b"x", repeatable=False)
        assert session.waits == []


def test_a_refused_write_is_sent_again(server, session):
    server.troubles.add("*", "status", status=503, times=2)
    session.expect("POST", "write", data=b"x", repeatable=False)
    assert server.paths == ["/write"]


def test_a_write_that_reached_nobody_is_no_riddle():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with client(url) as session, pytest.raises(UnreachableError):
            session.expect("POST", "write", data=b"x", repeatable=False)


def test_a_server_that_dies_is_unreachable(server):
    server.troubles.add("*", "die_after", responses=2, times=None)
    with client(server.url, manners=Manners(attempts=2)) as session:
        assert [session.expect("GET", "").text for _ in range(2)] == [ANNA, ANNA]
        with pytest.raises(UnreachableError, match=server.url):
            session.expect("GET", "")


def test_the_password_is_in_no_representation():
    endpoint = Endpoint("http://portal", ANNA, PASSWORD)
    with WebSession(endpoint) as session:
        assert PASSWORD not in f"{endpoint!r} {session!r} {vars(session)!r}"
