"""The decision of a group's policy for a class of devices: all that share what it may read."""

from polyfleet.fleet.attributes import TYPE_KEY, VERSION_KEY
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.resolve.decision import Decision, Reason
from polyfleet.fleet.resolve.node import holds
from polyfleet.fleet.resolve.plan import Plan


def decide(plan: Plan, version: str | None, values: tuple[str | None, ...]) -> Decision:
    """Pick the first hop of a shortest path from a device to the plan's version.

    `values` are the device's metadata for `plan.keys`. A pure function of its arguments, so that
    its answers can be remembered.
    """
    if version == plan.version:
        return _decision(plan, "UpToDate")
    known = dict(zip(plan.keys, values, strict=True))
    known[VERSION_KEY] = version
    known[TYPE_KEY] = plan.device_type
    for candidate in plan.candidates:
        node = candidate.node
        if node.version != version and holds(node.requires, known.get):
            return _decision(plan, "PolicyVersion", node.package)
    if plan.candidates:
        return _decision(plan, "Unreachable")
    if any(node.version == plan.version for node in plan.misfits):
        return _decision(plan, "WrongDeviceType")
    return _decision(plan, "TargetMissing")


def _decision(plan: Plan, reason: Reason, package: Package | None = None) -> Decision:
    return Decision(package=package, reason=reason, group=plan.group, target_version=plan.version)
