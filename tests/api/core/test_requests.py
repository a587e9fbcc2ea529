"""Reading bodies within limits."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from polyfleet.api.core import requests
from polyfleet.api.core.errors import Invalid, TooLarge
from polyfleet.api.core.requests import decode_json, read_body, read_json


def request(messages: Iterable[Message], length: str | None = None) -> Request:
    remaining = iter(messages)

    async def receive() -> Message:
        return next(remaining)

    headers = [(b"content-length", length.encode())] if length is not None else []
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def chunk(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_pieces_is_put_together() -> None:
    body = await read_body(request([chunk(b"ab", more=True), chunk(b"cd")]), 4)
    assert body == b"abcd"


async def test_a_body_that_says_it_is_too_long_is_not_read() -> None:
    with pytest.raises(TooLarge, match="larger than 4 bytes"):
        await read_body(request([], length="5"), 4)


async def test_a_length_may_begin_with_any_number_of_zeros() -> None:
    assert await read_body(request([chunk(b"abcd")], length="0" * 5000 + "4"), 4) == b"abcd"
    with pytest.raises(TooLarge):
        await read_body(request([], length="0" * 5000 + "5"), 4)


async def test_a_body_that_grows_too_long_is_refused_before_its_end() -> None:
    endless = (chunk(b"abc", more=True) for _ in iter(int, 1))
    with pytest.raises(TooLarge):
        await read_body(request(endless), 100)


async def test_a_client_that_goes_away_is_told_apart() -> None:
    with pytest.raises(ClientDisconnect):
        await read_body(request([chunk(b"a", more=True), {"type": "http.disconnect"}]), 4)


async def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(requests, "BODY_TIMEOUT", 0.01)
    with pytest.raises(Invalid, match="did not arrive"):
        await read_body(Request({"type": "http", "headers": []}, never), 4)


async def test_json_is_decoded() -> None:
    assert await read_json(request([chunk(b'{"a": [1, 2.5, null]}')]), 100) == {"a": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"a": 1,\n "b": }', "line 2"),
        (b"NaN", "line 1, column 1"),
        (b"\xff", "not JSON"),
        (b"[" * 5000, "not JSON"),
    ],
)
def test_a_mistake_in_json_is_told_with_its_place(body: bytes, text: str) -> None:
    with pytest.raises(Invalid, match=text):
        decode_json(body)
