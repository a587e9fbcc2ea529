"""The log of an application: as a document, or followed as it grows."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Invalid, RateLimited
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis import clients, log_lines
from polyfleet.api.dialects.deis.access import caller_of
from polyfleet.api.dialects.deis.containers import Container, numbered
from polyfleet.api.dialects.deis.documents import Documents
from polyfleet.api.dialects.deis.following import Followed
from polyfleet.api.dialects.deis.log_lines import Line
from polyfleet.api.dialects.deis.pods import Pods
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.api.dialects.deis.standing import Standing
from polyfleet.fleet.objects.application import Application
from polyfleet.kube.errors import ApiError
from polyfleet.kube.resources import EVENTS

MOST_LINES = 1_000
"""That are shown, and of each container looked at."""
MOST_CONTAINERS = 50
"""The newest containers whose lines are looked at."""
MOST_BYTES = 1 << 20
"""Of one container's log."""
_AT_ONCE = 8
_SECONDS = 10.0
_TEXT = "text/plain"
_NUMBER = re.compile("[1-9][0-9]{0,99}")


class LogRoutes:
    """The route /v1/apps/<app>/logs."""

    def __init__(self, facade: Facade, documents: Documents, pods: Pods) -> None:
        self._facade = facade
        self._documents = documents
        self._pods = pods
        self._followers = 0

    async def show(self, request: Request) -> Response:
        """Show the last lines, of the application and of its containers by time."""
        caller = await caller_of(self._facade, request)
        application = caller.application(request.path_params["app"])
        wanted = _wanted(request)
        if request.query_params.get("follow", "").lower() in ("1", "true", "yes"):
            standing = Standing(self._facade, request, caller, application)
            return await self._follow(application, wanted, standing)
        lines = await self._lines(application, wanted)
        if not lines:
            return Response(status_code=204)
        text = "".join(line.shown for line in lines)
        # The Go command line prints the body as it is; the others take it for JSON.
        body = text.encode() if clients.is_go(request) else orjson.dumps(text)
        return Response(body, media_type=_TEXT)

    async def _follow(self, application: Application, wanted: int, standing: Standing) -> Response:
        settings = self._facade.settings.deis
        if self._followers >= settings.followers:
            raise RateLimited("too many logs are followed", retry_after=10.0)
        self._followers += 1
        try:
            before = await self._own(application)
        except BaseException:
            self._left()
            raise
        return Followed(
            application,
            before[-wanted:],
            own=lambda: self._own(application),
            holds=standing.holds,
            pods=self._pods,
            tail=wanted,
            seconds=settings.longest_follow,
            done=self._left,
        )

    def _left(self) -> None:
        self._followers -= 1

    async def _lines(self, application: Application, wanted: int) -> list[Line]:
        containers = numbered(self._pods.of(application))[-MOST_CONTAINERS:]
        turns = asyncio.Semaphore(_AT_ONCE)
        own, *printed = await asyncio.gather(
            self._own(application),
            *(self._printed(application, item, wanted, turns) for item in containers),
        )
        return sorted([*own, *(line for lines in printed for line in lines)])[-wanted:]

    async def _own(self, application: Application) -> list[Line]:
        """Return what was done to the application, by time."""
        uid = application.metadata.uid
        events: Sequence[dict[str, object]] = ()
        with suppress(ApiError):
            events = await self._facade.client.list_documents(
                EVENTS, field_selector=f"regarding.uid={uid}"
            )
        known = self._facade.cache.applications.get(application.metadata.name)
        if known is None or known.metadata.uid != uid:
            # Releases are found by name, and another one may have it by now.
            return []
        releases = self._documents.releases(application)
        return sorted([*log_lines.of_releases(releases), *log_lines.of_events(events)])

    async def _printed(
        self, application: Application, container: Container, wanted: int, turns: asyncio.Semaphore
    ) -> list[Line]:
        """Return a container's last lines; none if they cannot be had in time."""
        name = container.pod.metadata.name
        found: list[Line] = []
        async with turns:
            with suppress(ApiError, TimeoutError):
                async with (
                    asyncio.timeout(_SECONDS),
                    self._pods.client.pod_log(
                        name, lines=wanted, most_bytes=MOST_BYTES, idle_timeout=_SECONDS
                    ) as chunks,
                ):
                    tag = f"{container.pod.metadata.process_type}.{container.number}"
                    async for line in log_lines.split(chunks):
                        found.append(log_lines.of_container(application, tag, line))  # noqa: PERF401 - what was read in time counts
        return found


def routes(logs: LogRoutes) -> list[Route]:
    """Return the route."""
    return [
        Route(
            method="GET",
            path=f"{BASE}/apps/{{app}}/logs",
            endpoint=logs.show,
            summary="Show or follow the log of an application",
            statuses=(204, 400, 404),
            query=("log_lines", "follow"),
            reply={"type": "string"},
            media_type=_TEXT,
        )
    ]


def _wanted(request: Request) -> int:
    text = request.query_params.get("log_lines")
    if text is None:
        return MOST_LINES
    if not _NUMBER.fullmatch(text):
        raise Invalid("log_lines", "must be a number from 1 on")
    return min(int(text), MOST_LINES)
