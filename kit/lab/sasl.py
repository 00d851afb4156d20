"""Who may sign in to the embedded directory, and how: simple bind, or Windows sign-in by SASL GSS-SPNEGO."""

from __future__ import annotations

import logging
import ssl
import struct
from collections.abc import Sequence
from pathlib import Path

from ldaptor.protocols.ldap import ldaperrors
from spnego import ContextReq
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import BadBindingsError, SpnegoError

from kit.lab.credentials import Credentials
from kit.lab.domain import Account
from kit.lab.tree import Record, Tree
from kit.tls import end_point

logger = logging.getLogger(__name__)

MECHANISM = b"GSS-SPNEGO"  # MS-ADTS 3.1.1.3.4.5.2

_ACCOUNT_DISABLED = 0x2  # ADS_UF_ACCOUNTDISABLE, MS-ADTS 2.2.16
_WRONG_PASSWORD, _UNKNOWN_ACCOUNT, _DISABLED = 0x52E, 0x525, 0x533  # Windows error codes, MS-ERREF 2.2
_INVALID_PARAMETER = 0x57
_BAD_BINDINGS, _LOGON_DENIED, _INVALID_TOKEN = 0x80090346, 0x8009030C, 0x80090308  # MS-ERREF 2.1
_LAYERS = ContextReq.integrity | ContextReq.confidentiality

# MsvAvChannelBindings of zeros: a client that binds to no channel (MS-NLMP 2.2.2.1).
_UNBOUND = struct.pack("<HH16x", 0x0A, 16)


class RefusalError(ldaperrors.LDAPInvalidCredentials):  # type: ignore[misc] # ldaptor ships no types
    """A sign-in that failed, with the Windows error codes that say why.

    Parameters
    ----------
    code : int
        The sub-code after ``data``.
    status : int
        What the security package said.
    """

    def __init__(self, code: int, status: int = _INVALID_TOKEN) -> None:
        comment = f"comment: AcceptSecurityContext error, data {code:x}, v4563"
        super().__init__(f"{status:08X}: LdapErr: DSID-0C090447, {comment}")


class SignIn:
    """The accounts of one server and its policies.

    Parameters
    ----------
    tree : Tree
        The objects, which say who is disabled.
    accounts : sequence of Account
        Who can sign in.
    certificate_file : Path
        The server's certificate (PEM), to which sign-ins over TLS are bound.
    require_signing : bool
        Whether a sign-in must be signed or over TLS (LDAPServerIntegrity).
    channel_binding : str
        ``always`` or ``never``: whether Windows sign-in over TLS must be bound to the certificate
        (LdapEnforceChannelBinding).
    """

    def __init__(
        self,
        tree: Tree,
        accounts: Sequence[Account],
        certificate_file: Path,
        *,
        require_signing: bool = False,
        channel_binding: str = "never",
    ) -> None:
        self.credentials = Credentials(tree.domain, accounts)
        certificate = ssl.PEM_cert_to_DER_cert(certificate_file.read_text(encoding="ascii"))
        self.bindings = (
            GssChannelBindings(application_data=end_point(certificate))
            if channel_binding == "always"
            else None
        )
        self._tree = tree
        self._accounts = {account.name.lower(): account for account in accounts}
        self._require_signing = require_signing
        self._refusals: dict[str, int] = {}

    def close(self) -> None:
        """Forget the passwords."""
        self.credentials.close()

    def refuse(self, account_name: str, code: str) -> None:
        """Refuse an account from now on with a sub-code, such as ``775``; an empty one lets it in again."""
        self._refusals.pop(account_name.lower(), None)
        if code:
            self._refusals[account_name.lower()] = int(code, 16)

    def simple(self, name: str, password: str, *, is_protected: bool) -> Account:
        """Return the account of that name and password.

        Raises
        ------
        LDAPInvalidCredentials
            With the sub-code a domain controller gives.
        LDAPStrongAuthRequired
            If the policy wants signing and there is no TLS.
        """
        self.require_protection(is_protected=is_protected)
        record = self._tree.find_user(name)
        if record is None:
            raise RefusalError(_UNKNOWN_ACCOUNT)
        account = self._accounts.get(record.text("samaccountname").lower())
        if account is None or account.password != password:
            raise RefusalError(_WRONG_PASSWORD)
        return self._admit(account, record, _INVALID_TOKEN)

    def authenticated(self, principal: str) -> Account:
        r"""Return the account that proved to be ``CONTOSO\anna``, unless something else speaks against it."""
        record = self._tree.find_user(principal)
        if record is None:
            raise RefusalError(_UNKNOWN_ACCOUNT, _LOGON_DENIED)
        return self._admit(self._accounts[record.text("samaccountname").lower()], record, _LOGON_DENIED)

    def require_protection(self, *, is_protected: bool) -> None:
        """Refuse a sign-in without TLS if the policy wants signing: the lab signs nothing itself."""
        if self._require_signing and not is_protected:
            text = (
                "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity "
            )
            text += "checking if SSL\\TLS are not already active on the connection, data 0, v4563"
            raise ldaperrors.LDAPStrongAuthRequired(text)

    def _admit(self, account: Account, record: Record, status: int) -> Account:
        if code := self._refusals.get(account.name.lower()):
            raise RefusalError(code, status)
        if int(record.text("useraccountcontrol") or 0) & _ACCOUNT_DISABLED:
            raise RefusalError(_DISABLED, status)
        return account


class Negotiation:
    """One Windows sign-in on one connection (MS-ADTS 5.1.1.1.2).

    Parameters
    ----------
    sign_in : SignIn
        The server's accounts and policies.
    is_protected : bool
        Whether the connection has TLS.
    """

    def __init__(self, sign_in: SignIn, *, is_protected: bool) -> None:
        self._sign_in = sign_in
        self._is_protected = is_protected
        self._is_challenged = False
        self._context = sign_in.credentials.accept("negotiate")
        if is_protected:
            self._context.channel_bindings = sign_in.bindings

    def step(self, token: bytes) -> tuple[Account | None, bytes]:
        """Take in a token; return who has signed in, if that is done, and the answer.

        Raises
        ------
        LDAPInvalidCredentials
            If the token is wrong, or bound to another channel.
        LDAPStrongAuthRequired
            If the policy wants signing and there is no TLS.
        LDAPUnwillingToPerform
            If the client wants its messages signed or sealed: the lab cannot, and a domain controller will
            not do so over TLS.
        """
        answer = self._answer(token)
        self._is_challenged = True
        if not self._context.complete:
            return None, answer
        self._sign_in.require_protection(is_protected=self._is_protected)
        if self._context.context_attr & _LAYERS:
            text = (
                "00002029: LdapErr: DSID-0C090A1E, comment: no security layer is offered here, data 0, v4563"
            )
            raise ldaperrors.LDAPUnwillingToPerform(text)
        principal = self._sign_in.credentials.principal(self._context.client_principal or "")
        return self._sign_in.authenticated(principal), answer

    def _answer(self, token: bytes) -> bytes:
        if self._context.channel_bindings and _UNBOUND in token:
            raise RefusalError(_BAD_BINDINGS, _BAD_BINDINGS)
        try:
            return self._sign_in.credentials.step(self._context, token) or b""
        except BadBindingsError as error:
            raise RefusalError(_BAD_BINDINGS, _BAD_BINDINGS) from error
        except (SpnegoError, struct.error, LookupError, TypeError, ValueError) as error:
            # pyspnego unpacks a malformed token without catching what that raises.
            logger.info("sign-in refused: %s", error)
            if self._is_challenged:
                raise RefusalError(_WRONG_PASSWORD, _LOGON_DENIED) from error
            raise RefusalError(_INVALID_PARAMETER) from error
