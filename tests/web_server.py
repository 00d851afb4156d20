"""A lab web server that says who asked, for the tests of what the web client does."""

import contextlib
import ssl
import threading

from kit.endpoint import Endpoint
from kit.lab import certificates
from kit.lab.domain import Account, Domain
from kit.lab.ntlm import WINDOWS_SCHEMES, NTLMHandler, Server
from kit.web import WebSession

ANNA = "CONTOSO\\anna"
PASSWORD = "Correct horse 1"
ACCOUNTS = (Account("anna", PASSWORD),)
CORRELATION = "6b4c5f0a-9f1d-4f1b-a9a1-0d3b1c2e4f50"


class Echo(NTLMHandler):
    """Answers with the user's name and counts what got past the sign-in."""

    server: "EchoServer"

    def do_GET(self):  # noqa: N802 - http.server's name
        """Say who asked."""
        self.server.headers.append(self.headers)
        if self.authenticate():
            self.server.take_effect(self.path)
            self.answer(200, self.user.encode())

    do_POST = do_GET  # noqa: N815 - http.server's name

    def answer(self, status, content=b"", content_type="text/plain", headers=None):
        """Add what every answer of a farm has."""
        own = {"SPRequestGuid": CORRELATION, **self.server.own_headers}
        super().answer(status, content, content_type, {**own, **(headers or {})})


class EchoServer(Server):
    """Remembers requests and how many were under way at once."""

    def __init__(self, accounts, **options):
        super().__init__(Echo, Domain(), accounts, **options)
        self.own_headers = {}
        self.headers = []
        self.paths = []
        self.most_at_once = 0
        self.meeting = None
        self._at_once = 0
        self._counting = threading.Condition()

    def take_effect(self, path):
        """Remember a request, and hold it until the meeting is complete, if there is one."""
        with self._counting:
            self.paths.append(path)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._counting.notify_all()
        if self.meeting:
            self.meeting.wait(timeout=5)
        with self._counting:
            self._at_once -= 1

    def comes_to(self, count, timeout):
        """Wait until so many requests are under way at once, and say whether that has come."""
        with self._counting:
            return self._counting.wait_for(lambda: self._at_once >= count, timeout)


@contextlib.contextmanager
def running(*, accounts=ACCOUNTS, schemes=WINDOWS_SCHEMES, tls=None):
    """Start a server and stop it."""
    server = EchoServer(accounts, schemes=schemes, tls=tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def running_tls(folder, schemes=WINDOWS_SCHEMES):
    """Start a server with TLS; yields it and its certificate's files."""
    issued = certificates.issue(folder, ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate_file, issued.key_file)
    with running(schemes=schemes, tls=context) as server:
        yield server, issued


def client(url, auth="", password=PASSWORD, username=ANNA, *, ca_file=None, verify_tls=True, **options):
    """Open a session whose waits take no time; they are in its list ``waits``."""
    waits = []
    timeout = options.pop("timeout", 5)
    endpoint = Endpoint(url, username, password, auth, ca_file, verify_tls, timeout)
    session = WebSession(endpoint, **{"wait": waits.append, **options})
    session.waits = waits
    return session
