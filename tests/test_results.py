import pytest

from kit.errors import ProtocolError, SignInError
from kit.results import check


def test_a_result_that_was_cut_short_is_an_error():
    result = {"result": 4, "description": "sizeLimitExceeded", "message": "", "dn": ""}
    with pytest.raises(ProtocolError, match="cut the result short"):
        check(result, "search")


@pytest.mark.parametrize(
    ("code", "cause"),
    [
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
    result = {"result": 49, "description": "invalidCredentials", "message": message, "dn": ""}
    with pytest.raises(SignInError, match=cause):
        check(result, "account 'anna'")
