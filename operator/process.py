"""One operator process: warm caches first, then the Lease, then the work; an end for each."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import structlog
from prometheus_client import REGISTRY, CollectorRegistry

from polyfleet.fleet.objects.kinds import (
    ACCESS_TOKENS,
    APPLICATIONS,
    BUILDS,
    COMMANDS,
    DEVICES,
    DOMAINS,
    ENROLLMENTS,
    GIVEN_CONFIGS,
    GROUPS,
    KEYS,
    PACKAGES,
    RELEASES,
    ROLLOUTS,
    USERS,
    WORKLOAD_KINDS,
)
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import Connection, load_connection
from polyfleet.kube.events import EventRecorder
from polyfleet.kube.lease import Lease
from polyfleet.kube.serials import SerialAllocator
from polyfleet.kube.tasks import cancel_and_wait
from polyfleet.kube.writer import Writer
from polyfleet.operator.context import Context, Workloads
from polyfleet.operator.handlers.runner import KopfThread
from polyfleet.operator.health import serve_health
from polyfleet.operator.indexes import add_indexes, add_workload_indexes
from polyfleet.operator.leader import Leader
from polyfleet.operator.limiter import Limiter
from polyfleet.operator.metrics import LeaseMetrics, QueueMetrics
from polyfleet.operator.rollout_counts import RolloutCounts
from polyfleet.operator.rollout_metrics import RolloutMetrics
from polyfleet.operator.settings import Settings

FIELD_MANAGER = "polyfleet-operator"
LEASE = "polyfleet-operator"
KINDS = (
    APPLICATIONS,
    DEVICES,
    GROUPS,
    PACKAGES,
    ROLLOUTS,
    ENROLLMENTS,
    COMMANDS,
    USERS,
    ACCESS_TOKENS,
    BUILDS,
    RELEASES,
    DOMAINS,
    KEYS,
    GIVEN_CONFIGS,
)

_log = structlog.get_logger(__name__)


class LeaseLostError(RuntimeError):
    """Another replica may be active: this one must not go on."""


class Process:
    """An operator process with its settings; `run` is its whole life."""

    def __init__(self, settings: Settings, registry: CollectorRegistry = REGISTRY) -> None:
        self._settings = settings
        self._registry = registry
        self._lease = LeaseMetrics(registry)
        self._stop = asyncio.Event()
        self._cache: Cache | None = None
        self._kopf: KopfThread | None = None

    def stop(self) -> None:
        """Ask it to end in good order."""
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop` is called. Raises what makes it impossible to go on."""
        settings = self._settings
        connection = load_connection(settings.kubeconfig)
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(
                serve_health(
                    settings.operator_host,
                    settings.operator_port,
                    alive=self._dead,
                    ready=self._unready,
                    registry=self._registry,
                )
            )
            _log.info("listening", host=settings.operator_host, port=port)
            client = await stack.enter_async_context(
                Client(
                    connection,
                    namespace=settings.namespace,
                    field_manager=FIELD_MANAGER,
                    registry=self._registry,
                )
            )
            cache = Cache(client, KINDS)
            add_indexes(cache)
            self._cache = await stack.enter_async_context(cache)
            rollouts = RolloutMetrics(cache.rollouts.values)
            self._registry.register(rollouts)
            stack.callback(self._registry.unregister, rollouts)
            workloads = await self._workloads(stack, connection, client)
            both = asyncio.gather(
                cache.wait_synced(settings.sync_timeout),
                workloads.cache.wait_synced(settings.sync_timeout),
            )
            if not await self._unless_stopped(both):
                return
            _log.info("cache filled", devices=len(cache.devices))
            await self._elect_and_lead(connection, client, cache, workloads)

    async def _workloads(
        self, stack: AsyncExitStack, connection: Connection, client: Client
    ) -> Workloads:
        """Open the view of the namespace of the workloads, which may be another one."""
        namespace = self._settings.workloads_namespace or client.namespace
        if namespace != client.namespace:
            client = await stack.enter_async_context(
                Client(
                    connection,
                    namespace=namespace,
                    field_manager=FIELD_MANAGER,
                    registry=self._registry,
                )
            )
        cache = Cache(client, WORKLOAD_KINDS)
        add_workload_indexes(cache)
        return Workloads(client, await stack.enter_async_context(cache))

    async def _elect_and_lead(
        self, connection: Connection, client: Client, cache: Cache, workloads: Workloads
    ) -> None:
        settings = self._settings
        lease = Lease(
            client, LEASE, identity=settings.operator_identity, duration=settings.lease_duration
        )
        self._lease.watch(lambda: lease.held)
        async with lease:
            if not await self._unless_stopped(lease.wait_held()):
                return
            _log.info("active", identity=lease.identity)
            await self._lead(connection, client, cache, workloads=workloads, lease=lease)

    async def _lead(
        self,
        connection: Connection,
        client: Client,
        cache: Cache,
        *,
        workloads: Workloads,
        lease: Lease,
    ) -> None:
        settings = self._settings
        async with AsyncExitStack() as stack:
            context = Context(
                settings=settings,
                client=client,
                cache=cache,
                writer=Writer(client, cache),
                serials=SerialAllocator(client, cache),
                events=await stack.enter_async_context(EventRecorder(client)),
                limiter=Limiter(settings.operator_writes_per_second),
                counts=RolloutCounts(cache),
                workloads=workloads,
            )
            leader = Leader(context, QueueMetrics(self._registry))
            self._kopf = await stack.enter_async_context(
                KopfThread(connection, settings.namespace, leader.wake)
            )
            leading = asyncio.create_task(leader.run(), name="leader")
            losing = asyncio.create_task(_lost(lease), name="lease")
            ends: set[asyncio.Future[Any]] = {
                leading,
                losing,
                asyncio.create_task(self._kopf.wait_ended(), name="kopf"),
                asyncio.create_task(self._stop.wait(), name="stop"),
            }
            try:
                done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if not self._stop.is_set():
                    raise RuntimeError(f"{', '.join(_name(task) for task in done)} ended")
                self._kopf.stop()
                leader.finish()
                await self._finished(leading, losing)
            finally:
                await cancel_and_wait(*ends)

    async def _finished(self, *ends: asyncio.Task[None]) -> None:
        """Wait for the end of the work that is under way, while the Lease is still ours."""
        seconds = self._settings.shutdown_timeout
        done, _ = await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if not done:
            _log.warning("work under way is cut off", seconds=seconds)

    async def _unless_stopped(self, waiting: Awaitable[object]) -> bool:
        """Wait for something; False if the process is asked to end before."""
        wanted = asyncio.ensure_future(waiting)
        stopped = asyncio.create_task(self._stop.wait())
        both: set[asyncio.Future[Any]] = {wanted, stopped}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if wanted.done():
                wanted.result()
            return not self._stop.is_set()
        finally:
            await cancel_and_wait(*both)

    def _dead(self) -> list[str]:
        if self._kopf is not None and not self._kopf.alive and not self._stop.is_set():
            return ["kopf has ended"]
        return []

    def _unready(self) -> list[str]:
        if self._stop.is_set():
            return ["shutting down"]
        if self._cache is None or not self._cache.synced:
            return ["the cache is not filled yet"]
        seconds = self._settings.stale_after
        if self._cache.stale_seconds() > seconds:
            return [f"no news from the API server for {seconds:.0f} seconds"]
        return []


async def run_until_signalled(settings: Settings) -> None:
    """Run an operator process until SIGTERM or SIGINT."""
    process = Process(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stopper(process, number))
    await process.run()
    _log.info("stopped")


def _stopper(process: Process, number: signal.Signals) -> Callable[[], None]:
    def stop() -> None:
        _log.info("stopping", signal=number.name)
        process.stop()

    return stop


async def _lost(lease: Lease) -> None:
    await lease.wait_lost()
    raise LeaseLostError("the Lease is lost")


def _name(task: asyncio.Future[Any]) -> str:
    return task.get_name() if isinstance(task, asyncio.Task) else "a task"
