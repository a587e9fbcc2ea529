"""Keeps a store the same as the API server: lists, then watches, for ever.

nothing known ──(stream or pages)──> all known ──(watch)──> watching from a version
     ^                                                              │
     └───────────── the version is too old (410) ───────────────────┤
                    anything else: watch again from the last version ┘

A quiet server tells about once a minute, by a bookmark, that there is no news. When that fails to
come, a short watch asks for it: before such a watch ends, the server sends one. Who gets no answer
even then reads all anew.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Generic

import structlog

from polyfleet.fleet.objects.kinds import Kind, Object
from polyfleet.kube.client import Client
from polyfleet.kube.codec import Bookmark, Unreadable
from polyfleet.kube.errors import (
    ApiError,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from polyfleet.kube.jitter import between
from polyfleet.kube.store import Store
from polyfleet.kube.stream import WatchEvent
from polyfleet.kube.versions import version_number

# With what asking takes it stays below the 90 seconds after which no offers are made.
IDLE_SECONDS = 70.0
SERVER_SECONDS = 290
# The server sends its bookmark two seconds before the end of a watch.
_ASKING_SECONDS = 6
_ASKING_IDLE_SECONDS = 10.0
_PAGE_SIZE = 500
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
# Nobody is burdened by connections that nobody accepts, and devices wait for the server's return.
_LONGEST_UNREACHABLE_DELAY = 2.0
_MOST_DOUBLINGS = 8
# A version that the server does not know yet (a restored backup) can show as a plain error: after
# so many of them in a row all is read anew.
_DOUBTFUL = frozenset({"error"})
_DOUBTS = 3
# A server that has just started refuses what it has not read the rights of yet.
_REFUSALS_WHILE_STARTING = 4

_log = structlog.get_logger(__name__)


class Watcher(Generic[Object]):
    """Feeds one store. A watch that is silent for `idle_timeout` seconds counts as dead."""

    def __init__(
        self,
        client: Client,
        kind: Kind[Object],
        store: Store[Object],
        *,
        idle_timeout: float = IDLE_SECONDS,
        server_timeout: int = SERVER_SECONDS,
        streaming: bool = True,
    ) -> None:
        self._client = client
        self._kind = kind
        self._store = store
        self._idle_timeout = idle_timeout
        self._server_timeout = server_timeout
        self._streaming = streaming
        self._version = ""
        self._failures = 0
        self._last_cause = ""
        self._asking = False
        self.unreachable = False
        """Whether the API server could not be reached when that was last tried."""

    async def run(self) -> None:
        """Keep the store up to date until cancelled; no error ends it."""
        while True:
            cause, delay = await self._attempt()
            self._client.metrics.watch_restarts.labels(self._kind.name, cause).inc()
            await asyncio.sleep(delay)

    async def _attempt(self) -> tuple[str, float]:
        """List and watch once; return why that ended and how long to wait now."""
        try:
            await self._synchronise()
        except Gone:
            self._version = ""
            return "expired", self._delay()
        except ApiError as error:
            return self._failed(error)
        except Exception:  # noqa: BLE001 - the watch outlives every surprise; all is read anew
            _log.exception("watch failed", kind=self._kind.name)
            self._version = ""
            return "fault", self._delay()
        if self._asking:
            self._give_up_asking()
        return "ended", self._delay()

    def _failed(self, error: ApiError) -> tuple[str, float]:
        cause = _cause(error)
        if cause != self._last_cause:
            # Another hindrance than before: that one is over.
            self._failures = min(self._failures, 1)
        self._last_cause = cause
        self.unreachable = cause == "connection" and (not _was_sent(error) or self._failures > 0)
        if cause == "idle" and not self._asking and self._version:
            self._asking = True
            _log.debug("no news: asking", kind=self._kind.name)
            return cause, 0.0
        self._report(error, cause)
        if cause == "idle" and self._asking:
            self._give_up_asking()
        if cause in _DOUBTFUL and self._failures >= _DOUBTS:
            self._version = ""
        delay = self._delay()
        if cause == "connection":
            delay = min(delay, between(0.5, 1) * _LONGEST_UNREACHABLE_DELAY)
        return cause, max(delay, _wanted_delay(error))

    def _give_up_asking(self) -> None:
        _log.info("no news although asked: reading all anew", kind=self._kind.name)
        self._asking = False
        self._version = ""

    async def _synchronise(self) -> None:
        if self._version:
            await self._watch()
        elif self._streaming:
            await self._stream()
        else:
            await self._list()
            await self._watch()

    async def _watch(self) -> None:
        async with self._client.watch(
            self._kind,
            resource_version=self._version,
            timeout=_ASKING_SECONDS if self._asking else self._server_timeout,
            idle_timeout=_ASKING_IDLE_SECONDS if self._asking else self._idle_timeout,
        ) as events:
            self.unreachable = False
            await self._follow(events)

    async def _stream(self) -> None:
        """Have the present objects sent as the beginning of the watch."""
        # Whatever goes wrong before all are there: the next attempt reads pages instead.
        self._streaming = False
        try:
            async with self._client.watch(
                self._kind,
                resource_version=None,
                initial_events=True,
                timeout=self._server_timeout,
                idle_timeout=self._idle_timeout,
            ) as events:
                self.unreachable = False
                await self._receive_all(events)
                self._streaming = True
                await self._follow(events)
        except Invalid as error:
            _log.info("server cannot stream lists", kind=self._kind.name, error=error.message)

    async def _receive_all(self, events: AsyncIterator[WatchEvent[Object]]) -> None:
        items: list[Object] = []
        async for event in events:
            if isinstance(event, Bookmark):
                if event.initial_events_end:
                    self._replace_all(items, event.resource_version)
                    return
            elif isinstance(event, Unreadable):
                self._report_unreadable(event.name)
            else:
                items.append(self._store.admit(event.object))
        raise Unavailable(0, "Ended", "the stream ended before all objects were sent")

    async def _list(self) -> None:
        items: list[Object] = []
        version = ""
        async for page in self._client.list_pages(self._kind, limit=_PAGE_SIZE):
            items.extend([self._store.admit(item) for item in page.items])
            # Later pages may carry a later version, but are as of the first one's.
            version = version or page.resource_version
            for name in page.unreadable:
                self._report_unreadable(name)
        self._replace_all(items, version)
        self._streaming = True

    def _replace_all(self, items: list[Object], version: str) -> None:
        self._store.replace_all(items, version)
        self._client.metrics.relists.labels(self._kind.name).inc()
        self._advance(version)

    async def _follow(self, events: AsyncIterator[WatchEvent[Object]]) -> None:
        async for event in events:
            if isinstance(event, Bookmark):
                version = event.resource_version
            elif isinstance(event, Unreadable):
                self._report_unreadable(event.name)
                self._store.forget(event.name, event.resource_version)
                version = event.resource_version
            else:
                version = event.object.metadata.resource_version
                if event.type == "DELETED":
                    self._store.remove(event.object, confirmed=True)
                else:
                    self._store.apply(event.object)
            if version_number(version) < version_number(self._version):
                raise Gone(410, "Expired", "the server's history went back")
            self._store.progressed(version)
            self._advance(version)

    def _advance(self, version: str) -> None:
        self._version = version
        self._failures = 0
        self._last_cause = ""
        self._asking = False
        self.unreachable = False

    def _delay(self) -> float:
        """Return how long to wait: not at all after progress, else longer each time."""
        failures = self._failures
        self._failures = min(failures + 1, _MOST_DOUBLINGS)
        if not failures:
            # Watches of all kinds and replicas must not come back in the same moment.
            return between(0, _FIRST_DELAY / 5)
        longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2**failures)
        return between(longest / 2, longest)

    def _report(self, error: ApiError, cause: str) -> None:
        details = {
            "kind": self._kind.name,
            "error": str(error),
            "cause": cause,
            "attempts": self._failures + 1,
        }
        if isinstance(error, Forbidden | Unauthorized | NotFound):
            # What does not pass by itself soon is a role or a CRD that is missing.
            starting = self._failures < _REFUSALS_WHILE_STARTING
            (_log.warning if starting else _log.error)("watch refused", **details)
        else:
            _log.warning("watch interrupted", **details)

    def _report_unreadable(self, name: str) -> None:
        _log.error("object cannot be read", kind=self._kind.name, object=name)


def _cause(error: ApiError) -> str:
    if isinstance(error, Forbidden | Unauthorized):
        return "refused"
    if isinstance(error, TooManyRequests):
        return "throttled"
    if isinstance(error, Unavailable) and not error.status:
        return {"Timeout": "idle", "Garbage": "garbage"}.get(error.reason, "connection")
    return "error"


def _was_sent(error: ApiError) -> bool:
    return not isinstance(error, Unavailable) or error.sent


def _wanted_delay(error: ApiError) -> float:
    if isinstance(error, TooManyRequests) and error.retry_after is not None:
        return min(error.retry_after, _LONGEST_DELAY)
    return 0.0
