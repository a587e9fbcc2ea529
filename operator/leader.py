"""What the one active replica does: looks at everything once, then at what changes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import structlog

from polyfleet.fleet.objects.device import Device
from polyfleet.kube.store import Store
from polyfleet.operator.context import Context
from polyfleet.operator.controllers import (
    applications,
    claims,
    config_secrets,
    devices,
    enrollments,
    expiry,
    groups,
    packages,
    password_secrets,
    rollouts,
    runs,
    users,
    workloads,
)
from polyfleet.operator.feed import (
    APPLICATION_KEY,
    CLAIMS_KEY,
    COMMAND_KEY,
    DEFAULT_KEY,
    DEVICE_KEY,
    DEVICES_KEY,
    ENROLLMENT_KEY,
    GROUP_KEY,
    MEMBERS_KEY,
    PACKAGE_KEY,
    PASSWORDS_KEY,
    ROLLOUT_KEY,
    SSH_KEY_KEY,
    TOKEN_KEY,
    USER_KEY,
    Feed,
)
from polyfleet.operator.indexes import APPLICATION
from polyfleet.operator.metrics import QueueMetrics
from polyfleet.operator.queue import Key, WorkQueue
from polyfleet.operator.workload_feed import CONFIGS_KEY, RUNS_KEY, WORKLOAD_KEY, WorkloadFeed

# There can be many thousands of these, and their writes are rationed: people's own changes of
# groups, packages and applications do not wait behind them.
BULK = frozenset({DEVICE_KEY, DEVICES_KEY, MEMBERS_KEY, COMMAND_KEY, TOKEN_KEY})

# Counts of many objects are written at most this often, in seconds.
SPACING = {
    APPLICATION_KEY: 1.0,
    GROUP_KEY: 0.5,
    PACKAGE_KEY: 0.5,
    ROLLOUT_KEY: 1.0,
    WORKLOAD_KEY: 0.5,
    MEMBERS_KEY: 2.0,
}

_SLICE = 200
_KNOWN_SECONDS = 10.0

Reconcile = Callable[[Context, str], Awaitable[float | None]]

CONTROLLERS: Mapping[str, Reconcile] = {
    APPLICATION_KEY: applications.reconcile,
    CLAIMS_KEY: claims.sweep,
    COMMAND_KEY: expiry.reconcile_command,
    DEFAULT_KEY: applications.ensure_default,
    DEVICE_KEY: devices.reconcile,
    ENROLLMENT_KEY: enrollments.reconcile,
    GROUP_KEY: groups.reconcile,
    PACKAGE_KEY: packages.reconcile,
    ROLLOUT_KEY: rollouts.reconcile,
    SSH_KEY_KEY: expiry.reconcile_ssh_key,
    TOKEN_KEY: expiry.reconcile_token,
    USER_KEY: users.reconcile,
    CONFIGS_KEY: config_secrets.sweep,
    PASSWORDS_KEY: password_secrets.sweep,
    RUNS_KEY: runs.sweep,
    WORKLOAD_KEY: workloads.reconcile,
}

_log = structlog.get_logger(__name__)


class Leader:
    """Runs the controllers over a filled cache."""

    def __init__(self, context: Context, metrics: QueueMetrics) -> None:
        self._context = context
        self._few, self._bulk, self._workloads = (
            WorkQueue(
                name,
                self._handle,
                workers=context.settings.operator_workers,
                spacing=SPACING,
                metrics=metrics,
            )
            for name in ("few", "bulk", "workloads")
        )
        self._feed = Feed(context, self.add)
        self._workload_feed = WorkloadFeed(context.cache, context.workloads.cache, self.add)
        self._first_look: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Work until cancelled; once asked to finish, until what is under way has ended."""
        self._feed.subscribe()
        self._workload_feed.subscribe()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._few.run(), name="queue of few")
                tasks.create_task(self._bulk.run(), name="queue of many")
                tasks.create_task(self._workloads.run(), name="queue of workloads")
                self._first_look = tasks.create_task(self._look_at_everything(), name="first look")
        finally:
            self._feed.unsubscribe()
            self._workload_feed.unsubscribe()

    def finish(self) -> None:
        """Begin nothing any more."""
        for queue in (self._few, self._bulk, self._workloads):
            queue.close()
        if self._first_look is not None:
            self._first_look.cancel()

    def add(self, key: Key) -> None:
        """Have an object looked at soon."""
        if key.controller == WORKLOAD_KEY:
            self._workloads.add(key)
        else:
            (self._bulk if key.controller in BULK else self._few).add(key)

    async def wake(self, key: Key, resource_version: str) -> None:
        """Look at an object that somebody saw at a version, once the cache has seen it too."""
        stores: dict[str, Store[Any]] = {
            APPLICATION_KEY: self._context.cache.applications,
            GROUP_KEY: self._context.cache.groups,
            PACKAGE_KEY: self._context.cache.packages,
            ROLLOUT_KEY: self._context.cache.rollouts,
            USER_KEY: self._context.cache.users,
        }
        store = stores[key.controller]
        # After that time the cache is stuck; it will tell of the object itself when it goes on.
        with suppress(ValueError):
            await store.wait_for_version(key.name, resource_version, _KNOWN_SECONDS)
        self.add(key)

    async def _handle(self, key: Key) -> float | None:
        if key.controller == DEVICES_KEY:
            await self._look_at_devices(self._context.cache.devices.find(APPLICATION, key.name))
            return None
        if key.controller == MEMBERS_KEY:
            await self._look_at_devices(self._feed.members_of(key.name))
            return None
        return await CONTROLLERS[key.controller](self._context, key.name)

    async def _look_at_everything(self) -> None:
        cache = self._context.cache
        self.add(Key(DEFAULT_KEY, self._context.settings.default_application))
        self.add(Key(CLAIMS_KEY, "all"))
        self.add(Key(CONFIGS_KEY, "all"))
        self.add(Key(PASSWORDS_KEY, "all"))
        self.add(Key(RUNS_KEY, "all"))
        stores: tuple[tuple[str, Store[Any]], ...] = (
            (APPLICATION_KEY, cache.applications),
            (WORKLOAD_KEY, cache.applications),
            (USER_KEY, cache.users),
            (PACKAGE_KEY, cache.packages),
            (GROUP_KEY, cache.groups),
            (ROLLOUT_KEY, cache.rollouts),
            (ENROLLMENT_KEY, cache.enrollments),
            (COMMAND_KEY, cache.commands),
            (TOKEN_KEY, cache.access_tokens),
            (SSH_KEY_KEY, cache.keys),
        )
        for controller, store in stores:
            # The older first: serials are to follow the order of creation.
            for item in sorted(store.values(), key=lambda item: item.metadata.creation_timestamp):
                self.add(Key(controller, item.metadata.name))
            await asyncio.sleep(0)
        await self._look_at_devices(
            sorted(cache.devices.values(), key=lambda item: item.metadata.creation_timestamp)
        )
        _log.info(
            "looked at everything",
            devices=len(cache.devices),
            waiting=len(self._few) + len(self._bulk) + len(self._workloads),
        )

    async def _look_at_devices(self, found: Iterable[Device]) -> None:
        for number, device in enumerate(list(found), start=1):
            # As it is now: it may have changed while others had their turn.
            current = self._context.cache.devices.get(device.metadata.name)
            if current is not None:
                self._feed.device_if_needed(current)
            if number % _SLICE == 0:
                await asyncio.sleep(0)
