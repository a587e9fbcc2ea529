"""A form upload (RFC 7578) read while it arrives: fields in memory, the file into a store.

Nothing is kept beyond the chunk at hand: the next one is asked for when the store has taken it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

from polyfleet.api.core.artifacts import paths
from polyfleet.api.core.artifacts.form import FormReader
from polyfleet.api.core.artifacts.store import ArtifactStore, Incoming, StoredArtifact
from polyfleet.api.core.errors import Invalid, TooLarge

FILE_FIELD = "file"
_PIECE = 256 * 1024
_ENVELOPE = 1024 * 1024
"""What a form may hold beside its file, in bytes: fields, headers, boundaries, epilogue."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A form that arrived whole: its fields, and its file, not stored yet."""

    fields: dict[str, str]
    """The text fields; of a repeated one the first."""
    filename: str
    """What the client called the file; never a path to use."""
    directory: str
    """What the field that names the storage directory said."""
    incoming: Incoming
    head: bytes
    """How the file begins: as many bytes as were asked for, or all that there are."""

    async def commit(self) -> StoredArtifact:
        """Store the file in its directory; see `Incoming.commit`."""
        return await self.incoming.commit(self.directory)


@asynccontextmanager
async def receive_upload(
    store: ArtifactStore,
    content_type: str,
    body: AsyncIterable[bytes],
    *,
    maximum_size: int,
    directory_field: str = "",
    keep_head: int = 0,
    idle_seconds: float = 60,
) -> AsyncIterator[Upload]:
    """Read a multipart/form-data body whose part `file` is an artifact; parts in any order.

    The first `keep_head` bytes of the file stay at hand. The value of `directory_field` names the
    storage directory and is not among the fields. At exit nothing is left of a file that was not
    committed, whatever happened. The body may have `maximum_size` bytes and a little; at most
    `idle_seconds` may pass between its chunks.

    Raises UnsupportedMediaType, Invalid (a broken or incomplete form), TooLarge, and whatever
    the store and the body raise.
    """
    reader = FormReader(content_type, FILE_FIELD)
    async with (
        AsyncExitStack() as stack,
        aclosing(_pieces(body, maximum_size + _ENVELOPE, idle_seconds)) as pieces,
    ):
        incoming: Incoming | None = None
        head = bytearray()
        async for piece in pieces:
            reader.feed(piece)
            if incoming is None and reader.filename is not None:
                directory = _directory(reader, directory_field)
                incoming = await stack.enter_async_context(store.receive(directory))
            if incoming is not None:
                for data in reader.take_file_data():
                    head += data[: keep_head - len(head)]
                    await incoming.write(data)
        if not reader.finished:
            raise Invalid("", "the form ends before its closing boundary")
        if incoming is None or reader.filename is None:
            raise Invalid(FILE_FIELD, "the form holds no file")
        directory = _directory(reader, directory_field)
        fields = {key: value for key, value in reader.fields.items() if key != directory_field}
        yield Upload(fields, reader.filename, directory, incoming, bytes(head))


def _directory(reader: FormReader, field: str) -> str:
    return paths.checked_directory(reader.fields.get(field, ""), field=field)


async def _pieces(
    body: AsyncIterable[bytes], maximum: int, idle_seconds: float
) -> AsyncGenerator[bytes, None]:
    """Yield the body in pieces of a bounded size."""
    chunks = aiter(body)
    total = 0
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Invalid("", f"nothing more of the form came for {idle_seconds:g} s") from None
        total += len(chunk)
        if total > maximum:
            raise TooLarge(f"the form is larger than {maximum} bytes")
        for start in range(0, len(chunk), _PIECE):
            yield chunk[start : start + _PIECE]
