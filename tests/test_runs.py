"""What MIM's words for runs mean, and what stands in the XML of their details."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import sequence
from kit.errors import ParameterError, ProtocolError
from kit.runs import STATUSES, classify, parse_outbound_flows, parse_run_details, tabulate, write_time

# Status tokens, as Microsoft Learn (ms697765, ms699322) and MS-UPSDBDAP 2.2.1.1 list them

TOKENS = {
    "ok": """success completed-no-objects""",
    "warning": """completed-warnings completed-transient-objects""",
    "attention": """completed-sync-errors completed-export-errors""",
    "failed": """
        completed-discovery-errors access-denied call-failure connection-failure
        no-start-bad-ma-configuration no-start-change-log-not-enabled no-start-connection
        no-start-credentials no-start-database-permission no-start-database-schema-mismatch
        no-start-database-table no-start-delta-step-type-not-configured no-start-file-access-denied
        no-start-file-code-page no-start-file-contains-incorrect-step-type no-start-file-not-found
        no-start-file-open no-start-file-sharing-violation no-start-full-import-required
        no-start-header-row-mismatch no-start-ma no-start-ma-working-directory
        no-start-missing-partition-for-run-step no-start-no-domain-controller
        no-start-no-steps-in-profile no-start-partition-delete no-start-partition-not-configured
        no-start-partition-rename no-start-server no-start-ma-already-running
        no-start-ma-update-in-progress no-start-unknown-profile-name
        no-start-concurrent-execution-not-support no-start-notes-api-not-availible
        no-start-notes-client-init-failure
        stopped-bad-ma-configuration stopped-bad-server-credentials stopped-change-log-out-of-order
        stopped-code-page-conversion stopped-connectivity stopped-database-connection-lost
        stopped-database-disk-full stopped-deadlocked stopped-deletion-limit stopped-disk-full
        stopped-entry-export-error stopped-entry-point-not-implemented
        stopped-error-in-end-connection stopped-error-limit stopped-export-disabled
        stopped-export-write stopped-extensible-extension-error stopped-extension-dll-access
        stopped-extension-dll-ambiguous stopped-extension-dll-exception
        stopped-extension-dll-file-not-found stopped-extension-dll-instantiation
        stopped-extension-dll-invalid-assembly stopped-extension-dll-load
        stopped-extension-dll-missing-dependency stopped-extension-dll-no-implementation
        stopped-extension-dll-not-configured-for-ma stopped-extension-dll-not-configured-for-mv
        stopped-extension-dll-updated-version stopped-failed-to-delete-file
        stopped-file-embedded-nulls stopped-file-error stopped-import-read stopped-ma
        stopped-ma-extension-error-in-end-connection stopped-ma-extension-timeout
        stopped-object-limit stopped-out-of-memory stopped-parsing-errors
        stopped-password-extension-not-configured stopped-password-extension-timeout stopped-server
        stopped-server-down stopped-service-shutdown stopped-unexpected-data
        stopped-user-termination-from-extension stopped-user-termination-from-wmi-or-ui
    """,
    "unknown": """in-progress completing-obsoletion completing-referential-updates""",
}


@pytest.mark.parametrize(
    ("token", "meaning"), [(token, meaning) for meaning, tokens in TOKENS.items() for token in tokens.split()]
)
def test_each_documented_status_has_its_meaning(token, meaning):
    assert classify(token) == meaning


def test_no_status_is_known_that_is_not_documented():
    assert set(STATUSES) == {token for tokens in TOKENS.values() for token in tokens.split()}


@pytest.mark.parametrize(
    "token",
    [
        *("", " ", "Success", "success ", "completed", "completed-something-new", "stopped-something-new"),
        *("no-start-something-new", "no-start-", "stopped-"),
    ],
)
def test_a_status_that_was_never_seen_is_unknown(token):
    assert classify(token) == "unknown"


@pytest.mark.parametrize("name", ["sharepoint full import", sequence.EXPORT, sequence.FIRST_EXPORT])
@pytest.mark.parametrize("token", ["", "completed-something-new", "stopped-something-new", "in-progress"])
def test_the_fix_goes_no_further_after_such_a_status(name, token):
    assert not sequence.Step(1, "run", name).accepts(token)


# Run history


def row(number, started, ended="2024-05-01 11:00:00.000"):
    return {
        "MaName": "SPMA",
        "MaGuid": "{G}",
        "RunNumber": str(number),
        "RunProfile": "Export",
        "RunStatus": "success",
        "RunStartTime": started,
        "RunEndTime": ended,
    }


def test_a_history_is_newest_first():
    runs = [row(9, "2024-05-01 09:59:59.999"), row(10, "2024-05-01 10:00:00.000")]
    assert tabulate(runs)["run_number"].tolist() == [10, 9]


def test_runs_that_began_at_one_time_stay_in_the_order_of_the_provider():
    assert tabulate([row(n, "2024-05-01 10:00:00.000") for n in (3, 1, 2)])["run_number"].tolist() == [
        3,
        1,
        2,
    ]


@pytest.mark.parametrize("wrong", [{"RunNumber": "seven"}, {"RunStartTime": "today"}])
def test_a_history_with_a_number_or_time_that_is_none_is_refused(wrong):
    with pytest.raises(ProtocolError, match=r"seven|today"):
        tabulate([row(1, "2024-05-01 10:00:00.000") | wrong])


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_times_as_text_are_in_the_order_of_the_times(one, other):
    one, other = (
        time.astimezone(UTC).replace(microsecond=time.microsecond // 1000 * 1000) for time in (one, other)
    )
    assert (write_time(one) < write_time(other)) == (one < other)


def test_a_time_without_a_zone_is_not_written():
    with pytest.raises(ParameterError):
        write_time(datetime(2024, 5, 1))


# RunDetails

COUNTS = st.integers(min_value=0, max_value=10**9)
STEP = st.fixed_dictionaries(
    {
        "result": st.sampled_from(["success", "completed-export-errors", "in-progress"]),
        "stage-add": COUNTS,
        "export-update": COUNTS,
        "connector-flow": COUNTS,
        "outbound": st.lists(COUNTS, max_size=3),
        "errors": st.integers(min_value=0, max_value=3),
        "ended": st.booleans(),
    }
)
RUNS = st.lists(st.lists(STEP, max_size=4), max_size=3)


def step_xml(number, step):
    end = "<end-date>2024-05-01 10:05:00.000</end-date>" if step["ended"] else "<end-date/>"
    outbound = "".join(
        f'<outbound-flow-counters ma="M{index}"><connector-flow detail="true">{count}</connector-flow>'
        "</outbound-flow-counters>"
        for index, count in enumerate(step["outbound"])
    )
    return (
        f'<step-details step-number="{number}"><start-date>2024-05-01 10:00:00.123</start-date>{end}'
        f"<step-result>{step['result']}</step-result><step-description>"
        '<step-type type="full-import"><import-subtype>to-cs</import-subtype></step-type></step-description>'
        f"<synchronization-errors>{'<export-error/>' * step['errors']}</synchronization-errors>{outbound}"
        f"<staging-counters><stage-add>{step['stage-add']}</stage-add></staging-counters>"
        "<inbound-flow-counters>"
        f"<connector-flow>{step['connector-flow']}</connector-flow></inbound-flow-counters>"
        f"<export-counters><export-update>{step['export-update']}</export-update></export-counters></step-details>"
    )


def run_xml(number, steps):
    written = "".join(step_xml(index, step) for index, step in reversed(list(enumerate(steps, start=1))))
    return (
        f"<run-history><run-details><ma-name>SPMA</ma-name><run-number>{number}</run-number>"
        f"<run-profile-name>Full &amp; all</run-profile-name>{written}</run-details></run-history>"
    )


@settings(max_examples=40)
@given(RUNS, st.booleans())
def test_run_details_give_every_step_oldest_first(runs, as_bytes):
    xml = "".join(run_xml(number, steps) for number, steps in enumerate(runs, start=1))
    document = f"<execution-histories>{xml}</execution-histories>"
    frame = parse_run_details(document.encode() if as_bytes else document)
    flat = [
        (number, index, step) for number, steps in enumerate(runs, 1) for index, step in enumerate(steps, 1)
    ]
    assert frame[["run_number", "step_number"]].to_numpy().tolist() == [
        [number, index] for number, index, _ in flat
    ]
    for column, key in {
        "result": "result",
        "stage_add": "stage-add",
        "export_update": "export-update",
        "connector_flow": "connector-flow",
        "export_errors": "errors",
    }.items():
        assert frame[column].tolist() == [step[key] for *_, step in flat]
    assert frame["ended"].notna().tolist() == [step["ended"] for *_, step in flat]
    assert frame["outbound_connector_flow"].sum() == sum(sum(step["outbound"]) for *_, step in flat)
    assert len(parse_outbound_flows(document)) == sum(len(step["outbound"]) for *_, step in flat)


@given(st.binary() | st.text())
def test_what_is_not_run_details_is_refused_in_one_way(junk):
    with pytest.raises(ProtocolError):
        parse_run_details(junk)


def details(inside):
    step = f'<step-details step-number="1">{inside}</step-details>'
    return f"<run-history><run-details>{step}</run-details></run-history>"


@pytest.mark.parametrize(
    "inside",
    [
        "<start-date>yesterday</start-date>",
        "<staging-counters><stage-add>many</stage-add></staging-counters>",
        "<staging-counters><stage-add>99999999999999999999</stage-add></staging-counters>",
        "<staging-counters><stage-add>-1</stage-add></staging-counters>",
        "<start-date>",
    ],
)
def test_a_number_or_time_that_is_none_is_refused(inside):
    with pytest.raises(ProtocolError):
        parse_run_details(details(inside))


def test_entities_in_run_details_are_refused():
    with pytest.raises(ProtocolError):
        parse_run_details('<!DOCTYPE run-history [<!ENTITY a "b">]><run-history>&a;</run-history>')


def test_the_details_of_an_agent_that_never_ran_are_empty_but_typed():
    frame = parse_run_details("<run-history/>")
    assert (len(frame), str(frame.dtypes["stage_add"])) == (0, "Int64")


def test_times_are_utc():
    frame = parse_run_details(details("<start-date>2024-05-01 10:00:00.123</start-date>"))
    assert frame["started"][0].to_pydatetime() == datetime(2024, 5, 1, 10, 0, 0, 123000, UTC)


def test_a_counter_that_was_not_reported_is_missing_and_a_new_one_gets_a_column():
    frame = parse_run_details(details("<export-counters><export-moved>4</export-moved></export-counters>"))
    assert frame["export_moved"][0] == 4
    assert frame["export_add"].isna().all()


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (
            '<step-type type="apply-rules"><x>apply-pending</x></step-type>',
            "delta sync",
        ),
        (
            '<step-type type="apply-rules"><x>reevaluate-flow-connectors</x></step-type>',
            "full sync",
        ),
        ('<step-type type="full-import"/>', "full import and delta sync"),
        ('<step-type type="export"/>', "export"),
        ('<step-type type="export"><export-subtype>to-file</export-subtype></step-type>', "export to-file"),
    ],
)
def test_step_types_have_the_names_that_miisclient_shows(step, name):
    frame = parse_run_details(details(f"<step-description>{step}</step-description>"))
    assert frame["step_type"][0] == name
