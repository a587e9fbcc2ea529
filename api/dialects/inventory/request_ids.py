"""The id of a request: X-MEN-RequestID, given by the client or made here."""

import re
import uuid

from starlette.types import Message, Scope, Send

HEADER = b"x-men-requestid"

_GIVEN = re.compile(rb"[!-~]{1,128}")
_KEY = "polyfleet.mender_request_id"


def request_id_of(scope: Scope) -> str:
    """Return the request's id: the client's, if it is one word of ASCII, else a new UUID."""
    known: str | None = scope.get(_KEY)
    if known is None:
        known = scope[_KEY] = _given(scope) or str(uuid.uuid4())
    return known


def with_request_id(scope: Scope, send: Send) -> Send:
    """Return a `send` that tells the id with the answer, whatever that is."""

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            header = (HEADER, request_id_of(scope).encode())
            message["headers"] = [*message.get("headers", ()), header]
        await send(message)

    return telling


def _given(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == HEADER:
            return value.decode() if _GIVEN.fullmatch(value) else None
    return None
