"""Enrollment: a device that asks to be let in."""

import msgspec

from polyfleet.fleet.objects.metadata import ObjectMeta, Status, View


class EnrollmentSpec(View, frozen=True, kw_only=True):
    """Who asks, with which key; `approval` is a person's answer: Approved or Denied."""

    application: str
    device_id: str
    public_key: str
    created_at: str = ""
    metadata: msgspec.Raw = msgspec.Raw(b"[]")
    source_address: str | None = None
    approval: str | None = None


class EnrollmentStatus(Status, frozen=True, kw_only=True):
    """When the device last asked."""

    last_appeared: str | None = None


class Enrollment(View, frozen=True, kw_only=True):
    """An Enrollment as the cache holds it."""

    metadata: ObjectMeta
    spec: EnrollmentSpec
    status: EnrollmentStatus = EnrollmentStatus()
