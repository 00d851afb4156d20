"""A small farm with three profiles, and a service that answers from a script: for the SharePoint tests."""

import contextlib
import io
from datetime import timedelta

from PIL import Image

from kit import soap
from kit.endpoint import Endpoint
from kit.lab import sharepoint
from kit.lab.clock import Clock
from kit.lab.domain import Account, Domain
from kit.lab.ntlm import NTLMHandler, Server
from kit.sharepoint import SharePoint

MANAGER, ANNA, BERIT, CARL = (f"CONTOSO\\{name}" for name in ("svc-kit", "anna", "berit", "carl"))
PASSWORD = "Correct horse 1"
ACCOUNTS = [Account("svc-kit", PASSWORD, frozenset({"profile-manager"})), Account("anna", PASSWORD)]
FAULT = "<soap:Fault><faultcode>soap:Server</faultcode><faultstring>no index</faultstring></soap:Fault>"


def photo(colour, size=(400, 300), format="JPEG"):
    encoded = io.BytesIO()
    Image.new("RGB", size, colour).save(encoded, format)
    return encoded.getvalue()


@contextlib.contextmanager
def running():
    """Run a farm of sixty days ago, whose change log gives three rows at once."""
    farm = sharepoint.start(Domain(), ACCOUNTS, clock=Clock(timedelta(days=-60)), change_page_size=3)
    names = {"PreferredName": "Anna Ö. O'Neill & Söner", "WorkPhone": "1", "Department": "R&D"}
    farm.store.create(ANNA, names)
    farm.store.create(BERIT, {"PreferredName": "Berit"})
    farm.store.create(CARL, {"PreferredName": "Carl"})
    farm.store.upload(ANNA, photo("red"))
    try:
        yield farm
    finally:
        farm.stop()


def signed_in(farm, account=MANAGER):
    return SharePoint(Endpoint(farm.url, account, PASSWORD), wait=lambda _: None)


class _Scripted(NTLMHandler):
    """Answers every call with the next message, the last one for ever, and keeps the calls."""

    def do_POST(self):  # noqa: N802 - http.server's name
        self.authenticate()
        self.server.calls.append(self.body.decode())
        content = self.server.script.pop(0) if len(self.server.script) > 1 else self.server.script[0]
        self.answer(500 if "Fault" in content else 200, soap.envelope(content), "text/xml")


@contextlib.contextmanager
def scripted(*script):
    """Give a client of a service that answers with these messages, and the calls that came."""
    server = Server(_Scripted, Domain(), [], schemes=())
    server.script, server.calls = list(script), []
    server.start()
    try:
        with SharePoint(Endpoint(server.url, "", "", auth="none"), wait=lambda _: None) as client:
            yield client, server.calls
    finally:
        server.stop()
