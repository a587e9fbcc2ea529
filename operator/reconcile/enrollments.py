"""Enrollment: whether to let the device in, and how long the question stays open."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from polyfleet.fleet import instants, keys
from polyfleet.fleet.conditions import holds
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.operator.reconcile.conditions import Wanted, status_patch

KEY_CHANGE = "KeyChange"
READY = "Ready"


class Step(Enum):
    """What is to happen to an Enrollment now."""

    ACCEPT = "accept"
    FINISH = "finish"
    EXPIRE = "expire"
    WAIT = "wait"


@dataclass(frozen=True)
class EnrollmentFacts:
    """What an Enrollment is judged by; `device` is the one that has its id already."""

    enrollment: Enrollment
    device: Device | None
    application_present: bool
    lifetime: timedelta


def next_step(facts: EnrollmentFacts, now: datetime) -> tuple[Step, float | None]:
    """Return what to do now, and in how many seconds to ask again."""
    enrollment = facts.enrollment
    if enrollment.metadata.terminating:
        return Step.WAIT, None
    if enrollment.spec.approval == "Approved" and problem(facts) is None:
        return Step.ACCEPT, None
    if enrollment.spec.approval is None and _is_let_in(enrollment, facts.device):
        return Step.FINISH, None  # whoever let the device in died before the Enrollment went
    left = last_appeared(enrollment) + facts.lifetime - now
    if left <= timedelta(0):
        return Step.EXPIRE, None
    return Step.WAIT, left.total_seconds()


def condition_patch(facts: EnrollmentFacts, now: datetime) -> dict[str, Any] | None:
    """Return the status patch for what people should know; None if there is nothing new.

    Conditions that never held are not written: there may be thousands of Enrollments.
    """
    enrollment = facts.enrollment
    wanted = []
    changes = replaces_key(enrollment, facts.device)
    if changes or holds(enrollment, KEY_CHANGE):
        wanted.append(_key_change(facts.device if changes else None))
    trouble = problem(facts)
    if trouble is not None or holds(enrollment, READY) is False:
        wanted.append(trouble or Wanted(READY, True, "Reconciled", ""))
    return status_patch(enrollment, wanted, now) if wanted else None


def refusal_patch(enrollment: Enrollment, why: str, now: datetime) -> dict[str, Any] | None:
    """Return the status patch that says why an approved device could not be let in."""
    return status_patch(enrollment, [Wanted(READY, False, "NotAccepted", why)], now)


def replaces_key(enrollment: Enrollment, device: Device | None) -> bool:
    """Say whether the device has keys and this one is not among them."""
    if device is None or not device.spec.public_keys:
        return False
    if enrollment.spec.public_key in device.spec.public_keys:
        return False
    mine = _fingerprint(enrollment.spec.public_key)
    return mine is None or mine not in map(_fingerprint, device.spec.public_keys)


def problem(facts: EnrollmentFacts) -> Wanted | None:
    """Return why the device cannot be let in, whatever a person says."""
    if not facts.application_present:
        name = facts.enrollment.spec.application
        return Wanted(READY, False, "ApplicationMissing", f"there is no application {name}")
    try:
        keys.fingerprint(facts.enrollment.spec.public_key)
    except ValueError as error:
        return Wanted(READY, False, "InvalidKey", str(error))
    return None


def last_appeared(enrollment: Enrollment) -> datetime:
    """Return when the device was last heard of: never before the Enrollment was made."""
    texts = (enrollment.status.last_appeared, enrollment.metadata.creation_timestamp)
    return max(instants.parse(text) for text in texts if text)


def _is_let_in(enrollment: Enrollment, device: Device | None) -> bool:
    if device is None or device.metadata.terminating:
        return False
    return enrollment.spec.public_key in device.spec.public_keys


def _key_change(device: Device | None) -> Wanted:
    if device is None:
        return Wanted(KEY_CHANGE, False, "SameKey", "")
    message = f"approval would replace the key of device {device.metadata.name}"
    return Wanted(KEY_CHANGE, True, "ExistingDevice", message)


def _fingerprint(pem: str) -> str | None:
    try:
        return keys.fingerprint(pem)
    except ValueError:
        return None
