"""Where one of the three systems is, as whom to sign in there, and how its certificate is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Endpoint:
    r"""What every client needs to reach its system.

    Parameters
    ----------
    url : str
        The system's address; which schemes it may have, the client says.
    username : str
        ``DOMAIN\name`` or ``name@domain``; empty with Kerberos means whoever holds a ticket on this machine.
    password : str
        Its password; never part of a representation.
    auth : str
        Kind of sign-in; empty means the client's usual one.
    ca_file : Path or None
        PEM file of the certificate authorities to trust; None means the system's.
    verify_tls : bool
        Whether the server's certificate and name must be valid.
    timeout : float
        Seconds to wait for a connection and for each answer.
    certificate_file, key_file : Path or None
        PEM files of the client's own certificate and its key, for the sign-in by certificate; ``password``
        is then that of an encrypted key.

    Examples
    --------
    >>> Endpoint("ldaps://dc1.contoso.example", "CONTOSO\\kit", "secret", timeout=5)
    Endpoint(url='ldaps://dc1.contoso.example', username='CONTOSO\\kit', auth='', ca_file=None, ...
    """

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    auth: str = ""
    ca_file: Path | None = None
    verify_tls: bool = True
    timeout: float = 30.0
    certificate_file: Path | None = None
    key_file: Path | None = None
