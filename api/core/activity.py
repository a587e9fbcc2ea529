"""When objects were last heard of: known at once in memory, written in batches.

A sign of life costs no write. What is due is written under a budget, at most once per interval
and object; the interval grows with the number of objects, so that the budget is enough for all.
"""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic
from zlib import crc32

import structlog

from polyfleet.api.core.identity.clock import Clock, Monotonic, monotonic_clock
from polyfleet.fleet.objects.kinds import Kind, Object
from polyfleet.kube.changes import Change
from polyfleet.kube.errors import ApiError, Conflict, NotFound
from polyfleet.kube.store import Store
from polyfleet.kube.writer import Writer

TICK = 1.0
"""Seconds between two batches."""
RETRY = 30.0
PARALLEL_WRITES = 8
_PAUSE = 0.1

log = structlog.get_logger("polyfleet.activity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Generic[Object]):
    """Where an object's last sign of life is kept: `status.<name>`, read by `read`."""

    kind: Kind[Object]
    name: str
    read: Callable[[Object], str | None]


@dataclass(slots=True)
class _Memory:
    latest: dict[str, datetime] = field(default_factory=dict)
    due: list[tuple[float, str]] = field(default_factory=list)
    queued: set[str] = field(default_factory=set)


class Activity(Generic[Object]):
    """Last signs of life of one kind of objects; `interval` in seconds."""

    def __init__(
        self,
        heartbeat: Heartbeat[Object],
        store: Store[Object],
        writer: Writer,
        *,
        clock: Clock,
        monotonic: Monotonic = monotonic_clock,
        interval: float,
        writes_per_second: float,
    ) -> None:
        self._heartbeat = heartbeat
        self._store = store
        self._writer = writer
        self._clock = clock
        self._monotonic = monotonic
        self._interval = interval
        self._budget = writes_per_second
        self._memory = _Memory()
        self._leave = store.subscribe(self._forget)

    def seen(self, item: Object) -> None:
        """Note that the object was heard of just now."""
        uid = item.metadata.uid
        now = self._clock()
        memory = self._memory
        memory.latest[uid] = now
        if uid not in memory.queued:
            self._queue(uid, self._due(item, now))

    def last_seen(self, item: Object) -> datetime | None:
        """Return when the object was last heard of, by this replica or by any."""
        latest = self._memory.latest.get(item.metadata.uid)
        written = self._written(item)
        if latest is None or written is None:
            return latest or written
        return max(latest, written)

    async def run(self) -> None:
        """Write what is due, for ever."""
        while True:
            await asyncio.sleep(TICK)
            try:
                await self.flush(limit=max(1, int(self._budget * TICK)))
            except Exception:
                log.exception("last signs of life not written")

    async def flush(self, *, limit: int) -> int:
        """Write at most `limit` objects that are due; return how many were written."""
        if self._writer.away:
            return 0
        return await self._write_all(self._take(self._monotonic(), limit))

    async def drain(self, *, seconds: float) -> None:
        """Write all that is not written yet, due or not, within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while self._memory.due:
                    await self._write_all(self._take(float("inf"), len(self._memory.due)))
                    await asyncio.sleep(_PAUSE if self._memory.due else 0)
        except TimeoutError:
            log.warning("last signs of life not written", kind=self._heartbeat.kind.name)

    def close(self) -> None:
        """Follow the store no longer."""
        self._leave()

    def _due(self, item: Object, now: datetime) -> float:
        """Return when to write, by the clock that nobody sets; what is written has a date."""
        written = self._written(item)
        if written is None:
            return self._monotonic()
        stretched = max(self._interval, len(self._store) / self._budget)
        # A part of the interval that differs by object keeps a fleet that began together apart.
        jitter = crc32(item.metadata.uid.encode()) / 2**32
        pause = stretched * (1 + jitter / 4)
        # A date in the future comes of a clock that was wrong, here or elsewhere.
        return self._monotonic() + pause - max(0.0, (now - written).total_seconds())

    def _queue(self, uid: str, due: float) -> None:
        self._memory.queued.add(uid)
        heapq.heappush(self._memory.due, (due, uid))

    def _take(self, until: float, limit: int) -> list[str]:
        memory = self._memory
        taken: list[str] = []
        while memory.due and len(taken) < limit and memory.due[0][0] <= until:
            uid = heapq.heappop(memory.due)[1]
            memory.queued.discard(uid)
            taken.append(uid)
        return taken

    async def _write_all(self, uids: list[str]) -> int:
        gate = asyncio.Semaphore(PARALLEL_WRITES)

        async def write(uid: str) -> bool:
            async with gate:
                return await self._write(uid)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(write(uid)) for uid in uids]
        return sum(task.result() for task in tasks)

    async def _write(self, uid: str) -> bool:
        item = self._store.by_uid(uid)
        latest = self._memory.latest.get(uid)
        if item is None or latest is None:
            return False
        written = self._written(item)
        if written is not None and written >= latest.replace(microsecond=0):
            return False
        patch = {"status": {self._heartbeat.name: latest.strftime("%Y-%m-%dT%H:%M:%SZ")}}
        try:
            await self._writer.patch(self._heartbeat.kind, item, patch, subresource="status")
        except NotFound:
            return False
        except Conflict:
            self._requeue(uid, TICK)
            return False
        except ApiError as error:
            log.warning("last sign of life not written", error=error.reason)
            self._requeue(uid, RETRY)
            return False
        return True

    def _requeue(self, uid: str, delay: float) -> None:
        if uid not in self._memory.queued:
            self._queue(uid, self._monotonic() + delay)

    def _written(self, item: Object) -> datetime | None:
        text = self._heartbeat.read(item)
        if not text:
            return None
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None  # written by hand; the schema allows any date and time

    def _forget(self, change: Change[Object]) -> None:
        if change.new is None and change.old is not None:
            self._memory.latest.pop(change.old.metadata.uid, None)
