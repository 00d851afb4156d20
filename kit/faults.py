"""What goes wrong between here and WinRM, as one sentence each: faults, sign-in, TLS, network."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError

import requests
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pypsrp.exceptions import AuthenticationError, WinRMError, WinRMTransportError, WSManFaultError
from pypsrp.wsman import NAMESPACES
from spnego.exceptions import SpnegoError

from kit.errors import (
    CertificateError,
    KitError,
    NotFoundError,
    ProtocolError,
    RightsError,
    RunError,
    SignInError,
    UnreachableError,
)

LIBRARY_ERRORS = (
    *(WinRMError, SpnegoError, requests.RequestException, ParseError, DefusedXmlException),
    # pypsrp trusts that WinRM answers: it indexes and parses whatever else came.
    *(ValueError, LookupError, AttributeError),
)
"""All that pypsrp, its transport and the XML of an answer can raise."""

# Codes of WSManFault elements, WBEM codes included (WinError.h, WbemCli.h).
_ACCESS_DENIED = frozenset({5, 0x80041003, 0x80070005})
_NOT_FOUND = frozenset({0x80338000, 0x8033805B, 0x80041002, 0x8004100E, 0x80041010})
_ANOTHER_SYNCHRONISATION = frozenset({0x8023063D})
_SCHEMA = frozenset({0x80338041})
_BUSY = frozenset({0x803381A5, 0x803381A6})
"""The account's shells or operations are as many as its quota allows; nothing more is begun."""

_BEFORE = _ACCESS_DENIED | _NOT_FOUND | _ANOTHER_SYNCHRONISATION | _SCHEMA | _BUSY
"""Codes of refusals: the method did not run."""

_FAULTS: tuple[tuple[frozenset[int], type[KitError], str, str], ...] = (
    (
        _NOT_FOUND,
        NotFoundError,
        "{url} does not have what was asked for",
        "check the name, and that the MIM synchronisation service is installed there",
    ),
    (
        frozenset({0x80338029}),
        UnreachableError,
        "{url} did not answer in time",
        "try again when it is less busy",
    ),
    (
        frozenset({0x80338048, 0x80338049, 0x8033804D}),
        ProtocolError,
        "an answer of {url} is too large",
        "raise MaxEnvelopeSizekb of its WinRM service",
    ),
    (
        _BUSY,
        UnreachableError,
        "{url} does nothing more for '{account}' at present",
        "end its other sessions there, or wait, and try again",
    ),
    (
        frozenset({0x8033801B}),
        UnreachableError,
        "{url} has dropped the query half way",
        "try again; WinRM keeps an unread rest for a minute (EnumerationTimeoutms)",
    ),
    (
        _ANOTHER_SYNCHRONISATION,
        RunError,
        "the run was not started on {url}",
        "wait until the other management agent has ended its synchronisation",
    ),
    (
        frozenset({0x80041024, 0x80041017, 0x8033801A}),
        ProtocolError,
        "{url} cannot answer such a query",
        "use one of the query forms documented for the class",
    ),
)


def translate(error: Exception, url: str, account: str) -> KitError:
    """Turn what the libraries raised into an error that names the endpoint, the cause and the next step.

    Parameters
    ----------
    error : Exception
        One of :data:`LIBRARY_ERRORS`.
    url, account : str
        Where, and as whom, the request was made.

    Returns
    -------
    KitError
        To be raised from ``error``. No password is in it.
    """
    if isinstance(error, WSManFaultError):
        return _fault(error, url, account)
    if isinstance(error, (AuthenticationError, SpnegoError)):
        return _sign_in(error, url, account)
    if isinstance(error, requests.exceptions.SSLError):
        return _tls(error, url)
    if isinstance(error, (requests.ConnectionError, requests.Timeout)):
        return UnreachableError(
            f"{url} cannot be reached",
            _last_cause(error),
            "check name, port and firewall, and that the WinRM service runs",
        )
    if isinstance(error, WinRMTransportError):
        return not_an_endpoint(url, f"it answered with HTTP {error.code}")
    return not_an_endpoint(url, f"its answer could not be read ({type(error).__name__})")


def refused(error: WSManFaultError) -> bool:
    """Say whether a fault came before the method ran; after any other fault it may have run."""
    return bool(_codes(error) & _BEFORE)


def comes_from_wmi(error: BaseException | None) -> bool:
    """Say whether WMI, or a provider below it, made a fault; if not, WinRM itself did.

    WMI's are wrapped in a ProviderFault. That WinRM's own refusal of an account is bare is unproven.
    """
    if not isinstance(error, WSManFaultError):
        return False
    return next(_response(error).iter(f"{{{NAMESPACES['wsmanfault']}}}ProviderFault"), None) is not None


def describe(error: WSManFaultError) -> str:
    """Return all that a fault says, in one line.

    pypsrp keeps neither nested faults nor the provider's own text, so the response it came from is read.
    """
    texts = [
        " ".join(text.split())
        for element in _response(error).iter()
        if element.tag.rpartition("}")[2] in {"Text", "Message", "Description", "ParameterInfo"}
        if (text := (element.text or "").strip())
    ]
    return f"fault {error.code}: {'; '.join(dict.fromkeys(texts))}"[:400].rstrip(" .")


def not_an_endpoint(url: str, cause: str) -> ProtocolError:
    """Return the error for an address where something other than WinRM answers."""
    return ProtocolError(
        f"{url} is not a WS-Management endpoint",
        cause,
        "check the port (5985, or 5986 for https) and the path (/wsman)",
    )


def _fault(error: WSManFaultError, url: str, account: str) -> KitError:
    codes = _codes(error)
    if codes & _ACCESS_DENIED:
        return _denial(error, url, account)
    for known, kind, what, next_step in _FAULTS:
        if codes & known:
            return kind(what.format(url=url, account=account), describe(error), next_step)
    return ProtocolError(f"{url} answered with a fault", describe(error), "look the fault up by its number")


def _denial(error: WSManFaultError, url: str, account: str) -> RightsError:
    if not comes_from_wmi(error):
        return RightsError(
            f"'{account}' may not use WinRM on {url}",
            describe(error),
            "add it to Remote Management Users, a local group of that server",
        )
    return RightsError(
        f"'{account}' may not use WMI on {url}",
        describe(error),
        "add it to a MIM sync group, and allow it Enable Account and Remote Enable on the WMI namespace",
    )


def _sign_in(error: Exception, url: str, account: str) -> KitError:
    if isinstance(error, SpnegoError):
        return SignInError(
            f"the sign-in of '{account}' to {url} could not be completed",
            str(error).splitlines()[0],
            "check the kind of sign-in and the form of the account's name",
        )
    if str(error).endswith("with certificate"):
        return SignInError(
            f"{url} refused the certificate '{account}'",
            "no account of that server is mapped to it, or it does not trust its authority",
            "map it there to a local account (winrm create winrm/config/service/certmapping)",
        )
    if str(error).startswith("Failed to authenticate"):
        return SignInError(
            f"{url} refused the account '{account}'",
            "the password is wrong, or the account is locked, disabled or from another domain",
            "check the account and its password",
        )
    return not_an_endpoint(url, "it offers no Windows sign-in (Negotiate, Kerberos or NTLM)")


def _tls(error: Exception, url: str) -> KitError:
    cause = _last_cause(error)
    if "verify failed" in cause or "match" in cause:
        what = f"the TLS certificate of {url} is not trusted"
        return CertificateError(what, cause, "name the file of the authority that signed it in the case file")
    next_step = "check that it speaks TLS there, and trusts the client's certificate if it asks for one"
    return UnreachableError(f"{url} broke the TLS connection off", cause, next_step)


def _response(error: WSManFaultError) -> Element:
    response = error.__context__
    if not isinstance(response, WinRMTransportError):
        return Element("none")
    root: Element = fromstring(response.response_text)
    return root


def _codes(error: WSManFaultError) -> set[int]:
    faults = _response(error).iter(f"{{{NAMESPACES['wsmanfault']}}}WSManFault")
    return {int(code) for fault in faults if (code := fault.get("Code", "")).isdigit()}


def _last_cause(error: BaseException) -> str:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__
