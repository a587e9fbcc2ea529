"""The lines of a watch stream, read into events."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Literal

import msgspec
import orjson

from polyfleet.fleet.objects.kinds import Kind, Object
from polyfleet.kube.codec import Bookmark, Codec, Unreadable, bare, codec_of, read_shallow
from polyfleet.kube.errors import Unavailable, from_status
from polyfleet.kube.metrics import Metrics

_LONGEST_LINE = 16 << 20
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class ObjectEvent(Generic[Object]):
    """An object was added, modified or deleted; Raw fields are views on the stream's bytes."""

    type: EventType
    object: Object


WatchEvent = ObjectEvent[Object] | Bookmark | Unreadable


class _Line(msgspec.Struct):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


_line = msgspec.json.Decoder(_Line)


@asynccontextmanager
async def read_events(
    stream: AbstractAsyncContextManager[AsyncIterator[bytes]],
    kind: Kind[Object],
    metrics: Metrics,
) -> AsyncIterator[AsyncIterator[WatchEvent[Object]]]:
    """Open the stream and yield its events.

    An ERROR event and a line that makes no sense are raised as ApiError.
    """
    async with stream as chunks:
        yield _events(chunks, codec_of(kind), kind.name, metrics)


async def _events(
    chunks: AsyncIterator[bytes], codec: Codec[Object], kind: str, metrics: Metrics
) -> AsyncIterator[WatchEvent[Object]]:
    async for line in _lines(chunks):
        event = read_shallow(lambda data: _read(data, codec), line)
        if isinstance(event, Unreadable):
            metrics.unreadable.labels(kind).inc()
        yield event


def _read(data: bytes | msgspec.Raw, codec: Codec[Object]) -> WatchEvent[Object]:
    try:
        line = _line.decode(data)
        if line.type == "ERROR":
            raise from_status(orjson.loads(bytes(line.object)))
        if line.type == "BOOKMARK":
            metadata = bare(line.object)
            ended = metadata.annotations.get(_INITIAL_EVENTS_END) == "true"
            return Bookmark(metadata.resource_version, initial_events_end=ended)
        try:
            return ObjectEvent(line.type, codec.object(line.object))
        except msgspec.ValidationError:
            metadata = bare(line.object)
            return Unreadable(metadata.name, metadata.resource_version)
    except (msgspec.DecodeError, orjson.JSONDecodeError) as error:
        raise Unavailable(0, "Garbage", f"a watch sent a line that is no event: {error}") from error


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        parts.append(first)
        size += len(first)
        if size > _LONGEST_LINE:
            raise Unavailable(0, "Garbage", "a watch sent a line without end")
        for other in others:
            if line := b"".join(parts):
                yield line
            parts = [other]
            size = len(other)
