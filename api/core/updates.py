"""How far a device is with the update that it was last given: `status.update`."""

from typing import Any

from polyfleet.fleet.objects.device import Update

OFFERED = "Offered"
IN_PROGRESS = "InProgress"
FINISHED = "Finished"

_COMPLETE = 100


def is_new_offer(current: Update | None, offered: str) -> bool:
    """Say whether an offer is another one than the device was given last."""
    return current is None or current.package != offered or current.state == FINISHED


def update_change(
    current: Update | None, *, offered: str | None, progress: int | None, at: str
) -> dict[str, Any] | None:
    """Return what changes in `status.update`; None if nothing does.

    `offered` is the object name of the Package just offered, `progress` in per cent of what was
    offered last; without an offer nothing can progress. An offer repeated before the device has
    finished is the same one.
    """
    change: dict[str, Any] = {}
    reached = 0 if current is None else current.progress
    if offered is not None and is_new_offer(current, offered):
        again = current is not None and current.package == offered
        attempts = current.attempts + 1 if current is not None and again else 1
        change = {"package": offered, "rollout": None, "state": OFFERED, "progress": 0}
        change["attempts"] = attempts
        reached = 0
    if progress is not None and progress != reached and (change or current is not None):
        change["progress"] = progress
        change["state"] = FINISHED if progress == _COMPLETE else IN_PROGRESS
    return {**change, "at": at} if change else None
