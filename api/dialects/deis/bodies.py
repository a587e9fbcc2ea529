"""What clients send: fields, as JSON, as a form or as a multipart form.

The Python command lines register and log in by forms and send maps as texts of JSON; the Go
command line sends objects. Fields that a route does not know are passed over.
"""

import json
import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

import python_multipart.exceptions
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from polyfleet.api.core.errors import Invalid, UnsupportedMediaType
from polyfleet.api.core.requests import read_body
from polyfleet.api.dialects.deis.errors import REQUIRED, FieldErrors, invalid_data

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
READ = (JSON, FORM, MULTIPART)
"""The content types that are read."""
MAX_FIELDS = 64
MAX_DEPTH = 32
_SURROGATE = re.compile("[\ud800-\udfff]")

Fields = Mapping[str, Any]


async def read_fields(request: Request, maximum: int) -> Fields:
    """Return the fields of the body; none if it is empty.

    Raises Invalid, TooLarge and UnsupportedMediaType.
    """
    body = await read_body(request, maximum)
    given = request.headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    if not body.strip():
        return {}
    if kind in ("", JSON):
        return _object(body)
    if kind == FORM:
        return _form(body)
    if kind == MULTIPART:
        return await _multipart(request.headers, body)
    raise UnsupportedMediaType(f"Unsupported media type '{kind}' in request.")


def text(fields: Fields, name: str, *, longest: int | None = None) -> str:
    """Return a text that must be there. Raises Invalid.

    Numbers count as what they look like, as they do in forms.
    """
    value = optional_text(fields, name, longest=longest)
    if not value:
        raise Invalid(name, REQUIRED)
    return value


def optional_text(fields: Fields, name: str, *, longest: int | None = None) -> str:
    """Return a text, empty if it is absent or null. Raises Invalid."""
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Invalid(name, "Not a valid string.")
    found = str(value)
    if "\0" in found:
        raise Invalid(name, "Null characters are not allowed.")
    if longest is not None and len(found) > longest:
        raise Invalid(
            name, f"Ensure this value has at most {longest} characters (it has {len(found)})."
        )
    return found


def require(fields: Fields, names: Iterable[str]) -> None:
    """Raise FieldErrors that names all of the fields that are missing."""
    missing = {name: REQUIRED for name in names if fields.get(name) in (None, "")}
    if missing:
        raise FieldErrors(missing)


def mapping(fields: Fields, name: str) -> dict[str, Any] | None:
    """Return a map given as an object or as a text of JSON; None if it is absent or null.

    Raises Invalid.
    """
    value = fields.get(name)
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = _loads(value)
        except ValueError:
            raise Invalid(name, "Must be a JSON object.") from None
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Invalid(name, "Must be a JSON object.")
    return value


def _object(body: bytes) -> Fields:
    try:
        document = _loads(body.decode())
    except UnicodeDecodeError:
        raise Invalid("", "JSON parse error - the body is not UTF-8") from None
    except ValueError as error:
        raise Invalid("", f"JSON parse error - {error}") from None
    if not isinstance(document, dict):
        raise invalid_data()
    return document


def _loads(encoded: str) -> Any:
    """Decode JSON with its numbers as they were written. Raises ValueError."""
    try:
        document = json.loads(encoded, parse_constant=_constant)
        _check(document, 0)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return document


def _check(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise ValueError("a text is no Unicode")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _form(body: bytes) -> Fields:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise Invalid("", "the body is no form") from None
    return dict(pairs)


async def _multipart(headers: Headers, body: bytes) -> Fields:
    async def whole() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    try:
        form: FormData = await MultiPartParser(
            headers, whole(), max_files=0, max_fields=MAX_FIELDS, max_part_size=len(body)
        ).parse()
    except (MultiPartException, python_multipart.exceptions.FormParserError, KeyError) as error:
        raise Invalid("", "the body is no multipart form") from error
    except (UnicodeDecodeError, LookupError):
        raise Invalid("", "the body is not UTF-8") from None
    return {name: value for name, value in form.items() if not isinstance(value, UploadFile)}
