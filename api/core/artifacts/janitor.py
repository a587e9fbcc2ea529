"""Removes files that no Package owns any more.

A file goes when the last Package that names it goes. What was missed - a facade was down, an
upload never became a Package - goes by a search of the whole store, an hour after it came.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import structlog

from polyfleet.api.core.artifacts import paths
from polyfleet.api.core.artifacts.store import ArtifactStore
from polyfleet.api.core.errors import PolyfleetError
from polyfleet.fleet.objects.package import Package
from polyfleet.kube.changes import Change
from polyfleet.kube.store import Store
from polyfleet.kube.tasks import cancel_and_wait

GRACE = timedelta(hours=1)
"""How long an uploaded file may be without a Package."""

_INDEX = "artifact-path"
_QUEUE = 10_000
_log = structlog.get_logger(__name__)


class Janitor(AbstractAsyncContextManager["Janitor"]):
    """Keeps one store tidy while it is entered. Every facade has one; they do not disturb.

    The first search of the whole store comes `first_seconds` after the start, the others every
    `interval_seconds`. `trusted` tells whether the cache of Packages is complete and fresh: only
    then is a file that no Package names taken for an orphan.
    """

    def __init__(
        self,
        store: ArtifactStore,
        packages: Store[Package],
        *,
        clock: Callable[[], datetime],
        trusted: Callable[[], bool],
        first_seconds: float = 15,
        interval_seconds: float = 600,
    ) -> None:
        self._store = store
        self._packages = packages
        self._clock = clock
        self._trusted = trusted
        self._first_seconds = first_seconds
        self._interval_seconds = interval_seconds
        # Over the bound a file waits for the next search.
        self._released: asyncio.Queue[str] = asyncio.Queue(maxsize=_QUEUE)
        self._unsubscribe: Callable[[], None] = lambda: None
        self._tasks: list[asyncio.Task[None]] = []
        packages.add_index(_INDEX, self._named_paths)

    async def __aenter__(self) -> Self:
        """Begin to tidy up."""
        self._unsubscribe = self._packages.subscribe(self._note)
        self._tasks = [
            asyncio.create_task(self._remove_released()),
            asyncio.create_task(self._search_now_and_then()),
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop; what is still to be removed is found by the next facade."""
        self._unsubscribe()
        await cancel_and_wait(*self._tasks)

    async def search(self) -> int:
        """Remove every file older than GRACE that no Package names; return how many.

        Raises what the store raises.
        """
        removed = 0
        async for found in self._store.listing():
            if self._clock() - found.modified >= GRACE and await self._remove(found.path):
                removed += 1
        return removed

    def _named_paths(self, package: Package) -> tuple[str, ...]:
        artifact = package.spec.artifact
        if artifact is None or artifact.path is None or artifact.driver != self._store.driver:
            return ()
        return (artifact.path,) if paths.is_stored_path(artifact.path) else ()

    def _note(self, change: Change[Package]) -> None:
        if change.type == "deleted" and change.old is not None:
            for path in self._named_paths(change.old):
                with suppress(asyncio.QueueFull):
                    self._released.put_nowait(path)

    async def _remove_released(self) -> None:
        while True:
            path = await self._released.get()
            try:
                await self._remove(path)
            except PolyfleetError:
                _log.warning("file not removed, will be found again", path=path, exc_info=True)
            except Exception:  # noqa: BLE001 - it is to go on, whatever that was
                _log.exception("file not removed, will be found again", path=path)

    async def _search_now_and_then(self) -> None:
        # Soon after the start: what a killed facade left waits no longer than its hour.
        wait = self._first_seconds
        while True:
            await asyncio.sleep(wait)
            wait = self._interval_seconds
            try:
                abandoned, orphans = await self._store.sweep(), await self.search()
            except PolyfleetError:
                _log.warning("search for files without a package failed", exc_info=True)
            except Exception:  # noqa: BLE001 - it is to go on, whatever that was
                _log.exception("search for files without a package failed")
            else:
                if abandoned or orphans:
                    _log.info("removed files", abandoned=abandoned, orphans=orphans)

    async def _remove(self, path: str) -> bool:
        # Asked as late as possible: a Package may have come for the file meanwhile.
        if not self._trusted() or self._packages.names(_INDEX, path):
            return False
        await self._store.delete(path)
        return True
