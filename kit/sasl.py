"""Windows sign-in over LDAP: Kerberos and NTLM tokens in SASL GSS-SPNEGO (MS-ADTS 5.1.1.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ldap3
from ldap3.protocol.sasl.sasl import send_sasl_negotiation

from kit.endpoint import Endpoint
from kit.errors import ProtocolError, SignInError
from kit.negotiation import Negotiation
from kit.tls import end_point

MECHANISM = "GSS-SPNEGO"

KINDS = ("ntlm", "kerberos", "negotiate")
"""Values of `kit.endpoint.Endpoint.auth` that this module signs in with."""

_IN_PROGRESS = 14  # saslBindInProgress, RFC 4511 appendix A.2


def bind(connection: ldap3.Connection, endpoint: Endpoint, host: str, what: str) -> Mapping[str, Any]:
    """Sign in on an open connection and return the server's last answer, which may be a refusal.

    The tokens are Kerberos' and NTLM's own, without SPNEGO around them, which GSS-SPNEGO takes as well
    (shown with Samba; unproven with Windows). Over TLS they are bound to the server's certificate
    (RFC 5929), which satisfies LdapEnforceChannelBinding. No security layer is negotiated: over TLS a domain
    controller allows none (MS-ADTS 5.1.1.1.2), and over plain ``ldap://`` one that requires signing refuses.

    Parameters
    ----------
    connection : ldap3.Connection
        Made for SASL with `MECHANISM`.
    endpoint : Endpoint
        ``auth`` is one of `KINDS`. ``negotiate`` is Kerberos where a ticket can be had, else NTLM.
    host : str
        The server's name, for which the ticket is.
    what : str
        Who signs in where, for an error.

    Raises
    ------
    SignInError
        If no token can be made, or the server does not prove that it is the one that was meant.
    SetupError
        If this machine cannot do Kerberos.
    ProtocolError
        If the server does not come to an end.
    """
    certificate = peer_certificate(connection)
    negotiation = Negotiation(
        endpoint.auth,
        endpoint.username,
        endpoint.password,
        service="ldap",
        host=host,
        bindings=end_point(certificate) if certificate else b"",
        what=what,
        signed=False,
    )
    token = negotiation.first
    while True:
        result: Mapping[str, Any] = send_sasl_negotiation(connection, None, token)
        if result["result"] not in {0, _IN_PROGRESS}:
            return result
        token = b""
        if result["saslCreds"] and not negotiation.complete:
            token = negotiation.step(result["saslCreds"])
        if result["result"] == 0:
            break
        if not token:
            raise ProtocolError(what, "the server asks for more than there is to say", "use auth: simple")
    if not negotiation.complete:
        cause = "the server did not prove who it is"
        raise SignInError(what, cause, "check that the address leads to the domain controller")
    return result


def peer_certificate(connection: ldap3.Connection) -> bytes:
    """Return the server's certificate (DER) of an open connection, empty without TLS."""
    read = getattr(connection.socket, "getpeercert", None)
    return read(True) or b"" if read else b""
