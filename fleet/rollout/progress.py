"""When the next step of a rollout opens, and what it waits for until then."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from polyfleet.fleet import instants
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.rollout.plan import promoted_step
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


def next_wait(rollout: Rollout, *, nobody: bool = False) -> Wait | None:
    """Return what the next step of the plan in force waits for; None if all steps are open.

    `nobody` says that of those that the step opened last reached none is left.
    """
    steps, opened = steps_of(rollout.spec), rollout.status.steps
    if not opened or len(opened) >= len(steps):
        return None
    number = len(opened) + 1
    pause = steps[len(opened) - 1].pause
    if pause is None:
        # A step for nobody shows nothing: that no device of it fails is no reason to go on.
        reaches = quota(steps[len(opened) - 1], opened[-1].population)
        return Wait(number, "Devices" if reaches and not nobody else "Promotion")
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
    asked = promoted_step(rollout.spec.promoted, digest)
    if asked >= wait.number - 1 and not is_too_far(wait, rollout, digest):
        return True
    if wait.until == "Devices":
        return settled
    return wait.at is not None and wait.at <= now


def is_too_far(wait: Wait, rollout: Rollout, digest: str) -> bool:
    """Say whether `spec.promoted` names a step after the one that is waited after.

    It would end waits that nobody has seen, so it ends none until that step is waited after. What
    has counted once goes on counting, so that a plan that is made again opens as far as before.
    """
    asked = promoted_step(rollout.spec.promoted, digest)
    return asked > max(wait.number - 1, promoted_step(rollout.status.promoted, digest))


def counted_promotion(rollout: Rollout, digest: str, wait: Wait | None) -> str:
    """Return what `status.promoted` is to say: the furthest promotion of a plan that has counted.

    A rollout without a status has lost it, or is made as it was elsewhere: it goes as far as its
    spec says, if its plan has so many steps that end.
    """
    known, spec = rollout.status.promoted, rollout.spec
    asked = promoted_step(spec.promoted, digest)
    if asked <= promoted_step(known, digest):
        return known
    if rollout.status.observed_generation == 0:
        counts = asked < len(steps_of(spec))
    else:
        counts = wait is not None and asked <= wait.number - 1
    return spec.promoted or "" if counts else known
