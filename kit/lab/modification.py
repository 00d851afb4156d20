"""Changes to one object: checked against the schema, refused in a domain controller's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ldaptor.protocols.ldap import ldaperrors

ADD, DELETE, REPLACE = 0, 1, 2
Change = tuple[int, str, Sequence[bytes]]
"""One part of a modification: operation (RFC 4511 4.6), attribute, values."""

MAX_PHOTO = 102_400  # rangeUpper of thumbnailPhoto
_SINGLE_VALUED = {"thumbnailphoto", "displayname", "department", "telephonenumber", "givenname", "sn", "mail"}
_PERSONS = {b"organizationalperson", b"user", b"contact", b"computer"}
_SYSTEM_ONLY = {
    "cn",
    "distinguishedname",
    "isdeleted",
    "lastknownparent",
    "name",
    "objectcategory",
    "objectguid",
    "objectsid",
    "usnchanged",
    "usncreated",
    "whenchanged",
    "whencreated",
}


def outcome(
    changes: Iterable[Change], current: Callable[[str], Sequence[bytes]]
) -> list[tuple[str, list[bytes]]]:
    """Work out what a modification, taken as a whole, makes of the attributes it touches.

    Parameters
    ----------
    changes : iterable of Change
        One after the other, each on what the one before left.
    current : callable
        Gives the values of an attribute in lower case.

    Returns
    -------
    list of (str, list of bytes)
        Attribute and all its values.

    Raises
    ------
    LDAPException
        The one a domain controller answers with.
    """
    after: dict[str, tuple[str, list[bytes]]] = {}
    for operation, attribute, values in changes:
        lower = attribute.lower()
        if lower in _SYSTEM_ONLY:
            text = f"0000209A: AtrErr: {attribute} is owned by the system"
            raise ldaperrors.LDAPUnwillingToPerform(text)
        before = after[lower][1] if lower in after else list(current(lower))
        after[lower] = attribute, _changed(operation, lower, before, values)
    if after.get("thumbnailphoto", ("", []))[1]:
        _check_class(current("objectclass"))
    for lower, (_, values) in after.items():
        _check_values(lower, values)
    return list(after.values())


def _changed(operation: int, attribute: str, current: list[bytes], values: Sequence[bytes]) -> list[bytes]:
    if operation == REPLACE:
        return list(values)
    if operation == ADD:
        if set(current) & set(values) or (current and attribute in _SINGLE_VALUED):
            problem = _problem("00002083", "1006 (ATT_OR_VALUE_EXISTS)", attribute)
            raise ldaperrors.LDAPAttributeOrValueExists(problem)
        return [*current, *values]
    if not current or not set(values) <= set(current):
        problem = _problem("00002085", "1001 (NO_ATTRIBUTE_OR_VAL)", attribute)
        raise ldaperrors.LDAPNoSuchAttribute(problem)
    return [value for value in current if values and value not in values]


def _check_class(classes: Sequence[bytes]) -> None:
    """Refuse a photo for what is no person: thumbnailPhoto belongs to organizationalPerson (MS-ADSC)."""
    if not _PERSONS & {name.lower() for name in classes}:
        text = "0000207D: UpdErr: DSID-0315166D, problem 6002 (OBJ_CLASS_VIOLATION), data 0\n"
        raise ldaperrors.LDAPObjectClassViolation(text)


def _check_values(attribute: str, values: Sequence[bytes]) -> None:
    """Refuse what the schema does not allow."""
    problem = _problem("00002082", "1005 (CONSTRAINT_ATT_TYPE)", attribute)
    if attribute == "thumbnailphoto" and any(len(value) > MAX_PHOTO for value in values):
        problem += f":len {max(map(len, values))}"
        raise ldaperrors.LDAPConstraintViolation(problem)
    if attribute in _SINGLE_VALUED and len(values) > 1:
        raise ldaperrors.LDAPConstraintViolation(problem)


def _problem(code: str, problem: str, attribute: str) -> str:
    """Word a refused value as a Windows domain controller does."""
    detail = f"{code}: DSID-03151907, problem {problem}, data 0, Att ({attribute})"
    return f"{code}: AtrErr: DSID-03151907, #1:\n\t0: {detail}"
