"""Kubernetes Events: what a person sees below `kubectl describe`."""

import asyncio
import os
import socket
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self

import structlog

from polyfleet.fleet.objects import kinds
from polyfleet.fleet.objects.kinds import AnyObject, Kind
from polyfleet.kube.client import Client
from polyfleet.kube.errors import ApiError
from polyfleet.kube.resources import EVENTS
from polyfleet.kube.tasks import cancel_and_wait

EventType = Literal["Normal", "Warning"]

SAME_SECONDS = 600.0
_MOST_WAITING = 1000
_MOST_REMEMBERED = 4096
_PER_SECOND = 5.0
_BURST = 50.0
_LONGEST_NOTE = 1024
_LONGEST_REASON = 128
_FLUSH_SECONDS = 2.0

_KINDS: Mapping[type, Kind[Any]] = {
    kind.view: kind
    for kind in (
        kinds.APPLICATIONS,
        kinds.DEVICES,
        kinds.GROUPS,
        kinds.PACKAGES,
        kinds.ROLLOUTS,
        kinds.ENROLLMENTS,
        kinds.COMMANDS,
        kinds.USERS,
        kinds.ACCESS_TOKENS,
        kinds.BUILDS,
        kinds.RELEASES,
        kinds.DOMAINS,
    )
}

_log = structlog.get_logger(__name__)


class EventRecorder:
    """Writes Events in the background, while it is entered; they are a courtesy, not a record.

    The same event is written once in `same_seconds`, all together at most five a second after a
    burst of fifty, and of those that wait the oldest of more than a thousand are dropped.
    """

    def __init__(
        self,
        client: Client,
        *,
        controller: str = "polyfleet.dev/polyfleet",
        same_seconds: float = SAME_SECONDS,
    ) -> None:
        self._client = client
        self._same_seconds = same_seconds
        self._controller = controller
        self._instance = f"{socket.gethostname()}-{os.getpid()}"
        self._waiting: deque[dict[str, Any]] = deque(maxlen=_MOST_WAITING)
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._seen: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._allowance = _BURST
        self._counted_at = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="events")
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._idle.wait()
        if self._task is not None:
            await cancel_and_wait(self._task)

    def event(
        self,
        item: AnyObject,
        type: EventType,  # noqa: A002 - Kubernetes' own word
        reason: str,
        message: str,
        *,
        action: str | None = None,
    ) -> None:
        """Say of an object that something happened: `reason` in CamelCase, `message` in words.

        `action` says what was done or tried; it is the reason if not given.
        """
        key = (item.metadata.uid, reason, message)
        if not self._is_new(key):
            return
        self._waiting.append(self._body(item, type, reason, message, action or reason))
        self._idle.clear()
        self._arrived.set()

    def _is_new(self, key: tuple[str, str, str]) -> bool:
        now = time.monotonic()
        said = self._seen.get(key)
        if said is not None and now - said < self._same_seconds:
            return False
        self._seen[key] = now
        self._seen.move_to_end(key)
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return True

    def _body(
        self, item: AnyObject, kind: EventType, reason: str, message: str, action: str
    ) -> dict[str, Any]:
        regarding = _KINDS[item.__class__]
        return {
            "metadata": {"name": f"{item.metadata.name[:200]}.{uuid.uuid4().hex[:16]}"},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": self._controller,
            "reportingInstance": self._instance[:_LONGEST_REASON],
            "action": action[:_LONGEST_REASON],
            "reason": reason[:_LONGEST_REASON],
            "type": kind,
            "note": message[:_LONGEST_NOTE],
            "regarding": {
                "apiVersion": regarding.api_version,
                "kind": regarding.name,
                "name": item.metadata.name,
                "namespace": self._client.namespace,
                "uid": item.metadata.uid,
                "resourceVersion": item.metadata.resource_version,
            },
        }

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            while self._waiting:
                await self._take_turn()
                body = self._waiting.popleft()
                try:
                    await self._client.create_document(EVENTS, body)
                except ApiError as error:
                    _log.warning("event not written", reason=body["reason"], error=str(error))
                except Exception:  # noqa: BLE001 - it is to go on, whatever that was
                    _log.exception("event not written", reason=body["reason"])
            self._arrived.clear()
            self._idle.set()

    async def _take_turn(self) -> None:
        now = time.monotonic()
        earned = (now - self._counted_at) * _PER_SECOND
        self._allowance = min(_BURST, self._allowance + earned)
        self._counted_at = now
        if self._allowance < 1:
            await asyncio.sleep((1 - self._allowance) / _PER_SECOND)
            self._allowance = 1
            self._counted_at = time.monotonic()
        self._allowance -= 1
