"""Two processes whose requests reach the API server in an order chosen beforehand."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

from polyfleet.kube.errors import NotFound
from polyfleet.kube.refusal import Refused
from tests.kube.transactions.side import Side

Outcome = Literal["done", "refused", "killed"]

_SETTLING = 100


@dataclass(frozen=True)
class Death:
    """Which process dies, at which of its requests, and whether that one is still carried out."""

    process: int
    request: int
    after_sending: bool


@dataclass(frozen=True)
class Script:
    """Whose request comes next, as long as there is a choice, and who dies."""

    order: tuple[int, ...]
    death: Death | None


deaths = st.builds(Death, st.integers(0, 1), st.integers(1, 12), st.booleans())
# Several requests in a row: the interesting orders are those in which one is far ahead.
runs = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 6)), max_size=6)
orders = runs.map(lambda found: tuple(number for number, times in found for _ in range(times)))
scripts = st.builds(Script, orders, st.none() | deaths)


class Turns:
    """Lets through one request at a time."""

    def __init__(self, script: Script) -> None:
        self._order = list(script.order)
        self._death = script.death
        self._queues: tuple[list[asyncio.Future[None]], ...] = ([], [])
        self._sent = [0, 0]
        self._news = asyncio.Event()
        self._passed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def run(
        self, sides: Sequence[Side], works: Sequence[Coroutine[Any, Any, None]]
    ) -> list[Outcome]:
        """Run each side's work and return what became of it."""
        for number, side in enumerate(sides):
            side.client.gate = self._gate(number)
        self._tasks = [asyncio.create_task(work) for work in works]
        try:
            async with asyncio.timeout(60):
                while not all(task.done() for task in self._tasks):
                    await self._next()
        finally:
            for side in sides:
                side.client.gate = None
        return [_outcome(task) for task in self._tasks]

    async def _next(self) -> None:
        for _ in range(_SETTLING):
            await asyncio.sleep(0)
        self._news.clear()
        for queue in self._queues:
            queue[:] = [turn for turn in queue if not turn.done()]  # some of the dead
        waiting = [number for number, queue in enumerate(self._queues) if queue]
        if not waiting:
            news = asyncio.create_task(self._news.wait())
            running = [task for task in self._tasks if not task.done()]
            if running:
                await asyncio.wait([news, *running], return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
            with suppress(asyncio.CancelledError):
                await news
            return
        chosen = waiting[0]
        if len(waiting) > 1 and self._order:
            chosen = self._order.pop(0)
        self._passed.clear()
        self._queues[chosen].pop(0).set_result(None)
        await self._passed.wait()

    def _gate(self, number: int) -> Callable[[Callable[[], Awaitable[bytes]]], Awaitable[bytes]]:
        async def gate(send: Callable[[], Awaitable[bytes]]) -> bytes:
            turn = asyncio.get_running_loop().create_future()
            self._queues[number].append(turn)
            self._news.set()
            await turn
            try:
                self._sent[number] += 1
                death = self._death
                dies = death is not None and (death.process, death.request) == (
                    number,
                    self._sent[number],
                )
                answer = b"" if dies and death and not death.after_sending else await send()
                if dies:
                    self._tasks[number].cancel()
                    self._passed.set()
                    await asyncio.Event().wait()
                return answer
            finally:
                self._passed.set()

        return gate


def _outcome(task: asyncio.Task[None]) -> Outcome:
    if task.cancelled():
        return "killed"
    error = task.exception()
    if error is None:
        return "done"
    if isinstance(error, Refused | NotFound):
        return "refused"
    raise error
