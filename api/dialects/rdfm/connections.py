"""Which devices hold a WebSocket to this replica."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from polyfleet.fleet.objects.device import Device
from polyfleet.kube.store import Change, Store


@dataclass(slots=True)
class Connection:
    """A device's connection; `gone` is set when the device is removed or locked out."""

    uid: str
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Connections:
    """At most one connection a device."""

    def __init__(self, devices: Store[Device]) -> None:
        self._open: dict[str, Connection] = {}
        self._leave: Callable[[], None] = devices.subscribe(self._changed)

    def has(self, uid: str) -> bool:
        """Whether the device of that uid is connected."""
        return uid in self._open

    def open(self, uid: str) -> Connection | None:
        """Take note of a connection; None if the device has one already."""
        if uid in self._open:
            return None
        connection = self._open[uid] = Connection(uid)
        return connection

    def close(self, connection: Connection) -> None:
        """Take note that a connection ended."""
        self._open.pop(connection.uid, None)

    def stop(self) -> None:
        """Follow the devices no longer."""
        self._leave()

    def _changed(self, change: Change[Device]) -> None:
        if change.old is None:
            return
        connection = self._open.get(change.old.metadata.uid)
        if connection is None:
            return
        new = change.new
        if new is None or new.metadata.terminating or new.spec.disabled:
            connection.gone.set()
