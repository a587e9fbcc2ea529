"""A folder as artifact store.

Files are written under `<root>/.incoming/` and renamed to where they belong once they are safe
on disk. More than one facade may use the same folder.
"""

import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from polyfleet.api.core.artifacts import disk, paths
from polyfleet.api.core.artifacts.links import LinkSigner
from polyfleet.api.core.artifacts.store import ListedArtifact, StoredArtifact
from polyfleet.api.core.errors import InsufficientStorage, TooLarge, Unavailable

INCOMING = ".incoming"
CHUNK = 1024 * 1024
"""How much is read or written in one go, in bytes: worth the way to a worker thread."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_T = TypeVar("_T")


class LocalStore:
    """Keeps files in a folder, which is made if it does not exist.

    Disk work runs in at most `threads` worker threads on an account of its own, so that a slow
    disk cannot starve the rest of the process. `maximum_size` is in bytes.
    """

    driver = "local"

    def __init__(
        self, root: Path, *, signer: LinkSigner, maximum_size: int, threads: int = 8
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with suppress(FileExistsError):
            os.mkdir(INCOMING, 0o700, dir_fd=self._root)
        self._incoming = os.open(INCOMING, disk.FOLDER, dir_fd=self._root)
        self._signer = signer
        self._maximum_size = maximum_size
        self._threads = _Threads(threads)

    @asynccontextmanager
    async def receive(self, directory: str = "") -> AsyncIterator["LocalIncoming"]:
        """Take in a new file; see `ArtifactStore.receive`."""
        paths.checked_directory(directory)
        file = disk.IncomingFile(self._incoming, self._root)
        try:
            await self._threads.run(file.create)
            yield LocalIncoming(file, self._threads, self._maximum_size)
        finally:
            with anyio.CancelScope(shield=True):
                await self._threads.run(file.discard)

    @asynccontextmanager
    async def open(self, path: str) -> AsyncIterator["LocalArtifact"]:
        """Open a stored file; see `ArtifactStore.open`."""
        file = disk.StoredFile(self._root, *paths.split(path))
        try:
            size, modified = await self._threads.run(file.open)
            yield LocalArtifact(file, self._threads, size, modified)
        finally:
            with anyio.CancelScope(shield=True):
                await self._threads.run(file.close)

    async def delete(self, path: str) -> None:
        """Remove a file; who is downloading it still gets the rest."""
        directory, name = paths.split(path)
        await self._threads.run(partial(disk.delete, self._root, directory, name))

    async def link(self, path: str, base_url: str) -> str:
        """Return a signed link to the facade's own route."""
        paths.split(path)
        return self._signer.link(path, base_url)

    async def listing(self) -> AsyncIterator[ListedArtifact]:
        """Yield every committed file, directory by directory."""
        for directory in await self._threads.run(partial(disk.directories, self._root)):
            for found in await self._threads.run(partial(disk.files, self._root, directory)):
                yield found

    async def sweep(self) -> int:
        """Remove incoming files whose writers are dead; return how many they were."""
        return await self._threads.run(partial(disk.sweep, self._incoming))

    async def close(self) -> None:
        """Release the folder."""
        os.close(self._incoming)
        os.close(self._root)


class LocalIncoming:
    """A file on its way into the folder."""

    def __init__(self, file: disk.IncomingFile, threads: "_Threads", maximum_size: int) -> None:
        self._file = file
        self._threads = threads
        self._maximum_size = maximum_size
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._size = 0
        self._whole = True

    @property
    def size(self) -> int:
        """How many bytes were written so far."""
        return self._size

    async def write(self, chunk: bytes) -> None:
        """Append a chunk; see `Incoming.write`."""
        if self._size + len(chunk) > self._maximum_size:
            self._whole = False
            raise TooLarge(f"the file is larger than {self._maximum_size} bytes")
        self._size += len(chunk)
        self._buffer.append(chunk)
        self._buffered += len(chunk)
        if self._buffered >= CHUNK:
            await self._flush()

    async def commit(self, directory: str = "") -> StoredArtifact:
        """Store the file durably; see `Incoming.commit`."""
        directory = paths.checked_directory(directory)
        await self._flush()
        if not self._whole:
            raise Unavailable("the file was not written completely")
        digest = await self._threads.run(partial(self._file.commit, directory))
        path = paths.joined(directory, self._file.name)
        return StoredArtifact(LocalStore.driver, path, digest, self._size)

    async def _flush(self) -> None:
        chunks, self._buffer, self._buffered = self._buffer, [], 0
        if not chunks:
            return
        # Whole again only if the write comes back: a failed one leaves a gap.
        whole, self._whole = self._whole, False
        await self._threads.run(partial(self._file.append, chunks))
        self._whole = whole


class LocalArtifact:
    """A file of the folder, open for reading."""

    def __init__(
        self, file: disk.StoredFile, threads: "_Threads", size: int, modified: datetime
    ) -> None:
        self._file = file
        self._threads = threads
        self.size = size
        self.modified = modified

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` up to but without `stop`."""
        while start < stop:
            length = min(CHUNK, stop - start)
            chunk = await self._threads.run(partial(self._file.read, start, length))
            if not chunk:
                raise Unavailable("the file is shorter than it was")
            start += len(chunk)
            yield chunk


class _Threads:
    """Runs blocking disk work in worker threads and tells its faults in the domain's words."""

    def __init__(self, count: int) -> None:
        self._limiter = anyio.CapacityLimiter(count)

    async def run(self, work: Callable[[], _T]) -> _T:
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        except OSError as error:
            if error.errno in _FULL:
                raise InsufficientStorage("the artifact storage is full") from error
            reason = os.strerror(error.errno) if error.errno else "unknown fault"
            raise Unavailable(f"the artifact folder fails: {reason}") from error
