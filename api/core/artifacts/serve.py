"""Serves stored files over HTTP, whole or in part (RFC 9110)."""

import asyncio
from contextlib import AsyncExitStack
from email.utils import format_datetime

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polyfleet.api.core.artifacts import paths
from polyfleet.api.core.artifacts.conditions import Verdict, evaluate, range_applies
from polyfleet.api.core.artifacts.links import LinkSigner
from polyfleet.api.core.artifacts.ranges import UnsatisfiableRange, requested_part
from polyfleet.api.core.artifacts.store import ArtifactStore, OpenArtifact

SEND_SECONDS = 300
"""How long a client may take to accept one chunk before it is given up."""


async def serve(request: Request, path: str, store: ArtifactStore, links: LinkSigner) -> Response:
    """Answer a GET or HEAD for a stored path whose link is in the request's query.

    Raises Forbidden for a link that does not hold, NotFound and Unavailable. Nothing is told
    about a file before its link is checked.
    """
    links.check(path, request.query_params)
    _, name = paths.split(path)
    async with AsyncExitStack() as stack:
        artifact = await stack.enter_async_context(store.open(path))
        # The name is never used for other content: as strong a validator as a digest.
        etag = f'"{name}"'
        headers = {
            "ETag": etag,
            "Last-Modified": format_datetime(artifact.modified, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        verdict = evaluate(request.headers, etag=etag, modified=artifact.modified)
        if verdict is Verdict.FAILED:
            return Response(status_code=412)
        if verdict is Verdict.NOT_MODIFIED:
            return Response(status_code=304, headers=headers)
        try:
            part = _requested_part(request, etag, artifact)
        except UnsatisfiableRange:
            headers["Content-Range"] = f"bytes */{artifact.size}"
            return Response(status_code=416, headers=headers)
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
        status = 200
        if part is None:
            part = range(artifact.size)
        else:
            status = 206
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{artifact.size}"
        return ArtifactResponse(artifact, part, status, headers, stack.pop_all())


def _requested_part(request: Request, etag: str, artifact: OpenArtifact) -> range | None:
    header = request.headers.get("range")
    # Ranges are defined for GET alone.
    if header is None or request.method != "GET":
        return None
    if not range_applies(request.headers, etag=etag, modified=artifact.modified):
        return None
    return requested_part(header, artifact.size)


class ArtifactResponse(Response):
    """Sends a part of a stored file, to HEAD only its headers, and closes the file.

    Sending ends when the client goes away or takes nothing for SEND_SECONDS.
    """

    media_type = "application/octet-stream"

    def __init__(
        self,
        artifact: OpenArtifact,
        part: range,
        status_code: int,
        headers: dict[str, str],
        stack: AsyncExitStack,
    ) -> None:
        super().__init__(None, status_code, headers | {"Content-Length": str(len(part))})
        self._artifact = artifact
        self._part = part
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        async with self._stack:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            if scope["method"] == "HEAD" or not self._part:
                await send({"type": "http.response.body", "body": b""})
                return
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_end_with_client, receive, tasks.cancel_scope)
                await self._send_body(send)
                tasks.cancel_scope.cancel()

    async def _send_body(self, send: Send) -> None:
        left = len(self._part)
        async for chunk in self._artifact.read(self._part.start, self._part.stop):
            left -= len(chunk)
            async with asyncio.timeout(SEND_SECONDS):
                await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})


async def _end_with_client(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
