"""Runs kopf in a thread and an event loop of its own: it cancels foreign tasks when it ends."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import aiohttp
import kopf
import structlog

from polyfleet.kube.configuration import Connection
from polyfleet.operator.feed import (
    APPLICATION_KEY,
    GROUP_KEY,
    PACKAGE_KEY,
    ROLLOUT_KEY,
    USER_KEY,
)
from polyfleet.operator.handlers import application, device_group, package, rollout, user
from polyfleet.operator.handlers.registration import Wake
from polyfleet.operator.handlers.storage import ObservedGeneration
from polyfleet.operator.queue import Key

_WATCHES = 5
_PARALLEL = 4
_STOP_SECONDS = 10.0
# Kubernetes takes documents of 10,000 levels, and kopf follows them by recursion when it reads and
# copies them, with three calls a level; a level of the JSON reader is some 200 bytes of the stack.
_MOST_CALLS = 50_000
_STACK = 64 * 1024 * 1024

_log = structlog.get_logger(__name__)

Result = TypeVar("Result")
WakeKey = Callable[[Key, str], Awaitable[None]]


class KopfThread:
    """kopf, watching the kinds with few objects for as long as it is entered.

    `wake` is called in the loop that enters it.
    """

    def __init__(self, connection: Connection, namespace: str, wake: WakeKey) -> None:
        self._connection = connection
        self._namespace = namespace
        self._wake = wake
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._ended = asyncio.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        sys.setrecursionlimit(_MOST_CALLS)
        before = threading.stack_size(_STACK)
        self._thread.start()
        threading.stack_size(before)
        return self

    def stop(self) -> None:
        """Have it end, without waiting for that."""
        self._stop.set()

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        await asyncio.to_thread(self._thread.join, _STOP_SECONDS)
        if self._thread.is_alive():
            _log.warning("kopf did not stop", seconds=_STOP_SECONDS)

    @property
    def ready(self) -> bool:
        """Whether its watches have begun."""
        return self._ready.is_set()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    async def wait_ended(self) -> None:
        """Wait until it has ended; raises what ended it."""
        await self._ended.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._operate())
        except BaseException as error:  # noqa: BLE001 - told to the main loop
            self._error = error
        finally:
            loop = self._loop
            if loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._ended.set)

    async def _operate(self) -> None:
        async with self._session() as session:
            await kopf.operator(
                registry=self._registry(session),
                settings=kopf_settings(),
                namespaces=[self._namespace],
                standalone=True,
                stop_flag=self._stop,
                ready_flag=self._ready,
            )

    def _registry(self, session: aiohttp.ClientSession) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        async def login(**_: Any) -> kopf.AiohttpSession:
            return kopf.AiohttpSession(
                server=self._connection.host,
                default_namespace=self._namespace,
                aiohttp_session=session,
            )

        kopf.on.login(registry=registry)(login)
        application.register(registry, self._waker(APPLICATION_KEY))
        device_group.register(registry, self._waker(GROUP_KEY))
        package.register(registry, self._waker(PACKAGE_KEY))
        rollout.register(registry, self._waker(ROLLOUT_KEY))
        user.register(registry, self._waker(USER_KEY))
        return registry

    def _waker(self, controller: str) -> Wake:
        async def wake(name: str, resource_version: str) -> None:
            await self._in_main_loop(self._wake(Key(controller, name), resource_version))

        return wake

    async def _in_main_loop(self, work: Awaitable[Result]) -> Result:
        if self._loop is None:
            raise RuntimeError("the thread is not entered")
        future = asyncio.run_coroutine_threadsafe(_as_coroutine(work), self._loop)
        return await asyncio.wrap_future(future)

    def _session(self) -> aiohttp.ClientSession:
        # Both are used by the main loop too, and locks belong to one loop.
        source, certificate = self._connection.token, self._connection.certificate

        async def authenticate(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            if source is not None:
                token = await self._in_main_loop(source.token())
                request.headers["Authorization"] = f"Bearer {token}"
            response = await handler(request)
            if response.status == 401:  # noqa: PLR2004 - Unauthorized
                if source is not None:
                    source.invalidate()
                if certificate is not None and await self._in_main_loop(certificate.renew()):
                    # This connection would go on with the certificate that it began with.
                    response.close()
                    return await handler(request)
            return response

        connector = aiohttp.TCPConnector(
            limit=_WATCHES + _PARALLEL, ssl=self._connection.ssl or True
        )
        return aiohttp.ClientSession(connector=connector, middlewares=(authenticate,))


def kopf_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: no annotations, no events, no finalizers, bounded requests."""
    settings = kopf.OperatorSettings()
    settings.watching.chunk_size = 500
    settings.queueing.idle_timeout = 0.05
    settings.persistence.diffbase_storage = ObservedGeneration()
    # The finalizer that we set ourselves must not be kopf's: it would take it away.
    settings.persistence.finalizer = "polyfleet.dev/kopf"
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    return settings


async def _as_coroutine(work: Awaitable[Result]) -> Result:
    return await work
