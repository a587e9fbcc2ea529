"""Facades whose clocks are wrong beside one whose clock is right."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from polyfleet.api.core.identity.clock import Clock
from tests.dialects.rdfm.fleet import Fleet, SimulatedDevice
from tests.dialects.waiting import eventually
from tests.facade_fixtures import FacadeServer, running_facade

REGISTRY = "/api/registry/v1alpha1/apps"
COMMAND = "/api/command/v1alpha1"
LITTLE, MUCH = timedelta(minutes=3), timedelta(minutes=20)
"""Less than device tokens and commands live (five minutes), and more."""

Skewed = Callable[[timedelta], Any]


@pytest.fixture
def skewed(facade_server: FacadeServer) -> Skewed:
    """Provide a starter of further replicas by how far their clock is ahead."""

    @contextmanager
    def start(ahead: timedelta) -> Iterator[FacadeServer]:
        clock: Clock = lambda: datetime.now(UTC) + ahead  # noqa: E731 - it is what a clock is
        with running_facade(facade_server.settings, clock) as running:
            yield running

    return start


@pytest.fixture
def device(facade_server: FacadeServer, admin: Any) -> Iterator[SimulatedDevice]:
    """Provide a device that is let in."""
    with facade_server.client() as anonymous:
        yield Fleet(facade_server, admin, anonymous).device()[0]


def check(server: FacadeServer, device: SimulatedDevice, token: str) -> int:
    with server.client() as caller:
        reply = caller.post(
            "/api/v1/update/check",
            json=device.metadata,
            headers={"Authorization": f"Bearer token={token}"},
        )
        return reply.status_code


@pytest.mark.parametrize("ahead", [LITTLE, -LITTLE])
def test_a_little_skew_is_not_felt(
    facade_server: FacadeServer, skewed: Skewed, device: SimulatedDevice, ahead: timedelta
) -> None:
    with skewed(ahead) as other:
        assert check(other, device, device.token()) == 204
        with other.client() as caller:
            theirs = SimulatedDevice(caller, device.identifier, key=device.key).token()
        assert check(facade_server, device, theirs) == 204


def test_a_token_is_over_for_a_clock_that_is_far_ahead_and_a_new_one_is_given(
    facade_server: FacadeServer, skewed: Skewed, device: SimulatedDevice
) -> None:
    with skewed(MUCH) as other:
        assert check(other, device, device.token()) == 401
        with other.client() as caller:
            theirs = SimulatedDevice(caller, device.identifier, key=device.key).token()
        assert check(other, device, theirs) == 204
        assert check(facade_server, device, theirs) == 204


@pytest.mark.parametrize("ahead", [LITTLE, -LITTLE, MUCH, -MUCH])
def test_a_command_is_delivered_by_whoever_thinks_that_it_still_holds(
    facade_server: FacadeServer, skewed: Skewed, admin: Any, admin_token: str, ahead: timedelta
) -> None:
    assert admin.post(REGISTRY, json={"metadata": {"name": "app"}}).status_code == 201
    body = {"metadata": {"application": "app", "name": "dev"}}
    assert admin.post(f"{REGISTRY}/app/devices", json=body).status_code == 201
    inbox = f"{COMMAND}/inbox/apps/app/devices/dev"
    with skewed(ahead) as other, other.client(admin_token) as there:

        def sent() -> bool:
            path = f"{COMMAND}/apps/app/devices/dev?command=reboot"
            return bool(there.post(path).status_code == 202)

        eventually(sent)
        if ahead == -MUCH:  # made in the past of everybody else, whose time for it is over
            assert admin.get(inbox, params={"timeout": "1"}).status_code == 404
            assert there.get(inbox).status_code == 200
        else:
            assert admin.get(inbox, params={"timeout": "30"}).status_code == 200


@pytest.mark.parametrize("ahead", [MUCH, -MUCH])
def test_links_to_files_outlast_every_skew(
    facade_server: FacadeServer,
    skewed: Skewed,
    device: SimulatedDevice,
    admin: Any,
    ahead: timedelta,
) -> None:
    with facade_server.client() as anonymous:
        fleet = Fleet(facade_server, admin, anonymous)
        package = fleet.package(content=b"the image")
        serial = fleet.serial_of(device)
        fleet.group(devices=[serial], packages=[package["id"]], policy="exact_match,v1")
        link = device.check().json()["uri"]
    with skewed(ahead) as other, other.client() as caller:
        path = link.replace(facade_server.url, other.url)
        assert eventually(lambda: caller.get(path).status_code == 200)
        assert caller.get(path).content == b"the image"
