"""Servers that misbehave on demand, which a real API server cannot be asked to."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

import orjson

from polyfleet.kube.configuration import Connection


class Proxy:
    """A TCP proxy before the real API server, whose connections can be cut, refused or frozen."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.opened = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._stalled: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Break all connections."""
        for writer in list(self._writers):
            writer.transport.abort()

    def refuse(self) -> None:
        """Break all connections, now and as they come."""
        self._refusing = True
        self.cut()

    def accept(self) -> None:
        """Undo `refuse` and `freeze`."""
        self._refusing = False
        self._flowing.set()

    def freeze(self) -> None:
        """Pass nothing on any more, as a network that silently drops packets does."""
        self._flowing.clear()

    def stall(self) -> None:
        """Let the connections that are open now fall silent for good; new ones are served."""
        self._stalled |= self._writers

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            if self._refusing:
                return
            far_reader, upstream = await self._dial()
            self._writers.add(upstream)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, upstream))
                group.create_task(self._pass_on(far_reader, writer))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, upstream):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()
            self._tasks.discard(task)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.target)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            if writer in self._stalled:
                continue
            writer.write(data)
            await writer.drain()
        writer.close()


@dataclass
class Reply:
    """What a `ScriptedServer` answers; with `chunks` in place of a body it is a stream.

    Afterwards the connection is kept, closed, or left open without another word.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Sequence[bytes] | None = None
    then: Literal["keep", "close", "hang"] = "keep"
    raw: bytes | None = None


@dataclass
class Received:
    """A request that a `ScriptedServer` got."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """A stand-in that speaks real HTTP and answers with what a test has laid down, in order.

    It is no API server and knows nothing of Kubernetes: it exists for the answers that a healthy
    API server does not give (429, 500, 410 in a stream, garbage, silence).
    """

    def __init__(self, *replies: Reply) -> None:
        self.replies = deque(replies)
        self.received: list[Received] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def connection(self) -> Connection:
        assert self._server is not None
        return Connection(f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.received.append(await _read(reader))
        if not self.replies:
            await asyncio.Event().wait()
        reply = self.replies.popleft()
        if reply.raw is not None:
            writer.write(reply.raw)
        else:
            _write(writer, reply)
        await writer.drain()
        if reply.then == "hang":
            await asyncio.Event().wait()
        if reply.then == "close":
            writer.close()
            await writer.wait_closed()
        return reply.then == "keep"


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("Content-Length", "0")))
    return Received(method, target, headers, body)


def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    body = b"" if reply.body is None else orjson.dumps(reply.body)
    headers = {"Content-Type": "application/json", **reply.headers}
    if reply.chunks is None:
        headers["Content-Length"] = str(len(body))
    else:
        headers["Transfer-Encoding"] = "chunked"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {reply.status} Scripted\r\n{lines}\r\n".encode() + body)
    for chunk in reply.chunks or ():
        writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
    if reply.chunks is not None and reply.then != "hang":
        writer.write(b"0\r\n\r\n")
