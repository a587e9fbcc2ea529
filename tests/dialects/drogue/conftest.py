"""One facade for all tests of this folder; each test makes its own applications and devices."""

import secrets
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.dialects.drogue.registry import Person, Registry
from tests.facade_fixtures import FacadeServer
from tests.shared_facade import StartSharedFacade


@pytest.fixture(scope="session")
def server(start_shared_facade: StartSharedFacade) -> Iterator[FacadeServer]:
    """Provide the shared facade."""
    with start_shared_facade() as running:
        yield running


@pytest.fixture(scope="session")
def person(server: FacadeServer) -> Iterator[Callable[..., Person]]:
    """Provide a maker of people who call by Basic with an access token, as `drg` does."""
    clients: list[httpx.Client] = []

    def make(name: str = "ada", **spec: object) -> Person:
        unique = f"{name}-{secrets.token_hex(4)}"
        token = server.user_token(unique, **spec)
        made = Person(unique, token, server.client(auth=(unique, token)))
        clients.append(made.client)
        return made

    yield make
    for item in clients:
        item.close()


@pytest.fixture(scope="session")
def ada(person: Callable[..., Person]) -> Person:
    """Provide the owner of most applications of these tests."""
    return person("ada")


@pytest.fixture(scope="session")
def stranger(person: Callable[..., Person]) -> Person:
    """Provide a person without any role."""
    return person("stranger")


@pytest.fixture(scope="session")
def anonymous(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller without credentials."""
    with server.client() as caller:
        yield caller


@pytest.fixture(scope="session")
def registry(server: FacadeServer, ada: Person) -> Registry:
    """Provide a maker of applications and devices that belong to Ada."""
    return Registry(server, ada)


@pytest.fixture
def app(registry: Registry) -> str:
    """Provide a new application of Ada."""
    return registry.app()
