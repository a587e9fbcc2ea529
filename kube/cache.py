"""The stores of the kinds that a process reads, kept up to date by watches."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self, cast

from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.build import Build
from polyfleet.fleet.objects.command import Command
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.domain import Domain
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.key import Key
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
    Kind,
    Object,
)
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.release import Release
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.objects.user import AccessToken, User
from polyfleet.kube.client import Client
from polyfleet.kube.store import Store
from polyfleet.kube.tasks import cancel_and_wait
from polyfleet.kube.watch import IDLE_SECONDS, SERVER_SECONDS, Watcher


class Cache:
    """Stores of the given kinds. As an async context manager it runs their watches.

    Asking for a kind that is not cached raises LookupError.
    """

    def __init__(
        self,
        client: Client,
        kinds: Iterable[Kind[Any]],
        *,
        idle_timeout: float = IDLE_SECONDS,
        server_timeout: int = SERVER_SECONDS,
    ) -> None:
        self._client = client
        self._idle_timeout = idle_timeout
        self._server_timeout = server_timeout
        self._stores: dict[str, Store[Any]] = {kind.name: Store(kind) for kind in kinds}
        self._watchers: list[Watcher[Any]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for store in self._stores.values():
            watcher = Watcher(
                self._client,
                store.kind,
                store,
                idle_timeout=self._idle_timeout,
                server_timeout=self._server_timeout,
            )
            self._watchers.append(watcher)
            name = f"watch {store.kind.plural}"
            self._tasks.append(asyncio.create_task(watcher.run(), name=name))
            self._client.metrics.watch_cache(
                store.kind.name, store.__len__, store.seconds_since_progress
            )
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await cancel_and_wait(*self._tasks)
        self._tasks.clear()
        self._watchers.clear()

    def __contains__(self, kind: Kind[Any]) -> bool:
        return kind.name in self._stores

    def store(self, kind: Kind[Object]) -> Store[Object]:
        """Return the store of a kind."""
        try:
            return cast("Store[Object]", self._stores[kind.name])
        except KeyError:
            raise LookupError(f"{kind.plural} are not cached in this process") from None

    @property
    def applications(self) -> Store[Application]:
        """The Applications."""
        return self.store(APPLICATIONS)

    @property
    def devices(self) -> Store[Device]:
        """The Devices."""
        return self.store(DEVICES)

    @property
    def groups(self) -> Store[DeviceGroup]:
        """The DeviceGroups."""
        return self.store(GROUPS)

    @property
    def packages(self) -> Store[Package]:
        """The Packages."""
        return self.store(PACKAGES)

    @property
    def rollouts(self) -> Store[Rollout]:
        """The Rollouts."""
        return self.store(ROLLOUTS)

    @property
    def enrollments(self) -> Store[Enrollment]:
        """The Enrollments."""
        return self.store(ENROLLMENTS)

    @property
    def commands(self) -> Store[Command]:
        """The Commands."""
        return self.store(COMMANDS)

    @property
    def users(self) -> Store[User]:
        """The Users."""
        return self.store(USERS)

    @property
    def access_tokens(self) -> Store[AccessToken]:
        """The AccessTokens."""
        return self.store(ACCESS_TOKENS)

    @property
    def builds(self) -> Store[Build]:
        """The Builds."""
        return self.store(BUILDS)

    @property
    def releases(self) -> Store[Release]:
        """The Releases."""
        return self.store(RELEASES)

    @property
    def domains(self) -> Store[Domain]:
        """The Domains."""
        return self.store(DOMAINS)

    @property
    def keys(self) -> Store[Key]:
        """The Keys."""
        return self.store(KEYS)

    @property
    def synced(self) -> bool:
        """Whether all kinds have been read once."""
        return all(store.synced for store in self._stores.values())

    @property
    def unreachable(self) -> bool:
        """Whether no watch gets a connection to the API server any more."""
        return bool(self._watchers) and all(watcher.unreachable for watcher in self._watchers)

    async def wait_synced(self, timeout: float) -> None:  # noqa: ASYNC109 - says what is missing
        """Wait until all kinds have been read once. Raises TimeoutError that names the others."""
        try:
            async with asyncio.timeout(timeout):
                for store in self._stores.values():
                    await store.wait_synced()
        except TimeoutError:
            missing = [store.kind.plural for store in self._stores.values() if not store.synced]
            raise TimeoutError(f"not read in {timeout:g} s: {', '.join(missing)}") from None

    def stale_seconds(self, *kinds: Kind[Any]) -> float:
        """Return for how long the quietest of the kinds (default: of all) was not heard of."""
        chosen = [self.store(kind) for kind in kinds] or list(self._stores.values())
        return max((store.seconds_since_progress() for store in chosen), default=0.0)
