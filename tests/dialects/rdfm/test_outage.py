"""What devices and people get while the API server is away, and afterwards."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from polyfleet.fleet.objects.kinds import DEVICES
from tests.dialects.rdfm.fleet import Fleet
from tests.dialects.waiting import eventually
from tests.facade_fixtures import FacadeServer, StartFacade
from tests.outage import Line

# Generous for a busy machine, and far below what one write was tried for before (10 s).
SOON = 5.0


@pytest.fixture
def facade(start_facade: StartFacade, line: tuple[Line, Path]) -> Iterator[FacadeServer]:
    with start_facade(kubeconfig=line[1], rdfm={"refusal_delay": 0.01}) as server:
        yield server


@pytest.fixture
def fleet(facade: FacadeServer) -> Iterator[Fleet]:
    token = facade.user_token("manager", scopes=["rdfm_admin_rw"])
    headers = {"Authorization": f"Bearer token={token}"}
    with facade.client(headers=headers) as manager, facade.client() as anonymous:
        yield Fleet(facade, manager, anonymous)


def away(fleet: Fleet, line: Line) -> None:
    line.cut()
    eventually(lambda: fleet.server.facade.cache.unreachable)


def seconds(reply: httpx.Response) -> float:
    return reply.elapsed.total_seconds()


def test_a_device_is_answered_during_an_outage_and_its_report_is_written_afterwards(
    fleet: Fleet, line: tuple[Line, Path]
) -> None:
    device, serial = fleet.device()
    away(fleet, line[0])

    unchanged = device.ask()
    device.metadata = {**device.metadata, "rdfm.software.version": "v9"}
    changed = device.ask()
    stranger = fleet.stranger().ask()

    assert [reply.status_code for reply in (unchanged, changed, stranger)] == [200, 200, 401]
    assert max(map(seconds, (unchanged, changed, stranger))) < SOON
    assert fleet.server.facade.reports.pending == 1

    line[0].mend()
    known = fleet.server.facade.cache.devices.by_serial(serial)
    assert known is not None

    def written() -> str | None:
        stored = fleet.server.call(fleet.server.facade.client.get(DEVICES, known.metadata.name))
        return stored.status.software.version if stored.status.software is not None else None

    eventually(lambda: fleet.server.facade.reports.pending == 0)
    eventually(lambda: written() == "v9")


def test_a_change_by_a_person_is_refused_soon_during_an_outage(
    fleet: Fleet, line: tuple[Line, Path]
) -> None:
    away(fleet, line[0])

    reply = fleet.manager.post("/api/v2/groups", json={"metadata": {}})

    assert reply.status_code == 503
    assert seconds(reply) < SOON
    line[0].mend()
    eventually(lambda: not fleet.server.facade.cache.unreachable)
    assert fleet.manager.post("/api/v2/groups", json={"metadata": {}}).status_code == 200
