"""HTTP connections that end in order where the answer is complete before its request is.

Whoever refuses a request need not wait for its body. Uvicorn then reads on for as long as the
client sends, however slowly. But a connection that is closed while its client still sends is reset,
and the answer may be lost on its way: so what comes is thrown away first, while it comes at a pace.
"""

import asyncio
from typing import Any

from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

SHORT_BODY = 64 * 1024
"""Bytes of a body that is read to its end, so that the connection can serve on."""
LINGER_SECONDS = 30.0
LINGER_PIECE = 1024 * 1024
"""Bytes that have to come within these seconds: who is refused a file of hours gets the answer."""
LINGER_BYTES = 5 * 1024 * 1024 * 1024
"""How much is thrown away of a request that is answered: more than the largest file by default."""


class LingeringProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, with an end to requests that are answered.

    Unless the rest is known to be short, the answer says that it is the last on its connection.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._early: RequestResponseCycle | None = None
        self._is_last = False
        self._linger_timer: asyncio.TimerHandle | None = None
        self._lingered = 0
        self._piece = 0

    @property
    def lingers(self) -> bool:
        """Whether the request is answered, and not yet read to its end."""
        return self._linger_timer is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_lingering()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; end the connection if there is too much of it."""
        super().data_received(data)
        if self.lingers:
            self._lingered += len(data)
            self._piece += len(data)
            if self._lingered > LINGER_BYTES:
                self.transport.close()
            elif self._piece >= LINGER_PIECE:
                self._wait_for_a_piece()

    def on_message_begin(self) -> None:
        """Begin to read a request: the connection is not idle."""
        self._unset_keepalive_if_required()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer; not if the answer before was the last."""
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End to read a request."""
        super().on_message_complete()
        if self.lingers:
            self._stop_lingering()
            self._request_ended()

    def on_response_complete(self) -> None:
        """End to answer a request; see to what is left of it."""
        early, self._early = self._early, None
        if early is not None and self._is_last:
            self.pipeline.clear()
        super().on_response_complete()
        if early is None or self.transport.is_closing():
            return
        if not early.more_body:
            self._request_ended()
            return
        self._unset_keepalive_if_required()
        self._lingered = 0
        self._wait_for_a_piece()
        if self._is_last and self.transport.can_write_eof():
            self.transport.write_eof()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        async def answering(
            scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
        ) -> None:
            async def tell(message: ASGISendEvent) -> None:
                if cycle.more_body:
                    self._answer_early(cycle, message)
                await send(message)

            await app(scope, receive, tell)

        super()._start_asgi_task(cycle, answering)

    def _answer_early(self, cycle: RequestResponseCycle, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            if not _is_short(cycle):
                cycle.keep_alive = False  # which the answer's head then says
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self._early = cycle
            self._is_last = not cycle.keep_alive
            cycle.keep_alive = True  # or the connection would be closed at once

    def _request_ended(self) -> None:
        if self._is_last:
            self.transport.close()
            return
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _wait_for_a_piece(self) -> None:
        self._stop_lingering()
        self._piece = 0
        self._linger_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _stop_lingering(self) -> None:
        if self._linger_timer is not None:
            self._linger_timer.cancel()
            self._linger_timer = None


def _is_short(cycle: RequestResponseCycle) -> bool:
    if cycle.waiting_for_100_continue:
        return False  # whether the client sends the body now is up to it
    declared = [value for name, value in cycle.scope["headers"] if name == b"content-length"]
    if not declared:
        return False
    digits = declared[0].lstrip(b"0")
    return len(digits) <= len(str(SHORT_BODY)) and int(digits or b"0") <= SHORT_BODY
