"""A port of its own for whoever watches an installation: clients' proxies do not lead to it."""

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

PRIVATE = frozenset({"/metrics"})
"""What is served on the port of the operations alone."""
PROBES = frozenset({"/healthz", "/readyz"})
"""What is served on both."""


def is_misplaced(scope: Scope, operations_port: int) -> bool:
    """Whether a request came to the wrong one of the two ports."""
    server = scope.get("server")
    path: str = scope["path"]
    if server is not None and server[1] == operations_port:
        return path not in PRIVATE | PROBES
    return "/" + path.lstrip("/") in PRIVATE


async def no_such_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as if there were nothing."""
    if scope["type"] == "websocket":
        await receive()
        await WebSocketClose()(scope, receive, send)
        return
    await PlainTextResponse("no such path\n", 404)(scope, receive, send)
