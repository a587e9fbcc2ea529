"""Connections to the API server: made when needed, kept for a while, never too many."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from polyfleet.kube.configuration import Connection
from polyfleet.kube.http import Answer, BrokenConnectionError, HttpConnection

_CONNECT_SECONDS = 5.0
# Below the 90 seconds after which the API server closes an idle connection.
_IDLE_SECONDS = 60.0
_PROBE_AFTER_SECONDS = 15
_PROBE_EVERY_SECONDS = 5
_PROBES = 3


class ConnectError(Exception):
    """No connection came about: nothing was sent."""


class Pool:
    """Gives out connections; more than `limit` exchanges at a time wait for their turn."""

    def __init__(self, connection: Connection, limit: int) -> None:
        parts = urlsplit(connection.host)
        self._connection = connection
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._slots = asyncio.Semaphore(limit)
        self._idle: list[tuple[HttpConnection, float]] = []

    async def exchange(self, request: bytes, *, repeatable: bool) -> Answer:
        """Send a request and return its answer. Raises ConnectError or BrokenConnectionError.

        The server may close a kept connection in the very moment that it is used; a `repeatable`
        request is then sent again over a new one.
        """
        async with self._slots:
            kept = self._take()
            if kept is not None:
                try:
                    return await self._exchange(kept, request)
                except BrokenConnectionError as error:
                    if error.answered or not repeatable:
                        raise
            return await self._exchange(await self._connect(), request)

    @asynccontextmanager
    async def stream(self, request: bytes) -> AsyncIterator[tuple[HttpConnection, int]]:
        """Send a request over a connection of its own; yield that and the answer's status."""
        connection = await self._connect()
        try:
            yield connection, await connection.open(request)
        finally:
            connection.abort()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for connection, _ in self._idle:
            connection.abort()
        self._idle.clear()

    async def _exchange(self, connection: HttpConnection, request: bytes) -> Answer:
        try:
            answer = await connection.exchange(request)
        except BaseException:
            connection.abort()
            raise
        if connection.reusable:
            self._idle.append((connection, time.monotonic()))
        return answer

    def _take(self) -> HttpConnection | None:
        while self._idle:
            connection, since = self._idle.pop()
            if connection.reusable and time.monotonic() - since < _IDLE_SECONDS:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> HttpConnection:
        loop = asyncio.get_running_loop()
        secure = self._connection.ssl
        name = (self._connection.server_name or self._host) if secure is not None else None
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                transport, connection = await loop.create_connection(
                    HttpConnection, self._host, self._port, ssl=secure, server_hostname=name
                )
        except (OSError, TimeoutError) as error:
            raise ConnectError(str(error) or "no connection in time") from error
        _probe(transport.get_extra_info("socket"))
        return connection


def _probe(connected: socket.socket | None) -> None:
    """Have the kernel find out within half a minute that the other side is gone."""
    if connected is None or sys.platform != "linux":
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER_SECONDS)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_EVERY_SECONDS)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
