"""The folder store: what is committed is there, what is not leaves nothing."""

import asyncio
import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from polyfleet.api.core.artifacts.links import LinkSigner
from polyfleet.api.core.artifacts.local import LocalStore
from polyfleet.api.core.artifacts.store import ArtifactStore, StoredArtifact
from polyfleet.api.core.errors import Invalid, NotFound, TooLarge, Unavailable

MIB = 1024 * 1024


FOLDERS = ("", "a", "a", "b", "b/c", "d/e/f")


async def stored(store: ArtifactStore, content: bytes, directory: str = "") -> StoredArtifact:
    async with store.receive(directory) as incoming:
        await incoming.write(content)
        return await incoming.commit(directory)


async def content_of(store: ArtifactStore, path: str) -> bytes:
    async with store.open(path) as artifact:
        return b"".join([chunk async for chunk in artifact.read(0, artifact.size)])


def everything_below(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())


async def test_a_committed_file_can_be_read_back(store: LocalStore) -> None:
    artifact = await stored(store, b"firmware")
    assert await content_of(store, artifact.path) == b"firmware"


async def test_a_committed_file_is_described_by_digest_and_size(store: LocalStore) -> None:
    artifact = await stored(store, b"firmware", "images")
    assert artifact.driver == "local"
    assert artifact.path.startswith("images/")
    assert artifact.sha256 == hashlib.sha256(b"firmware").hexdigest()
    assert artifact.size == 8


async def test_64_mib_in_odd_chunks_come_back_with_the_same_digest(store: LocalStore) -> None:
    source = random.Random(7)  # noqa: S311 - test data
    expected = hashlib.sha256()
    written = 0
    async with store.receive() as incoming:
        while written < 64 * MIB:
            chunk = source.randbytes(min(source.randrange(1, 300_000), 64 * MIB - written))
            expected.update(chunk)
            written += len(chunk)
            await incoming.write(chunk)
        artifact = await incoming.commit()
    found = hashlib.sha256()
    async with store.open(artifact.path) as stored_file:
        async for chunk in stored_file.read(0, stored_file.size):
            found.update(chunk)
    assert artifact.size == 64 * MIB
    assert artifact.sha256 == expected.hexdigest() == found.hexdigest()


async def test_an_empty_file_can_be_stored(store: LocalStore) -> None:
    artifact = await stored(store, b"")
    assert artifact.size == 0
    assert await content_of(store, artifact.path) == b""


async def test_a_part_of_a_file_can_be_read(store: LocalStore) -> None:
    content = random.Random(1).randbytes(3 * MIB)  # noqa: S311 - test data
    artifact = await stored(store, content)
    async with store.open(artifact.path) as stored_file:
        read = [chunk async for chunk in stored_file.read(MIB - 5, 2 * MIB + 7)]
    assert b"".join(read) == content[MIB - 5 : 2 * MIB + 7]


async def test_a_file_that_is_not_committed_leaves_nothing(store: LocalStore, root: Path) -> None:
    async with store.receive() as incoming:
        await incoming.write(b"x" * (2 * MIB))
    assert everything_below(root) == []


async def test_a_file_is_not_visible_before_its_commit(store: LocalStore) -> None:
    async with store.receive() as incoming:
        await incoming.write(b"x" * (2 * MIB))
        assert [listed async for listed in store.listing()] == []


async def test_an_upload_that_fails_leaves_nothing(store: LocalStore, root: Path) -> None:
    async def upload() -> None:
        async with store.receive() as incoming:
            await incoming.write(b"x" * (2 * MIB))
            raise RuntimeError("the client went away")

    with pytest.raises(RuntimeError, match="client"):
        await upload()
    assert everything_below(root) == []


async def test_a_cancelled_upload_leaves_nothing(store: LocalStore, root: Path) -> None:
    begun = asyncio.Event()

    async def upload() -> None:
        async with store.receive() as incoming:
            while True:
                await incoming.write(b"x" * MIB)
                begun.set()

    task = asyncio.create_task(upload())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert everything_below(root) == []


async def test_the_largest_allowed_file_is_stored(root: Path, signer: LinkSigner) -> None:
    store = LocalStore(root, signer=signer, maximum_size=10)
    assert (await stored(store, b"x" * 10)).size == 10
    await store.close()


async def test_a_larger_file_is_refused_and_leaves_nothing(root: Path, signer: LinkSigner) -> None:
    store = LocalStore(root, signer=signer, maximum_size=10)
    with pytest.raises(TooLarge):
        await stored(store, b"x" * 11)
    assert everything_below(root) == []
    await store.close()


async def test_a_file_that_was_refused_cannot_be_committed(root: Path, signer: LinkSigner) -> None:
    store = LocalStore(root, signer=signer, maximum_size=10)
    async with store.receive() as incoming:
        with pytest.raises(TooLarge):
            await incoming.write(b"x" * 11)
        with pytest.raises(Unavailable):
            await incoming.commit()
    assert everything_below(root) == []
    await store.close()


async def test_a_file_is_committed_only_once(store: LocalStore) -> None:
    async with store.receive() as incoming:
        await incoming.commit()
        with pytest.raises(RuntimeError):
            await incoming.commit("again")
    assert len([listed async for listed in store.listing()]) == 1


@pytest.mark.parametrize("directory", ["..", "../outside", "/etc", ".incoming", "a/../../b"])
async def test_a_directory_outside_the_pattern_is_refused(
    store: LocalStore, root: Path, directory: str
) -> None:
    async with store.receive() as incoming:
        with pytest.raises(Invalid):
            await incoming.commit(directory)
    assert everything_below(root) == []


@pytest.mark.parametrize("directory", ["images", "images/new"])
async def test_a_directory_that_is_a_link_is_not_written_through(
    store: LocalStore, root: Path, tmp_path: Path, directory: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "images").symlink_to(outside)
    with pytest.raises(Invalid):
        await stored(store, b"x", directory)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("directory", ["images", "images/new"])
async def test_a_file_below_a_linked_directory_is_not_found(
    store: LocalStore, root: Path, tmp_path: Path, directory: str
) -> None:
    artifact = await stored(store, b"x", directory)
    (root / "images").rename(tmp_path / "moved")
    (root / "images").symlink_to(tmp_path / "moved")
    with pytest.raises(NotFound):
        await content_of(store, artifact.path)
    await store.delete(artifact.path)
    assert len(everything_below(tmp_path / "moved")) == 1


async def test_a_link_in_place_of_a_file_is_not_followed(
    store: LocalStore, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    name = "6f7483ac-5cde-467f-acf7-39e4b397e313"
    (root / name).symlink_to(tmp_path / "secret")
    with pytest.raises(NotFound):
        await content_of(store, name)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
async def test_what_is_no_plain_file_is_not_found(
    store: LocalStore, root: Path, make: Callable[[Path], None]
) -> None:
    name = "6f7483ac-5cde-467f-acf7-39e4b397e313"
    make(root / name)
    with pytest.raises(NotFound):
        await content_of(store, name)


@pytest.mark.parametrize(
    "path",
    ["../secret", "/etc/passwd", ".incoming/6f7483ac-5cde-467f-acf7-39e4b397e313", "secret",
     "a/../../secret", "6f7483ac-5cde-467f-acf7-39e4b397e313",
     "a/6f7483ac-5cde-467f-acf7-39e4b397e313"],
)  # fmt: skip
async def test_no_other_path_is_found(store: LocalStore, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    with pytest.raises(NotFound):
        await content_of(store, path)


async def test_a_deleted_file_is_gone(store: LocalStore, root: Path) -> None:
    artifact = await stored(store, b"x", "images")
    await store.delete(artifact.path)
    assert everything_below(root) == []
    with pytest.raises(NotFound):
        await content_of(store, artifact.path)


@pytest.mark.parametrize("directory", ["", "images/"])
async def test_deleting_what_is_not_there_is_no_error(store: LocalStore, directory: str) -> None:
    await store.delete(f"{directory}6f7483ac-5cde-467f-acf7-39e4b397e313")


async def test_a_download_goes_on_when_its_file_is_deleted(store: LocalStore) -> None:
    artifact = await stored(store, b"x" * (3 * MIB))
    async with store.open(artifact.path) as stored_file:
        chunks = stored_file.read(0, stored_file.size)
        first = await anext(chunks)
        await store.delete(artifact.path)
        rest = b"".join([chunk async for chunk in chunks])
    assert len(first) + len(rest) == 3 * MIB


async def test_the_listing_holds_every_committed_file_and_nothing_else(
    store: LocalStore, root: Path
) -> None:
    paths = {(await stored(store, b"xy", directory)).path for directory in FOLDERS}
    (root / "lost+found").mkdir()
    (root / "a" / "notes.txt").write_bytes(b"")
    (root / "stray").symlink_to(root / "a")
    async with store.receive() as incoming:
        await incoming.write(b"z" * (2 * MIB))
        listing = [listed async for listed in store.listing()]
    assert {listed.path for listed in listing} == paths
    assert {listed.size for listed in listing} == {2}


async def test_a_link_is_given_for_stored_paths_only(store: LocalStore) -> None:
    artifact = await stored(store, b"x")
    link = await store.link(artifact.path, "http://facade")
    assert link.startswith(f"http://facade/local_storage/{artifact.path}?")
    with pytest.raises(NotFound):
        await store.link("../x", "http://facade")


async def test_a_sweep_spares_the_uploads_of_living_processes(store: LocalStore) -> None:
    async with store.receive() as incoming:
        await incoming.write(b"x" * (2 * MIB))
        assert await store.sweep() == 0
        assert (await incoming.commit()).size == 2 * MIB


async def test_a_sweep_removes_what_a_dead_process_left(store: LocalStore, root: Path) -> None:
    (root / ".incoming" / "6f7483ac-5cde-467f-acf7-39e4b397e313").write_bytes(b"half")
    assert await store.sweep() == 1
    assert everything_below(root) == []
