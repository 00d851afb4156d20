import contextlib
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_farm import FAULT, scripted

from kit import rest, soap
from kit.endpoint import Endpoint
from kit.errors import ProtocolError
from kit.lab.domain import Domain
from kit.lab.ntlm import NTLMHandler, Server
from kit.web import WebSession

unhurried = settings(deadline=None)  # the machine may be busy


@unhurried
@given(st.text())
def test_any_text_survives_the_repair_of_a_message_but_for_what_xml_forbids(text):
    message = soap.envelope(f"<a>{soap.escape(text)}</a>")
    kept = soap.body(soap.legible(message)).text or ""
    legal = "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
    assert kept == legal.replace("\r\n", "\n").replace("\r", "\n")


@unhurried
@given(st.binary() | st.text().map(lambda text: soap.envelope(escape(text))))
def test_a_message_is_an_element_or_a_kit_error(message):
    with contextlib.suppress(ProtocolError):
        assert soap.body(message).tag


def test_an_entity_bomb_is_refused():
    bomb = b'<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>'
    with pytest.raises(ProtocolError, match="not XML"):
        soap.body(bomb)


def test_a_count_that_is_no_number_is_told():
    count = "<GetUserProfileCountResult>many</GetUserProfileCountResult>"
    with (
        scripted(f"<GetUserProfileCountResponse>{count}</GetUserProfileCountResponse>") as (client, _),
        pytest.raises(ProtocolError, match="'many'"),
    ):
        client.count()


class _Told(NTLMHandler):
    """Answers everything with the server's content, and a correlation id."""

    def do_POST(self):  # noqa: N802 - http.server's name
        self.authenticate()
        self.answer(*self.server.told, {"SPRequestGuid": "6b4c"})

    do_GET = do_POST  # noqa: N815 - http.server's name


@contextlib.contextmanager
def telling(status, content, content_type):
    """Give a session with a service that gives one answer to everything."""
    server = Server(_Told, Domain(), [], schemes=())
    server.told = (status, content, content_type)
    server.start()
    try:
        with WebSession(Endpoint(server.url, auth="none")) as web:
            yield web
    finally:
        server.stop()


RESULT = soap.envelope("<CountResponse><CountResult>many</CountResult></CountResponse>")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (RESULT, "'many' in an answer"),
        (b"<a", "not XML"),
        (soap.envelope("<CountResponse/>"), "gave no result"),
    ],
)
def test_an_unreadable_answer_is_told_with_operation_address_and_correlation_id(content, words):
    with telling(200, content, "text/xml") as web, pytest.raises(ProtocolError) as caught:
        soap.Client(web).value("Service", "Count", lambda found: soap.integer(found.text))
    told = str(caught.value)
    assert [part in told for part in (words, f"Count at {web.url}", "correlation id 6b4c")] == [True] * 3


def test_an_error_that_is_no_soap_is_quoted():
    content = b'{"error": {"message": {"value": "The farm is read only."}}}'
    with (
        telling(500, content, "application/json") as web,
        pytest.raises(
            ProtocolError, match=r"gave 500 .*says 'The farm is read only\.' \(correlation id 6b4c\)"
        ),
    ):
        soap.Client(web).call("Service", "Count")


def test_json_of_another_shape_is_told_with_address_and_correlation_id():
    def interpret(found):
        raise ProtocolError(f"{found} is no person", "another shape", "check the address")

    with (
        telling(200, b"[]", "application/json") as web,
        pytest.raises(ProtocolError, match=r"GET http://\S+/_api/x: \[\] is no person.*correlation id 6b4c"),
    ):
        rest.value(web, "_api/x", interpret)


def test_the_answer_to_another_operation_is_told():
    with (
        scripted("<GetChangesResponse/>") as (client, _),
        pytest.raises(ProtocolError, match=r"GetUserProfileCount .* was answered by 'GetChangesResponse'"),
    ):
        client.count()


def test_a_fault_is_told_with_its_text():
    with scripted(FAULT) as (client, _), pytest.raises(ProtocolError, match="was refused: no index"):
        client.count()
