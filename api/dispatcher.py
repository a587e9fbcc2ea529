"""Hands each request, its path untouched, to the dialect that owns the path's prefix."""

import itertools
import re
import secrets
import time
from collections.abc import Mapping

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyfleet.api.core import audit
from polyfleet.api.core.call import UNKNOWN_ADDRESS, begin
from polyfleet.api.core.logging import request_id
from polyfleet.api.core.metrics import RequestMetrics

_PREFIX_SEGMENTS = 3
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GONE = 499
"""What is counted for a client that went away before it had an answer."""
_JSON = (b"content-type", b"application/json")

log = structlog.get_logger("polyfleet.api")


class Dispatcher:
    """An ASGI application made of others, each owning some path prefixes.

    A prefix has one to three segments and matches whole segments only; `/` is that path alone.
    Several leading slashes count as one: RDFM's clients send `//api/v1/…` and do not follow
    redirects.
    """

    def __init__(self, metrics: RequestMetrics) -> None:
        self._metrics = metrics
        self._table: dict[str, tuple[str, ASGIApp]] = {}
        self._ids = (f"{secrets.token_hex(4)}-{number:x}" for number in itertools.count(1))

    def mount(self, name: str, application: ASGIApp, prefixes: tuple[str, ...]) -> None:
        """Give the prefixes to the application; each may have one owner only."""
        for prefix in prefixes:
            segments = prefix.strip("/").split("/")
            if (prefix != "/" and not all(segments)) or len(segments) > _PREFIX_SEGMENTS:
                raise ValueError(f"not a prefix of one to {_PREFIX_SEGMENTS} segments: {prefix!r}")
            key = "/" + "/".join(segments)
            if key in self._table:
                raise ValueError(f"{key} belongs to {self._table[key][0]} and to {name}")
            self._table[key] = (name, application)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or serve one WebSocket."""
        _collapse_leading_slashes(scope)
        owner = self._owner(scope["path"])
        if scope["type"] == "websocket":
            await self._websocket(owner, scope, receive, send)
        else:
            await self._http(owner, scope, receive, send)

    def _owner(self, path: str) -> tuple[str, ASGIApp]:
        segments = path.split("/", _PREFIX_SEGMENTS + 1)[1 : _PREFIX_SEGMENTS + 1]
        while segments:
            found = self._table.get("/" + "/".join(segments))
            if found is not None:
                return found
            segments.pop()
        return ("none", _unknown)

    async def _http(
        self, owner: tuple[str, ASGIApp], scope: Scope, receive: Receive, send: Send
    ) -> None:
        name, application = owner
        started = time.perf_counter()
        identifier = _given_id(scope) or next(self._ids)
        request_id.set(identifier)
        call = begin(_address(scope))
        header = (b"x-request-id", identifier.encode())
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            await application(scope, receive, observed)
        except Exception:
            log.exception("request failed", dialect=name, method=scope["method"])
            if not status:
                await _error(observed, 500, "internal error")
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = _template(scope)
            self._metrics.count(name, method, route, status or _GONE, started)
            audit.write(
                call,
                dialect=name,
                method=method,
                route=route,
                named=scope.get("path_params") or {},
                status=status or _GONE,
            )

    async def _websocket(
        self, owner: tuple[str, ASGIApp], scope: Scope, receive: Receive, send: Send
    ) -> None:
        name, application = owner
        request_id.set(_given_id(scope) or next(self._ids))
        begin(_address(scope))
        if application is _unknown:
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            return
        with self._metrics.open_websocket(name):
            try:
                await application(scope, receive, send)
            except Exception:
                log.exception("websocket failed", dialect=name)


def _collapse_leading_slashes(scope: Scope) -> None:
    path: str = scope["path"]
    if path.startswith("//"):
        scope["path"] = "/" + path.lstrip("/")
        raw: bytes | None = scope.get("raw_path")
        if raw is not None:
            scope["raw_path"] = b"/" + raw.lstrip(b"/")


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else UNKNOWN_ADDRESS


def _given_id(scope: Scope) -> str | None:
    for key, value in scope["headers"]:
        if key == b"x-request-id":
            return value.decode() if _GIVEN_ID.fullmatch(value) else None
    return None


def _template(scope: Mapping[str, object]) -> str:
    route = scope.get("route")
    if route is None and "endpoint" in scope and not scope.get("path_params"):
        return str(scope["path"])  # a route of fixed text, of which the framework tells no more
    return str(getattr(route, "path", "unmatched"))


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI
    await _error(send, 404, "no such path")


async def _error(send: Send, status: int, text: str) -> None:
    body = orjson.dumps({"error": text}, option=orjson.OPT_APPEND_NEWLINE)
    headers = [_JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
