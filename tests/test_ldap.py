import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.endpoint import Endpoint
from kit.errors import ParameterError
from kit.ldap import escape, split_url


@pytest.mark.parametrize(
    "url", ["", "dc1", "http://dc1", "ldap://", "ldap://dc1/DC=x", "ldap://dc1:port", "ldap://dc1:99999"]
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ParameterError, match="ldaps://host"):
        split_url(url)


def test_the_password_is_not_in_a_representation():
    assert "very-secret" not in repr(Endpoint("ldap://dc1", "anna", "very-secret"))


@given(st.binary())
def test_an_escaped_value_comes_back_from_the_filter(value):
    assert bytes.fromhex(escape(value).replace("\\", "")) == value
