import base64
import hashlib
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest
from spnego.channel_bindings import GssChannelBindings
from web_server import ANNA, CORRELATION, client, running, running_tls

from kit.errors import ParameterError, RightsError, SignInError, UnreachableError
from kit.lab.credentials import Credentials
from kit.lab.domain import Account, Domain
from kit.lab.forms import FormsZone, SamlZone
from kit.lab.ntlm import WINDOWS_SCHEMES
from kit.lockout import MOST_REFUSALS
from kit.refusals import is_login_page, login_page


@pytest.fixture
def server():
    with running() as started:
        yield started


@pytest.fixture
def forms(tmp_path, monkeypatch):
    """Run a zone with forms sign-in only, whose certificate the system trusts."""
    with running_tls(tmp_path, ()) as (started, issued):
        monkeypatch.setenv("SSL_CERT_FILE", str(issued.ca_file))
        started.zone = FormsZone(started.credentials, started.url)
        yield started


def logins(forms):
    """Count the calls of Login."""
    return sum(headers.get("SOAPAction", "").endswith('/Login"') for headers in forms.headers)


def answers_to_challenges(server):
    """Count the NTLM messages that hold a proof of the password."""
    sent = [headers.get("Authorization", "").partition(" ")[2] for headers in server.headers]
    return sum(base64.b64decode(token).startswith(b"NTLMSSP\0\3") for token in sent)


def refusals(session, url, times):
    """Return what so many requests of four threads end with: a status, or the words of the error."""

    def ask(_):
        try:
            return session.send("GET", url).status_code
        except SignInError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(ask, range(times)))


# Windows sign-in


@pytest.mark.parametrize(
    ("auth", "schemes"),
    [
        ("", ["Negotiate", "NTLM"]),
        ("ntlm", ["NTLM"]),
        ("ntlm", ["Negotiate"]),
        ("negotiate", ["Negotiate", "NTLM"]),
        ("negotiate", ["Negotiate"]),
        ("negotiate", ["NTLM"]),
    ],
)
def test_windows_sign_in(auth, schemes):
    with running(schemes=schemes) as server, client(server.url, auth) as session:
        assert session.expect("GET", "").text == ANNA


def test_the_body_survives_the_sign_in(server):
    with client(server.url) as session:
        assert session.expect("POST", "", data=b"x" * 300_000).request.headers["Content-Length"] == "300000"


def test_a_streamed_answer_can_be_read_after_the_sign_in(server):
    with client(server.url) as session:
        assert session.expect("GET", "", stream=True).content == ANNA.encode()


def test_a_connection_signs_in_once(server):
    with client(server.url) as session:
        lengths = [len(session.expect("GET", "").history) for _ in range(3)]
    assert lengths == [2, 0, 0]


def test_a_connection_that_the_server_closed_is_signed_in_anew(server):
    with client(server.url) as session:
        session.expect("GET", "")
        server.close_connections()
        assert session.expect("GET", "").text == ANNA


def test_a_retry_on_a_new_connection_signs_in_anew(server):
    with client(server.url) as session:
        session.expect("GET", "")
        server.troubles.add("*", "reset")
        assert (session.expect("GET", "").text, len(session.waits)) == (ANNA, 1)


def test_the_sign_in_is_bound_to_the_certificate(tmp_path):
    with running_tls(tmp_path) as (server, issued):
        der = ssl.PEM_cert_to_DER_cert(issued.certificate_file.read_text())
        server.credentials.channel_bindings = GssChannelBindings(
            application_data=b"tls-server-end-point:" + hashlib.sha256(der).digest()
        )
        with client(server.url, ca_file=issued.ca_file) as session:
            assert session.expect("GET", "").text == ANNA


def test_a_sign_in_bound_to_another_certificate_is_refused(tmp_path):
    with running_tls(tmp_path) as (server, issued):
        server.credentials.channel_bindings = GssChannelBindings(application_data=b"another's")
        with (
            client(server.url, ca_file=issued.ca_file) as session,
            pytest.raises(SignInError, match="was refused"),
        ):
            session.expect("GET", "")


@pytest.mark.parametrize("auth", ["ntlm", "negotiate"])
def test_a_wrong_password_is_refused_with_the_correlation_id(server, auth):
    with (
        client(server.url, auth, "not the password") as session,
        pytest.raises(SignInError, match=f"name or password is wrong.*{CORRELATION}") as caught,
    ):
        session.expect("GET", "")
    assert "not the password" not in repr(caught.value)


def test_a_wrong_password_is_tried_once(server):
    with client(server.url, password="wrong") as session, pytest.raises(SignInError):
        session.expect("GET", "")
    offered = [headers["Authorization"] for headers in server.headers if "Authorization" in headers]
    assert (len(offered), session.waits) == (2, [])


def test_a_server_that_offers_another_kind_names_it():
    with (
        running(schemes=["Basic"]) as server,
        client(server.url) as session,
        pytest.raises(SignInError, match="offers Basic only"),
    ):
        session.expect("GET", "")


@pytest.mark.parametrize("token", ["QUJD", "%%%", "TlRMTVNTUAADAAAA"])
def test_a_challenge_without_sense_is_a_refusal(token):
    with running(schemes=()) as server, client(server.url) as session:
        server.troubles.add(
            "*", "status", times=None, status=401, headers={"WWW-Authenticate": f"NTLM {token}"}
        )
        with pytest.raises(SignInError, match=r"cannot be understood|no token could be made"):
            session.expect("GET", "")


def test_cookies_go_along_with_the_sign_in(server):
    with client(server.url) as session:
        server.own_headers["Set-Cookie"] = "server=a; path=/"
        session.expect("GET", "")
    assert [headers.get("Cookie") for headers in server.headers] == [None, "server=a", "server=a"]


# Basic


def test_basic_sign_in_over_tls(tmp_path):
    with (
        running_tls(tmp_path, ["Basic"]) as (server, issued),
        client(server.url, "basic", ca_file=issued.ca_file) as session,
    ):
        assert session.expect("GET", "").text == ANNA


@pytest.mark.parametrize("auth", ["basic", "forms"])
def test_a_password_is_not_sent_without_tls(auth):
    with pytest.raises(ParameterError, match=rf"'{auth}' cannot be used at 'http://portal'.*in the clear"):
        client("http://portal", auth)


def test_basic_sign_in_does_not_follow_to_an_address_without_tls(tmp_path):
    with (
        running_tls(tmp_path, ["Basic"]) as (server, issued),
        running(schemes=["Basic"]) as plain,
        client(server.url, "basic", ca_file=issued.ca_file) as session,
    ):
        assert session.send("GET", plain.url).status_code == 401


# Forms


def test_forms_sign_in(forms):
    with client(forms.url, "forms") as session:
        assert session.expect("GET", "").text == ANNA


def test_forms_sign_in_asks_the_mode_first_and_signs_in_once(forms):
    with client(forms.url, "forms") as session:
        for _ in range(3):
            session.expect("GET", "")
    operations = [h["SOAPAction"].rpartition("/")[2] for h in forms.headers if "SOAPAction" in h]
    assert operations == ['Mode"', 'Login"']


def test_threads_share_a_forms_sign_in(forms):
    with client(forms.url, "forms") as session, ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: session.expect("GET", "").text, range(12))
        assert list(answers) == [ANNA] * 12
    assert len([headers for headers in forms.headers if "SOAPAction" in headers]) == 2


def test_an_expired_cookie_is_renewed(forms):
    with client(forms.url, "forms") as session:
        session.expect("GET", "")
        forms.zone.expire()
        assert session.expect("GET", "").text == ANNA


def test_a_wrong_password_in_a_form_is_refused(forms):
    with (
        client(forms.url, "forms", "wrong & <wrong>") as session,
        pytest.raises(SignInError, match=f"name or password is wrong.*{CORRELATION}"),
    ):
        session.expect("GET", "")


def test_forms_sign_in_to_a_windows_zone_is_refused(forms):
    forms.zone, forms.schemes = None, WINDOWS_SCHEMES
    with (
        client(forms.url, "forms") as session,
        pytest.raises(SignInError, match="does not sign in by forms"),
    ):
        session.expect("GET", "")


def test_a_refusal_of_rights_makes_no_second_forms_sign_in(forms):
    with client(forms.url, "forms") as session:
        session.expect("GET", "")
        forms.troubles.add("*", "status", status=403)
        with pytest.raises(RightsError, match=CORRELATION):
            session.expect("GET", "")
    assert len([headers for headers in forms.headers if "SOAPAction" in headers]) == 2


def test_a_forms_zone_tells_who_cannot_sign_in_where_the_login_page_is(forms):
    with (
        client(forms.url) as session,
        pytest.raises(SignInError, match=r"/_login/default.aspx.*set auth to forms"),
    ):
        session.expect("GET", "")


def test_the_header_asks_a_mixed_zone_for_windows_sign_in(server):
    server.zone = FormsZone(server.credentials, server.url)
    with client(server.url) as session:
        assert session.expect("GET", "").text == ANNA


def test_forms_sign_in_to_a_mixed_zone(forms):
    forms.schemes = WINDOWS_SCHEMES
    with client(forms.url, "forms") as session:
        assert session.expect("GET", "").text == ANNA
    assert not any("X-FORMS_BASED_AUTH_ACCEPTED" in headers for headers in forms.headers)


def test_a_redirect_to_a_login_page_is_a_sign_in_error(forms):
    with client(forms.url) as session, pytest.raises(SignInError, match=r"gave 302.*/_login/default.aspx"):
        session.expect("GET", "", headers={"User-Agent": "Mozilla/5.0"})


def test_the_login_page_is_recognised_in_the_answer(forms):
    with client(forms.url) as session:
        found = login_page(session.send("GET", forms.url, headers={"User-Agent": "Mozilla/5.0"}))
    assert found == f"{forms.url}/_login/default.aspx?ReturnUrl=%2F"


# SAML


def test_a_zone_with_saml_claims_only_has_a_message_of_its_own(server):
    server.zone = SamlZone()
    with (
        client(server.url) as session,
        pytest.raises(SignInError, match=f"SAML claims only.*{CORRELATION}.*extend the web application"),
    ):
        session.expect("GET", "")


def test_missing_rights_are_not_taken_for_a_saml_zone(server):
    with client(server.url) as session:
        server.troubles.add("*", "status", status=403)
        with pytest.raises(RightsError, match=CORRELATION):
            session.expect("GET", "")


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("https://portal/_login/default.aspx?ReturnUrl=%2f", True),
        ("https://portal/_layouts/15/Authenticate.aspx?Source=%2F", True),
        ("https://portal/_trust/default.aspx", True),
        ("https://adfs.contoso.example/adfs/ls?wa=wsignin1.0&wtrealm=urn%3asp", True),
        ("https://portal/User%20Photos/Profile%20Pictures/login_MThumb.jpg", False),
        ("https://portal/my/_layouts/15/images/person.gif", False),
    ],
)
def test_what_is_a_login_page(url, verdict):
    assert is_login_page(url) is verdict


# Once refused


def test_a_refused_password_is_tried_once_by_all_threads_together(server):
    with client(server.url, password="wrong") as session:
        said = refusals(session, server.url, 60)
    assert (answers_to_challenges(server), said.count(401)) == (1, 1)
    assert all("lest the account be locked" in words for words in said if words != 401)


def test_a_refusal_is_remembered_with_its_cause(server):
    with client(server.url, password="wrong") as session:
        session.send("GET", server.url)
        asked = len(server.headers)
        with pytest.raises(SignInError, match=f"name or password is wrong.*{CORRELATION}.*not tried again"):
            session.expect("GET", "")
    assert len(server.headers) == asked


def test_a_password_that_is_changed_meanwhile_is_tried_three_times_more(server):
    with client(server.url) as session:
        session.expect("GET", "")
        server.close_connections()
        server.credentials.close()
        server.credentials = Credentials(Domain(), (Account("anna", "another"),))
        said = [session.send("GET", server.url).status_code]
        said += refusals(session, server.url, 5)
    assert (answers_to_challenges(server), said.count(401)) == (1 + MOST_REFUSALS, MOST_REFUSALS)


def test_one_file_that_refuses_the_account_is_not_the_sites_refusal(server):
    with client(server.url) as session:
        session.expect("GET", "")
        challenge = {"WWW-Authenticate": "NTLM"}
        server.troubles.add("/guarded", "status", times=None, status=401, headers=challenge)
        for _ in range(MOST_REFUSALS + 1):
            assert session.send("GET", f"{server.url}/guarded").status_code == 401
            assert session.expect("GET", "").text == ANNA


def test_a_refusal_at_one_server_is_none_at_another(server):
    with running(accounts=()) as other, client(server.url, my_site=other.url) as session:
        assert session.send("GET", other.url).status_code == 401
        assert session.expect("GET", "").text == ANNA


def test_a_refused_form_is_sent_once_by_all_threads_together(forms):
    with client(forms.url, "forms", "wrong") as session:
        said = refusals(session, forms.url, 50)
    assert (logins(forms), sum("name or password is wrong" in words for words in said)) == (1, 50)


def test_a_busy_form_is_no_refusal(forms):
    forms.zone.busy = 1
    with client(forms.url, "forms") as session:
        with pytest.raises(UnreachableError, match="too busy"):
            session.expect("GET", "")
        assert session.expect("GET", "").text == ANNA


def test_a_refused_basic_sign_in_is_tried_once_by_all_threads_together(tmp_path):
    with (
        running_tls(tmp_path, ["Basic"]) as (server, issued),
        client(server.url, "basic", "wrong", ca_file=issued.ca_file) as session,
    ):
        said = refusals(session, server.url, 20)
    sent = sum("Authorization" in headers for headers in server.headers)
    assert (sent, said.count(401)) == (1, 1)


# A connection that is not kept


@pytest.mark.parametrize("announced", [True, False])
def test_a_sign_in_that_loses_its_connection_is_no_wrong_password(server, announced):
    server.troubles.add("*", "hang_up", times=None, announced=announced)
    with (
        client(server.url) as session,
        pytest.raises(
            UnreachableError, match=f"connection was not kept: a proxy or load balancer.*{CORRELATION}"
        ),
    ):
        session.expect("GET", "")


def test_a_lost_connection_is_no_refusal_of_the_account(server):
    server.troubles.add("*", "hang_up")
    with client(server.url) as session:
        with pytest.raises(UnreachableError, match="could not be completed"):
            session.expect("GET", "")
        assert session.expect("GET", "").text == ANNA


# Kinds


@pytest.mark.parametrize("auth", ["kerberos5", "NTLM", "simple"])
def test_an_unknown_kind_is_named(auth):
    with pytest.raises(ParameterError, match=f"'{auth}'.*choose one of ntlm"):
        client("http://portal", auth)


def test_no_sign_in():
    with running(schemes=()) as server, client(server.url, "none") as session:
        assert session.expect("GET", "").status_code == 200
