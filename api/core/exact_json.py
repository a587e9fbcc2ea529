"""JSON that the cluster keeps as structured data, refused where a number would become another.

Kubernetes reads whole numbers into 64 bits and all others into a double, as most readers of JSON
do, and forgets that `1.0` was written with a point.
"""

import json
import math
from typing import Any, NoReturn

import orjson

from polyfleet.api.core.errors import Invalid

MAX_DEPTH = 64
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


class _Unkept:
    """A number that would come back as another one."""

    def __init__(self, text: str) -> None:
        self.text = text


def decode_exact(body: bytes) -> Any:
    """Return what the JSON text means.

    Raises Invalid with the path of what Kubernetes would change: integers of more than 64 bits,
    numbers beyond a double, and texts that are no Unicode. Objects and lists may be nested
    `MAX_DEPTH` deep.
    """
    if not body.strip():
        raise Invalid("", "the body is empty; JSON is expected")
    try:
        document = json.loads(
            body.decode(), parse_int=_integer, parse_float=_number, parse_constant=_constant
        )
    except UnicodeDecodeError:
        raise Invalid("", "the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Invalid("", f"the body is not JSON: {error.msg} ({where})") from None
    except RecursionError:
        raise Invalid("", "the document is nested too deeply") from None
    check_exact(document)
    return document


def canonical(document: object) -> bytes:
    """Return a text by which documents can be told apart: as Python values, 1 equals true."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def check_exact(document: object) -> None:
    """Raise Invalid, with the path, for what the cluster could not keep in a decoded document."""
    _check(document, "", 0)


def _check(value: object, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Invalid("", "the document is nested too deeply")
    if isinstance(value, _Unkept):
        raise Invalid(path, f"the number {value.text[:40]} is too large to be kept")
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key, path)
            _check(item, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check(item, f"{path}[{number}]", depth + 1)


def _check_text(text: str, path: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Invalid(path, "holds a text that is no Unicode") from None


def _integer(text: str) -> int | _Unkept:
    if len(text) <= len(str(_SMALLEST)):
        number = int(text)
        if _SMALLEST <= number <= _LARGEST:
            return number
    return _Unkept(text)


def _number(text: str) -> int | float | _Unkept:
    number = float(text)
    if math.isinf(number):
        return _Unkept(text)
    # As it will be read again, or else the same once more would look like a change.
    return int(number) if number.is_integer() and _SMALLEST <= number <= _LARGEST else number


def _constant(text: str) -> NoReturn:
    raise Invalid("", f"the body is not JSON: {text}")
