"""What happens to objects, as subscribers of a store are told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal

from polyfleet.fleet.objects.kinds import Object


@dataclass(frozen=True, slots=True)
class Change(Generic[Object]):
    """What happened to an object. A name used again is a deletion and then an addition."""

    type: Literal["added", "modified", "deleted"]
    old: Object | None
    new: Object | None


Subscriber = Callable[[Change[Object]], None]


def changes_between(old: Object | None, new: Object | None) -> list[Change[Object]]:
    """Return what happened to a name that `old` bore and that `new` bears; None is nobody."""
    if old is new:
        return []
    if old is None:
        return [Change("added", None, new)]
    if new is None:
        return [Change("deleted", old, None)]
    if old.metadata.uid == new.metadata.uid:
        return [Change("modified", old, new)]
    return [Change("deleted", old, None), Change("added", None, new)]
