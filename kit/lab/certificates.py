"""The lab's certificate authority: one certificate per server, signed by a CA that only its clients trust."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=365)
_CLOCK_SKEW = timedelta(days=1)
_PRINCIPAL = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


@dataclass(frozen=True)
class ServerCertificate:
    """Where one server's, or one client's, certificate files are, all PEM.

    ``ca_file`` is what the other side must trust; ``key_file`` can be read by its owner only.
    """

    ca_file: Path
    certificate_file: Path
    key_file: Path


def issue(folder: Path, names: Sequence[str], *, lifetime: timedelta = _LIFETIME) -> ServerCertificate:
    """Make a new CA and a server certificate signed by it.

    The CA's private key is thrown away: nothing else can ever be signed by a lab's CA.
    TLS always uses the machine's time, so the farm's movable clock plays no part.

    Parameters
    ----------
    folder : Path
        Where the three files go; made if it is missing.
    names : Sequence of str
        What clients connect to: DNS names and IP addresses, which become the subject alternative names
        (RFC 5280 4.2.1.6). The first is also the common name.
    lifetime : timedelta
        How long the server's certificate is valid from now on; one that ends before now has expired.

    Returns
    -------
    ServerCertificate
        The files written.
    """
    alternatives = [_general_name(name) for name in names]
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    return _issue(folder, "server", names[0], alternatives, usage=usage, lifetime=lifetime)


def issue_client(folder: Path, principal: str) -> ServerCertificate:
    """Make a new CA and a client certificate signed by it, such as WinRM maps to an account.

    Parameters
    ----------
    folder : Path
        Where the three files go; made if it is missing, another one than a server's.
    principal : str
        The user principal name in it, which WinRM looks at (Microsoft's otherName in the subject
        alternative name).
    """
    name = x509.OtherName(_PRINCIPAL, b"\x0c" + bytes([len(principal.encode())]) + principal.encode())
    return _issue(folder, "client", principal, [name], usage=ExtendedKeyUsageOID.CLIENT_AUTH)


def principal(certificate: bytes) -> str:
    """Return the user principal name in a client certificate in DER, empty if it has none."""
    extensions = x509.load_der_x509_certificate(certificate).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = [name.value for name in names.get_values_for_type(x509.OtherName) if name.type_id == _PRINCIPAL]
    return found[0][2:].decode() if found else ""


def _issue(
    folder: Path,
    kind: str,
    common_name: str,
    alternatives: Sequence[x509.GeneralName],
    *,
    usage: x509.ObjectIdentifier,
    lifetime: timedelta = _LIFETIME,
) -> ServerCertificate:
    folder.mkdir(parents=True, exist_ok=True)
    authority_key, own_key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    authority = _authority(authority_key)
    certificate = (
        _builder(_name(common_name), authority.subject, own_key, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(
            # Python 3.13 and later refuse a chain without it (VERIFY_X509_STRICT, RFC 5280 4.2.1.1).
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    files = ServerCertificate(folder / "ca.pem", folder / f"{kind}.pem", folder / f"{kind}.key")
    files.ca_file.write_bytes(authority.public_bytes(Encoding.PEM))
    files.certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key = own_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files.key_file.unlink(missing_ok=True)
    with os.fdopen(os.open(files.key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
    return files


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("Practice farm CA")
    return (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    lifetime: timedelta = _LIFETIME,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
