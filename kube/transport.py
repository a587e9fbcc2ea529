"""Requests to the API server: credentials, time-outs, errors, and their counting."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

from polyfleet.kube.configuration import Connection
from polyfleet.kube.errors import ApiError, Unauthorized, Unavailable, from_answer
from polyfleet.kube.http import BrokenConnectionError, HttpConnection
from polyfleet.kube.metrics import Metrics
from polyfleet.kube.pool import ConnectError, Pool
from polyfleet.kube.tokens import TokenSource

_SUCCESS = range(200, 300)
_UNAUTHORIZED = 401


class _Call(NamedTuple):
    method: str
    path: str
    verb: str
    kind: str
    body: bytes | None = None
    content_type: str | None = None


class Transport:
    """Sends requests over a pool of connections, and opens streams over connections of their own.

    A stream occupies its connection for minutes, so streams must not starve requests.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        user_agent: str,
        metrics: Metrics,
        request_timeout: float,
        connections: int,
    ) -> None:
        address = urlsplit(connection.host)
        self._token = connection.token
        self._certificate = connection.certificate
        self._metrics = metrics
        self._request_timeout = request_timeout
        self._pool = Pool(connection, connections)
        self._prefix = address.path.rstrip("/")
        self._headers = (
            f" HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"User-Agent: {user_agent}\r\nAccept: application/json\r\n"
        )

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._pool.close()

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
        call = _Call(method, path, verb, kind, body, content_type)
        try:
            return await self._attempt(call)
        except Unauthorized:
            if not await self._renewed():
                raise
            return await self._attempt(call)

    @asynccontextmanager
    async def stream(
        self, path: str, *, verb: str, kind: str, idle_timeout: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a stream and yield its chunks as they come.

        Raises ApiError if it does not open, breaks, or is silent for `idle_timeout` seconds.
        """
        request = await self._encode(_Call("GET", path, verb, kind))
        started = time.perf_counter()
        code = 0
        try:
            async with (
                asyncio.timeout(idle_timeout) as deadline,
                self._pool.stream(request) as (connection, status),
            ):
                code = status
                self._metrics.request(verb, kind, code, time.perf_counter() - started)
                if code not in _SUCCESS:
                    raise await self._refusal(connection, code)
                yield _chunks(connection, deadline, idle_timeout)
        except (ConnectError, BrokenConnectionError, TimeoutError) as error:
            if not code:
                self._metrics.request(verb, kind, 0, time.perf_counter() - started)
            raise _unavailable(error) from error

    async def _attempt(self, call: _Call) -> bytes:
        request = await self._encode(call)
        started = time.perf_counter()
        code = 0
        try:
            async with asyncio.timeout(self._request_timeout):
                answer = await self._pool.exchange(request, repeatable=call.method == "GET")
            code = answer.status
        except (ConnectError, BrokenConnectionError, TimeoutError) as error:
            raise _unavailable(error) from error
        finally:
            self._metrics.request(call.verb, call.kind, code, time.perf_counter() - started)
        if code in _SUCCESS:
            return answer.body
        raise from_answer(code, answer.body, retry_after=answer.retry_after)

    async def _encode(self, call: _Call) -> bytes:
        head = f"{call.method} {self._prefix}{call.path}{self._headers}"
        if self._token is not None:
            head += f"Authorization: Bearer {await self._current_token(self._token)}\r\n"
        if call.body is None:
            return f"{head}\r\n".encode()
        head += f"Content-Type: {call.content_type}\r\nContent-Length: {len(call.body)}\r\n\r\n"
        return head.encode() + call.body

    async def _current_token(self, source: TokenSource) -> str:
        try:
            token = await source.token()
        except (OSError, ValueError) as error:
            raise Unavailable(0, "NoToken", f"no token: {error}", sent=False) from error
        if not (token.isascii() and token.isprintable()):
            raise Unavailable(0, "NoToken", "the token is not printable ASCII", sent=False)
        return token

    async def _renewed(self) -> bool:
        """Look for newer credentials after a refusal; say whether it is worth asking again."""
        if self._certificate is not None and await self._certificate.renew():
            self._pool.close()
        elif self._token is None:
            return False
        if self._token is not None:
            # A token renewed in its file is told apart from a refused one by asking again.
            self._token.invalidate()
        return True

    async def _refusal(self, connection: HttpConnection, code: int) -> ApiError:
        if code == _UNAUTHORIZED:
            await self._renewed()
        parts: list[bytes] = []
        while part := await connection.chunk():
            parts.append(part)
        return from_answer(code, b"".join(parts), retry_after=connection.retry_after)


async def _chunks(
    connection: HttpConnection, deadline: asyncio.Timeout, idle_timeout: float
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    while chunk := await connection.chunk():
        # The consumer's own work does not count as the server's silence.
        deadline.reschedule(None)
        yield chunk
        deadline.reschedule(loop.time() + idle_timeout)


def _unavailable(error: Exception) -> Unavailable:
    """Say what went wrong on the way, and whether the request can have arrived."""
    if isinstance(error, TimeoutError):
        return Unavailable(0, "Timeout", "no answer in time")
    sent = not isinstance(error, ConnectError)
    return Unavailable(0, "ConnectionFailed", str(error), sent=sent)
