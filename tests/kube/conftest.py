"""A client of the real API server in the test's namespace, also through a proxy."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest
from hypothesis import settings
from prometheus_client import CollectorRegistry

from polyfleet.kube.client import Client
from polyfleet.kube.configuration import Connection, load_connection
from tests.kube.servers import Proxy

settings.register_profile("kube", deadline=None)
settings.load_profile("kube")

DEADLINE = 60.0


class Eventually(Protocol):
    """Waits until something is so, for a generous while."""

    async def __call__(self, condition: Callable[[], object]) -> None: ...


@pytest.fixture
def eventually() -> Eventually:
    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110 - whatever is waited for tells nobody
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def connection(admin_kubeconfig: Path) -> Connection:
    return load_connection(admin_kubeconfig)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def client(
    connection: Connection, namespace: str, registry: CollectorRegistry
) -> AsyncIterator[Client]:
    async with Client(
        connection, namespace=namespace, field_manager="test", registry=registry
    ) as opened:
        yield opened


@pytest.fixture
async def proxy(connection: Connection) -> AsyncIterator[Proxy]:
    address = urlsplit(connection.host)
    assert address.hostname
    assert address.port
    async with Proxy(address.hostname, address.port) as opened:
        yield opened


@pytest.fixture
async def proxied(
    connection: Connection, proxy: Proxy, namespace: str, registry: CollectorRegistry
) -> AsyncIterator[Client]:
    through = replace(connection, host=proxy.url)
    async with Client(
        through, namespace=namespace, field_manager="test", registry=registry
    ) as opened:
        yield opened
