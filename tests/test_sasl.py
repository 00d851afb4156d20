"""NTLM against the embedded directory, over real sockets; Kerberos is in test_kerberos."""

import contextlib
import socket
import threading

import ldap3
import people
import pytest
import spnego
from ldap3.protocol.rfc4511 import LDAPMessage
from ldap3.protocol.sasl.sasl import send_sasl_negotiation
from ldaptor.protocols import pureldap
from pyasn1.codec.ber import decoder
from spnego.channel_bindings import GssChannelBindings

from kit.endpoint import Endpoint
from kit.errors import ParameterError, ProtocolError, SetupError, SignInError, UnreachableError
from kit.lab import directory as embedded
from kit.ldap import Session

READER = f"CONTOSO\\{people.READER.name}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("directory")
    running = embedded.start(people.DOMAIN, people.entries(), people.ACCOUNTS, folder)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """Give a directory with the policies that Microsoft recommends."""
    running = embedded.start(
        people.DOMAIN,
        people.entries(),
        people.ACCOUNTS,
        tmp_path_factory.mktemp("strict"),
        require_signing=True,
        channel_binding="always",
    )
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def no_realm(monkeypatch, tmp_path):
    """Take away the tickets and realms that this machine may have."""
    (tmp_path / "krb5.conf").write_text("[libdefaults]\ndns_lookup_kdc = false\ndns_lookup_realm = false\n")
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    monkeypatch.setenv("KRB5CCNAME", "MEMORY:nobody")


def sign_in(server, username=READER, password=people.READER.password, *, url="", auth="ntlm", **options):
    """Sign in and return the naming context that the server shows."""
    endpoint = Endpoint(url or server.url, username, password, auth=auth, ca_file=server.ca_file)
    session = Session(endpoint, **options)
    try:
        names = session.search(people.BASE, f"(sAMAccountName={people.READER.name})", ["cn"], 10)
        return [name for name, _ in names]
    finally:
        session.close()


FOUND = [f"CN={people.READER.name},CN=Users,{people.BASE}"]


@pytest.mark.parametrize(
    "username", [READER, f"{people.READER.name}@contoso.example", f"contoso.example\\{people.READER.name}"]
)
def test_ntlm_signs_in_with_every_form_of_the_name(server, username):
    assert sign_in(server, username) == FOUND


def test_ntlm_signs_in_over_start_tls(server):
    assert sign_in(server, url=server.plain_url, start_tls=True) == FOUND


def test_ntlm_signs_in_without_tls_where_the_server_allows_it(server):
    assert sign_in(server, url=server.plain_url) == FOUND


def test_negotiate_is_ntlm_where_there_is_no_realm(server):
    assert sign_in(server, auth="negotiate") == FOUND


@pytest.mark.parametrize("auth", ["simple", ""])
def test_a_simple_bind_is_the_usual_sign_in(server, auth):
    assert sign_in(server, auth=auth) == FOUND


def test_a_kind_of_sign_in_that_does_not_exist_is_named(server):
    with pytest.raises(ParameterError, match=r"sign-in 'digest'.*simple, ntlm, kerberos, negotiate"):
        sign_in(server, auth="digest")


@pytest.mark.parametrize("auth", ["simple", "ntlm"])
@pytest.mark.parametrize(("username", "password"), [("", "x"), (READER, "")])
def test_an_empty_name_or_password_is_refused(server, auth, username, password):
    with pytest.raises(SignInError, match="name or password is empty"):
        sign_in(server, username, password, auth=auth)


@pytest.mark.parametrize("auth", ["simple", "ntlm"])
def test_a_wrong_password_is_told(server, auth):
    with pytest.raises(SignInError, match=r"account 'CONTOSO\\svc-reader'.*the password is wrong"):
        sign_in(server, password="wrong", auth=auth)


@pytest.mark.parametrize("auth", ["simple", "ntlm"])
def test_a_disabled_account_is_told(server, auth):
    with pytest.raises(SignInError, match="it is disabled"):
        sign_in(server, f"CONTOSO\\{people.GONE.name}", people.GONE.password, auth=auth)


@pytest.mark.parametrize("auth", ["simple", "ntlm"])
@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("52e", "the password is wrong"),
        ("525", "there is no such account"),
        ("530", "may not sign in at this hour"),
        ("531", "may not sign in from this computer"),
        ("532", "its password has expired"),
        ("533", "it is disabled"),
        ("701", "it has expired"),
        ("773", "its password must be changed first"),
        ("775", "it is locked out"),
    ],
)
def test_every_reason_of_a_refusal_comes_over_the_wire(server, auth, code, cause):
    server.refuse(people.WRITER.name, code)
    try:
        with pytest.raises(SignInError, match=cause):
            sign_in(server, f"CONTOSO\\{people.WRITER.name}", people.WRITER.password, auth=auth)
    finally:
        server.refuse(people.WRITER.name, "")


def test_an_account_that_is_let_in_again_signs_in(server):
    server.refuse(people.WRITER.name, "775")
    server.refuse(people.WRITER.name, "")
    assert sign_in(server, f"CONTOSO\\{people.WRITER.name}", people.WRITER.password) == FOUND


def test_a_sign_in_bound_to_the_certificate_satisfies_a_strict_server(strict):
    assert sign_in(strict) == FOUND


def test_a_sign_in_over_start_tls_is_bound_too(strict):
    assert sign_in(strict, url=strict.plain_url, start_tls=True) == FOUND


@pytest.mark.parametrize("auth", ["simple", "ntlm"])
def test_a_server_that_requires_signing_wants_tls(strict, auth):
    with pytest.raises(
        SignInError, match=r"neither signed nor encrypted \(strongerAuthRequired.*use ldaps://"
    ):
        sign_in(strict, url=strict.plain_url, auth=auth, clear_text=True)


def test_a_sign_in_bound_to_another_certificate_is_told(strict, monkeypatch):
    monkeypatch.setattr("kit.sasl.end_point", lambda _: b"tls-server-end-point:of-a-proxy")
    with pytest.raises(SignInError, match=r"channel binding.*\(80090346\).*proxy or load balancer"):
        sign_in(strict)


@contextlib.contextmanager
def foreign_connection(server, mechanism="GSS-SPNEGO"):
    """Connect as a client that is not ours."""
    host, port = server.url.removeprefix("ldaps://").split(":")
    connection = ldap3.Connection(
        ldap3.Server(host, int(port), use_ssl=True, get_info=ldap3.NONE), sasl_mechanism=mechanism
    )
    connection.open()
    try:
        yield connection
    finally:
        connection.unbind()


def foreign_sign_in(server, bindings=None, request=spnego.ContextReq.mutual_auth, protocol="ntlm"):
    """Sign in as such a client and return the server's last result."""
    options = spnego.NegotiateOptions
    context = spnego.client(
        READER,
        people.READER.password,
        protocol=protocol,
        options=options.use_negotiate if protocol == "negotiate" else options.use_ntlm,
        channel_bindings=bindings,
        context_req=request,
    )
    with foreign_connection(server) as connection:
        result = send_sasl_negotiation(connection, None, context.step())
        return send_sasl_negotiation(connection, None, context.step(result["saslCreds"]))


@pytest.mark.parametrize("bindings", [None, GssChannelBindings(application_data=b"other")])
def test_a_strict_lab_refuses_a_client_that_is_not_bound_to_it(strict, bindings):
    assert "data 80090346" in foreign_sign_in(strict, bindings)["message"]


def test_the_lab_takes_ntlm_within_spnego_too(server):
    assert foreign_sign_in(server, protocol="negotiate")["description"] == "success"


def test_the_lab_lets_an_unbound_client_in_where_the_policy_does(server):
    assert foreign_sign_in(server)["description"] == "success"


def test_the_lab_offers_no_security_layer(server):
    result = foreign_sign_in(server, request=spnego.ContextReq.integrity)
    assert result["description"] == "unwillingToPerform"


def test_the_lab_offers_no_other_mechanism(server):
    with foreign_connection(server, "DIGEST-MD5") as connection:
        result = send_sasl_negotiation(connection, None, b"")
    assert result["description"] == "authMethodNotSupported"


@pytest.mark.parametrize("token", [b"NTLMSSP\0nonsense", b"\x60\x06nonsense"])
def test_a_token_that_makes_no_sense_is_a_refusal_not_a_crash(server, token):
    with foreign_connection(server) as connection:
        result = send_sasl_negotiation(connection, None, token)
    assert "data 57" in result["message"]


@contextlib.contextmanager
def answering(code, token):
    """Answer the first request, a bind, with a result code and a token, and close; give the port."""
    response = pureldap.LDAPBindResponse(resultCode=code, serverSaslCreds=token)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_once, args=(listener, response))
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def answer_once(listener, response):
    connection, _ = listener.accept()
    with connection:
        request, _ = decoder.decode(connection.recv(4096), asn1Spec=LDAPMessage())
        connection.sendall(pureldap.LDAPMessage(response, id=int(request["messageID"])).toWire())
        connection.recv(4096)


@pytest.mark.parametrize(
    ("code", "token", "kind", "cause"),
    [
        (14, b"NTLMSSP\0nonsense", SignInError, "the server's token cannot be understood"),
        (14, b"", ProtocolError, "the server asks for more than there is to say"),
        (0, b"", SignInError, "the server did not prove who it is"),
    ],
)
def test_a_server_that_does_not_keep_to_the_protocol_is_told(code, token, kind, cause):
    with answering(code, token) as port:
        session = Session(Endpoint(f"ldap://127.0.0.1:{port}", READER, "password", auth="ntlm"))
        with pytest.raises(kind, match=cause):
            session.connect()


def test_a_server_that_hangs_up_during_the_sign_in_is_unreachable(server):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang_up, args=(listener,))
        thread.start()
        url = f"ldap://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(UnreachableError, match=url):
            sign_in(server, url=url)
        thread.join()


def hang_up(listener):
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)


def test_kerberos_without_its_packages_says_what_to_install(server, monkeypatch):
    monkeypatch.setattr("spnego._gss.HAS_GSSAPI", False)
    with pytest.raises(SetupError, match=r'pip install "pyspnego\[kerberos\]"'):
        sign_in(server, auth="kerberos")


def test_negotiate_without_those_packages_is_ntlm(server, monkeypatch):
    monkeypatch.setattr("spnego._gss.HAS_GSSAPI", False)
    assert sign_in(server, auth="negotiate") == FOUND
