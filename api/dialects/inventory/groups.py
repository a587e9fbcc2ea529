"""Groups: of a device, of all devices, and who is in one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.access import Caller, placed
from polyfleet.api.core.errors import Conflict, Invalid, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.inventory import bodies, schemas
from polyfleet.api.dialects.inventory.access import Access
from polyfleet.api.dialects.inventory.devices import add_page_headers
from polyfleet.api.dialects.inventory.documents import Documents
from polyfleet.api.dialects.inventory.errors import JSON
from polyfleet.api.dialects.inventory.index.facts import GROUP, ID
from polyfleet.api.dialects.inventory.index.fleet_index import FleetIndex
from polyfleet.api.dialects.inventory.index.query import Condition, Order, Query
from polyfleet.api.dialects.inventory.listing import read_paging
from polyfleet.api.dialects.inventory.routes import Route
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.rights import Right
from polyfleet.kube import errors as kube
from polyfleet.kube.deletion import delete_group
from polyfleet.kube.groups import ensure_group, find_group
from polyfleet.kube.membership import MembershipConflict
from polyfleet.kube.parallel import for_each
from polyfleet.kube.refusal import Refused

LONGEST_NAME = 1024
MOST_DEVICES = 5_000
"""Devices of one request that changes a group."""

_FAILURE = "failed to decode device group data"
_LIST_FAILURE = "failed to decode request body"
_NO_DEVICE = "failed to add device to group: Device not found"


class GroupRoutes:
    """The routes of groups."""

    def __init__(
        self, facade: Facade, access: Access, index: FleetIndex, documents: Documents
    ) -> None:
        self._facade = facade
        self._access = access
        self._index = index
        self._documents = documents
        self._names: tuple[int, tuple[str, ...]] = (-1, ())

    async def list(self, request: Request) -> Response:
        """List the groups that have devices, by their first device's creation."""
        caller = await self._access.caller(request, Right.READ)
        if self._names[0] != self._index.revision:
            first = await self._index.first_keys(GROUP)
            names = tuple(sorted(first, key=first.__getitem__))
            self._names = (self._index.revision, names)
        seen = [name for name in self._names[1] if self._sees(caller, name)]
        return Response(orjson.dumps(seen), media_type=JSON)

    async def devices(self, request: Request) -> Response:
        """List the ids of a group's devices, sorted."""
        caller = await self._access.caller(request, Right.READ)
        name = request.path_params["name"]
        paging = read_paging(request.scope["query_string"])
        if not self._sees(caller, name):
            raise NotFound("group not found")
        query = Query((Condition(GROUP, "in", frozenset((name,))),), (Order(ID, descending=False),))
        page = await self._index.page(query, paging.start, paging.per_page)
        if not page.total:
            raise NotFound("group not found")
        more = paging.start + paging.per_page < page.total
        names = [self._documents.name_of(device) for device in page.devices]
        response = Response(orjson.dumps(names), media_type=JSON)
        add_page_headers(response, paging.links("devices", more=more), page.total)
        return response

    async def get(self, request: Request) -> Response:
        """Show the group of a device."""
        caller = await self._access.caller(request, Right.READ)
        device = caller.device(request.path_params["id"])
        body = {"group": self._documents.group_of(device)}
        return Response(orjson.dumps(body), media_type=JSON)

    async def put(self, request: Request) -> Response:
        """Move a device into a group, which is made if there is none."""
        caller = await self._access.caller(request, Right.WRITE)
        body = await bodies.read(request, self._facade.settings.maximum_body, _FAILURE)
        name = bodies.text_of(bodies.fields_of(body, _FAILURE), "group", _FAILURE)
        place = self._place(name)
        try:
            device = caller.device(request.path_params["id"], Right.WRITE)
        except NotFound:
            raise NotFound(_NO_DEVICE) from None
        async with self._ensured(caller, place, [device]) as group:
            try:
                await self._facade.members.move(group, device)
            except MembershipConflict as error:
                raise Conflict(str(error)) from None
            except kube.NotFound:
                self._facade.cache.devices.remove(device, confirmed=False)
                raise NotFound(_NO_DEVICE) from None
        return Response(None, 204)

    async def remove(self, request: Request) -> Response:
        """Take a device out of its group."""
        caller = await self._access.caller(request, Right.WRITE)
        device = caller.device(request.path_params["id"], Right.WRITE)
        name = request.path_params["name"]
        group = self._known(name)
        if group is None or self._documents.group_of(device) != name:
            raise NotFound("Device not found")
        try:
            await self._facade.members.change(group, [], [device])
        except MembershipConflict as error:
            raise Conflict(str(error)) from None
        return Response(None, 204)

    async def add_many(self, request: Request) -> Response:
        """Move devices into a group; ids that nobody has are passed over."""
        caller = await self._access.caller(request, Right.WRITE)
        devices = await self._given(request, caller)
        place = self._place(request.path_params["name"])
        if not devices:
            return _counts(0, 0)
        async with self._ensured(caller, place, devices) as group:

            async def move(device: Device) -> bool:
                return await self._facade.members.move(group, device)

            return await _each(devices, move)

    async def remove_many(self, request: Request) -> Response:
        """Take devices out of a group; those that are not in it are passed over."""
        caller = await self._access.caller(request, Right.WRITE)
        devices = await self._given(request, caller)
        name = request.path_params["name"]
        group = self._known(name)
        if group is None:
            return _counts(0, 0)
        members = [item for item in devices if self._documents.group_of(item) == name]

        async def leave(device: Device) -> bool:
            await self._facade.members.change(group, [], [device])
            return True

        return await _each(members, leave)

    def _sees(self, caller: Caller, name: str) -> bool:
        place = placed(self._facade, name)
        return place is not None and caller.may(Right.READ, place[0])

    def _place(self, name: str) -> tuple[str, str]:
        if not name:
            raise Invalid("group", "Group: non zero value required;")
        place = placed(self._facade, name)
        if place is None:
            raise Invalid("group", "Group: a name that starts with '~' is '~<application>~<name>';")
        if len(place[1]) > LONGEST_NAME:
            raise Invalid("group", f"group: the length must be no more than {LONGEST_NAME}.")
        return place

    def _known(self, name: str) -> DeviceGroup | None:
        place = placed(self._facade, name)
        return None if place is None else find_group(self._facade.cache.groups, *place)

    @asynccontextmanager
    async def _ensured(
        self, caller: Caller, place: tuple[str, str], devices: Sequence[Device]
    ) -> AsyncIterator[DeviceGroup]:
        """Provide the group for the devices; raise Invalid if it cannot hold one of them.

        One that is made for them does not stay if they are refused.
        """
        application, name = place
        for device in devices:
            if device.spec.application != application:
                identifier = quote(self._documents.name_of(device) or "")
                raise Invalid("group", f"device {identifier} belongs to another application")
        caller.require(Right.CREATE_GROUP, application)
        facade = self._facade
        known = find_group(facade.cache.groups, application, name)
        group = await ensure_group(
            facade.writer,
            facade.cache,
            facade.serials,
            application=application,
            name=name,
            now=facade.clock(),
        )
        try:
            yield group
        except (Conflict, NotFound):
            current = facade.cache.groups.get(group.metadata.name)
            if known is None and current is not None and _is_untouched(current, group):
                with suppress(Refused, kube.ApiError):
                    await delete_group(facade.writer, current, facade.clock())
            raise

    async def _given(self, request: Request, caller: Caller) -> Sequence[Device]:
        """Return the devices of the body that the caller knows, each once."""
        body = await bodies.read(request, self._facade.settings.maximum_body, _LIST_FAILURE)
        identifiers = bodies.texts_of(body, _LIST_FAILURE)
        if not identifiers:
            raise Invalid("", "no device IDs present in payload")
        if len(identifiers) > MOST_DEVICES:
            raise Invalid("", f"at most {MOST_DEVICES} devices can be changed at once")
        found = [caller.find_device(identifier) for identifier in dict.fromkeys(identifiers)]
        devices = [device for device in found if device is not None]
        for device in devices:
            caller.require(Right.WRITE, device.spec.application)
        return devices


async def _each(devices: Sequence[Device], change: Callable[[Device], Awaitable[bool]]) -> Response:
    """Change each device by itself and count; if all were refused, say why."""
    changed: list[bool] = []
    refused: list[str] = []

    async def one(device: Device) -> None:
        try:
            changed.append(await change(device))
        except MembershipConflict as error:
            refused.append(str(error))
        except kube.NotFound:
            return  # removed at the same moment: as if its id were unknown

    await for_each(devices, one)
    if refused and not changed:
        raise Conflict(refused[0])
    return _counts(len(changed) + len(refused), sum(changed))


def _is_untouched(current: DeviceGroup, made: DeviceGroup) -> bool:
    now, before = current.metadata, made.metadata
    return (now.uid, now.generation) == (before.uid, before.generation)


def _counts(matched: int, updated: int) -> Response:
    counts = {"matched_count": matched, "updated_count": updated}
    body = {name: count for name, count in counts.items() if count}
    return Response(orjson.dumps(body), media_type=JSON)


def routes(groups: GroupRoutes, base: str) -> "list[Route]":
    """Return the routes of the groups below a base path."""
    of_device = f"{base}/devices/{{id}}/group"
    members = f"{base}/groups/{{name}}/devices"
    return [
        Route(
            method="GET",
            path=of_device,
            endpoint=groups.get,
            summary="Show the group of a device",
            reply=schemas.GroupOfDevice,
            statuses=(401, 403, 404),
        ),
        Route(
            method="PUT",
            path=of_device,
            endpoint=groups.put,
            summary="Move a device into a group",
            body=schemas.Group,
            status=204,
            statuses=(400, 401, 403, 404, 409),
        ),
        Route(
            method="DELETE",
            path=f"{of_device}/{{name}}",
            endpoint=groups.remove,
            summary="Take a device out of its group",
            status=204,
            statuses=(401, 403, 404, 409),
        ),
        Route(
            method="GET",
            path=f"{base}/groups",
            endpoint=groups.list,
            summary="List groups",
            reply=list[str],
            statuses=(401, 403),
        ),
        Route(
            method="GET",
            path=members,
            endpoint=groups.devices,
            summary="List the devices of a group",
            reply=list[str],
            statuses=(400, 401, 403, 404),
            query=("page", "per_page"),
        ),
        Route(
            method="PATCH",
            path=members,
            endpoint=groups.add_many,
            summary="Move devices into a group",
            body=list[str],
            reply=schemas.Counts,
            statuses=(400, 401, 403, 409),
        ),
        Route(
            method="DELETE",
            path=members,
            endpoint=groups.remove_many,
            summary="Take devices out of a group",
            body=list[str],
            reply=schemas.Counts,
            statuses=(400, 401, 403, 409),
        ),
    ]
