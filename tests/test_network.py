import socket
import ssl
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from kit import network
from kit.errors import ParameterError, ProtocolError, UnreachableError
from kit.lab import certificates
from kit.network import LDAP_PORTS, Address

PORTS = {"http": 5985, "https": 5986}


@contextmanager
def web_server(date, tls=None):
    """Serve HTTP that dates its answers as it is told."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response_only(401)
            if date:
                self.send_header("Date", date)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Address("127.0.0.1", server.server_port, tls is not None)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def ahead(**error):
    return format_datetime(datetime.now(UTC) + timedelta(**error), usegmt=True)


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("http://mim01/wsman", "mim01", 5985, False),
        ("https://mim01:443/wsman", "mim01", 443, True),
        ("http://[::1]:80", "::1", 80, False),
    ],
)
def test_an_address_without_a_port_has_the_usual_one(url, host, port, tls):
    assert Address.of(url, PORTS) == Address(host, port, tls)


@pytest.mark.parametrize(
    "url", ["mim01", "ftp://mim01", "http://", "http://mim01:0", "http://mim01:x", "http://[::1"]
)
def test_what_is_no_address_is_refused_by_name(url):
    with pytest.raises(ParameterError, match=r"^url '") as caught:
        Address.of(url, PORTS)
    assert (url in caught.value.what, "write it like http://host" in str(caught.value)) == (True, True)


@pytest.mark.parametrize(
    "url",
    [
        *("", "dc1", "http://dc1", "ldap://", "ldap://dc1/DC=x", "ldap://dc1?x", "ldap://dc1#x"),
        *("ldap://dc1:port", "ldap://dc1:99999", "ldap://dc1:0"),
    ],
)
def test_what_is_no_address_of_a_directory_is_refused_by_name(url):
    with pytest.raises(ParameterError, match=r"^url '.*write it like ldaps://host") as caught:
        Address.of(url, LDAP_PORTS)
    assert repr(url) in caught.value.what


def test_a_password_in_an_address_is_refused_and_not_shown():
    with pytest.raises(ParameterError, match=r"^url of host 'dc1' cannot be used: it holds a name") as caught:
        Address.of("ldaps://kit:very-secret@dc1", LDAP_PORTS)
    assert "very-secret" not in str(caught.value)


def test_an_ipv6_address_is_told_in_brackets():
    assert str(Address("::1", 389, tls=False)) == "[::1]:389"


def test_a_name_is_resolved_without_repetitions():
    assert network.resolve("127.0.0.1") == ("127.0.0.1",)


@pytest.mark.parametrize("host", ["dc1.contoso.invalid", "a" * 64])
def test_an_unknown_name_is_told(host):
    with pytest.raises(
        UnreachableError, match=r"the name does not resolve .*check the name and the DNS servers"
    ):
        network.resolve(host)


def test_an_open_port_tells_who_answered():
    with web_server("") as address:
        assert network.connect(address, 5) == "127.0.0.1"


def test_a_closed_port_is_told_with_what_to_look_at():
    address = Address("127.0.0.1", closed_port(), tls=False)
    with pytest.raises(
        UnreachableError, match=rf"^port {address}: .*; check the port, and that the service runs"
    ):
        network.connect(address, 5)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue refuses")
def test_a_port_that_does_not_answer_is_told_apart_from_a_closed_one():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = Address(*full.getsockname(), tls=False)
        told = r"no answer within 0\.2 s; look for a firewall"
        waiting = socket.create_connection(full.getsockname())  # the one that the queue holds
        with waiting, pytest.raises(UnreachableError, match=told):
            network.connect(address, 0.2)


@pytest.mark.parametrize("seconds", [-3600, 0, 90])
def test_a_web_servers_clock_is_compared(seconds):
    with web_server(ahead(seconds=seconds)) as address:
        assert abs(network.http_clock_error(address, None, 5).total_seconds() - seconds) < 3


def test_a_web_servers_clock_is_compared_over_tls(tmp_path):
    files = certificates.issue(tmp_path, ["127.0.0.1"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files.certificate_file, files.key_file)
    with web_server(ahead(seconds=0), tls) as address:
        trusting = ssl.create_default_context(cafile=files.ca_file)
        assert abs(network.http_clock_error(address, trusting, 5).total_seconds()) < 3


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_an_answer_without_a_date_tells_no_time(date):
    told = rf"the date of its answer is '{date}'; compare the two clocks"
    with web_server(date) as address, pytest.raises(ProtocolError, match=told):
        network.http_clock_error(address, None, 5)


def test_what_does_not_speak_http_tells_no_time():
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_greet, args=(server,))
        thread.start()
        address = Address(*server.getsockname(), tls=False)
        with pytest.raises(ProtocolError, match=r"its answer is not HTTP \(BadStatusLine\)"):
            network.http_clock_error(address, None, 5)
        thread.join()


def test_a_server_that_hangs_up_cannot_be_asked_for_the_time():
    with pytest.raises(UnreachableError, match=r"^clock of "):
        network.http_clock_error(Address("127.0.0.1", closed_port(), tls=False), None, 5)


def _greet(server):
    connection, _ = server.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"220 mail.contoso.example\r\n")
