"""Lets approved devices in, warns of replaced keys, and drops questions nobody asks any more."""

from contextlib import suppress
from datetime import timedelta

from polyfleet.fleet.conditions import holds
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.kinds import ENROLLMENTS
from polyfleet.kube.devices import find_device
from polyfleet.kube.enrollment import accept
from polyfleet.kube.errors import Conflict, NotFound
from polyfleet.operator.context import Context
from polyfleet.operator.indexes import application_present
from polyfleet.operator.reconcile.adoption import metadata_patch
from polyfleet.operator.reconcile.enrollments import (
    KEY_CHANGE,
    EnrollmentFacts,
    Step,
    condition_patch,
    next_step,
    refusal_patch,
)
from polyfleet.operator.reconcile.verdict import Notice


async def reconcile(context: Context, name: str) -> float | None:
    """Do what is due about an Enrollment; return when to look again."""
    enrollment = context.cache.enrollments.get(name)
    if enrollment is None or enrollment.metadata.terminating:
        return None
    facts = _facts(context, enrollment)
    step, again = next_step(facts, context.clock())
    if step is Step.ACCEPT:
        await _accept(context, enrollment)
        return None
    if step in {Step.EXPIRE, Step.FINISH}:
        # Checked by version: a device that has just asked again is not dropped.
        with suppress(NotFound):
            await context.writer.delete(ENROLLMENTS, enrollment)
        return None
    metadata = metadata_patch(enrollment.metadata, application=enrollment.spec.application)
    status = condition_patch(facts, context.clock())
    after = await context.write(ENROLLMENTS, enrollment, metadata=metadata, status=status)
    if holds(after, KEY_CHANGE) and not holds(enrollment, KEY_CHANGE):
        message = "its approval would replace the key of an existing device"
        context.tell(after, Notice(KEY_CHANGE, message, "Warning"))
    return again


async def _accept(context: Context, enrollment: Enrollment) -> None:
    now = context.clock()
    try:
        device = await accept(
            context.writer,
            context.cache,
            context.serials,
            enrollment,
            now,
            attribute_labels=context.settings.attribute_labels,
        )
    except Conflict as error:
        # It may pass, so it is tried again; but it may stay, so people should see it.
        status = refusal_patch(enrollment, error.message, now)
        await context.write(ENROLLMENTS, enrollment, status=status)
        raise
    message = f"device {enrollment.spec.device_id} was let in"
    context.tell(device, Notice("EnrollmentApproved", message))


def _facts(context: Context, enrollment: Enrollment) -> EnrollmentFacts:
    spec = enrollment.spec
    return EnrollmentFacts(
        enrollment=enrollment,
        device=find_device(context.cache.devices, spec.application, spec.device_id),
        application_present=application_present(context.cache, spec.application),
        lifetime=timedelta(seconds=context.settings.enrollment_lifetime),
    )
