"""One facade for all tests of this folder; each test makes its own applications and devices."""

import ipaddress
import secrets
from collections.abc import Iterator

import httpx
import pytest

from tests.dialects.conftest import scoped_client
from tests.dialects.otao.fleet import Fleet
from tests.dialects.people import anonymous as anonymous  # noqa: PLC0414 - a fixture
from tests.dialects.people import stranger as stranger  # noqa: PLC0414 - a fixture
from tests.facade_fixtures import FacadeServer, StartFacade

UPDATE = "application:software:update"
READ = "application:software:read"
ENDPOINT = "endpoint:read"


@pytest.fixture(scope="session")
def server(start_shared_facade: StartFacade) -> Iterator[FacadeServer]:
    """Provide the shared facade."""
    reports = {"burst": 12, "interval": 3600, "patience": 60}
    limits = {"mistakes_burst": 40, "mistakes_per_second": 0.1}
    with start_shared_facade(reports=reports, identity={"limits": limits}) as running:
        yield running


@pytest.fixture(scope="session")
def manager(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller with all scopes of the document."""
    with scoped_client(server, "manager", [UPDATE, READ, ENDPOINT]) as caller:
        yield caller


@pytest.fixture(scope="session")
def reader(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller who may read software."""
    with scoped_client(server, "reader", [READ]) as caller:
        yield caller


@pytest.fixture(scope="session")
def watcher(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller who may read what devices run."""
    with scoped_client(server, "watcher", [ENDPOINT]) as caller:
        yield caller


@pytest.fixture
def elsewhere(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller without credentials from an address of its own: it may guess."""
    address = ipaddress.IPv4Address("127.1.0.0") + secrets.randbelow(2**16)
    transport = httpx.HTTPTransport(local_address=str(address))
    with server.client(transport=transport) as caller:
        yield caller


@pytest.fixture(scope="session")
def administrator(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide an administrator."""
    token = server.user_token("administrator", administrator=True)
    with server.client(token) as caller:
        yield caller


@pytest.fixture
def fleet(server: FacadeServer, administrator: httpx.Client) -> Fleet:
    """Provide an application of the test's own, and a maker of what belongs to it."""
    return Fleet(server, administrator)
