import pytest

from kit.errors import (
    ConflictError,
    NotFoundError,
    ProtocolError,
    RightsError,
    SignInError,
    UnreachableError,
)
from kit.results import check


def result(code, description, message="", **fields):
    return {
        "result": code,
        "description": description,
        "message": message,
        "dn": "",
        "referrals": None,
        **fields,
    }


def test_success_passes():
    check(result(0, "success"), "search")


@pytest.mark.parametrize(
    ("code", "description", "kind", "cause"),
    [
        (3, "timeLimitExceeded", ProtocolError, "cut the result short for time"),
        (4, "sizeLimitExceeded", ProtocolError, "cut the result short"),
        (7, "authMethodNotSupported", SignInError, "offers no such kind of sign-in"),
        (8, "strongerAuthRequired", SignInError, "neither signed nor encrypted"),
        (11, "adminLimitExceeded", ProtocolError, "a limit of the server's policy"),
        (12, "unavailableCriticalExtension", ProtocolError, "lacks a control"),
        (14, "saslBindInProgress", ProtocolError, "the server refused"),
        (16, "noSuchAttribute", ProtocolError, "the server refused"),
        (19, "constraintViolation", ProtocolError, "breaks a rule of the schema"),
        (20, "attributeOrValueExists", ProtocolError, "the server refused"),
        (21, "invalidAttributeSyntax", ProtocolError, "not of the attribute's type"),
        (32, "noSuchObject", NotFoundError, "does not exist there"),
        (48, "inappropriateAuthentication", SignInError, "cannot sign in this way"),
        (49, "invalidCredentials", SignInError, "refused name or password"),
        (50, "insufficientAccessRights", RightsError, "may not do this"),
        (51, "busy", UnreachableError, "too busy"),
        (52, "unavailable", UnreachableError, "cannot answer now"),
        (53, "unwillingToPerform", ProtocolError, "not willing"),
        (65, "objectClassViolation", ProtocolError, "class have no such attribute"),
        (68, "entryAlreadyExists", ProtocolError, "there is an object of that name already"),
        (80, "other", ProtocolError, "the server refused"),
    ],
)
def test_every_code_is_translated(code, description, kind, cause):
    with pytest.raises(kind, match=f"^'DC=x': .*{cause}"):
        check(result(code, description), "'DC=x'")


@pytest.mark.parametrize("code", [1, 19, 53])
def test_the_servers_own_words_are_kept(code):
    with pytest.raises(ProtocolError, match=r"nameOfCode: 0000052D: SvcErr, data 0\)"):
        check(result(code, "nameOfCode", "0000052D: SvcErr,\n data 0\x00"), "write")


@pytest.mark.parametrize(
    ("code", "description", "cause"),
    [
        (16, "noSuchAttribute", "no longer there"),
        (20, "attributeOrValueExists", "a value already"),
    ],
)
def test_a_write_that_no_longer_fits_is_a_conflict(code, description, cause):
    with pytest.raises(ConflictError, match=rf"{cause} \({description}\); read it again"):
        check(result(code, description), "photo", precondition=True)


def test_a_referral_names_the_server_that_has_it():
    referral = result(10, "referral", referrals=["ldap://emea.contoso.example/DC=emea"])
    with pytest.raises(NotFoundError, match=r"another server holds it \(ldap://emea\.contoso\.example"):
        check(referral, "base DN")


def test_a_name_that_does_not_exist_comes_with_the_nearest_that_does():
    with pytest.raises(NotFoundError, match="the nearest that exists is 'DC=contoso'"):
        check(result(32, "noSuchObject", dn="DC=contoso"), "base DN")


def test_a_connection_that_is_not_signed_in_is_told():
    message = "000004DC: LdapErr: DSID-0C090A5C, comment: a successful bind must be completed, data 0, v4563"
    with pytest.raises(SignInError, match="the connection is not signed in"):
        check(result(1, "operationsError", message), "search")


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("57", "cannot use the sign-in's token"),
        ("52e", "password is wrong"),
        ("525", "no such account"),
        ("530", "at this hour"),
        ("531", "from this computer"),
        ("532", "password has expired"),
        ("533", "disabled"),
        ("701", "has expired"),
        ("773", "must be changed"),
        ("775", "locked out"),
        ("999", "refused name or password"),
    ],
)
def test_every_reason_of_a_refused_sign_in_is_translated(code, cause):
    message = (
        f"80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data {code}, v4563\x00"
    )
    with pytest.raises(SignInError, match=cause):
        check(result(49, "invalidCredentials", message), "account 'anna'")


def test_a_refused_channel_binding_is_told():
    message = "80090346: LdapErr: DSID-0C090597, comment: AcceptSecurityContext error, data 80090346, v4563"
    with pytest.raises(SignInError, match=r"demands channel binding.*auth: simple over ldaps://"):
        check(result(49, "invalidCredentials", message), "account 'anna'")
