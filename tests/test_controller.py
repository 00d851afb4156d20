"""What a domain controller says of itself: the same on both servers; and what only its address tells."""

import pytest

from kit.directory import Directory, DomainName
from kit.endpoint import Endpoint


def test_domains_are_told_without_the_other_naming_contexts(full_reader):
    assert full_reader.domains() == [DomainName("contoso.example", "CONTOSO", "DC=contoso,DC=example")]


@pytest.mark.parametrize(
    ("url", "is_catalog"),
    [
        ("ldap://dc1.contoso.example", False),
        ("ldaps://dc1.contoso.example:636", False),
        ("ldap://dc1.contoso.example:3268", True),
        ("ldaps://dc1.contoso.example:3269", True),
    ],
)
def test_a_global_catalogue_is_known_by_its_port_and_warned_of(url, is_catalog, caplog):
    with Directory(Endpoint(url, "anna", "password"), clear_text=True) as directory:
        assert directory.is_global_catalog == is_catalog
    assert (f"{url} is a global catalogue, which holds no photos" in caplog.text) == is_catalog
