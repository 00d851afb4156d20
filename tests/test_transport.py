"""The ways to sign in to a WinRM listener, and what else may answer there."""

import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from scripted_engine import AGENTS, ScriptedEngine

from kit.endpoint import Endpoint
from kit.errors import (
    CaseError,
    CertificateError,
    ProtocolError,
    SignInError,
    UnreachableError,
)
from kit.lab import certificates, wsman
from kit.lab.domain import Account, Domain
from kit.mim import SynchronizationService

PASSWORD = "Corr3ct horse"
ACCOUNT = "CONTOSO\\svc-kit"


@pytest.fixture
def engine():
    return ScriptedEngine()


@pytest.fixture
def listen(engine):
    servers = []

    def start(**options):
        accounts = [Account("svc-kit", PASSWORD, frozenset({"sync-operator"}))]
        servers.append(wsman.start(engine, Domain(), accounts, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def connect():
    services = []

    def start(url, account=ACCOUNT, password=PASSWORD, **options):
        services.append(SynchronizationService(Endpoint(url, account, password, **options)))
        return services[-1]

    yield start
    for service in services:
        service.close()


class WebSite(BaseHTTPRequestHandler):
    """Something else on the port."""

    def do_POST(self):  # noqa: D102
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, content = self.server.page
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):  # noqa: D102
        pass


@pytest.mark.parametrize(
    "page", [(200, b"<html>Welcome</html>"), (200, b"not & XML"), (404, b""), (401, b""), (503, b"busy")]
)
def test_a_web_site_is_not_taken_for_winrm(connect, page):
    with web_site(page) as url:
        service = connect(url)
        with pytest.raises(ProtocolError, match=r"is not a WS-Management endpoint"):
            service.agents()
        with pytest.raises(ProtocolError, match=r"is not a WS-Management endpoint"):
            service.identify()


@contextmanager
def web_site(page):
    with HTTPServer(("127.0.0.1", 0), WebSite) as site:
        site.page = page
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{site.server_port}/wsman"
        site.shutdown()
        thread.join()


@pytest.mark.parametrize("url", ["mim01", "ftp://mim01/wsman", "http:///wsman"])
def test_what_is_no_url_is_refused_at_once(url, connect):
    with pytest.raises(CaseError, match=r"is not the address"):
        connect(url)


@pytest.mark.parametrize("auth", ["basic", "certificate"])
def test_a_sign_in_that_cannot_protect_the_messages_is_refused(connect, auth):
    with pytest.raises(
        CaseError, match=rf"'{auth}' cannot be used with http://mim01:5985.*nothing would encrypt"
    ):
        connect("http://mim01:5985/wsman", auth=auth)


def test_a_kind_of_sign_in_that_does_not_exist_is_refused(connect):
    with pytest.raises(CaseError, match=r"'digest' cannot be used .*there is no such kind"):
        connect("https://mim01/wsman", auth="digest")


# TLS


@pytest.fixture
def files(tmp_path):
    return certificates.issue(tmp_path, ["127.0.0.1"])


@pytest.fixture
def tls_server(listen, files):
    return listen(tls=served(files))


def served(files):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate_file, files.key_file)
    return context


def test_an_untrusted_certificate_is_told(tls_server, connect):
    with pytest.raises(CertificateError, match=r"is not trusted.*certificate verify failed"):
        connect(tls_server.url).agents()


def test_over_tls_execute_is_sent_once_although_it_is_not_sealed(tls_server, connect, files, engine):
    service = connect(tls_server.url, ca_file=files.ca_file)
    assert service.execute("SPMA", "FullImport").status == "success"
    assert (tls_server.received["Execute"], len(engine.executed)) == (1, 1)


def test_a_wrong_password_is_told_over_tls(tls_server, connect, files):
    with pytest.raises(SignInError):
        connect(tls_server.url, password="wrong", ca_file=files.ca_file).agents()


def test_a_port_without_tls_is_told(listen, connect):
    with pytest.raises(UnreachableError, match=r"broke the TLS connection off|cannot be reached"):
        connect(listen().url.replace("http:", "https:")).agents()


def test_basic_signs_in_over_tls(listen, connect, files, engine):
    server = listen(tls=served(files), basic=True)
    service = connect(server.url, auth="basic", ca_file=files.ca_file)
    assert service.execute("SPMA", "FullImport").status == "success"
    assert len(engine.executed) == 1


def test_a_wrong_password_is_told_with_basic(listen, connect, files):
    server = listen(tls=served(files), basic=True)
    with pytest.raises(SignInError, match=r"refused the account") as caught:
        connect(server.url, password="Wr0ng horse", auth="basic", ca_file=files.ca_file).agents()
    assert "horse" not in str(caught.value)


def test_a_server_without_basic_refuses_it(tls_server, connect, files):
    with pytest.raises(SignInError):
        connect(tls_server.url, auth="basic", ca_file=files.ca_file).agents()


# Sign-in by certificate

PRINCIPAL = "svc-kit@contoso.example"


@pytest.fixture
def own(tmp_path):
    return certificates.issue_client(tmp_path / "own", PRINCIPAL)


@pytest.fixture
def mapping_server(listen, files, own):
    context = served(files)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(own.ca_file)
    return listen(tls=context, mappings={PRINCIPAL: "CONTOSO\\svc-kit"})


@pytest.fixture
def connect_by_certificate(mapping_server, connect, files):
    def start(certificate, password="", **options):
        named = {"certificate_file": certificate.certificate_file, "key_file": certificate.key_file}
        common = {"auth": "certificate", "ca_file": files.ca_file}
        return connect(mapping_server.url, "", password, **common, **(named | options))

    return start


def test_a_certificate_signs_in(mapping_server, connect_by_certificate, own, engine):
    assert connect_by_certificate(own).execute("SPMA", "FullImport").status == "success"
    assert engine.executed == [("SPMA", "FullImport", "CONTOSO\\svc-kit")]
    assert mapping_server.received["Execute"] == 1


def test_a_certificate_of_nobody_is_refused(mapping_server, connect_by_certificate, own):
    mapping_server._server.mappings = {}
    with pytest.raises(SignInError, match=r"refused the certificate '.*client.pem': no account"):
        connect_by_certificate(own).agents()


def test_a_certificate_of_an_authority_that_is_not_trusted_is_refused(connect_by_certificate, tmp_path):
    stranger = certificates.issue_client(tmp_path / "stranger", PRINCIPAL)
    with pytest.raises(UnreachableError, match=r"broke the TLS connection off|cannot be reached"):
        connect_by_certificate(stranger).agents()


def test_whoever_has_no_certificate_still_signs_in_otherwise(mapping_server, connect, files):
    assert connect(mapping_server.url, ca_file=files.ca_file).agents()["name"].tolist() == list(AGENTS)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"certificate_file": None}, "is not named"),
        ({"key_file": None}, "is not named"),
        ({"key_file": Path("nowhere.key")}, r"nowhere.key' cannot be used \(No such file"),
    ],
)
def test_a_certificate_that_is_not_there_is_told_before_anything_is_asked(
    connect_by_certificate, own, options, cause
):
    with pytest.raises(CaseError, match=cause):
        connect_by_certificate(own, **options)


def test_a_key_of_another_certificate_is_told(connect_by_certificate, own, files):
    with pytest.raises(CaseError, match=r"server.key' cannot be used"):
        connect_by_certificate(own, key_file=files.key_file)


def test_the_password_of_an_encrypted_key_is_the_endpoints(connect_by_certificate, own, tmp_path):
    key = serialization.load_pem_private_key(own.key_file.read_bytes(), None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"op3n"),
    )
    file = tmp_path / "sealed.key"
    file.write_bytes(sealed)
    with pytest.raises(CaseError, match=r"sealed.key' cannot be used"):
        connect_by_certificate(own, "wrong", key_file=file)
    service = connect_by_certificate(own, "op3n", key_file=file)
    assert service.identify()["ProductVendor"] == "Microsoft Corporation"
    assert service.agents()["name"].tolist() == list(AGENTS)


# Entities


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_with_entities_is_refused_before_they_are_expanded(connect, status):
    bomb = b"<!DOCTYPE a [<!ENTITY a 'aaaa'>]><s:Envelope xmlns:s='x'>&a;</s:Envelope>"
    with (
        web_site((status, bomb)) as url,
        pytest.raises(ProtocolError, match=r"could not be read \(DTDForbidden"),
    ):
        connect(url).agents()
