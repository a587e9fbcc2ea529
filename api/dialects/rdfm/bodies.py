"""Checks of request bodies; every fault is an Invalid that names the field."""

import re
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request

from polyfleet.api.core.errors import Invalid, UnsupportedMediaType
from polyfleet.api.core.requests import read_body

_LARGEST_SERIAL_DIGITS = 18
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)


async def read(request: Request, maximum: int) -> bytes:
    """Return the bytes of a JSON body.

    Raises UnsupportedMediaType for another content type; none at all is taken for JSON, as the
    reference's own example of a PATCH has none. Else as `core.requests.read_body`.
    """
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in {"", "application/json"} and not kind.endswith("+json"):
        raise UnsupportedMediaType("the body must be application/json")
    return await read_body(request, maximum)


def object_of(body: object) -> dict[str, Any]:
    """Return the body as an object; RDFM's own server stores a list and breaks on it ever after."""
    if not isinstance(body, dict):
        raise Invalid("body", "must be a JSON object")
    return body


def exactly(body: object, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """Return an object with all required fields and none that is unknown."""
    fields = object_of(body)
    required, known = tuple(required), {*required, *optional}
    for name in required:
        if name not in fields:
            raise Invalid(name, "is required")
    for name in fields:
        if name not in known:
            raise Invalid(name, "is not a known field")
    return fields


def serials(value: object, field: str) -> list[int]:
    """Return identifiers: integers, or their decimal texts as RDFM's own CLI sends them."""
    if not isinstance(value, list):
        raise Invalid(field, "must be a list of integers")
    return [_serial(item, field) for item in value]


def whole(value: object, field: str) -> int:
    """Return an integer, also one that is sent as its decimal text; a truth value is none."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid(field, "must be an integer")
    return value


def text(value: object, field: str, *, longest: int | None = None) -> str:
    """Return a text of at most that many characters."""
    if not isinstance(value, str):
        raise Invalid(field, "must be a text")
    if longest is not None and len(value) > longest:
        raise Invalid(field, f"is longer than {longest} characters")
    return value


def _serial(item: object, field: str) -> int:
    if isinstance(item, int) and not isinstance(item, bool):
        return item
    if isinstance(item, str) and item.isascii() and item.isdigit():
        if len(item) > _LARGEST_SERIAL_DIGITS:
            raise Invalid(field, "holds an identifier that is too long")
        return int(item)
    raise Invalid(field, "must be a list of integers")
