"""The words for a decision: written only when somebody asks for the trace."""

from typing import Any

from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.resolve.decision import Decision
from polyfleet.fleet.resolve.facts import DeviceFacts
from polyfleet.fleet.resolve.node import Lookup, Node, Unmet, holds, misfit, unmet
from polyfleet.fleet.resolve.plan import Plan
from polyfleet.fleet.resolve.trace import Trace


def pin_missing(facts: DeviceFacts, why: str, trace: Trace) -> None:
    """Say why the pinned package cannot be used."""
    trace.add("pin", "failed", f"the pinned package {facts.pin!r} {why}", package=facts.pin)


def pinned(node: Node, facts: DeviceFacts, missing: list[Unmet], trace: Trace) -> None:
    """Say whether the pinned package suits the device."""
    if not node.fits(facts.device_type):
        trace.add("pin", "failed", _misfit(node, facts.device_type), **_package(node))
    elif missing:
        message = f"{_title(node)}: {_and(missing)}"
        trace.add("pin", "failed", message, **_package(node), missing=_missing(missing))
    else:
        message = f"the device is pinned to {_title(node)}"
        trace.add("pin", "chosen", message, **_package(node))


def groups(facts: DeviceFacts, active: DeviceGroup | None, trace: Trace) -> None:
    """Say which group is active and which lost."""
    if active is None:
        trace.add("group", "info", "the device is in no group")
    for group in facts.groups:
        data: dict[str, Any] = {
            "group": group.metadata.name,
            "priority": group.spec.priority,
            "serial": group.serial,
        }
        title = f"group {group.spec.name!r} (priority {group.spec.priority})"
        if group is active:
            trace.add("group", "chosen", f"{title} is active", **data)
        elif group.spec.application != facts.application:
            trace.add("group", "failed", f"{title} belongs to another application", **data)
        elif group.metadata.terminating:
            trace.add("group", "failed", f"{title} is being deleted", **data)
        else:
            trace.add("group", "lost", f"{title} comes after the active group", **data)


def policy(
    group: DeviceGroup,
    catalogue: Catalogue,
    plan: Plan,
    facts: DeviceFacts,
    decision: Decision,
    *,
    trace: Trace,
) -> None:
    """Say what the policy wants and how each assigned package did."""
    trace.add(
        "policy",
        "info",
        f"the policy wants {plan.version!r}; the device runs {facts.version!r}",
        policy=group.spec.policy,
        target=plan.version,
        version=facts.version,
        deviceType=facts.device_type,
    )
    if decision.reason == "UpToDate":
        trace.add("version", "passed", f"the device already runs {plan.version!r}")
        return
    for name in group.spec.packages:
        if catalogue.node(name, group, facts.takes) is None:
            _unusable(name, group, catalogue, facts, trace)
    for node in plan.misfits:
        trace.add("package", "failed", _misfit(node, plan.device_type), **_package(node))
    _edges(plan, facts, decision, trace)
    if decision.reason == "Unreachable":
        _nearest(plan, facts, trace)
    elif decision.package is None:
        trace.add(
            "route",
            "failed",
            f"no assigned package for this device type has version {plan.version!r}",
            target=plan.version,
        )


def _unusable(
    name: str, group: DeviceGroup, catalogue: Catalogue, facts: DeviceFacts, trace: Trace
) -> None:
    package = catalogue.packages.get(name)
    why = catalogue.unusable(package, group.spec.application, facts.takes)
    trace.add("package", "failed", f"package {name!r} {why}", package=name)


def _edges(plan: Plan, facts: DeviceFacts, decision: Decision, trace: Trace) -> None:
    hops = {candidate.node: candidate.hops for candidate in plan.candidates}
    for node in [*hops, *(node for node in plan.nodes if node not in hops)]:
        missing = unmet(node.requires, facts.value)
        data = _package(node)
        if node in hops:
            data["steps"] = hops[node] + 1
        title = _title(node)
        if node.version == facts.version:
            trace.add("package", "failed", f"{title}: the device already runs it", **data)
        elif missing:
            message = f"{title}: {_and(missing)}"
            trace.add("package", "failed", message, **data, missing=_missing(missing))
        elif node not in hops:
            message = f"{title}: installable, but leads nowhere near {plan.version!r}"
            trace.add("package", "failed", message, **data)
        elif node.package is decision.package:
            message = f"{title}: {_steps(hops[node])} to {plan.version!r}"
            trace.add("package", "chosen", message, **data)
        else:
            message = f"{title}: {_steps(hops[node])} to {plan.version!r}, but another comes first"
            trace.add("package", "lost", message, **data)


def _nearest(plan: Plan, facts: DeviceFacts, trace: Trace) -> None:
    """Name the requirement that stands between what can be reached and the target."""
    bases: list[tuple[str | None, str | None, Lookup]] = [(None, facts.version, facts.value)]
    seen: set[Node] = set()
    for _, version, value in bases:  # grows while it is walked: breadth first
        for node in plan.nodes:
            if node not in seen and node.version != version and holds(node.requires, value):
                seen.add(node)
                bases.append((node.name, node.version, node.after(plan.device_type)))
    best = min(
        (
            (len(missing), candidate.hops, order, candidate, base)
            for candidate in plan.candidates
            for order, base in enumerate(bases)
            if (missing := unmet(candidate.node.requires, base[2]))
        ),
        key=lambda entry: entry[:3],
        default=None,
    )
    if best is None:
        return
    _, _, _, candidate, (name, version, value) = best
    missing = unmet(candidate.node.requires, value)
    origin = f"the device with {version!r}" if name is None else f"{name} ({version})"
    trace.add(
        "route",
        "failed",
        f"{plan.version!r} cannot be reached: from {origin}, {_title(candidate.node)} "
        f"would be {_steps(candidate.hops)} away, but {_and(missing)}",
        **_package(candidate.node),
        target=plan.version,
        nearest={"package": name, "version": version},
        reachable=[base[0] for base in bases[1:]],
        missing=_missing(missing),
    )


def _package(node: Node) -> dict[str, Any]:
    return {
        "package": node.name,
        "serial": node.package.serial,
        "packageVersion": node.version,
    }


def _missing(missing: list[Unmet]) -> list[dict[str, Any]]:
    return [entry._asdict() for entry in missing]


def _and(missing: list[Unmet]) -> str:
    return " and ".join(str(entry) for entry in missing)


def _misfit(node: Node, device_type: str | None) -> str:
    return f"{_title(node)}: {misfit(node, device_type)}"


def _title(node: Node) -> str:
    return f"{node.name} ({node.version})"


def _steps(hops: int) -> str:
    return "1 step" if hops == 0 else f"{hops + 1} steps"
