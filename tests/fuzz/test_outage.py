"""While the API server is away, every operation answers as its document says."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.facade_fixtures import FacadeServer, StartFacade
from tests.fuzz.callers import DIALECTS, authorization
from tests.fuzz.documented import Operation, operations_of
from tests.fuzz.known import make_known_fleet
from tests.fuzz.raw import ask
from tests.outage import Line

DEADLINE = 30.0
AT_ONCE = 16


@pytest.fixture
def cut_off(start_facade: StartFacade, line: tuple[Line, Path]) -> Iterator[FacadeServer]:
    """Provide a facade that lost its API server, and an administrator `Authorization` for it."""
    with start_facade(kubeconfig=line[1], rdfm={"refusal_delay": 0.01}) as server:
        make_known_fleet(server)
        yield server


def test_an_outage_is_told_as_documented(cut_off: FacadeServer, line: tuple[Line, Path]) -> None:
    token = cut_off.user_token("admin", administrator=True)
    with cut_off.client() as client:
        operations = [
            (dialect, operation)
            for dialect, path in DIALECTS.items()
            for operation in operations_of(client.get(path).raise_for_status().json())
        ]
    line[0].cut()
    end = time.monotonic() + DEADLINE
    while not cut_off.facade.cache.unreachable:
        assert time.monotonic() < end, "the facade does not see that the API server is away"
        time.sleep(0.02)

    seen: set[int] = set()

    def faults(item: tuple[str, Operation]) -> list[str]:
        dialect, operation = item
        headers = [
            ("Authorization", authorization(dialect, token)),
            operation.content_type,
        ]
        answer = ask(
            cut_off.port,
            operation.method,
            operation.target(),
            headers=headers,
            body=operation.ordinary_body(),
        )
        seen.add(answer.status)
        return [
            f"{operation.method} {operation.path}: {fault}" for fault in operation.faults(answer)
        ]

    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = [fault for some in threads.map(faults, operations) for fault in some]
    assert not found
    assert 503 in seen
