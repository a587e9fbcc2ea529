"""The load generator, a process of its own: `python -m benchmarks.load <plan.json>`.

It sends prepared requests over some keep-alive connections, one at a time on each, as fast as
they are answered. It does nothing else, so that it is not what limits. It prints a line
`{"done": n}` now and then and at the end its result.
"""

import asyncio
import json
import ssl
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from polyfleet.kube.configuration import load_connection

_END_OF_HEAD = b"\r\n\r\n"
_END_OF_CHUNKS = b"\r\n0\r\n\r\n"
_TELL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send where. `requests` names a file; `kubeconfig` is given for TLS."""

    url: str
    requests: str
    connections: int
    repeat: bool = False
    seconds: float = 600
    kubeconfig: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it; times in seconds. `statuses` counts answers by HTTP status."""

    seconds: float
    statuses: dict[str, int]
    median: float
    p99: float
    errors: int

    @property
    def answered(self) -> int:
        """How many requests were answered."""
        return sum(self.statuses.values())


def write_requests(file: Path, requests: Iterator[bytes]) -> int:
    """Write requests to a file, each after its length; return how many they are."""
    count = 0
    with file.open("wb") as stream:
        for request in requests:
            stream.write(len(request).to_bytes(4, "big"))
            stream.write(request)
            count += 1
    return count


def read_requests(file: Path) -> list[bytes]:
    """Read what `write_requests` wrote."""
    data = file.read_bytes()
    requests, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        requests.append(data[at + 4 : end])
        at = end
    return requests


class _Run:
    """What the connections of one run share."""

    def __init__(self, plan: Plan) -> None:
        self.requests = read_requests(Path(plan.requests))
        self.repeat = plan.repeat
        self.ends = time.perf_counter() + plan.seconds
        self.sent = 0
        self.errors = 0
        self.statuses: Counter[int] = Counter()
        self.latencies = array("d")
        self.open = 0
        self.over = asyncio.Event()

    def take(self, now: float) -> bytes | None:
        at = self.sent
        if now >= self.ends:
            return None
        if at >= len(self.requests):
            if not self.repeat:
                return None
            at %= len(self.requests)
        self.sent += 1
        return self.requests[at]


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._transport: asyncio.Transport
        self._received = b""
        self._sent_at = 0.0
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._run.open += 1
        self._send(time.perf_counter())

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        status = _status_if_complete(received)
        if status is None:
            self._received = received
            return
        now = time.perf_counter()
        self._received = b""
        self._waiting = False
        self._run.statuses[status] += 1
        self._run.latencies.append(now - self._sent_at)
        self._send(now)

    def connection_lost(self, _: Exception | None) -> None:
        run = self._run
        run.errors += self._waiting
        run.open -= 1
        if run.open == 0:
            run.over.set()

    def _send(self, now: float) -> None:
        request = self._run.take(now)
        if request is None:
            self._transport.close()
            return
        self._waiting = True
        self._sent_at = now
        self._transport.write(request)


def _status_if_complete(data: bytes) -> int | None:
    end = data.find(_END_OF_HEAD)
    if end < 0:
        return None
    head = data[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        line = head.find(b"\r\n", at + 2)
        length = int(head[at + 17 : line if line >= 0 else end])
        complete = len(data) >= end + 4 + length
    elif b"\r\ntransfer-encoding: chunked" in head:
        complete = data.endswith(_END_OF_CHUNKS)
    else:
        complete = True
    return int(data[9:12]) if complete else None


async def _drive(plan: Plan) -> Outcome:
    address = urlsplit(plan.url)
    if address.hostname is None or address.port is None:
        raise ValueError(f"{plan.url} names no host and port")
    context: ssl.SSLContext | None = None
    if plan.kubeconfig:
        context = load_connection(Path(plan.kubeconfig)).ssl
    run = _Run(plan)
    loop = asyncio.get_running_loop()
    telling = asyncio.create_task(_tell(run))
    started = time.perf_counter()
    connections = [
        loop.create_connection(
            partial(_Connection, run), address.hostname, address.port, ssl=context
        )
        for _ in range(plan.connections)
    ]
    await asyncio.gather(*connections)
    await run.over.wait()
    seconds = time.perf_counter() - started
    telling.cancel()
    ordered = sorted(run.latencies)
    return Outcome(
        seconds=seconds,
        statuses={str(status): count for status, count in run.statuses.items()},
        median=ordered[len(ordered) // 2] if ordered else 0.0,
        p99=ordered[len(ordered) * 99 // 100] if ordered else 0.0,
        errors=run.errors,
    )


async def _tell(run: _Run) -> None:
    while True:
        await asyncio.sleep(_TELL_SECONDS)
        print(json.dumps({"done": len(run.latencies)}), flush=True)


if __name__ == "__main__":
    wanted = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    print(json.dumps({"outcome": asdict(uvloop.run(_drive(wanted)))}), flush=True)
