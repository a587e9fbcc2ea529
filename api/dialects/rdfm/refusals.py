"""Answers held back: a client that is refused asks again at once, hundreds of times a second."""

import asyncio


class Refusals:
    """Holds refusals back for some seconds, a bounded number at once."""

    def __init__(self, *, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._held = 0

    async def hold(self) -> bool:
        """Wait before a refusal is sent; False at once if too many wait already."""
        if self._held >= self._most:
            return False
        self._held += 1
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self._held -= 1
        return True
