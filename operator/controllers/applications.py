"""Keeps the status of applications, and takes what belongs to a deleted one away."""

from contextlib import suppress

from polyfleet.fleet.claimants import holder
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.objects.application import KEEPS_DEVICES, Application
from polyfleet.fleet.objects.kinds import APPLICATIONS
from polyfleet.fleet.objects.metadata import FINALIZER
from polyfleet.kube.errors import AlreadyExists
from polyfleet.operator.context import Context
from polyfleet.operator.controllers.sweep import sweep_children
from polyfleet.operator.controllers.workload_objects import sweep_workload
from polyfleet.operator.indexes import APPLICATION, WIRE_NAME
from polyfleet.operator.reconcile.adoption import release_patch
from polyfleet.operator.reconcile.applications import ApplicationFacts, deletion_waits, judge
from polyfleet.operator.reconcile.verdict import Notice

_SWEEP_SECONDS = 0.5


async def reconcile(context: Context, name: str) -> float | None:
    """Bring the application's finalizer and status up to date; sweep a deleted one."""
    application = context.cache.applications.get(name)
    if application is None:
        return None
    facts = _facts(context, application)
    verdict = judge(facts, context.clock())
    application = await context.write(
        APPLICATIONS, application, metadata=verdict.metadata, status=verdict.status
    )
    context.tell(application, *verdict.notices)
    if application.metadata.terminating and not deletion_waits(facts):
        return await _sweep(context, application)
    return None


async def ensure_default(context: Context, name: str) -> None:
    """Make the default application if there is none of that name."""
    if context.cache.applications.get(name) is not None:
        return
    spec = {"name": name, "createdAt": timestamp(context.clock())}
    finalizers = [FINALIZER, KEEPS_DEVICES]
    with suppress(AlreadyExists):
        await context.writer.create(APPLICATIONS, name, spec, finalizers=finalizers)


def _facts(context: Context, application: Application) -> ApplicationFacts:
    cache, name = context.cache, application.spec.name

    def user_uid(user_name: str) -> str | None:
        user = holder(cache.users.find(WIRE_NAME, user_name))
        return None if user is None else user.metadata.uid

    return ApplicationFacts(
        application=application,
        devices=len(cache.devices.names(APPLICATION, name)),
        groups=len(cache.groups.names(APPLICATION, name)),
        packages=len(cache.packages.names(APPLICATION, name)),
        user_uid=user_uid,
        is_default=name == context.settings.default_application,
    )


async def _sweep(context: Context, application: Application) -> float | None:
    release = release_patch(application.metadata)
    if release is None:
        return None
    name = application.spec.name
    # The workload first: a Release that goes takes its configuration with it.
    if await sweep_workload(context, application) + await sweep_children(context, name):
        return _SWEEP_SECONDS
    await context.write(APPLICATIONS, application, metadata=release)
    context.tell(application, Notice("ApplicationSwept", "all that belonged to it is deleted"))
    return None
