"""Tells of packages whose file is not in the store, so that nobody is sent after it.

People may write Packages too, and name any path; and disks lose files. The API server cannot know
what is in the store, so a facade looks when a Package comes, and at all of them now and then.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog

from polyfleet.api.core.artifacts.store import ArtifactStore
from polyfleet.api.core.errors import NotFound, PolyfleetError
from polyfleet.fleet.artifacts import STORED, is_missing, stored_file
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.kinds import PACKAGES
from polyfleet.fleet.objects.metadata import Condition
from polyfleet.fleet.objects.package import Package
from polyfleet.kube.changes import Change
from polyfleet.kube.errors import ApiError
from polyfleet.kube.errors import NotFound as PackageGone
from polyfleet.kube.store import Store
from polyfleet.kube.tasks import cancel_and_wait
from polyfleet.kube.writer import Writer

_MOST_WAITING = 10_000
_log = structlog.get_logger(__name__)


class Presence(AbstractAsyncContextManager["Presence"]):
    """Keeps the condition `Stored` of Packages while it is entered; it is written only if False.

    All files are looked for every `interval_seconds`.
    """

    def __init__(
        self,
        store: ArtifactStore,
        packages: Store[Package],
        writer: Writer,
        *,
        clock: Callable[[], datetime],
        interval_seconds: float = 600,
    ) -> None:
        self._store = store
        self._packages = packages
        self._writer = writer
        self._clock = clock
        self._interval_seconds = interval_seconds
        # Over the bound a package waits for the next round.
        self._waiting: asyncio.Queue[str] = asyncio.Queue(maxsize=_MOST_WAITING)
        self._unsubscribe: Callable[[], None] = lambda: None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin to look."""
        self._unsubscribe = self._packages.subscribe(self._note)
        self._tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._look_at_all())]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop looking."""
        self._unsubscribe()
        await cancel_and_wait(*self._tasks)

    def _note(self, change: Change[Package]) -> None:
        if change.old is None and change.new is not None:
            self._add(change.new.metadata.name)

    def _add(self, name: str) -> None:
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(name)

    async def _look_at_all(self) -> None:
        while True:
            for name in [package.metadata.name for package in self._packages.values()]:
                self._add(name)
            await asyncio.sleep(self._interval_seconds)

    async def _look(self) -> None:
        while True:
            package = self._packages.get(await self._waiting.get())
            if package is None or package.metadata.terminating:
                continue
            try:
                await self._compare(package)
            except (PolyfleetError, ApiError) as error:
                name = package.metadata.name
                _log.warning("file not looked for", package=name, reason=str(error))
            except Exception:  # noqa: BLE001 - it is to go on, whatever that was
                _log.exception("file not looked for", package=package.metadata.name)

    async def _compare(self, package: Package) -> None:
        file = stored_file(package)
        if file is None or file[0] != self._store.driver:
            return
        found = await self._has(file[1])
        if found == is_missing(package):
            await self._tell(package, found=found)

    async def _has(self, path: str) -> bool:
        try:
            async with self._store.open(path):
                return True
        except NotFound:
            return False

    async def _tell(self, package: Package, *, found: bool) -> None:
        name = package.metadata.name
        condition = Condition(
            type=STORED,
            status="True" if found else "False",
            reason="Found" if found else "ArtifactMissing",
            message="" if found else "its file is not in the store",
            last_transition_time=timestamp(self._clock()),
            observed_generation=package.metadata.generation,
        )

        def decide(current: Package) -> Mapping[str, Any] | None:
            if current.metadata.uid != package.metadata.uid or is_missing(current) != found:
                return None
            others = [other for other in current.status.conditions if other.type != STORED]
            return {"status": {"conditions": msgspec.to_builtins([*others, condition])}}

        with suppress(PackageGone):
            await self._writer.update(PACKAGES, name, decide, subresource="status")
        _log.info("package's file looked for", package=name, found=found)
