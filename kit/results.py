"""LDAP result codes turned into errors that say what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kit.errors import (
    ConflictError,
    KitError,
    NotFoundError,
    ProtocolError,
    RightsError,
    SignInError,
    UnreachableError,
)

# Sub-codes of result 49 in Active Directory's diagnostic text: Windows error codes (MS-ERREF 2.2).
_SIGN_IN_CAUSES = {
    "57": (
        "the server cannot use the sign-in's token",
        "use the server's own name in the address, or auth: simple over ldaps://",
    ),
    "52e": ("the password is wrong", "correct the password"),
    "525": ("there is no such account", "write it as name@domain or DOMAIN\\name"),
    "530": ("it may not sign in at this hour", "ask for other logon hours or another account"),
    "531": ("it may not sign in from this computer", "ask for that right or for another account"),
    "532": ("its password has expired", "have the password changed"),
    "533": ("it is disabled", "have it enabled or use another account"),
    "701": ("it has expired", "have it renewed or use another account"),
    "773": ("its password must be changed first", "sign in to Windows once and change it"),
    "775": ("it is locked out", "have it unlocked and correct the password"),
}

_BAD_BINDINGS = "80090346"  # SEC_E_BAD_BINDINGS, MS-ERREF 2.1
_NOT_SIGNED_IN = "000004DC"  # ERROR_NOT_AUTHENTICATED, MS-ERREF 2.2

# RFC 4511 appendix A.2
_CAUSES: dict[int, tuple[type[KitError], str, str]] = {
    3: (
        ProtocolError,
        "the server cut the result short for time",
        "narrow the base DN, or ask a less busy domain controller",
    ),
    4: (ProtocolError, "the server cut the result short", "use a smaller page size"),
    7: (SignInError, "the server offers no such kind of sign-in", "use auth: simple over ldaps://"),
    8: (
        SignInError,
        "the server refuses a sign-in that is neither signed nor encrypted",
        "use ldaps:// or start_tls",
    ),
    11: (
        ProtocolError,
        "a limit of the server's policy was reached",
        "use a smaller page size, or narrow the filter",
    ),
    12: (
        ProtocolError,
        "the server lacks a control that is needed, or has forgotten an old page",
        "start the search again, or ask a domain controller",
    ),
    19: (ProtocolError, "the value breaks a rule of the schema", "compare it with the attribute's limits"),
    21: (ProtocolError, "the value is not of the attribute's type", "compare it with the attribute's limits"),
    48: (SignInError, "the account cannot sign in this way", "use auth: simple over ldaps://"),
    50: (RightsError, "the account may not do this", "have the right granted"),
    51: (UnreachableError, "the server is too busy", "try again later, or ask another domain controller"),
    52: (
        UnreachableError,
        "the server cannot answer now",
        "try again later, or ask another domain controller",
    ),
    53: (ProtocolError, "the server is not willing to do this", "see its event log"),
    65: (ProtocolError, "objects of its class have no such attribute", "check that it is a user"),
    68: (ProtocolError, "there is an object of that name already", "choose another name"),
}

_CONFLICTS = {
    16: "the value that was read is no longer there",
    20: "there is a value already",
}


def check(result: Mapping[str, Any], what: str, *, precondition: bool = False) -> None:
    """Raise the error of the kit that an LDAP result stands for (RFC 4511 appendix A.2); success passes.

    Parameters
    ----------
    result : Mapping
        ldap3's result: ``result`` code, ``description``, ``message``, ``dn``, ``referrals``.
    what : str
        What was asked for, naming the value.
    precondition : bool
        Whether the request was a write that holds only for the values it names: noSuchAttribute and
        attributeOrValueExists are a ConflictError then.

    Raises
    ------
    KitError
        Of the kind that the code says, with the code's name and the server's own words.
    """
    code, text, told = result["result"], _text(result), description(result)
    if code == 0:
        return
    if code == 49:
        raise SignInError(what, *_sign_in_advice(text))
    if code == 1 and text.startswith(_NOT_SIGNED_IN):
        raise SignInError(what, f"the connection is not signed in ({told})", "give name and password")
    if code in {10, 32, 34}:
        raise _not_found(result, what)
    if precondition and code in _CONFLICTS:
        raise ConflictError(what, f"{_CONFLICTS[code]} ({told})", "read it again")
    unknown = (ProtocolError, "the server refused", "see its event log")
    kind, cause, next_step = _CAUSES.get(code, unknown)
    raise kind(what, f"{cause} ({told})", next_step)


def description(result: Mapping[str, Any]) -> str:
    """Return a result's name and the server's own words, if any, on one line."""
    name, text = str(result["description"]), _text(result)
    return f"{name}: {text}" if text else name


def _text(result: Mapping[str, Any]) -> str:
    return " ".join((result["message"] or "").replace("\x00", "").split())


def _not_found(result: Mapping[str, Any], what: str) -> NotFoundError:
    if servers := ", ".join(result.get("referrals") or ()):
        return NotFoundError(what, f"another server holds it ({servers})", "give that server's address")
    nearest = result["dn"]
    advice = f"the nearest that exists is {nearest!r}" if nearest else "check how it is written"
    return NotFoundError(what, f"it does not exist there ({result['description']})", advice)


def _sign_in_advice(text: str) -> tuple[str, str]:
    if _BAD_BINDINGS in text:
        cause = (
            f"the server demands channel binding to a certificate that is not the one here ({_BAD_BINDINGS})"
        )
        return cause, "go around the proxy or load balancer that ends TLS, or use auth: simple over ldaps://"
    found = re.search(r"\bdata ([0-9a-f]+)", text)
    unknown = (f"the server refused name or password ({text or 'it says no more'})", "check both")
    return _SIGN_IN_CAUSES.get(found[1], unknown) if found else unknown
