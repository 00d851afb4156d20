import socket
import threading
from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest
from scripted_engine import AGENTS, ENDED, STARTED, ScriptedEngine, ScriptedRun, person

from kit.endpoint import Endpoint
from kit.errors import (
    NotFoundError,
    OutcomeUnknownError,
    ParameterError,
    ProtocolError,
    RightsError,
    RunError,
    SignInError,
    UnreachableError,
)
from kit.lab import wsman
from kit.lab.domain import Account, Domain
from kit.lab.endpoint import Trouble
from kit.lab.space import Delta
from kit.lab.wmi import Gate
from kit.mim import COUNTERS, NAMESPACE, SynchronizationService
from kit.wsman import Connection

PASSWORD = "Corr3ct horse"
ACCOUNTS = (
    Account("svc-kit", PASSWORD, frozenset({"sync-operator"})),
    Account("outsider", PASSWORD, frozenset({"profile-manager"})),
    Account("remote", PASSWORD, frozenset({"remote-management"})),
)


@pytest.fixture
def engine():
    return ScriptedEngine()


@pytest.fixture
def listen(engine):
    servers = []

    def start(**options):
        servers.append(wsman.start(engine, Domain(), ACCOUNTS, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def connect():
    services = []

    def start(
        url, account="CONTOSO\\svc-kit", password=PASSWORD, *, poll_interval=0.02, grace=0.3, **options
    ):
        endpoint = Endpoint(url, account, password, **options)
        services.append(SynchronizationService(endpoint, poll_interval=poll_interval, grace=grace))
        return services[-1]

    yield start
    for service in services:
        service.close()


@pytest.fixture
def server(listen):
    return listen()


@pytest.fixture
def service(server, connect):
    return connect(server.url)


# Reading


def test_identify_names_the_product_without_signing_in(server, connect):
    assert connect(server.url, password="wrong").identify()["ProductVendor"] == "Microsoft Corporation"


def test_agents_are_listed_with_their_guids(service):
    agents = service.agents()
    assert dict(zip(agents["name"], agents["guid"], strict=True)) == AGENTS


def test_the_negotiate_sign_in_works_too(server, connect):
    assert connect(server.url, auth="negotiate").agents()["name"].tolist() == list(AGENTS)


def test_a_user_principal_name_can_sign_in(server, connect):
    assert connect(server.url, account="svc-kit@contoso.example").agents()["name"].tolist() == list(AGENTS)


def test_counters_have_every_count_by_its_method_name(service, engine):
    assert service.counters("SPMA") == engine.counters("SPMA")


def test_an_agent_that_never_ran_has_an_empty_last_run(service):
    run = service.last_run("SPMA")
    assert (run.run_number, run.profile, run.status, run.started, run.ended) == (0, "", "", None, None)


def test_the_last_run_has_its_times_in_utc(service, engine):
    engine.execute("SPMA", "FullImport", "")
    run = service.last_run("SPMA")
    assert (run.run_number, run.profile, run.status) == (1, "FullImport", "success")
    assert (run.started, run.ended) == (STARTED, ENDED)


def test_a_run_in_progress_has_no_end(service, engine):
    engine.history = [ScriptedRun("SPMA", AGENTS["SPMA"], 3, "FullSync")]
    run = service.last_run("SPMA")
    assert (run.status, run.ended) == ("in-progress", None)


def test_the_run_history_is_read_whole_and_newest_first(service, engine, server):
    engine.history = [
        ScriptedRun("SPMA", AGENTS["SPMA"], number, "Export", "success") for number in range(250, 0, -1)
    ]
    history = service.run_history("SPMA")
    assert history["run_number"].tolist() == list(range(250, 0, -1))
    assert server.received["Pull"] == 2


def test_an_empty_run_history_keeps_its_types(service):
    history = service.run_history()
    assert history.empty
    assert str(history.dtypes["run_number"]) == "Int64"
    assert str(history.dtypes["ended"]) == "datetime64[us, UTC]"


def test_the_run_history_of_one_agent_leaves_the_other_out(service, engine):
    for agent in AGENTS:
        engine.execute(agent, "FullSync", "")
    assert service.run_history("ADMA")["agent"].tolist() == ["ADMA"]


def test_the_history_is_narrowed_to_a_profile(service, engine):
    for profile in ("FullImport", "Export", "FullSync"):
        engine.execute("SPMA", profile, "")
    assert service.run_history("SPMA", profile="Export")["run_number"].tolist() == [2]


def test_the_history_begins_with_a_run_that_began_at_the_very_time(service, engine):
    begun = [STARTED + timedelta(milliseconds=offset) for offset in (1, 0, -1)]
    engine.history = [
        ScriptedRun("SPMA", AGENTS["SPMA"], number, "Export", "success", started)
        for number, started in zip((3, 2, 1), begun, strict=True)
    ]
    elsewhere = STARTED.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert service.run_history("SPMA", since=elsewhere)["run_number"].tolist() == [3, 2]


def test_a_time_without_a_zone_is_not_compared(service):
    with pytest.raises(ParameterError, match=r"2024-05-01 .* no time zone"):
        service.run_history(since=datetime(2024, 5, 1))


def test_the_history_is_put_in_order_if_the_provider_does_not(service, engine):
    engine.history = [
        ScriptedRun("SPMA", AGENTS["SPMA"], number, "Export", "success", STARTED + timedelta(hours=number))
        for number in (2, 9, 10)
    ]
    assert service.run_history()["run_number"].tolist() == [10, 9, 2]


def test_a_run_in_progress_stands_in_the_history_without_an_end(service, engine):
    engine.history = [ScriptedRun("SPMA", AGENTS["SPMA"], 3, "FullSync")]
    (row,) = service.run_history("SPMA").to_dict("records")
    assert (row["status"], row["ended"] is pd.NaT) == ("in-progress", True)


def test_run_details_come_as_xml_of_the_run_asked_for(service, engine):
    engine.execute("SPMA", "FullImport", "")
    engine.execute("SPMA", "Export", "")
    assert "<run-profile-name>FullImport</run-profile-name>" in service.run_details("SPMA", 1)
    assert "<run-profile-name>Export</run-profile-name>" in service.run_details("SPMA")


def test_details_that_fit_in_no_envelope_say_what_to_do(service, engine):
    engine.execute("SPMA", "FullImport", "")
    engine.history[0].details_xml = lambda: "<run-history>" + "x" * 600_000 + "</run-history>"
    with pytest.raises(ProtocolError, match=r"too large.*raise MaxEnvelopeSizekb"):
        service.run_details("SPMA", 1)


def test_a_run_that_is_not_in_the_history_is_named(service):
    with pytest.raises(NotFoundError, match=r"run 9 of 'SPMA'"):
        service.run_details("SPMA", 9)


@pytest.mark.parametrize(
    "call",
    [
        lambda service: service.counters("SPNA"),
        lambda service: service.last_run("SPNA"),
        lambda service: service.execute("SPNA", "FullImport"),
        lambda service: service.run_details("SPNA", 1),
        lambda service: service.run_history("SPNA"),
    ],
)
def test_an_unknown_agent_is_named_with_the_agents_there_are(service, call):
    with pytest.raises(NotFoundError, match=r"'SPNA' does not exist.*'SPMA', 'ADMA'"):
        call(service)


# Connector-space objects


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ({"account": "contoso\\PERSON1"}, ["SPMA", "ADMA"]),
        ({"metaverse_guid": "{00000001-0000-4000-8000-0000000000FF}"}, ["SPMA", "ADMA"]),
        (
            {"agent_guid": AGENTS["ADMA"], "dn": "CN=Person 1,OU=Staff,DC=contoso,DC=example"},
            ["ADMA"],
        ),
        ({"agent_guid": AGENTS["SPMA"], "dn": "anchor-1"}, ["SPMA"]),
        ({"guid": "{00000001-0000-4000-8000-00000000000B}"}, ["ADMA"]),
        ({"dns_domain": "contoso.example", "account": "person1"}, ["SPMA", "ADMA"]),
        ({"domain": "CONTOSO", "account": "person2"}, ["ADMA"]),
        ({"domain": "CONTOSO", "user_principal_name": "person1@contoso.example"}, ["SPMA", "ADMA"]),
        ({"account": "contoso\\nobody"}, []),
    ],
)
def test_objects_are_found_in_each_documented_way(service, key, found):
    assert [one.agent for one in service.connector_space_objects(**key)] == found


def test_a_hologram_keeps_text_and_bytes(service):
    (one,) = service.connector_space_objects(guid="{00000001-0000-4000-8000-00000000000A}")
    assert one.hologram == {
        "displayName": "Person 1 <&> 'x'",
        "thumbnailPhoto": bytes(range(256)) * 12,
    }
    assert (one.account, one.export_operation) == ("contoso\\person1", "")


def test_pending_exports_show_what_they_change(service):
    (one,) = service.connector_space_objects(guid="{00000001-0000-4000-8000-00000000000B}")
    assert (one.export_operation, one.export_changes) == ("update", {"thumbnailPhoto": b"new"})


def test_a_pending_removal_of_an_attribute_is_none(service, engine):
    engine.objects = [person(1, "ADMA", unapplied_export=Delta("update", {"thumbnailPhoto": None}))]
    (one,) = service.connector_space_objects(account="contoso\\person1")
    assert one.export_changes == {"thumbnailPhoto": None}


def test_a_pending_deletion_is_told_from_nothing(service):
    (one,) = service.connector_space_objects(account="contoso\\person2")
    assert one.export_operation == "delete"


def test_names_with_quotes_and_backslashes_are_found(service, engine):
    engine.objects = [person(7, "ADMA", account="o'br\\ien")]
    assert (
        len(
            service.connector_space_objects(
                dn="CN=Person 7,OU=Staff,DC=contoso,DC=example", agent_guid=AGENTS["ADMA"]
            )
        )
        == 1
    )
    engine.objects = [person(7, "ADMA", dn="CN=O'Brien\\, Pat,DC=x")]
    assert len(service.connector_space_objects(dn="CN=O'Brien\\, Pat,DC=x", agent_guid=AGENTS["ADMA"])) == 1


@pytest.mark.parametrize(
    "key",
    [
        {},
        {"account": "anna"},
        {"account": "\\anna"},
        {"account": "contoso\\"},
        {"dn": "CN=x"},
        {"domain": "contoso"},
        {"user_principal_name": "anna@contoso.example"},
        {"dns_domain": "contoso.example", "user_principal_name": "anna@contoso.example"},
        {"guid": "{1}", "metaverse_guid": "{2}"},
    ],
)
def test_any_other_way_to_look_up_objects_is_refused(service, key):
    with pytest.raises(ParameterError):
        service.connector_space_objects(**key)


def test_a_query_that_the_provider_is_not_capable_of_is_named(server):
    connection = Connection(Endpoint(server.url, "CONTOSO\\svc-kit", PASSWORD), NAMESPACE)
    refusal = r"cannot answer such a query.*not capable of the attempted operation"
    with pytest.raises(ProtocolError, match=refusal):
        connection.query("select * from MIIS_CSObject where MaName='SPMA'")
    connection.close()


# Stop


def test_a_run_is_stopped(service, engine):
    engine.history = [ScriptedRun("SPMA", AGENTS["SPMA"], 3, "FullSync")]
    assert service.stop("SPMA") is True


def test_where_nothing_runs_nothing_is_stopped(service):
    assert service.stop("SPMA") is False


def test_stop_is_sent_once_though_no_answer_comes(server, service, engine):
    engine.history = [ScriptedRun("SPMA", AGENTS["SPMA"], 3, "FullSync")]
    server.faults.arrange("Stop", Trouble.DROP_ANSWER)
    with pytest.raises(OutcomeUnknownError, match=r"'SPMA' was stopped: no answer came"):
        service.stop("SPMA")
    assert server.received["Stop"] == 1


def test_stop_needs_a_sync_group(server, connect):
    with pytest.raises(RightsError, match=r"the end of the run of 'SPMA' was denied"):
        connect(server.url, "CONTOSO\\remote").stop("SPMA")


# Execute


def test_execute_returns_the_finished_run(service, engine):
    run = service.execute("SPMA", "FullImport")
    assert (run.run_number, run.status, run.started, run.ended) == (1, "success", STARTED, ENDED)
    assert engine.executed == [("SPMA", "FullImport", "CONTOSO\\svc-kit")]


def test_an_unknown_profile_is_a_status_of_a_run_without_a_number(service):
    run = service.execute("SPMA", "FullImprot")
    assert (run.run_number, run.status) == (0, "no-start-unknown-profile-name")


def test_a_run_that_could_not_start_has_no_number_though_another_goes_on(service, engine):
    engine.history = [ScriptedRun("SPMA", AGENTS["SPMA"], 4, "FullSync")]
    run = service.execute("SPMA", "NoSuchProfile")
    assert (run.run_number, run.profile, run.started) == (0, "NoSuchProfile", None)


def test_a_failed_status_is_returned_and_not_judged(service, engine):
    engine.outcome = "stopped-deletion-limit"
    assert service.execute("ADMA", "Export").status == "stopped-deletion-limit"


def test_a_run_longer_than_winrm_waits_is_sent_once_and_polled(listen, connect, engine):
    server = listen(max_timeout=1.0)
    engine.during_run = lambda: threading.Event().wait(3)
    engine.outcome = "completed-export-errors"
    heard = []
    run = connect(server.url).execute("ADMA", "Export", progress=heard.append)
    assert (run.run_number, run.status, run.ended) == (1, "completed-export-errors", ENDED)
    assert (server.received["Execute"], len(engine.executed)) == (1, 1)
    assert heard[0].startswith("ADMA: Export goes on")


def test_a_connection_cut_after_the_run_began_still_gives_its_outcome(server, service, engine):
    server.faults.next_execute = Trouble.DROP_AFTER
    engine.during_run = lambda: threading.Event().wait(0.3)
    assert service.execute("SPMA", "FullSync").status == "success"
    assert (server.received["Execute"], len(engine.executed)) == (1, 1)


def test_a_connection_cut_before_the_run_began_is_an_unknown_outcome(server, service, engine):
    server.faults.next_execute = Trouble.DROP_BEFORE
    with pytest.raises(OutcomeUnknownError, match=r"'FullSync' of 'SPMA'.*no sign of it"):
        service.execute("SPMA", "FullSync")
    assert (server.received["Execute"], engine.executed) == (1, [])


def test_an_answer_that_does_not_fit_is_read_back(server, service, engine):
    server.faults.next_execute = Trouble.UNREPORTABLE
    assert service.execute("SPMA", "FullSync").status == "success"
    assert len(engine.executed) == 1


@pytest.mark.parametrize("trouble", [Trouble.TIMED_OUT, Trouble.DROP_ANSWER])
def test_an_answer_that_is_lost_is_read_back(server, service, engine, trouble):
    server.faults.arrange("Execute", trouble)
    assert service.execute("SPMA", "FullSync").status == "success"
    assert (server.received["Execute"], len(engine.executed)) == (1, 1)


@pytest.mark.parametrize("trouble", [Trouble.TOO_MANY, Trouble.QUOTA])
def test_a_server_that_is_too_busy_has_begun_nothing(server, service, engine, trouble):
    server.faults.arrange("Execute", trouble)
    with pytest.raises(UnreachableError, match=r"does nothing more for 'CONTOSO\\svc-kit' at present"):
        service.execute("SPMA", "FullSync")
    assert engine.executed == []


def test_our_run_is_found_in_the_history_though_another_followed(server, service, engine):
    engine.history = [ScriptedRun("SPMA", AGENTS["SPMA"], 4, "Export", "success", ended=ENDED)]
    server.faults.arrange("Execute", Trouble.DROP_AFTER)
    engine.during_run = lambda: engine.history.insert(
        0, ScriptedRun("SPMA", AGENTS["SPMA"], 6, "Export", "success", ended=ENDED)
    )
    run = service.execute("SPMA", "FullSync")
    assert (run.run_number, run.profile, run.status, run.ended) == (5, "FullSync", "success", ENDED)


@pytest.mark.parametrize("trouble", [Trouble.DENIED, Trouble.TIMED_OUT, Trouble.DROP_ANSWER, Trouble.QUOTA])
def test_an_outcome_that_cannot_be_read_at_first_is_looked_for_on(server, service, engine, trouble):
    server.faults.arrange("Execute", Trouble.DROP_AFTER)
    engine.during_run = lambda: server.faults.arrange("RunStatus", trouble, trouble)
    assert service.execute("SPMA", "FullSync").status == "success"


def test_a_run_that_ended_well_is_numbered_when_the_server_can_be_read_again(server, service, engine):
    engine.during_run = lambda: server.faults.arrange("RunNumber", Trouble.DENIED)
    run = service.execute("SPMA", "FullSync")
    assert (run.run_number, run.status) == (1, "success")


@pytest.mark.parametrize("token", ["completed-something-new", "stopped-object-limit"])
def test_any_token_is_handed_on_as_it_came(service, engine, token):
    engine.outcome = token
    assert service.execute("SPMA", "FullSync").status == token


@pytest.mark.parametrize("token", ["", "call-failure", "connection-failure", "in-progress"])
def test_an_answer_that_tells_no_outcome_is_not_taken_for_one(service, engine, token):
    engine.outcome = token
    engine.during_run = lambda: setattr(engine.history[0], "agent", "another")
    with pytest.raises(OutcomeUnknownError):
        service.execute("SPMA", "FullSync")
    assert len(engine.executed) == 1


def test_the_first_run_after_the_history_was_cleared_is_recognised(server, service, engine):
    engine.history = []
    server.faults.next_execute = Trouble.DROP_AFTER
    assert service.execute("SPMA", "FullSync").run_number == 1


def test_a_run_that_someone_else_started_is_not_taken_for_ours(server, service, engine):
    server.faults.next_execute = Trouble.DROP_AFTER
    engine.during_run = lambda: engine.history.insert(
        0, ScriptedRun("SPMA", AGENTS["SPMA"], 2, "Export", "success")
    )
    with pytest.raises(OutcomeUnknownError, match=r"run 2 \(Export\) was started by someone else"):
        service.execute("SPMA", "FullSync")


def test_a_service_that_failed_in_execute_leaves_the_outcome_unknown(service, engine):
    engine.outcome = "crash"
    with pytest.raises(OutcomeUnknownError):
        service.execute("SPMA", "FullSync")
    assert len(engine.executed) == 1


def test_a_run_that_outlasts_the_deadline_is_an_unknown_outcome(listen, connect, engine):
    ended = threading.Event()
    engine.during_run = ended.wait
    service = connect(listen(max_timeout=0.1).url)
    with pytest.raises(OutcomeUnknownError, match=r"not ended within 0 s"):
        service.execute("SPMA", "FullSync", deadline=0.2)
    ended.set()


def test_a_server_that_stays_away_leaves_the_outcome_unknown(listen, connect, engine):
    server = listen(max_timeout=0.1)
    ended = threading.Event()
    engine.during_run = ended.wait
    asked = []

    def stop_once(text):
        if not asked:
            server.stop()
        asked.append(text)

    with pytest.raises(OutcomeUnknownError, match=r"no sign of it"):
        connect(server.url).execute("SPMA", "FullSync", progress=stop_once)
    ended.set()
    server.stop = lambda: None


def test_another_agents_synchronisation_is_told_as_such(service, engine):
    engine.outcome = "concurrent"
    with pytest.raises(RunError, match=r"ADMA is synchronising"):
        service.execute("SPMA", "FullSync")


def test_a_lost_sign_in_does_not_send_execute_again(server, engine, monkeypatch):
    monkeypatch.setattr(wsman._Handler, "timeout", 0.05)
    connection = Connection(Endpoint(server.url, "CONTOSO\\svc-kit", PASSWORD), NAMESPACE)
    connection.query("select * from MIIS_Server")
    threading.Event().wait(0.3)
    with pytest.raises(UnreachableError, match=r"Execute was not started"):
        connection.invoke_once("MIIS_ManagementAgent", {"Name": "SPMA"}, "Execute", RunProfileName="Export")
    assert engine.executed == []
    connection.close()


def test_an_idle_connection_that_was_closed_is_signed_in_again(service, monkeypatch):
    monkeypatch.setattr(wsman._Handler, "timeout", 0.05)
    service.agents()
    threading.Event().wait(0.3)
    assert service.agents()["name"].tolist() == list(AGENTS)


def test_a_read_time_out_is_an_unknown_outcome_and_nothing_is_sent_again(server, engine):
    connection = Connection(Endpoint(server.url, "CONTOSO\\svc-kit", PASSWORD, timeout=0.1), NAMESPACE)
    connection.query("select * from MIIS_Server")
    server._server.troubles.add("*", "delay", seconds=4)
    key = {"Name": "SPMA"}
    assert connection.invoke_once("MIIS_ManagementAgent", key, "Execute", RunProfileName="Export") is None
    assert engine.started.wait(5)
    connection.close()
    assert (server.received["Execute"], len(engine.executed)) == (1, 1)


def test_get_reads_one_instance_by_its_key(server):
    connection = Connection(Endpoint(server.url, "CONTOSO\\svc-kit", PASSWORD), NAMESPACE)
    assert connection.get("MIIS_ManagementAgent", {"Name": "SPMA"})["Guid"] == AGENTS["SPMA"]
    connection.close()


# What goes wrong


def test_a_wrong_password_is_told_without_the_password(server, connect):
    with pytest.raises(SignInError, match=r"refused the account 'CONTOSO\\svc-kit'") as caught:
        connect(server.url, password="Wr0ng horse").agents()
    assert "horse" not in str(caught.value)


def test_an_account_that_winrm_does_not_admit_lacks_rights(server, connect):
    refusal = r"'CONTOSO.*outsider' may not use WinRM.*fault 5: Access is denied; .*Remote Management Users"
    with pytest.raises(RightsError, match=refusal):
        connect(server.url, "CONTOSO\\outsider").agents()


def test_an_account_outside_the_sync_groups_lacks_rights_at_the_provider(server, connect, engine):
    remote = connect(server.url, "CONTOSO\\remote")
    with pytest.raises(RightsError, match=r"NumCSObjects of management agent 'SPMA' was denied"):
        remote.counters("SPMA")
    with pytest.raises(RightsError):
        remote.execute("SPMA", "FullImport")
    assert engine.executed == []


def test_an_operator_passes_all_gates(service):
    assert service.closed_gate() is None


def test_winrm_is_the_first_gate(server, connect):
    gate, error = connect(server.url, "CONTOSO\\outsider").closed_gate()
    assert (gate, error.next_step) == (
        "listener",
        "add it to Remote Management Users, a local group of that server",
    )


def test_the_namespace_is_the_second_gate(server, service):
    server.turn_away("svc-kit", Gate.NAMESPACE)
    gate, error = service.closed_gate()
    assert (gate, error.next_step) == (
        "namespace",
        f"allow it Enable Account and Remote Enable on {NAMESPACE} in wmimgmt.msc",
    )


def test_the_group_is_the_third_gate(server, connect):
    gate, error = connect(server.url, "CONTOSO\\remote").closed_gate()
    assert (gate, error.next_step) == (
        "group",
        "add it to FIMSyncOperators, which may read and run the agents",
    )


@pytest.mark.parametrize("gate", list(Gate))
def test_whoever_is_turned_away_gets_in_again_when_that_ends(server, service, gate):
    server.turn_away("svc-kit", gate)
    assert service.closed_gate() is not None
    server.turn_away("svc-kit", None)
    assert service.closed_gate() is None


def test_a_refusal_before_the_provider_tells_both_that_may_be_missing(server, service):
    server.turn_away("svc-kit", Gate.NAMESPACE)
    with pytest.raises(RightsError, match=r"may not use WMI on .* MIM sync group, and .* Remote Enable"):
        service.agents()


def test_an_account_without_the_namespace_starts_no_run(server, service, engine):
    server.turn_away("svc-kit", Gate.NAMESPACE)
    with pytest.raises(RightsError):
        service.execute("SPMA", "FullImport")
    assert engine.executed == []


def test_identify_goes_to_the_port_that_the_queries_go_to(connect):
    with pytest.raises(UnreachableError) as caught:
        connect("http://127.0.0.1/wsman").identify()
    assert "port=5985" in str(caught.value.__cause__)


def test_a_closed_port_is_unreachable(connect):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/wsman"
    service = connect(url)
    with pytest.raises(UnreachableError, match=r"Connection refused|actively refused"):
        service.agents()
    with pytest.raises(UnreachableError):
        service.identify()


def test_every_documented_counter_is_asked_for():
    assert len(COUNTERS) == len(set(COUNTERS)) == 16
