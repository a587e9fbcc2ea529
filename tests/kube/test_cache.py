"""The cache of several kinds."""

import pytest
from prometheus_client import CollectorRegistry

from polyfleet.fleet.objects.kinds import DEVICES, GROUPS
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import Connection
from tests.kube.conftest import Eventually
from tests.kube.objects import SPEC


async def test_each_kind_asked_for_is_followed(client: Client, eventually: Eventually) -> None:
    await client.create(DEVICES, {"metadata": {"name": "d1"}, "spec": SPEC})
    async with Cache(client, [DEVICES, GROUPS]) as cache:
        await cache.wait_synced(60)
        assert cache.devices.get("d1") is not None
        group = {"application": "default", "name": "g1"}
        await client.create(GROUPS, {"metadata": {"name": "g1"}, "spec": group})
        await eventually(lambda: cache.groups.get("g1"))

        assert cache.synced
        assert cache.stale_seconds() < 60


async def test_a_kind_that_is_not_cached_is_refused(client: Client) -> None:
    cache = Cache(client, [DEVICES])

    with pytest.raises(LookupError, match="devicegroups"):
        _ = cache.groups
    assert GROUPS not in cache


async def test_waiting_in_vain_says_for_what(namespace: str) -> None:
    nowhere = Connection("http://127.0.0.1:1")
    async with (
        Client(nowhere, namespace=namespace, field_manager="test") as client,
        Cache(client, [DEVICES]) as cache,
    ):
        with pytest.raises(TimeoutError, match="devices"):
            await cache.wait_synced(0.1)

        assert cache.stale_seconds(DEVICES) == float("inf")


async def test_the_gauges_show_the_cache(client: Client, registry: CollectorRegistry) -> None:
    await client.create(DEVICES, {"metadata": {"name": "d1"}, "spec": SPEC})
    async with Cache(client, [DEVICES]) as cache:
        await cache.wait_synced(60)
        labels = {"kind": "Device"}

        assert registry.get_sample_value("polyfleet_cache_objects", labels) == 1
        seconds = registry.get_sample_value("polyfleet_cache_seconds_since_progress", labels)
        assert seconds is not None
        assert seconds < 60
