"""Conditions: what is wanted, laid over what is there, so that nothing is written in vain."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.metadata import Condition, ObjectMeta, Status

_LONGEST_MESSAGE = 4096
_MOST_EXAMPLES = 20


class Wanted(NamedTuple):
    """A condition as it should be."""

    type: str
    holds: bool
    reason: str
    message: str

    @property
    def status(self) -> str:
        """The condition's status as Kubernetes spells it."""
        return "True" if self.holds else "False"


RECONCILED = Wanted("Ready", True, "Reconciled", "")


class Observed(Protocol):
    """An object with a status."""

    @property
    def metadata(self) -> ObjectMeta:
        """The object's metadata."""
        ...

    @property
    def status(self) -> Status:
        """The object's status."""
        ...


def status_patch(
    item: Observed, wanted: Iterable[Wanted], now: datetime, **fields: Any
) -> dict[str, Any] | None:
    """Return the merge patch that brings the status up to date; None if it is already.

    `fields` are named as in JSON; observedGeneration is always among them.
    """
    # A view cannot tell 0 from absent: the first visit writes every field.
    visited = item.status.observed_generation > 0
    current = msgspec.to_builtins(item.status) if visited else {}
    fields["observedGeneration"] = item.metadata.generation
    changed: dict[str, Any] = {
        name: value for name, value in fields.items() if current.get(name) != value
    }
    conditions = condition_list(item, wanted, now)
    if conditions is not None:
        changed["conditions"] = conditions
    return {"status": changed} if changed else None


def condition_list(
    item: Observed, wanted: Iterable[Wanted], now: datetime
) -> list[dict[str, Any]] | None:
    """Return the whole list with the wanted conditions in it; None if they are there already.

    Conditions that others set stay. The time of a condition whose status stays is kept.
    """
    current = {condition.type: condition for condition in item.status.conditions}
    after = dict(current)
    for one in wanted:
        after[one.type] = _condition(one, current.get(one.type), item.metadata.generation, now)
    if after == current:
        return None
    return [msgspec.to_builtins(condition) for condition in after.values()]


def enumerated(names: Sequence[str]) -> str:
    """Return the names in order, at most 20 of them, and how many more there are."""
    shown = ", ".join(sorted(names)[:_MOST_EXAMPLES])
    more = len(names) - _MOST_EXAMPLES
    return f"{shown} and {more} more" if more > 0 else shown


def _condition(
    wanted: Wanted, current: Condition | None, generation: int, now: datetime
) -> Condition:
    kept = current is not None and current.status == wanted.status
    since = current.last_transition_time if kept and current is not None else _to_seconds(now)
    return Condition(
        type=wanted.type,
        status=wanted.status,
        reason=wanted.reason,
        message=wanted.message[:_LONGEST_MESSAGE],
        last_transition_time=since,
        observed_generation=generation,
    )


def _to_seconds(now: datetime) -> str:
    return timestamp(now.replace(microsecond=0)).replace(".000000Z", "Z")


def plain_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value: null in a merge patch would take one away."""
    return {name: value for name, value in fields.items() if value is not None}
