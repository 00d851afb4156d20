import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from web_server import ANNA, client, running

from kit.errors import ParameterError, UnreachableError
from kit.manners import Manners, Pace, retry_after


@pytest.fixture
def server():
    with running() as started:
        yield started


@pytest.fixture
def session(server):
    with client(server.url) as opened:
        yield opened


# Once more


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("status", {"status": 429}),
        ("status", {"status": 503}),
        ("reset", {}),
        ("truncate", {"bytes": 3}),
    ],
)
def test_passing_trouble_is_sat_out(server, session, kind, details):
    server.troubles.add("*", kind, times=2, **details)
    assert (session.expect("GET", "").text, len(session.waits)) == (ANNA, 2)


def test_a_time_out_is_sat_out(server):
    server.troubles.add("*", "delay", seconds=30.0)
    with client(server.url, timeout=0.3) as session:
        assert (session.expect("GET", "").text, len(session.waits)) == (ANNA, 1)


def test_a_silent_server_is_given_up(server):
    server.troubles.add("*", "delay", seconds=30.0, times=None)
    with (
        client(server.url, timeout=0.1, manners=Manners(attempts=3)) as session,
        pytest.raises(UnreachableError, match="timed out"),
    ):
        session.expect("GET", "")
    assert len(session.waits) == 2


def test_a_busy_server_is_given_up_after_the_last_attempt(server):
    server.troubles.add("*", "status", status=503, times=None)
    with (
        client(server.url, manners=Manners(attempts=3)) as session,
        pytest.raises(UnreachableError, match="503"),
    ):
        session.expect("GET", "")
    assert len(session.waits) == 2


def test_one_attempt_means_no_other(server):
    server.troubles.add("*", "reset")
    with (
        client(server.url, manners=Manners(attempts=1)) as session,
        pytest.raises(UnreachableError),
    ):
        session.expect("GET", "")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502])
def test_other_answers_are_taken_as_they_are(server, session, status):
    server.troubles.add("*", "status", status=status)
    assert session.send("GET", server.url).status_code == status
    assert session.waits == []


def test_waits_double_with_jitter_up_to_the_longest(server):
    server.troubles.add("*", "reset", times=4)
    with client(server.url, manners=Manners(first_wait=1.0, longest_wait=5.0)) as session:
        session.expect("GET", "")
    lows = [1.0, 2.0, 4.0, 5.0]
    assert all(low <= wait <= min(low + 1.0, 5.0) for low, wait in zip(lows, session.waits, strict=True))


def test_retry_after_in_seconds_is_respected(server, session):
    server.troubles.add("*", "status", status=429, headers={"Retry-After": "17"})
    session.expect("GET", "")
    assert session.waits == [pytest.approx(17.25, abs=0.3)]


def test_retry_after_as_a_date_is_respected_by_the_servers_own_clock(server, session):
    then = datetime.now(UTC) + timedelta(seconds=20)
    server.troubles.add(
        "*", "status", status=503, headers={"Retry-After": format_datetime(then, usegmt=True)}
    )
    session.expect("GET", "")
    assert session.waits == [pytest.approx(20, abs=2)]


def test_retry_after_is_respected_up_to_the_longest_wait(server, session):
    server.troubles.add("*", "status", status=503, headers={"Retry-After": "86400"})
    session.expect("GET", "")
    assert session.waits == [pytest.approx(60.25, abs=0.3)]


def test_the_retry_after_of_one_thread_holds_back_all(server):
    server.troubles.add("*", "status", status=503, headers={"Retry-After": "40"})
    with client(server.url) as session:
        session.expect("GET", "")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: session.expect("GET", ""), range(4)))
    assert [round(wait / 10) for wait in session.waits] == [4] * 5
    assert len(set(session.waits)) == 5


def test_the_retry_after_of_one_server_holds_back_no_other(server):
    server.troubles.add("*", "status", status=503, headers={"Retry-After": "40"})
    with running() as other, client(server.url, my_site=other.url) as session:
        session.send("GET", server.url)
        session.waits.clear()
        session.send("GET", other.url)
    assert session.waits == []


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "Thu, 01 Jan 2026 00:00:00 +99999999999999999"])
def test_retry_after_without_sense_is_ignored(text):
    answer = requests.Response()
    answer.headers["Retry-After"] = text
    assert retry_after(answer) is None


def test_retry_after_in_the_past_is_now():
    answer = requests.Response()
    answer.headers.update(
        {"Retry-After": "Tue, 01 Mar 2016 08:00:00 GMT", "Date": "Tue, 01 Mar 2016 09:00:00 GMT"}
    )
    assert retry_after(answer) == 0.0


# No more


def test_a_server_that_is_busy_for_good_is_no_longer_asked(server):
    server.troubles.add("*", "status", status=503, times=None)
    with client(server.url, manners=Manners(attempts=2)) as session:
        for _ in range(3):
            session.send("GET", server.url)
        asked = len(server.headers)
        with pytest.raises(
            UnreachableError, match=r"was not asked: its last 3 requests failed .*\(503 Service Unavailable\)"
        ):
            session.expect("GET", "")
    assert len(server.headers) == asked


def test_an_answer_in_between_begins_the_count_anew(server):
    server.troubles.add("*", "status", status=503, times=2)
    with client(server.url, manners=Manners(attempts=1)) as session:
        for _ in range(2):
            session.send("GET", server.url)
        session.expect("GET", "")
        server.troubles.add("*", "status", status=503, times=2)
        for _ in range(2):
            session.send("GET", server.url)
        assert session.expect("GET", "").text == ANNA


def test_a_server_without_answer_is_asked_again_after_a_rest():
    now = [0.0]
    with running(schemes=()) as server, requests.Session() as session:
        pace = Pace(Manners(attempts=1, longest_wait=60.0), clock=lambda: now[0])

        def ask():
            return pace.send(
                lambda: session.get(server.url, timeout=5), server.url, repeatable=True
            ).status_code

        server.troubles.add("*", "status", status=503, times=4)
        said = [ask() for _ in range(3)]
        with pytest.raises(UnreachableError, match=r"60 s later it is asked again"):
            ask()
        now[0] = 60.0
        said.append(ask())
        with pytest.raises(UnreachableError, match="was not asked: its last 4 requests"):
            ask()
        now[0] = 120.0
        said += [ask(), ask()]
    assert said == [503, 503, 503, 503, 200, 200]


# Slowly


def test_a_strained_server_is_left_alone_for_longer_with_every_point(server):
    server.troubles.health([0, 6, 7, 8, 9, 3])
    with client(server.url, manners=Manners(first_wait=0.5)) as session:
        for _ in range(7):
            session.expect("GET", "")
    assert session.waits == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("score", ["well", "-3", "", "7.5"])
def test_a_health_score_without_sense_is_ignored(server, session, score):
    server.troubles.add("*", "headers", headers={"X-SharePointHealthScore": score})
    for _ in range(2):
        session.expect("GET", "")
    assert session.waits == []


@pytest.mark.parametrize("score", ["11", "5000", "9" * 5000])
def test_no_health_is_worse_than_the_worst(server, session, score):
    server.troubles.add("*", "headers", headers={"X-SharePointHealthScore": score})
    for _ in range(2):
        session.expect("GET", "")
    assert session.waits == [4.0]


def test_the_ceiling_spaces_requests_evenly(server):
    with client(server.url, manners=Manners(requests_per_second=0.5)) as session:
        for _ in range(4):
            session.expect("GET", "")
    assert session.waits == [pytest.approx(due, abs=1) for due in (2, 4, 6)]


def test_the_ceiling_holds_for_all_threads_together(server):
    with client(server.url, manners=Manners(requests_per_second=0.01)) as session:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: session.expect("GET", ""), range(4)))
        assert sorted(session.waits) == [pytest.approx(due, abs=5) for due in (100, 200, 300)]


# Not too many at once


def test_no_more_requests_are_under_way_than_allowed(server):
    with client(server.url, manners=Manners(connections=2)) as session, ThreadPoolExecutor(6) as pool:
        session.expect("GET", "")
        server.meeting = threading.Event()
        answers = pool.map(lambda _: session.expect("GET", "").text, range(6))
        too_many = server.comes_to(3, timeout=0.5)
        server.meeting.set()
        assert (too_many, list(answers)) == (False, [ANNA] * 6)


def test_as_many_requests_are_under_way_as_allowed(server):
    with client(server.url, manners=Manners(connections=3)) as session, ThreadPoolExecutor(3) as pool:
        session.expect("GET", "")
        server.meeting = threading.Barrier(3)
        list(pool.map(lambda _: session.expect("GET", ""), range(3)))
    assert server.most_at_once == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempts", 0),
        ("connections", 0),
        ("first_wait", -1.0),
        ("longest_wait", float("inf")),
        ("requests_per_second", float("nan")),
    ],
)
def test_a_number_without_sense_is_named(name, value):
    with pytest.raises(ParameterError, match=f"{name} {value!r}"):
        Manners(**{name: value})
