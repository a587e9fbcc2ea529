"""One facade for all tests of this folder; each test makes its own devices, packages, groups."""

from collections.abc import Iterator

import httpx
import pytest

from tests.dialects.conftest import scoped_client
from tests.dialects.people import anonymous as anonymous  # noqa: PLC0414 - a fixture
from tests.dialects.rdfm.fleet import Fleet
from tests.facade_fixtures import FacadeServer
from tests.shared_facade import StartSharedFacade

_PREFIX = "Bearer token="
"""RDFM's own form of the header."""


@pytest.fixture(scope="session")
def server(start_shared_facade: StartSharedFacade) -> Iterator[FacadeServer]:
    """Provide the shared facade."""
    with start_shared_facade(rdfm={"refusal_delay": 0.01}, reports={"patience": 60}) as running:
        yield running


@pytest.fixture(scope="session")
def manager(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller with RDFM's read-write scope."""
    with scoped_client(server, "manager", ["rdfm_admin_rw"], prefix=_PREFIX) as caller:
        yield caller


@pytest.fixture(scope="session")
def reader(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller with RDFM's read-only scope."""
    with scoped_client(server, "reader", ["rdfm_admin_ro"], prefix=_PREFIX) as caller:
        yield caller


@pytest.fixture(scope="session")
def stranger(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a known caller without any right."""
    with scoped_client(server, "stranger", [], prefix=_PREFIX) as caller:
        yield caller


@pytest.fixture(scope="session")
def fleet(server: FacadeServer, manager: httpx.Client, anonymous: httpx.Client) -> Fleet:
    """Provide a maker of devices, packages and groups on the shared facade."""
    return Fleet(server, manager, anonymous)
