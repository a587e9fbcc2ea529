"""Who calls in the tests of a dialect. A folder's conftest.py imports what it wants of it.

Imported fixtures belong to the folder that imports them, and so does the `server` they ask for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.dialects.conftest import scoped_client
from tests.facade_fixtures import FacadeServer


@dataclass(frozen=True)
class Person:
    """A user, a token of theirs, and a client that calls by it."""

    name: str
    token: str = field(repr=False)
    client: httpx.Client

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


MakePerson = Callable[..., Person]


def makes_people(make: MakePerson) -> Iterator[MakePerson]:
    """Yield `make`, for a fixture `person`, and close at the end the clients of all it made."""
    made: list[Person] = []

    def remembered(*arguments: Any, **options: Any) -> Person:
        made.append(make(*arguments, **options))
        return made[-1]

    yield remembered
    for item in made:
        item.client.close()


@pytest.fixture(scope="session")
def ada(person: MakePerson) -> Person:
    """Provide the owner of most applications of these tests."""
    return person("ada")


@pytest.fixture(scope="session", name="stranger")
def bystander(person: MakePerson) -> Person:
    """Provide a person without any role."""
    return person("stranger")


@pytest.fixture(scope="session")
def stranger(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a known caller without any right."""
    with scoped_client(server, "stranger", []) as caller:
        yield caller


@pytest.fixture(scope="session")
def anonymous(server: FacadeServer) -> Iterator[httpx.Client]:
    """Provide a caller without credentials."""
    with server.client() as caller:
        yield caller
