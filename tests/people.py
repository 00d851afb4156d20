"""The people and accounts that the directory tests are about."""

from kit.lab.domain import Account, Domain, Entry

DOMAIN = Domain()
BASE = DOMAIN.base_dn
READER = Account("svc-reader", "Reader!pass1")
WRITER = Account("svc-writer", "Writer!pass1", frozenset({"directory-writer"}))
GONE = Account("gone", "Gone!pass1")
ACCOUNTS = (READER, WRITER, GONE)
STAFF = 25
USER_CLASSES = (b"top", b"person", b"organizationalPerson", b"user")


def photo(number: int) -> bytes:
    return b"\xff\xd8\xff\xe0" + bytes([number]) * 3000


def entries() -> list[Entry]:
    return [anna(), gone(), *(staff(number) for number in range(STAFF))]


def anna() -> Entry:
    """One user with every attribute the kit reads, and a comma in the name."""
    return user(
        "Müller\\, Anna",
        "Anna.M",
        displayName="Anna Müller",
        department="Sales",
        mail="anna@contoso.example",
        telephoneNumber="+49 30 1234",
        givenName="Anna",
        sn="Müller",
        thumbnailPhoto=photo(200),
    )


def gone() -> Entry:
    """One user whose account is disabled, without a photo."""
    return user("Gone", "gone", userAccountControl="514")


def staff(number: int) -> Entry:
    return user(f"Staff {number:02}", f"staff{number:02}", department="Support", thumbnailPhoto=photo(number))


def user(common_name: str, account_name: str, **attributes: str | bytes) -> Entry:
    values = {
        "objectClass": USER_CLASSES,
        "sAMAccountName": [account_name.encode()],
        "userPrincipalName": [f"{account_name}@contoso.example".encode()],
        "userAccountControl": [b"512"],
    }
    for name, value in attributes.items():
        values[name] = [value if isinstance(value, bytes) else value.encode()]
    return Entry(f"CN={common_name},OU=Staff,{BASE}", values)


def others() -> list[Entry]:
    """Return a contact, a user that runs a service, and one who is about to leave."""
    contact = {
        "objectClass": [b"top", b"person", b"organizationalPerson", b"contact"],
        "mail": [b"c@partner.example"],
    }
    return [
        Entry(f"CN=Contact,OU=Staff,{BASE}", contact),
        user("Robot", "svc-robot", servicePrincipalName="HTTP/robot.contoso.example"),
        user("Leaver", "leaver", displayName="Leaver", thumbnailPhoto=photo(201)),
    ]
