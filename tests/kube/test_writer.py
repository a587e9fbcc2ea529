"""Writes through the cache: own writes are read at once, others' are never undone."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client
from polyfleet.kube.errors import AlreadyExists, Conflict, NotFound, TooManyRequests, Unavailable
from polyfleet.kube.writer import Writer
from tests.kube.conftest import Eventually
from tests.kube.objects import SPEC, device, device_document, status
from tests.kube.servers import Proxy, Reply, ScriptedServer

HOLD = {"spec": {"hold": True}}


@pytest.fixture
async def cache(client: Client) -> AsyncIterator[Cache]:
    async with Cache(client, [DEVICES]) as running:
        await running.wait_synced(60)
        yield running


@pytest.fixture
def writer(client: Client, cache: Cache) -> Writer:
    return Writer(client, cache)


async def test_a_created_object_is_read_at_once(writer: Writer, cache: Cache) -> None:
    created = await writer.create(
        DEVICES, "d1", SPEC, labels={"ring": "a"}, annotations={"why": "test"}
    )

    assert cache.devices.get("d1") == created
    assert created.metadata.labels == {"ring": "a"}


async def test_an_object_can_be_born_with_a_status(writer: Writer, cache: Cache) -> None:
    seen = "2026-01-01T00:00:00Z"

    await writer.create(DEVICES, "d1", SPEC, status={"lastSeen": seen})

    held = cache.devices.get("d1")
    assert held is not None
    assert held.status.last_seen == seen


async def test_a_taken_name_is_refused(writer: Writer) -> None:
    await writer.create(DEVICES, "d1", SPEC)

    with pytest.raises(AlreadyExists):
        await writer.create(DEVICES, "d1", SPEC)


async def test_a_patch_of_an_old_version_is_refused(writer: Writer) -> None:
    former = await writer.create(DEVICES, "d1", SPEC)
    await writer.patch(DEVICES, former, HOLD)

    with pytest.raises(Conflict):
        await writer.patch(DEVICES, former, {"spec": {"disabled": True}})


async def test_a_patch_keeps_the_metadata_that_it_names(writer: Writer) -> None:
    former = await writer.create(DEVICES, "d1", SPEC)

    changed = await writer.patch(DEVICES, former, {"metadata": {"labels": {"a": "b"}}})

    assert changed.metadata.labels == {"a": "b"}


async def test_a_json_patch_keeps_nulls_and_everything_it_does_not_name(
    writer: Writer, client: Client
) -> None:
    made = await writer.create(DEVICES, "d1", SPEC | {"hold": True})
    data = {"spec": {"nothing": None}}
    await writer.patch(DEVICES, made, [{"op": "add", "path": "/spec/data", "value": data}])
    spec = (await client.get_document(DEVICES, "d1"))["spec"]
    assert spec == SPEC | {"hold": True, "data": data}


async def test_a_json_patch_of_an_old_version_is_refused(writer: Writer) -> None:
    made = await writer.create(DEVICES, "d1", SPEC)
    await writer.patch(DEVICES, made, {"spec": {"hold": True}})
    with pytest.raises(Conflict):
        await writer.patch(DEVICES, made, [{"op": "add", "path": "/spec/hold", "value": False}])


async def test_a_json_patch_never_meets_a_name_used_again(writer: Writer) -> None:
    first = await writer.create(DEVICES, "d1", SPEC)
    await writer.delete(DEVICES, first)
    await writer.create(DEVICES, "d1", SPEC)
    with pytest.raises(Conflict):
        await writer.patch(DEVICES, first, [{"op": "add", "path": "/spec/hold", "value": True}])


async def test_a_patch_never_meets_a_name_used_again(writer: Writer) -> None:
    former = await writer.create(DEVICES, "d1", SPEC)
    await writer.delete(DEVICES, former)
    await writer.create(DEVICES, "d1", SPEC)

    with pytest.raises(Conflict):
        await writer.patch(DEVICES, former, HOLD)


async def test_an_update_decides_again_when_somebody_was_faster(
    client: Client,
) -> None:
    # A cache that does not run hears of nothing but its writer's own writes.
    writer = Writer(client, Cache(client, [DEVICES]))
    await writer.create(DEVICES, "d1", SPEC)
    await client.patch(DEVICES, "d1", {"spec": {"disabled": True}})
    seen: list[tuple[bool, bool]] = []

    def decide(item: Device) -> Mapping[str, Any]:
        seen.append((item.spec.disabled, item.spec.hold))
        return HOLD

    changed = await writer.update(DEVICES, "d1", decide)

    assert seen == [(False, False), (True, False)]
    assert changed.spec.hold
    assert changed.spec.disabled


async def test_an_update_with_nothing_to_do_writes_nothing(writer: Writer, cache: Cache) -> None:
    created = await writer.create(DEVICES, "d1", SPEC)

    same = await writer.update(DEVICES, "d1", lambda _: None)

    assert same.metadata.resource_version == created.metadata.resource_version


async def test_an_update_of_what_is_not_there_is_refused(writer: Writer) -> None:
    with pytest.raises(NotFound):
        await writer.update(DEVICES, "absent", lambda _: HOLD)


async def test_an_update_reads_what_the_cache_does_not_have(client: Client) -> None:
    await client.create(DEVICES, {"metadata": {"name": "d1"}, "spec": SPEC})

    changed = await Writer(client).update(DEVICES, "d1", lambda _: HOLD)

    assert changed.spec.hold


async def test_of_many_writers_at_once_none_is_undone(client: Client) -> None:
    await client.create(DEVICES, {"metadata": {"name": "d1"}, "spec": SPEC})

    def also(label: str) -> Any:
        return lambda _: {"metadata": {"labels": {label: "x"}}}

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            update = Writer(client).update(DEVICES, "d1", also(f"l{number}"), attempts=20)
            group.create_task(update)

    final = await client.get(DEVICES, "d1")
    assert set(final.metadata.labels) == {f"l{number}" for number in range(8)}


async def test_counting_by_several_writers_loses_no_count(client: Client) -> None:
    await client.create(
        DEVICES, {"metadata": {"name": "d1", "labels": {"count": "0"}}, "spec": SPEC}
    )

    def count(item: Device) -> Mapping[str, Any]:
        return {"metadata": {"labels": {"count": str(int(item.metadata.labels["count"]) + 1)}}}

    async with (
        Cache(client, [DEVICES]) as one,
        Cache(client, [DEVICES]) as other,
        asyncio.TaskGroup() as group,
    ):
        for cache in (one, other):
            writer = Writer(client, cache)
            for _ in range(5):
                group.create_task(writer.update(DEVICES, "d1", count, attempts=30))

    assert (await client.get(DEVICES, "d1")).metadata.labels["count"] == "10"


async def test_a_deleted_object_is_gone_at_once_and_stays_gone(
    writer: Writer, cache: Cache, client: Client, eventually: Eventually
) -> None:
    created = await writer.create(DEVICES, "d1", SPEC)
    seen: list[str] = []
    cache.devices.subscribe(lambda change: seen.append(change.type))

    await writer.delete(DEVICES, created)

    assert cache.devices.get("d1") is None
    marker = await client.create(
        DEVICES, {"metadata": {"name": "marker"}, "spec": {**SPEC, "deviceId": "marker"}}
    )
    assert await cache.devices.wait_for_version("marker", marker.metadata.resource_version, 60)
    assert seen == ["deleted", "added"]


async def test_a_deletion_checks_that_nothing_changed(writer: Writer, client: Client) -> None:
    created = await writer.create(DEVICES, "d1", SPEC)
    await client.patch(DEVICES, "d1", HOLD)

    with pytest.raises(Conflict):
        await writer.delete(DEVICES, created)
    await writer.delete(DEVICES, created, checked=False)

    with pytest.raises(NotFound):
        await client.get(DEVICES, "d1")


async def test_an_object_held_by_a_finalizer_is_terminating_at_once(
    writer: Writer, cache: Cache, client: Client
) -> None:
    created = await writer.create(DEVICES, "d1", SPEC, finalizers=["example.org/wait"])

    await writer.delete(DEVICES, created)

    held = cache.devices.get("d1")
    assert held is not None
    assert held.metadata.terminating
    await client.patch(DEVICES, "d1", {"metadata": {"finalizers": None}})


async def test_deleting_what_is_gone_is_an_error(writer: Writer) -> None:
    created = await writer.create(DEVICES, "d1", SPEC)
    await writer.delete(DEVICES, created)

    with pytest.raises(NotFound):
        await writer.delete(DEVICES, created)


# What follows talks to a scripted stand-in: a healthy API server does not fail on demand.

THROTTLED = Reply(429, status(429, "TooManyRequests"), {"Retry-After": "0"})
FAILED = Reply(500, status(500, "InternalError"))
LOST = Reply(raw=b"", then="close")
DONE = Reply(body=device_document(version=2))
GONE = Reply(404, status(404, "NotFound"))
DELETED = Reply(body={"kind": "Status", "status": "Success"})


async def _run(action: Any, *replies: Reply, **options: Any) -> tuple[list[str], Any]:
    async with (
        ScriptedServer(*replies) as server,
        Client(server.connection, namespace="test", field_manager="test") as client,
    ):
        try:
            result = await action(Writer(client, **options))
        except (TooManyRequests, Unavailable, NotFound) as error:
            result = error
        return [request.method for request in server.received], result


async def test_being_throttled_is_waited_out() -> None:
    requests, created = await _run(
        lambda writer: writer.create(DEVICES, "d1", SPEC), THROTTLED, THROTTLED, DONE
    )

    assert requests == ["POST"] * 3
    assert created.metadata.name == "d1"


async def test_being_throttled_for_longer_than_we_wait_is_told() -> None:
    later = Reply(429, status(429, "TooManyRequests"), {"Retry-After": "60"})

    requests, error = await _run(lambda writer: writer.create(DEVICES, "d1", SPEC), later)

    assert requests == ["POST"]
    assert isinstance(error, TooManyRequests)
    assert error.retry_after == 60


@pytest.mark.parametrize("reply", [FAILED, LOST])
async def test_a_creation_that_may_have_happened_is_not_repeated(reply: Reply) -> None:
    requests, error = await _run(lambda writer: writer.create(DEVICES, "d1", SPEC), reply)

    assert requests == ["POST"]
    assert isinstance(error, Unavailable)


async def test_an_update_whose_answer_was_lost_looks_before_it_writes_again() -> None:
    written = Reply(body=device_document(version=3, hold=True))

    def decide(item: Device) -> Mapping[str, Any] | None:
        return None if item.spec.hold else HOLD

    requests, updated = await _run(
        lambda writer: writer.update(DEVICES, "d1", decide), DONE, LOST, written
    )

    assert requests == ["GET", "PATCH", "GET"]
    assert updated.spec.hold


async def test_a_deletion_whose_answer_was_lost_is_done_if_the_object_is_gone() -> None:
    requests, result = await _run(
        lambda writer: writer.delete(DEVICES, device()), LOST, GONE, retry_seconds=5.0
    )

    assert requests == ["DELETE", "DELETE"]
    assert result is None


async def test_a_deletion_is_repeated_after_a_failure() -> None:
    requests, result = await _run(lambda writer: writer.delete(DEVICES, device()), FAILED, DELETED)

    assert requests == ["DELETE", "DELETE"]
    assert result is None


async def test_a_write_fails_soon_while_the_server_is_known_to_be_away(
    proxied: Client, proxy: Proxy, eventually: Eventually
) -> None:
    async with Cache(proxied, [DEVICES]) as cache:
        await cache.wait_synced(60)
        writer = Writer(proxied, cache, retry_seconds=100)
        proxy.refuse()
        await eventually(lambda: cache.unreachable)

        async with asyncio.timeout(50):
            with pytest.raises(Unavailable):
                await writer.create(DEVICES, "d1", SPEC)

        proxy.accept()
        await eventually(lambda: not cache.unreachable)
        assert (await writer.create(DEVICES, "d1", SPEC)).metadata.name == "d1"


async def test_a_cut_that_is_over_at_once_is_not_taken_for_a_server_that_is_away(
    proxied: Client, proxy: Proxy, registry: CollectorRegistry, eventually: Eventually
) -> None:
    labels = {"kind": "Device", "cause": "connection"}
    async with Cache(proxied, [DEVICES]) as cache:
        await cache.wait_synced(60)
        proxy.cut()
        await eventually(
            lambda: registry.get_sample_value("polyfleet_watch_restarts_total", labels)
        )

        assert not cache.unreachable
