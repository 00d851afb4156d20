"""LDAP result codes turned into errors that say what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kit.errors import NotFoundError, ProtocolError, RightsError, SignInError

# Sub-codes of result 49 in Active Directory's diagnostic text: Windows error codes (MS-ERREF 2.2).
_SIGN_IN_CAUSES = {
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


def check(result: Mapping[str, Any], what: str) -> None:
    """Raise the error of the kit that an LDAP result stands for (RFC 4511 appendix A.2); success passes.

    Parameters
    ----------
    result : Mapping
        ldap3's result: ``result`` code, ``description``, ``message``, ``dn``.
    what : str
        What was asked for, naming the value.
    """
    code, text = result["result"], " ".join(result["message"].replace("\x00", "").split())
    if code == 0:
        return
    if code == 49:
        raise SignInError(what, *_sign_in_advice(text))
    if code == 8:
        raise SignInError(
            what, "the server refuses a password in clear (strongerAuthRequired)", "use ldaps:// or start_tls"
        )
    if code in {10, 32, 34}:
        cause, nearest = f"it does not exist there ({result['description']})", result["dn"]
        raise NotFoundError(
            what, cause, f"the nearest that exists is {nearest!r}" if nearest else "check how it is written"
        )
    if code == 50:
        raise RightsError(
            what, "the account may not do this (insufficientAccessRights)", "have the right granted"
        )
    if code == 4:
        raise ProtocolError(
            what, "the server cut the result short (sizeLimitExceeded)", "use a smaller page size"
        )
    raise ProtocolError(what, f"the server answered {result['description']}: {text}", "see its event log")


def _sign_in_advice(text: str) -> tuple[str, str]:
    found = re.search(r"\bdata ([0-9a-f]+)", text)
    if "80090346" in text:
        return "the server demands channel binding (80090346)", "use a simple bind over ldaps://"
    unknown = ("the server refused name or password", "check both")
    return _SIGN_IN_CAUSES.get(found[1], unknown) if found else unknown
