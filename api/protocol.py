"""HTTP connections whose request heads are bounded in size and time, with errors in JSON.

Uvicorn's own protocol takes heads of any length, for as long as the client likes, and adds to them
what comes after a body in chunks (trailers). And it refuses addresses that hold letters as they
are, such as `?site=Zürich`: curl sends what it is given.
"""

import asyncio
import re
from typing import Any

import orjson
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from polyfleet.api.lingering import LingeringProtocol

MAXIMUM_HEAD = 64 * 1024
"""Bytes of request line and headers, beyond the piece in which they begin."""
MAXIMUM_TRAILERS = 8 * 1024
"""Bytes without a byte of the body, around its chunks and after the last of them."""
HEAD_TIMEOUT = 30.0
"""Seconds for a head to arrive, and for a new connection to say anything."""

_END_OF_HEAD = b"\r\n\r\n"
_NOT_ASCII = re.compile(rb"[\x80-\xff]")


class BoundedProtocol(LingeringProtocol):
    """Uvicorn's protocol with these bounds; they cost nothing where a head comes in one piece."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_open = True
        self._head_is_new = False
        self._head_size = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._between = True
        self._body_came = False
        self._trailers_size = 0
        self._draining = False

    def drain(self) -> None:
        """Let the answer that comes next be the last: the process is to end."""
        self._draining = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; end the connection if its head or its trailers grow too long."""
        head_was_open, self._head_is_new, self._body_came = self._head_open, False, False
        if self._between and not data.isascii():
            data = _percent_encoded(data)
        super().data_received(data)
        if not self._head_open:
            with_head = head_was_open or self._head_is_new
            self._bound_trailers(_after_head(data) if with_head else len(data))
            return
        if not self._head_is_new:  # else most of the data may belong to the request before it
            self._head_size += len(data)
        if self._head_size > MAXIMUM_HEAD:
            self._refuse("The head of the request is too long.")
        elif self._head_timer is None:
            self._watch()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP in the form that all other errors have, and hang up."""
        if self.lingers:
            self.transport.close()
            return
        body = orjson.dumps({"error": msg}, option=orjson.OPT_APPEND_NEWLINE)
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        super().on_message_begin()
        self._between = False
        self._head_open = self._head_is_new = True
        self._head_size = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes after a body is of no use to anybody."""
        if self._head_open:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End to read a head."""
        self._head_open = False
        self._trailers_size = 0
        self._unwatch()
        super().on_headers_complete()
        if self._draining and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body_came = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End to read a request."""
        super().on_message_complete()
        self._between = True

    def handle_websocket_upgrade(self) -> None:
        """Begin a WebSocket; a head that its library does not take is refused here.

        It would be left without an answer, and the connection open for ever.
        """
        super().handle_websocket_upgrade()
        begun = self.transport.get_protocol()
        if isinstance(begun, WebSocketsSansIOProtocol) and not begun.handshake_initiated:
            self._refuse("The head of the WebSocket is not valid.")

    def _bound_trailers(self, size: int) -> None:
        if self._between or self._body_came:
            self._trailers_size = 0
            return
        self._trailers_size += size
        if self._trailers_size <= MAXIMUM_TRAILERS:
            return
        if self.pipeline or (self.cycle is not None and self.cycle.response_started):
            self.transport.close()
        else:
            self._refuse("What follows the body is too long.")

    def _watch(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self._too_slow)

    def _unwatch(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        self._refuse("The head of the request took too long.")

    def _refuse(self, text: str) -> None:
        self._unwatch()
        if not self.transport.is_closing():
            self.send_400_response(text)


def _after_head(data: bytes) -> int:
    """Return how many bytes follow the head that ends in this piece; 0 if one cannot tell."""
    end = data.find(_END_OF_HEAD)
    return 0 if end < 0 else len(data) - end - len(_END_OF_HEAD)


def _percent_encoded(data: bytes) -> bytes:
    """Encode what is no ASCII in the first line, as far as it is there."""
    line, newline, rest = data.partition(b"\n")
    if line.isascii():
        return data
    return _NOT_ASCII.sub(lambda found: b"%%%02X" % found[0][0], line) + newline + rest
