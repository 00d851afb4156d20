"""Web servers beside the practice farm, where pictures' addresses may lead: none of them has a picture."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from kit.lab import certificates
from kit.lab.domain import Domain
from kit.lab.ntlm import WINDOWS_SCHEMES, NTLMHandler, Server


class ForeignServer(Server):
    """A web server that answers every request with one status.

    Parameters
    ----------
    status : int
        401: it asks for a Windows sign-in and takes nobody's.
    tls : ssl.SSLContext or None
        Serve HTTPS.
    """

    def __init__(self, status: int, *, tls: ssl.SSLContext | None = None) -> None:
        schemes: Sequence[str] = WINDOWS_SCHEMES if status == HTTPStatus.UNAUTHORIZED else ()
        super().__init__(_Handler, Domain(), [], schemes=schemes, tls=tls)
        self.status = status


class _Handler(NTLMHandler):
    server: ForeignServer

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        """Give the one answer."""
        if self.authenticate():
            self.answer(self.server.status, str(self.server.status).encode())

    do_HEAD = do_POST = do_GET  # noqa: N815 - http.server's names


def start(status: int = HTTPStatus.NOT_FOUND, *, tls: ssl.SSLContext | None = None) -> ForeignServer:
    """Start such a server on a free port of loopback; the caller stops it."""
    server = ForeignServer(status, tls=tls)
    server.start()
    return server


def start_untrusted(folder: Path) -> ForeignServer:
    """Start one with HTTPS and a certificate that nobody trusts; its files go into a folder."""
    issued = certificates.issue(folder, ["127.0.0.1", "localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate_file, issued.key_file)
    return start(tls=context)
