"""Who asks too often is told so by every route in the dialect's form, and when to come back."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from polyfleet.api.app import DOCUMENTS
from tests.dialects.deis import controller
from tests.dialects.drogue import registry
from tests.dialects.inventory import fleet as inventory
from tests.dialects.otao import fleet as otao
from tests.dialects.rdfm import fleet as rdfm
from tests.facade_fixtures import FacadeServer
from tests.fuzz.callers import authorization
from tests.fuzz.documented import Operation, operations_of
from tests.fuzz.raw import Answer
from tests.shared_facade import StartSharedFacade

TOO_MANY = 429
SECONDS = 1000
"""How long a budget of these tests takes to come back: longer than they run."""
ONE = {
    "calls_burst": 1,
    "calls_per_second": 1 / SECONDS,
    "mistakes_burst": 1,
    "mistakes_per_second": 1 / SECONDS,
}
WHO_AM_I = "/polyfleet/v1/whoami"
GUESS = "Basic " + base64.b64encode(b"nobody:a guess").decode()
LOGINS = ("/oauth/token", inventory.LOGIN, "/v1/auth/login")
"""Where names and passwords are taken: an address may be wrong so often."""
REPORTS = "DeviceToken"
"""Routes with this scheme count a device's reports, which tests of each dialect bound."""


def otao_text(reply: httpx.Response) -> str:
    return otao.reason(reply) if reply.url.path.startswith("/kp") else otao.message(reply)


CHECKS: dict[str, Callable[[httpx.Response], object]] = {
    "rdfm": rdfm.error_text,
    "drogue": registry.error,
    "inventory": inventory.error_text,
    "deis": controller.detail,
    "otao": otao_text,
}
"""What knows the form of an error, beyond its schema."""


@pytest.fixture(scope="module")
def server(start_shared_facade: StartSharedFacade) -> Iterator[FacadeServer]:
    """Provide a facade that takes one call of a person; this address was wrong once already."""
    with start_shared_facade(identity={"limits": ONE}) as running:
        with running.client(headers={"Authorization": GUESS}) as caller:
            assert caller.get(WHO_AM_I).status_code == 401
        yield running


@pytest.fixture(params=sorted(DOCUMENTS))
def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def spent(server: FacadeServer, dialect: str) -> str:
    """Provide the token of an administrator whose one call is made."""
    token = server.user_token(f"spent-{dialect}", administrator=True)
    with server.client(token) as caller:
        assert caller.get(WHO_AM_I).status_code == 200
    return token


def operations(server: FacadeServer, dialect: str) -> list[Operation]:
    with server.client() as client:
        return operations_of(client.get(DOCUMENTS[dialect]).raise_for_status().json())


def counts_calls(operation: Operation) -> bool:
    schemes = {name for item in operation.described.get("security", ()) for name in item}
    return TOO_MANY in operation.statuses and REPORTS not in schemes


def test_every_route_tells_when_to_come_back(
    server: FacadeServer, dialect: str, spent: str
) -> None:
    counted = list(filter(counts_calls, operations(server, dialect)))
    assert counted
    for operation in counted:
        credential = GUESS if operation.path in LOGINS else authorization(dialect, spent)
        headers = dict([("Authorization", credential), operation.content_type])
        body = operation.ordinary_body({"username": "nobody", "password": "a guess"})
        with server.client(headers=headers) as caller:
            reply = caller.request(operation.method, operation.target(), content=body)
        what = f"{operation.method} {operation.path}: {reply.text}"
        assert reply.status_code == TOO_MANY, what
        assert 1 <= int(reply.headers["retry-after"]) <= SECONDS, what
        answer = Answer(reply.status_code, dict(reply.headers), reply.content)
        assert list(operation.faults(answer)) == []
        if dialect in CHECKS:
            CHECKS[dialect](reply)


@pytest.mark.parametrize("path", [WHO_AM_I, "/api/v1/groups", "/v1/apps"])
def test_the_budget_of_one_is_not_that_of_another(server: FacadeServer, path: str) -> None:
    fresh = server.user_token(f"fresh-{path.count('/')}-{len(path)}", administrator=True)
    with server.client(fresh) as caller:
        assert [caller.get(path).status_code for _ in range(2)] == [200, TOO_MANY]


def test_a_device_that_asks_to_be_let_in_is_never_told_to_wait(server: FacadeServer) -> None:
    path: dict[str, Any] = {}
    for operation in operations(server, "rdfm"):
        path[f"{operation.method} {operation.path}"] = operation
    assert path["POST /api/v1/auth/device"].statuses.isdisjoint({TOO_MANY, 503})
    with server.client() as caller:
        device = rdfm.Fleet(server, caller, caller).stranger()
        assert {device.ask().status_code for _ in range(5)} == {401}
