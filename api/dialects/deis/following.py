"""An answer that goes on: an application's log as it grows, until the client leaves or must."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polyfleet.api.dialects.deis import log_lines
from polyfleet.api.dialects.deis.containers import numbered
from polyfleet.api.dialects.deis.log_lines import Line
from polyfleet.api.dialects.deis.pods import Pods
from polyfleet.fleet.objects.application import Application
from polyfleet.kube.errors import ApiError
from polyfleet.kube.tasks import cancel_and_wait

MOST_FOLLOWED = 50
"""Containers of one log that are followed at once; the newest come first."""
_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 2.0
_WAITING_LINES = 1_000

_log = structlog.get_logger("polyfleet.deis")


class Followed(Response):
    """Sends the lines that there are, and then each new one.

    `own` is asked each second for what was done to the application; each container's log is a
    stream of its own. A slow client slows these down: at most a thousand lines wait for it.
    `holds` is asked each second and before each piece: once it says no, nothing more is sent.
    """

    media_type = "text/plain"

    def __init__(
        self,
        application: Application,
        before: Sequence[Line],
        *,
        own: Callable[[], Awaitable[Sequence[Line]]],
        holds: Callable[[], Awaitable[bool]],
        pods: Pods,
        tail: int,
        seconds: float,
        done: Callable[[], None],
    ) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._application = application
        self._before = before
        self._own = own
        self._holds = holds
        self._pods = pods
        self._tail = tail
        self._seconds = seconds
        self._done = done
        self._queue: asyncio.Queue[Line] = asyncio.Queue(_WAITING_LINES)
        self._streams: dict[str, asyncio.Task[None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client leaves, may not read it any more, or the time is over."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                await self._until_left(receive, send)
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._done()

    async def _until_left(self, receive: Receive, send: Send) -> None:
        tasks = [
            asyncio.create_task(job, name="log follower")
            for job in (_left(receive), self._send(send), self._look(), self._tell())
        ]
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            pass
        finally:
            await cancel_and_wait(*tasks, *self._streams.values())

    async def _send(self, send: Send) -> None:
        """Send what waits, all of it in one piece."""
        lines = self._before
        while await self._holds():
            await send(_body(lines))
            found = [await self._queue.get()]
            while not self._queue.empty():
                found.append(self._queue.get_nowait())
            lines = sorted(found)

    async def _tell(self) -> None:
        """Pass on what is done to the application, while it may be read."""
        told = set(self._before)
        newest = max(told, default=Line("", ""))
        while await self._holds():
            await asyncio.sleep(_LOOK_SECONDS)
            for line in await self._own():
                if line not in told and line.at >= newest.at:
                    told.add(line)
                    await self._queue.put(line)

    async def _look(self) -> None:
        """Begin to follow each container once it is there, and forget those that are gone."""
        tail = self._tail
        while True:
            containers = numbered(self._pods.of(self._application))[-MOST_FOLLOWED:]
            for container in containers:
                uid = container.pod.metadata.uid
                if uid not in self._streams:
                    tag = f"{container.pod.metadata.process_type}.{container.number}"
                    name = container.pod.metadata.name
                    self._streams[uid] = asyncio.create_task(
                        self._follow(name, tag, tail), name=f"log of {name}"
                    )
            present = {container.pod.metadata.uid for container in containers}
            for uid in [uid for uid in self._streams if uid not in present]:
                self._streams.pop(uid).cancel()
            # Of containers that come later, all that they print is new.
            tail = _WAITING_LINES
            await asyncio.sleep(_LOOK_SECONDS)

    async def _follow(self, name: str, tag: str, tail: int) -> None:
        last = ""
        while True:
            try:
                async with self._pods.client.pod_log(
                    name, lines=tail, follow=True, idle_timeout=self._seconds
                ) as chunks:
                    async for data in log_lines.split(chunks):
                        line = log_lines.of_container(self._application, tag, data)
                        if line.at > last:
                            last = line.at
                            await self._queue.put(line)
            except (ApiError, TimeoutError):
                pass
            except Exception:  # noqa: BLE001 - it is to go on, whatever that was
                _log.exception("log not followed", pod=name)
            # Not begun yet, ended, or begun again.
            await asyncio.sleep(_RETRY_SECONDS)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _body(lines: Sequence[Line]) -> dict[str, object]:
    text = "".join(line.shown for line in lines)
    return {"type": "http.response.body", "body": text.encode(), "more_body": True}
