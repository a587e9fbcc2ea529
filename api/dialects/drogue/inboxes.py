"""Commands that wait for devices, and devices that wait for commands.

A command is delivered by whoever first writes so, checked by its version: with any number of
replicas it goes to one request of the device, and only after that write.
"""

import asyncio
import socket
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from operator import attrgetter
from typing import Any

import structlog

from polyfleet.api.core.errors import PolyfleetError, Unavailable
from polyfleet.api.dialects.drogue.errors import QueueFull
from polyfleet.fleet.instants import parse, timestamp
from polyfleet.fleet.objects.command import Command
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import COMMANDS
from polyfleet.kube.errors import ApiError, Conflict, Invalid, NotFound
from polyfleet.kube.store import Change, Store
from polyfleet.kube.tasks import cancel_and_wait
from polyfleet.kube.writer import Writer

MAX_OPEN = 64
"""Commands that may wait for one device."""
_OPEN = "drogue: open commands"
_DELIVERED = "drogue: delivered commands"

Address = tuple[str, str]
"""The object name of an application, and a device's own name."""

log = structlog.get_logger("polyfleet.drogue")


class Inboxes:
    """The inboxes of all devices, as this replica sees them."""

    def __init__(
        self,
        store: Store[Command],
        devices: Store[Device],
        writer: Writer,
        *,
        clock: Callable[[], datetime],
        most_waiting: int,
    ) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock
        self._most_waiting = most_waiting
        self._process = socket.gethostname()
        self._waiting: dict[Address, set[asyncio.Event]] = {}
        self._waiters = 0
        self._making: Counter[Address] = Counter()
        store.add_index(_OPEN, _open_key, order=attrgetter("spec.created_at"))
        store.add_index(_DELIVERED, _delivered_key, order=attrgetter("spec.created_at"))
        self._leave = store.subscribe(self._changed), devices.subscribe(self._device_changed)

    def stop(self) -> None:
        """Follow commands and devices no longer."""
        for leave in self._leave:
            leave()

    def open(self, address: Address) -> list[Command]:
        """Return the commands that wait for a device, the oldest first."""
        now = self._clock()
        return [item for item in self._store.find(_OPEN, address) if _expires(item) > now]

    def delivered(self, address: Address, request: str | None) -> Command | None:
        """Return the delivered command that is meant; without a name the newest unanswered one."""
        for command in reversed(list(self._store.find(_DELIVERED, address))):
            if command.metadata.name == request:
                return command
            if request is None and command.status.answer is None:
                return command
        return None

    async def send(self, device: Device, spec: Mapping[str, Any], labels: dict[str, str]) -> str:
        """Put a command into a device's inbox; return its name. Raises QueueFull."""
        address = address_of(device)
        if len(self.open(address)) + self._making[address] >= MAX_OPEN:
            raise QueueFull("too many commands wait for the device", retry_after=1.0)
        name = f"cmd-{uuid.uuid4().hex}"
        with self._counted(address):
            await self._writer.create(COMMANDS, name, spec, labels=labels)
        return name

    async def take(
        self,
        address: Address,
        *,
        seconds: float,
        gone: Awaitable[object],
        still_allowed: Callable[[], Awaitable[bool]],
        read_again: Callable[[], Awaitable[None]],
    ) -> Command | None:
        """Return the device's next command, once it is written down as delivered.

        Waits so many seconds for one; None if there is none by then, or `gone` ended before.
        Who asks is asked for again by `still_allowed` when there is one, after `read_again`, and
        when the device changes: it raises, or returns False for None. A command that may not be
        handed out waits on. Raises Unavailable if too many wait already.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        left = asyncio.ensure_future(gone)
        try:
            with self._notified(address) as event:
                while not left.done():
                    event.clear()
                    command = await self._claim_next(address)
                    if command is not None:
                        return await self._if_allowed(command, still_allowed, read_again)
                    remaining = deadline - loop.time()
                    if remaining <= 0 or not await _first(event, left, remaining):
                        return None
                    if not await still_allowed():
                        return None
        finally:
            await cancel_and_wait(left)
        return None

    async def _claim_next(self, address: Address) -> Command | None:
        for command in self.open(address):
            try:
                if (claimed := await self._claim(command)) is not None:
                    return claimed
            except (NotFound, Conflict):
                pass  # it is another request's, or nobody's any more
            except Invalid as error:
                # One that cannot be written down as delivered keeps those behind it from nobody.
                log.warning("command passed over", command=command.metadata.name, reason=str(error))
        return None

    async def _if_allowed(
        self,
        command: Command,
        still_allowed: Callable[[], Awaitable[bool]],
        read_again: Callable[[], Awaitable[None]],
    ) -> Command | None:
        """Return a claimed command, or let it wait on for somebody who may have it."""
        try:
            await read_again()
            if await still_allowed():
                return command
        except (PolyfleetError, ApiError):
            await self._put_back(command)
            raise
        await self._put_back(command)
        return None

    async def _put_back(self, claimed: Command) -> None:
        def decide(item: Command) -> Mapping[str, Any] | None:
            if item.status.delivered != claimed.status.delivered:
                return None
            return {"status": {"delivered": None}}

        with suppress(ApiError):  # then it is lost, as if whoever took it had gone away
            await self._writer.update(COMMANDS, claimed.metadata.name, decide, subresource="status")

    async def _claim(self, command: Command) -> Command | None:
        mark = f"{self._process}/{uuid.uuid4().hex}"

        def decide(item: Command) -> Mapping[str, Any] | None:
            if item.status.delivered is not None or item.metadata.uid != command.metadata.uid:
                return None
            at = timestamp(self._clock())
            return {"status": {"delivered": {"at": at, "by": mark}}}

        claimed = await self._writer.update(
            COMMANDS, command.metadata.name, decide, subresource="status"
        )
        delivered = claimed.status.delivered
        return claimed if delivered is not None and delivered.by == mark else None

    def _changed(self, change: Change[Command]) -> None:
        new = change.new
        if new is not None and new.status.delivered is None:
            for event in self._waiting.get((new.spec.application, new.spec.device), ()):
                event.set()

    def _device_changed(self, change: Change[Device]) -> None:
        old, new = change.old, change.new
        if old is None or (events := self._waiting.get(address_of(old))) is None:
            return
        if new is None or new.metadata.terminating or new.spec != old.spec:
            for event in events:
                event.set()

    @contextmanager
    def _notified(self, address: Address) -> Iterator[asyncio.Event]:
        if self._waiters >= self._most_waiting:
            raise Unavailable("too many devices wait for commands", retry_after=5.0)
        event = asyncio.Event()
        self._waiting.setdefault(address, set()).add(event)
        self._waiters += 1
        try:
            yield event
        finally:
            self._waiters -= 1
            events = self._waiting[address]
            events.discard(event)
            if not events:
                del self._waiting[address]

    @contextmanager
    def _counted(self, address: Address) -> Iterator[None]:
        self._making[address] += 1
        try:
            yield
        finally:
            self._making[address] -= 1
            if not self._making[address]:
                del self._making[address]


def address_of(device: Device) -> Address:
    """Return where a device's commands go."""
    return device.spec.application, device.spec.device_id


async def _first(event: asyncio.Event, gone: asyncio.Future[Any], seconds: float) -> bool:
    """Wait for the event; False if the time is over or the client has gone before it."""
    waiting: asyncio.Future[Any] = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return waiting.done()
    finally:
        await cancel_and_wait(waiting)


def _open_key(command: Command) -> tuple[Address, ...]:
    if command.status.delivered is not None or command.metadata.terminating:
        return ()
    return ((command.spec.application, command.spec.device),)


def _delivered_key(command: Command) -> tuple[Address, ...]:
    if command.status.delivered is None:
        return ()
    return ((command.spec.application, command.spec.device),)


def _expires(command: Command) -> datetime:
    return parse(command.spec.expires_at)
