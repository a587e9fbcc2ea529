"""Keeps the status of packages, and holds deleted ones for as long as somebody uses them."""

from polyfleet.fleet.artifacts import owner, stored_file
from polyfleet.fleet.objects.kinds import PACKAGES
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.resolve.offers import names_of_groups
from polyfleet.kube.cache import Cache
from polyfleet.operator.context import Context
from polyfleet.operator.controllers.serials import new_serial
from polyfleet.operator.indexes import APPLICATION, FILE, PACKAGE, PIN, application_present
from polyfleet.operator.reconcile.adoption import metadata_patch, release_patch
from polyfleet.operator.reconcile.packages import PackageFacts, PackageUsers, judge, may_go


async def reconcile(context: Context, name: str) -> float | None:
    """Bring the package's labels, finalizer and status up to date; let a deleted one go."""
    cache = context.cache
    package = cache.packages.get(name)
    if package is None:
        return None
    if may_go(package, users_of(cache, package)):
        release = release_patch(package.metadata)
        if release is not None:
            await context.write(PACKAGES, package, metadata=release)
        return None
    serial = await new_serial(context, PACKAGES, package)
    metadata = metadata_patch(
        package.metadata, application=package.spec.application, serial=serial, finalizer=True
    )
    if metadata is not None:
        package = await context.write(PACKAGES, package, metadata=metadata)
    facts = PackageFacts(
        package=package,
        users=users_of(cache, package),
        application_present=application_present(cache, package.spec.application),
        serial=package.metadata.serial,
        file_owner=file_owner(cache, package),
        groups=_groups(cache, package),
    )
    verdict = judge(facts, context.clock())
    package = await context.write(PACKAGES, package, status=verdict.status)
    context.tell(package, *verdict.notices)
    return None


def file_owner(cache: Cache, package: Package) -> str | None:
    """Return the name of the older package whose file the package names, if it does."""
    file = stored_file(package)
    found = owner(cache.packages.find(FILE, file)) if file is not None else None
    return (
        found.metadata.name
        if found is not None and found.metadata.uid != package.metadata.uid
        else None
    )


def _groups(cache: Cache, package: Package) -> frozenset[str]:
    if package.spec.offer is None or not package.spec.offer.filters:
        return frozenset()
    groups = cache.groups.find(APPLICATION, package.spec.application)
    present = [group for group in groups if not group.metadata.terminating]
    return frozenset(names_of_groups(present))


def users_of(cache: Cache, package: Package) -> PackageUsers:
    """Return what names the package, within its application."""
    name, application = package.metadata.name, package.spec.application
    return PackageUsers(
        groups=tuple(
            group.metadata.name
            for group in cache.groups.find(PACKAGE, name)
            if group.spec.application == application
        ),
        pinned_devices=tuple(
            device.metadata.name
            for device in cache.devices.find(PIN, name)
            if device.spec.application == application
        ),
        rollouts=tuple(
            rollout.metadata.name
            for rollout in cache.rollouts.find(PACKAGE, name)
            if rollout.spec.application == application and not rollout.spec.aborted
        ),
    )
