"""Connections to a server that does what a healthy one does not (a scripted stand-in)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.kube.client import Client
from polyfleet.kube.codec import Bookmark, Unreadable
from polyfleet.kube.errors import ApiError, Gone, Invalid, TooManyRequests, Unavailable
from polyfleet.kube.stream import ObjectEvent
from tests.kube.objects import SPEC, bookmark, device_document, event, status
from tests.kube.servers import Reply, ScriptedServer

BODY = {"metadata": {"name": "d1"}, "spec": SPEC}


@asynccontextmanager
async def _client(server: ScriptedServer, **options: Any) -> AsyncIterator[Client]:
    async with Client(
        server.connection, namespace="test", field_manager="test", **options
    ) as client:
        yield client


async def _watched(client: Client, **options: Any) -> list[Any]:
    async with client.watch(DEVICES, resource_version="1", **options) as events:
        return [item async for item in events]


async def test_a_connection_is_used_again() -> None:
    replies = [Reply(body=device_document()) for _ in range(3)]
    async with ScriptedServer(*replies) as server, _client(server) as client:
        for _ in range(3):
            await client.get(DEVICES, "d1")

        assert server.connections == 1


async def test_a_connection_that_the_server_closes_is_not_used_again() -> None:
    replies = [
        Reply(body=device_document(), headers={"Connection": "close"}, then="close"),
        Reply(body=device_document()),
    ]
    async with ScriptedServer(*replies) as server, _client(server) as client:
        await client.get(DEVICES, "d1")
        await client.create(DEVICES, BODY)

        assert server.connections == 2


async def test_reading_is_repeated_if_a_kept_connection_turns_out_dead() -> None:
    dead = Reply(raw=b"", then="close")
    replies = [Reply(body=device_document()), dead, Reply(body=device_document())]
    async with ScriptedServer(*replies) as server, _client(server) as client:
        await client.get(DEVICES, "d1")
        await client.get(DEVICES, "d1")

        assert [request.method for request in server.received] == ["GET", "GET", "GET"]


async def test_a_write_is_not_repeated_behind_the_callers_back() -> None:
    dead = Reply(raw=b"", then="close")
    replies = [Reply(body=device_document()), dead]
    async with ScriptedServer(*replies) as server, _client(server) as client:
        await client.get(DEVICES, "d1")
        with pytest.raises(Unavailable) as caught:
            await client.create(DEVICES, BODY)

        assert caught.value.sent
        assert [request.method for request in server.received] == ["GET", "POST"]


async def test_an_answer_in_chunks_is_put_together() -> None:
    whole = orjson.dumps(device_document())
    reply = Reply(chunks=[whole[:10], whole[10:11], whole[11:]])
    async with ScriptedServer(reply) as server, _client(server) as client:
        assert (await client.get(DEVICES, "d1")).metadata.name == "d1"


async def test_an_answer_cut_short_is_an_error() -> None:
    raw = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"metadata":'
    async with ScriptedServer(Reply(raw=raw, then="close")) as server, _client(server) as client:
        with pytest.raises(Unavailable):
            await client.get(DEVICES, "d1")


@pytest.mark.parametrize("raw", [b"\x00\x01\x02\r\n\r\n", b"SSH-2.0-OpenSSH\r\n\r\n"])
async def test_an_answer_that_is_no_http_is_an_error(raw: bytes) -> None:
    async with ScriptedServer(Reply(raw=raw, then="hang")) as server, _client(server) as client:
        with pytest.raises(Unavailable, match="no HTTP"):
            await client.get(DEVICES, "d1")


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    async with ScriptedServer() as server, _client(server, request_timeout=0.2) as client:
        with pytest.raises(Unavailable, match="in time") as caught:
            await client.get(DEVICES, "d1")

    assert caught.value.sent


async def test_being_throttled_says_for_how_long() -> None:
    reply = Reply(429, status(429, "TooManyRequests"), {"Retry-After": "3"})
    async with ScriptedServer(reply) as server, _client(server) as client:
        with pytest.raises(TooManyRequests) as caught:
            await client.get(DEVICES, "d1")

    assert caught.value.retry_after == 3


@pytest.mark.parametrize("body", [None, [], {"metadata": {"name": 3}, "spec": SPEC}])
async def test_an_object_that_cannot_be_read_is_an_error(body: object) -> None:
    async with ScriptedServer(Reply(body=body)) as server, _client(server) as client:
        with pytest.raises(ApiError, match="cannot be read"):
            await client.get(DEVICES, "d1")


async def test_an_unreadable_object_does_not_spoil_its_page() -> None:
    broken = device_document("broken")
    broken["spec"] = 3
    body = {
        "metadata": {"resourceVersion": "5"},
        "items": [device_document("d1"), broken, device_document("d2")],
    }
    async with ScriptedServer(Reply(body=body)) as server, _client(server) as client:
        pages = [page async for page in client.list_pages(DEVICES)]

    assert [item.metadata.name for item in pages[0].items] == ["d1", "d2"]
    assert pages[0].unreadable == ("broken",)


async def test_a_watch_reads_events_however_they_are_cut_into_chunks() -> None:
    data = (
        event("ADDED", device_document("d1", version=2, hold=True))
        + bookmark(3)
        + event("DELETED", device_document("d1", version=4))
    )
    for size in (1, 7, 64, len(data)):
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        async with ScriptedServer(Reply(chunks=chunks)) as server, _client(server) as client:
            first, second, third = await _watched(client)

        assert isinstance(first, ObjectEvent)
        assert first.object.spec.hold
        assert second == Bookmark("3")
        assert third.type == "DELETED"


async def test_a_watch_that_ends_within_a_line_drops_that_line() -> None:
    chunks = [bookmark(3), b'{"type":"ADD']
    async with ScriptedServer(Reply(chunks=chunks)) as server, _client(server) as client:
        assert await _watched(client) == [Bookmark("3")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (event("ERROR", status(410, "Expired")), Gone),
        (event("ERROR", status(500, "InternalError")), Unavailable),
        (b"no json\n", Unavailable),
        (b'{"type":"NEWS","object":{}}\n', Unavailable),
        (b'{"type":"ADDED","object":{"spec":{}}}\n', Unavailable),
        (b'{"type":"BOOKMARK","object":3}\n', Unavailable),
    ],
)
async def test_what_is_wrong_within_a_watch_is_an_error(
    line: bytes, expected: type[ApiError]
) -> None:
    async with ScriptedServer(Reply(chunks=[line])) as server, _client(server) as client:
        with pytest.raises(expected):
            await _watched(client)


async def test_an_unreadable_object_does_not_end_the_watch() -> None:
    broken = device_document("d1", version=2)
    broken["spec"] = 3
    chunks = [event("MODIFIED", broken), bookmark(3)]
    async with ScriptedServer(Reply(chunks=chunks)) as server, _client(server) as client:
        assert await _watched(client) == [Unreadable("d1", "2"), Bookmark("3")]


async def test_an_object_of_any_depth_is_read() -> None:
    lines = event("ADDED", device_document("d1", version=2, data={"core": "DEEP"})) + bookmark(3)
    deep = b"[" * 9000 + b"]" * 9000
    async with (
        ScriptedServer(Reply(chunks=[lines.replace(b'"DEEP"', deep)])) as server,
        _client(server) as client,
    ):
        first, second = await _watched(client)
    assert isinstance(first, ObjectEvent)
    assert first.object.metadata.name == "d1"
    assert second == Bookmark("3")


async def test_a_line_without_end_is_given_up() -> None:
    chunks = [b"x" * (1 << 20)] * 17
    async with ScriptedServer(Reply(chunks=chunks)) as server, _client(server) as client:
        with pytest.raises(Unavailable, match="without end"):
            await _watched(client)


async def test_a_slow_reader_loses_nothing() -> None:
    lines = [event("ADDED", device_document(f"d{n}", version=n + 2)) for n in range(20_000)]
    seen = 0
    async with (
        ScriptedServer(Reply(chunks=lines)) as server,
        _client(server) as client,
        client.watch(DEVICES, resource_version="1") as events,
    ):
        async for _ in events:
            seen += 1
            if seen % 1000 == 0:
                await asyncio.sleep(0.01)

    assert seen == 20_000


async def test_a_silent_watch_is_given_up() -> None:
    reply = Reply(chunks=[bookmark(3)], then="hang")
    async with ScriptedServer(reply) as server, _client(server) as client:
        with pytest.raises(Unavailable, match="in time"):
            await _watched(client, idle_timeout=0.2)


async def test_the_consumers_own_slowness_is_not_the_watchs_silence() -> None:
    reply = Reply(chunks=[bookmark(3), bookmark(4)])
    seen = []
    async with (
        ScriptedServer(reply) as server,
        _client(server) as client,
        client.watch(DEVICES, resource_version="1", idle_timeout=0.2) as events,
    ):
        async for item in events:
            seen.append(item)
            await asyncio.sleep(0.5)

    assert seen == [Bookmark("3"), Bookmark("4")]


async def test_a_watch_that_is_refused_says_why() -> None:
    reply = Reply(422, status(422, "Invalid", "sendInitialEvents is forbidden"))
    async with ScriptedServer(reply) as server, _client(server) as client:
        with pytest.raises(Invalid, match="forbidden"):
            await _watched(client)


@pytest.mark.parametrize("act", [lambda client: client.get(DEVICES, "d1"), _watched])
async def test_a_client_connects_only_when_something_is_asked_of_it(
    act: Callable[[Client], Any],
) -> None:
    reply = Reply(500, status(500, "InternalError"))
    async with ScriptedServer(reply) as server, _client(server) as client:
        assert server.connections == 0
        with pytest.raises(Unavailable):
            await act(client)
        assert server.connections == 1
