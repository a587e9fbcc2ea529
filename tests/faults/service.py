"""What stands before several facades: one address, as a Kubernetes Service is."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

from tests.kube.servers import Proxy

Result = TypeVar("Result")


class Balancer(Proxy):
    """Gives each connection to the next facade in turn that takes it.

    Connections are never moved: who was connected to a facade that dies sees it die.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__("127.0.0.1", ports[0])
        self._ports = tuple(ports)
        self._turn = count()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        first = next(self._turn)
        for number in range(len(self._ports)):
            port = self._ports[(first + number) % len(self._ports)]
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
        raise ConnectionRefusedError("no facade takes connections")


class LoopThread:
    """An event loop in a thread of its own, for what goes on beside a test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="beside", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result], *, seconds: float = 60.0) -> Result:
        """Run a coroutine there and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def close(self) -> None:
        """End the loop; what runs in it must have ended."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30)
        self.loop.close()


@contextmanager
def beside() -> Iterator[LoopThread]:
    """Provide a loop in a thread for the length of the block."""
    thread = LoopThread()
    try:
        yield thread
    finally:
        thread.close()


@contextmanager
def balanced(ports: Sequence[int]) -> Iterator[str]:
    """Provide the URL of a balancer before the facades at these ports."""
    with beside() as thread:
        balancer = Balancer(ports)
        thread.run(balancer.__aenter__())
        try:
            yield f"http://127.0.0.1:{balancer.port}"
        finally:
            thread.run(balancer.__aexit__(None, None, None))
