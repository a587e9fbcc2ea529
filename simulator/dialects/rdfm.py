"""A device with an RDFM client: it signs in with its key, asks, downloads, signs in anew."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp

from polyfleet.simulator.dialects.speaker import JSON, Offer, Speaker, encoded
from polyfleet.simulator.download import Download
from polyfleet.simulator.keys import KeyPool
from polyfleet.simulator.machine import Machine, Told
from polyfleet.simulator.wire import Unreachable, Wire

AUTH, CHECK, SOCKET = "/api/v1/auth/device", "/api/v1/update/check", "/api/v1/devices/ws"

_OK = 200
_MARGIN = 5.0


VersionOf = Callable[[str], Awaitable[str | None]]
"""Tells the version of a package by its number, None if it does not know."""


class RdfmSpeaker(Speaker):
    """Tells its version with every token and every question; holds a WebSocket if it is to."""

    def __init__(
        self,
        machine: Machine,
        wire: Wire,
        interval: float,
        keys: KeyPool,
        versions: VersionOf | None,
    ) -> None:
        super().__init__(machine, wire, interval)
        self._versions = versions
        self.public_key = keys.public_pem(machine.number)
        self._keys = keys
        self._token = ""
        self._expires = 0.0
        self._entered_as: Told | None = None
        self._socket: asyncio.Task[None] | None = None
        self._messages: asyncio.Queue[bytes] = asyncio.Queue(16)

    async def enter(self, told: Told) -> bool:
        """Fetch a token, unless the one at hand holds and said the same."""
        if told == self._entered_as and time.monotonic() < self._expires:
            return True
        body = encoded(
            {
                "metadata": self._metadata(told),
                "public_key": self.public_key,
                "timestamp": int(time.time()),
            }
        )
        # Signing takes a millisecond: not worth a thread.
        signature = base64.b64encode(self._keys.sign(self.machine.number, body)).decode()
        answer = await self._send(
            "POST",
            AUTH,
            route=AUTH,
            headers={**JSON, "X-RDFM-Device-Signature": signature},
            body=body,
        )
        found = answer.json()
        if answer.status != _OK or not isinstance(found, dict):
            return False
        self._token = str(found["token"])
        self._expires = time.monotonic() + float(found["expires"]) - _MARGIN
        self._entered_as = told
        self.machine.acknowledged = told.version
        if self.machine.script.holds_socket and (self._socket is None or self._socket.done()):
            self._socket = asyncio.create_task(self._hold(self._token))
        return True

    async def ask(self, told: Told) -> Offer | None:
        """Ask for an update."""
        answer = await self._send(
            "POST",
            CHECK,
            route=CHECK,
            headers={**JSON, **self._credential()},
            body=encoded(self._metadata(told)),
        )
        if answer.status in (401, 403):
            self._entered_as = None
        found = answer.json()
        if answer.status != _OK or not isinstance(found, dict):
            return None
        return Offer(str(found["id"]), None, str(found["uri"]), str(found["sha256"]))

    async def version_of(self, offer: Offer) -> str | None:
        """Ask the people who know, as RDFM's offers name no version; else look into the file."""
        if self._versions is not None and (known := await self._versions(offer.name)) is not None:
            return known
        if offer.link is None:
            return None
        download = Download(offer.link)
        await download.go_on(self._wire, most=256)
        return download.first_line or None

    async def report(self, offer: Offer, *, installed: bool) -> None:
        """Tell over the WebSocket how it went; the next token tells it in any case."""
        del offer
        if self._socket is not None and installed:
            with suppress(asyncio.QueueFull):
                self._messages.put_nowait(encoded({"method": "update_progress", "progress": 100}))
                self._messages.put_nowait(
                    encoded({"method": "update_version", "version": self.machine.told().version})
                )

    async def forget(self) -> None:
        """Lose the token and the WebSocket."""
        self._entered_as = None
        if self._socket is not None:
            self._socket.cancel()
            await asyncio.gather(self._socket, return_exceptions=True)
            self._socket = None
        while not self._messages.empty():
            self._messages.get_nowait()

    def _credential(self) -> dict[str, str]:
        return {"Authorization": f"Bearer token={self._token}"}

    def _metadata(self, told: Told) -> dict[str, str]:
        return {
            "rdfm.hardware.devtype": told.device_type,
            "rdfm.hardware.macaddr": told.identifier,
            "rdfm.software.version": told.version,
            "rdfm.software.supports_xdelta": "true",
            "rdfm.software.supports_rsync": "true",
        }

    async def _hold(self, token: str) -> None:
        """Hold a WebSocket: say what the device can do, then what it has to say."""
        credential = {"Authorization": f"Bearer token={token}"}
        try:
            socket = await self._wire.socket(SOCKET, credential)
        except Unreachable:
            return
        self._wire.tally.events["WebSockets opened"] += 1
        async with socket:
            capabilities = {"shell": False, "action": False, "update-progress": True}
            saying = asyncio.create_task(
                self._say(
                    socket,
                    encoded({"method": "capability_report", "capabilities": capabilities}),
                )
            )
            try:
                async for message in socket:
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
            finally:
                saying.cancel()
                await asyncio.gather(saying, return_exceptions=True)

    async def _say(self, socket: aiohttp.ClientWebSocketResponse, first: bytes) -> None:
        await socket.send_str(first.decode())
        while True:
            await socket.send_str((await self._messages.get()).decode())
