"""A change of many members is tidied up by the facade while no operator does."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from polyfleet.api.core import membership
from polyfleet.api.core.membership import MembershipWriter
from polyfleet.fleet.membership import is_member, label_key, marks_of, parse_value
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import DEVICES, GROUPS
from tests.api.core.conftest import Clock, Namespace


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  the cache has no event to wait for
            await asyncio.sleep(0.05)


async def make_group(fleet: Namespace, name: str = "canary") -> DeviceGroup:
    spec = {"application": "default", "name": name}
    return await fleet.writer.create(GROUPS, f"default.{name}", spec)


async def make_devices(fleet: Namespace, count: int = 3) -> list[Device]:
    return [await fleet.device(f"d{number}") for number in range(count)]


async def test_a_committed_change_counts_at_once_and_its_marks_go_without_an_operator(
    fleet: Namespace, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "_OPERATOR_FIRST_SECONDS", 0.2)
    group = await make_group(fleet)
    devices = await make_devices(fleet)

    def current() -> list[Device]:
        return [fleet.cache.devices.get(device.metadata.name) for device in devices]

    async with MembershipWriter(fleet.writer, fleet.cache, clock=clock) as members:
        await members.change(group, devices, [])
        told = fleet.cache.groups.get(group.metadata.name)
        assert all(is_member(device, told) for device in current())
        await until(lambda: not any(marks_of(device) for device in current()))

    key = label_key(group.metadata.name)
    for device in devices:
        stored = await fleet.client.get(DEVICES, device.metadata.name)
        assert parse_value(stored.metadata.labels[key]).state == "member"


async def test_a_single_move_leaves_nothing_to_tidy(fleet: Namespace, clock: Clock) -> None:
    group = await make_group(fleet)
    (device,) = await make_devices(fleet, 1)
    async with MembershipWriter(fleet.writer, fleet.cache, clock=clock) as members:
        await members.change(group, [device], [])
    stored = fleet.cache.devices.get(device.metadata.name)
    assert not marks_of(stored)
    assert is_member(stored, fleet.cache.groups.get(group.metadata.name))


async def test_a_fault_of_ours_does_not_end_the_tidying(
    fleet: Namespace, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "_OPERATOR_FIRST_SECONDS", 0.2)
    tidy = membership.tidy
    faults = [KeyError("a fault of ours")]

    async def faulty(*arguments: Any) -> float | None:
        if faults:
            raise faults.pop()
        return await tidy(*arguments)

    monkeypatch.setattr(membership, "tidy", faulty)
    group = await make_group(fleet)
    devices = await make_devices(fleet)
    async with MembershipWriter(fleet.writer, fleet.cache, clock=clock) as members:
        await members.change(group, devices, [])
        names = [device.metadata.name for device in devices]
        await until(lambda: not any(marks_of(fleet.cache.devices.get(name)) for name in names))
    assert not faults
