"""The bucket store against a real S3 server over a folder."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from polyfleet.api.core.artifacts.opening import open_store
from polyfleet.api.core.artifacts.s3 import S3Connection, S3Store
from polyfleet.api.core.artifacts.store import ArtifactStore, StoredArtifact
from polyfleet.api.core.errors import Invalid, NotFound, TooLarge, Unavailable
from polyfleet.api.settings import ArtifactSettings, S3Settings
from polyfleet.local.ports import free_port

MIB = 1024 * 1024
ABSENT = "6f7483ac-5cde-467f-acf7-39e4b397e313"


@pytest.fixture
def bucket(object_storage: Any, request: pytest.FixtureRequest) -> Path:
    """Make a bucket of its own for the test and return its folder."""
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    folder: Path = object_storage.folder / name
    folder.mkdir()
    return folder


@pytest.fixture
def connection(object_storage: Any, bucket: Path) -> S3Connection:
    return S3Connection(
        bucket.name,
        object_storage.endpoint,
        access_key_id=object_storage.access_key_id,
        secret_access_key=object_storage.secret_access_key,
    )


@pytest.fixture
def store(connection: S3Connection) -> S3Store:
    return S3Store(connection, maximum_size=80 * MIB, link_lifetime=timedelta(hours=24))


async def stored(store: ArtifactStore, content: bytes, directory: str = "") -> StoredArtifact:
    async with store.receive(directory) as incoming:
        for start in range(0, len(content), MIB):
            await incoming.write(content[start : start + MIB])
        return await incoming.commit(directory)


async def content_of(store: ArtifactStore, path: str) -> bytes:
    async with store.open(path) as artifact:
        return b"".join([chunk async for chunk in artifact.read(0, artifact.size)])


def files_below(bucket: Path) -> list[str]:
    """Return every file of the bucket, the hidden parts of incomplete uploads included."""
    return sorted(str(p.relative_to(bucket)) for p in bucket.rglob("*") if p.is_file())


@pytest.mark.parametrize("directory", ["", "images", "images/2026/spring"])
async def test_a_small_file_can_be_read_back(store: S3Store, bucket: Path, directory: str) -> None:
    artifact = await stored(store, b"firmware", directory)
    assert artifact.driver == "s3"
    assert artifact.sha256 == hashlib.sha256(b"firmware").hexdigest()
    assert files_below(bucket) == [artifact.path]
    assert await content_of(store, artifact.path) == b"firmware"


async def test_64_mib_come_back_with_the_same_digest(store: S3Store, bucket: Path) -> None:
    content = random.Random(3).randbytes(64 * MIB)  # noqa: S311 - test data
    artifact = await stored(store, content, "images")
    expected = hashlib.sha256(content).hexdigest()
    assert artifact.size == 64 * MIB
    assert artifact.sha256 == expected
    assert hashlib.sha256(await content_of(store, artifact.path)).hexdigest() == expected
    assert files_below(bucket) == [artifact.path]


async def test_an_empty_file_can_be_stored(store: S3Store) -> None:
    artifact = await stored(store, b"")
    assert await content_of(store, artifact.path) == b""


async def test_a_part_of_a_file_can_be_read(store: S3Store) -> None:
    content = random.Random(1).randbytes(9 * MIB)  # noqa: S311 - test data
    artifact = await stored(store, content)
    async with store.open(artifact.path) as opened:
        read = [chunk async for chunk in opened.read(MIB - 5, 8 * MIB + 7)]
    assert b"".join(read) == content[MIB - 5 : 8 * MIB + 7]


@pytest.mark.parametrize("size", [1, 20 * MIB])
async def test_a_directory_learnt_at_the_end_counts(
    store: S3Store, bucket: Path, size: int
) -> None:
    async with store.receive() as incoming:
        await incoming.write(b"x" * size)
        artifact = await incoming.commit("images")
    assert artifact.path.startswith("images/")
    assert files_below(bucket) == [artifact.path]
    assert len(await content_of(store, artifact.path)) == size


@pytest.mark.parametrize("size", [1, 20 * MIB])
async def test_a_file_that_is_not_committed_leaves_nothing(
    store: S3Store, bucket: Path, size: int
) -> None:
    async with store.receive() as incoming:
        await incoming.write(b"x" * size)
    assert files_below(bucket) == []


async def test_a_cancelled_upload_leaves_nothing(store: S3Store, bucket: Path) -> None:
    async def upload() -> None:
        async with store.receive() as incoming:
            for _ in range(40):
                await incoming.write(b"x" * MIB)
            await asyncio.Event().wait()

    task = asyncio.create_task(upload())
    async with asyncio.timeout(60):
        while not files_below(bucket):  # noqa: ASYNC110 - the server does not tell
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files_below(bucket) == []


async def test_a_file_that_is_too_large_leaves_nothing(
    connection: S3Connection, bucket: Path
) -> None:
    store = S3Store(connection, maximum_size=20 * MIB, link_lifetime=timedelta(hours=1))
    with pytest.raises(TooLarge):
        await stored(store, b"x" * (21 * MIB))
    assert files_below(bucket) == []


async def test_a_directory_outside_the_pattern_is_refused(store: S3Store, bucket: Path) -> None:
    async with store.receive() as incoming:
        await incoming.write(b"x")
        with pytest.raises(Invalid):
            await incoming.commit("../up")
    assert files_below(bucket) == []


async def test_a_deleted_file_is_gone(store: S3Store, bucket: Path) -> None:
    artifact = await stored(store, b"x", "images")
    await store.delete(artifact.path)
    assert files_below(bucket) == []
    with pytest.raises(NotFound):
        await content_of(store, artifact.path)


async def test_deleting_what_is_not_there_is_no_error(store: S3Store) -> None:
    await store.delete(ABSENT)


@pytest.mark.parametrize("path", ["../x", ABSENT, "secret", f"a/b/{ABSENT}"])
async def test_no_other_path_is_found(store: S3Store, bucket: Path, path: str) -> None:
    (bucket / "secret").write_bytes(b"secret")
    with pytest.raises(NotFound):
        await content_of(store, path)


async def test_the_listing_holds_every_committed_file_and_nothing_else(
    store: S3Store, bucket: Path
) -> None:
    paths = {(await stored(store, b"xy", directory)).path for directory in ("", "a", "a/b")}
    (bucket / "notes.txt").write_bytes(b"")
    assert {found.path async for found in store.listing()} == paths
    async with aclosing(store.listing()) as listing:
        assert (await anext(listing)).size == 2


async def test_a_link_downloads_the_file_from_the_bucket(
    store: S3Store, connection: S3Connection
) -> None:
    artifact = await stored(store, b"firmware", "images")
    link = await store.link(artifact.path, "http://facade")
    assert link.startswith(str(connection.endpoint))
    async with httpx.AsyncClient(trust_env=False) as client:
        whole = await client.get(link)
        part = await client.get(link, headers={"Range": "bytes=4-"})
        changed = await client.get(link.replace(artifact.path, artifact.path[:-1]))
    assert whole.content == b"firmware"
    assert part.status_code == 206
    assert part.content == b"ware"
    assert changed.status_code == 403
    assert str(connection.secret_access_key) not in link


async def test_a_link_names_the_address_that_clients_can_reach(
    connection: S3Connection,
) -> None:
    outside = S3Connection(
        connection.bucket,
        connection.endpoint,
        "https://files.example",
        access_key_id=connection.access_key_id,
        secret_access_key=connection.secret_access_key,
    )
    store = S3Store(outside, maximum_size=MIB, link_lifetime=timedelta(days=30))
    link = await store.link(ABSENT, "http://facade")
    assert link.startswith(f"https://files.example/{connection.bucket}/{ABSENT}?")
    assert "X-Amz-Expires=604800" in link, "the longest that the protocol allows"


async def test_a_bucket_that_does_not_answer_is_told(connection: S3Connection) -> None:
    nobody = S3Connection(
        connection.bucket,
        f"http://127.0.0.1:{free_port()}",
        access_key_id=connection.access_key_id,
        secret_access_key=connection.secret_access_key,
    )
    store = S3Store(nobody, maximum_size=80 * MIB, link_lifetime=timedelta(hours=1))
    with pytest.raises(Unavailable):
        await stored(store, b"x")


async def test_a_large_upload_to_a_bucket_that_is_not_there_is_told(
    connection: S3Connection,
) -> None:
    absent = S3Connection(
        "no-such-bucket",
        connection.endpoint,
        access_key_id=connection.access_key_id,
        secret_access_key=connection.secret_access_key,
    )
    store = S3Store(absent, maximum_size=80 * MIB, link_lifetime=timedelta(hours=1))
    with pytest.raises((Unavailable, NotFound)):
        await stored(store, b"x" * (40 * MIB))


async def test_wrong_keys_are_told_without_naming_them(connection: S3Connection) -> None:
    wrong = S3Connection(
        connection.bucket,
        connection.endpoint,
        access_key_id=connection.access_key_id,
        secret_access_key="wrong-secret",
    )
    store = S3Store(wrong, maximum_size=80 * MIB, link_lifetime=timedelta(hours=1))
    with pytest.raises(Unavailable) as caught:
        await stored(store, b"x")
    assert str(wrong.access_key_id) not in caught.value.message
    assert "secret" not in repr(wrong)


@pytest.fixture
async def from_settings(connection: S3Connection, signer: object) -> AsyncIterator[ArtifactStore]:
    s3 = S3Settings(
        bucket=connection.bucket,
        endpoint=connection.endpoint,
        access_key_id=connection.access_key_id,
        secret_access_key=connection.secret_access_key,
    )
    async with open_store(ArtifactSettings(driver="s3", s3=s3), signer) as store:
        yield store


async def test_the_settings_lead_to_the_bucket(from_settings: ArtifactStore, bucket: Path) -> None:
    artifact = await stored(from_settings, b"x")
    assert files_below(bucket) == [artifact.path]
