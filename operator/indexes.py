"""What the operator looks objects up by, beside their names."""

from collections.abc import Iterator
from typing import Any

from polyfleet.fleet import membership
from polyfleet.fleet.artifacts import stored_file
from polyfleet.fleet.names import given_config_secret_name
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import (
    AUTOSCALERS,
    DEPLOYMENTS,
    INGRESSES,
    PODS,
    SERVICES,
    Kind,
)
from polyfleet.fleet.objects.metadata import GROUP_LABEL_PREFIX
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.objects.user import AccessToken, User
from polyfleet.fleet.objects.workload import Autoscaler, Deployment, Ingress, Pod, Service
from polyfleet.fleet.serials import Numbered
from polyfleet.kube.cache import Cache
from polyfleet.kube.devices import index_identities
from polyfleet.kube.releases import index_workloads

APPLICATION = "operator application"
WIRE_NAME = "operator wire name"
SERIAL = "operator serial"
PIN = "operator pin"
GROUP = "operator group"
MEMBERSHIP = "operator membership"
FILE = "operator file"
PACKAGE = "operator package"
FILTER = "operator filter"
UID = "operator uid"
SELECTS = "operator selects"
GIVEN_CONFIG = "operator given config"
WORKLOAD = "operator workload"
"""The objects of an application's workload, by the Application's uid."""
SCALED = "operator scaled"
"""The autoscalers, by the name of the Deployment that they scale."""

MembershipKey = tuple[str, str, str, str]
"""Group name, incarnation, state and change: what a group label says."""


def add_indexes(cache: Cache) -> None:
    """Have the cache keep all of the operator's indexes."""
    devices = cache.devices
    devices.add_index(APPLICATION, _device_application)
    index_identities(devices)
    devices.add_index(SERIAL, _serial)
    devices.add_index(PIN, _pin)
    devices.add_index(GROUP, label_groups)
    devices.add_index(MEMBERSHIP, _memberships)
    groups = cache.groups
    groups.add_index(APPLICATION, _group_application)
    groups.add_index(WIRE_NAME, group_wire_name)
    groups.add_index(SERIAL, _serial)
    groups.add_index(PACKAGE, _group_packages)
    groups.add_index(SELECTS, _selecting)
    cache.packages.add_index(APPLICATION, _package_application)
    cache.packages.add_index(SERIAL, _serial)
    cache.packages.add_index(FILE, _file)
    cache.packages.add_index(FILTER, _filters)
    cache.rollouts.add_index(APPLICATION, _rollout_application)
    cache.rollouts.add_index(PACKAGE, _rollout_package)
    cache.rollouts.add_index(GROUP, _rollout_groups)
    cache.enrollments.add_index(APPLICATION, _enrollment_application)
    cache.enrollments.add_index(WIRE_NAME, enrollment_wire_name)
    cache.users.add_index(WIRE_NAME, _user_name)
    cache.users.add_index(SERIAL, _serial)
    cache.users.add_index(UID, _uid)
    cache.access_tokens.add_index(UID, _token_user)
    cache.applications.add_index(GIVEN_CONFIG, _given_config)
    index_workloads(cache)


def add_workload_indexes(cache: Cache) -> None:
    """Have the cache of the workloads' namespace keep all of its indexes."""
    kinds: tuple[Kind[Any], ...] = (DEPLOYMENTS, PODS, SERVICES, INGRESSES)
    for kind in kinds:
        cache.store(kind).add_index(WORKLOAD, _application_uid)
    cache.store(AUTOSCALERS).add_index(SCALED, _scaled)


def application_present(cache: Cache, name: str) -> bool:
    """Say whether there is an application of that name that is served."""
    found = cache.applications.get(name)
    return found is not None and found.present


def label_groups(device: Device) -> Iterator[str]:
    """Yield the names of the groups that a device carries a label of, whatever its value."""
    for key in device.metadata.labels:
        if key.startswith(GROUP_LABEL_PREFIX):
            yield key.removeprefix(GROUP_LABEL_PREFIX)


def enrollment_wire_name(enrollment: Enrollment) -> tuple[tuple[str, str]]:
    """Return the key of the device that asks."""
    return ((enrollment.spec.application, enrollment.spec.device_id),)


def group_wire_name(group: DeviceGroup) -> tuple[tuple[str, str]]:
    """Return the key by which the APIs know a group."""
    return ((group.spec.application, group.spec.name),)


def _memberships(device: Device) -> Iterator[MembershipKey]:
    for group, found in membership.memberships_of(device).items():
        yield group, found.incarnation, found.state, found.change


def _device_application(device: Device) -> tuple[str]:
    return (device.spec.application,)


def _group_application(group: DeviceGroup) -> tuple[str]:
    return (group.spec.application,)


def _package_application(package: Package) -> tuple[str]:
    return (package.spec.application,)


def _file(package: Package) -> tuple[tuple[str, str], ...]:
    file = stored_file(package)
    return () if file is None else (file,)


def filters_for(group: DeviceGroup) -> tuple[tuple[str, str], ...]:
    """Return the keys of the packages whose offer may name the group."""
    application = group.spec.application
    called = (group.metadata.name, group.spec.name, group.metadata.uid)
    return tuple((application, name) for name in called)


def _filters(package: Package) -> tuple[tuple[str, str], ...]:
    filters = package.spec.offer.filters if package.spec.offer is not None else ()
    return tuple((package.spec.application, part.group) for part in filters)


def _rollout_application(rollout: Rollout) -> tuple[str]:
    return (rollout.spec.application,)


def _enrollment_application(enrollment: Enrollment) -> tuple[str]:
    return (enrollment.spec.application,)


def _pin(device: Device) -> tuple[str, ...]:
    return (device.spec.pin,) if device.spec.pin else ()


def _group_packages(group: DeviceGroup) -> tuple[str, ...]:
    return group.spec.packages


def _selecting(group: DeviceGroup) -> tuple[str, ...]:
    return (group.spec.application,) if group.spec.selector is not None else ()


def _rollout_package(rollout: Rollout) -> tuple[str]:
    return (rollout.spec.package,)


def _rollout_groups(rollout: Rollout) -> tuple[str, ...]:
    return rollout.spec.targets.groups


def _user_name(user: User) -> tuple[str]:
    return (user.spec.name,)


def _uid(user: User) -> tuple[str]:
    return (user.metadata.uid,)


def _token_user(token: AccessToken) -> tuple[str]:
    return (token.spec.user_uid,)


def _serial(item: Numbered) -> tuple[int, ...]:
    return () if item.serial is None else (item.serial,)


def _given_config(application: Application) -> tuple[str]:
    return (given_config_secret_name(application.spec.name),)


def _application_uid(item: Deployment | Pod | Service | Ingress) -> tuple[str]:
    return (item.metadata.application_uid,)


def _scaled(autoscaler: Autoscaler) -> tuple[str, ...]:
    found = autoscaler.spec.scale_target_ref
    return (found.name,) if found.kind == "Deployment" else ()
