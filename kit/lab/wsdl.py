"""What the practice farm's SOAP services say of themselves: WSDL 1.1, bound to SOAP 1.1 and SOAP 1.2.

Types and operations are those of MS-UPSWS and MS-USRPCH with the additions of live servers; of the operations
only those that the farm answers are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from kit import soap

AUTHENTICATION = "Authentication"
"""The service of zones with a login form; it is here described for SOAP 1.1 only."""
_AUTHENTICATION_SPACE = "http://schemas.microsoft.com/sharepoint/soap/"
_GUID_SPACE = "http://microsoft.com/wsdl/types/"
_SCHEMA_TYPES = frozenset({"boolean", "dateTime", "int", "long", "string"})
_GUID_SCHEMA = (
    f'<s:schema elementFormDefault="qualified" targetNamespace="{_GUID_SPACE}"><s:simpleType name="guid">'
    '<s:restriction base="s:string"><s:pattern value="[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"/>'
    "</s:restriction></s:simpleType></s:schema>"
)

# A field is "name:type", with an exclamation mark where it is never left out; "any" has no type.
_RECORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "UserProfileService": {
            "GetUserProfileByIndexResult": "NextValue:string UserProfile:ArrayOfPropertyData "
            "Colleagues:ArrayOfContactData QuickLinks:ArrayOfQuickLinkData "
            "PinnedLinks:ArrayOfPinnedLinkData Memberships:ArrayOfMembershipData",
            "PropertyData": "IsPrivacyChanged:boolean! IsValueChanged:boolean! Name:string Privacy:Privacy! "
            "Values:ArrayOfValueData",
            "ValueData": "Value:any",
            "ContactData": "AccountName:string Privacy:Privacy! Name:string IsInWorkGroup:boolean! "
            "Group:string Email:string Title:string Url:string UserProfileID:guid! ID:long!",
            "QuickLinkData": "Name:string Group:string Privacy:Privacy! Url:string ID:long!",
            "PinnedLinkData": "Name:string Url:string ID:long!",
            "MembershipData": "Source:MembershipSource! MemberGroup:MemberGroupData Group:string "
            "DisplayName:string Privacy:Privacy! MailNickname:string Url:string ID:long! MemberGroupID:long!",
            "MemberGroupData": "SourceInternal:guid! SourceReference:string",
            "PropertyInfo": "Name:string Description:string DisplayOrder:int MaximumShown:int "
            "IsAdminEditable:boolean IsSearchable:boolean IsSystem:boolean ManagedPropertyName:string "
            "DisplayName:string Type:string AllowPolicyOverride:boolean! DefaultPrivacy:Privacy! "
            "IsAlias:boolean! IsColleagueEventLog:boolean! IsRequired:boolean! IsUserEditable:boolean! "
            "IsVisibleOnEditor:boolean! IsVisibleOnViewer:boolean! IsReplicable:boolean! "
            "UserOverridePrivacy:boolean! Length:int! IsImported:boolean! IsMultiValue:boolean! "
            "ChoiceType:ChoiceTypes! TermSetId:guid",
        },
        "UserProfileChangeService": {
            "UserProfileChangeDataContainer": "Changes:ArrayOfUserProfileChangeData ChangeToken:string "
            "HasExceededCountLimit:boolean!",
            "UserProfileChangeData": "Id:long! UserAccountName:string UserRemotePersonalSiteHostUrl:string "
            "ChangeType:ChangeTypes! ObjectType:ObjectTypes! EventTime:dateTime! Value:any PolicyId:guid! "
            "PropertyName:string",
            "ProfileBaseChangeQuery": "SingleValueProperty:boolean! MultiValueProperty:boolean! "
            "Custom:boolean! Add:boolean! Update:boolean! UpdateMetadata:boolean! Delete:boolean! "
            "ChangeTokenStart:UserProfileChangeToken",
            "UserProfileChangeToken": "",
        },
        AUTHENTICATION: {
            "LoginResult": "CookieName:string ErrorCode:LoginErrorCode! TimeoutSeconds:int",
        },
    }
)
_EXTENSIONS: Mapping[str, Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "UserProfileChangeService": {
            "UserProfileChangeQuery": (
                "ProfileBaseChangeQuery",
                (
                    "Anniversary:boolean! DistributionListMembership:boolean! SiteMembership:boolean! "
                    "QuickLink:boolean! Colleague:boolean! WebLog:boolean! PersonalizationSite:boolean! "
                    "UserProfile:boolean! OrganizationMembership:boolean!"
                ),
            )
        }
    }
)
_ARRAYS: Mapping[str, str] = MappingProxyType(
    {
        "UserProfileService": "PropertyData ValueData ContactData QuickLinkData PinnedLinkData "
        "MembershipData PropertyInfo",
        "UserProfileChangeService": "UserProfileChangeData",
    }
)
_CHOICES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "UserProfileService": {
            "Privacy": "Public Private Contacts Organization Manager Elevated NotSet",
            "MembershipSource": "DistributionList SharePointSite Other",
            "ChoiceTypes": "Off None Open Closed",
        },
        AUTHENTICATION: {
            "LoginErrorCode": "NoError NotInFormsAuthenticationMode PasswordNotMatch",
            "AuthenticationMode": "None Windows Passport Forms",
        },
    }
)
_SETS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "UserProfileChangeService": {
            "ChangeTypes": "None Add Modify Delete Metadata All",
            "ObjectTypes": "None SingleValueProperty MultiValueProperty Anniversary DLMembership "
            "SiteMembership QuickLink Colleague PersonalizationSite UserProfile WebLog Custom "
            "OrganizationProfile OrganizationMembership All",
        },
    }
)
_CONTAINER = "UserProfileChangeDataContainer"
# Parameters, and the type of the result; an operation without a result has an empty response.
_OPERATIONS: Mapping[str, Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "UserProfileService": {
            "GetUserProfileCount": ("", "long!"),
            "GetUserProfileByIndex": ("index:int!", "GetUserProfileByIndexResult"),
            "GetUserProfileByName": ("AccountName:string", "ArrayOfPropertyData"),
            "GetUserPropertyByAccountName": ("accountName:string propertyName:string", "PropertyData"),
            "GetUserProfileSchema": ("", "ArrayOfPropertyInfo"),
            "CreateUserProfileByAccountName": ("accountName:string", "ArrayOfPropertyData"),
            "ModifyUserPropertyByAccountName": ("accountName:string newData:ArrayOfPropertyData", ""),
        },
        "UserProfileChangeService": {
            "GetCurrentChangeToken": ("", "string"),
            "GetUserCurrentChangeToken": ("userAccountName:string", "string"),
            "GetAllChanges": ("", _CONTAINER),
            "GetUserAllChanges": ("userAccountName:string", _CONTAINER),
            "GetChanges": ("changeToken:string changeQuery:UserProfileChangeQuery", _CONTAINER),
            "GetUserChanges": (
                "userAccountName:string changeToken:string changeQuery:UserProfileChangeQuery",
                _CONTAINER,
            ),
        },
        AUTHENTICATION: {
            "Mode": ("", "AuthenticationMode!"),
            "Login": ("username:string password:string", "LoginResult!"),
        },
    }
)


def describe(service: str, address: str, name_parameter: str = "AccountName") -> bytes:
    """Return the description of one service.

    Parameters
    ----------
    service : str
        ``UserProfileService``, ``UserProfileChangeService`` or ``Authentication``.
    address : str
        Where its messages go.
    name_parameter : str
        What ``GetUserProfileByName`` calls its parameter; see `kit.lab.variant.Variant`.
    """
    space = _AUTHENTICATION_SPACE if service == AUTHENTICATION else soap.namespace(service)
    operations = {
        name: (parameters.replace("AccountName", name_parameter), result)
        if name == "GetUserProfileByName"
        else (parameters, result)
        for name, (parameters, result) in _OPERATIONS[service].items()
    }
    port = f"{service}Soap"
    bindings = {"soap": port} if service == AUTHENTICATION else {"soap": port, "soap12": f"{port}12"}
    bound = "".join(_binding(version, name, port, space, operations) for version, name in bindings.items())
    ports = "".join(_port(version, name, address) for version, name in bindings.items())
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:tns="{space}" '
        f'xmlns:s="http://www.w3.org/2001/XMLSchema" xmlns:g="{_GUID_SPACE}" '
        'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" '
        f'xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" targetNamespace="{space}">'
        f"<wsdl:types>{_schema(service, space, operations)}{_GUID_SCHEMA}</wsdl:types>"
        f"{''.join(_messages(name) for name in operations)}"
        f'<wsdl:portType name="{port}">{"".join(_abstract(name) for name in operations)}</wsdl:portType>'
        f'{bound}<wsdl:service name="{service}">{ports}</wsdl:service></wsdl:definitions>'
    ).encode()


def _schema(service: str, space: str, operations: Mapping[str, tuple[str, str]]) -> str:
    types = [
        *(_record(name, fields) for name, fields in _RECORDS[service].items()),
        *(_extension(name, *parts) for name, parts in _EXTENSIONS.get(service, {}).items()),
        *(_array(name) for name in _ARRAYS.get(service, "").split()),
        *(_choice(name, values) for name, values in _CHOICES.get(service, {}).items()),
        *(_set(name, values) for name, values in _SETS.get(service, {}).items()),
        *(_wrappers(name, *parts) for name, parts in operations.items()),
    ]
    return (
        f'<s:schema elementFormDefault="qualified" targetNamespace="{space}">'
        f'<s:import namespace="{_GUID_SPACE}"/>{"".join(types)}</s:schema>'
    )


def _field(field: str) -> str:
    name, _, kind = field.partition(":")
    least, kind = (1, kind[:-1]) if kind.endswith("!") else (0, kind)
    return f'<s:element minOccurs="{least}" maxOccurs="1" name="{name}"{_type(kind)}/>'


def _type(kind: str) -> str:
    if kind == "any":
        return ""
    prefix = "s" if kind in _SCHEMA_TYPES else "g" if kind == "guid" else "tns"
    return f' type="{prefix}:{kind}"'


def _sequence(fields: str) -> str:
    return f"<s:sequence>{''.join(map(_field, fields.split()))}</s:sequence>"


def _record(name: str, fields: str) -> str:
    return f'<s:complexType name="{name}">{_sequence(fields)}</s:complexType>'


def _extension(name: str, base: str, fields: str) -> str:
    content = f'<s:extension base="tns:{base}">{_sequence(fields)}</s:extension>'
    return f'<s:complexType name="{name}"><s:complexContent>{content}</s:complexContent></s:complexType>'


def _array(of: str) -> str:
    element = f'<s:element minOccurs="0" maxOccurs="unbounded" name="{of}" nillable="true" type="tns:{of}"/>'
    return f'<s:complexType name="ArrayOf{of}"><s:sequence>{element}</s:sequence></s:complexType>'


def _restriction(values: Iterable[str]) -> str:
    return f'<s:restriction base="s:string">{"".join(map(_enumeration, values))}</s:restriction>'


def _enumeration(value: str) -> str:
    return f'<s:enumeration value="{value}"/>'


def _choice(name: str, values: str) -> str:
    return f'<s:simpleType name="{name}">{_restriction(values.split())}</s:simpleType>'


def _set(name: str, values: str) -> str:
    inner = f"<s:list><s:simpleType>{_restriction(values.split())}</s:simpleType></s:list>"
    return f'<s:simpleType name="{name}">{inner}</s:simpleType>'


def _wrappers(name: str, parameters: str, result: str) -> str:
    return _wrapper(name, parameters) + _wrapper(
        f"{name}Response", f"{name}Result:{result}" if result else ""
    )


def _wrapper(name: str, fields: str) -> str:
    return f'<s:element name="{name}"><s:complexType>{_sequence(fields)}</s:complexType></s:element>'


def _messages(name: str) -> str:
    return "".join(
        f'<wsdl:message name="{name}{way}"><wsdl:part name="parameters" element="tns:{element}"/>'
        "</wsdl:message>"
        for way, element in (("SoapIn", name), ("SoapOut", f"{name}Response"))
    )


def _abstract(name: str) -> str:
    ends = f'<wsdl:input message="tns:{name}SoapIn"/><wsdl:output message="tns:{name}SoapOut"/>'
    return f'<wsdl:operation name="{name}">{ends}</wsdl:operation>'


def _binding(version: str, name: str, port: str, space: str, operations: Iterable[str]) -> str:
    body, action = f'<{version}:body use="literal"/>', space.rstrip("/")
    bound = "".join(
        f'<wsdl:operation name="{operation}">'
        f'<{version}:operation soapAction="{action}/{operation}" style="document"/>'
        f"<wsdl:input>{body}</wsdl:input><wsdl:output>{body}</wsdl:output></wsdl:operation>"
        for operation in operations
    )
    transport = f'<{version}:binding transport="http://schemas.xmlsoap.org/soap/http"/>'
    return f'<wsdl:binding name="{name}" type="tns:{port}">{transport}{bound}</wsdl:binding>'


def _port(version: str, name: str, address: str) -> str:
    location = f'<{version}:address location="{address}"/>'
    return f'<wsdl:port name="{name}" binding="tns:{name}">{location}</wsdl:port>'
