"""Files over real HTTP: uploads, downloads, parts, conditions, and clients that go away."""

import asyncio
import hashlib
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from polyfleet.api.core.artifacts.links import LinkSigner
from polyfleet.api.core.artifacts.local import LocalStore
from polyfleet.api.core.artifacts.serve import serve
from polyfleet.api.core.artifacts.store import StoredArtifact
from polyfleet.api.core.artifacts.upload import receive_upload
from polyfleet.api.core.errors import Forbidden, NotFound

MIB = 1024 * 1024
CONTENT = bytes(range(256)) * 4


async def refused(_: Request, error: Exception) -> Response:
    return Response(status_code=403 if isinstance(error, Forbidden) else 404)


def application(store: LocalStore, signer: LinkSigner) -> Starlette:
    async def download(request: Request) -> Response:
        return await serve(request, request.path_params["path"], store, signer)

    async def upload(request: Request) -> Response:
        content_type = request.headers["content-type"]
        try:
            async with receive_upload(
                store, content_type, request.stream(), maximum_size=80 * MIB
            ) as received:
                return JSONResponse((await received.commit()).path)
        except ClientDisconnect:
            return Response(status_code=400)

    return Starlette(
        routes=[
            Route("/local_storage/{path:path}", download, methods=["GET", "HEAD"]),
            Route("/upload", upload, methods=["POST"]),
        ],
        exception_handlers={Forbidden: refused, NotFound: refused},
    )


@asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def base(store: LocalStore, signer: LinkSigner) -> AsyncIterator[str]:
    async with running(application(store, signer)) as url:
        yield url


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        yield client


async def stored(store: LocalStore, content: bytes) -> StoredArtifact:
    async with store.receive() as incoming:
        await incoming.write(content)
        return await incoming.commit()


@pytest.fixture
async def artifact(store: LocalStore) -> StoredArtifact:
    return await stored(store, CONTENT)


@pytest.fixture
async def link(store: LocalStore, artifact: StoredArtifact, base: str) -> str:
    return await store.link(artifact.path, base)


def everything_below(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())


async def poll(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def test_the_whole_file_is_sent(client: httpx.AsyncClient, link: str) -> None:
    answer = await client.get(link)
    assert answer.status_code == 200
    assert answer.content == CONTENT


async def test_the_headers_describe_the_file(
    client: httpx.AsyncClient, link: str, artifact: StoredArtifact, root: Path
) -> None:
    headers = (await client.get(link)).headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-length"] == "1024"
    assert headers["accept-ranges"] == "bytes"
    assert headers["etag"] == f'"{artifact.path}"'
    assert headers["content-disposition"] == f'attachment; filename="{artifact.path}"'
    modified = parsedate_to_datetime(headers["last-modified"]).timestamp()
    assert modified == int((root / artifact.path).stat().st_mtime)


async def test_head_has_the_headers_of_get_and_no_body(
    client: httpx.AsyncClient, link: str
) -> None:
    get, head = await client.get(link), await client.head(link)
    for answer in (get, head):
        answer.headers.pop("date")
    assert head.status_code == 200
    assert head.headers == get.headers
    assert head.content == b""


async def test_head_ignores_a_range(client: httpx.AsyncClient, link: str) -> None:
    answer = await client.head(link, headers={"Range": "bytes=0-9"})
    assert answer.status_code == 200
    assert answer.headers["content-length"] == "1024"


@pytest.mark.parametrize(
    ("asked", "part", "content_range"),
    [
        ("bytes=0-9", CONTENT[:10], "bytes 0-9/1024"),
        ("bytes=1000-", CONTENT[1000:], "bytes 1000-1023/1024"),
        ("bytes=-24", CONTENT[-24:], "bytes 1000-1023/1024"),
        ("bytes=0-99999", CONTENT, "bytes 0-1023/1024"),
    ],
    ids=["the first bytes", "from a position", "the last bytes", "more than there is"],
)
async def test_a_part_is_sent(
    client: httpx.AsyncClient, link: str, asked: str, part: bytes, content_range: str
) -> None:
    answer = await client.get(link, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == content_range
    assert answer.headers["content-length"] == str(len(part))
    assert answer.content == part


async def test_several_parts_at_once_give_the_whole_file(
    client: httpx.AsyncClient, link: str
) -> None:
    answer = await client.get(link, headers={"Range": "bytes=0-1,5-6"})
    assert answer.status_code == 200
    assert answer.content == CONTENT


async def test_a_part_beyond_the_end_is_416(client: httpx.AsyncClient, link: str) -> None:
    answer = await client.get(link, headers={"Range": "bytes=1024-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */1024"
    assert answer.content == b""


async def test_a_download_resumed_by_its_etag_goes_on(client: httpx.AsyncClient, link: str) -> None:
    etag = (await client.head(link)).headers["etag"]
    answer = await client.get(link, headers={"Range": "bytes=500-", "If-Range": etag})
    assert answer.status_code == 206
    assert answer.content == CONTENT[500:]


async def test_a_download_resumed_by_another_etag_starts_again(
    client: httpx.AsyncClient, link: str
) -> None:
    answer = await client.get(link, headers={"Range": "bytes=500-", "If-Range": '"other"'})
    assert answer.status_code == 200
    assert answer.content == CONTENT


async def test_a_copy_that_the_client_has_is_not_sent_again(
    client: httpx.AsyncClient, link: str
) -> None:
    etag = (await client.head(link)).headers["etag"]
    answer = await client.get(link, headers={"If-None-Match": etag})
    assert answer.status_code == 304
    assert answer.headers["etag"] == etag
    assert answer.content == b""


async def test_a_failed_precondition_is_412(client: httpx.AsyncClient, link: str) -> None:
    assert (await client.get(link, headers={"If-Match": '"other"'})).status_code == 412


async def test_an_empty_file_is_sent(
    client: httpx.AsyncClient, store: LocalStore, base: str
) -> None:
    link = await store.link((await stored(store, b"")).path, base)
    answer = await client.get(link)
    assert answer.status_code == 200
    assert answer.headers["content-length"] == "0"


async def test_without_its_signature_a_file_is_refused(
    client: httpx.AsyncClient, artifact: StoredArtifact, base: str
) -> None:
    assert (await client.get(f"{base}/local_storage/{artifact.path}")).status_code == 403


async def test_an_unsigned_path_tells_nothing_about_what_exists(
    client: httpx.AsyncClient, base: str
) -> None:
    path = "00000000-5cde-467f-acf7-39e4b397e313"
    assert (await client.get(f"{base}/local_storage/{path}")).status_code == 403


async def test_an_expired_link_is_refused(
    client: httpx.AsyncClient, link: str, clock: SimpleNamespace
) -> None:
    clock.now = clock.now.replace(year=clock.now.year + 1)
    assert (await client.get(link)).status_code == 403


async def test_a_good_link_to_a_deleted_file_is_404(
    client: httpx.AsyncClient, link: str, store: LocalStore, artifact: StoredArtifact
) -> None:
    await store.delete(artifact.path)
    assert (await client.get(link)).status_code == 404


async def test_64_mib_survive_the_way_up_and_down(
    client: httpx.AsyncClient, store: LocalStore, base: str
) -> None:
    content = random.Random(11).randbytes(64 * MIB)  # noqa: S311 - test data
    path = (await client.post(f"{base}/upload", files={"file": ("image", content)})).json()
    answer = await client.get(await store.link(path, base))
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(content).digest()


async def test_a_client_that_breaks_off_its_upload_leaves_nothing(base: str, root: Path) -> None:
    host, port = base.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        + b"x"
        * (3 * MIB)
    )
    await writer.drain()
    incoming = root / ".incoming"
    await poll(lambda: any(path.stat().st_size for path in incoming.iterdir()))
    writer.close()
    await poll(lambda: not list(incoming.iterdir()))
    assert everything_below(root) == []


async def test_a_client_that_breaks_off_its_download_has_the_file_closed(
    store: LocalStore, base: str, root: Path
) -> None:
    artifact = await stored(store, b"x" * (64 * MIB))
    host, port = base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    link = (await store.link(artifact.path, "")).encode()
    writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % link)
    await reader.readexactly(100_000)

    def is_open() -> bool:
        file = (root / artifact.path).resolve()
        return any(fd.resolve() == file for fd in Path("/proc/self/fd").iterdir())

    assert is_open()
    writer.transport.abort()
    await poll(lambda: not is_open())
