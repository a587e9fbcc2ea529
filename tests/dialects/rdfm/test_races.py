"""Two administrators at once, through two replicas: at most one of two opposite requests counts."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from tests.dialects.rdfm.fleet import Fleet
from tests.dialects.waiting import eventually
from tests.facade_fixtures import StartFacade

ROUNDS = 10

Replicas = tuple[Fleet, Fleet]


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    """Provide a thread for each administrator."""
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.fixture
def replicas(start_facade: StartFacade) -> Iterator[Replicas]:
    """Provide the same fleet through two facades."""
    with ExitStack() as stack:
        servers = [stack.enter_context(start_facade()) for _ in range(2)]
        token = servers[0].user_token("manager", scopes=["rdfm_admin_rw"])
        headers = {"Authorization": f"Bearer token={token}"}
        first, second = (
            Fleet(
                server,
                stack.enter_context(server.client(headers=headers)),
                stack.enter_context(server.client()),
            )
            for server in servers
        )
        eventually(lambda: second.manager.get("/api/v1/groups").status_code == 200)
        yield first, second


def both(
    pool: ThreadPoolExecutor,
    one: Callable[[], httpx.Response],
    other: Callable[[], httpx.Response],
) -> tuple[int, int]:
    """Return the statuses of two requests that are sent at once."""
    sent = [pool.submit(one), pool.submit(other)]
    first, second = (reply.result().status_code for reply in sent)
    return first, second


def groups_of(fleet: Fleet, device: int) -> list[int]:
    groups: list[int] = fleet.manager.get(f"/api/v2/devices/{device}").json()["groups"]
    return groups


def test_a_device_is_never_in_two_groups_of_equal_priority(
    replicas: Replicas, pool: ThreadPoolExecutor
) -> None:
    here, there = replicas
    _, device = here.device()
    held = here.group(devices=[device], priority=7)
    found: Counter[tuple[int, int]] = Counter()
    for _ in range(ROUNDS):
        group = here.group()
        path = f"/api/v2/groups/{group}/priority"
        eventually(lambda path=path: there.manager.get(path[:-9]).status_code == 200)
        moved, joined = both(
            pool,
            lambda path=path: there.manager.post(path, json={"priority": 7}),
            lambda group=group: here.change(group, add=[device]),
        )
        found[moved, joined] += 1
        assert eventually(lambda group=group: here.manager.get(f"/api/v2/groups/{group}"))
        assert groups_of(here, device) == ([held, group] if joined == 200 else [held])
        if joined == 200:
            here.done(here.change(group, remove=[device]))
    assert set(found) <= {(200, 409), (409, 200), (409, 409)}


def test_no_group_is_deleted_under_a_device_that_was_told_to_be_in(
    replicas: Replicas, pool: ThreadPoolExecutor
) -> None:
    here, there = replicas
    _, device = here.device()
    for _ in range(ROUNDS):
        group = here.group()
        path = f"/api/v1/groups/{group}"
        eventually(lambda path=path: there.manager.get(path).status_code == 200)
        deleted, joined = both(
            pool,
            lambda path=path: there.manager.delete(path),
            lambda group=group: here.change(group, add=[device]),
        )
        assert (deleted, joined) != (200, 200)
        assert deleted in {200, 409}
        assert joined in {200, 404, 409}
        if joined == 200:
            assert groups_of(here, device) == [group]
            here.done(here.change(group, remove=[device]))
        elif deleted == 200:
            assert groups_of(here, device) == []
            assert there.manager.get(path).status_code == 404


def test_no_package_is_deleted_under_a_group_that_was_told_to_have_it(
    replicas: Replicas, pool: ThreadPoolExecutor
) -> None:
    here, there = replicas
    group = here.group()
    for _ in range(ROUNDS):
        package = here.package()["id"]
        path = f"/api/v1/packages/{package}"
        eventually(lambda path=path: there.manager.get(path).status_code == 200)
        assign = f"/api/v1/groups/{group}/package"
        deleted, assigned = both(
            pool,
            lambda path=path: there.manager.delete(path),
            lambda assign=assign, package=package: here.manager.post(
                assign, json={"packages": [package]}
            ),
        )
        assert (deleted, assigned) != (200, 200)
        assert deleted in {200, 409}
        assert assigned in {200, 404, 409}
        has = here.manager.get(f"/api/v1/groups/{group}").json()["packages"]
        assert has == ([package] if assigned == 200 else [])
        here.done(here.manager.post(assign, json={"packages": []}))
