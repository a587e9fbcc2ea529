"""Doing one thing to many objects, a bounded number at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


async def for_each(
    items: Iterable[Item], call: Callable[[Item], Awaitable[object]], *, workers: int = 32
) -> None:
    """Await `call` for each item, `workers` at a time.

    After a failure no further call begins; those under way are let finish, for nobody would know
    what became of a write that is cut off. Then the first failure is raised.
    """
    failures: list[Exception] = []
    queue = iter(items)

    async def work() -> None:
        for item in queue:
            if failures:
                return
            try:
                await call(item)
            except Exception as error:  # noqa: BLE001  raised below, once all have stopped
                failures.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    if failures:
        raise failures[0]
