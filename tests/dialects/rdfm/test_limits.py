"""What strangers can cost us is bounded."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from polyfleet.api.dialects.rdfm.refusals import Refusals
from tests.dialects.rdfm.fleet import Fleet, rsa_key
from tests.facade_fixtures import StartFacade


def test_a_refusal_is_answered_late(start_facade: StartFacade) -> None:
    starting = start_facade(insecure=True, rdfm={"refusal_delay": 0.4})
    with starting as server, server.client() as caller:
        device = Fleet(server, caller, caller).stranger()
        started = time.monotonic()
        assert device.ask(b"{}").status_code == 400
        assert time.monotonic() - started >= 0.4


def test_beyond_a_bound_a_refusal_makes_the_client_wait_by_itself(
    start_facade: StartFacade,
) -> None:
    settings = {"refusal_delay": 3.0, "delayed_refusals": 1}
    with start_facade(insecure=True, rdfm=settings) as server, server.client() as caller:
        device = Fleet(server, caller, caller).stranger()
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(device.ask, [b"{}"] * 4))
    assert sorted(reply.status_code for reply in replies) == [400, 401, 401, 401]


async def test_a_client_that_goes_away_makes_room_for_another_refusal() -> None:
    refusals = Refusals(seconds=60, most=1)
    waiting = asyncio.create_task(refusals.hold())
    await asyncio.sleep(0)
    assert not await refusals.hold()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    again = asyncio.create_task(refusals.hold())
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


def test_only_so_many_keys_may_wait_for_one_device(start_facade: StartFacade) -> None:
    limits = {"maximum_per_device": 2}
    with start_facade(insecure=True, enrollment=limits) as server, server.client() as caller:
        fleet = Fleet(server, caller, caller)
        for number in range(4):
            device = fleet.stranger("one", key=rsa_key(2048, number))
            assert device.ask().status_code == 401
        assert len(caller.get("/api/v1/auth/pending").json()) == 2


def test_only_so_many_devices_of_one_address_may_wait(start_facade: StartFacade) -> None:
    limits = {"maximum_per_source": 3}
    with start_facade(insecure=True, enrollment=limits) as server, server.client() as caller:
        fleet = Fleet(server, caller, caller)
        for number in range(6):
            assert fleet.stranger(f"device-{number}").ask().status_code == 401
        assert len(caller.get("/api/v1/auth/pending").json()) == 3


def test_a_full_waiting_room_does_not_shut_out_known_devices(start_facade: StartFacade) -> None:
    limits = {"maximum": 1, "maximum_per_source": 1}
    with start_facade(insecure=True, enrollment=limits) as server, server.client() as caller:
        fleet = Fleet(server, caller, caller)
        known, _ = fleet.device("known")
        assert fleet.stranger("first").ask().status_code == 401
        assert fleet.stranger("second").ask().status_code == 401
        assert known.ask().status_code == 200


@pytest.mark.parametrize(
    ("crowd", "elsewhere"),
    [
        (["192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"], "192.0.2.2"),
        (["2001:db8::1", "2001:db8::2", "2001:db8::f:3", "2001:db8::4"], "2001:db8:0:1::1"),
    ],
)
def test_a_crowd_from_one_address_does_not_shut_out_another(
    start_facade: StartFacade, crowd: list[str], elsewhere: str
) -> None:
    settings = {"enrollment": {"maximum": 3}, "trusted_proxies": ("127.0.0.1",), "insecure": True}
    with start_facade(**settings) as server, server.client() as caller:
        fleet = Fleet(server, caller, caller)

        def ask(name: str, address: str) -> None:
            assert fleet.stranger(name).ask(**{"X-Forwarded-For": address}).status_code == 401

        for name, address in zip(("one", "two", "three", "four"), crowd, strict=True):
            ask(name, address)
        ask("elsewhere", elsewhere)
        waiting = [item["mac_address"] for item in caller.get("/api/v1/auth/pending").json()]
        assert waiting == ["one", "two", "elsewhere"]


def test_many_devices_that_ask_at_once_are_all_noted(fleet: Fleet) -> None:
    devices = [fleet.stranger() for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda device: device.ask(), devices))
    assert {reply.status_code for reply in replies} == {401}
    waiting = {item["mac_address"] for item in fleet.manager.get("/api/v1/auth/pending").json()}
    assert {device.identifier for device in devices} <= waiting


def test_one_device_that_asks_many_times_at_once_is_noted_once(fleet: Fleet) -> None:
    device = fleet.stranger()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(device.ask, [device.body()] * 8))
    items = fleet.manager.get("/api/v1/auth/pending").json()
    assert [item["mac_address"] for item in items].count(device.identifier) == 1
