"""Which objects have to be looked at again when one changes."""

from collections.abc import Callable, Iterable
from typing import Any

from polyfleet.fleet import selectors
from polyfleet.fleet.artifacts import is_missing, stored_file
from polyfleet.fleet.conditions import condition
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.kinds import AnyObject
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.objects.rollout import Rollout
from polyfleet.fleet.objects.user import User
from polyfleet.fleet.serials import Numbered
from polyfleet.kube.devices import IDENTITY
from polyfleet.kube.releases import OF_USER
from polyfleet.kube.store import Change, Store
from polyfleet.operator.context import Context
from polyfleet.operator.controllers import devices as device_controller
from polyfleet.operator.indexes import (
    APPLICATION,
    FILE,
    FILTER,
    GROUP,
    PACKAGE,
    PIN,
    SELECTS,
    SERIAL,
    UID,
    WIRE_NAME,
    filters_for,
    group_wire_name,
    label_groups,
)
from polyfleet.operator.queue import Key
from polyfleet.operator.reconcile.applications import named_users
from polyfleet.operator.reconcile.packages import READY

APPLICATION_KEY = "application"
CLAIMS_KEY = "claims"
COMMAND_KEY = "command"
DEFAULT_KEY = "default application"
DEVICE_KEY = "device"
DEVICES_KEY = "devices"
ENROLLMENT_KEY = "enrollment"
GROUP_KEY = "group"
MEMBERS_KEY = "members"
PACKAGE_KEY = "package"
PASSWORDS_KEY = "password secrets"
ROLLOUT_KEY = "rollout"
SSH_KEY_KEY = "SSH key"
TOKEN_KEY = "token"  # noqa: S105 - the name of a controller
USER_KEY = "user"


class Feed:
    """Turns changes of the cache into keys for the queue, while it is subscribed.

    It runs within the cache's own calls, so it only looks things up by index.
    """

    def __init__(self, context: Context, add: Callable[[Key], None]) -> None:
        self._cache = context.cache
        self._settings = context.settings
        self._counts = context.counts
        self._serials = context.serial_memory
        self._clock = context.clock
        self._add = add
        self._ends: list[Callable[[], None]] = []

    def subscribe(self) -> None:
        """Begin to listen; what is in the cache already is not told."""
        cache = self._cache
        self._ends = [
            cache.applications.subscribe(self._application),
            cache.devices.subscribe(self._device),
            cache.groups.subscribe(self._group),
            cache.packages.subscribe(self._package),
            cache.rollouts.subscribe(self._rollout),
            cache.enrollments.subscribe(self._enrollment),
            cache.users.subscribe(self._user),
            cache.commands.subscribe(lambda change: self._one(COMMAND_KEY, change)),
            cache.access_tokens.subscribe(lambda change: self._one(TOKEN_KEY, change)),
            cache.keys.subscribe(lambda change: self._one(SSH_KEY_KEY, change)),
        ]

    def unsubscribe(self) -> None:
        """Stop listening."""
        while self._ends:
            self._ends.pop()()

    def device_if_needed(self, device: Device) -> None:
        """Have a device looked at if something about it has to be written."""
        settings, now = self._settings, self._clock()
        if device_controller.needs_work(self._cache, settings, self._serials, device, now):
            self._add(Key(DEVICE_KEY, device.metadata.name))

    def members_of(self, group_name: str) -> Iterable[Device]:
        """Return the devices that a change of the group may concern."""
        yield from self._cache.devices.find(GROUP, group_name)
        group = self._cache.groups.get(group_name)
        if group is not None and group.spec.selector is not None:
            yield from self._cache.devices.select(group.spec.selector)

    def _application(self, change: Change[Application]) -> None:
        item = change.new or change.old
        if item is None:
            return
        self._one(APPLICATION_KEY, change)
        if item.spec.name == self._settings.default_application and change.new is None:
            self._add(Key(DEFAULT_KEY, item.spec.name))
        if _presence_changed(change):
            cache, name = self._cache, item.spec.name
            self._many(GROUP_KEY, cache.groups, APPLICATION, name)
            self._many(PACKAGE_KEY, cache.packages, APPLICATION, name)
            self._many(ROLLOUT_KEY, cache.rollouts, APPLICATION, name)
            self._many(ENROLLMENT_KEY, cache.enrollments, APPLICATION, name)
        if change.old is None or change.new is None:
            self._add(Key(DEVICES_KEY, item.spec.name))

    def _device(self, change: Change[Device]) -> None:
        self._serials.note(change)
        old, new = change.old, change.new
        for name in self._counts.changed(old, new):
            self._add(Key(ROLLOUT_KEY, name))
        if old is not None and new is not None and not _device_matters(old, new):
            return
        item = new or old
        if item is None:
            return
        identity = (item.spec.application, item.spec.device_id)
        if old is None or new is None:
            self._owner(item.spec.application)
        if old is None or new is None or old.spec.public_keys != new.spec.public_keys:
            self._many(ENROLLMENT_KEY, self._cache.enrollments, WIRE_NAME, identity)
        self._pins(old, new)
        self._groups_of(old, new)
        if new is not None:
            self.device_if_needed(new)
            self._same_serial(DEVICE_KEY, self._cache.devices, new)
        same = self._cache.devices.find(IDENTITY, identity)
        if new is None or len(same) > 1:
            for device in same:
                self.device_if_needed(device)

    def _pins(self, old: Device | None, new: Device | None) -> None:
        before = old.spec.pin if old is not None else None
        after = new.spec.pin if new is not None else None
        if before != after:
            for name in (before, after):
                if name:
                    self._add(Key(PACKAGE_KEY, name))

    def _groups_of(self, old: Device | None, new: Device | None) -> None:
        """Have the groups counted again whose members this change may alter."""
        before = old.metadata.labels if old is not None else {}
        after = new.metadata.labels if new is not None else {}
        if before == after and old is not None and new is not None:
            return
        for device in (old, new):
            for name in label_groups(device) if device is not None else ():
                self._add(Key(GROUP_KEY, name))
        item = new or old
        for group in self._cache.groups.find(SELECTS, item.spec.application) if item else ():
            selector = group.spec.selector
            if selector is None:
                continue
            was = old is not None and selectors.matches(selector, before)
            if was != (new is not None and selectors.matches(selector, after)):
                self._add(Key(GROUP_KEY, group.metadata.name))

    def _group(self, change: Change[DeviceGroup]) -> None:
        old, new = change.old, change.new
        item = new or old
        if item is None:
            return
        self._one(GROUP_KEY, change)
        if old is None or new is None:
            self._owner(item.spec.application)
            (wire_name,) = group_wire_name(item)
            self._many(GROUP_KEY, self._cache.groups, WIRE_NAME, wire_name)
        if _members_rules(old) != _members_rules(new):
            self._many(ROLLOUT_KEY, self._cache.rollouts, GROUP, item.metadata.name)
        if _presence_changed(change):
            for key in filters_for(item):
                self._many(PACKAGE_KEY, self._cache.packages, FILTER, key)
        self._named_packages(old, new)
        if _membership_rules(old) != _membership_rules(new):
            self._add(Key(MEMBERS_KEY, item.metadata.name))
        if new is not None:
            self._same_serial(GROUP_KEY, self._cache.groups, new)

    def _named_packages(self, old: DeviceGroup | None, new: DeviceGroup | None) -> None:
        before = set(old.spec.packages) if old is not None else set()
        after = set(new.spec.packages) if new is not None else set()
        for name in before ^ after:
            self._add(Key(PACKAGE_KEY, name))

    def _package(self, change: Change[Package]) -> None:
        item = change.new or change.old
        if item is None:
            return
        self._one(PACKAGE_KEY, change)
        name = item.metadata.name
        if _readiness(change.old) != _readiness(change.new):
            self._many(ROLLOUT_KEY, self._cache.rollouts, PACKAGE, name)
        if _presence_changed(change):
            self._owner(item.spec.application)
            self._many(GROUP_KEY, self._cache.groups, PACKAGE, name)
            for device in self._cache.devices.find(PIN, name):
                self.device_if_needed(device)
        file = stored_file(item)
        if file is not None and (change.old is None or change.new is None):
            self._many(PACKAGE_KEY, self._cache.packages, FILE, file)
        if change.new is not None:
            self._same_serial(PACKAGE_KEY, self._cache.packages, change.new)

    def _rollout(self, change: Change[Rollout]) -> None:
        self._one(ROLLOUT_KEY, change)
        if change.new is None and change.old is not None:
            self._counts.forget(change.old.metadata.name)
        for rollout in (change.old, change.new):
            if rollout is not None:
                self._add(Key(PACKAGE_KEY, rollout.spec.package))

    def _enrollment(self, change: Change[Enrollment]) -> None:
        self._one(ENROLLMENT_KEY, change)

    def _user(self, change: Change[User]) -> None:
        item = change.new or change.old
        if item is None:
            return
        self._one(USER_KEY, change)
        if change.old is None or change.new is None:
            self._many(USER_KEY, self._cache.users, WIRE_NAME, item.spec.name)
            for application in self._cache.applications.values():
                if item.spec.name in named_users(application):
                    self._add(Key(APPLICATION_KEY, application.metadata.name))
        if change.new is None:
            self._many(TOKEN_KEY, self._cache.access_tokens, UID, item.metadata.uid)
            self._many(SSH_KEY_KEY, self._cache.keys, OF_USER, item.metadata.uid)
        if change.new is not None:
            self._same_serial(USER_KEY, self._cache.users, change.new)

    def _one(self, controller: str, change: Change[Any]) -> None:
        if change.new is not None:
            self._add(Key(controller, change.new.metadata.name))

    def _many(self, controller: str, store: Store[Any], index: str, key: Any) -> None:
        for name in store.names(index, key):
            self._add(Key(controller, name))

    def _owner(self, application: str) -> None:
        self._add(Key(APPLICATION_KEY, application))

    def _same_serial(self, controller: str, store: Store[Any], item: Numbered) -> None:
        serial = item.serial
        names = store.names(SERIAL, serial) if serial is not None else ()
        if len(names) > 1:
            for name in names:
                self._add(Key(controller, name))


def _device_matters(old: Device, new: Device) -> bool:
    """Say whether more changed than what a device tells about itself all the time."""
    return (
        old.metadata.labels != new.metadata.labels
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        or old.spec != new.spec
        or old.status.conditions != new.status.conditions
        or old.status.reported != new.status.reported
        or old.status.serial != new.status.serial
    )


def _presence_changed(change: Change[Any]) -> bool:
    return _present(change.old) != _present(change.new)


def _present(item: AnyObject | None) -> bool:
    if isinstance(item, Application):
        return item.present
    return item is not None and not item.metadata.terminating


def _readiness(package: Package | None) -> tuple[Any, ...] | None:
    """Return what tells whether devices can be given the package."""
    if package is None or package.metadata.terminating:
        return None
    ready = condition(package, READY)
    told = (ready.status, ready.reason, ready.message) if ready is not None else None
    return (package.metadata.uid, is_missing(package), told)


def _members_rules(group: DeviceGroup | None) -> tuple[Any, ...] | None:
    """Return what decides, beside the devices, who is in the group."""
    if group is None or group.metadata.terminating:
        return None
    return (group.metadata.uid, group.spec.selector, group.status.changes)


def _membership_rules(group: DeviceGroup | None) -> tuple[Any, ...] | None:
    """Return what decides who is in the group and whether it is active."""
    if group is None or group.metadata.terminating:
        return None
    return (group.metadata.uid, group.serial, group.spec.priority, group.spec.selector)
