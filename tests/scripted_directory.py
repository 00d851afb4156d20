"""A directory that answers as a test tells it to, over real sockets."""

import contextlib
import socketserver
import threading

from ldap3.protocol.rfc4511 import LDAPMessage
from ldaptor.protocols import pureber, pureldap
from pyasn1.codec.ber import decoder

PAGED_RESULTS = "1.2.840.113556.1.4.319"


@contextlib.contextmanager
def running(answer):
    """Answer every request, given its kind and number, with some bytes; none for silence."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(ConnectionResetError):
                while request := self.request.recv(65536):
                    self.request.sendall(answer(*_kind_and_number(request)))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield "{}:{}".format(*server.server_address)
        finally:
            server.shutdown()
            thread.join()


def _kind_and_number(request):
    if not request.startswith(b"\x30"):
        return "tls", 0
    message, _ = decoder.decode(request, asn1Spec=LDAPMessage())
    return message["protocolOp"].getName(), int(message["messageID"])


def refusing_start_tls(code):
    def answer(_kind, number):
        return pureldap.LDAPMessage(pureldap.LDAPExtendedResponse(resultCode=code), id=number).toWire()

    return answer


def silent_after_start_tls(kind, number):
    return refusing_start_tls(0)(kind, number) if kind == "extendedReq" else b""


def paging(pages):
    """Sign everybody in; answer searches with one page after the other, each with a cookie of its own."""
    remaining = enumerate(pages, start=1)

    def answer(kind, number):
        if kind != "searchRequest":
            return pureldap.LDAPMessage(pureldap.LDAPBindResponse(resultCode=0), id=number).toWire()
        count, names = next(remaining)
        cookie = b"" if names is None else b"%d" % count
        parts = [pureldap.LDAPSearchResultEntry(name, []) for name in names or ()]
        value = pureber.BERSequence([pureber.BERInteger(0), pureber.BEROctetString(cookie)]).toWire()
        wire = [pureldap.LDAPMessage(part, id=number).toWire() for part in parts]
        done = pureldap.LDAPSearchResultDone(resultCode=0)
        end = pureldap.LDAPMessage(done, id=number, controls=[(PAGED_RESULTS, False, value)])
        return b"".join([*wire, end.toWire()])

    return answer
