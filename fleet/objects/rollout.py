"""Rollout: brings a package to devices stepwise."""

from polyfleet.fleet.objects.group import LabelSelector
from polyfleet.fleet.objects.metadata import ObjectMeta, Status, View


class Pause(View, frozen=True, kw_only=True):
    """A step that waits: for so many seconds, or (absent) for a person's promotion."""

    duration_seconds: int | None = None


class RolloutStep(View, frozen=True, kw_only=True):
    """How far a step goes: a count or a percentage (`"10%"`) of what its selector matches."""

    selector: LabelSelector | None = None
    limit: int | str | None = None
    pause: Pause | None = None


class RolloutTargets(View, frozen=True, kw_only=True):
    """Whom a rollout may reach: devices of the named groups, or that the selector matches."""

    groups: tuple[str, ...] = ()
    selector: LabelSelector | None = None


class RolloutSpec(View, frozen=True, kw_only=True):
    """What is brought to whom, and how fast."""

    application: str
    package: str
    created_at: str = ""
    targets: RolloutTargets = RolloutTargets()
    steps: tuple[RolloutStep, ...] = ()
    target_selection: str = "Snapshot"
    paused: bool = False
    aborted: bool = False
    promoted: str | None = None
    retry_failed_before: str | None = None


class OpenedStep(View, frozen=True, kw_only=True):
    """A step that was opened: its population then, and the frontier that devices may be at."""

    population: int = 0
    frontier: float = 0.0
    opened_at: str | None = None


class RolloutCounts(View, frozen=True, kw_only=True):
    """How far the devices are."""

    total: int = 0
    reached: int = 0
    offered: int = 0
    updated: int = 0
    failed: int = 0


class RolloutFailure(View, frozen=True, kw_only=True):
    """A device that could not install the package, why, and when it said so."""

    device: str
    message: str = ""
    at: str = ""


class RolloutStatus(Status, frozen=True, kw_only=True):
    """The plan in force; it binds only while its digest matches the spec.

    `step` is how many steps of how many are open (`2/3`), `awaits` what `spec.promoted` must be
    for the next one to open, `promoted` the furthest promotion that has counted, `failures` at
    most twenty of the devices that failed.
    """

    plan: str | None = None
    seed: str | None = None
    steps: tuple[OpenedStep, ...] = ()
    step: str = ""
    awaits: str = ""
    promoted: str = ""
    failures: tuple[RolloutFailure, ...] = ()
    counts: RolloutCounts = RolloutCounts()


class Rollout(View, frozen=True, kw_only=True):
    """A Rollout as the cache holds it."""

    metadata: ObjectMeta
    spec: RolloutSpec
    status: RolloutStatus = RolloutStatus()
