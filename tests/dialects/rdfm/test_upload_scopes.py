"""Scopes that allow uploads of one kind of file only: the file itself says which it is."""

import gzip
import io
import json
import secrets
import socket
import tarfile
from collections.abc import Iterable, Iterator

import httpx
import pytest

from tests.dialects.rdfm.fleet import error_text
from tests.facade_fixtures import FacadeServer

FIELDS = {"rdfm.software.version": "v1", "rdfm.hardware.devtype": "dummy"}
SINGLE = "rdfm_upload_single_file"
ROOTFS = "rdfm_upload_rootfs_image"
NONSTANDARD = "rdfm_upload_nonstandard_artifact"

Members = Iterable[tuple[str, bytes]]


def tar(members: Members, form: int = tarfile.USTAR_FORMAT, **info: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for key, value in info.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def header(*types: str) -> bytes:
    info = json.dumps({"payloads": [{"type": kind} for kind in types]}).encode()
    return tar([("header-info", info), ("headers/0000/type-info", b"{}")])


def artifact(*types: str, name: str = "header.tar", content: bytes | None = None) -> bytes:
    """Return a file as RDFM's own tool writes it, with a random payload."""
    return tar(members(*types, name=name, content=content))


def members(
    *types: str, name: str = "header.tar", content: bytes | None = None
) -> list[tuple[str, bytes]]:
    return [
        ("version", b'{"format":"rdfm","version":3}'),
        ("manifest", b"0" * 600),
        (name, header(*types) if content is None else content),
        ("data/0000.tar", secrets.token_bytes(3000)),
    ]


def compressed(*types: str) -> bytes:
    return artifact(name="header.tar.gz", content=gzip.compress(header(*types)))


FILES = {
    "single file": (artifact("single-file"), SINGLE),
    "compressed single file": (compressed("single-file"), SINGLE),
    "rootfs": (artifact("rootfs-image"), ROOTFS),
    "compressed rootfs": (compressed("rootfs-image"), ROOTFS),
    "two of a kind": (artifact("single-file", "single-file"), SINGLE),
    "something else": (artifact("zephyr-image"), NONSTANDARD),
    "two kinds": (artifact("single-file", "rootfs-image"), NONSTANDARD),
    "no payload": (artifact(), NONSTANDARD),
    "no archive": (b"an image", NONSTANDARD),
    "random bytes": (secrets.token_bytes(100_000), NONSTANDARD),
    "empty archive": (tar([]), NONSTANDARD),
    "no header": (tar([("version", b"3"), ("data/0000.tar", b"x")]), NONSTANDARD),
    "header behind the data": (tar(reversed(members("single-file"))), NONSTANDARD),
    "header that is no archive": (artifact(content=b"nonsense"), NONSTANDARD),
    "header that is no gzip": (artifact(content=b"\x1f\x8bnonsense"), NONSTANDARD),
    "header without info": (artifact(content=tar([("other", b"{}")])), NONSTANDARD),
    "info that is no JSON": (artifact(content=tar([("header-info", b"{")])), NONSTANDARD),
    "info of another form": (artifact(content=tar([("header-info", b"[1]")])), NONSTANDARD),
    "payloads of another form": (
        artifact(content=tar([("header-info", b'{"payloads":["single-file"]}')])),
        NONSTANDARD,
    ),
    "header that never ends": (
        artifact(content=gzip.compress(tar([("header-info", b" " * 20_000_000)]))),
        NONSTANDARD,
    ),
    "cut off": (artifact("single-file")[:2000], NONSTANDARD),
    "names in extension records": (
        tar(
            members("single-file"),
            tarfile.PAX_FORMAT,
            pax_headers={"path": "version", "comment": "x"},
        ),
        NONSTANDARD,
    ),
    "links": (tar(members("single-file"), type=tarfile.SYMTYPE), NONSTANDARD),
}


@pytest.fixture(scope="session")
def callers(server: FacadeServer) -> Iterator[dict[str, httpx.Client]]:
    """Provide one caller for each of the scopes, who has no other."""
    callers = {}
    for scope in (SINGLE, ROOTFS, NONSTANDARD):
        token = server.user_token(f"user-{secrets.token_hex(4)}", scopes=[scope])
        callers[scope] = server.client(token)
    yield callers
    for caller in callers.values():
        caller.close()


def upload(caller: httpx.Client, content: bytes) -> httpx.Response:
    return caller.post("/api/v1/packages", data=FIELDS, files={"file": ("f.rdfm", content)})


@pytest.mark.parametrize(("content", "scope"), FILES.values(), ids=FILES.keys())
def test_a_scope_allows_its_kind_of_file_and_no_other(
    server: FacadeServer, callers: dict[str, httpx.Client], content: bytes, scope: str
) -> None:
    directory = server.settings.artifacts.directory
    for other, caller in callers.items():
        before = {path for path in directory.rglob("*") if path.is_file()}
        reply = upload(caller, content)
        if other == scope:
            assert reply.status_code == 200, reply.text
            assert reply.json()["metadata"]["rdfm.storage.local.length"] == len(content)
        else:
            assert reply.status_code == 403
            error_text(reply)
            assert {path for path in directory.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["single file", "rootfs", "something else", "no archive"])
def test_the_read_write_scope_allows_every_file(manager: httpx.Client, name: str) -> None:
    assert upload(manager, FILES[name][0]).status_code == 200


def test_two_scopes_allow_both_kinds(server: FacadeServer) -> None:
    token = server.user_token(f"user-{secrets.token_hex(4)}", scopes=[SINGLE, ROOTFS])
    with server.client(token) as caller:
        assert upload(caller, artifact("single-file")).status_code == 200
        assert upload(caller, artifact("rootfs-image")).status_code == 200
        assert upload(caller, artifact("single-file", "rootfs-image")).status_code == 403


def test_a_scope_for_uploads_allows_nothing_else(callers: dict[str, httpx.Client]) -> None:
    for caller in callers.values():
        assert caller.get("/api/v1/packages").status_code == 403
        assert caller.delete("/api/v1/packages/1").status_code == 403
        assert caller.post("/api/v1/groups", json={}).status_code == 403


@pytest.mark.parametrize("scopes", [[], ["rdfm_admin_ro"], ["rdfm_create_group"]])
def test_without_such_a_scope_nobody_waits_for_the_file(
    server: FacadeServer, scopes: list[str]
) -> None:
    token = server.user_token(f"user-{secrets.token_hex(4)}", scopes=scopes)
    head = (
        "POST /api/v1/packages HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 403")
