"""What the tests share: nodes that live as long as a module, names that no other test uses, clients that get closed."""

import itertools

import pytest

from cluster import BINARY, Cluster
from javascript import Browser
from live import Live
from tokens import guarding, token

_numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: needs the machine to itself; Tools/test runs it when all else is done")
    config.addinivalue_line("markers", "long: takes minutes; it begins first, so that the others run beside it")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"There is no {BINARY}: build it (Tools/test does), or name one in TESTED_BINARY.", returncode=2)


@pytest.fixture(scope="module")
def node():
    """One node alone, with no configuration: anonymous on loopback."""
    with Cluster(1) as cluster:
        yield cluster[0]


@pytest.fixture(scope="module")
def three():
    """Three nodes, for the tests of a module that leave them as they found them."""
    with Cluster(3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A node that wants tokens, asked with an admin's."""
    with Cluster(1, *guarding(tmp_path_factory.mktemp("guarded")), token=token("root", roles=["admin"])) as cluster:
        yield cluster[0]


@pytest.fixture
def fresh_three():
    """Three nodes for one test, which may do to them what it likes."""
    with Cluster(3) as cluster:
        yield cluster


@pytest.fixture
def browser():
    """A browser for one test."""
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def topic():
    """A topic's name that no other test uses."""
    return f"test/{next(_numbers)}"


@pytest.fixture
def attach():
    """Attaches clients to nodes, and closes them after the test."""
    clients = []

    def attach(node, token=None, **options):
        clients.append(Live(node, token, **options))
        return clients[-1]

    yield attach
    for client in clients:
        client.close()
