"""Which of several objects that claim one name holds it: the oldest."""

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from polyfleet.fleet.serials import Numbered

Claimant = TypeVar("Claimant", bound=Numbered)


def holder(claimants: Iterable[Claimant]) -> Claimant | None:
    """Return the claimant that holds the name; None if there is none."""
    return min(claimants, key=_age, default=None)


def older_claimant(item: Numbered, others: Iterable[Numbered]) -> str | None:
    """Return the name of the oldest other object, if one is older; both claim one wire name."""
    mine = _age(item)
    older = [age for other in others if other is not item and (age := _age(other)) < mine]
    return min(older).name if older else None


class _Age(NamedTuple):
    """What tells the older of two objects: the server's time first, that nobody can set."""

    creation_timestamp: str
    created_at: str
    name: str


def _age(item: Numbered) -> _Age:
    meta = item.metadata
    return _Age(meta.creation_timestamp, item.spec.created_at, meta.name)
