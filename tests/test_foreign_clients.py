"""Clients that are not ours read the practice farm: it must not bend the protocol to please our own."""

import pytest
import requests
import zeep
from office365.sharepoint.client_context import ClientContext
from office365.sharepoint.userprofiles.people_manager import PeopleManager
from profile_farm import ANNA, BERIT, CARL, MANAGER, PASSWORD, running, signed_in
from requests_ntlm import HttpNtlmAuth
from zeep.exceptions import Fault
from zeep.transports import Transport

from kit.lab.forms import FormsZone
from kit.lab.search import PEOPLE_SOURCE
from kit.lab.variant import Variant

CLAIM = r"i:0#.w|contoso\anna"


@pytest.fixture(scope="module")
def farm():
    with running() as farm:
        yield farm


@pytest.fixture
def ours(farm):
    with signed_in(farm) as client:
        yield client


# SOAP: zeep, which knows of the services only what they say of themselves


@pytest.fixture
def session():
    with requests.Session() as session:
        session.trust_env = False
        session.auth = HttpNtlmAuth(MANAGER, PASSWORD)
        yield session


@pytest.fixture(params=["Soap", "Soap12"])
def profiles(farm, session, request):
    return bound(farm, session, "UserProfileService", request.param)


@pytest.fixture
def changes(farm, session):
    return bound(farm, session, "UserProfileChangeService", "Soap")


def bound(farm, session, service, port):
    address = f"{farm.url}/_vti_bin/{service}.asmx?wsdl"
    return zeep.Client(address, transport=Transport(session=session)).bind(service, f"{service}{port}")


def read(property_data):
    return {
        data.Name: "|".join(value.Value for value in data.Values.ValueData) if data.Values else ""
        for data in property_data
    }


def test_zeep_counts_as_we_do(profiles, ours):
    assert profiles.GetUserProfileCount() == ours.count() == 3


def test_zeep_walks_through_the_same_profiles(profiles, ours):
    walked, index = [], "-1"
    while not walked or index != "-1":
        result = profiles.GetUserProfileByIndex(index=int(index))
        walked.append(read(result.UserProfile.PropertyData))
        index = result.NextValue
    assert walked == [profile.properties for profile in ours.profiles()]


@pytest.mark.parametrize("name", [ANNA, CLAIM])
def test_zeep_reads_a_profile_by_name(profiles, ours, name):
    assert read(profiles.GetUserProfileByName(AccountName=name)) == ours.profile(name).properties


@pytest.mark.parametrize("spelling", ["AccountName", "accountName"])
def test_the_service_describes_the_parameter_that_it_reads(farm, session, ours, spelling):
    farm.variant = Variant(name_parameter=spelling)
    service = bound(farm, session, "UserProfileService", "Soap")
    found = read(service.GetUserProfileByName(**{spelling: BERIT}))
    assert found == ours.profile(BERIT).properties
    farm.variant = Variant()


def test_zeep_reads_one_property(profiles):
    found = profiles.GetUserPropertyByAccountName(accountName=ANNA, propertyName="Department")
    assert read([found]) == {"Department": "R&D"}


def test_zeep_reads_the_schema(profiles):
    schema = {described.Name: described for described in profiles.GetUserProfileSchema()}
    assert (schema["PictureURL"].Type, schema["PictureURL"].IsUserEditable) == ("URL", True)


def test_zeep_writes_a_property(profiles, farm):
    values = {"ValueData": [{"Value": "+49 30 7"}]}
    data = {"IsPrivacyChanged": False, "IsValueChanged": True, "Name": "WorkPhone", "Privacy": "NotSet"}
    changed = {"PropertyData": [{**data, "Values": values}]}
    profiles.ModifyUserPropertyByAccountName(accountName=CARL, newData=changed)
    assert farm.store.get(CARL).properties["WorkPhone"] == "+49 30 7"


def test_zeep_is_told_of_an_unknown_account(profiles):
    with pytest.raises(Fault, match="could not be found"):
        profiles.GetUserProfileByName(AccountName="CONTOSO\\nobody")


def test_zeep_is_told_of_a_token_that_is_no_good(changes):
    with pytest.raises(Fault, match="is not valid"):
        changes.GetChanges(changeToken="rubbish", changeQuery=query())


def query():
    flags = ("MultiValueProperty", "Custom", "UpdateMetadata", "Anniversary", "DistributionListMembership")
    links = ("SiteMembership", "QuickLink", "Colleague", "WebLog", "PersonalizationSite")
    wanted = ("SingleValueProperty", "Add", "Update", "Delete", "UserProfile")
    return {**dict.fromkeys((*flags, *links, "OrganizationMembership"), False), **dict.fromkeys(wanted, True)}


def test_zeep_drains_the_change_log_to_the_same_rows(changes, ours, farm):
    token = changes.GetCurrentChangeToken()
    for number in range(5):
        farm.store.modify(BERIT, {"WorkPhone": str(number)})
    rows, limits, following = [], [], token
    while True:
        page = changes.GetChanges(changeToken=following, changeQuery=query())
        if not page.Changes:
            break
        rows += page.Changes.UserProfileChangeData
        limits.append(page.HasExceededCountLimit)
        following = page.ChangeToken
    found = [(row.Id, row.UserAccountName, row.ChangeType, row.PropertyName, row.Value) for row in rows]
    told = ours.changes(token).changes
    assert found == [
        (row.event, BERIT, sorted(row.change_types), row.property_name, row.value) for row in told
    ]
    assert limits == [True, False]


@pytest.mark.parametrize(
    ("password", "error"), [(PASSWORD, "NoError"), ("not the password", "PasswordNotMatch")]
)
def test_zeep_signs_in_by_forms(password, error):
    with running() as farm, requests.Session() as session:
        farm.zone = FormsZone(farm.credentials, farm.url)
        session.trust_env = False
        transport = Transport(session=session)
        service = zeep.Client(f"{farm.url}/_vti_bin/Authentication.asmx?wsdl", transport=transport).service
        assert service.Mode() == "Forms"
        assert service.Login(username=ANNA, password=password).ErrorCode == error


# REST: Office365-REST-Python-Client, in its way of reaching a farm on premises


@pytest.fixture
def context(farm):
    with requests.Session() as session:
        session.trust_env = False
        context = ClientContext(farm.url, allow_ntlm=True).with_user_credentials(ANNA, PASSWORD)
        yield context.with_transport(session=session)


@pytest.fixture
def people(context):
    return PeopleManager(context)


@pytest.mark.parametrize("name", [CLAIM, ANNA])
def test_the_rest_client_reads_the_same_properties(people, ours, name):
    person = people.get_properties_for(name).execute_query()
    assert person.user_profile_properties == ours.properties_for(name).properties


def test_the_rest_client_reads_the_fields_of_a_person(people, ours):
    person = people.get_properties_for(CLAIM).execute_query()
    stored = ours.profile(ANNA)
    busted = f"{stored.picture_url}?t={stored.properties['SPS-PictureTimestamp']}"
    assert (person.account_name, person.display_name, person.picture_url) == (
        CLAIM,
        stored.display_name,
        busted,
    )


def test_the_rest_client_reads_one_property(people, ours):
    found = people.get_user_profile_property_for(CLAIM, "PictureURL").execute_query()
    assert found.value == ours.profile(ANNA).picture_url


def test_the_rest_client_finds_nothing_for_an_unknown_account(people):
    person = people.get_properties_for(r"i:0#.w|contoso\nobody").execute_query()
    assert person.account_name is None


def test_the_rest_client_reads_the_web(context, farm):
    assert context.web.get().execute_query().url == farm.url


def test_the_rest_client_searches_for_the_same_people(context, ours):
    found = context.search.query(
        "*", source_id=PEOPLE_SOURCE, row_limit=10, select_properties=["AccountName", "PictureURL"]
    ).execute_query()
    rows = [(row.Cells["AccountName"], row.Cells["PictureURL"] or "") for row in found.value.rows]
    assert rows == [(person.account_name, person.picture_url) for person in ours.search_people()]
