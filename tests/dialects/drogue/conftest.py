"""One facade for all tests of this folder; each test makes its own applications and devices."""

import secrets
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from tests.dialects.drogue.inbox import PASSWORD, secured
from tests.dialects.drogue.registry import Registry
from tests.dialects.people import MakePerson, Person, makes_people
from tests.dialects.people import ada as ada  # noqa: PLC0414 - a fixture
from tests.dialects.people import anonymous as anonymous  # noqa: PLC0414 - a fixture
from tests.dialects.people import bystander as bystander  # noqa: PLC0414 - a fixture
from tests.facade_fixtures import FacadeServer
from tests.shared_facade import StartSharedFacade


@pytest.fixture(scope="session")
def server(start_shared_facade: StartSharedFacade) -> Iterator[FacadeServer]:
    """Provide the shared facade."""
    with start_shared_facade() as running:
        yield running


@pytest.fixture(scope="session")
def person(server: FacadeServer) -> Iterator[MakePerson]:
    """Provide a maker of people who call by Basic with an access token, as `drg` does."""

    def make(name: str = "ada", **spec: object) -> Person:
        unique = f"{name}-{secrets.token_hex(4)}"
        token = server.user_token(unique, **spec)
        return Person(unique, token, server.client(auth=(unique, token)))

    yield from makes_people(make)


@pytest.fixture(scope="session")
def registry(server: FacadeServer, ada: Person) -> Registry:
    """Provide a maker of applications and devices that belong to Ada."""
    return Registry(server, ada)


@pytest.fixture
def app(registry: Registry) -> str:
    """Provide a new application of Ada."""
    return registry.app()


@pytest.fixture
def name(registry: Registry, app: str) -> str:
    """A device whose password is known."""
    return registry.device(app, "dev/ü 1", spec=secured(PASSWORD))


@pytest.fixture
def itself(server: FacadeServer, app: str, name: str) -> Iterator[httpx.Client]:
    """The device, as it calls."""
    with server.client(auth=(f"{quote(name, safe='')}@{app}", PASSWORD)) as caller:
        yield caller
