"""HTTP to the API server: connections, credentials, time-outs, and errors."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp
from yarl import URL

from polyfleet.kube.configuration import Connection
from polyfleet.kube.errors import Unauthorized, Unavailable, from_answer
from polyfleet.kube.metrics import Metrics

_CONNECT_SECONDS = 5.0
_KEEPALIVE_SECONDS = 60.0
_STREAM_BUFFER = 1 << 18
_SUCCESS = range(200, 300)
_UNAUTHORIZED = 401

_Failure = (aiohttp.ClientError, TimeoutError, OSError)


class _Request(NamedTuple):
    method: str
    url: URL
    body: bytes | None
    headers: dict[str, str]


class Transport:
    """Two pools of connections: a bounded one for requests, another for long-lived streams.

    A stream occupies its connection for minutes, so streams must not starve requests.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        metrics: Metrics,
        request_timeout: float,
        connections: int,
    ) -> None:
        self._connection = connection
        self._metrics = metrics
        self._request_timeout = request_timeout
        self._limit = connections
        self._requests: aiohttp.ClientSession | None = None
        self._streams: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._requests = self._session(self._limit)
        self._streams = self._session(0)
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for session in (self._requests, self._streams):
            if session is not None:
                await session.close()
        self._requests = self._streams = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        verb: str,
        kind: str,
        body: bytes | None = None,
        content_type: str | None = None,
    ) -> bytes:
        """Send a request and return the body of its answer. Raises ApiError."""
        headers = {"Content-Type": content_type} if content_type else {}
        request = _Request(method, URL(self._connection.host + path, encoded=True), body, headers)
        try:
            return await self._attempt(request, verb, kind)
        except Unauthorized:
            if self._connection.token is None:
                raise
            # A token renewed in its file is told apart from a refused one by asking again.
            self._connection.token.invalidate()
            return await self._attempt(request, verb, kind)

    @asynccontextmanager
    async def stream(
        self, path: str, *, verb: str, kind: str, idle_timeout: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a stream and yield its chunks as they come.

        Raises ApiError if it does not open, breaks, or is silent for `idle_timeout` seconds.
        """
        if self._streams is None:
            raise RuntimeError("the client is not open")
        started = time.perf_counter()
        code = 0
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_SECONDS, sock_read=idle_timeout
        )
        try:
            async with self._streams.get(
                URL(self._connection.host + path, encoded=True),
                headers=await self._authorization(),
                timeout=timeout,
                allow_redirects=False,
                server_hostname=self._connection.server_name,
                proxy=self._connection.proxy,
            ) as answer:
                code = answer.status
                self._metrics.request(verb, kind, code, time.perf_counter() - started)
                if code == _UNAUTHORIZED and self._connection.token is not None:
                    self._connection.token.invalidate()
                if code not in _SUCCESS:
                    retry = answer.headers.get("Retry-After")
                    raise from_answer(code, await answer.read(), retry_after=retry)
                yield answer.content.iter_any()
        except _Failure as error:
            if not code:
                self._metrics.request(verb, kind, 0, time.perf_counter() - started)
            raise _unavailable(error) from error

    async def _attempt(self, request: _Request, verb: str, kind: str) -> bytes:
        if self._requests is None:
            raise RuntimeError("the client is not open")
        headers = request.headers
        if self._connection.token is not None:
            headers = headers | await self._authorization()
        started = time.perf_counter()
        code = 0
        try:
            async with self._requests.request(
                request.method,
                request.url,
                data=request.body,
                headers=headers,
                allow_redirects=False,
                server_hostname=self._connection.server_name,
                proxy=self._connection.proxy,
            ) as answer:
                content = await answer.read()
                code = answer.status
        except _Failure as error:
            raise _unavailable(error) from error
        finally:
            self._metrics.request(verb, kind, code, time.perf_counter() - started)
        if code in _SUCCESS:
            return content
        raise from_answer(code, content, retry_after=answer.headers.get("Retry-After"))

    async def _authorization(self) -> dict[str, str]:
        if self._connection.token is None:
            return {}
        try:
            return {"Authorization": f"Bearer {await self._connection.token.token()}"}
        except (OSError, ValueError) as error:
            raise Unavailable(0, "NoToken", f"no token: {error}", sent=False) from error

    def _session(self, limit: int) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=limit,
            ssl=self._connection.ssl if self._connection.ssl is not None else True,
            keepalive_timeout=_KEEPALIVE_SECONDS,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            skip_auto_headers=("User-Agent",),
            timeout=aiohttp.ClientTimeout(
                total=self._request_timeout, sock_connect=_CONNECT_SECONDS
            ),
            read_bufsize=_STREAM_BUFFER,
        )


def _unavailable(error: Exception) -> Unavailable:
    """Say what went wrong on the way, and whether the request can have arrived."""
    never_sent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    if isinstance(error, asyncio.TimeoutError):
        return Unavailable(0, "Timeout", "no answer in time", sent=not never_sent)
    return Unavailable(0, "ConnectionFailed", str(error) or repr(error), sent=not never_sent)
