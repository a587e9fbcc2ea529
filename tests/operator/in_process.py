"""An operator without its queues, for tests that say when it looks, and at what."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
from prometheus_client import CollectorRegistry

from polyfleet.fleet.objects.kinds import WORKLOAD_KINDS
from polyfleet.kube.cache import Cache
from polyfleet.kube.configuration import load_connection
from polyfleet.kube.errors import Conflict
from polyfleet.kube.events import EventRecorder
from polyfleet.kube.serials import SerialAllocator
from polyfleet.kube.writer import Writer
from polyfleet.operator.context import Context, Workloads
from polyfleet.operator.controllers import workloads
from polyfleet.operator.indexes import add_indexes, add_workload_indexes
from polyfleet.operator.limiter import Limiter
from polyfleet.operator.process import KINDS
from polyfleet.operator.rollout_counts import RolloutCounts
from polyfleet.operator.settings import Settings
from tests.kube.transactions.side import GatedClient

SECONDS = 60.0


@asynccontextmanager
async def operator_of(kubeconfig: Path, namespace: str) -> AsyncIterator[Context]:
    """Run what one operator process has, but for its queues."""
    connection = await anyio.to_thread.run_sync(load_connection, kubeconfig)
    client = GatedClient(
        connection,
        namespace=namespace,
        field_manager="polyfleet-operator",
        registry=CollectorRegistry(),
    )
    settings = Settings(namespace=namespace, workload_domain="apps.example", workload_settle=0)
    async with client:
        cache, running = Cache(client, KINDS), Cache(client, WORKLOAD_KINDS)
        add_indexes(cache)
        add_workload_indexes(running)
        async with cache, running, EventRecorder(client) as events:
            await cache.wait_synced(SECONDS)
            await running.wait_synced(SECONDS)
            yield Context(
                settings=settings,
                client=client,
                cache=cache,
                writer=Writer(client, cache),
                serials=SerialAllocator(client, cache),
                events=events,
                limiter=Limiter(1000),
                counts=RolloutCounts(cache),
                workloads=Workloads(client, running),
            )


async def look(context: Context, name: str) -> None:
    """Look at the workload as often as the queue would."""
    for _ in range(20):
        try:
            await workloads.reconcile(context, name)
        except Conflict:
            await asyncio.sleep(0.05)
            continue
        return
    raise AssertionError("conflicts without end")
