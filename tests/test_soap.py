import contextlib
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_farm import FAULT, scripted

from kit import soap
from kit.errors import ProtocolError

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


def test_the_answer_to_another_operation_is_told():
    with (
        scripted("<GetChangesResponse/>") as (client, _),
        pytest.raises(ProtocolError, match=r"GetUserProfileCount .* was answered by 'GetChangesResponse'"),
    ):
        client.count()


def test_a_fault_is_told_with_its_text():
    with scripted(FAULT) as (client, _), pytest.raises(ProtocolError, match="was refused: no index"):
        client.count()
