"""TLS against real servers: what is trusted, and what each refusal says."""

import base64
import contextlib
import hashlib
import logging
import socket
import ssl
import threading
import warnings
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from kit import tls
from kit.endpoint import Endpoint
from kit.errors import CertificateError, UnreachableError
from kit.lab import certificates

ADDRESS = "127.0.0.1"
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)

# Signed with SHA-1, which today's libraries no longer do, but old farms have done.
SHA1 = base64.b64decode(
    "MIIBazCCARKgAwIBAgIUQdU4uh/vXb/jOL+69nV6jkIUYDYwCQYHKoZIzj0EATAMMQowCAYDVQQDDAFhMB4XDTI2MTEy"
    "MzAzMzE1NFoXDTI2MTEyNDAzMzE1NFowDDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABB3OIDjH"
    "Y+nrvuaDy6j3178nzo+1IPQkf74FUeql4YAZMcYP8H3TcwlKVWbAnI1COZDX7hSxRXCtAVsIHotGgXGjUzBRMB0GA1Ud"
    "DgQWBBSLzSlHmhMvnsupLjTFcDNYE2Rd4TAfBgNVHSMEGDAWgBSLzSlHmhMvnsupLjTFcDNYE2Rd4TAPBgNVHRMBAf8E"
    "BTADAQH/MAkGByqGSM49BAEDSAAwRQIhAMMZ2CrWP5dwY6R+8x9XOMuqvTG0BRHx9iv5ycH6qJSzAiBU301OelWtWsWu"
    "JG8/jO8GCxq39h3yc90njYhYHmlnGA=="
)


@contextlib.contextmanager
def serving(certificate_file, key_file, **options):
    """Answer TLS handshakes until the end of the block; options are attributes of the server's context."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate_file, key_file)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        for name, value in options.items():
            setattr(context, name, value)
    with socket.create_server((ADDRESS, 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener, context))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def answer(listener, context):
    with contextlib.suppress(OSError):  # the listener was shut down
        while True:
            connection, _ = listener.accept()
            # a client that refuses the certificate breaks the handshake
            with connection, contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
                pass


def self_signed(folder, *, key=None, digest=None, names=(ADDRESS,), begin=NOW - DAY, end=NOW + DAY):
    """Write a certificate that nobody else signed, and its key; return their paths."""
    if key is None:
        key, digest = ec.generate_private_key(ec.SECP256R1()), digest or hashes.SHA256()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "farm")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(certificates.ip_address(name)) for name in names]),
            critical=False,
        )
        .sign(key, digest)
    )
    certificate_file, key_file = folder / "self.pem", folder / "self.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file


def read(port, ca_file=None, *, verify_tls=True, timeout=10.0):
    endpoint = Endpoint(f"ldaps://{ADDRESS}:{port}", ca_file=ca_file, verify_tls=verify_tls)
    return tls.read(ADDRESS, port, tls.context(endpoint), timeout)


def der(file):
    return ssl.PEM_cert_to_DER_cert(file.read_text())


def test_a_trusted_certificate_is_read(tmp_path):
    files = certificates.issue(tmp_path, ["dc1.contoso.example", ADDRESS])
    with serving(files.certificate_file, files.key_file) as port:
        found = read(port, files.ca_file)
    assert (found.subject, found.issuer, found.names) == (
        "CN=dc1.contoso.example",
        "CN=Practice farm CA",
        ("dc1.contoso.example", ADDRESS),
    )


def test_how_long_a_certificate_is_valid_is_utc(tmp_path):
    file, _ = self_signed(tmp_path)
    found = tls.Certificate.of(der(file))
    assert (found.not_before, found.not_after) == (NOW - DAY, NOW + DAY)


def test_a_self_signed_certificate_is_refused(tmp_path):
    with (
        serving(*self_signed(tmp_path)) as port,
        pytest.raises(CertificateError, match=r"self-signed certificate\); give the certificate itself"),
    ):
        read(port)


def test_a_self_signed_certificate_that_is_named_is_trusted(tmp_path):
    file, key = self_signed(tmp_path)
    with serving(file, key) as port:
        assert read(port, file).subject == "CN=farm"


def test_an_unknown_authority_is_refused(tmp_path):
    files = certificates.issue(tmp_path, [ADDRESS])
    with (
        serving(files.certificate_file, files.key_file) as port,
        pytest.raises(CertificateError, match="give the PEM file of the authority that signed it as ca_file"),
    ):
        read(port)


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"end": NOW - DAY / 2}, "have the certificate renewed"),
        ({"begin": NOW + DAY / 2}, "compare both machines' clocks"),
        ({"names": ("127.0.0.9",)}, "use a host name that the certificate holds"),
    ],
    ids=["expired", "not yet valid", "another address"],
)
def test_every_fault_of_a_certificate_has_its_fix(tmp_path, options, fix):
    file, key = self_signed(tmp_path, **options)
    with serving(file, key) as port, pytest.raises(CertificateError, match=fix):
        read(port, file)


def test_checks_can_be_switched_off_and_that_is_logged(tmp_path, caplog):
    with (
        caplog.at_level(logging.WARNING, "kit.tls"),
        serving(*self_signed(tmp_path, names=("127.0.0.9",))) as port,
    ):
        assert read(port, verify_tls=False).names == ("127.0.0.9",)
    assert "is not checked" in caplog.text


def test_tls_that_is_no_longer_secure_is_told(tmp_path):
    old = {"minimum_version": ssl.TLSVersion.TLSv1, "maximum_version": ssl.TLSVersion.TLSv1_1}
    file, key = self_signed(tmp_path)
    with (
        serving(file, key, **old) as port,
        pytest.raises(UnreachableError, match=r"no longer secure.*have TLS 1\.2 enabled"),
    ):
        read(port, file)


def test_a_port_without_tls_is_told():
    with socket.create_server((ADDRESS, 0)) as listener:
        thread = threading.Thread(target=speak_plainly, args=(listener,))
        thread.start()
        with pytest.raises(UnreachableError, match="no TLS there"):
            read(listener.getsockname()[1])
        thread.join()


def speak_plainly(listener):
    connection, _ = listener.accept()
    with connection:
        connection.recv(1)
        connection.sendall(b"220 this is not TLS\r\n" * 10)


def test_a_port_that_never_answers_is_given_up():
    with socket.create_server((ADDRESS, 0)) as listener:
        told = r"no answer to the TLS handshake within 0\.1 s; see whether the server is overloaded"
        with pytest.raises(UnreachableError, match=told):
            read(listener.getsockname()[1], timeout=0.1)


def test_a_closed_port_is_told():
    with socket.create_server((ADDRESS, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"TLS at {ADDRESS}:{port}: no connection"):
        read(port)


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_ca_file_that_is_none_is_named(tmp_path, content):
    file = tmp_path / "ca.pem"
    if content:
        file.write_bytes(content)
    with pytest.raises(CertificateError, match=r"ca_file '.*ca\.pem'"):
        tls.context(Endpoint("ldaps://dc1", ca_file=file))


def test_bytes_that_are_no_certificate_are_told():
    with pytest.raises(CertificateError, match="certificate of 4 bytes: it cannot be read"):
        tls.Certificate.of(b"junk")


def test_a_channel_is_bound_with_the_hash_of_the_certificates_signature(tmp_path):
    certificate = der(self_signed(tmp_path, digest=hashes.SHA384())[0])
    assert tls.end_point(certificate) == b"tls-server-end-point:" + hashlib.sha384(certificate).digest()


def test_a_channel_is_bound_with_sha_256_where_that_hash_is_too_old():
    assert tls.end_point(SHA1) == b"tls-server-end-point:" + hashlib.sha256(SHA1).digest()


def test_a_channel_is_bound_with_sha_256_where_the_signature_has_no_hash(tmp_path):
    certificate = der(self_signed(tmp_path, key=ed25519.Ed25519PrivateKey.generate())[0])
    assert tls.end_point(certificate) == b"tls-server-end-point:" + hashlib.sha256(certificate).digest()
