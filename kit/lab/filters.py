"""LDAP search filters as predicates, matching the way Active Directory matches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ldaptor.protocols import pureldap
from ldaptor.protocols.ldap import ldaperrors

from kit.lab import distinguished_names as names

_BIT_AND = b"1.2.840.113556.1.4.803"  # LDAP_MATCHING_RULE_BIT_AND, MS-ADTS 3.1.1.3.4.4.1
_BIT_OR = b"1.2.840.113556.1.4.804"
_BINARY = {"objectguid", "objectsid", "thumbnailphoto", "jpegphoto", "photo"}
# Classes whose name in a filter is not the name of their category (MS-ADTS 3.1.1.3.1.3.5).
_CATEGORIES = {"user": "person", "contact": "person", "organizationalunit": "organizational-unit"}


Node = Any
"""A decoded filter of ldaptor, which ships no types."""


class Matchable(Protocol):
    """What a filter looks at."""

    def values(self, attribute: str) -> Sequence[bytes]:
        """Return the values of an attribute given in lower case, none if it is absent."""


Predicate = Callable[[Matchable], bool]


def compile_filter(node: Node) -> Predicate:
    """Turn a decoded filter (RFC 4511 4.5.1.7) into a predicate.

    A comparison with an absent attribute is false and its negation true, as on a domain controller.

    Raises
    ------
    LDAPInappropriateMatching
        If a matching rule is asked for that the lab does not know.
    """
    if isinstance(node, pureldap.LDAPFilter_and):
        parts = [compile_filter(part) for part in node]
        return lambda entry: all(part(entry) for part in parts)
    if isinstance(node, pureldap.LDAPFilter_or):
        parts = [compile_filter(part) for part in node]
        return lambda entry: any(part(entry) for part in parts)
    if isinstance(node, pureldap.LDAPFilter_not):
        inner = compile_filter(node.value)
        return lambda entry: not inner(entry)
    kinds = {
        pureldap.LDAPFilter_present: _present,
        pureldap.LDAPFilter_substrings: _substrings,
        pureldap.LDAPFilter_extensibleMatch: _extensible,
    }
    return kinds.get(type(node), _comparison)(node)


def wanted_guids(node: Node) -> list[bytes] | None:
    """Return the ``objectGUID`` values if a filter is nothing but a choice of them, else None.

    They are indexed: else every hundred people looked up would cost the whole directory.
    """
    if isinstance(node, pureldap.LDAPFilter_or):
        parts = [wanted_guids(part) for part in node]
        return None if None in parts else [guid for part in parts for guid in part or ()]
    is_guid = (
        isinstance(node, pureldap.LDAPFilter_equalityMatch)
        and node.attributeDesc.value.lower() == b"objectguid"
    )
    return [node.assertionValue.value] if is_guid else None


def _present(node: Node) -> Predicate:
    attribute = node.value.decode().lower()
    return lambda entry: bool(entry.values(attribute))


def _comparison(node: Node) -> Predicate:
    attribute, asserted = node.attributeDesc.value.decode().lower(), node.assertionValue.value
    if isinstance(node, pureldap.LDAPFilter_greaterOrEqual):
        return lambda entry: any(_order(value) >= _order(asserted) for value in entry.values(attribute))
    if isinstance(node, pureldap.LDAPFilter_lessOrEqual):
        return lambda entry: any(_order(value) <= _order(asserted) for value in entry.values(attribute))
    if attribute == "objectcategory" and b"=" not in asserted:
        return _category(asserted.decode().lower())
    if attribute in _BINARY:
        return lambda entry: asserted in entry.values(attribute)
    text = _fold(asserted)
    return lambda entry: any(_fold(value) == text for value in entry.values(attribute))


def _category(name: str) -> Predicate:
    """Match ``objectCategory`` by a class's name instead of the category's distinguished name."""
    wanted = _CATEGORIES.get(name, name)
    return lambda entry: any(
        names.leaf(value.decode())[1].lower() == wanted for value in entry.values("objectcategory")
    )


def _substrings(node: Node) -> Predicate:
    attribute = node.type.decode().lower()
    parts = [(type(part), _fold(part.value)) for part in node.substrings]

    def contains(value: str) -> bool:
        position = 0
        for kind, text in parts:
            if kind is pureldap.LDAPFilter_substrings_final:
                return value.endswith(text) and len(value) - len(text) >= position
            found = value.find(text, position)
            if found < 0 or (kind is pureldap.LDAPFilter_substrings_initial and found > 0):
                return False
            position = found + len(text)
        return True

    return lambda entry: any(contains(_fold(value)) for value in entry.values(attribute))


def _extensible(node: Node) -> Predicate:
    rule, attribute = node.matchingRule and node.matchingRule.value, node.type and node.type.value
    asserted = node.matchValue.value
    if rule not in {_BIT_AND, _BIT_OR} or not attribute or not asserted.lstrip(b"-").isdigit():
        raise ldaperrors.LDAPInappropriateMatching(b"matching rule %s" % (rule or b"(none)"))
    attribute, mask = attribute.decode().lower(), int(asserted)
    if rule == _BIT_AND:
        return lambda entry: any(int(value) & mask == mask for value in entry.values(attribute))
    return lambda entry: any(int(value) & mask for value in entry.values(attribute))


def _fold(value: bytes) -> str:
    return value.decode("utf-8", errors="surrogateescape").casefold()


def _order(value: bytes) -> tuple[int, int, str]:
    """Order numbers as numbers and all else, such as times, as text."""
    text = _fold(value)
    return (0, int(text), "") if text.lstrip("-").isdecimal() else (1, 0, text)
