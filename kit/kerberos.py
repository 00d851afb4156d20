"""Kerberos as an account of a case uses it: its principal, and refusals with their fix."""

from __future__ import annotations

import re

from kit.errors import KitError, SetupError, SignInError, UnreachableError

_TABLE = -1765328384  # where MIT Kerberos puts RFC 4120's error codes and its own (krb5.h)

ACCOUNT_CODES = frozenset({18, 23, 24, 31})
"""Errors (RFC 4120 7.5.9) that are about the account itself: another attempt could lock it out."""

_REALM_CODES = frozenset({6, 7, 154, 156})
"""Errors that a wrong realm leads to."""

_TICKET_ADVICE = "get a ticket with kinit, or give name and password"

_CAUSES: dict[int, tuple[type[KitError], str, str]] = {
    6: (SignInError, "the realm has no such account", "write it as name@domain"),
    7: (
        SignInError,
        "the domain knows no service of that name",
        "use the server's full DNS name, or have its service principal name registered (setspn)",
    ),
    14: (
        SignInError,
        "both sides share no encryption type",
        "set the account's password anew: that makes AES keys",
    ),
    18: (SignInError, "it is disabled, expired or locked out", "have that lifted or use another account"),
    23: (SignInError, "its password has expired or must be changed", "have the password changed"),
    24: (SignInError, "the password is wrong", "correct the password"),
    31: (SignInError, "the password is wrong", "correct the password"),
    32: (SignInError, "the ticket has expired", _TICKET_ADVICE),
    37: (
        SignInError,
        "the clocks differ too much",
        "set this machine's clock by the domain's",
    ),
    136: (SetupError, "krb5.conf cannot be read", "correct its syntax"),
    141: (SignInError, "there is no ticket on this machine", _TICKET_ADVICE),
    154: (
        SetupError,
        "this machine does not know the realm",
        "write name@REALM, and its kdc into krb5.conf",
    ),
    156: (
        UnreachableError,
        "no domain controller answers on port 88",
        "check DNS, firewall, kdc in krb5.conf",
    ),
    195: (SignInError, "there is no ticket on this machine", _TICKET_ADVICE),
    220: (SetupError, "the account's realm is empty", "write it as name@domain"),
    224: (SetupError, "this machine has no default realm", "write the account as name@domain"),
}


def principal(username: str) -> str:
    r"""Write an account as Kerberos wants it; a realm is in capitals (MS-KILE 3.1.5.11).

    A NetBIOS name says nothing of the realm, so it is left to this machine's default.

    Parameters
    ----------
    username : str
        ``name@domain`` or ``DOMAIN\name``.

    Examples
    --------
    >>> principal("anna@contoso.example"), principal("CONTOSO\\anna"), principal("contoso.example\\anna")
    ('anna@CONTOSO.EXAMPLE', 'anna', 'anna@CONTOSO.EXAMPLE')
    """
    domain, _, name = username.rpartition("\\")
    name, _, realm = name.partition("@")
    realm = realm or (domain if "." in domain else "")
    return f"{name}@{realm.upper()}" if realm else name


def code(error: Exception) -> int | None:
    """Return the number of a Kerberos error, whichever library raised it; None if it is none.

    gssapi and krb5 are optional, so their exceptions are told by what they carry; pyspnego wraps some.

    Returns
    -------
    int or None
        As in RFC 4120 7.5.9 up to 127; above, MIT Kerberos' own (krb5.h).
    """
    for source in (error, getattr(error, "base_error", None)):
        for name in ("err_code", "min_code"):
            found = getattr(source, name, None)
            if isinstance(found, int):
                return (found - _TABLE) % 2**32
    return None


def refusal(what: str, error: Exception, *, username: str = "") -> KitError:
    """Turn a Kerberos error into one that says what to do.

    Parameters
    ----------
    what : str
        The account and the service, by name.
    error : Exception
        Of pyspnego, gssapi or krb5.
    username : str
        As the case has it, empty for whoever holds the ticket: without a realm in it, that may be the reason.
    """
    kind, cause, next_step = _CAUSES.get(
        code(error) or 0, (SignInError, "Kerberos failed", "try kinit with the same account")
    )
    if username and "@" not in principal(username) and code(error) in _REALM_CODES:
        default = "write the account as name@domain: without, this machine's default realm was taken"
        next_step = f"{default}; or {next_step}" if "name@" not in next_step else default
    return kind(what, f"{cause} ({_text(error)})", next_step)


def missing(what: str) -> SetupError:
    """Return the error of a machine that cannot do Kerberos; Windows always can (SSPI)."""
    cause = "Kerberos needs the packages gssapi and krb5"
    return SetupError(what, cause, 'run pip install "pyspnego[kerberos]"')


def _text(error: Exception) -> str:
    """Return what the Kerberos library said, without the layers above it."""
    found = re.search(r"Minor \(\d+\): (.+?)(?:, Context: .*)?$", str(error))
    return found[1] if found else str(error)
