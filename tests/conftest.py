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


LONGEST = (
    "test_confusion",
    "test_case_runs",
    "test_resync",
    "test_bad_input",
    "test_killed_fix",
    "test_restore",
)
"""Files to begin with: at the end they would run on one processor, while the others stand idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONGEST)))
