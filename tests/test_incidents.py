"""Errors of single objects out of RunDetails XML."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import incidents
from kit.errors import ProtocolError
from tests.observations import observe, run

EXPORT = """
<export-error cs-guid="{7}" dn="CN=Anna,OU=Staff,DC=contoso,DC=com"><date-occurred>2024-05-01 10:00:00.123
</date-occurred><error-type>permission-issue</error-type><cd-error><error-code>8344</error-code>
<error-literal>Insufficient access rights</error-literal></cd-error></export-error>
"""
IMPORT = """
<import-error cs-guid="{8}" dn="anna"><date-occurred>2024-05-01 10:00:01.000</date-occurred>
<error-type>extension-dll-exception</error-type>
<algorithm-step ma-id="{A}" dn="anna">import-flow</algorithm-step>
<extension-error-info><extension-name>Rules.dll</extension-name><call-stack>at Map()</call-stack>
</extension-error-info></import-error>
"""
NOT_REIMPORTED = """
<import-error cs-guid="{8}" dn="anna"><error-type>exported-change-not-reimported</error-type>
<algorithm-step>staging</algorithm-step><change-not-reimported><delta operation="update">
<attr name="thumbnailPhoto" operation="replace"/></delta><entry><attr name="thumbnailPhoto"/></entry>
</change-not-reimported></import-error>
"""
DISCOVERY = """
<ma-object-error><error-type>read-error</error-type><dn>anna</dn><anchor encoding="base64">YW5uYQ==</anchor>
<attribute-name>Picture</attribute-name><cd-error><error-literal>illegal character</error-literal></cd-error>
</ma-object-error>
"""
CONNECTION = """
<connection-result>success</connection-result><server>sp01</server><connection-log><incident>
<connection-result>success</connection-result><date>yesterday</date><server>sp01</server>
<cd-error><error-literal>The remote server returned an error: (401) Unauthorized.</error-literal></cd-error>
</incident></connection-log>
"""


def details(*, errors: str = "", discovery: str = "", connection: str = "", wrap: str = "run-history") -> str:
    """Return RunDetails of one run with one step."""
    return (
        f"<{wrap}><run-details><ma-name>SPMA</ma-name><run-number>7</run-number>"
        '<run-profile-name>FullImport</run-profile-name><step-details step-number="1">'
        f"<ma-connection>{connection}</ma-connection><ma-discovery-errors>{discovery}</ma-discovery-errors>"
        f"<synchronization-errors>{errors}</synchronization-errors></step-details></run-details></{wrap}>"
    )


def only(xml: str) -> dict[str, object]:
    """Return the one incident in a document."""
    (row,) = incidents.parse(xml).to_dict("records")
    return row


def test_a_run_without_errors_has_no_incidents_and_keeps_the_columns() -> None:
    found = incidents.parse(details(connection="<connection-result>success</connection-result>"))

    assert found.dtypes.astype(str).to_dict() == incidents.INCIDENTS


def test_an_export_error_tells_the_object_the_type_and_what_the_system_said() -> None:
    row = only(details(errors=EXPORT))

    assert (row["side"], row["guid"], row["error_type"]) == ("export", "{7}", "permission-issue")
    assert row["dn"] == "CN=Anna,OU=Staff,DC=contoso,DC=com"
    assert row["detail"] == "8344; Insufficient access rights"


def test_an_incident_knows_its_run_and_when_it_was() -> None:
    row = only(details(errors=EXPORT))

    assert (row["agent"], row["run_number"], row["run_profile"], row["step_number"]) == (
        "SPMA",
        7,
        "FullImport",
        1,
    )
    assert row["occurred_at"] == pd.Timestamp(datetime(2024, 5, 1, 10, 0, 0, 123000, UTC))


def test_an_import_error_tells_the_step_of_the_rules_and_the_code_that_failed() -> None:
    row = only(details(errors=IMPORT))

    assert (row["side"], row["algorithm_step"]) == ("import", "import-flow")
    assert row["detail"] == "Rules.dll; at Map()"


def test_a_change_that_did_not_come_back_names_its_attribute() -> None:
    assert only(details(errors=NOT_REIMPORTED))["detail"] == "thumbnailPhoto"


def test_a_discovery_error_has_its_anchor_as_text() -> None:
    row = only(details(discovery=DISCOVERY))

    assert (row["side"], row["anchor"], row["detail"]) == ("discovery", "anna", "Picture; illegal character")


def test_trouble_of_a_connection_that_went_on_is_told_and_its_bad_date_is_none() -> None:
    row = only(details(connection=CONNECTION))

    assert row["side"] == "connection"
    assert "(401) Unauthorized" in str(row["detail"])
    assert pd.isna(row["occurred_at"])


def test_a_connection_that_failed_without_a_log_is_told() -> None:
    row = only(details(connection="<connection-result>failed-authentication</connection-result>"))

    assert row["error_type"] == "failed-authentication"


def test_a_saved_history_reads_like_the_providers() -> None:
    saved = details(errors=EXPORT, wrap="execution-histories")

    pd.testing.assert_frame_equal(incidents.parse(saved), incidents.parse(details(errors=EXPORT)))


def test_what_is_no_run_is_refused() -> None:
    with pytest.raises(ProtocolError):
        incidents.parse("<html/>")


def test_an_error_counts_until_a_later_run_of_the_profile_gets_through() -> None:
    found = incidents.parse(details(errors=EXPORT))
    later = observe(history=[run("SPMA", "FullImport", 1, "success", 8)]).history
    failed = observe(history=[run("SPMA", "FullImport", 1, "stopped-server", 8)]).history

    assert incidents.latest(found, later).empty
    assert len(incidents.latest(found, failed)) == 1


@pytest.mark.parametrize(
    ("person", "incident"),
    [
        ({"directory_guid": "{7}"}, {"guid": "{7}"}),
        ({"sharepoint_guid": "{AB}"}, {"guid": "{ab}"}),
        ({"distinguished_name": "CN=Anna,DC=x"}, {"dn": "cn=anna,dc=X"}),
        ({"sharepoint_object": "anna"}, {"anchor": "anna"}),
        ({"account": "contoso\\anna"}, {"dn": "Anna"}),
    ],
)
def test_an_object_is_known_by_guid_name_or_anchor(person: dict[str, str], incident: dict[str, str]) -> None:
    observation = observe({}, person)

    assert incidents.concern(observation.people, incidents.frame([incident])).tolist() == [False, True]


def test_a_name_that_two_people_share_blames_nobody() -> None:
    people = observe(
        {"profile_account": "", "person": "a", "account": "contoso\\anna", "distinguished_name": ""},
        {"profile_account": "", "person": "b", "account": "fabrikam\\anna", "distinguished_name": ""},
    ).people.assign(account=["contoso\\anna", "fabrikam\\anna"])

    assert not incidents.concern(people, incidents.frame([{"anchor": "anna"}])).any()


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="abc0123{}-=,:/ \u00e9", max_size=30))
def test_any_text_in_any_place_is_kept_or_left_out_but_never_refused(text: str) -> None:
    error = (
        f'<import-error dn="{text}"><date-occurred>{text}</date-occurred><error-type>{text}</error-type>'
        "</import-error>"
    )
    discovery = f'<ma-object-error><anchor encoding="base64">{text}</anchor></ma-object-error>'

    assert len(incidents.parse(details(errors=error, discovery=discovery))) == 2
