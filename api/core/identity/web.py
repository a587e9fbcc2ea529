"""Asks another server for JSON, trusting it with neither time nor memory."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

MAX_ANSWER = 256 * 1024
_OK = 200


class Unreachable(Exception):  # noqa: N818 - says what is the matter with the server
    """The server did not answer, or not with a JSON object. The text holds no secret."""


def open_session() -> aiohttp.ClientSession:
    """Return a session that keeps no cookies and takes no proxy from the environment."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit=16),
        auto_decompress=False,
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
    )


async def fetch_json(
    session: aiohttp.ClientSession,
    url: str,
    *,
    timeout: float,  # noqa: ASYNC109 - the whole exchange, by aiohttp's own means
    form: Mapping[str, str] | None = None,
    authorization: str | None = None,
) -> dict[str, Any]:
    """GET, or POST a form, and return the JSON object that a 200 carries.

    Redirects are not followed: secrets would go where nobody meant them to. Raises Unreachable.
    """
    headers = {} if authorization is None else {"Authorization": authorization}
    try:
        async with session.request(
            "GET" if form is None else "POST",
            url,
            data=None if form is None else dict(form),
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout),
        ) as response:
            if response.status != _OK:
                raise Unreachable(f"{_shown(url)} answered {response.status}")
            document = orjson.loads(await _body(response))
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise Unreachable(f"{_shown(url)} cannot be reached: {type(error).__name__}") from error
    except orjson.JSONDecodeError as error:
        raise Unreachable(f"{_shown(url)} did not answer in JSON") from error
    if not isinstance(document, dict):
        raise Unreachable(f"{_shown(url)} did not answer with an object")
    return document


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > MAX_ANSWER:
            raise Unreachable("the answer is too large")
    return bytes(body)


def _shown(url: str) -> str:
    return url.partition("?")[0]
