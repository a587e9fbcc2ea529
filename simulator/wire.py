"""HTTP as the simulated devices and people use it: bounded, paced and counted."""

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import orjson

from polyfleet.simulator.tally import Tally

_SECONDS = 30.0


class Unreachable(Exception):  # noqa: N818 - what it says is what it is
    """There was no answer."""


class ForeignLink(Exception):  # noqa: N818 - as above
    """A link leads to a server that nobody asked this simulation to speak to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> object:
        """Return the JSON in the body; None if there is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


class Wire:
    """Requests to one server: so many at a time, so many a second.

    Requests that the server holds until there is news (`waits`) are bounded apart, since they
    cost it nothing meanwhile.
    """

    def __init__(
        self, url: str, tally: Tally, *, concurrency: int, waiting: int, rate: float
    ) -> None:
        self.url = url.rstrip("/")
        self.tally = tally
        self._slots = asyncio.Semaphore(concurrency)
        self._waiting = asyncio.Semaphore(waiting)
        self._gap = 1.0 / rate
        self._next = 0.0
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        """Open connections as they are needed."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(
        self,
        method: str,
        path: str,
        *,
        route: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        waits: float = 0.0,
    ) -> Answer:
        """Send a request and read its answer; `route` is what it is counted as.

        `waits` says for how many seconds the server was asked to hold it. Raises Unreachable.
        """
        async with self._waiting if waits else self._slots:
            await self._paced()
            started = time.perf_counter()
            timeout = aiohttp.ClientTimeout(total=_SECONDS + waits)
            try:
                async with self._session.request(
                    method,
                    f"{self.url}{path}",
                    headers=headers,
                    data=body,
                    timeout=timeout,
                    allow_redirects=False,
                ) as response:
                    answer = Answer(response.status, await response.read(), response.headers)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.tally.lost(route)
                raise Unreachable(route) from error
            self.tally.answered(route, answer.status, time.perf_counter() - started)
            return answer

    @asynccontextmanager
    async def fetch(
        self, link: str, *, route: str, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a link of the server to read it in parts. Raises ForeignLink and Unreachable."""
        if not is_near(link, self.url):
            raise ForeignLink(link)
        async with self._slots:
            await self._paced()
            started = time.perf_counter()
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_SECONDS, sock_read=_SECONDS)
            status = 0
            try:
                async with self._session.get(
                    link, headers=headers, timeout=timeout, allow_redirects=False
                ) as response:
                    status = response.status
                    yield response
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                status = 0
                self.tally.lost(route)
                raise Unreachable(route) from error
            finally:
                if status:
                    self.tally.answered(route, status, time.perf_counter() - started)

    async def socket(
        self, path: str, headers: Mapping[str, str]
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket; the caller closes it. Raises Unreachable."""
        await self._paced()
        try:
            return await self._session.ws_connect(f"{self.url}{path}", headers=headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.tally.lost(path)
            raise Unreachable(path) from error

    async def _paced(self) -> None:
        """Wait for this request's turn."""
        now = time.monotonic()
        self._next = max(self._next, now) + self._gap
        await asyncio.sleep(self._next - self._gap - now)


def is_loopback(url: str) -> bool:
    """Say whether the URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_near(link: str, url: str) -> bool:
    """Say whether a link leads to the server at `url`, or to this machine as that one does."""
    return urlsplit(link).netloc == urlsplit(url).netloc or (is_loopback(link) and is_loopback(url))
