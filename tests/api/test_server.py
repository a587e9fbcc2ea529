"""The server under the facade: connections, addresses, the process itself."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from polyfleet.api import protocol
from polyfleet.api.__main__ import bind, bind_all
from polyfleet.api.settings import Settings
from polyfleet.local.ports import free_port
from tests.facade_fixtures import FacadeServer, StartFacade

DEADLINE = 120.0


@contextmanager
def connected(server: FacadeServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass  # what the client still sends crosses the server's end of the connection
    return received


def test_a_head_without_end_is_refused(facade_server: FacadeServer) -> None:
    with connected(facade_server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nx: ")
        sent = 0
        with suppress(OSError):  # refused while it is still sent
            while sent < 64 * protocol.MAXIMUM_HEAD:
                sent += connection.send(b"a" * 4096)
        assert sent < 64 * protocol.MAXIMUM_HEAD
    with facade_server.client() as client:
        assert client.get("/healthz").status_code == 200


def test_a_long_head_that_ends_is_taken(facade_server: FacadeServer) -> None:
    with facade_server.client() as client:
        assert client.get("/healthz", headers={"x": "a" * 30_000}).status_code == 200


def test_letters_in_an_address_may_be_sent_as_they_are(facade_server: FacadeServer) -> None:
    # As curl does. The second request is on a connection that has answered one already.
    with connected(facade_server) as connection:
        connection.sendall("GET /wo/über?a=ß HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
        connection.sendall(
            "GET /healthz?a=ß HTTP/1.1\r\nHost: é\r\nConnection: close\r\n\r\n".encode()
        )
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")


def test_what_is_no_letter_is_refused_in_an_address(facade_server: FacadeServer) -> None:
    with connected(facade_server) as connection:
        connection.sendall("GÉT /healthz HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\n"])
def test_a_connection_that_says_nothing_is_ended(
    facade_server: FacadeServer, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.2)
    with connected(facade_server) as connection:
        connection.sendall(begun)
        assert b"took too long" in read_all(connection)


def test_only_the_head_itself_counts_where_requests_follow_each_other(
    facade_server: FacadeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAXIMUM_HEAD", 200)
    request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
    with connected(facade_server) as connection:
        connection.sendall((request + b"x: y\r\n\r\n") * 10 + request)
        received = connection.recv(1)  # the server has read the open head by now
        connection.sendall(b"connection: close\r\n\r\n")
        received += read_all(connection)
        assert received.count(b"HTTP/1.1 200") == 11


def test_accepted_connections_find_dead_peers() -> None:
    with bind("127.0.0.1", 0) as listener:
        listener.settimeout(DEADLINE)
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_every_address_is_one_of_each_family_on_one_port() -> None:
    """A client of IPv4 must be seen under its own address, as rules about networks write it."""
    listeners = bind_all(Settings(host="::", port=0, operations_port=free_port()))
    try:
        families = [(item.family, item.getsockname()[1]) for item in listeners]
        ports = [port for _, port in families]
        assert ports[0] == ports[1] != ports[2] == ports[3]
        assert [family for family, _ in families] == [socket.AF_INET6, socket.AF_INET] * 2
        for listener in listeners[1::2]:
            listener.settimeout(DEADLINE)
            listener.listen()
            with socket.create_connection(("127.0.0.1", listener.getsockname()[1])):
                accepted, address = listener.accept()
                accepted.close()
                assert address[0] == "127.0.0.1"
    finally:
        for listener in listeners:
            listener.close()


def ask_to_be_let_in(client: httpx.Client, device: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    metadata = {
        "rdfm.software.version": "v1",
        "rdfm.hardware.devtype": "x",
        "rdfm.hardware.macaddr": device,
    }
    asked = {"metadata": metadata, "public_key": public.decode(), "timestamp": int(time.time())}
    body = json.dumps(asked).encode()
    signature = key.sign(body, padding.PKCS1v15(), hashes.SHA256())
    headers = {
        "X-RDFM-Device-Signature": base64.b64encode(signature).decode(),
        "X-Forwarded-For": "203.0.113.7",
        "Content-Type": "application/json",
    }
    assert client.post("/api/v1/auth/device", content=body, headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("trusted", "source"), [((), "127.0.0.1"), (("127.0.0.1",), "203.0.113.7")]
)
def test_an_address_is_believed_from_trusted_proxies_only(
    start_facade: StartFacade, trusted: tuple[str, ...], source: str
) -> None:
    with start_facade(trusted_proxies=trusted) as server, server.client() as client:
        ask_to_be_let_in(client, "lamp")
        (waiting,) = server.facade.cache.enrollments.values()
    assert waiting.spec.source_address == source


def test_the_process_serves_until_it_is_told_to_stop(
    service_account_kubeconfig: Callable[[str], Path], namespace: str, tmp_path: Path
) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if "POLYFLEET" not in name},
        "KUBECONFIG": str(service_account_kubeconfig("polyfleet-facade")),
        "POLYFLEET_NAMESPACE": namespace,
        "POLYFLEET_PORT": "0",
        "POLYFLEET_ARTIFACTS_DIRECTORY": str(tmp_path / "artifacts"),
    }
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "polyfleet.api"], env=environment, stderr=file
        )
    try:
        started = wait_for_line(log, process, "facade started")
        port = next(line["port"] for line in started if line["event"] == "starting")
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()
    assert all(json.loads(line) for line in log.read_text().splitlines())


def wait_for_line(
    log: Path, process: subprocess.Popen[bytes], event: str
) -> list[dict[str, object]]:
    end = time.monotonic() + DEADLINE
    while True:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        if any(line["event"] == event for line in lines):
            return lines
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
