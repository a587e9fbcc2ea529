"""How far a device is with the update that it was last given: `status.update`."""

from collections.abc import Callable
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
    current: Update | None,
    *,
    offered: str | None,
    progress: int | None,
    at: str,
    runs: Callable[[str], bool],
) -> dict[str, Any] | None:
    """Return what changes in `status.update`; None if nothing does.

    `offered` is the object name of the Package just offered, `progress` in per cent of what was
    offered last; without an offer nothing can progress. An offer repeated before the device has
    finished is the same one. `runs` says whether the device runs the version of the Package of
    that object name: then it has finished, whatever came in which order.
    """
    change: dict[str, Any] = {}
    reached = 0 if current is None else current.progress
    if (
        offered is not None
        and is_new_offer(current, offered)
        and not _is_done(current, offered, runs)
    ):
        again = current is not None and current.package == offered
        attempts = current.attempts + 1 if current is not None and again else 1
        change = {"package": offered, "rollout": None, "state": OFFERED, "progress": 0}
        change["attempts"] = attempts
        reached = 0
    if progress is not None and progress != reached and (change or current is not None):
        change["progress"] = progress
        change["state"] = FINISHED if progress == _COMPLETE else IN_PROGRESS
    package = change.get("package", current.package if current is not None else None)
    if package is not None and runs(package):
        finished = current is not None and current.package == package and current.state == FINISHED
        change = {} if finished else {**change, "state": FINISHED, "progress": _COMPLETE}
    return {**change, "at": at} if change else None


def _is_done(current: Update | None, offered: str, runs: Callable[[str], bool]) -> bool:
    return current is not None and current.package == offered and runs(offered)
