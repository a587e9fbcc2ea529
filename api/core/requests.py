"""What all dialects do with requests: bodies bounded in size and time, methods of a path."""

import asyncio
import re
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Match

from polyfleet.api.core.errors import Invalid, TooLarge

BODY_TIMEOUT = 30.0
"""Seconds that a client has to send a body that is kept in memory."""

_LENGTH = re.compile("[0-9]{1,20}")


async def read_body(request: Request, maximum: int) -> bytes:
    """Return the whole body.

    Raises `TooLarge` as soon as it is known to be longer than `maximum` bytes, `Invalid` if it
    does not arrive within 30 seconds, and `ClientDisconnect` if the client goes away.
    """
    if declared_length(request) > maximum:
        raise _too_large(maximum)
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            return await _collect(request, maximum)
    except TimeoutError:
        raise Invalid("", f"the body did not arrive within {BODY_TIMEOUT:.0f} seconds") from None


async def read_json(request: Request, maximum: int) -> Any:
    """Return the decoded JSON body; errors as of `read_body` and `decode_json`."""
    return decode_json(await read_body(request, maximum))


def decode_json(body: bytes) -> Any:
    """Return what the JSON text means; `Invalid` names the line and column of a mistake."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body.strip():
            raise Invalid("", "the body is empty; JSON is expected") from None
        where = f"line {error.lineno}, column {error.colno}"
        raise Invalid("", f"the body is not JSON: {error.msg.split(':')[0]} ({where})") from None


def declared_length(request: Request) -> int:
    """Return how long the client says that the body is; 0 if it does not say."""
    # However many zeros it begins with: to read more than some thousand digits is an error.
    digits = request.headers.get("content-length", "").lstrip("0")
    return int(digits) if _LENGTH.fullmatch(digits) else 0


def allowed_methods(request: Request) -> str:
    """Return the value of `Allow` (RFC 9110): every method that the request's path answers.

    The framework names those of one route, and a path may have several.
    """
    methods: set[str] = set()
    for route in request.app.router.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return ", ".join(sorted(methods))


async def _collect(request: Request, maximum: int) -> bytes:
    receive = request.receive
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > maximum:
            raise _too_large(maximum)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(maximum: int) -> TooLarge:
    return TooLarge(f"the body is larger than {maximum} bytes")
