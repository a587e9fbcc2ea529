"""Opening a facade: the API server's client, the filled cache, and what is built on them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta

import anyio.to_thread
from prometheus_client import CollectorRegistry

from polyfleet.api.core.activity import Activity, Heartbeat
from polyfleet.api.core.artifacts.janitor import Janitor
from polyfleet.api.core.artifacts.links import LinkSigner
from polyfleet.api.core.artifacts.opening import open_store
from polyfleet.api.core.artifacts.presence import Presence
from polyfleet.api.core.catalogue import CatalogueSource
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.clock import Clock, wall_clock
from polyfleet.api.core.identity.signing_keys import Purpose, SigningKeys
from polyfleet.api.core.membership import MembershipWriter
from polyfleet.api.core.metrics import DecisionMetrics
from polyfleet.api.core.reports import ReportWriter
from polyfleet.api.settings import Settings
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.kinds import (
    ACCESS_TOKENS,
    APPLICATIONS,
    BUILDS,
    COMMANDS,
    DEVICES,
    DOMAINS,
    ENROLLMENTS,
    GROUPS,
    KEYS,
    PACKAGES,
    RELEASES,
    ROLLOUTS,
    USERS,
    Object,
)
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import load_connection
from polyfleet.kube.errors import AlreadyExists
from polyfleet.kube.releases import index_workloads
from polyfleet.kube.serials import SerialAllocator
from polyfleet.kube.store import Store
from polyfleet.kube.tasks import cancel_and_wait
from polyfleet.kube.writer import Writer

FIELD_MANAGER = "polyfleet-facade"
CACHED = (
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
)

DEVICE_SEEN = Heartbeat(kind=DEVICES, name="lastSeen", read=lambda device: device.status.last_seen)
ENROLLMENT_SEEN = Heartbeat(
    kind=ENROLLMENTS,
    name="lastAppeared",
    # Who was just stored has just appeared: nothing is written about that.
    read=lambda item: item.status.last_appeared or item.spec.created_at,
)


@asynccontextmanager
async def open_facade(
    settings: Settings, registry: CollectorRegistry, *, clock: Clock = wall_clock
) -> AsyncIterator[Facade]:
    """Open everything in order; at the end write what waits to be written and close it.

    Raises if the API server cannot be reached or the cache is not filled in time.
    """
    async with AsyncExitStack() as stack:
        connection = await anyio.to_thread.run_sync(load_connection, settings.kubeconfig)
        client = await stack.enter_async_context(
            Client(
                connection,
                namespace=settings.namespace,
                field_manager=FIELD_MANAGER,
                registry=registry,
            )
        )
        keys = await stack.enter_async_context(SigningKeys(client))
        cache = Cache(client, CACHED)
        index_workloads(cache)
        await stack.enter_async_context(cache)
        await cache.wait_synced(settings.sync_timeout)
        writer = Writer(client, cache)
        await ensure_application(writer, cache, settings.default_application, clock())
        offers = CatalogueSource(cache)
        stack.callback(offers.close)
        links = _links(settings, keys, clock)
        decisions = DecisionMetrics()
        registry.register(decisions)
        facade = Facade(
            settings=settings,
            client=client,
            cache=cache,
            writer=writer,
            serials=SerialAllocator(client, cache),
            identity=await stack.enter_async_context(
                Identity(settings, client, cache, keys, clock=clock)
            ),
            artifacts=await stack.enter_async_context(open_store(settings.artifacts, links)),
            links=links,
            activity=_activity(DEVICE_SEEN, cache.devices, writer, settings, clock),
            appearances=_activity(ENROLLMENT_SEEN, cache.enrollments, writer, settings, clock),
            reports=ReportWriter(
                cache.devices,
                writer,
                clock=clock,
                settings=settings.reports,
                attribute_labels=settings.attribute_labels,
                packages=cache.packages,
            ),
            members=await stack.enter_async_context(MembershipWriter(writer, cache, clock=clock)),
            offers=offers,
            decisions=decisions,
            clock=clock,
        )
        await stack.enter_async_context(_background(facade))
        await stack.enter_async_context(
            Janitor(
                facade.artifacts,
                cache.packages,
                clock=clock,
                trusted=lambda: cache.stale_seconds(PACKAGES) <= settings.stale_after,
            )
        )
        await stack.enter_async_context(
            Presence(facade.artifacts, cache.packages, writer, clock=clock)
        )
        yield facade


async def ensure_application(writer: Writer, cache: Cache, name: str, now: datetime) -> None:
    """Make the Application of that name if there is none."""
    if cache.applications.get(name) is not None:
        return
    with suppress(AlreadyExists):
        await writer.create(APPLICATIONS, name, {"name": name, "createdAt": timestamp(now)})


def _links(settings: Settings, keys: SigningKeys, clock: Clock) -> LinkSigner:
    return LinkSigner(
        lambda: [key.secret for key in keys.ring.all(Purpose.LINKS)],
        lifetime=timedelta(seconds=settings.artifacts.link_lifetime),
        clock=clock,
        public=settings.artifacts.public,
    )


def _activity(
    heartbeat: Heartbeat[Object],
    store: Store[Object],
    writer: Writer,
    settings: Settings,
    clock: Clock,
) -> Activity[Object]:
    return Activity(
        heartbeat,
        store,
        writer,
        clock=clock,
        interval=settings.activity.interval,
        writes_per_second=settings.activity.writes_per_second,
    )


@asynccontextmanager
async def _background(facade: Facade) -> AsyncIterator[None]:
    """Run what writes in batches; at the end write what is left, within the shutdown's time."""
    jobs = (facade.reports, facade.activity, facade.appearances)
    tasks = [asyncio.create_task(job.run()) for job in jobs]
    try:
        yield
    finally:
        await cancel_and_wait(*tasks)
        seconds = facade.settings.shutdown_timeout / 2
        await asyncio.gather(*(job.drain(seconds=seconds) for job in jobs))
        facade.activity.close()
        facade.appearances.close()
