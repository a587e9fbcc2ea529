"""Why a device gets what it gets: the decision and its trace, from what is stored about it."""

from collections.abc import Sequence

import msgspec

from polyfleet.api.core.errors import Invalid, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.native.schemas import (
    DecisionBody,
    DeviceReference,
    Explanation,
    Facts,
    PackageReference,
    TraceStep,
    WhatIf,
)
from polyfleet.fleet.attributes import TYPE_KEY, VERSION_KEY
from polyfleet.fleet.membership import group_order
from polyfleet.fleet.names import parse_flat_id
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.resolve.decision import Decision
from polyfleet.fleet.resolve.facts import DeviceFacts, facts_of
from polyfleet.fleet.resolve.resolver import resolve
from polyfleet.fleet.resolve.trace import Trace
from polyfleet.fleet.rights import Principal, Right
from polyfleet.kube.devices import find_device


def find_by_flat_id(facade: Facade, principal: Principal, text: str) -> Device:
    """Return the device of that flat id, or of that uid; `NotFound` if it may not be seen."""
    default = facade.settings.default_application
    try:
        application, device_id = parse_flat_id(text, default_application=default)
    except ValueError as error:
        raise Invalid("device", str(error)) from None
    device = _find(facade, application, device_id) or facade.cache.devices.by_uid(text)
    return _visible(facade, principal, device)


def find_in_application(
    facade: Facade, principal: Principal, application: str, text: str
) -> Device:
    """Return the application's device of that id, or of that uid; `NotFound` as above."""
    device = _find(facade, application, text) or facade.cache.devices.by_uid(text)
    if device is not None:
        home = facade.cache.applications.get(device.spec.application)
        if home is None or home.spec.name != application:
            device = None
    return _visible(facade, principal, device)


def explain(facade: Facade, device: Device, what_if: WhatIf) -> Explanation:
    """Return the decision for a device and its trace, as if it were as `what_if` says."""
    catalogue = facade.catalogue()
    groups = {group.metadata.name: group for group in catalogue.groups_of(device)}
    for name in what_if.group:
        group = _group(catalogue, device, name)
        groups[group.metadata.name] = group
    _check_pin(catalogue, device, what_if.pin)
    facts = facts_of(device, tuple(sorted(groups.values(), key=group_order)), what_if.takes)
    facts = _changed(facts, what_if)
    trace = Trace()
    decision = resolve(facts, catalogue, facade.clock(), trace)
    return Explanation(
        device=DeviceReference(
            application=_application_name(facade, device),
            id=device.spec.device_id,
            name=device.metadata.name,
            uid=device.metadata.uid,
        ),
        facts=Facts(
            version=facts.version,
            device_type=facts.device_type,
            groups=[group.spec.name for group in facts.groups],
            pin=facts.pin,
            hold=facts.hold,
            disabled=facts.disabled,
            attributes=dict(facts.metadata),
        ),
        hypothetical=bool(what_if.model_dump(exclude_defaults=True)),
        offers_allowed=facade.offers_allowed(),
        decision=_decision(decision, catalogue),
        trace=[
            TraceStep(
                check=step.check, verdict=step.verdict, message=step.message, facts=step.facts
            )
            for step in trace
        ],
    )


def _find(facade: Facade, application: str, device_id: str) -> Device | None:
    return find_device(facade.cache.devices, application, device_id)


def _visible(facade: Facade, principal: Principal, device: Device | None) -> Device:
    application = _application(facade, device)
    if (
        device is None
        or application is None
        or device.metadata.terminating
        or not facade.identity.allows(principal, Right.READ_DEVICES, application)
    ):
        raise NotFound("there is no such device, or it may not be seen with these credentials")
    return device


def _application(facade: Facade, device: Device | None) -> Application | None:
    if device is None:
        return None
    application = facade.cache.applications.get(device.spec.application)
    return application if application is not None and application.present else None


def _application_name(facade: Facade, device: Device) -> str:
    application = facade.cache.applications.get(device.spec.application)
    return application.spec.name if application is not None else device.spec.application


def _parsed(attributes: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in attributes:
        key, separator, value = text.partition("=")
        if not key or not separator:
            raise Invalid("attribute", f"{text!r} has not the form key=value")
        pairs[key] = value
    return pairs


def _changed(facts: DeviceFacts, what_if: WhatIf) -> DeviceFacts:
    attributes = _parsed(what_if.attribute)
    wanted = what_if.version if what_if.version is not None else attributes.get(VERSION_KEY)
    return msgspec.structs.replace(
        facts,
        version=wanted if wanted is not None else facts.version,
        device_type=attributes.get(TYPE_KEY, facts.device_type),
        metadata={**facts.metadata, **attributes},
        pin=facts.pin if what_if.pin is None else what_if.pin or None,
        hold=facts.hold if what_if.hold is None else what_if.hold,
    )


def _group(catalogue: Catalogue, device: Device, name: str) -> DeviceGroup:
    """Return the group of that name that the device could be in."""
    for group in catalogue.groups.values():
        home = group.spec.application, group.spec.name
        if home == (device.spec.application, name) and not group.metadata.terminating:
            return group
    raise Invalid("group", f"there is no group {name!r} in the device's application")


def _check_pin(catalogue: Catalogue, device: Device, name: str | None) -> None:
    package = catalogue.packages.get(name) if name else None
    if name and (package is None or package.spec.application != device.spec.application):
        raise Invalid("pin", f"there is no Package {name!r} in the device's application")


def _decision(decision: Decision, catalogue: Catalogue) -> DecisionBody:
    package = decision.package
    group = catalogue.groups.get(decision.group) if decision.group else None
    return DecisionBody(
        package=None
        if package is None
        else PackageReference(
            name=package.metadata.name,
            serial=package.serial,
            version=package.spec.version,
            device_type=package.spec.device_type,
        ),
        reason=decision.reason,
        group=group.spec.name if group is not None else decision.group,
        rollout=decision.rollout,
        target_version=decision.target_version,
    )
