import contextlib
import gzip
import http.server
import threading
import time
from urllib.parse import urlsplit

import pytest
from profile_farm import photo

from kit import downloads, hosts
from kit.endpoint import Endpoint
from kit.errors import ParameterError, SignInError, UnreachableError
from kit.hosts import Hosts
from kit.sharepoint import SharePoint
from kit.web import Manners, WebSession

PICTURE = photo("red")
ONCE = Manners(attempts=1, longest_wait=0)


class _Library(http.server.BaseHTTPRequestHandler):
    """A web server that does with a file what its name says, and has a start page."""

    protocol_version = "HTTP/1.1"
    timeout = 5

    def do_GET(self):
        """Answer as the path says."""
        self.server.asked.append(self.path)
        kind = urlsplit(self.path).path.rpartition("/")[2].partition(".")[0].rstrip("0123456789")
        getattr(self, kind or "root", self.fine)()

    def root(self):
        """Answer for the start page, if there is one left."""
        if self.server.has_root:
            self.reply(self.server.root_status, b"")
        else:
            self.cut()

    def fine(self):
        """Give a picture."""
        self.reply(200, PICTURE)

    def cut(self):
        """End the connection without an answer."""
        self.close_connection = True

    def busy(self):
        """Refuse for now."""
        self.reply(503, b"")

    def refused(self):
        """Refuse the account, as for a file that it may not read."""
        self.reply(401, b"")

    def packed(self):
        """Give what is said to be packed and is not."""
        self.reply(200, PICTURE, {"Content-Encoding": "gzip"})

    def unasked(self):
        """Give a picture packed, though that was not asked for."""
        self.reply(200, gzip.compress(PICTURE), {"Content-Encoding": "gzip"})

    def drip(self):
        """Give a picture byte by byte, for as long as somebody waits."""
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.server.stopping.wait(0.02):
                self.wfile.write(b"\xff")
        self.close_connection = True

    def silent(self):
        """Give half a picture and then nothing more."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(PICTURE[:500])
        self.server.stopping.wait(5)
        self.close_connection = True

    def reply(self, status, content, headers=()):
        """Send an answer."""
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        """Stay quiet."""


@contextlib.contextmanager
def library(port=0):
    """Serve such a library until the end."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _Library)
    server.asked, server.has_root, server.root_status = [], True, 200
    server.stopping = threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site():
    with library() as server:
        yield server


@pytest.fixture
def other():
    with library() as server:
        yield server


@contextlib.contextmanager
def client(url, **options):
    """Open a client that asks once, and never waits."""
    endpoint = Endpoint(url, auth="none", timeout=options.pop("timeout", 5))
    my_site = options.get("my_site", "")
    with WebSession(endpoint, manners=ONCE, my_site=my_site, wait=lambda _: None) as web:
        yield downloads.Client(web, **options)


# Hosts that everybody needs


def test_a_file_that_never_answers_is_a_value(site):
    with client(site.url) as opened:
        found = opened.picture("/cut.jpg")
        assert (found.kind, found.error_kind) == ("unreachable", "Unreachable")
        assert found.detail.startswith(f"{site.url} could not be reached: ")
        assert opened.picture("/fine.jpg").kind == "image"
    assert site.asked == ["/cut.jpg", "/", "/fine.jpg"]


def test_a_file_that_takes_too_long_is_a_value(site):
    with client(site.url, timeout=0.1) as opened:
        started = time.monotonic()
        found = opened.picture("/drip.jpg")
        assert time.monotonic() - started < 4
    assert (found.kind, found.error_kind, found.content) == ("unreachable", "Unreachable", None)
    assert found.detail.startswith(
        f"the answer of {site.url}/drip.jpg was given up: it had not come whole after 1 s"
    )
    assert site.asked == ["/drip.jpg", "/"]


def test_a_body_that_falls_silent_is_told(site):
    with client(site.url, timeout=0.2) as opened:
        found = opened.picture("/silent.jpg")
    assert (found.kind, found.error_kind) == ("truncated", "Unreachable")
    assert "the connection was lost or fell silent, 500 of 1000 bytes came; read it again." in found.detail


def test_a_site_whose_start_page_does_not_answer_either_is_an_error(site):
    site.has_root = False
    with (
        client(site.url) as opened,
        pytest.raises(UnreachableError, match=f"{site.url} could not be reached"),
    ):
        opened.picture("/cut.jpg")


def test_a_site_whose_start_page_is_busy_too_is_an_error(site):
    site.root_status = 503
    told = f"{site.url}/busy.jpg gave HTTP 503: the server is too busy or stopped; try again later"
    with client(site.url) as opened, pytest.raises(UnreachableError, match=told):
        opened.picture("/busy.jpg")


@pytest.mark.parametrize("kind", ["cut", "busy"])
def test_a_site_that_fails_for_one_picture_after_the_other_is_an_error(site, kind):
    with client(site.url) as opened:
        kinds = [opened.picture(f"/{kind}{n}.jpg").kind for n in range(4)]
        with pytest.raises(
            UnreachableError, match=f"{site.url} failed for 5 pictures in a row: the latest: "
        ):
            opened.picture(f"/{kind}4.jpg")
    assert kinds == ["unreachable"] * 4


def test_one_picture_that_fails_for_everybody_is_no_error(site):
    with client(site.url) as opened:
        assert {opened.picture("/cut.jpg").kind for _ in range(7)} == {"unreachable"}


def test_failures_with_a_picture_between_them_are_not_in_a_row(site):
    with client(site.url) as opened:
        names = [f"/{name}{n}.jpg" for n in range(7) for name in ("cut", "fine")]
        assert [opened.picture(name).kind for name in names] == ["unreachable", "image"] * 7


def test_a_my_site_host_must_answer_too(site, other):
    other.has_root = False
    with (
        client(site.url, my_site=other.url) as opened,
        pytest.raises(UnreachableError, match=f"{other.url} could not be reached"),
    ):
        opened.picture("/cut.jpg")


def test_a_file_that_alone_refuses_the_account_is_a_value(site):
    with client(site.url) as opened:
        found = opened.picture("/refused.jpg")
    assert (found.kind, found.status, found.error_kind) == ("forbidden", 401, "Rights")


@pytest.mark.parametrize("own", ["url", "my_site"])
def test_a_site_that_refuses_the_account_is_an_error(site, other, own):
    site.root_status = other.root_status = 401  # asks for no kind of sign-in that there is
    named = {"my_site": other.url} if own == "my_site" else {}
    refusing = other if named else site
    with (
        client(site.url, **named) as opened,
        pytest.raises(SignInError, match=f"sign-in to {refusing.url} as nobody was refused: "),
    ):
        opened.picture("/refused.jpg")


def test_a_foreign_host_that_refuses_the_account_is_a_value_and_names_the_setting(site, other):
    other.root_status = 401
    with client(site.url) as opened:
        found = opened.picture(f"{other.url}/refused.jpg")
    assert (found.kind, found.status) == ("forbidden", 401)
    assert found.detail.endswith("; name the host in sharepoint.hosts if it may have the account's password.")


# Hosts that may fail


def test_a_foreign_host_is_asked_again_after_a_rest(site, other):
    clock = [0.0]
    with client(site.url, now=lambda: clock[0]) as opened:
        kinds = [opened.picture(f"{other.url}/cut{n}.jpg").kind for n in range(3)]
        resting = opened.picture(f"{other.url}/fine.jpg")
        clock[0] = hosts.REST + 1
        again = opened.picture(f"{other.url}/fine.jpg")
    assert (kinds, resting.kind, again.kind) == (["unreachable"] * 3, "unreachable", "image")
    assert resting.detail == (
        f"{other.url} was not asked: it did not answer 3 times in a row; "
        "check that host; it is asked again in 300 seconds."
    )


def test_who_is_not_asked_does_not_prolong_the_rest():
    clock = [0.0]
    known = Hosts(lambda _: False, lambda: clock[0])
    for n in range(3):
        known.failed(f"http://other/{n}.jpg")
    clock[0] = hosts.REST - 1
    known.failed("http://other/3.jpg")
    with pytest.raises(UnreachableError, match="asked again in 1 seconds"):
        known.check("http://other/4.jpg")


# What is wrong with an answer


def test_a_body_that_cannot_be_unpacked_is_no_image(site):
    with client(site.url) as opened:
        found = opened.picture("/packed.jpg")
    assert (found.kind, found.error_kind) == ("not_an_image", "Protocol")
    assert found.detail == (
        f"{site.url}/packed.jpg could not be read: its body is no 'gzip' data; look at the web server."
    )


def test_a_body_that_was_packed_unasked_is_unpacked(site):
    with client(site.url) as opened:
        assert opened.picture("/unasked.jpg").content == PICTURE


def test_the_query_and_the_password_in_an_address_are_not_told(site, other):
    address = other.url.replace("//", "//anna:hunter2@")
    with client(site.url) as opened:
        found = opened.picture(f"{address}/refused.jpg?token=hunter2")
    assert found.detail.startswith(f"{other.url}/refused.jpg?... gave HTTP 401: ")
    assert "hunter2" not in found.detail
    assert other.asked == ["/refused.jpg?token=hunter2"]


@pytest.mark.parametrize("my_site", ["my.contoso.example", "ftp://my", "https://my:99999"])
def test_a_my_site_that_cannot_be_used_is_refused(site, my_site):
    with pytest.raises(ParameterError, match=f"my_site '{my_site}' cannot be used"):
        SharePoint(Endpoint(site.url, auth="none"), my_site=my_site)
