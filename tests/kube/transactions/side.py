"""A side: what one process has, be it a facade or the operator."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import anyio.to_thread
from prometheus_client import CollectorRegistry

from polyfleet.fleet.membership import label_key, member_value
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import DEVICES, ENROLLMENTS, GROUPS, PACKAGES, Kind, Object
from polyfleet.fleet.objects.package import Package
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import load_connection
from polyfleet.kube.serials import SerialAllocator
from polyfleet.kube.writer import Writer

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECONDS = 60.0
KINDS = (DEVICES, GROUPS, PACKAGES, ENROLLMENTS)

_numbers = count(1)


class GatedClient(Client):
    """A client whose requests pass a gate, once there is one; watches do not."""

    gate: Callable[[Callable[[], Awaitable[bytes]]], Awaitable[bytes]] | None = None

    async def _send(self, *arguments: Any, **options: Any) -> bytes:
        async def send() -> bytes:
            return await super(GatedClient, self)._send(*arguments, **options)

        return await (send() if self.gate is None else self.gate(send))


class MortalWriter(Writer):
    """A writer whose process dies around its n-th write: before it is sent, or before it answers.

    Dying is the cancellation of `victim`, at a place where nothing of the code under test can
    tell it from the end of the process.
    """

    victim: asyncio.Task[Any] | None = None
    writes_left: int | None = None
    dies_after_sending = False

    async def patch(
        self, kind: Kind[Object], item: Object, patch: Mapping[str, Any], **options: Any
    ) -> Object:
        dies = self._is_last()
        if not dies or self.dies_after_sending:
            changed = await super().patch(kind, item, patch, **options)
        if dies:
            await self._die()
        return changed

    async def delete(self, kind: Kind[Object], item: Object, *, checked: bool = True) -> None:
        if self._is_last():
            await self._die()
        await super().delete(kind, item, checked=checked)

    def _is_last(self) -> bool:
        if self.writes_left is None:
            return False
        self.writes_left -= 1
        return self.writes_left == 0

    async def _die(self) -> None:
        assert self.victim is not None
        self.victim.cancel()
        await asyncio.Event().wait()


@dataclass
class Side:
    """One process: its own connection, cache and writer."""

    client: GatedClient
    cache: Cache
    writer: MortalWriter
    serials: SerialAllocator

    async def make_device(self, device_id: str = "", **metadata: Any) -> Device:
        number = next(_numbers)
        spec = {"application": "default", "deviceId": device_id or f"d{number}"}
        body = {"metadata": {"name": f"device-{number}", **metadata}, "spec": spec}
        return self.heard(DEVICES, await self.client.create(DEVICES, body))

    async def make_group(self, *members: Device, **spec: Any) -> DeviceGroup:
        name = f"group-{next(_numbers)}"
        spec = {"application": "default", "name": name, **spec}
        group = await self.writer.create(GROUPS, name, spec)
        for device in members:
            labels = {label_key(name): member_value(group, 1)}
            await self.writer.patch(DEVICES, device, {"metadata": {"labels": labels}})
        return group

    async def make_package(self) -> Package:
        artifact = {"driver": "url", "url": "https://x.example/f", "sha256": "0" * 64, "size": 1}
        spec = {"application": "default", "version": "v1", "artifact": artifact}
        return await self.writer.create(PACKAGES, f"package-{next(_numbers)}", spec)

    def heard(self, kind: Kind[Object], item: Object) -> Object:
        self.cache.store(kind).apply(item)
        return item

    async def device(self, device: Device) -> Device:
        return await self.writer.read(DEVICES, device.metadata.name)

    async def group(self, group: DeviceGroup) -> DeviceGroup:
        return await self.writer.read(GROUPS, group.metadata.name)

    async def hear_of(self, kind: Kind[Object], *items: Object) -> None:
        """Wait until the watch of this side has come as far as the objects are now."""
        for item in items:
            now = await self.client.get(kind, item.metadata.name)
            version = now.metadata.resource_version
            store = self.cache.store(kind)
            assert await store.wait_for_version(now.metadata.name, version, SECONDS)


@asynccontextmanager
async def running_side(
    kubeconfig: Path, namespace: str, kinds: Iterable[Kind[Any]] = KINDS
) -> AsyncIterator[Side]:
    connection = await anyio.to_thread.run_sync(load_connection, kubeconfig)
    registry = CollectorRegistry()
    async with GatedClient(
        connection, namespace=namespace, field_manager="test", registry=registry
    ) as client:
        cache = Cache(client, kinds)
        async with cache:
            await cache.wait_synced(SECONDS)
            writer = MortalWriter(client, cache)
            yield Side(client, cache, writer, SerialAllocator(client, cache))
