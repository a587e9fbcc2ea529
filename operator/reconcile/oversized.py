"""Data of clients that is larger than they could send: the API server has no limit of its own."""

from typing import Protocol

import msgspec

from polyfleet.fleet.conditions import holds
from polyfleet.operator.reconcile.conditions import Observed, Wanted
from polyfleet.operator.reconcile.verdict import Notice

LARGEST_DATA = 64 * 1024
"""Bytes of `spec.data` as JSON; the Drogue API refuses more."""
OVERSIZED = "Oversized"
REASON = "DataTooLarge"


class Holder(Protocol):
    """A spec with data."""

    @property
    def data(self) -> msgspec.Raw:
        """The encoded data."""
        ...


def oversized(item: Observed, spec: Holder) -> Wanted | None:
    """Return the condition that the object needs; none if its data never was too large."""
    size = memoryview(spec.data).nbytes
    if size > LARGEST_DATA:
        message = (
            f"spec.data has {size} bytes of JSON; clients of the Drogue API can write no more than "
            f"{LARGEST_DATA}, so their changes are refused until it is smaller"
        )
        return Wanted(OVERSIZED, True, REASON, message)
    if holds(item, OVERSIZED):
        return Wanted(OVERSIZED, False, "DataFits", "")
    return None


def oversized_notice(item: Observed, spec: Holder) -> Notice | None:
    """Return the warning that the object's data became too large; None if that is known."""
    wanted = oversized(item, spec)
    if wanted is None or not wanted.holds or holds(item, OVERSIZED):
        return None
    return Notice(REASON, wanted.message, "Warning")
