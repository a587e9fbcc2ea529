"""Lists in pages: `{"count", "next", "previous", "results"}`, with absolute addresses."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.addresses import base_url
from polyfleet.api.core.errors import NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.routing import raw_path

PAGE = 100
LARGEST_PAGE = 500
QUERY = ("page", "page_size")
_LONGEST_NUMBER = 9

Item = TypeVar("Item")


def answer(
    facade: Facade, request: Request, items: Sequence[Item], encoded: Callable[[Item], bytes]
) -> Response:
    """Return the page that the query asks for; `encoded` makes JSON of an item.

    Raises NotFound for a page that is none.
    """
    size = _size(request)
    pages = max(1, -(-len(items) // size))
    number = _page(request, pages)
    shown = items[(number - 1) * size : number * size]
    following = _address(facade, request, number + 1) if number < pages else None
    before = _address(facade, request, number - 1) if number > 1 else None
    body = b'{"count":%d,"next":%s,"previous":%s,"results":[%s]}' % (
        len(items),
        orjson.dumps(following),
        orjson.dumps(before),
        b",".join([encoded(item) for item in shown]),
    )
    return Response(body, media_type="application/json")


def _size(request: Request) -> int:
    text = request.query_params.get("page_size", "")
    size = int(text) if _is_number(text) else 0
    return min(size, LARGEST_PAGE) if size else PAGE


def _page(request: Request, pages: int) -> int:
    text = request.query_params.get("page", "1")
    if text == "last":
        return pages
    if not _is_number(text) or not 1 <= int(text) <= pages:
        raise NotFound("there is no such page")
    return int(text)


def _address(facade: Facade, request: Request, page: int) -> str:
    query = parse_qsl(request.url.query, keep_blank_values=True)
    others = [(name, value) for name, value in query if name != "page"]
    changed = urlencode([*others, ("page", str(page))])
    return f"{base_url(facade, request)}{raw_path(request.scope)}?{changed}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
