"""The work queue against a model: whatever is added, superseded and looked at, at whatever time."""

import asyncio
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from polyfleet.operator.metrics import QueueMetrics
from polyfleet.operator.queue import Key, WorkQueue

DAY = 86_400.0
SPARE = 64
"""How many superseded entries even a short queue may hold."""

names = st.sampled_from("abcdef")
delays = st.sampled_from([0.0, 1.0, 60.0, 3600.0, DAY])
Step = tuple[float, list[tuple[str, float]], int]
steps = st.lists(
    st.tuples(delays, st.lists(st.tuples(names, delays), max_size=8), st.integers(1, 40)),
    max_size=6,
)
"""Time that passes, and what is added then; so many times."""
agains = st.dictionaries(names, st.sampled_from([1.0, 60.0, 3600.0, 7 * DAY]))


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time goes on when the test says so."""

    now = 1000.0

    def time(self) -> float:
        return self.now


class Model:
    """What a queue with one worker does."""

    def __init__(self, again: dict[str, float]) -> None:
        self.again = again
        self.due: dict[str, tuple[float, int]] = {}
        self.seen: list[str] = []
        self._count = 0

    def add(self, name: str, due: float) -> None:
        if name not in self.due or due < self.due[name][0]:
            self._count += 1
            self.due[name] = due, self._count

    def work(self, now: float) -> None:
        while self.due:
            name = min(self.due, key=lambda each: self.due[each])
            if self.due[name][0] > now:
                return
            del self.due[name]
            self.seen.append(name)
            if name in self.again:
                self.add(name, now + self.again[name])


@settings(deadline=None)
@given(agains, steps)
def test_it_looks_in_order_and_holds_no_more_than_what_waits(
    again: dict[str, float], steps: list[Step]
) -> None:
    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(compare(again, steps))


def test_entries_far_off_do_not_pile_up() -> None:
    """An object that is to be looked at in a week changes all the time."""
    again = dict.fromkeys("abcdef", 7 * DAY)
    rounds = (1.0, [(name, 0.0) for name in "abcdef"], 1000)
    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(compare(again, [rounds]))


async def compare(again: dict[str, float], steps: Iterable[Step]) -> None:
    clock = asyncio.get_running_loop()
    assert isinstance(clock, Clock)
    model, seen = Model(again), list[str]()

    async def handle(key: Key) -> float | None:
        seen.append(key.name)
        return again.get(key.name)

    metrics = QueueMetrics(CollectorRegistry())
    queue = WorkQueue("few", handle, workers=1, spacing={}, metrics=metrics)
    working = asyncio.create_task(queue.run())
    for passing, added, times in steps:
        for _ in range(times):
            clock.now += passing
            await settled()
            model.work(clock.now)
            for name, delay in added:
                queue.add(Key("group", name), delay)
                model.add(name, clock.now + delay)
            await settled()
            model.work(clock.now)
            assert seen == model.seen
            assert len(queue) == len(model.due)
            assert len(queue._heap) <= 2 * len(queue) + SPARE
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def settled() -> None:
    """Let the worker run until it waits for the time or for what is added."""
    for _ in range(8):
        await asyncio.sleep(0)
