"""The API server goes away and comes back, for tests of what clients get meanwhile."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from polyfleet.kube.configuration import load_connection
from tests.kube.servers import Proxy


class Line:
    """The line to the API server, which can be cut and mended from a test's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, proxy: Proxy) -> None:
        self._loop = loop
        self._proxy = proxy

    def cut(self) -> None:
        """End what is connected and refuse what comes."""
        self._loop.call_soon_threadsafe(self._proxy.refuse)

    def mend(self) -> None:
        """Let connections through again."""
        self._loop.call_soon_threadsafe(self._proxy.accept)


@pytest.fixture
def line_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Provide a loop in a thread of its own."""
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


@pytest.fixture
def line(
    line_loop: asyncio.AbstractEventLoop, service_account_kubeconfig: Callable[[str], Path]
) -> Iterator[tuple[Line, Path]]:
    """Provide a line to the API server, and the kubeconfig of a facade that uses it."""
    kubeconfig = service_account_kubeconfig("polyfleet-facade")
    address = urlsplit(load_connection(kubeconfig).host)
    proxy = Proxy(address.hostname or "", address.port or 443)

    def run(work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run_coroutine_threadsafe(work, line_loop).result(30)

    run(proxy.__aenter__())
    through = kubeconfig.with_name("through.kubeconfig")
    direct = f"{address.scheme}://{address.netloc}"
    through.write_text(kubeconfig.read_text().replace(direct, proxy.url))
    yield Line(line_loop, proxy), through
    run(proxy.__aexit__(None, None, None))
