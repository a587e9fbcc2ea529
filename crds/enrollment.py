"""Enrollment: a device that asks to be let in, as a certificate signing request does."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from polyfleet.crds.base import APPLICATION, READY, REASON, Column, CustomResource, Names, Part
from polyfleet.crds.conditions import Status
from polyfleet.crds.schema import Rule
from polyfleet.crds.types import (
    IMMUTABLE,
    ApplicationField,
    CreatedAt,
    DeviceId,
    Instant,
    PublicKey,
    ToldAttributes,
    kept_as_it_was,
)


class EnrollmentSpec(Part):
    """Who asks, with which key, and a person's answer."""

    rules: ClassVar[tuple[Rule, ...]] = (kept_as_it_was("createdAt"),)

    application: ApplicationField
    """The application that the device wants to belong to."""
    device_id: DeviceId
    """The device's own name."""
    public_key: Annotated[PublicKey, IMMUTABLE]
    """The RSA public key (PEM) that it signed its request with."""
    created_at: CreatedAt | None = None
    """When it was made, in microseconds; absent: the object's creation."""
    metadata: ToldAttributes | None = None
    """What the device says about itself."""
    source_address: Annotated[str, Field(max_length=64)] | None = None
    """Where the request came from."""
    approval: Literal["Approved", "Denied"] | None = None
    """A person's answer; absent: none yet."""


class EnrollmentStatus(Status):
    """When the device last asked."""

    last_appeared: Instant | None = None
    """When the device last asked."""


class Enrollment(CustomResource):
    """A device that asks to be let in."""

    names: ClassVar[Names] = Names("Enrollment", "enrollments", ("enr",))
    columns: ClassVar[tuple[Column, ...]] = (
        Column("ID", ".spec.deviceId"),
        Column("Approval", ".spec.approval"),
        READY,
        REASON,
        Column("Key Change", '.status.conditions[?(@.type=="KeyChange")].status'),
        Column("From", ".spec.sourceAddress"),
        Column("Last Appeared", ".status.lastAppeared", "date"),
        APPLICATION,
    )
    selectable: ClassVar[tuple[str, ...]] = (
        ".spec.application",
        ".spec.deviceId",
        ".spec.approval",
    )

    spec: EnrollmentSpec
    """Who asks, with which key, and a person's answer."""
    status: EnrollmentStatus | None = None
    """When the device last asked."""
