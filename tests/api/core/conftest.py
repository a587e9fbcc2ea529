"""A namespace as the facade's core sees it, with a clock that stands still."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from polyfleet.api.startup import CACHED
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import load_connection
from polyfleet.kube.writer import Writer


@dataclass
class Clock:
    """A clock that is set by hand; `monotonic` is the one that nobody sets."""

    now: datetime = field(default_factory=lambda: datetime(2031, 5, 4, 12, 0, tzinfo=UTC))
    passed: float = 0.0

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.passed

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.passed += seconds

    def set_back(self, seconds: float) -> None:
        self.now -= timedelta(seconds=seconds)


@dataclass(frozen=True)
class Namespace:
    """The API server's namespace, and a cache that sees only what went through `writer`.

    No watch runs: nothing arrives by itself, so that tests decide what a replica knows.
    """

    client: Client
    cache: Cache
    writer: Writer

    async def device(self, device_id: str, **spec: Any) -> Device:
        body = {"application": "default", "deviceId": device_id, **spec}
        return await self.writer.create(DEVICES, f"default.{device_id}", body)

    async def stored(self, device: Device) -> dict[str, Any]:
        """Return the device as the API server has it."""
        return await self.client.get_document(DEVICES, device.metadata.name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def fleet(
    service_account_kubeconfig: Callable[[str], Path], namespace: str
) -> AsyncIterator[Namespace]:
    """Provide the test's namespace under the chart's Role for the facade."""
    connection = load_connection(service_account_kubeconfig("polyfleet-facade"))
    async with Client(connection, namespace=namespace, field_manager="test") as client:
        cache = Cache(client, CACHED)
        yield Namespace(client, cache, Writer(client, cache))
