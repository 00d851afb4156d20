"""The practice farm's SOAP services: UserProfileService and UserProfileChangeService of SharePoint 2016.

Only operations whose messages are known from a source are here; every other one is answered with a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from xml.etree.ElementTree import Element

from kit import soap
from kit.errors import KitError, NotFoundError, RightsError
from kit.lab.changes import ChangeRow
from kit.lab.profiles import ProfileStore, StoredProfile
from kit.lab.variant import Variant
from kit.profiles import normalise_account
from kit.soap import escape

_GUID_TYPE = 'xmlns:q="http://microsoft.com/wsdl/types/" xsi:type="q:guid"'
_EMPTY_GUID = "00000000-0000-0000-0000-000000000000"
_CONTENT_TYPE_12 = "application/soap+xml"
_WRITES = frozenset({"ModifyUserPropertyByAccountName", "CreateUserProfileByAccountName"})


@dataclass(frozen=True)
class Call:
    """One message as it came in, and from whom.

    Parameters
    ----------
    content_type, action : str
        The headers; ``action`` is ``SOAPAction``, which SOAP 1.2 has in the content type instead.
    message : bytes
        The request.
    user : str
        The caller's account.
    roles : frozenset[str]
        What the caller may do.
    """

    content_type: str
    action: str
    message: bytes
    user: str
    roles: frozenset[str]

    @property
    def is_newer(self) -> bool:
        """Whether the message is SOAP 1.2."""
        return self.content_type.lower().startswith(_CONTENT_TYPE_12)

    @property
    def version(self) -> str:
        """The namespace of the message's envelope."""
        return soap.ENVELOPE_12 if self.is_newer else soap.ENVELOPE

    @property
    def named_action(self) -> str:
        """The action without its quotes; empty where SOAP 1.2 leaves it out."""
        if not self.is_newer:
            return self.action.strip('"')
        found = re.search(r'action="?([^";]*)', self.content_type)
        return found[1] if found else ""


@dataclass(frozen=True)
class Request:
    """One operation's element, its service's namespace, who asks and what kind of farm is asked."""

    element: Element
    namespace: str
    call: Call
    variant: Variant

    def text(self, name: str) -> str:
        """Return a parameter, empty when it is missing; names are case-sensitive, as XML's are."""
        return self.element.findtext(f"{{{self.namespace}}}{name}") or ""

    def account(self, name: str = "accountName") -> str:
        """Return the account in a parameter; the caller's own where there is none (MS-UPSWS 3.1.4.28)."""
        return self.text(name) or self.call.user


Operation = Callable[[ProfileStore, Request], str]


def answer(store: ProfileStore, service: str, call: Call, variant: Variant) -> tuple[int, str, bytes]:
    """Answer one message.

    Parameters
    ----------
    store : ProfileStore
        The profiles.
    service : str
        ``UserProfileService`` or ``UserProfileChangeService``.
    call : Call
        The message.
    variant : Variant
        The farm's choices.

    Returns
    -------
    tuple[int, str, bytes]
        HTTP status, 500 for a fault as SOAP 1.1 asks; content type; the response message.
    """
    content_type = f"{_CONTENT_TYPE_12 if call.is_newer else 'text/xml'}; charset=utf-8"
    status, content = _content(store, service, call, variant)
    return status, content_type, soap.envelope(content, call.version)


def _content(store: ProfileStore, service: str, call: Call, variant: Variant) -> tuple[int, str]:
    namespace = soap.namespace(service)
    try:
        element = soap.body(call.message, call.version)
    except KitError as error:
        return _fault(call, "Client", f"Server was unable to read request. {error}")
    name = element.tag.removeprefix(f"{{{namespace}}}")
    unnamed = call.is_newer and not call.named_action
    if call.named_action != f"{namespace}/{name}" and not unnamed:
        reason = f"Server did not recognize the value of HTTP Header SOAPAction: {call.action}."
        return _fault(call, "Client", reason)
    operation = _SERVICES[service].get(name)
    if operation is None:
        return _fault(call, "Client", f"{name} is not modelled by this practice server.")
    try:
        request = Request(element, namespace, call, variant)
        if name in _WRITES | variant.guarded and not _is_owners(name, request):
            _require(call.roles, "profile-manager")
        result = operation(store, request)
    except KitError as error:
        reason = f"Server was unable to process request. ---> {error.what}. {error.cause}."
        return _fault(call, "Server", reason)
    return 200, f'<{name}Response xmlns="{namespace}">{result}</{name}Response>'


def _is_owners(name: str, request: Request) -> bool:
    """Say whether somebody writes nothing but what may be edited of the own profile."""
    variant = request.variant
    editable = {"PictureURL": variant.picture_user_editable, "WorkPhone": variant.phone_user_editable}
    own = normalise_account(request.account()) == normalise_account(request.call.user)
    return (
        name == "ModifyUserPropertyByAccountName"
        and own
        and all(editable.get(one) for one in _changed(request))
    )


def _require(roles: frozenset[str], role: str) -> None:
    if role not in roles:
        what = "Attempted to perform an unauthorized operation"
        raise RightsError(what, "Manage Profiles is needed", "grant it in the service application")


def _fault(call: Call, code: str, text: str) -> tuple[int, str]:
    if call.is_newer:
        role = {"Client": "Sender", "Server": "Receiver"}[code]
        return 500, (
            f"<soap:Fault><soap:Code><soap:Value>soap:{role}</soap:Value></soap:Code><soap:Reason>"
            f'<soap:Text xml:lang="en">{escape(text)}</soap:Text></soap:Reason><soap:Detail/></soap:Fault>'
        )
    return 500, (
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
    index = _integer(request.text("index"))
    profile, following = store.at(index) if index >= request.variant.first_index else (None, -1)
    gone = profile is not None and profile.record > index > 0
    if profile and gone and request.variant.deleted_records_lead_on:
        following, profile = profile.record, None
    links = "<Colleagues/><QuickLinks/><PinnedLinks/><Memberships/>"
    found = f"<UserProfile>{_property_data(profile)}</UserProfile>{links}" if profile else ""
    result = f"<NextValue>{following}</NextValue>{found}"
    return f"<GetUserProfileByIndexResult>{result}</GetUserProfileByIndexResult>"


def _integer(text: str) -> int:
    digits = text.strip()
    return int(digits) if digits.removeprefix("-").isdecimal() else 0


def _by_name(store: ProfileStore, request: Request) -> str:
    properties = _property_data(store.get(request.account(request.variant.name_parameter)))
    return f"<GetUserProfileByNameResult>{properties}</GetUserProfileByNameResult>"


def _property_by_name(store: ProfileStore, request: Request) -> str:
    name, stored = request.text("propertyName"), store.get(request.account())
    if name not in stored.properties:
        what = f"Property Not Found: {name}"
        raise NotFoundError(what, "there is no such property", "read the schema")
    data = _property_data(replace(stored, properties={name: stored.properties[name]}))
    return data.replace("PropertyData>", "GetUserPropertyByAccountNameResult>")


def _schema(_: ProfileStore, request: Request) -> str:
    properties = "".join(
        _property_info(name, editable=name == "PictureURL" and request.variant.picture_user_editable)
        for name in ("UserProfile_GUID", "AccountName", "PreferredName", "PictureURL", "SPS-PictureTimestamp")
    )
    return f"<GetUserProfileSchemaResult>{properties}</GetUserProfileSchemaResult>"


def _property_info(name: str, *, editable: bool) -> str:
    kind = {"UserProfile_GUID": "unique identifier", "AccountName": "Person", "PictureURL": "URL"}
    flags = {
        "IsAlias": False,
        "IsColleagueEventLog": False,
        "IsRequired": name in {"UserProfile_GUID", "AccountName"},
        "IsUserEditable": editable,
        "IsVisibleOnEditor": editable,
        "IsVisibleOnViewer": True,
        "IsReplicable": True,
        "UserOverridePrivacy": False,
    }
    described = "".join(f"<{flag}>{str(value).lower()}</{flag}>" for flag, value in flags.items())
    return (
        f"<PropertyInfo><Name>{name}</Name><DisplayName>{name}</DisplayName>"
        f"<Type>{kind.get(name, 'string')}</Type><AllowPolicyOverride>false</AllowPolicyOverride>"
        f"<DefaultPrivacy>Public</DefaultPrivacy>{described}<Length>2048</Length><IsImported>false</IsImported>"
        "<IsMultiValue>false</IsMultiValue><ChoiceType>Off</ChoiceType></PropertyInfo>"
    )


def _modify(store: ProfileStore, request: Request) -> str:
    store.modify(request.account(), _changed(request))
    return ""


def _changed(request: Request) -> dict[str, str]:
    """Return the properties that a message changes, with their new values."""
    at = f"{{{request.namespace}}}"
    return {
        data.findtext(f"{at}Name") or "": data.findtext(f"{at}Values/{at}ValueData/{at}Value") or ""
        for data in request.element.iterfind(f"{at}newData/{at}PropertyData")
        if data.findtext(f"{at}IsValueChanged") == "true"
    }


def _create(store: ProfileStore, request: Request) -> str:
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
            "GetUserPropertyByAccountName": _property_by_name,
            "GetUserProfileSchema": _schema,
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
