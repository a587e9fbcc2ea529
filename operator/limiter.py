"""A budget of writes per second."""

import asyncio

_BURST_SECONDS = 1.0


class Limiter:
    """Lets through so many a second, and saves up at most one second's worth."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1.0 / per_second
        self._next = 0.0

    async def acquire(self) -> None:
        """Wait until the budget allows one more."""
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now - _BURST_SECONDS) + self._interval
        if self._next > now:
            await asyncio.sleep(self._next - now)
