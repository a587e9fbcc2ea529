"""JSON as text: kept so where Kubernetes would change numbers, cut where it is too deep to read."""

import json
import re
from typing import Any, NoReturn

import msgspec

DEEPEST = 200
"""Levels of objects and lists that every reader and writer of JSON here can do."""

_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\]]', re.DOTALL)


def is_json(text: str) -> bool:
    """Say whether the text is JSON."""
    try:
        _read(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_object(text: str) -> bool:
    """Say whether the text is a JSON object."""
    try:
        return isinstance(_read(text), dict)
    except (ValueError, RecursionError):
        return False


def decode_shallow(data: msgspec.Raw) -> Any:
    """Return what encoded JSON means, but for what is too deep. Raises msgspec.DecodeError."""
    return msgspec.json.decode(shallow(bytes(data)))


def shallow(encoded: bytes) -> bytes:
    """Return JSON with null in place of each object and list that is deeper than DEEPEST."""
    if encoded.count(b"{") + encoded.count(b"[") <= DEEPEST:
        return encoded
    kept: list[bytes] = []
    depth = start = 0
    for found in _BRACKET.finditer(encoded):
        bracket = found[0]
        if bracket in b"{[":
            depth += 1
            if depth == DEEPEST + 1:
                kept += encoded[start : found.start()], b"null"
        elif bracket in b"}]":
            depth -= 1
            if depth == DEEPEST:
                start = found.end()
    return b"".join([*kept, encoded[start:]])


def _read(text: str) -> Any:
    # Numbers of any size are JSON; nobody here wants to know which they are.
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
