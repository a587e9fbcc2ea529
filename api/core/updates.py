"""How far a device is with the update that it was last given: `status.update`."""

from collections.abc import Callable
from typing import Any, NamedTuple

from polyfleet.fleet.objects.device import FAILED, Update

OFFERED = "Offered"
IN_PROGRESS = "InProgress"
FINISHED = "Finished"

_COMPLETE = 100
_LONGEST_REASON = 1024


class OfferMade(NamedTuple):
    """A device was offered the Package of that object name, by that Rollout if by one, then."""

    package: str
    at: str
    rollout: str | None = None
    rollout_uid: str | None = None


class Failure(NamedTuple):
    """A device could not install the Package of that object name, and says why."""

    package: str
    reason: str


def is_news(current: Update | None, package: str, rollout_uid: str | None) -> bool:
    """Say whether an offer made now would be written: another one, or by another Rollout."""
    return _begins(current, package) or _is_of_another(current, rollout_uid)


def update_change(
    current: Update | None,
    *,
    offered: OfferMade | None,
    progress: int | None,
    at: str,
    runs: Callable[[str], bool],
    failed: Failure | None = None,
) -> dict[str, Any] | None:
    """Return what changes in `status.update`; None if nothing does.

    `progress` is in per cent of what was offered last; without an offer nothing can progress. An
    offer repeated before the device has finished is the same one; by another Rollout it is that
    one's from then on, and nothing else changes. `runs` says whether the device runs the version
    of the Package of that object name: then it has finished, whatever came in which order.
    """
    change: dict[str, Any] = {}
    reached = 0 if current is None else current.progress
    if (
        offered is not None
        and _begins(current, offered.package, offered.at)
        and not _is_done(current, offered.package, runs)
    ):
        change = _begun(current, offered)
        reached = 0
    if progress is not None and progress != reached and (change or current is not None):
        change["progress"] = progress
        change["state"] = FINISHED if progress == _COMPLETE else IN_PROGRESS
    if failed is not None:
        change |= _failure(current, change, failed)
    package = change.get("package", current.package if current is not None else None)
    if package is not None and runs(package):
        finished = current is not None and current.package == package and current.state == FINISHED
        change = {} if finished else {**change, "state": FINISHED, "progress": _COMPLETE}
        change.pop("message", None)
        if change and current is not None and current.message:
            change["message"] = None
    if change:
        change["at"] = at
    if offered is not None and package == offered.package:
        # By whom it was offered moves no date: since when it has failed stays as it is told.
        change |= _taken_over(current, change, offered)
    return change or None


def _begins(current: Update | None, offered: str, at: str | None = None) -> bool:
    """Say whether an offer is another one than the device was given last.

    After a failure it is a new attempt, unless it was made (`at`) before the failure was told.
    """
    if current is None or current.package != offered or current.state == FINISHED:
        return True
    return current.state == FAILED and (at is None or at > current.at)


def _is_of_another(current: Update | None, rollout_uid: str | None) -> bool:
    """Say whether a Rollout offers what was offered otherwise; who is none takes nothing over."""
    return rollout_uid is not None and (current is None or current.rollout_uid != rollout_uid)


def _taken_over(
    current: Update | None, change: dict[str, Any], offered: OfferMade
) -> dict[str, Any]:
    uid = offered.rollout_uid
    if change.get("rolloutUid") == uid or not _is_of_another(current, uid):
        return {}
    return {"rollout": offered.rollout, "rolloutUid": offered.rollout_uid}


def _begun(current: Update | None, offered: OfferMade) -> dict[str, Any]:
    again = current is not None and current.package == offered.package
    change: dict[str, Any] = {
        "package": offered.package,
        "state": OFFERED,
        "progress": 0,
        "attempts": current.attempts + 1 if current is not None and again else 1,
    }
    if offered.rollout_uid is not None or not again:
        change |= {"rollout": offered.rollout, "rolloutUid": offered.rollout_uid}
    if current is not None and current.message:
        change["message"] = None
    return change


def _failure(current: Update | None, change: dict[str, Any], failed: Failure) -> dict[str, Any]:
    reason = failed.reason[:_LONGEST_REASON] or None
    told = change.get("package", current.package if current is not None else None)
    if told != failed.package:  # what it was offered may not be written yet
        begun = _begun(current, OfferMade(failed.package, ""))
        return {**begun, "state": FAILED, "message": reason}
    known = current is not None and not change
    if known and current is not None and current.state == FAILED and current.message == reason:
        return {}
    return {"state": FAILED, "message": reason}


def _is_done(current: Update | None, offered: str, runs: Callable[[str], bool]) -> bool:
    return current is not None and current.package == offered and runs(offered)
