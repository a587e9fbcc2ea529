"""What a simulated device can do on the wire, whatever its dialect."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from polyfleet.simulator.download import Download
from polyfleet.simulator.faults import Fault
from polyfleet.simulator.machine import Machine, Told
from polyfleet.simulator.wire import Answer, Unreachable, Wire

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Offer:
    """An update that a device was offered."""

    name: str
    """What tells it from others: a package's number, a request, a version."""
    version: str | None
    """What it brings; None if only the file says."""
    link: str | None = None
    sha256: str | None = None


class Speaker(ABC):
    """One device's side of a dialect."""

    def __init__(self, machine: Machine, wire: Wire, interval: float) -> None:
        self.machine = machine
        self.lag = 0.0
        """How many seconds it waits before each request."""
        self.interval = interval
        self._wire = wire

    @abstractmethod
    async def enter(self, told: Told) -> bool:
        """Say who it is and what it runs; False if the server does not let it in (yet)."""

    @abstractmethod
    async def ask(self, told: Told) -> Offer | None:
        """Ask for an update; None if there is none."""

    async def version_of(self, offer: Offer) -> str | None:
        """Return the version that an offer brings; None if nothing tells."""
        return offer.version

    async def fetch(self, download: Download, *, until: float) -> bool:
        """Go on with a download up to a share of it; say whether it is whole.

        Raises DownloadRefused and Unreachable.
        """
        return await download.go_on(self._wire, until=until, lag=self.lag)

    @abstractmethod
    async def report(self, offer: Offer, *, installed: bool) -> None:
        """Tell what became of an offer, where the dialect has a way to."""

    @abstractmethod
    async def forget(self) -> None:
        """Lose connections and tokens, as in a loss of power."""

    async def _send(
        self,
        method: str,
        path: str,
        *,
        route: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        waits: float = 0.0,
    ) -> Answer:
        """Send a request as this device does: late if it is slow, twice if it repeats itself.

        Raises Unreachable.
        """
        if self.lag:
            await asyncio.sleep(self.lag)
        twice = Fault.REPEATING in self.machine.script.faults and not waits
        answers = await asyncio.gather(
            *(
                self._wire.send(method, path, route=route, headers=headers, body=body, waits=waits)
                for _ in range(2 if twice else 1)
            ),
            return_exceptions=True,
        )
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, Unreachable):
                raise answer
        [first, *_] = answers
        if isinstance(first, BaseException):
            raise first
        return first


def encoded(document: Any) -> bytes:
    """Return a document as JSON."""
    return orjson.dumps(document)
