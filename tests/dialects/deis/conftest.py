"""One facade for all tests of this folder; each test registers its own people and applications."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.dialects.deis.controller import Controller, Person, register, unique
from tests.facade_fixtures import FacadeServer
from tests.shared_facade import StartSharedFacade

BUILDER_KEY = "builder-key-of-these-tests"
SETTINGS = {
    "registration": "enabled",
    "domain": "example.com",
    "builder_key": BUILDER_KEY,
    # No operator runs here, so nothing would be worth waiting for.
    "patience": 0,
}


@pytest.fixture(scope="session")
def server(start_shared_facade: StartSharedFacade) -> Iterator[FacadeServer]:
    """Provide the shared facade, in which somebody is an administrator already."""
    with start_shared_facade(deis=SETTINGS) as running:
        running.user_token("first", administrator=True)
        yield running


@pytest.fixture(scope="session")
def person(server: FacadeServer) -> Iterator[Callable[..., Person]]:
    """Provide a maker of people who registered and logged in."""
    made: list[Person] = []

    def make(name: str = "user") -> Person:
        made.append(register(server, unique(name)))
        return made[-1]

    yield make
    for item in made:
        item.client.close()


@pytest.fixture(scope="session")
def ada(person: Callable[..., Person]) -> Person:
    """Provide the owner of most applications of these tests."""
    return person("ada")


@pytest.fixture(scope="session")
def stranger(person: Callable[..., Person]) -> Person:
    """Provide a person without any role."""
    return person("stranger")


@pytest.fixture(scope="session")
def root(server: FacadeServer) -> Iterator[Person]:
    """Provide an administrator, who calls by an access token."""
    name = unique("root")
    token = server.user_token(name, administrator=True)
    with server.client(headers={"Authorization": f"token {token}"}) as caller:
        yield Person(name, token, caller)


@pytest.fixture(scope="session")
def anonymous(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller without credentials."""
    with server.client() as caller:
        yield caller


@pytest.fixture(scope="session")
def controller(server: FacadeServer, ada: Person) -> Controller:
    """Provide a maker of applications that belong to Ada."""
    return Controller(server, ada)


@pytest.fixture
def app(controller: Controller) -> str:
    """Provide a new application of Ada."""
    return controller.app()
