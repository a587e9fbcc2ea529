"""What the disk does to uploads: it fills up, and processes die over it."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from polyfleet.api.core.artifacts.links import LinkSigner
from polyfleet.api.core.artifacts.local import LocalStore
from polyfleet.api.core.artifacts.opening import open_store
from polyfleet.api.core.errors import InsufficientStorage, Unavailable
from polyfleet.api.settings import ArtifactSettings

MIB = 1024 * 1024
DETACH = 2


def everything_below(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())


@contextmanager
def small_file_system(directory: Path) -> Iterator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    target = os.fsencode(directory)
    if libc.mount(b"tmpfs", target, b"tmpfs", 0, b"size=4m"):
        raise OSError(ctypes.get_errno(), "cannot mount a tmpfs")
    try:
        yield
    finally:
        libc.umount2(target, DETACH)


@contextmanager
def small_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * MIB, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def full_disk(root: Path) -> Iterator[None]:
    """Let the folder hold no more than 4 MiB: a file system of its own, or a limit on files."""
    root.mkdir()
    with ExitStack() as stack:
        try:
            stack.enter_context(small_file_system(root))
        except OSError:
            stack.enter_context(small_files())
        yield


@pytest.mark.usefixtures("full_disk")
async def test_a_full_disk_is_told_and_nothing_is_left(root: Path, signer: LinkSigner) -> None:
    store = LocalStore(root, signer=signer, maximum_size=100 * MIB)

    async def upload() -> None:
        async with store.receive() as incoming:
            for _ in range(8):
                await incoming.write(b"x" * MIB)

    with pytest.raises(InsufficientStorage):
        await upload()
    assert everything_below(root) == []
    await store.close()


@pytest.mark.usefixtures("full_disk")
async def test_a_file_with_a_gap_cannot_be_committed(root: Path, signer: LinkSigner) -> None:
    store = LocalStore(root, signer=signer, maximum_size=100 * MIB)
    async with store.receive() as incoming:
        with pytest.raises(InsufficientStorage):
            await incoming.write(b"x" * (8 * MIB))
        with pytest.raises(Unavailable):
            await incoming.commit()
    assert everything_below(root) == []
    await store.close()


UPLOAD = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from polyfleet.api.core.artifacts.links import LinkSigner
from polyfleet.api.core.artifacts.local import LocalStore

async def upload():
    signer = LinkSigner(
        lambda: [b"k"], lifetime=timedelta(1), clock=lambda: datetime.now(UTC)
    )
    store = LocalStore(Path(sys.argv[1]), signer=signer, maximum_size=10**9)
    async with store.receive() as incoming:
        await incoming.write(b"x" * 2 * 1024 * 1024)
        print("half", flush=True)
        await asyncio.sleep(3600)

asyncio.run(upload())
"""


async def test_an_upload_whose_process_was_killed_is_gone_at_the_next_start(
    root: Path, signer: LinkSigner
) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220 - its start may block this test
        [sys.executable, "-c", UPLOAD, str(root)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        settings = ArtifactSettings(directory=root)
        async with open_store(settings, signer):
            assert len(everything_below(root)) == 1, "the writer lives"
        process.send_signal(signal.SIGKILL)
        process.wait()
    async with open_store(settings, signer) as store:
        assert everything_below(root) == []
        assert store.driver == "local"
