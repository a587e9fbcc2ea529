"""Changing who is in a group, and tidying up behind it where no operator does."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import structlog

from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.kube.cache import Cache
from polyfleet.kube.errors import ApiError
from polyfleet.kube.membership import change_members, tidy
from polyfleet.kube.membership_move import move_to_group
from polyfleet.kube.tasks import cancel_and_wait
from polyfleet.kube.writer import Writer

_OPERATOR_FIRST_SECONDS = 10.0
_MOST_GROUPS = 1024

log = structlog.get_logger("polyfleet.membership")


class MembershipWriter:
    """Changes members for the dialects.

    A committed change leaves marks on devices, which lock them against the next change until they
    are settled. The operator settles them at once; while it is away, the facade does so after a
    while. Enter it to own the task that does.
    """

    def __init__(self, writer: Writer, cache: Cache, *, clock: Callable[[], datetime]) -> None:
        self._writer = writer
        self._cache = cache
        self._clock = clock
        self._due: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            await cancel_and_wait(self._task)

    async def change(
        self, group: DeviceGroup, add: Sequence[Device], remove: Sequence[Device]
    ) -> None:
        """Add and remove members, all or nothing; raises as `kube.membership.change_members`."""
        await change_members(self._writer, self._cache, group, add, remove, self._clock())
        if len(add) + len(remove) > 1 and len(self._due) < _MOST_GROUPS:
            due = asyncio.get_running_loop().time() + _OPERATOR_FIRST_SECONDS
            self._due.setdefault(group.metadata.name, due)
            self._wake.set()

    async def move(self, group: DeviceGroup, device: Device) -> bool:
        """Leave the device in the group alone; as `kube.membership_move.move_to_group`."""
        return await move_to_group(self._writer, self._cache, group, device, self._clock())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._due:
                self._wake.clear()
                await self._wake.wait()
            name, due = min(self._due.items(), key=lambda item: item[1])
            await asyncio.sleep(max(0.0, due - loop.time()))
            del self._due[name]
            again = await self._tidy(name)
            if again is not None:
                self._due[name] = loop.time() + max(again, _OPERATOR_FIRST_SECONDS)

    async def _tidy(self, name: str) -> float | None:
        group = self._cache.groups.get(name)
        if group is None:
            return None
        try:
            return await tidy(self._writer, self._cache, group, self._clock())
        except ApiError as error:
            log.warning("marks not settled yet", group=name, reason=str(error))
            return _OPERATOR_FIRST_SECONDS
        except Exception:
            log.exception("marks not settled yet", group=name)
            return _OPERATOR_FIRST_SECONDS
