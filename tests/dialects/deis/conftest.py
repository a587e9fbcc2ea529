"""One facade for all tests of this folder; each test registers its own people and applications."""

from collections.abc import Iterator

import pytest

from tests.dialects.deis.controller import Controller, register, unique
from tests.dialects.people import MakePerson, Person, makes_people
from tests.dialects.people import ada as ada  # noqa: PLC0414 - a fixture
from tests.dialects.people import anonymous as anonymous  # noqa: PLC0414 - a fixture
from tests.dialects.people import bystander as bystander  # noqa: PLC0414 - a fixture
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
def person(server: FacadeServer) -> Iterator[MakePerson]:
    """Provide a maker of people who registered and logged in."""
    yield from makes_people(lambda name="user": register(server, unique(name)))


@pytest.fixture(scope="session")
def root(server: FacadeServer) -> Iterator[Person]:
    """Provide an administrator, who calls by an access token."""
    name = unique("root")
    token = server.user_token(name, administrator=True)
    with server.client(headers={"Authorization": f"token {token}"}) as caller:
        yield Person(name, token, caller)


@pytest.fixture(scope="session")
def controller(server: FacadeServer, ada: Person) -> Controller:
    """Provide a maker of applications that belong to Ada."""
    return Controller(server, ada)


@pytest.fixture
def app(controller: Controller) -> str:
    """Provide a new application of Ada."""
    return controller.app()
