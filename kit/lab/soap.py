"""The practice farm's SOAP services: UserProfileService and UserProfileChangeService of SharePoint 2016.

Only operations whose messages are known from a source are here; every other one is answered with a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from xml.etree.ElementTree import Element

from kit import soap
from kit.errors import KitError, RightsError
from kit.lab.changes import ChangeRow
from kit.lab.profiles import ProfileStore, StoredProfile
from kit.profiles import normalise_account
from kit.soap import escape

_GUID_TYPE = 'xmlns:q="http://microsoft.com/wsdl/types/" xsi:type="q:guid"'
_EMPTY_GUID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Request:
    """One call: the operation's element, its service's namespace and what the caller may do."""

    element: Element
    namespace: str
    roles: frozenset[str]

    def text(self, name: str) -> str:
        """Return a parameter, empty when it is missing; names are case-sensitive, as XML's are."""
        return self.element.findtext(f"{{{self.namespace}}}{name}") or ""

    def require(self, role: str) -> None:
        """Refuse a caller without a role.

        Raises
        ------
        RightsError
            The caller may not do this.
        """
        if role not in self.roles:
            what = "Attempted to perform an unauthorized operation"
            raise RightsError(what, "Manage Profiles is needed", "grant it in the service application")


Operation = Callable[[ProfileStore, Request], str]


def answer(
    store: ProfileStore, service: str, action: str, message: bytes, roles: frozenset[str]
) -> tuple[int, bytes]:
    """Answer one message.

    Parameters
    ----------
    store : ProfileStore
        The profiles.
    service : str
        ``UserProfileService`` or ``UserProfileChangeService``.
    action : str
        The SOAPAction header, quotes included.
    message : bytes
        The request.
    roles : frozenset[str]
        What the caller may do.

    Returns
    -------
    tuple[int, bytes]
        HTTP status, 500 for a fault as SOAP 1.1 asks, and the response message.
    """
    namespace = soap.namespace(service)
    try:
        element = soap.body(message)
    except KitError as error:
        return _fault("Client", f"Server was unable to read request. {error}")
    name = element.tag.removeprefix(f"{{{namespace}}}")
    if action.strip('"') != f"{namespace}/{name}":
        return _fault("Client", f"Server did not recognize the value of HTTP Header SOAPAction: {action}.")
    operation = _SERVICES[service].get(name)
    if operation is None:
        return _fault("Client", f"{name} is not modelled by this practice server.")
    try:
        result = operation(store, Request(element, namespace, roles))
    except KitError as error:
        return _fault("Server", f"Server was unable to process request. ---> {error.what}. {error.cause}.")
    return 200, soap.envelope(f'<{name}Response xmlns="{namespace}">{result}</{name}Response>')


def _fault(code: str, text: str) -> tuple[int, bytes]:
    return 500, soap.envelope(
        f"<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>{escape(text)}</faultstring>"
        "<detail/></soap:Fault>"
    )


def _property_data(profile: StoredProfile) -> str:
    return "".join(_property(name, value) for name, value in profile.properties.items())


def _property(name: str, value: str) -> str:
    kind = _GUID_TYPE if name == "UserProfile_GUID" else 'xsi:type="xsd:string"'
    values = f"<ValueData><Value {kind}>{escape(value)}</Value></ValueData>" if value else ""
    return (
        "<PropertyData><IsPrivacyChanged>false</IsPrivacyChanged><IsValueChanged>false</IsValueChanged>"
        f"<Name>{escape(name)}</Name><Privacy>Public</Privacy><Values>{values}</Values></PropertyData>"
    )


def _count(store: ProfileStore, _: Request) -> str:
    return f"<GetUserProfileCountResult>{store.count()}</GetUserProfileCountResult>"


def _by_index(store: ProfileStore, request: Request) -> str:
    profile, following = store.at(_integer(request.text("index")))
    found = (
        f"<UserProfile>{_property_data(profile)}</UserProfile><Colleagues/><QuickLinks/>" if profile else ""
    )
    result = f"<NextValue>{following}</NextValue>{found}"
    return f"<GetUserProfileByIndexResult>{result}</GetUserProfileByIndexResult>"


def _integer(text: str) -> int:
    digits = text.strip()
    return int(digits) if digits.removeprefix("-").isdecimal() else 0


def _by_name(store: ProfileStore, request: Request) -> str:
    # A live server wants a capital A here, unlike all sister operations; what it does with the other spelling
    # is not proven: here it is a name that was not given.
    properties = _property_data(store.get(request.text("AccountName")))
    return f"<GetUserProfileByNameResult>{properties}</GetUserProfileByNameResult>"


def _modify(store: ProfileStore, request: Request) -> str:
    request.require("profile-manager")
    at = f"{{{request.namespace}}}"
    properties = {
        data.findtext(f"{at}Name") or "": data.findtext(f"{at}Values/{at}ValueData/{at}Value") or ""
        for data in request.element.iterfind(f"{at}newData/{at}PropertyData")
        if data.findtext(f"{at}IsValueChanged") == "true"
    }
    store.modify(request.text("accountName"), properties)
    return ""


def _create(store: ProfileStore, request: Request) -> str:
    request.require("profile-manager")
    store.create(request.text("accountName"), {})
    properties = _property_data(store.get(request.text("accountName")))
    return f"<CreateUserProfileByAccountNameResult>{properties}</CreateUserProfileByAccountNameResult>"


def _current_token(store: ProfileStore, request: Request) -> str:
    name = request.element.tag.rpartition("}")[2]
    return f"<{name}Result>{store.log.current_token()}</{name}Result>"


def _changes(store: ProfileStore, request: Request) -> str:
    """Answer every operation that reads rows: all or after a token, of everyone or of one account."""
    name = request.element.tag.rpartition("}")[2]
    account = normalise_account(request.text("userAccountName"))
    wanted = _filter(request.element.find(f"{{{request.namespace}}}changeQuery"), request.namespace)
    page = store.log.since(
        request.text("changeToken"),
        lambda row: wanted(row) and account in {"", normalise_account(row.account_name)},
    )
    rows = "".join(_change_data(row) for row in page.rows)
    return (
        f"<{name}Result><Changes>{rows}</Changes><ChangeToken>{page.token}</ChangeToken>"
        f"<HasExceededCountLimit>{str(page.exceeded).lower()}</HasExceededCountLimit></{name}Result>"
    )


def _filter(query: Element | None, namespace: str) -> Callable[[ChangeRow], bool]:
    if query is None:
        return lambda _: True
    flags = {child.tag.removeprefix(f"{{{namespace}}}") for child in query if child.text == "true"}
    types = {"Add": "Add", "Update": "Modify", "Delete": "Delete"}
    change_types = {types[flag] for flag in flags & set(types)}
    return lambda row: row.object_type in flags and row.change_type in change_types


def _change_data(row: ChangeRow) -> str:
    return (
        f"<UserProfileChangeData><Id>{row.event}</Id><UserAccountName>{escape(row.account_name)}</UserAccountName>"
        f"<UserRemotePersonalSiteHostUrl/><ChangeType>{row.change_type}</ChangeType>"
        f"<ObjectType>{row.object_type}</ObjectType>"
        f"<EventTime>{row.time.isoformat().replace('+00:00', 'Z')}</EventTime>"
        f'<Value xsi:type="xsd:string">{escape(row.value)}</Value><PolicyId>{_EMPTY_GUID}</PolicyId>'
        f"<PropertyName>{escape(row.property_name)}</PropertyName></UserProfileChangeData>"
    )


_SERVICES: Mapping[str, Mapping[str, Operation]] = MappingProxyType(
    {
        "UserProfileService": {
            "GetUserProfileCount": _count,
            "GetUserProfileByIndex": _by_index,
            "GetUserProfileByName": _by_name,
            "ModifyUserPropertyByAccountName": _modify,
            "CreateUserProfileByAccountName": _create,
        },
        "UserProfileChangeService": {
            "GetCurrentChangeToken": _current_token,
            "GetUserCurrentChangeToken": _current_token,
            "GetAllChanges": _changes,
            "GetUserAllChanges": _changes,
            "GetChanges": _changes,
            "GetUserChanges": _changes,
        },
    }
)
