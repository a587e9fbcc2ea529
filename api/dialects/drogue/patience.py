"""How long a write is tried again while others write the same object."""

import asyncio
import time

from polyfleet.kube.jitter import between

SECONDS = 10.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


class Patience:
    """The pauses of one write: at random, or else many would go on coming at the same time."""

    def __init__(self) -> None:
        self._ends = time.monotonic() + SECONDS
        self._longest = _FIRST_PAUSE

    async def pause(self) -> bool:
        """Wait before the next attempt; return False at once if there is no time for one."""
        seconds = between(0, self._longest)
        if time.monotonic() + seconds > self._ends:
            return False
        await asyncio.sleep(seconds)
        self._longest = min(_LONGEST_PAUSE, 2 * self._longest)
        return True
