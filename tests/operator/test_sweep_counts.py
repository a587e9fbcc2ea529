"""How many devices left a deleted group is told in full, however often the sweep begins anew."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polyfleet.fleet.membership import label_key
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import DEVICES, GROUPS, Kind
from polyfleet.kube.errors import Conflict, Unavailable
from polyfleet.kube.resources import EVENTS
from polyfleet.kube.writer import Writer
from polyfleet.operator.context import Context
from polyfleet.operator.controllers import groups
from polyfleet.operator.sweep_counts import SweepCounts
from tests.operator.in_process import operator_of

NAME = "leaving"


class Interrupted(Writer):
    """A writer with something that happens after so many updates of devices."""

    def __init__(self, context: Context, after: Callable[[int], Awaitable[None]]) -> None:
        super().__init__(context.client, context.cache)
        self._after = after
        self._updates = 0

    async def update(self, kind: Kind[Any], name: str, *arguments: Any, **options: Any) -> Any:
        if kind is DEVICES:
            self._updates += 1
            await self._after(self._updates)
        return await super().update(kind, name, *arguments, **options)


async def member(context: Context, name: str) -> None:
    metadata = {"name": name, "labels": {label_key(NAME): "true"}}
    spec = {"application": "default", "deviceId": name}
    await context.client.create(DEVICES, {"metadata": metadata, "spec": spec})


async def deleted_group(context: Context) -> DeviceGroup:
    """Return a group that waits, with its finalizer, for its devices to leave."""
    spec = {"application": "default", "name": NAME}
    await context.client.create(GROUPS, {"metadata": {"name": NAME}, "spec": spec})
    await known(context, lambda group: group is not None)
    await groups.reconcile(context, NAME)
    await context.client.delete(GROUPS, NAME)
    await known(context, lambda group: group is not None and group.metadata.terminating)
    group = context.cache.groups.get(NAME)
    assert group is not None
    return group


async def known(context: Context, holds: Callable[[DeviceGroup | None], bool]) -> None:
    for _ in range(1200):
        if holds(context.cache.groups.get(NAME)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not known")


async def told(context: Context) -> list[str]:
    """Return what people were told of the sweep, once they were."""
    async with asyncio.timeout(60):
        while True:
            listed = await context.client.list_documents(EVENTS)
            notes = [item["note"] for item in listed if item["reason"] == "GroupSwept"]
            if notes:
                return notes
            await asyncio.sleep(0.05)


async def test_devices_that_left_before_an_error_are_counted(
    admin_kubeconfig: Path, namespace: str
) -> None:
    async def fail(updates: int) -> None:
        if updates == 3:
            raise Unavailable(503, "Unavailable", "away")

    async with operator_of(admin_kubeconfig, namespace) as whole:
        context = replace(whole, writer=Interrupted(whole, fail))
        for number in range(4):
            await member(context, f"d{number}")
        await deleted_group(context)
        with pytest.raises(Unavailable):
            await groups.reconcile(context, NAME)
        await groups.reconcile(context, NAME)
        assert await told(context) == ["4 devices left the deleted group"]
        await known(context, lambda group: group is None)


async def test_devices_that_join_while_it_is_swept_are_counted(
    admin_kubeconfig: Path, namespace: str
) -> None:
    async def join(updates: int) -> None:
        if updates <= groups._ROUNDS:
            await member(context, f"d{updates}")

    async with operator_of(admin_kubeconfig, namespace) as whole:
        context = replace(whole, writer=Interrupted(whole, join))
        await member(context, "d0")
        await deleted_group(context)
        with pytest.raises(Conflict):
            await groups.reconcile(context, NAME)
        await groups.reconcile(context, NAME)
        assert await told(context) == [f"{groups._ROUNDS + 1} devices left the deleted group"]


async def test_a_count_goes_with_its_group(admin_kubeconfig: Path, namespace: str) -> None:
    async with operator_of(admin_kubeconfig, namespace) as context:
        context.swept.add(NAME, "uid")
        await groups.reconcile(context, NAME)
        assert context.swept.of(NAME, "uid") == 0


def test_a_group_made_again_begins_at_nought() -> None:
    counts = SweepCounts()
    for _ in range(3):
        counts.add(NAME, "first")
    assert counts.of(NAME, "first") == 3
    assert counts.of(NAME, "second") == 0
    counts.add(NAME, "second")
    assert counts.of(NAME, "second") == 1
