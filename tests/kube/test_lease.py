"""Leader election on a real API server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from polyfleet.kube.client import Client
from polyfleet.kube.errors import NotFound
from polyfleet.kube.lease import Lease
from polyfleet.kube.resources import LEASES
from tests.kube.conftest import DEADLINE, Eventually
from tests.kube.servers import Proxy

NAME = "polyfleet-operator"


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def _holder(client: Client) -> str:
    return str((await client.get_document(LEASES, NAME))["spec"]["holderIdentity"])


async def _held(lease: Lease) -> None:
    async with asyncio.timeout(DEADLINE):
        await lease.wait_held()


async def test_of_two_only_one_holds_it(client: Client, stack: AsyncExitStack) -> None:
    one = await stack.enter_async_context(Lease(client, NAME, identity="one"))
    await _held(one)
    other = await stack.enter_async_context(Lease(client, NAME, identity="other", duration=3))
    await asyncio.sleep(1)

    assert one.held
    assert not other.held
    assert await _holder(client) == "one"


async def test_it_is_handed_over_at_the_end(client: Client, stack: AsyncExitStack) -> None:
    async with Lease(client, NAME, identity="one", duration=60) as one:
        await _held(one)
        other = Lease(client, NAME, identity="other", duration=3)
        await stack.enter_async_context(other)
    await _held(other)

    assert not one.held
    assert await _holder(client) == "other"
    spec = (await client.get_document(LEASES, NAME))["spec"]
    assert spec["leaseTransitions"] == 2


async def test_it_is_renewed_for_as_long_as_it_is_wanted(
    client: Client, stack: AsyncExitStack
) -> None:
    lease = await stack.enter_async_context(Lease(client, NAME, duration=6))
    await _held(lease)
    first = (await client.get_document(LEASES, NAME))["spec"]["renewTime"]

    async with asyncio.timeout(DEADLINE):
        while True:
            lease_now = await client.get_document(LEASES, NAME)
            if lease_now["spec"]["renewTime"] != first:
                break
            await asyncio.sleep(0.05)

    assert lease.held


async def test_who_cannot_reach_the_server_loses_it_and_another_takes_over(
    client: Client, proxied: Client, proxy: Proxy, stack: AsyncExitStack, eventually: Eventually
) -> None:
    cut_off = await stack.enter_async_context(Lease(proxied, NAME, identity="a", duration=3))
    await _held(cut_off)
    other = await stack.enter_async_context(Lease(client, NAME, identity="b", duration=3))
    both: list[bool] = []

    proxy.refuse()
    while not other.held:
        both.append(cut_off.held and other.held)
        await asyncio.sleep(0.01)
    async with asyncio.timeout(DEADLINE):
        await cut_off.wait_lost()

    assert not any(both)
    assert not cut_off.held
    assert await _holder(client) == "b"


async def test_a_silent_network_does_not_keep_it_held(
    proxied: Client, proxy: Proxy, stack: AsyncExitStack
) -> None:
    lease = await stack.enter_async_context(Lease(proxied, NAME, duration=3))
    await _held(lease)
    proxy.freeze()

    async with asyncio.timeout(DEADLINE):
        await lease.wait_lost()

    assert not lease.held
    proxy.accept()


async def test_a_connection_that_fell_silent_does_not_cost_it(
    client: Client, proxied: Client, proxy: Proxy, stack: AsyncExitStack
) -> None:
    lease = await stack.enter_async_context(Lease(proxied, NAME, identity="a", duration=6))
    await _held(lease)
    former = (await client.get_document(LEASES, NAME))["metadata"]["resourceVersion"]
    proxy.stall()

    async with asyncio.timeout(DEADLINE):
        while True:
            now = await client.get_document(LEASES, NAME)
            if now["metadata"]["resourceVersion"] != former:
                break
            await asyncio.sleep(0.05)

    assert lease.held


async def test_it_is_lost_at_once_when_somebody_else_took_it(
    client: Client, stack: AsyncExitStack
) -> None:
    lease = await stack.enter_async_context(Lease(client, NAME, identity="a", duration=3))
    await _held(lease)
    await client.patch_document(LEASES, NAME, {"spec": {"holderIdentity": "thief"}})

    async with asyncio.timeout(DEADLINE):
        await lease.wait_lost()

    assert await _holder(client) == "thief"


async def test_a_change_of_its_metadata_does_not_cost_it(
    client: Client, stack: AsyncExitStack
) -> None:
    lease = await stack.enter_async_context(Lease(client, NAME, duration=6))
    await _held(lease)
    patched = await client.patch_document(LEASES, NAME, {"metadata": {"labels": {"a": "b"}}})

    async with asyncio.timeout(DEADLINE):
        while True:
            now = await client.get_document(LEASES, NAME)
            if now["metadata"]["resourceVersion"] != patched["metadata"]["resourceVersion"]:
                break
            await asyncio.sleep(0.05)

    assert lease.held


async def test_a_clock_far_off_does_not_steal_it(client: Client, stack: AsyncExitStack) -> None:
    """The holder's clock is years behind: only that its record stays the same counts."""
    body = {
        "metadata": {"name": NAME},
        "spec": {
            "holderIdentity": "slow-clock",
            "leaseDurationSeconds": 3600,
            "renewTime": "2001-01-01T00:00:00.000000Z",
        },
    }
    await client.create_document(LEASES, body)
    lease = await stack.enter_async_context(Lease(client, NAME, duration=3))
    await asyncio.sleep(1)

    assert not lease.held
    assert await _holder(client) == "slow-clock"


async def test_a_deleted_lease_is_made_again(client: Client, stack: AsyncExitStack) -> None:
    lease = await stack.enter_async_context(Lease(client, NAME, identity="a", duration=6))
    await _held(lease)
    await client.delete_document(LEASES, NAME)

    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                assert await _holder(client) == "a"
                break
            except NotFound:
                await asyncio.sleep(0.05)

    assert lease.held


async def test_it_is_lost_if_renewing_it_fails_as_nobody_expects(
    client: Client, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await stack.enter_async_context(Lease(client, NAME, identity="one", duration=3))
    await _held(lease)

    async def faulty(*_: object) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(client, "replace_document", faulty)
    async with asyncio.timeout(DEADLINE):
        await lease.wait_lost()
    assert not lease.held
    monkeypatch.undo()
