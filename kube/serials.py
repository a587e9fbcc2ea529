"""Serials that no two objects get: counters in one ConfigMap, checked by its resourceVersion."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from polyfleet.fleet.objects.kinds import DEVICES, Kind
from polyfleet.fleet.objects.metadata import SERIAL_LABEL
from polyfleet.fleet.serials import next_serials
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client
from polyfleet.kube.errors import (
    AlreadyExists,
    Conflict,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from polyfleet.kube.jitter import between
from polyfleet.kube.resources import CONFIG_MAPS

CONFIG_MAP = "polyfleet-serials"
DEVICE_BLOCK = 32
PATIENCE_SECONDS = 15.0

_LONGEST_DELAY = 0.5
# Above what JSON numbers hold exactly, a serial is nonsense set by hand: it is not counted on.
_LARGEST = 2**53


class SerialAllocator:
    """Gives out serials. Any number of processes may do so at once.

    Devices are numbered from a block that is this process's own, so most need no request.
    """

    def __init__(self, client: Client, cache: Cache | None = None) -> None:
        self._client = client
        self._cache = cache
        self._blocks: dict[str, list[int]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def next(self, kind: Kind[Any]) -> int:
        """Return a serial that no object of the kind has or gets; some are never used.

        Raises ApiError, after `PATIENCE_SECONDS` of trying again where that can help; at once
        while the API server is known to be away.
        """
        async with self._locks.setdefault(kind.plural, asyncio.Lock()):
            block = self._blocks.get(kind.plural)
            if not block:
                count = DEVICE_BLOCK if kind.plural == DEVICES.plural else 1
                block = self._blocks[kind.plural] = list(reversed(await self._take(kind, count)))
            return block.pop()

    async def _take(self, kind: Kind[Any], count: int) -> range:
        deadline = time.monotonic() + PATIENCE_SECONDS
        attempt = 0
        while True:
            try:
                return await self._try_to_take(kind, count)
            except (Conflict, NotFound, AlreadyExists, TooManyRequests, Unavailable) as error:
                if isinstance(error, Unavailable) and self._cache and self._cache.unreachable:
                    raise
                # Whatever became of the write: at worst the numbers it counted stay unused.
                delay = between(0, min(_LONGEST_DELAY, 0.02 * 2**attempt))
                if time.monotonic() + delay > deadline:
                    raise
            attempt += 1
            await asyncio.sleep(delay)

    async def _try_to_take(self, kind: Kind[Any], count: int) -> range:
        counters = await self._counters()
        counter = _number((counters.get("data") or {}).get(kind.plural))
        serials = next_serials(counter or 0, await self._highest_seen(kind, counter), count)
        metadata = counters["metadata"]
        patch = {
            "metadata": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
            "data": {kind.plural: str(serials[-1])},
        }
        await self._client.patch_document(CONFIG_MAPS, CONFIG_MAP, patch)
        return serials

    async def _counters(self) -> dict[str, Any]:
        try:
            return await self._client.get_document(CONFIG_MAPS, CONFIG_MAP)
        except NotFound:
            body: Mapping[str, Any] = {"metadata": {"name": CONFIG_MAP}, "data": {}}
            with suppress(AlreadyExists):
                return await self._client.create_document(CONFIG_MAPS, body)
            return await self._client.get_document(CONFIG_MAPS, CONFIG_MAP)

    async def _highest_seen(self, kind: Kind[Any], counter: int | None) -> int:
        if self._cache is not None and kind in self._cache and self._cache.store(kind).synced:
            known = reversed(self._cache.store(kind).in_serial_order())
            return next((n for item in known if (n := _usable(item.serial))), 0)
        if counter is not None:
            return 0
        # Without a cache, only a lost counter is worth reading all objects for.
        highest = 0
        async for page in self._client.list_pages(kind, label_selector=SERIAL_LABEL):
            highest = max(highest, *_serials(page.items))
        return highest


def _serials(items: Iterable[Any]) -> list[int]:
    return [0, *(_usable(item.serial) for item in items)]


def _usable(serial: int | None) -> int:
    return serial if serial is not None and serial <= _LARGEST else 0


def _number(text: object) -> int | None:
    if isinstance(text, str) and text.isascii() and text.isdigit():
        return _usable(int(text))
    return None
