"""One connection to the API server: HTTP/1.1, an answer as a whole or as a stream of chunks.

A general HTTP client costs several times as much CPU per request as the rest of what the facade
does to register a device; the API server needs none of what it offers for that.
"""

import asyncio
from dataclasses import dataclass
from typing import cast

import httptools

_LONGEST_BODY = 512 << 20
_PAUSE_ABOVE = 1 << 20


class BrokenConnectionError(Exception):
    """The connection ended, or what came over it was no HTTP.

    `answered` says whether any part of an answer had come.
    """

    def __init__(self, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes
    retry_after: str | None


class HttpConnection(asyncio.Protocol):
    """Carries one exchange after the other. Not for two at a time.

    Whoever gives up on an exchange must `abort`: the rest of the answer is still on its way.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._error: BrokenConnectionError | None = None
        self._busy = False
        self._streaming = False
        self._paused = False
        self._status = 0
        self._retry_after: str | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._answered = False
        self._head_complete = False
        self._complete = False
        self._keep_alive = False

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow."""
        return not self._busy and self._error is None

    async def exchange(self, request: bytes) -> Answer:
        """Send a request and wait for the whole answer. Raises BrokenConnectionError."""
        self._send(request, streaming=False)
        while not self._complete:
            await self._wait()
        self._busy = False
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        if not self._keep_alive:
            self.abort()
        return Answer(self._status, body, self._retry_after)

    async def open(self, request: bytes) -> int:
        """Send a request and return the status of the answer, whose body `chunk` then gives."""
        self._send(request, streaming=True)
        while not self._head_complete:
            await self._wait()
        return self._status

    async def chunk(self) -> bytes:
        """Return what has come of the body, waiting for some; empty at its end."""
        while not self._chunks and not self._complete:
            await self._wait()
        data = b"".join(self._chunks)
        self._chunks = []
        self._size = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    @property
    def retry_after(self) -> str | None:
        """The `Retry-After` header of the present answer."""
        return self._retry_after

    def abort(self) -> None:
        """Close at once."""
        self._fail("the connection was closed")
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport over."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read a piece of an answer."""
        if not self._busy:
            self.abort()
            return
        self._answered = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the answer is no HTTP: {error}")
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the exchange under way, if there is one."""
        self._fail(str(exc) if exc else "the connection ended")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note the one header that matters."""
        if name.lower() == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note the status."""
        self._status = self._parser.get_status_code()
        self._head_complete = True
        if self._streaming:
            self._wake()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._chunks.append(body)
        self._size += len(body)
        if self._streaming:
            if self._size > _PAUSE_ABOVE and not self._paused and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
            self._wake()
        elif self._size > _LONGEST_BODY:
            self._fail("the answer is too long")
            self.abort()

    def on_message_complete(self) -> None:
        """Note the end of the answer."""
        self._complete = True
        self._keep_alive = self._parser.should_keep_alive()
        self._wake()

    def _send(self, request: bytes, *, streaming: bool) -> None:
        if self._error is not None or self._transport is None:
            raise BrokenConnectionError("the connection is closed")
        self._reset()
        self._busy = True
        self._streaming = streaming
        self._transport.write(request)

    def _reset(self) -> None:
        self._status = 0
        self._retry_after = None
        self._chunks = []
        self._size = 0
        self._answered = False
        self._head_complete = False
        self._complete = False
        self._keep_alive = False

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, message: str) -> None:
        if self._error is None:
            self._error = BrokenConnectionError(message, answered=self._answered)
        self._wake()
