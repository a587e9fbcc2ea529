"""What HTTP itself asks of this API: methods, unknown paths, forms, clients that go away."""

import http.client
import json
import select
import socket
import struct
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from polyfleet.api import protocol
from tests.dialects.rdfm.fleet import Fleet, error_text
from tests.dialects.waiting import eventually
from tests.facade_fixtures import FacadeServer

NOT_FOUND = b'{"error":"the requested URL was not found"}\n'


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/groups", "GET, HEAD, POST"),
        ("PATCH", "/api/v1/groups/1", "DELETE, GET, HEAD"),
        ("GET", "/api/v1/groups/1/devices", "PATCH"),
        ("PUT", "/api/v2/groups", "GET, HEAD, POST"),
        ("GET", "/api/v2/groups/1/priority", "POST"),
        ("PATCH", "/api/v1/packages", "GET, HEAD, POST"),
        ("POST", "/api/v1/packages/1", "DELETE, GET, HEAD"),
        ("POST", "/api/v1/devices/1", "DELETE, GET, HEAD"),
        ("POST", "/api/v1/auth/pending", "DELETE, GET, HEAD"),
        ("GET", "/api/v1/auth/device", "POST"),
        ("DELETE", "/api/v1/update/check", "POST"),
        ("POST", "/local_storage/x", "GET, HEAD"),
    ],
)
def test_allow_names_every_method_of_the_path(
    anonymous: httpx.Client, method: str, path: str, allowed: str
) -> None:
    reply = anonymous.request(method, path)
    assert reply.status_code == 405
    assert reply.headers.get_list("allow") == [f"{allowed}, OPTIONS"]
    options = anonymous.options(path)
    assert (options.status_code, options.content) == (200, b"")
    assert options.headers.get_list("allow") == [f"{allowed}, OPTIONS"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1",
        "/api/v1/",
        "/api/v1/nope",
        "/api/v1/logs",
        "/api/v1//groups",
        "/api/v1/pubsub/request_topic",
        "/api/v2",
        "/api/v2/nope/x",
        "/api/v1/groups/",
    ],
)
def test_an_unknown_path_has_the_same_answer_everywhere(anonymous: httpx.Client, path: str) -> None:
    reply = anonymous.get(path)
    assert (reply.status_code, reply.content) == (404, NOT_FOUND)


@pytest.mark.parametrize("path", ["/api", "/api//v1/groups", "/nope"])
def test_a_path_of_no_api_is_an_error_in_the_same_form(server: FacadeServer, path: str) -> None:
    # A client library would tidy the path up before sending it.
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", path)
    reply = connection.getresponse()
    assert (reply.status, reply.read()) == (404, b'{"error":"no such path"}\n')
    connection.close()


@pytest.mark.parametrize("path", ["/api/v1/devices/x/shell", "/api/v1/devices/ws/", "/api/v1/x"])
def test_a_websocket_to_an_unknown_path_is_refused(server: FacadeServer, path: str) -> None:
    address = f"ws://{urlsplit(server.url).netloc}{path}"
    with pytest.raises(InvalidStatus) as raised, connect(address, proxy=None):
        pass
    assert raised.value.response.status_code == 403


def form(*, preamble: bytes = b"", disposition: bytes = b'filename="f.img"') -> dict[str, object]:
    fields = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\nv1\r\n' % name
        for name in (b"rdfm.software.version", b"rdfm.hardware.devtype")
    )
    file = b'--b\r\nContent-Disposition: form-data; name="file"; %s\r\n\r\n' % disposition
    return {
        "content": preamble + fields + file + b"content\r\n--b--\r\n",
        "headers": {"Content-Type": "multipart/form-data; boundary=b"},
    }


@pytest.mark.parametrize(
    "preamble",
    [
        b"",
        b"\r\n",
        b"This is a message in MIME format.\r\n",
        b"--\r\n-- not the boundary\r\n\r\n",
        b"x" * 60_000 + b"\r\n",
    ],
)
def test_what_precedes_the_first_boundary_is_passed_over(fleet: Fleet, preamble: bytes) -> None:
    reply = fleet.manager.post("/api/v1/packages", **form(preamble=preamble))
    assert reply.status_code == 200, reply.text
    assert reply.json()["metadata"]["rdfm.storage.local.length"] == len(b"content")


def test_a_preamble_that_arrives_byte_by_byte_is_passed_over(fleet: Fleet) -> None:
    request = form(preamble=b"-\r\n--\r\n--x\r\n")
    body = bytes(request.pop("content"))  # type: ignore[call-overload]
    content = (body[index : index + 1] for index in range(len(body)))
    reply = fleet.manager.post("/api/v1/packages", content=content, **request)
    assert reply.status_code == 200, reply.text


def test_a_preamble_without_end_is_refused(fleet: Fleet) -> None:
    reply = fleet.manager.post("/api/v1/packages", **form(preamble=b"x" * 400_000 + b"\r\n"))
    assert reply.status_code == 400
    error_text(reply)


@pytest.mark.parametrize(
    "disposition", [b"filename*=UTF-8''f.img", b"filename*=utf-8'en'%e2%82%ac.img"]
)
def test_a_file_may_have_an_extended_name_only(fleet: Fleet, disposition: bytes) -> None:
    reply = fleet.manager.post("/api/v1/packages", **form(disposition=disposition))
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("disposition", [b"", b'filename=""', b"filename*=", b"filenames=x"])
def test_a_file_without_any_name_is_refused(fleet: Fleet, disposition: bytes) -> None:
    reply = fleet.manager.post("/api/v1/packages", **form(disposition=disposition))
    assert reply.status_code == 400
    error_text(reply)


@pytest.mark.parametrize("reset", [True, False])
def test_a_client_that_goes_away_in_mid_upload_is_no_fault(
    server: FacadeServer, manager: httpx.Client, reset: bool
) -> None:
    directory = server.settings.artifacts.directory
    before = {path for path in directory.rglob("*") if path.is_file()}
    authorization = manager.headers["authorization"]
    head = (
        "POST /api/v1/packages HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n"
        f"Authorization: {authorization}\r\n\r\n"
    ).encode()
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nxxx'
    with capture_logs() as lines:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(head + part)
            eventually(lambda: {p for p in directory.rglob("*") if p.is_file()} != before)
            if reset:  # closing sends a reset, as a killed client's system does
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        eventually(lambda: any(line["event"] == "client went away" for line in lines))
        eventually(lambda: {p for p in directory.rglob("*") if p.is_file()} == before)
    ours = [line for line in lines if line["event"] not in {"request", "audit"}]
    assert [line["log_level"] for line in ours] == ["info"]
    assert "exc_info" not in ours[0]


def answer_of(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def check_is_refused(answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"content-type: application/json" in head
    assert list(json.loads(body)) == ["error"]
    assert body.endswith(b"}\n")


@pytest.mark.parametrize(
    "request_",
    [
        b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n",
    ],
    ids=["method", "nonsense", "header name"],
)
def test_what_is_no_http_is_refused_in_the_same_form(server: FacadeServer, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request_)
        check_is_refused(answer_of(connection))


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nx: "], ids=["path", "header"])
def test_a_head_that_is_too_large_is_refused_in_the_same_form(
    server: FacadeServer, monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr(protocol, "MAXIMUM_HEAD", 1000)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(begin)
        # One small piece after the other, so that nothing is under way when it is refused.
        while not select.select([connection], [], [], 0.02)[0]:
            connection.sendall(b"x" * 100)
        check_is_refused(answer_of(connection))
