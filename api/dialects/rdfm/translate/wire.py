"""JSON as RDFM's clients expect it: compact, keys sorted, ended by a newline."""

import json
from functools import lru_cache
from typing import Any, NoReturn

import orjson

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
_LARGEST_MEMO = 4096

EMPTY_OBJECT = b"{}\n"


def encode(document: object) -> bytes:
    """Return the body for `document`; some clients compare its bytes."""
    return orjson.dumps(document, option=_OPTIONS)


def encode_list(items: list[bytes]) -> bytes:
    """Return a list of documents already encoded by `encode`."""
    return b"[" + b",".join(item[:-1] for item in items) + b"]\n"


def exact_object(text: str | bytes) -> dict[str, Any]:
    """Read a JSON object and keep every number as written (`1.0`, integers of any size).

    Raises ValueError for anything that is not a JSON object.
    """
    try:
        document = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("the document must be a JSON object")  # noqa: TRY004 - it is the text
    return document


def canonical(document: dict[str, Any]) -> str:
    """Return JSON text of a free document as the cluster stores it: compact, keys sorted.

    Raises ValueError for texts that are no Unicode (a lone surrogate).
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    text.encode()
    return text


def fragment(document: dict[str, Any]) -> orjson.Fragment:
    """Return a free document as a part of an answer; numbers may have any size."""
    return orjson.Fragment(json.dumps(document, sort_keys=True, separators=(",", ":")))


@lru_cache(_LARGEST_MEMO)
def embedded(text: str) -> orjson.Fragment:
    """Return stored JSON text as a part of an answer; text that is no JSON object reads as `{}`."""
    try:
        return fragment(exact_object(text))
    except ValueError:
        return orjson.Fragment(b"{}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is out of range")
    return number
