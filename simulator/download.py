"""A download that a device begins, loses and goes on with."""

import asyncio
import hashlib

from polyfleet.simulator.wire import Unreachable, Wire

_CHUNK = 64 * 1024
_LONGEST_LINE = 256
_PAUSES = 8
_PARTIAL, _OK, _NOT_SATISFIABLE = 206, 200, 416


class DownloadRefused(Exception):  # noqa: N818 - what it says is what it is
    """The server did not give the file."""


class Download:
    """One file. As in RDFM's own client every request has a `Range`, also the first."""

    def __init__(self, link: str, announced: str | None = None) -> None:
        self.link = link
        self.announced = announced
        """The digest that the server named."""
        self._begin()

    @property
    def sha256(self) -> str:
        """The digest of what was received so far, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def first_line(self) -> str:
        """What the file begins with: by the custom of our examples, the version that it holds.

        Empty if that is no text.
        """
        try:
            line = self._head.partition(b"\n")[0].decode().strip()
        except UnicodeDecodeError:
            return ""
        return line if line.isprintable() else ""

    async def go_on(
        self, wire: Wire, *, until: float = 1.0, most: int | None = None, lag: float = 0.0
    ) -> bool:
        """Receive the file, up to a share of it or `most` bytes; say whether it is whole.

        A slow device pauses for `lag` seconds after each of the first parts. Raises
        DownloadRefused, and Unreachable if it was cut short.
        """
        headers = {"Range": f"bytes={self.received}-{'' if most is None else most - 1}"}
        async with wire.fetch(self.link, route="download", headers=headers) as response:
            if response.status == _NOT_SATISFIABLE:
                return True  # nothing is missing
            if response.status == _OK:
                self._begin()  # the whole file comes again
            elif response.status != _PARTIAL:
                raise DownloadRefused(str(response.status))
            total = self.received + int(response.headers.get("Content-Length", 0))
            stop = total if until >= 1 else int(total * until)
            async for chunk in response.content.iter_chunked(_CHUNK):
                self._take(chunk[: max(0, stop - self.received)])
                if self.received >= stop:
                    break
                if lag and self.received <= _PAUSES * _CHUNK:
                    await asyncio.sleep(lag)
            if self.received < stop:
                raise Unreachable("download")
            return stop == total and most is None

    def _begin(self) -> None:
        self.received = 0
        self._digest = hashlib.sha256()
        self._head = b""

    def _take(self, chunk: bytes) -> None:
        self.received += len(chunk)
        self._digest.update(chunk)
        if len(self._head) < _LONGEST_LINE:
            self._head += chunk[: _LONGEST_LINE - len(self._head)]
