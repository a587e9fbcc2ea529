"""Reading request bodies as the original does: keys in any case, unknown ones passed over."""

from typing import Any

from starlette.requests import Request

from polyfleet.api.core.errors import Invalid, UnsupportedMediaType
from polyfleet.api.core.requests import declared_length, decode_json, read_body

_BAD_TYPE = "Bad Content-Type or charset, expected 'application/json'"


async def read(request: Request, maximum: int, failure: str) -> Any:
    """Return the decoded JSON body; `failure` begins the text of what is wrong with it.

    Raises UnsupportedMediaType for another type than JSON in UTF-8, TooLarge, and Invalid.
    """
    length = request.headers.get("content-length", "")
    if length != "0" and "content-type" in request.headers:
        _check_type(request.headers["content-type"])
    elif declared_length(request):
        raise UnsupportedMediaType(_BAD_TYPE)
    body = await read_body(request, maximum)
    if not body.strip():
        raise Invalid("", f"{failure}: JSON payload is empty")
    try:
        return decode_json(body)
    except Invalid as error:
        raise Invalid("", f"{failure}: {error.message}") from None


def fields_of(document: object, failure: str) -> dict[str, Any]:
    """Return an object with its keys in lower case; of keys that are alike the last counts."""
    if not isinstance(document, dict):
        raise Invalid("", f"{failure}: a JSON object is expected")
    return {key.lower(): value for key, value in document.items()}


def text_of(fields: dict[str, Any], name: str, failure: str) -> str:
    """Return a text; an absent one and null are empty."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Invalid("", f"{failure}: {name} must be a string")
    return value


def texts_of(document: object, failure: str) -> list[str]:
    """Return a list of texts."""
    if not isinstance(document, list) or not all(isinstance(item, str) for item in document):
        raise Invalid("", f"{failure}: a list of strings is expected")
    return document


def _check_type(text: str) -> None:
    kind, _, rest = text.partition(";")
    charset = "utf-8"
    for parameter in rest.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    if kind.strip().lower() != "application/json" or charset != "utf-8":
        raise UnsupportedMediaType(_BAD_TYPE)
