"""Which package a device gets: the one function that every dialect and the operator call."""

from collections.abc import Callable
from datetime import datetime

from polyfleet.fleet import policy
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.resolve import explain, explain_offers
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.resolve.decision import Decision
from polyfleet.fleet.resolve.facts import DeviceFacts
from polyfleet.fleet.resolve.node import node_of, unmet
from polyfleet.fleet.resolve.offers import asker_of, standing
from polyfleet.fleet.resolve.policy_version import decide
from polyfleet.fleet.resolve.trace import Trace

_FAILED_BEFORE = Decision(package=None, reason="FailedBefore")

Stage = Callable[[DeviceFacts, Catalogue, datetime, Trace | None], Decision | None]


def resolve(
    facts: DeviceFacts, catalogue: Catalogue, now: datetime, trace: Trace | None = None
) -> Decision:
    """Decide which package the device gets at that moment, if any.

    A pure function of its arguments. Stages are asked in order of precedence; the first with an
    answer decides. With a trace, each check writes down how it went.
    """
    for stage in _STAGES:
        decision = stage(facts, catalogue, now, trace)
        if decision is not None:
            if trace is not None and stage in _BEFORE_OFFERS:
                explain_offers.outranked(facts, catalogue, decision, trace)
            return decision
    group = _active(facts)
    if group is None:
        return Decision(package=None, reason="NoGroup")
    return Decision(package=None, reason="NoUpdatePolicy", group=group.metadata.name)


def _application(
    facts: DeviceFacts, catalogue: Catalogue, _now: datetime, trace: Trace | None
) -> Decision | None:
    if facts.application in catalogue.applications:
        return None
    if trace is not None:
        trace.add(
            "application",
            "failed",
            f"application {facts.application!r} is absent or being deleted",
            application=facts.application,
        )
    return Decision(package=None, reason="ApplicationMissing")


def _disabled(
    facts: DeviceFacts, _catalogue: Catalogue, _now: datetime, trace: Trace | None
) -> Decision | None:
    if not facts.disabled:
        return None
    if trace is not None:
        trace.add("disabled", "failed", "the device is disabled")
    return Decision(package=None, reason="Disabled")


def _pin(
    facts: DeviceFacts, catalogue: Catalogue, _now: datetime, trace: Trace | None
) -> Decision | None:
    if facts.pin is None:
        return None
    package = catalogue.packages.get(facts.pin)
    why = catalogue.unusable(package, facts.application, facts.takes)
    if package is None or why is not None:
        if trace is not None:
            explain.pin_missing(facts, why or "", trace)
        return Decision(package=None, reason="PinMissing")
    node = node_of(package)
    if node.version == facts.version:
        if trace is not None:
            trace.add("pin", "info", f"the device already runs {node.version!r}", package=node.name)
        return Decision(package=None, reason="UpToDate", target_version=node.version)
    missing = unmet(node.requires, facts.value)
    suits = node.fits(facts.device_type) and not missing
    if trace is not None:
        explain.pinned(node, facts, missing, trace)
    return Decision(
        package=package if suits else None,
        reason="Pinned" if suits else "PinUnsuitable",
        target_version=node.version,
    )


def _hold(
    facts: DeviceFacts, _catalogue: Catalogue, _now: datetime, trace: Trace | None
) -> Decision | None:
    if facts.hold:
        if trace is not None:
            trace.add("hold", "failed", "the device is on hold")
        return Decision(package=None, reason="Held")
    group = _active(facts)
    if group is None or not group.spec.hold:
        return None
    if trace is not None:
        trace.add(
            "hold", "failed", f"group {group.spec.name!r} is on hold", group=group.metadata.name
        )
    return Decision(package=None, reason="Held", group=group.metadata.name)


def _policy(
    facts: DeviceFacts, catalogue: Catalogue, _now: datetime, trace: Trace | None
) -> Decision | None:
    group = _active(facts)
    if trace is not None:
        explain.groups(facts, group, trace)
    if group is None:
        return None
    try:
        wanted = policy.parse(group.spec.policy)
    except policy.InvalidPolicy as error:
        if trace is not None:
            trace.add("policy", "failed", str(error), policy=group.spec.policy)
        return Decision(package=None, reason="InvalidPolicy", group=group.metadata.name)
    if wanted.version is None:
        if trace is not None:
            trace.add("policy", "info", "the policy assigns nothing", policy=group.spec.policy)
        return None
    plan = catalogue.plan(group, wanted.version, facts.device_type, facts.takes)
    values = tuple([facts.metadata.get(key) for key in plan.keys])
    if trace is None:
        return catalogue.decide(plan, facts.version, values)
    decision = decide(plan, facts.version, values)
    explain.policy(group, catalogue, plan, facts, decision, trace=trace)
    return decision


def _offer(
    facts: DeviceFacts, catalogue: Catalogue, now: datetime, trace: Trace | None
) -> Decision | None:
    offers = catalogue.offers(facts.application)
    if not offers.candidates:
        return None
    asker = asker_of(facts, offers)
    choice = catalogue.choose(offers, asker)
    decision = choice.otherwise
    for suited in choice.suited:
        how = standing(suited, facts, now)
        if how == "Open":
            decision = suited.decision
            break
        if how == "Failed":
            decision = _FAILED_BEFORE
    if trace is not None:
        explain_offers.offers(offers, facts, now, decision, trace=trace)
    return decision


def _active(facts: DeviceFacts) -> DeviceGroup | None:
    for group in facts.groups:
        if group.spec.application == facts.application and not group.metadata.terminating:
            return group
    return None


# In order of precedence.
_BEFORE_OFFERS: tuple[Stage, ...] = (_pin, _hold, _policy)
_STAGES: tuple[Stage, ...] = (_application, _disabled, *_BEFORE_OFFERS, _offer)
