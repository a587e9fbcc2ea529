"""Which serials Devices had before somebody took or changed their labels."""

from collections import OrderedDict
from typing import Any

from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.serials import Numbered
from polyfleet.kube.changes import Change

_MOST = 250_000


class SerialMemory:
    """Remembers the right serial of Devices whose labels say another one, or none.

    Other kinds have theirs in the status from the beginning. A Device has a status only once
    there is something to say, which saves a write for each: until then, this is what is known.
    """

    def __init__(self) -> None:
        self._right: OrderedDict[str, int] = OrderedDict()

    def note(self, change: Change[Device]) -> None:
        """Take note of what happened to a Device."""
        old, new = change.old, change.new
        if old is None:
            return
        uid = old.metadata.uid
        if new is None or new.status.serial is not None:
            self._right.pop(uid, None)
        elif old.serial is not None and new.serial != old.serial:
            self._right.setdefault(uid, old.serial)
            if len(self._right) > _MOST:
                self._right.popitem(last=False)

    def give(self, item: Numbered, serial: int) -> None:
        """Have another serial be the right one of a Device that has one."""
        if isinstance(item, Device) and item.serial is not None:
            self._right[item.metadata.uid] = serial

    def right_of(self, item: Any) -> int | None:
        """Return the right serial of a Device; None if it is not known better than by itself."""
        if not isinstance(item, Device) or item.status.serial is not None:
            return None
        return self._right.get(item.metadata.uid)
