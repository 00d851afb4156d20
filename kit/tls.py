"""TLS of every client: what is trusted, what a server's certificate says, refusals with their fix."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from kit.endpoint import Endpoint
from kit.errors import CertificateError, SourceError, UnreachableError

logger = logging.getLogger(__name__)

_NAME_IT = "give the PEM file of the authority that signed it as ca_file"

# Verification results of OpenSSL (x509_vfy.h).
_CERTIFICATE_NEXT_STEPS = {
    9: "compare both machines' clocks",
    10: "have the certificate renewed",
    18: "give the certificate itself, as a PEM file, as ca_file once somebody has vouched for it",
    19: _NAME_IT,
    20: f"{_NAME_IT}, with any authority between the two",
    23: "have a new certificate issued: this one was revoked",
    62: "use a host name that the certificate holds",
    64: "use a host name that the certificate holds, not the address",
    66: "have the certificate reissued with a longer key",
    67: "have the authority's certificate reissued with a longer key",
    68: "have the certificate reissued with SHA-256 instead of an older hash",
    85: "have the certificate reissued with an authority key identifier (RFC 5280 4.2.1.1)",
}

# Reasons of OpenSSL when both sides share no version or cipher.
_OUTDATED = {
    "UNSUPPORTED_PROTOCOL",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "DH_KEY_TOO_SMALL",
}

# RFC 5929 4.1: the hash of the certificate's own signature, unless that is one of these.
_REPLACED_HASHES = (hashes.MD5, hashes.SHA1)


@dataclass(frozen=True)
class Certificate:
    """What a server's certificate says of itself.

    Parameters
    ----------
    subject : str
        Whose it is (RFC 4514).
    issuer : str
        Who signed it.
    names : tuple of str
        Host names and addresses it is for (subject alternative names, RFC 5280 4.2.1.6).
    not_before : datetime
        Valid from then on, UTC.
    not_after : datetime
        Valid until then, UTC.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime

    @classmethod
    def of(cls, der: bytes) -> Certificate:
        """Read a certificate as TLS sends it (DER).

        Raises
        ------
        CertificateError
            If it is none.
        """
        found = _parse(der)
        return cls(
            found.subject.rfc4514_string(),
            found.issuer.rfc4514_string(),
            tuple(_names(found)),
            found.not_valid_before_utc,
            found.not_valid_after_utc,
        )


def context(endpoint: Endpoint) -> ssl.SSLContext:
    """Make the client's side of TLS: chain, validity and host name or address are checked (RFC 6125).

    Parameters
    ----------
    endpoint : Endpoint
        ``ca_file`` is trusted instead of the system's authorities; without ``verify_tls`` nothing is
        checked.

    Raises
    ------
    CertificateError
        If ``ca_file`` holds no certificates.
    """
    try:
        made = ssl.create_default_context(cafile=endpoint.ca_file)
    except OSError as error:
        what = f"ca_file '{endpoint.ca_file}'"
        cause = f"it cannot be used ({error})"
        raise CertificateError(what, cause, "give a PEM file of certificates") from error
    if not endpoint.verify_tls:
        logger.warning("the certificate of %s is not checked", endpoint.url)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def read(host: str, port: int, context: ssl.SSLContext, timeout: float) -> Certificate:
    """Connect to a port that begins with TLS and return the server's certificate.

    Parameters
    ----------
    host : str
        Name or address, which the certificate must hold.
    port : int
        The TLS port.
    context : ssl.SSLContext
        From `context`.
    timeout : float
        Seconds for the connection, and again for the handshake.

    Raises
    ------
    CertificateError
        If the certificate is not trusted.
    UnreachableError
        If there is no connection, or no TLS.
    """
    what = f"TLS at {host}:{port}"
    try:
        plain = socket.create_connection((host, port), timeout)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(
            what, f"no connection ({error})", "check address, firewall and server"
        ) from error
    try:
        with plain, context.wrap_socket(plain, server_hostname=host) as wrapped:
            return Certificate.of(wrapped.getpeercert(binary_form=True) or b"")
    except OSError as error:
        raise refusal(what, error, "use the server's TLS port", timeout=timeout) from error


def refusal(what: str, error: OSError, next_step: str, *, timeout: float = 0) -> SourceError:
    """Turn what broke a TLS handshake into an error that says what to do.

    Parameters
    ----------
    what : str
        The system, naming its address.
    error : OSError
        What `ssl.SSLContext.wrap_socket` raised.
    next_step : str
        What to do if there is no TLS at that port at all.
    timeout : float
        Seconds that the handshake was given; 0 for not known.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        cause = f"its certificate is not trusted ({error.verify_message})"
        return CertificateError(what, cause, _CERTIFICATE_NEXT_STEPS.get(error.verify_code, _NAME_IT))
    if isinstance(error, ssl.SSLError) and error.reason in _OUTDATED:
        cause = f"it speaks only TLS that is no longer secure ({error.reason})"
        return UnreachableError(what, cause, "have TLS 1.2 enabled on that server")
    if isinstance(error, TimeoutError):
        within = f" within {timeout:g} s" if timeout else ""
        cause = f"no answer to the TLS handshake{within}"
        return UnreachableError(what, cause, f"see whether the server is overloaded, or {next_step}")
    return UnreachableError(what, f"no TLS there ({error})", next_step)


def end_point(der: bytes) -> bytes:
    """Return the channel binding ``tls-server-end-point`` of a server's certificate (RFC 5929 4.1).

    Parameters
    ----------
    der : bytes
        The certificate as TLS sends it.
    """
    signed_with = _parse(der).signature_hash_algorithm
    if signed_with is None or isinstance(signed_with, _REPLACED_HASHES):
        signed_with = hashes.SHA256()
    digest = hashes.Hash(signed_with)
    digest.update(der)
    return b"tls-server-end-point:" + digest.finalize()


def _parse(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        what = f"certificate of {len(der)} bytes"
        raise CertificateError(what, f"it cannot be read ({error})", "have it reissued") from error


def _names(certificate: x509.Certificate) -> Iterator[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        logger.debug("%s has no readable alternative names: %s", certificate.subject, error)
        return
    yield from found.get_values_for_type(x509.DNSName)
    yield from (str(address) for address in found.get_values_for_type(x509.IPAddress))
