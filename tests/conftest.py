"""What more than one test module starts: a full domain, on both servers, once per run."""

import crowd
import pytest

collect_ignore = ["samba_crowd.py"]  # it runs on samba-tool's own Python, which alone has what it imports


@pytest.fixture(scope="session", params=[crowd.start_embedded, crowd.start_samba], ids=["embedded", "samba"])
def full_domain(request, tmp_path_factory):
    """Run a domain of 5,000 users; every test changes other people."""
    running = request.param(tmp_path_factory.mktemp("crowd"))
    yield running
    running.stop()


@pytest.fixture
def full_reader(full_domain):
    with crowd.connect(full_domain) as directory:
        yield directory


@pytest.fixture
def full_writer(full_domain):
    with crowd.connect(full_domain, crowd.people.WRITER) as directory:
        yield directory
