"""Devices: list, search, show, make, remove."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import orjson
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core import call
from polyfleet.api.core.access import Caller, placed
from polyfleet.api.core.errors import AlreadyExists, Invalid
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.inventory import bodies, schemas
from polyfleet.api.dialects.inventory.access import Access
from polyfleet.api.dialects.inventory.documents import Documents
from polyfleet.api.dialects.inventory.errors import JSON
from polyfleet.api.dialects.inventory.index.facts import APPLICATION
from polyfleet.api.dialects.inventory.index.fleet_index import FleetIndex
from polyfleet.api.dialects.inventory.index.query import Condition, Query
from polyfleet.api.dialects.inventory.listing import read_listing
from polyfleet.api.dialects.inventory.routes import Route
from polyfleet.api.dialects.inventory.search_body import FAILURE, read_search
from polyfleet.api.dialects.inventory.translate import attributes as translate
from polyfleet.fleet.attributes import Attribute, documents, mirrored_labels
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import application_label, object_name
from polyfleet.fleet.objects.device import Device, DeviceSpec
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, SERIAL_LABEL, ObjectMeta
from polyfleet.fleet.rights import Right
from polyfleet.kube import errors as kube
from polyfleet.kube.devices import find_device, is_device

LONGEST_ID = 1024
LARGEST = 64 * 1024
"""Bytes of a device's attributes together."""
SEARCH = "/api/management/v2/inventory/filters/search"


class DeviceRoutes:
    """The routes below `devices`, and the search."""

    def __init__(
        self, facade: Facade, access: Access, index: FleetIndex, documents: Documents
    ) -> None:
        self._facade = facade
        self._access = access
        self._index = index
        self._documents = documents
        self._application = facade.settings.default_application

    async def list(self, request: Request) -> Response:
        """List devices."""
        caller = await self._access.caller(request, Right.READ)
        listing = read_listing(request.scope["query_string"])
        query = Query(await self._visible(caller, listing.conditions), listing.order)
        paging = listing.paging
        page = await self._index.page(query, paging.start, paging.per_page)
        more = paging.start + paging.per_page < page.total
        response = Response(_array(map(self._documents.plain, page.devices)), media_type=JSON)
        add_page_headers(response, paging.links("devices", more=more), page.total)
        return response

    async def search(self, request: Request) -> Response:
        """Search devices."""
        caller = await self._access.caller(request, Right.READ)
        call.current().reading = True
        body = await bodies.read(request, self._facade.settings.maximum_body, FAILURE)
        search = read_search(body)
        query = Query(await self._visible(caller, search.conditions), search.order)
        start = (search.page - 1) * search.per_page
        page = await self._index.page(query, start, search.per_page)
        found = [self._documents.scoped(device, search.shown) for device in page.devices]
        response = Response(_array(found), media_type=JSON)
        add_page_headers(response, (), page.total)
        return response

    async def get(self, request: Request) -> Response:
        """Show a device."""
        caller = await self._access.caller(request, Right.READ)
        device = caller.device(request.path_params["id"])
        return Response(self._documents.plain(device), media_type=JSON)

    async def create(self, request: Request) -> Response:
        """Make a device of the default application with declared attributes."""
        caller = await self._access.caller(request, Right.WRITE)
        body = await bodies.read(request, self._facade.settings.maximum_body, FAILURE)
        fields = bodies.fields_of(body, FAILURE)
        identifier = bodies.text_of(fields, "id", FAILURE)
        attributes, faults = translate.read(fields.get("attributes"), FAILURE, nesting=";")
        place = self._place(identifier, faults)
        caller.require(Right.WRITE, self._application)
        await self._create(*place, attributes)
        location = f"devices/{quote(identifier, safe='~:@!$&()*+,;=')}"
        return Response(None, 201, {"Location": location}, JSON)

    async def delete(self, request: Request) -> Response:
        """Remove a device; one that is not there is removed already."""
        caller = await self._access.caller(request, Right.WRITE)
        device = caller.find_device(request.path_params["id"])
        if device is not None:
            caller.require(Right.WRITE, device.spec.application)
            try:
                await self._facade.writer.delete(DEVICES, device, checked=False)
            except kube.NotFound:
                self._facade.cache.devices.remove(device, confirmed=False)
        return Response(None, 204)

    async def _visible(
        self, caller: Caller, conditions: tuple[Condition, ...]
    ) -> tuple[Condition, ...]:
        """Add to the conditions what the caller may see."""
        await self._index.open()
        readable = caller.readable(self._index.applications)
        if readable is None:
            return conditions
        return (*conditions, Condition(APPLICATION, "in", readable))

    def _place(self, identifier: str, faults: str) -> tuple[str, str]:
        """Return the application and the device's own id; raise Invalid with all faults."""
        if not identifier:
            faults = f"ID: non zero value required;{faults}"
        elif len(identifier) > LONGEST_ID:
            faults = f"ID: {identifier} does not validate as length(1|{LONGEST_ID});{faults}"
        if faults:
            raise Invalid("", faults)
        place = placed(self._facade, identifier)
        if place is None or place[0] != self._application:
            raise Invalid("id", "ID: devices are made in the default application only;")
        return place

    async def _create(
        self, application: str, device_id: str, attributes: Sequence[Attribute]
    ) -> None:
        if find_device(self._facade.cache.devices, application, device_id) is not None:
            raise _taken()
        declared = documents(attributes)
        encoded = orjson.dumps(declared)
        if len(encoded) > LARGEST:
            raise translate.too_many()
        name = object_name("Device", application, device_id)
        spec = {
            "application": application,
            "deviceId": device_id,
            "createdAt": timestamp(self._facade.clock()),
            "attributes": declared,
        }
        labels = {
            APPLICATION_LABEL: application_label(application),
            SERIAL_LABEL: str(await self._facade.serials.next(DEVICES)),
            **self._mirrored(name, application, device_id, encoded),
        }
        try:
            await self._facade.writer.create(DEVICES, name, spec, labels=labels)
        except kube.AlreadyExists:
            with suppress(kube.NotFound):  # it was there a moment ago
                found = await self._facade.writer.read(DEVICES, name)
                if not is_device(found, application, device_id):
                    message = "the object name is taken by another device"
                    raise AlreadyExists(message) from None
            raise _taken() from None

    def _mirrored(
        self, name: str, application: str, device_id: str, declared: bytes
    ) -> Mapping[str, str]:
        planned = Device(
            metadata=ObjectMeta(name=name),
            spec=DeviceSpec(application=application, device_id=device_id, attributes=Raw(declared)),
        )
        labels = mirrored_labels(planned, self._facade.settings.attribute_labels)
        return {key: value for key, value in labels.items() if value is not None}


def routes(devices: DeviceRoutes, base: str) -> "list[Route]":
    """Return the routes of the devices below a base path."""
    single = f"{base}/devices/{{id}}"
    shown: dict[str, Any] = {"reply": list[schemas.Device]}
    return [
        Route(
            method="GET",
            path=f"{base}/devices",
            endpoint=devices.list,
            summary="List devices",
            statuses=(400, 401, 403),
            query=("page", "per_page", "sort", "has_group", "group"),
            **shown,
        ),
        Route(
            method="POST",
            path=f"{base}/devices",
            endpoint=devices.create,
            summary="Make a device",
            body=schemas.DeviceNew,
            status=201,
            statuses=(400, 401, 403, 409),
        ),
        Route(
            method="GET",
            path=single,
            endpoint=devices.get,
            summary="Show a device",
            reply=schemas.Device,
            statuses=(401, 403, 404),
        ),
        Route(
            method="DELETE",
            path=single,
            endpoint=devices.delete,
            summary="Remove a device",
            status=204,
            statuses=(401, 403),
        ),
    ]


def search_route(devices: DeviceRoutes) -> Route:
    """Return the route of the search."""
    return Route(
        method="POST",
        path=SEARCH,
        endpoint=devices.search,
        summary="Search devices",
        body=schemas.Search,
        reply=list[schemas.FoundDevice],
        statuses=(400, 401, 403),
    )


def add_page_headers(response: Response, links: Iterable[str], total: int) -> None:
    """Add the headers of a page: one Link line a relation, and how many there are in all."""
    response.raw_headers.append((b"x-total-count", str(total).encode()))
    response.raw_headers += [(b"link", link.encode("latin-1")) for link in links]


def _array(documents: Iterable[bytes | None]) -> bytes:
    return b"[%b]" % b",".join([document for document in documents if document is not None])


def _taken() -> AlreadyExists:
    return AlreadyExists("device with specified ID already exists")
