"""The HTTP server of a facade, which ends without a failed request."""

import asyncio
import socket
from contextlib import suppress

import uvicorn

from polyfleet.api.app import FacadeApplication
from polyfleet.api.protocol import BoundedProtocol
from polyfleet.kube.garbage import collect_rarely

DRAIN_SECONDS = 2.0
"""How long clients have to send their next request over a connection that is then closed."""


class FacadeServer(uvicorn.Server):
    """Uvicorn's server with a gentler end.

    Requests that wait for news are answered at once that there is none. Uvicorn closes the
    connections that are idle, in the very moment in which their clients may send the next request;
    here that one is answered, and the answer says that it is the last.
    """

    def __init__(self, config: uvicorn.Config, application: FacadeApplication) -> None:
        super().__init__(config)
        self._application = application

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Fill the cache, which stays, and begin to serve."""
        await super().startup(sockets)
        collect_rarely()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let those that are there end, then do what uvicorn does."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        self._application.stop_waiting()
        drained = min(DRAIN_SECONDS, (self.config.timeout_graceful_shutdown or 0) / 2)
        with suppress(TimeoutError):
            async with asyncio.timeout(drained):
                await self._drain()
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        told: set[BoundedProtocol] = set()
        while True:
            left = {
                connection
                for connection in self.server_state.connections
                if isinstance(connection, BoundedProtocol)
            }
            if not left or self.force_exit:
                return
            for connection in left - told:
                connection.drain()
            told |= left
            await asyncio.sleep(0.02)
