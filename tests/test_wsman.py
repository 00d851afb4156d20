import threading
import uuid
from http.client import HTTPConnection
from xml.etree.ElementTree import fromstring
from xml.sax.saxutils import escape

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from pypsrp.exceptions import WinRMTransportError
from pypsrp.wsman import WSMan
from scripted_engine import AGENTS, ScriptedEngine, ScriptedRun, person

from kit.lab import wql, wsman
from kit.lab.domain import Account, Domain
from kit.lab.endpoint import Trouble
from kit.lab.envelope import ADDRESSING, ENUMERATION, IDENTITY, MANAGEMENT, SOAP, TRANSFER, WMI
from kit.lab.sealing import SealError, unseal
from kit.wsman import select

PASSWORD = "Corr3ct horse"
ACCOUNTS = (
    Account("svc-kit", PASSWORD, frozenset({"sync-admin"})),
    Account("outsider", PASSWORD),
    Account("remote", PASSWORD, frozenset({"remote-management"})),
)
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
FAULT = "{http://schemas.microsoft.com/wbem/wsman/1/wsmanfault}WSManFault"


@pytest.fixture
def engine():
    return ScriptedEngine()


@pytest.fixture
def server(engine):
    running = wsman.start(engine, Domain(), ACCOUNTS, max_timeout=5.0)
    yield running
    running.stop()


@pytest.fixture
def transports(server):
    """Sealed connections of pypsrp's, without anything of the kit's client."""
    opened = []

    def open_one(account="svc-kit", encryption="auto"):
        client = WSMan(
            "127.0.0.1",
            port=int(server.url.split(":")[2].partition("/")[0]),
            username=f"CONTOSO\\{account}",
            password=PASSWORD,
            ssl=False,
            auth="ntlm",
            encryption=encryption,
        )
        opened.append(client)
        return client.transport

    yield open_one
    for client in opened:
        client.close()


@pytest.fixture
def send(transports):
    transport = transports()
    return lambda message: exchange(transport, message)


def exchange(transport, message):
    try:
        return 200, fromstring(transport.send(message.encode()))
    except WinRMTransportError as error:
        return error.code, fromstring(error.response_text) if error.response_text else None


def message(action, resource="*", body="", *, selectors=None, headers="", message_id="uuid:1"):
    chosen = "".join(
        f'<w:Selector Name="{name}">{value}</w:Selector>' for name, value in (selectors or {}).items()
    )
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{ADDRESSING}" xmlns:w="{MANAGEMENT}" xmlns:n="{ENUMERATION}">'
        f"<s:Header><a:Action>{action}</a:Action><a:MessageID>{message_id}</a:MessageID>"
        f"<w:ResourceURI>{WMI}/{resource}</w:ResourceURI><w:SelectorSet>{chosen}</w:SelectorSet>{headers}"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )


def enumerate_(
    query, options="<w:OptimizeEnumeration/><w:MaxElements>100</w:MaxElements>", prefix="w", **more
):
    body = f'{options}<{prefix}:Filter Dialect="{WQL}">{escape(query)}</{prefix}:Filter>'
    return message(f"{ENUMERATION}/Enumerate", body=f"<n:Enumerate>{body}</n:Enumerate>", **more)


def pull(context, count):
    body = f"<n:EnumerationContext>{context}</n:EnumerationContext><n:MaxElements>{count}</n:MaxElements>"
    return message(f"{ENUMERATION}/Pull", body=f"<n:Pull>{body}</n:Pull>")


def invoke(class_name, selectors, method, arguments="", **more):
    body = f'<p:{method}_INPUT xmlns:p="{WMI}/{class_name}">{arguments}</p:{method}_INPUT>'
    return message(f"{WMI}/{class_name}/{method}", class_name, body, selectors=selectors, **more)


def fault(answer):
    status, root = answer
    return (
        status,
        root.findtext(f".//{{{SOAP}}}Subcode/{{{SOAP}}}Value"),
        [int(one.get("Code")) for one in root.iter(FAULT)],
    )


def names(root):
    return [element.text for element in root.iter() if element.tag.endswith("}Name")]


def returned(answer):
    status, root = answer
    assert status == 200
    return next(element.text for element in root.iter() if element.tag.endswith("}ReturnValue"))


# HTTP, sign-in and sealing


def test_without_credentials_windows_sign_in_is_offered(server):
    answer = requests.post(server.url, data=b"<x/>", timeout=5)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Negotiate, NTLM")


def test_identify_needs_no_sign_in(server):
    answer = requests.post(server.url, headers={"WSMANIDENTIFY": "unauthenticated"}, data=b"<x/>", timeout=5)
    assert fromstring(answer.content).find(f".//{{{IDENTITY}}}ProductVersion") is not None


def test_a_plain_message_after_the_sign_in_is_refused(transports, engine):
    plain = transports(encryption="never")
    run = "<p:RunProfileName>Export</p:RunProfileName>"
    request = invoke("MIIS_ManagementAgent", {"Name": "SPMA"}, "Execute", run.replace("p:", "w:"))
    assert exchange(plain, request) == (500, None)
    assert engine.executed == []


def test_a_message_sealed_with_other_keys_is_refused(transports):
    one, other = transports(), transports()
    exchange(one, enumerate_("select * from MIIS_Server"))
    exchange(other, enumerate_("select * from MIIS_Server"))
    one.encryption, other.encryption = other.encryption, one.encryption
    with pytest.raises(WinRMTransportError) as caught:
        one.send(enumerate_("select * from MIIS_Server").encode())
    assert caught.value.code == 400


def test_another_path_does_not_exist(server, transports):
    transport = transports()
    transport.endpoint = server.url.replace("/wsman", "/powershell")
    with pytest.raises(WinRMTransportError) as caught:
        transport.send(b"<x/>")
    assert caught.value.code == 404


def test_a_request_over_the_envelope_limit_is_refused_before_it_is_read(server):
    connection = HTTPConnection(server.url.split("/")[2], timeout=5)
    connection.putrequest("POST", "/wsman")
    connection.putheader("Content-Length", "600000")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


@given(st.binary(max_size=200))
def test_no_body_breaks_the_unsealing(body):
    with pytest.raises(SealError):
        unseal(None, body)


# Enumerate, Pull, Release, Get


def test_the_answer_relates_to_the_message(send):
    message_id = f"uuid:{uuid.uuid4()}"
    _, root = send(enumerate_("select * from MIIS_Server", message_id=message_id))
    assert root.findtext(f".//{{{ADDRESSING}}}RelatesTo") == message_id


@pytest.mark.parametrize("prefix", ["w", "n"])
def test_the_filter_may_stand_in_either_namespace(send, prefix):
    _, root = send(enumerate_("select * from MIIS_ManagementAgent", prefix=prefix))
    assert names(root) == list(AGENTS)


def test_properties_stand_in_the_order_of_their_names_and_nulls_are_nil(send):
    _, root = send(enumerate_(f"select * from MIIS_CSObject where Guid='{ScriptedEngine().objects[0].guid}'"))
    (items,) = root.iter(f"{{{MANAGEMENT}}}Items")
    tags = [child.tag.rpartition("}")[2] for child in items[0]]
    assert tags == sorted(tags)
    partition = items[0].find(f"{{{WMI}/MIIS_CSObject}}PartitionGuid")
    assert partition.get("{http://www.w3.org/2001/XMLSchema-instance}nil") == "true"


def test_chosen_columns_come_as_a_fragment(send):
    _, root = send(enumerate_("select Name from MIIS_ManagementAgent where name = 'spma'"))
    (fragment,) = root.iter(f"{{{MANAGEMENT}}}XmlFragment")
    assert [(child.tag, child.text) for child in fragment] == [("Name", "SPMA")]


def test_an_enumeration_that_is_not_optimised_gives_all_by_pull(send, engine):
    engine.history = [ScriptedRun("SPMA", AGENTS["SPMA"], n, "Export", "success") for n in (5, 4, 3, 2, 1)]
    _, root = send(enumerate_("select * from MIIS_RunHistory", options=""))
    seen, pages = [], 0
    while context := root.findtext(f".//{{{ENUMERATION}}}EnumerationContext"):
        _, root = send(pull(context, 2))
        (items,) = root.iter(f"{{{ENUMERATION}}}Items")
        seen += [item.findtext(f"{{{WMI}/MIIS_RunHistory}}RunNumber") for item in items]
        pages += 1
    assert (seen, pages) == (["5", "4", "3", "2", "1"], 3)
    assert root.find(f".//{{{ENUMERATION}}}EndOfSequence") is not None


def test_a_page_holds_no_more_than_the_envelope(send, engine):
    engine.objects = [person(1, "ADMA") for _ in range(5)]
    _, root = send(
        enumerate_(
            f"select * from MIIS_CSObject where MvGuid='{engine.objects[0].metaverse_guid}'",
            headers="<w:MaxEnvelopeSize>16384</w:MaxEnvelopeSize>",
        )
    )
    (items,) = root.iter(f"{{{MANAGEMENT}}}Items")
    assert len(items) == 2


def test_one_object_larger_than_the_envelope_is_a_fault(send, engine):
    engine.objects = [person(1, "ADMA", hologram={"thumbnailPhoto": bytes(9000)})]
    query = f"select * from MIIS_CSObject where Guid='{engine.objects[0].guid}'"
    answer = send(enumerate_(query, headers="<w:MaxEnvelopeSize>8192</w:MaxEnvelopeSize>"))
    assert fault(answer) == (500, "w:EncodingLimit", [2150858825])


@pytest.mark.parametrize("finish", ["Release", "Pull"])
def test_an_enumeration_that_has_ended_is_gone(send, finish):
    _, root = send(enumerate_("select * from MIIS_ManagementAgent", options=""))
    context = root.findtext(f".//{{{ENUMERATION}}}EnumerationContext")
    body = f"<n:{finish}><n:EnumerationContext>{context}</n:EnumerationContext></n:{finish}>"
    assert send(message(f"{ENUMERATION}/{finish}", body=body))[0] == 200
    assert fault(send(pull(context, 1)))[1] == "n:InvalidEnumerationContext"


def test_get_minds_no_case_in_selectors(send):
    status, root = send(message(f"{TRANSFER}/Get", "MIIS_ManagementAgent", selectors={"name": "spma"}))
    assert (status, names(root)) == (200, ["SPMA"])


# Faults


@pytest.mark.parametrize(
    ("query", "subcode", "codes"),
    [
        ("select * from MIIS_Nothing", "n:CannotProcessFilter", [2150858778, 0x80041010]),
        ("delete from MIIS_Server", "n:CannotProcessFilter", [2150858778, 0x80041017]),
        ("select * from MIIS_CSObject", "w:InternalError", [0x80041024, 0x80041024]),
        ("select * from MIIS_CSObject where MaName='SPMA'", "w:InternalError", [0x80041024, 0x80041024]),
        ("select * from MIIS_CSObject where Account='anna'", "w:InternalError", [0x80041024, 0x80041024]),
        ("select * from MIIS_CSObject where Guid>'{'", "w:InternalError", [0x80041024, 0x80041024]),
    ],
)
def test_queries_that_the_provider_cannot_answer(send, query, subcode, codes):
    assert fault(send(enumerate_(query))) == (500, subcode, codes)


@pytest.mark.parametrize(
    ("request_", "subcode", "code"),
    [
        (message(f"{TRANSFER}/Put"), "a:ActionNotSupported", 2150858754),
        (
            message(f"{TRANSFER}/Get", "MIIS_Server", selectors={"Guid": "x"}),
            "w:InvalidSelectors",
            2150858843,
        ),
        (
            message(f"{TRANSFER}/Get", "MIIS_ManagementAgent", selectors={"Name": "SPNA"}),
            "a:DestinationUnreachable",
            2150858752,
        ),
        (
            message(f"{TRANSFER}/Get", selectors={"Name": "x"}).replace("MicrosoftIdentity", "Other"),
            "a:DestinationUnreachable",
            2150858752,
        ),
        (
            invoke("MIIS_ManagementAgent", {"Name": "SPMA"}, "DeleteConnectorSpace"),
            "w:InternalError",
            0x80041055,
        ),
        ("<s:Envelope", "w:SchemaValidationError", 2150858817),
        ("<html/>", "w:SchemaValidationError", 2150858817),
        (
            enumerate_("select * from MIIS_Server", headers="<w:MaxEnvelopeSize>100</w:MaxEnvelopeSize>"),
            "w:EncodingLimit",
            2150858824,
        ),
    ],
)
def test_requests_that_are_answered_with_a_fault(send, request_, subcode, code):
    status, seen, codes = fault(send(request_))
    assert (status, seen, codes[0]) == (500, subcode, code)


def test_an_account_that_is_not_admitted_gets_access_denied(transports):
    answer = exchange(transports("outsider"), enumerate_("select * from MIIS_Server"))
    assert fault(answer) == (500, "w:AccessDenied", [5])


def test_an_account_outside_the_sync_groups_is_denied_by_the_provider(transports):
    transport = transports("remote")
    assert fault(exchange(transport, enumerate_("select * from MIIS_Server"))) == (
        500,
        "w:AccessDenied",
        [5, 0x80041003],
    )
    call = invoke("MIIS_ManagementAgent", {"Name": "SPMA"}, "NumCSObjects")
    assert returned(exchange(transport, call)) == "access-denied"


def test_an_operation_is_timed_out_as_soon_as_the_client_asks(send, engine):
    ended = threading.Event()
    engine.during_run = ended.wait
    run = f'<p:RunProfileName xmlns:p="{WMI}/MIIS_ManagementAgent">Export</p:RunProfileName>'
    request = invoke(
        "MIIS_ManagementAgent",
        {"Name": "SPMA"},
        "Execute",
        run,
        headers="<w:OperationTimeout>PT0.1S</w:OperationTimeout>",
    )
    assert fault(send(request)) == (500, "w:TimedOut", [2150858793])
    status = invoke("MIIS_ManagementAgent", {"Name": "SPMA"}, "RunStatus")
    assert returned(send(status)) == "in-progress"
    ended.set()


# The classes' methods


@pytest.mark.parametrize(
    ("class_name", "key", "method", "value"),
    [
        ("MIIS_ManagementAgent", "SPMA", "NumCSObjects", "0"),
        ("MIIS_ManagementAgent", "SPMA", "NumExportDelete", "15"),
        ("MIIS_ManagementAgent", "SPMA", "RunNumber", None),
        ("MIIS_ManagementAgent", "SPMA", "RunDetails", "<run-history/>"),
        ("MIIS_ManagementAgent", "SPMA", "Stop", "ma-not-running"),
        ("MIIS_ManagementAgent", "SPMA", "GetServerStatus", "success"),
        ("MIIS_ManagementAgent", "SPMA", "SuppressFullSyncWarning", "success"),
        ("MIIS_Server", "MIIS_Server1", "NumPasswordQueueObjects", "0"),
        ("MIIS_Server", "MIIS_Server1", "ClearPasswordQueue", "success"),
        ("MIIS_Server", "MIIS_Server1", "ClearRuns", "call-failure"),
    ],
)
def test_methods_return_text(send, class_name, key, method, value):
    assert returned(send(invoke(class_name, {"Name": key}, method))) == value


def test_runs_are_cleared_up_to_a_time_in_utc(send, engine):
    ending = f'<p:EndingBefore xmlns:p="{WMI}/MIIS_Server">2024-05-01 10:05:00.000</p:EndingBefore>'
    assert returned(send(invoke("MIIS_Server", {"Name": "MIIS_Server1"}, "ClearRuns", ending))) == "success"
    assert [moment.isoformat() for moment in engine.cleared] == ["2024-05-01T10:05:00+00:00"]


def test_run_details_of_the_history_are_found_by_their_key(send, engine):
    engine.execute("ADMA", "Export", "")
    answer = send(invoke("MIIS_RunHistory", {"Key": f"{AGENTS['ADMA']}1"}, "RunDetails"))
    assert "<run-profile-name>Export</run-profile-name>" in returned(answer)


def test_the_password_queue_is_empty(send):
    _, root = send(enumerate_("select * from MIIS_PasswordChangeQueue"))
    assert [len(items) for items in root.iter(f"{{{MANAGEMENT}}}Items")] == [0]


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("RunNumber='2' and MaName='spma'", ["2"]),
        ("RunStatus <> 'success'", ["3"]),
        ("RunStartTime >= '2024-05-01' and RunEndTime <= '2024-05-02'", ["3", "2", "1"]),
        ("RunStartTime > '2024-05-01 10:00:00.123'", []),
        ("NoSuchProperty = ''", []),
    ],
)
def test_the_history_is_filtered_by_comparison_of_text(send, engine, where, numbers):
    engine.history = [ScriptedRun("SPMA", AGENTS["SPMA"], n, "Export", "success") for n in (3, 2, 1)]
    engine.history[0].status = "stopped-server"
    _, root = send(enumerate_(f"select * from MIIS_RunHistory where {where}"))
    assert [one.text for one in root.iter(f"{{{WMI}/MIIS_RunHistory}}RunNumber")] == numbers


# WQL


@given(st.text())
def test_a_value_survives_quoting_and_parsing(value):
    query = wql.parse(select("MIIS_ManagementAgent", Name=value))
    assert query.equalities == {"name": value}


@given(st.text())
def test_what_is_no_query_is_refused_in_one_way(junk):
    with pytest.raises(wql.QuerySyntaxError):
        wql.parse(f"{junk} not a query")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "select",
        "select * from",
        "select * from A where",
        "select * from A where B",
        "select * from A where B=1",
    ],
)
def test_a_query_that_breaks_off_is_refused(text):
    with pytest.raises(wql.QuerySyntaxError):
        wql.parse(text)


# Trouble made on purpose

EXECUTE = invoke(
    "MIIS_ManagementAgent",
    {"Name": "SPMA"},
    "Execute",
    "<p:RunProfileName>FullSync</p:RunProfileName>",
)


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (Trouble.DENIED, (500, "w:AccessDenied", [5])),
        (Trouble.TOO_MANY, (500, "w:InternalError", [2150859174])),
        (Trouble.QUOTA, (500, "w:QuotaLimit", [2150859173])),
    ],
)
def test_a_call_that_is_refused_is_not_carried_out(server, send, engine, trouble, expected):
    server.faults.arrange("Execute", trouble)
    assert fault(send(EXECUTE)) == expected
    assert engine.executed == []


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (Trouble.TIMED_OUT, (500, "w:TimedOut", [2150858793])),
        (Trouble.UNREPORTABLE, (500, "w:EncodingLimit", [2150858829])),
    ],
)
def test_a_call_whose_answer_is_kept_back_is_carried_out(server, send, engine, trouble, expected):
    server.faults.arrange("Execute", trouble)
    assert fault(send(EXECUTE)) == expected
    assert engine.started.wait(5)


def test_a_call_whose_answer_is_cut_off_has_been_carried_out(server, send, engine):
    server.faults.arrange("Execute", Trouble.DROP_ANSWER)
    with pytest.raises(requests.ConnectionError):
        send(EXECUTE)
    assert [run.status for run in engine.history] == ["success"]


def test_trouble_is_used_up_in_its_order(server, send):
    server.faults.arrange("Enumerate", Trouble.DENIED, Trouble.QUOTA)
    query = enumerate_("select * from MIIS_Server")
    codes = [fault(send(query))[2] for _ in range(2)]
    assert (codes, names(send(query)[1])) == ([[5], [2150859173]], ["MIIS_Server1"])


def test_trouble_is_for_one_method(server, send):
    server.faults.arrange("RunStatus", Trouble.DENIED)
    assert returned(send(EXECUTE)) == "success"
