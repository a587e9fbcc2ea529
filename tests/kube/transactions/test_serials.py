"""Serials, against a real API server."""

import asyncio
from typing import Any

import pytest

from polyfleet.fleet.objects.kinds import DEVICES, GROUPS
from polyfleet.fleet.objects.metadata import SERIAL_LABEL
from polyfleet.kube.resources import CONFIG_MAPS
from polyfleet.kube.serials import CONFIG_MAP, DEVICE_BLOCK, SerialAllocator
from tests.kube.transactions.side import Side


async def counters(side: Side) -> dict[str, Any]:
    document = await side.client.get_document(CONFIG_MAPS, CONFIG_MAP)
    data: dict[str, Any] = document["data"]
    return data


async def test_serials_count_from_one_kind_by_kind(facade: Side) -> None:
    assert [await facade.serials.next(GROUPS) for _ in range(3)] == [1, 2, 3]
    assert await facade.serials.next(DEVICES) == 1


async def test_devices_are_numbered_from_a_block_without_more_requests(facade: Side) -> None:
    await facade.serials.next(DEVICES)
    version = (await facade.client.get_document(CONFIG_MAPS, CONFIG_MAP))["metadata"][
        "resourceVersion"
    ]

    serials = [await facade.serials.next(DEVICES) for _ in range(DEVICE_BLOCK - 1)]

    document = await facade.client.get_document(CONFIG_MAPS, CONFIG_MAP)
    assert serials == list(range(2, DEVICE_BLOCK + 1))
    assert document["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize(("kind", "count"), [(GROUPS, 8), (DEVICES, 2 * DEVICE_BLOCK)])
async def test_two_allocators_at_once_never_give_the_same_serial(
    facade: Side, other_facade: Side, kind: Any, count: int
) -> None:
    async def take(side: Side) -> list[int]:
        return list(await asyncio.gather(*(side.serials.next(kind) for _ in range(count))))

    first, second = await asyncio.gather(take(facade), take(other_facade))

    assert len({*first, *second}) == 2 * count


async def test_a_lost_counter_goes_on_after_the_highest_seen(facade: Side) -> None:
    await facade.make_device(labels={SERIAL_LABEL: "41"})
    await facade.serials.next(GROUPS)
    await facade.client.delete_document(CONFIG_MAPS, CONFIG_MAP)

    assert await SerialAllocator(facade.client, facade.cache).next(DEVICES) == 42


async def test_a_lost_counter_is_restored_without_a_cache_too(facade: Side) -> None:
    for serial in ("7", "9", "8"):
        await facade.make_device(labels={SERIAL_LABEL: serial})

    assert await SerialAllocator(facade.client).next(DEVICES) == 10


@pytest.mark.parametrize("nonsense", ["many", "", "-3", "9" * 30])
async def test_nonsense_in_the_counter_counts_as_lost(facade: Side, nonsense: str) -> None:
    await facade.make_device(labels={SERIAL_LABEL: "5"})
    body = {"metadata": {"name": CONFIG_MAP}, "data": {"devices": nonsense}}
    await facade.client.create_document(CONFIG_MAPS, body)

    assert await facade.serials.next(DEVICES) == 6


async def test_a_serial_too_large_to_be_one_does_not_count(facade: Side) -> None:
    await facade.make_device(labels={SERIAL_LABEL: "9" * 30})
    await facade.make_device(labels={SERIAL_LABEL: "5"})

    assert await facade.serials.next(DEVICES) == 6


async def test_counters_of_other_kinds_are_left_alone(facade: Side, other_facade: Side) -> None:
    await facade.serials.next(GROUPS)

    await other_facade.serials.next(DEVICES)

    assert await counters(facade) == {"devicegroups": "1", "devices": str(DEVICE_BLOCK)}
