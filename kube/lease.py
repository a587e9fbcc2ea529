"""Leader election by a Lease: of several processes at most one holds it."""

import asyncio
import socket
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import structlog

from polyfleet.kube.client import Client
from polyfleet.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from polyfleet.kube.jitter import between
from polyfleet.kube.resources import LEASES
from polyfleet.kube.tasks import cancel_and_wait

DURATION = 10.0
_RELEASE_SECONDS = 5.0

_log = structlog.get_logger(__name__)


class Lease:
    """Tries to get a Lease for as long as it is entered, and keeps it; gives it back at the end.

    It is renewed every fifth of `duration` seconds; if that fails for two thirds, or somebody else
    has it, it is lost for good: the process should end. Another's Lease is taken over when it
    has not *changed* for its duration on our own clock: clocks of machines are never compared.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        *,
        identity: str | None = None,
        duration: float = DURATION,
    ) -> None:
        self.identity = identity or f"{socket.gethostname()}_{uuid.uuid4()}"
        self._client = client
        self._name = name
        self._duration = duration
        self._renew_deadline = duration * 2 / 3
        self._held = asyncio.Event()
        self._lost = asyncio.Event()
        self._renewed_at = 0.0
        self._record: dict[str, Any] | None = None
        self._observed_version = ""
        self._observed_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=f"lease {self._name}")
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            await cancel_and_wait(self._task)
        if self.held:
            await self._release()
        self._lost.set()

    @property
    def held(self) -> bool:
        """Whether it is ours right now, even if this process was stopped for a while."""
        fresh = time.monotonic() - self._renewed_at < self._renew_deadline
        return self._held.is_set() and not self._lost.is_set() and fresh

    async def wait_held(self) -> None:
        """Wait until it is ours."""
        await self._held.wait()

    async def wait_lost(self) -> None:
        """Wait until it was ours and is not any more."""
        await self._lost.wait()

    async def _run(self) -> None:
        while not self._lost.is_set():
            started = time.monotonic()
            if await self._attempt():
                self._renewed_at = started
                if not self._held.is_set():
                    _log.info("lease acquired", lease=self._name, identity=self.identity)
                    self._held.set()
                await asyncio.sleep(self._duration / 5)
                continue
            if self._held.is_set() and self._is_over():
                _log.error("lease lost", lease=self._name, identity=self.identity)
                self._lost.set()
                return
            retry = self._duration / 10
            await asyncio.sleep(between(retry / 2, retry))

    def _is_over(self) -> bool:
        spec = self._record["spec"] if self._record else {}
        taken = spec.get("holderIdentity") not in {None, "", self.identity}
        return taken or time.monotonic() - self._renewed_at >= self._renew_deadline

    async def _attempt(self) -> bool:
        # One request that never returns must leave time for another on a new connection.
        patience = self._duration / 4
        if self._held.is_set():
            left = self._renew_deadline - (time.monotonic() - self._renewed_at)
            patience = min(patience, left)
        try:
            async with asyncio.timeout(max(patience, 0)):
                return await self._renew() or await self._acquire()
        except (ApiError, TimeoutError) as error:
            _log.warning("lease not renewed", lease=self._name, error=repr(error))
            return False
        except Exception:  # noqa: BLE001 - it is to go on, whatever that was
            # Were this task to end, nobody would hear that the Lease is lost.
            _log.exception("lease not renewed", lease=self._name)
            return False

    async def _renew(self) -> bool:
        """Write straight away what we wrote last, with a new time: one request."""
        if not self._held.is_set() or self._record is None:
            return False
        try:
            await self._write(self._record)
        except (Conflict, NotFound):
            return False
        return True

    async def _acquire(self) -> bool:
        try:
            record = await self._client.get_document(LEASES, self._name)
        except NotFound:
            return await self._create()
        self._record = record
        version = record["metadata"]["resourceVersion"]
        if version != self._observed_version:
            self._observed_version = version
            self._observed_at = time.monotonic()
        if not self._is_free(record.get("spec") or {}):
            return False
        try:
            await self._write(record)
        except (Conflict, NotFound):
            return False
        return True

    def _is_free(self, spec: dict[str, Any]) -> bool:
        if spec.get("holderIdentity") in {None, "", self.identity}:
            return True
        lasts = spec.get("leaseDurationSeconds") or self._duration
        return time.monotonic() - self._observed_at >= lasts

    async def _create(self) -> bool:
        body = {"metadata": {"name": self._name}, "spec": self._spec({})}
        try:
            self._record = await self._client.create_document(LEASES, body)
        except AlreadyExists:
            return False
        return True

    async def _write(self, record: dict[str, Any]) -> None:
        body = {"metadata": record["metadata"], "spec": self._spec(record.get("spec") or {})}
        self._record = await self._client.replace_document(LEASES, self._name, body)

    def _spec(self, former: dict[str, Any]) -> dict[str, Any]:
        now = _micro_time()
        ours = former.get("holderIdentity") == self.identity
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "acquireTime": former.get("acquireTime") if ours else now,
            "renewTime": now,
            "leaseTransitions": (former.get("leaseTransitions") or 0) + (not ours),
        }

    async def _release(self) -> None:
        """Let the next one have it at once. If that fails it has to wait: nothing worse."""
        if self._record is None:
            return
        spec = {
            **self._record["spec"],
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "renewTime": _micro_time(),
        }
        body = {"metadata": self._record["metadata"], "spec": spec}
        with suppress(ApiError, TimeoutError):
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._client.replace_document(LEASES, self._name, body)


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
