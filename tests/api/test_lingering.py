"""What becomes of connections on which an answer is complete and its request is not."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from polyfleet.api import lingering, protocol
from tests.dialects.waiting import eventually
from tests.facade_fixtures import FacadeServer

DEADLINE = 120.0
MIB = 1024 * 1024
MUCH = 256 * MIB

ANSWERED_EARLY = b"POST /nope HTTP/1.1\r\nHost: x\r\n"
"""There is no such path: it is refused without its body."""
ANSWERED_LATE = b"POST /api/v1/auth/device HTTP/1.1\r\nHost: x\r\n"
IN_CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n"


@contextmanager
def connected(server: FacadeServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        yield connection


def answer_of(connection: socket.socket) -> bytes:
    """Read one answer: its head, and the body of the length that it names."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1)
    head = received.lower()
    start = head.index(b"content-length: ") + len(b"content-length: ")
    length = int(head[start : head.index(b"\r", start)])
    while length:
        chunk = connection.recv(length)
        received += chunk
        length -= len(chunk)
    return received


def sent_until_closed(connection: socket.socket, piece: bytes, pause: float = 0.0) -> int:
    """Send a piece again and again; return how many bytes it took until the server hung up."""
    sent, end = 0, time.monotonic() + DEADLINE
    try:
        while sent < MUCH and time.monotonic() < end:
            connection.sendall(piece)
            sent += len(piece)
            time.sleep(pause)
    except OSError:
        return sent
    raise AssertionError(f"still connected after {sent} bytes")


@pytest.mark.parametrize(
    "piece", [b"x: " + b"y" * 1000 + b"\r\n", b"y" * 1000], ids=["many", "one"]
)
@pytest.mark.parametrize("head", [ANSWERED_EARLY, ANSWERED_LATE], ids=["early", "late"])
def test_trailers_without_end_are_not_read(
    facade_server: FacadeServer, head: bytes, piece: bytes
) -> None:
    with connected(facade_server) as connection:
        connection.sendall(head + IN_CHUNKS + b"0\r\nx: ")
        if head == ANSWERED_EARLY:
            assert answer_of(connection).startswith(b"HTTP/1.1 404 ")
        assert sent_until_closed(connection, piece * 64) < MUCH
    with facade_server.client() as client:
        assert client.get("/healthz").status_code == 200


def test_a_request_with_too_long_trailers_is_refused(facade_server: FacadeServer) -> None:
    with connected(facade_server) as connection:
        connection.sendall(ANSWERED_LATE + IN_CHUNKS + b"0\r\n")
        for _ in range(protocol.MAXIMUM_TRAILERS // 100):
            connection.sendall(b"x: " + b"y" * 95 + b"\r\n")
        connection.sendall(b"x: " + b"y" * 1000 + b"\r\n")
        answer = answer_of(connection)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"What follows the body is too long." in answer


@pytest.mark.parametrize("kept", [False, True], ids=["first", "next"])
def test_a_long_head_is_no_trailer_though_its_body_comes_later(
    facade_server: FacadeServer, kept: bool
) -> None:
    long = b"X-Long: " + b"y" * 20_000 + b"\r\n"
    with connected(facade_server) as connection:
        if kept:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in answer_of(connection)[:20]
        connection.sendall(ANSWERED_LATE + long + b"Content-Length: 2\r\n\r\n")
        time.sleep(0.3)  # so that the server reads the head by itself
        connection.sendall(b"{}")
        answer = answer_of(connection)
        # What the route says of an empty object, and not what is said of trailers.
        assert b"the body" not in answer
        assert b"metadata" in answer


def test_short_trailers_are_passed_over(facade_server: FacadeServer, admin_token: str) -> None:
    token = f"Authorization: Bearer {admin_token}\r\n".encode()
    with connected(facade_server) as connection:
        for _ in range(2):
            connection.sendall(b"POST /api/v1/groups HTTP/1.1\r\nHost: x\r\n" + token + IN_CHUNKS)
            connection.sendall(b"2\r\n{}\r\n0\r\n" + b"Content-Type: nonsense\r\nx: y\r\n\r\n")
            assert b" 200 " in answer_of(connection)[:20]


def test_whoever_sends_slowly_after_the_answer_is_cut_off(
    facade_server: FacadeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering, "LINGER_SECONDS", 0.2)
    with connected(facade_server) as connection:
        connection.sendall(ANSWERED_EARLY + b"Content-Length: 1000000\r\n\r\n")
        assert answer_of(connection).startswith(b"HTTP/1.1 404 ")
        assert sent_until_closed(connection, b"a", pause=0.02) < 1_000_000


def test_whoever_keeps_the_pace_may_send_on(
    facade_server: FacadeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[None] = []
    wait = lingering.LingeringProtocol._wait_for_a_piece

    def noted(connection: lingering.LingeringProtocol) -> None:
        renewed.append(None)
        wait(connection)

    monkeypatch.setattr(lingering.LingeringProtocol, "_wait_for_a_piece", noted)
    with connected(facade_server) as connection:
        connection.sendall(ANSWERED_EARLY + b"Content-Length: 8388608\r\n\r\n")
        assert answer_of(connection).startswith(b"HTTP/1.1 404 ")
        connection.sendall(bytes(8 * MIB))
        eventually(lambda: len(renewed) > 4)


def test_a_short_body_that_does_not_come_is_not_waited_for(
    facade_server: FacadeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering, "LINGER_SECONDS", 0.2)
    with connected(facade_server) as connection:
        connection.sendall(ANSWERED_EARLY + b"Content-Length: 10\r\n\r\n")
        assert answer_of(connection).startswith(b"HTTP/1.1 404 ")
        connection.sendall(b"a")
        assert connection.recv(1) == b""


def test_whoever_sends_too_much_after_the_answer_is_cut_off(
    facade_server: FacadeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering, "LINGER_BYTES", MIB)
    with connected(facade_server) as connection:
        connection.sendall(ANSWERED_EARLY + b"Content-Length: 1000000000\r\n\r\n")
        assert answer_of(connection).startswith(b"HTTP/1.1 404 ")
        assert sent_until_closed(connection, b"a" * 65_536) < MUCH


@pytest.mark.parametrize("chunked", [False, True], ids=["in one", "in chunks"])
@pytest.mark.parametrize(
    ("path", "status"), [("/nope", 404), ("/api/v1/packages", 401), ("/api/v1/auth/device", 413)]
)
def test_a_client_that_still_sends_reads_the_answer(
    facade_server: FacadeServer, path: str, status: int, chunked: bool
) -> None:
    body = bytes(32 * MIB)
    pieces = (body[start : start + MIB] for start in range(0, len(body), MIB))
    with facade_server.client() as client:
        reply = client.post(path, content=pieces if chunked else body)
        assert reply.status_code == status
        assert reply.headers["connection"] == "close"
        assert client.get("/healthz").status_code == 200


def test_after_the_last_answer_the_connection_ends_in_order(facade_server: FacadeServer) -> None:
    with connected(facade_server) as connection:
        connection.sendall(ANSWERED_EARLY + b"Content-Length: 1000000\r\n\r\n")
        answer = answer_of(connection)
        assert b"\r\nconnection: close\r\n" in answer
        assert connection.recv(1) == b"", "nothing more comes"
        connection.sendall(b"a" * 1_000_000)
        # And nothing that follows is done: the client was told.
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1) == b""


def test_a_connection_serves_on_after_a_short_body(facade_server: FacadeServer) -> None:
    with connected(facade_server) as connection:
        connection.sendall(ANSWERED_EARLY + b"Content-Length: 5\r\n\r\n")
        assert b"connection: close" not in answer_of(connection)
        connection.sendall(b"hello" + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer_of(connection).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_is_not_asked_for_need_not_come(facade_server: FacadeServer) -> None:
    expecting = b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with connected(facade_server) as connection:
        connection.sendall(ANSWERED_EARLY + expecting)
        answer = answer_of(connection)
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"\r\nconnection: close\r\n" in answer
    with connected(facade_server) as connection:
        connection.sendall(ANSWERED_LATE + expecting)
        asked = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert connection.recv(len(asked), socket.MSG_WAITALL) == asked
        connection.sendall(b"{}")
        assert answer_of(connection).startswith(b"HTTP/1.1 400 ")
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer_of(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 1000000\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"x: y\r\n" * 200,
        b"x: " + b"y" * 10_000 + b"\r\n",
    ],
    ids=["length", "chunks", "many headers", "long header"],
)
def test_a_websocket_that_cannot_begin_is_refused(
    facade_server: FacadeServer, headers: bytes
) -> None:
    with connected(facade_server) as connection:
        connection.sendall(
            b"GET /api/v1/devices/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + headers + b"\r\n"
        )
        assert answer_of(connection).startswith(b"HTTP/1.1 400 ")
        assert connection.recv(1) == b""
