"""Builders: objects as the cache would hold them, with what a test does not name filled in."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from polyfleet.fleet.membership import label_key, member_value
from polyfleet.fleet.objects.application import (
    Application,
    ApplicationSpec,
    ApplicationStatus,
    Member,
    UserReference,
)
from polyfleet.fleet.objects.device import Device, DeviceSpec, DeviceStatus, Software
from polyfleet.fleet.objects.enrollment import Enrollment, EnrollmentSpec
from polyfleet.fleet.objects.group import (
    DEFAULT_POLICY,
    DEFAULT_PRIORITY,
    DeviceGroup,
    DeviceGroupSpec,
    DeviceGroupStatus,
    LabelSelector,
    MembershipChange,
)
from polyfleet.fleet.objects.metadata import SERIAL_LABEL, ObjectMeta
from polyfleet.fleet.objects.package import (
    Artifact,
    Offer,
    OfferFilter,
    Package,
    PackageSpec,
    Requirement,
)
from polyfleet.fleet.objects.rollout import (
    OpenedStep,
    Rollout,
    RolloutSpec,
    RolloutStatus,
    RolloutStep,
    RolloutTargets,
)
from polyfleet.fleet.rollout.plan import plan_digest, seed_for

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ARTIFACT = Artifact(driver="local", path="0" * 32, sha256="0" * 64, size=1)


def meta(name: str, *, serial: int | None = None, **fields: Any) -> ObjectMeta:
    labels = dict(fields.pop("labels", {}))
    if serial is not None:
        labels[SERIAL_LABEL] = str(serial)
    fields.setdefault("uid", f"uid-{name}")
    return ObjectMeta(name=name, labels=labels, **fields)


def application(
    name: str = "default",
    *,
    owner: UserReference | None = None,
    members: tuple[Member, ...] = (),
    bound: tuple[UserReference, ...] = (),
    **fields: Any,
) -> Application:
    return Application(
        metadata=meta(name, **fields),
        spec=ApplicationSpec(name=name, owner=owner, members=members),
        status=ApplicationStatus(members=bound),
    )


def group(
    name: str = "canary",
    *,
    application: str = "default",
    priority: int = DEFAULT_PRIORITY,
    policy: str = DEFAULT_POLICY,
    packages: tuple[str, ...] = (),
    selector: LabelSelector | None = None,
    hold: bool = False,
    changes: tuple[MembershipChange, ...] = (),
    **fields: Any,
) -> DeviceGroup:
    return DeviceGroup(
        metadata=meta(name, **fields),
        spec=DeviceGroupSpec(
            application=application,
            name=name,
            priority=priority,
            policy=policy,
            packages=packages,
            selector=selector,
            hold=hold,
        ),
        status=DeviceGroupStatus(changes=changes),
    )


def package(
    name: str,
    version: str,
    *,
    application: str = "default",
    device_type: str | None = "foo",
    requires: dict[str, str] | None = None,
    metadata: dict[str, Any] | None = None,
    artifact: Artifact | None = ARTIFACT,
    specification: str | None = None,
    upgradable_from: tuple[str, ...] | None = None,
    offer: Offer | None = None,
    created_at: str = "",
    **fields: Any,
) -> Package:
    return Package(
        metadata=meta(name, **fields),
        spec=PackageSpec(
            application=application,
            version=version,
            device_type=device_type,
            requires=tuple(Requirement(name=k, value=v) for k, v in (requires or {}).items()),
            metadata=json.dumps(metadata or {}),
            specification=specification,
            upgradable_from=upgradable_from,
            offer=offer,
            created_at=created_at,
            artifact=msgspec.structs.replace(artifact, path=name)
            if artifact is ARTIFACT
            else artifact,
        ),
    )


def rollout(
    name: str = "ring",
    *,
    application: str = "default",
    package: str = "p2",
    steps: tuple[RolloutStep, ...] = (),
    opened: tuple[OpenedStep, ...] = (),
    planned: bool = True,
    **fields: Any,
) -> Rollout:
    """Build a rollout, planned as it is, to all devices of the application by default."""
    found = Rollout(
        metadata=meta(name, **fields.pop("metadata", {})),
        spec=RolloutSpec(
            application=application,
            package=package,
            steps=steps,
            **{"targets": RolloutTargets(selector=LabelSelector())} | fields,
        ),
    )
    seed = seed_for(found.metadata.uid, package)
    status = RolloutStatus(plan=plan_digest(found.spec), seed=seed, steps=opened)
    return msgspec.structs.replace(found, status=status) if planned else found


GENERAL = Offer(strategy="general")


def targeted(*groups: str, since: str | None = None) -> Offer:
    filters = tuple(OfferFilter(group=group, from_=since) for group in groups)
    return Offer(strategy="targeted", filters=filters)


def raw(document: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(document).encode())


def device(
    device_id: str = "d1",
    *,
    application: str = "default",
    enrolled: list[dict[str, Any]] | None = None,
    declared: list[dict[str, Any]] | None = None,
    reported: list[dict[str, Any]] | None = None,
    groups: tuple[DeviceGroup, ...] = (),
    version: str | None = None,
    pin: str | None = None,
    labels: dict[str, str] | None = None,
    **fields: Any,
) -> Device:
    joined = {label_key(item.metadata.name): member_value(item, 1) for item in groups}
    spec: dict[str, Any] = {"public_keys": fields.pop("public_keys", ())}
    spec |= {key: fields.pop(key) for key in ("hold", "disabled") if key in fields}
    return Device(
        metadata=meta(device_id, labels={**joined, **(labels or {})}, **fields),
        spec=DeviceSpec(
            application=application,
            device_id=device_id,
            enrolled=raw({"metadata": enrolled or []}),
            attributes=raw(declared or []),
            pin=pin,
            **spec,
        ),
        status=DeviceStatus(
            reported=raw(reported or []),
            software=Software(version=version) if version is not None else None,
        ),
    )


def enrollment(
    name: str = "e1",
    *,
    device_id: str = "d1",
    application: str = "default",
    source: str | None = "192.0.2.1",
    approval: str | None = None,
    public_key: str = "key",
    metadata: list[dict[str, Any]] | None = None,
    **fields: Any,
) -> Enrollment:
    return Enrollment(
        metadata=meta(name, **fields),
        spec=EnrollmentSpec(
            application=application,
            device_id=device_id,
            public_key=public_key,
            source_address=source,
            approval=approval,
            metadata=raw(metadata or []),
        ),
    )


def attribute(name: str, value: str, **fields: str) -> dict[str, Any]:
    return {"name": name, "value": {"string": value}, **fields}
