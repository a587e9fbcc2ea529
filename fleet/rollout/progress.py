"""When the next step of a rollout opens, and what it waits for until then."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from polyfleet.fleet import instants
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.rollout.plan import is_promoted
from polyfleet.fleet.rollout.steps import quota, steps_of

Until = Literal["Promotion", "Time", "Devices"]


class Wait(NamedTuple):
    """What the step `number` (from 1 on) waits for; `at` is when, if it is for the time."""

    number: int
    until: Until
    at: datetime | None = None

    def __str__(self) -> str:
        if self.until == "Promotion":
            return f"step {self.number} waits for promotion"
        if self.until == "Time" and self.at is not None:
            return f"step {self.number} opens at {instants.timestamp(self.at)}"
        return f"step {self.number} waits until all devices before it run the package"


def next_wait(rollout: Rollout) -> Wait | None:
    """Return what the next step of the plan in force waits for; None if all steps are open."""
    steps, opened = steps_of(rollout.spec), rollout.status.steps
    if not opened or len(opened) >= len(steps):
        return None
    number = len(opened) + 1
    pause = steps[len(opened) - 1].pause
    if pause is None:
        # A step for nobody shows nothing: that no device of it fails is no reason to go on.
        reaches = quota(steps[len(opened) - 1], opened[-1].population)
        return Wait(number, "Devices" if reaches else "Promotion")
    if pause.duration_seconds is None:
        return Wait(number, "Promotion")
    try:
        began = instants.parse(opened[-1].opened_at or "")
    except ValueError:  # somebody wrote the status by hand
        return Wait(number, "Promotion")
    return Wait(number, "Time", began + timedelta(seconds=pause.duration_seconds))


def is_over(wait: Wait, rollout: Rollout, digest: str, now: datetime, *, settled: bool) -> bool:
    """Say whether the step may open.

    A person's promotion ends every wait. `settled` says that all devices that are reached run the
    package, and that there are any.
    """
    if is_promoted(rollout.spec.promoted, digest, wait.number - 1):
        return True
    if wait.until == "Devices":
        return settled
    return wait.at is not None and wait.at <= now
