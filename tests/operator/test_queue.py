"""The work queue."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from polyfleet.kube.errors import Conflict, Unavailable
from polyfleet.operator.metrics import QueueMetrics
from polyfleet.operator.queue import Key, WorkQueue

A, B = Key("group", "a"), Key("group", "b")
Handle = Callable[[Key], Awaitable[float | None]]


@asynccontextmanager
async def running(
    handle: Handle,
    *,
    workers: int = 2,
    spacing: float = 0.0,
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(
        "few",
        handle,
        workers=workers,
        spacing={"group": spacing},
        metrics=QueueMetrics(registry or CollectorRegistry()),
    )
    task = asyncio.create_task(queue.run())
    try:
        async with asyncio.timeout(30):
            yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_key_added_often_is_looked_at_once() -> None:
    seen: asyncio.Queue[Key] = asyncio.Queue()
    async with running(seen.put) as queue:
        for _ in range(100):
            queue.add(A)
        queue.add(B, 0.01)
        assert len(queue) == 2
        assert [await seen.get(), await seen.get()] == [A, B]
        assert seen.empty()


async def test_a_key_is_never_looked_at_by_two_workers_at_once() -> None:
    at_once, most, rounds = 0, 0, 0
    done = asyncio.Event()

    async def handle(key: Key) -> None:
        nonlocal at_once, most, rounds
        at_once += 1
        most = max(most, at_once)
        queue.add(key)
        await asyncio.sleep(0.001)
        at_once -= 1
        rounds += 1
        if rounds == 5:
            done.set()

    async with running(handle, workers=4) as queue:
        queue.add(A)
        await done.wait()
    assert most == 1


async def test_other_keys_are_looked_at_meanwhile() -> None:
    all_three = asyncio.Barrier(3)

    async def handle(_: Key) -> None:
        await all_three.wait()

    async with running(handle) as queue:
        queue.add(A)
        queue.add(B)
        await all_three.wait()


@pytest.mark.parametrize(
    "error",
    [
        Conflict(409, "Conflict", "changed"),
        Unavailable(503, "Unavailable", "away"),
        KeyError("a fault of ours"),
    ],
)
async def test_what_fails_is_tried_again_and_does_not_stop_the_rest(error: Exception) -> None:
    seen: asyncio.Queue[Key] = asyncio.Queue()
    failures = [error]

    async def handle(key: Key) -> None:
        await seen.put(key)
        if key == A and failures:
            raise failures.pop()

    registry = CollectorRegistry()
    async with running(handle, registry=registry) as queue:
        queue.add(A)
        queue.add(B)
        assert {await seen.get(), await seen.get()} == {A, B}
        assert await seen.get() == A
    ok = registry.get_sample_value(
        "polyfleet_reconciles_total", {"controller": "group", "outcome": "ok"}
    )
    assert ok == 2.0


async def test_a_handler_says_when_to_look_again() -> None:
    seen: asyncio.Queue[Key] = asyncio.Queue()
    again: list[float | None] = [None, 0.01]

    async def handle(key: Key) -> float | None:
        await seen.put(key)
        return again.pop()

    async with running(handle) as queue:
        queue.add(A)
        assert [await seen.get(), await seen.get()] == [A, A]
        assert len(queue) == 0


async def test_an_earlier_time_counts() -> None:
    seen: asyncio.Queue[Key] = asyncio.Queue()
    async with running(seen.put) as queue:
        queue.add(A, 3600)
        queue.add(A)
        queue.add(A, 3600)
        assert await seen.get() == A
        assert len(queue) == 0


async def test_a_closed_queue_ends_once_the_looks_under_way_have_ended() -> None:
    begun, go_on = asyncio.Barrier(3), asyncio.Event()
    seen: list[Key] = []

    async def handle(key: Key) -> float:
        await begun.wait()
        await go_on.wait()
        seen.append(key)
        return 0.0

    metrics = QueueMetrics(CollectorRegistry())
    queue = WorkQueue("few", handle, workers=2, spacing={}, metrics=metrics)
    working = asyncio.create_task(queue.run())
    for name in "abc":
        queue.add(Key("group", name))
    async with asyncio.timeout(30):
        await begun.wait()
        queue.close()
        assert not working.done()
        go_on.set()
        await working
    assert sorted(seen) == [A, B]


async def test_a_closed_queue_that_waits_for_work_ends() -> None:
    async def handle(_: Key) -> None:
        raise AssertionError("there is nothing to look at")

    metrics = QueueMetrics(CollectorRegistry())
    queue = WorkQueue("few", handle, workers=4, spacing={}, metrics=metrics)
    working = asyncio.create_task(queue.run())
    queue.add(A, 3600)
    async with asyncio.timeout(30):
        await asyncio.sleep(0)
        queue.close()
        await working


async def test_looks_at_one_key_are_spaced_and_none_is_lost() -> None:
    seen: asyncio.Queue[float] = asyncio.Queue()

    async def handle(_: Key) -> None:
        await seen.put(asyncio.get_running_loop().time())

    async with running(handle, spacing=0.2) as queue:
        queue.add(A)
        first = await seen.get()
        queue.add(A)
        second = await seen.get()
    assert second - first >= 0.2
