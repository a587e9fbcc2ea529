"""Groups, in both versions of the API: list, make, change, delete."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.access import Caller
from polyfleet.api.core.errors import AlreadyExists as NameTaken
from polyfleet.api.core.errors import Conflict, Invalid, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.members import candidates, is_in
from polyfleet.api.core.requests import decode_json
from polyfleet.api.dialects.rdfm import bodies
from polyfleet.api.dialects.rdfm.access import Access
from polyfleet.api.dialects.rdfm.routes import serial_of
from polyfleet.api.dialects.rdfm.translate import group as translate
from polyfleet.api.dialects.rdfm.translate.wire import (
    EMPTY_OBJECT,
    canonical,
    encode,
    encode_list,
    exact_object,
)
from polyfleet.fleet import policy
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DEFAULT_PRIORITY, DeviceGroup
from polyfleet.fleet.objects.kinds import GROUPS
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, SERIAL_LABEL
from polyfleet.fleet.rights import Right
from polyfleet.kube.deletion import delete_group
from polyfleet.kube.errors import AlreadyExists
from polyfleet.kube.group_changes import assign_packages, set_priority
from polyfleet.kube.refusal import Refused

_ATTEMPTS = 8
_LARGEST_METADATA = 65_536
_LONGEST_POLICY = 1100
_MOST_PACKAGES = 1000
_PRIORITIES = range(-(2**31), 2**31)
_AT_ONCE = 2_000
"""Devices looked at before other requests get their turn."""


class GroupRoutes:
    """The routes below /api/v1/groups and /api/v2/groups; `v2` says which."""

    def __init__(self, facade: Facade, access: Access, *, v2: bool) -> None:
        self._facade = facade
        self._access = access
        self._v2 = v2
        self._application = facade.settings.default_application

    async def list(self, request: Request) -> Response:
        """List the groups that the caller may see."""
        caller = await self._access.caller(request, Right.READ)
        groups = [item for item in self._facade.cache.groups.in_serial_order() if caller.sees(item)]
        items = [await self._encoded(group) for group in groups]
        return Response(encode_list(items), media_type="application/json")

    async def get(self, request: Request) -> Response:
        """Show a group."""
        _, group = await self._find(request, Right.READ)
        return await self._shown(group)

    async def create(self, request: Request) -> Response:
        """Make a group."""
        caller = await self._access.caller(request, Right.CREATE_GROUP)
        caller.require(Right.CREATE_GROUP, self._application)
        metadata, priority = await self._new_group(request)
        group = await self._create(metadata, priority)
        return await self._shown(group)

    async def delete(self, request: Request) -> Response:
        """Delete a group that has no devices."""
        _, group = await self._find(request, Right.WRITE)
        if await self._member_serials(group):
            raise Conflict("delete failed, at least one device is still assigned to the group")
        with _conflicts():
            await delete_group(self._facade.writer, group, self._facade.clock())
        return _done()

    async def change_devices(self, request: Request) -> Response:
        """Let devices join and leave, all of them or none."""
        caller = await self._access.caller(request, Right.WRITE)
        fields = bodies.exactly(await self._json(request), ("add", "remove"))
        add, remove = (bodies.serials(fields[name], name) for name in ("add", "remove"))
        group = caller.numbered(self._facade.cache.groups, serial_of(request), Right.WRITE)
        joining, leaving = (self._devices(caller, group, serials) for serials in (add, remove))
        with _conflicts():
            await self._facade.members.change(group, joining, leaving)
        return _done()

    async def assign_packages(self, request: Request) -> Response:
        """Replace the packages of a group."""
        caller = await self._access.caller(request, Right.WRITE)
        fields = bodies.exactly(await self._json(request), ("packages",))
        serials = bodies.serials(fields["packages"], "packages")
        group = caller.numbered(self._facade.cache.groups, serial_of(request), Right.WRITE)
        if len(serials) > _MOST_PACKAGES:
            raise Invalid("packages", f"holds more than {_MOST_PACKAGES} identifiers")
        if len(set(serials)) != len(serials):
            raise Conflict("a package is listed twice")
        names = [self._package_name(caller, group, serial) for serial in serials]
        with _conflicts():
            await assign_packages(self._facade.writer, group, names, self._facade.clock())
        return _done()

    async def set_policy(self, request: Request) -> Response:
        """Say what the group's devices are to run."""
        caller = await self._access.caller(request, Right.WRITE)
        fields = bodies.exactly(await self._json(request), ("policy",))
        text = bodies.text(fields["policy"], "policy", longest=_LONGEST_POLICY)
        try:
            policy.parse(text)
        except policy.InvalidPolicy as error:
            raise Invalid("policy", str(error)) from None
        group = caller.numbered(self._facade.cache.groups, serial_of(request), Right.WRITE)
        await self._update(group, {"policy": text})
        return _done()

    async def set_priority(self, request: Request) -> Response:
        """Say which group wins where a device is in several."""
        caller = await self._access.caller(request, Right.WRITE)
        fields = bodies.exactly(await self._json(request), ("priority",))
        priority = _priority(fields["priority"])
        group = caller.numbered(self._facade.cache.groups, serial_of(request), Right.WRITE)
        await self._refuse_equals(group, priority)
        with _conflicts():
            await set_priority(self._facade.writer, group, priority, self._facade.clock())
        return _done()

    async def _find(self, request: Request, right: Right) -> tuple[Caller, DeviceGroup]:
        caller = await self._access.caller(request, right)
        return caller, caller.numbered(self._facade.cache.groups, serial_of(request), right)

    async def _json(self, request: Request) -> object:
        return decode_json(await bodies.read(request, self._facade.settings.maximum_body))

    async def _new_group(self, request: Request) -> tuple[dict[str, Any], int]:
        body = await bodies.read(request, self._facade.settings.maximum_body)
        decode_json(body)  # tells where a mistake is; the next line keeps numbers as written
        try:
            document = exact_object(body)
        except ValueError as error:
            raise Invalid("", str(error)) from None
        if not self._v2:
            return document, DEFAULT_PRIORITY
        fields = bodies.exactly(document, ("metadata",), ("priority",))
        if not isinstance(fields["metadata"], dict):
            raise Invalid("metadata", "must be a JSON object")
        return fields["metadata"], _priority(fields.get("priority", DEFAULT_PRIORITY))

    async def _create(self, metadata: dict[str, Any], priority: int) -> DeviceGroup:
        text = canonical(metadata)
        if len(text) > _LARGEST_METADATA:
            raise Invalid("metadata", f"is larger than {_LARGEST_METADATA} characters")
        wanted = translate.wire_name(metadata)
        for _ in range(_ATTEMPTS):
            serial = await self._facade.serials.next(GROUPS)
            for wire_name in filter(None, (wanted, translate.nameless(serial))):
                spec = {
                    "application": self._application,
                    "name": wire_name,
                    "createdAt": timestamp(self._facade.clock()),
                    "priority": priority,
                    "metadata": text,
                }
                labels = {APPLICATION_LABEL: self._application, SERIAL_LABEL: str(serial)}
                name = object_name("DeviceGroup", self._application, wire_name)
                try:
                    return await self._facade.writer.create(GROUPS, name, spec, labels=labels)
                except AlreadyExists:
                    continue
        raise NameTaken("no free name was found for the group")

    async def _update(self, group: DeviceGroup, spec: Mapping[str, Any]) -> None:
        def decide(current: DeviceGroup) -> Mapping[str, Any]:
            if current.metadata.uid != group.metadata.uid or current.metadata.terminating:
                raise NotFound("the group was deleted")
            return {"spec": spec}

        await self._facade.writer.update(GROUPS, group.metadata.name, decide)

    async def _refuse_equals(self, group: DeviceGroup, priority: int) -> None:
        """Raise Conflict if a member of the group is in another one of that priority."""
        rivals = [
            other
            for other in self._facade.cache.groups.values()
            if other.spec.priority == priority
            and other.spec.application == group.spec.application
            and other.metadata.uid != group.metadata.uid
            and not other.metadata.terminating
        ]
        if not rivals:
            return
        for device in await self._members(group):
            if any(is_in(device, rival) for rival in rivals):
                raise Conflict(f"the device {device.serial} is in another group of that priority")

    def _devices(
        self, caller: Caller, group: DeviceGroup, serials: Sequence[int]
    ) -> Sequence[Device]:
        return [self._device(caller, group, serial) for serial in serials]

    def _device(self, caller: Caller, group: DeviceGroup, serial: int) -> Device:
        device = self._facade.cache.devices.by_serial(serial)
        if device is None or not caller.sees(device):
            raise Conflict(f"there is no device with the identifier {serial}")
        if device.spec.application != group.spec.application:
            raise Conflict(f"the device {serial} belongs to another application than the group")
        return device

    def _package_name(self, caller: Caller, group: DeviceGroup, serial: int) -> str:
        package = self._facade.cache.packages.by_serial(serial)
        if package is None or not caller.sees(package):
            raise NotFound(f"there is no package with the identifier {serial}")
        if package.spec.application != group.spec.application:
            raise NotFound(f"the package {serial} belongs to another application than the group")
        return package.metadata.name

    async def _shown(self, group: DeviceGroup) -> Response:
        return Response(await self._encoded(group), media_type="application/json")

    async def _encoded(self, group: DeviceGroup) -> bytes:
        return encode(
            translate.document(
                group,
                devices=await self._member_serials(group),
                packages=self._package_serials(group),
                priority=self._v2,
            )
        )

    async def _member_serials(self, group: DeviceGroup) -> Sequence[int]:
        members = await self._members(group)
        return [serial for item in members if (serial := item.serial) is not None]

    async def _members(self, group: DeviceGroup) -> Sequence[Device]:
        likely = candidates(self._facade.cache.devices, group)
        found: list[Device] = []
        for start in range(0, len(likely), _AT_ONCE):
            part = likely[start : start + _AT_ONCE]
            found += [item for item in part if is_in(item, group)]
            if len(likely) > _AT_ONCE:
                await asyncio.sleep(0)
        return found

    def _package_serials(self, group: DeviceGroup) -> Sequence[int]:
        store = self._facade.cache.packages
        packages = (store.get(name) for name in group.spec.packages)
        return [
            item.serial
            for item in packages
            if item is not None
            and item.serial is not None
            and item.spec.application == group.spec.application
            and not item.metadata.terminating
        ]


@contextmanager
def _conflicts() -> Iterator[None]:
    try:
        yield
    except Refused as error:
        raise Conflict(str(error)) from None


def _priority(value: object) -> int:
    priority = bodies.whole(value, "priority")
    if priority not in _PRIORITIES:
        raise Invalid("priority", "must be an integer of 32 bits")
    return priority


def _done() -> Response:
    return Response(EMPTY_OBJECT, media_type="application/json")
