"""Requests byte by byte: what no HTTP library would send."""

import http.client
import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

DEADLINE = 30.0


@dataclass(frozen=True)
class Answer:
    """An answer; its headers by their names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return what the body means."""
        return json.loads(self.body)


def ask(
    port: int,
    method: str,
    target: bytes | str,
    *,
    headers: Iterable[tuple[bytes | str, bytes | str]] = (),
    body: bytes | None = None,
    chunked: bool = False,
) -> Answer:
    """Send a request of exactly these bytes to this machine and return the answer."""
    lines = [b" ".join((_bytes(method), _bytes(target), b"HTTP/1.1"))]
    lines += [_bytes(name) + b": " + _bytes(value) for name, value in headers]
    lines += [b"host: localhost", b"connection: close"]
    sent = b""
    if chunked and body is not None:
        lines.append(b"transfer-encoding: chunked")
        sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    elif body is not None:
        lines.append(b"content-length: %d" % len(body))
        sent = body
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused while it was still sent
            connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + sent)
        reply = http.client.HTTPResponse(connection, method=method)
        reply.begin()
        return Answer(
            reply.status,
            {name.lower(): value for name, value in reply.getheaders()},
            reply.read(),
        )


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
