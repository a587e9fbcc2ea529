"""A file on its way into a bucket.

Up to one part it waits in memory and is put with one request. A larger one is a multipart upload
that runs while the file arrives. One that is not wanted any more is completed and then deleted:
aborting it would race with the parts that are on their way, and a part that arrives after the
abort stays in the bucket, invisible.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio.to_thread
import obstore
from obstore.store import S3Store as Bucket

from polyfleet.api.core.artifacts import paths
from polyfleet.api.core.artifacts.s3_request import answered
from polyfleet.api.core.artifacts.store import StoredArtifact
from polyfleet.api.core.errors import Invalid, PolyfleetError, TooLarge, Unavailable

_PARALLEL_PARTS = 2


class S3Incoming:
    """Holds at most a few parts in memory; `part_size` and `maximum_size` are in bytes."""

    def __init__(
        self, bucket: Bucket, directory: str, *, maximum_size: int, part_size: int
    ) -> None:
        self._bucket = bucket
        self._directory = directory
        self._name = paths.new_name()
        self._maximum_size = maximum_size
        self._part_size = part_size
        self._digest = hashlib.sha256()
        self._size = 0
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._upload: _MultipartUpload | None = None
        self._usable = True
        self._made: set[str] = set()
        """Paths that may exist in the bucket though nothing is committed."""

    @property
    def size(self) -> int:
        """How many bytes were written so far."""
        return self._size

    async def write(self, chunk: bytes) -> None:
        """Append a chunk; see `Incoming.write`."""
        if self._size + len(chunk) > self._maximum_size:
            self._usable = False
            raise TooLarge(f"the file is larger than {self._maximum_size} bytes")
        self._size += len(chunk)
        self._buffer.append(chunk)
        self._buffered += len(chunk)
        if self._buffered >= self._part_size:
            await self._send_part()

    async def commit(self, directory: str = "") -> StoredArtifact:
        """Complete the file and put it where it belongs; see `Incoming.commit`."""
        directory = paths.checked_directory(directory)
        if not self._usable:
            raise Unavailable("the file was not written completely")
        self._usable = False
        path = paths.joined(directory, self._name)
        if self._upload is None:
            data = await self._take_buffer()
            self._made.add(path)
            await answered(obstore.put_async(self._bucket, path, data, use_multipart=False))
        else:
            await self._upload.send(await self._take_buffer())
            await self._upload.complete()
            await self._move(path)
        self._made.discard(path)
        return StoredArtifact("s3", path, self._digest.hexdigest(), self._size)

    async def discard(self) -> None:
        """Remove what is not committed."""
        self._usable = False
        if self._upload is not None:
            with suppress(PolyfleetError):  # then there is no object
                await self._upload.complete()
        for path in self._made:
            with suppress(PolyfleetError):  # the janitor will find it
                await answered(obstore.delete_async(self._bucket, path))

    async def _send_part(self) -> None:
        # Usable again only if the part is taken: a failed one leaves a gap.
        usable, self._usable = self._usable, False
        part = await self._take_buffer()
        if self._upload is None:
            path = paths.joined(self._directory, self._name)
            self._made.add(path)
            self._upload = _MultipartUpload(self._bucket, path, self._part_size)
        await self._upload.send(part)
        self._usable = usable

    async def _take_buffer(self) -> bytes:
        chunks, self._buffer, self._buffered = self._buffer, [], 0

        def joined() -> bytes:
            data = b"".join(chunks)
            self._digest.update(data)
            return data

        return await anyio.to_thread.run_sync(joined)

    async def _move(self, path: str) -> None:
        """Bring a file whose directory was not known in time to its place."""
        first = paths.joined(self._directory, self._name)
        if first == path:
            return
        self._made.add(path)
        try:
            await answered(obstore.copy_async(self._bucket, first, path))
        except Unavailable as error:
            # S3 copies at most 5 GiB in one request.
            raise Invalid(
                "directory",
                "the directory of a file this large must be known before the file is sent",
            ) from error


class _MultipartUpload:
    """One running upload: parts go in one by one, with no more than one waiting."""

    def __init__(self, bucket: Bucket, path: str, part_size: int) -> None:
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
        self._task = asyncio.create_task(self._run(bucket, path, part_size))
        self._task.add_done_callback(self._release_sender)

    async def send(self, part: bytes) -> None:
        """Queue a part; return when there is room for the next. Raises what the upload raised."""
        if not self._task.done() and part:
            await self._parts.put(part)
        if self._task.done():
            await self._task

    async def complete(self) -> None:
        """End the upload; return when the object exists. Raises what the upload raised."""
        if not self._task.done():
            await self._parts.put(None)
        await asyncio.shield(self._task)

    async def _run(self, bucket: Bucket, path: str, part_size: int) -> None:
        await answered(
            obstore.put_async(
                bucket,
                path,
                self._taken(),
                chunk_size=part_size,
                max_concurrency=_PARALLEL_PARTS,
                use_multipart=True,
            )
        )

    async def _taken(self) -> AsyncIterator[bytes]:
        while (part := await self._parts.get()) is not None:
            yield part

    def _release_sender(self, _: asyncio.Task[None]) -> None:
        with suppress(asyncio.QueueEmpty):
            self._parts.get_nowait()
