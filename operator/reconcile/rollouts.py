"""Rollout: whether what it wants to bring, and to whom, is there."""

from collections.abc import Iterable
from datetime import datetime

from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.operator.reconcile.conditions import Wanted, enumerated, status_patch
from polyfleet.operator.reconcile.verdict import Verdict

READY = "Ready"


def judge(
    rollout: Rollout,
    *,
    package: Package | None,
    groups: Iterable[DeviceGroup],
    application_present: bool,
    now: datetime,
) -> Verdict:
    """Return what the rollout's status should say; `groups` are those it names that exist."""
    ready = _ready(rollout, package, groups, application_present=application_present)
    return Verdict(status=status_patch(rollout, [ready], now))


def _ready(
    rollout: Rollout,
    package: Package | None,
    groups: Iterable[DeviceGroup],
    *,
    application_present: bool,
) -> Wanted:
    spec = rollout.spec
    if not application_present:
        return _not_ready("ApplicationMissing", f"there is no application {spec.application}")
    if (
        package is None
        or package.metadata.terminating
        or package.spec.application != spec.application
    ):
        message = f"{spec.package} is no package of application {spec.application}"
        return _not_ready("PackageMissing", message)
    present = {
        group.metadata.name for group in groups if group.spec.application == spec.application
    }
    missing = [name for name in spec.targets.groups if name not in present]
    if missing:
        message = f"not groups of application {spec.application}: {enumerated(missing)}"
        return _not_ready("GroupMissing", message)
    return Wanted(READY, True, "Reconciled", "")


def _not_ready(reason: str, message: str) -> Wanted:
    return Wanted(READY, False, reason, message)
