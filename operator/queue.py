"""A queue of things to look at: each at most once, one at a time, again and later if it fails."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import structlog

from polyfleet.kube.errors import ApiError, Conflict
from polyfleet.kube.jitter import between
from polyfleet.operator.metrics import QueueMetrics

_log = structlog.get_logger(__name__)

_FIRST_RETRY = 0.25
_LAST_RETRY = 60.0
_SPARE = 64


class Key(NamedTuple):
    """What to look at: which controller decides, and the name of the object."""

    controller: str
    name: str


Handle = Callable[[Key], Awaitable[float | None]]
"""Looks at a key; returns in how many seconds to look again, or None."""

_Entry = tuple[float, int, Key]
"""When a key is due, and its place among those that are due then."""


class WorkQueue:
    """Keys that wait for their time, and the workers that look at them.

    A key waits at most once, however often it is added, so the queue is no longer than there are
    objects, and takes the memory of twice that many at most. A key that is being looked at is
    never looked at by a second worker; added meanwhile, it comes again afterwards. `spacing`
    states for a controller how many seconds lie between two looks at the same key.
    """

    def __init__(
        self,
        name: str,
        handle: Handle,
        *,
        workers: int,
        spacing: Mapping[str, float],
        metrics: QueueMetrics,
    ) -> None:
        self._handle = handle
        self._workers = workers
        self._spacing = spacing
        self._metrics = metrics
        self._due: dict[Key, _Entry] = {}
        # Also holds entries that were superseded, until their time or until they are too many.
        self._heap: list[_Entry] = []
        self._numbers = itertools.count()
        self._running: set[Key] = set()
        self._not_before: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Event()
        self._closed = False
        metrics.watch(name, self.__len__)

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Have a key looked at in so many seconds, or sooner if it is due sooner already."""
        now = asyncio.get_running_loop().time()
        due = max(now + delay, self._not_before.get(key, 0.0))
        waiting = self._due.get(key)
        if waiting is not None and waiting[0] <= due:
            return
        entry = self._due[key] = due, next(self._numbers), key
        heapq.heappush(self._heap, entry)
        self._shrink()
        self._changed.set()

    async def run(self) -> None:
        """Look at keys until cancelled; once closed, until the looks under way have ended."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    def close(self) -> None:
        """Begin no look any more."""
        self._closed = True
        self._changed.set()

    async def _work(self) -> None:
        while (key := await self._next()) is not None:
            self._running.add(key)
            try:
                again = await self._look(key)
            finally:
                self._finished(key)
            if again is not None:
                self.add(key, again)

    async def _next(self) -> Key | None:
        while not self._closed:
            now = asyncio.get_running_loop().time()
            key = self._pop(now)
            if key is not None:
                return key
            self._changed.clear()
            wait = self._heap[0][0] - now if self._heap else None
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue
        return None

    def _pop(self, now: float) -> Key | None:
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            key = entry[2]
            # Superseded by an earlier time, or taken up again when its look is over.
            if self._due.get(key) is not entry or key in self._running:
                continue
            del self._due[key]
            self._shrink()
            return key
        return None

    def _shrink(self) -> None:
        if len(self._heap) > 2 * len(self._due) + _SPARE:
            self._heap = list(self._due.values())
            heapq.heapify(self._heap)

    async def _look(self, key: Key) -> float | None:
        with self._metrics.timed(key.controller) as outcome:
            try:
                again = await self._handle(key)
            except Conflict:
                outcome.failed("conflict")
                return self._retry(key)
            except ApiError as error:
                outcome.failed("api_error")
                _log.warning("will be tried again", **_named(key), error=str(error))
                return self._retry(key)
            except Exception:  # noqa: BLE001 - one bad object must not stop the others
                outcome.failed("error")
                _log.exception("will be tried again", **_named(key))
                return self._retry(key)
        self._failures.pop(key, None)
        return again

    def _retry(self, key: Key) -> float:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        longest = min(_LAST_RETRY, _FIRST_RETRY * 2.0 ** min(failures, 16))
        return longest * between(0.5, 1.0)

    def _finished(self, key: Key) -> None:
        self._running.discard(key)
        now = asyncio.get_running_loop().time()
        spacing = self._spacing.get(key.controller, 0.0)
        if spacing:
            self._not_before[key] = now + spacing
            asyncio.get_running_loop().call_later(spacing, self._not_before.pop, key, None)
        waiting = self._due.pop(key, None)
        if waiting is not None:
            self.add(key, max(0.0, waiting[0] - now))


def _named(key: Key) -> dict[str, str]:
    return {"controller": key.controller, "object": key.name}
