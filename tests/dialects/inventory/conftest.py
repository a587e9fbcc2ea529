"""One facade for all tests of this folder; each test makes its own devices and groups."""

from collections.abc import Iterator

import httpx
import pytest

from tests.dialects.conftest import scoped_client
from tests.dialects.inventory.fleet import Fleet
from tests.dialects.people import anonymous as anonymous  # noqa: PLC0414 - a fixture
from tests.dialects.people import stranger as stranger  # noqa: PLC0414 - a fixture
from tests.facade_fixtures import FacadeServer
from tests.shared_facade import StartSharedFacade


@pytest.fixture(scope="session")
def server(start_shared_facade: StartSharedFacade) -> Iterator[FacadeServer]:
    """Provide the shared facade."""
    reports = {"burst": 3, "interval": 3600}
    with start_shared_facade(attribute_labels=("ring",), reports=reports) as running:
        yield running


@pytest.fixture(scope="session")
def manager(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller who may read and write."""
    with scoped_client(server, "manager", ["rdfm_admin_rw"]) as caller:
        yield caller


@pytest.fixture(scope="session")
def reader(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller who may read."""
    with scoped_client(server, "reader", ["rdfm_admin_ro"]) as caller:
        yield caller


@pytest.fixture(scope="session")
def fleet(server: FacadeServer, manager: httpx.Client) -> Fleet:
    """Provide a maker of devices and groups on the shared facade."""
    return Fleet(server, manager)
