"""What a device tells about itself, with its own token."""

from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.access import present
from polyfleet.api.core.errors import Invalid, Unauthenticated
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.inventory import bodies, schemas
from polyfleet.api.dialects.inventory.devices import LARGEST
from polyfleet.api.dialects.inventory.errors import DEVICE, JSON
from polyfleet.api.dialects.inventory.routes import Route
from polyfleet.api.dialects.inventory.search_body import FAILURE
from polyfleet.api.dialects.inventory.translate import attributes as translate
from polyfleet.fleet.attributes import VERSION_KEY, Attribute, decode, documents
from polyfleet.fleet.objects.device import Device

SOURCE = "inventory"
PATHS = ("/api/devices/v1/inventory/device/attributes", "/api/0.1.0/attributes")

_LONGEST_VERSION = 1024


class AttributeRoutes:
    """The routes by which a device uploads attributes."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    async def merge(self, request: Request) -> Response:
        """Set attributes and leave the others as they are."""
        device = await self._device(request)
        told = await self._told(request)
        named = {attribute.name: attribute for attribute in (*_own(device), *told)}
        _check_size(tuple(named.values()))
        self._facade.activity.seen(device)
        await self._facade.reports.merge(device, SOURCE, told, version=_version_in(told))
        return Response(None, 200, media_type=JSON)

    async def replace(self, request: Request) -> Response:
        """Make the attributes all that the device has told over this API."""
        device = await self._device(request)
        told = await self._told(request)
        _check_size(told)
        self._facade.activity.seen(device)
        await self._facade.reports.replace(
            device, SOURCE, told, version=_version_in(told), excess="refuse"
        )
        return Response(None, 200, media_type=JSON)

    async def _device(self, request: Request) -> Device:
        try:
            found = await self._facade.identity.authenticate_device_request(request.headers)
        except Unauthenticated:
            raise Unauthenticated("unauthorized") from None
        if present(self._facade, found.device.spec.application) is None:
            raise Unauthenticated("unauthorized")
        return found.device

    async def _told(self, request: Request) -> Sequence[Attribute]:
        body = await bodies.read(request, self._facade.settings.maximum_body, FAILURE)
        if body is None:
            raise Invalid("", f"{FAILURE}: a list of attributes is expected")
        told, faults = translate.read(body, FAILURE, nesting="")
        if faults:
            raise Invalid("", faults)
        return told


def routes(attributes: AttributeRoutes) -> list[Route]:
    """Return the routes."""
    return [
        Route(
            method=method,
            path=path,
            endpoint=endpoint,
            summary=summary,
            challenge=DEVICE,
            body=list[schemas.Attribute],
            statuses=(400, 401, 429),
        )
        for path in PATHS
        for method, endpoint, summary in (
            ("PATCH", attributes.merge, "Tell attributes"),
            ("PUT", attributes.replace, "Tell all attributes"),
        )
    ]


def _own(device: Device) -> list[Attribute]:
    return [entry for entry in decode(device.status.reported) if entry.source == SOURCE]


def _version_in(told: Sequence[Attribute]) -> str | None:
    """Return the version that the device says it runs, by the name that all readers know."""
    [text] = [item.value.string for item in told if item.name == VERSION_KEY] or [None]
    return text if text and len(text) <= _LONGEST_VERSION else None


def _check_size(attributes: Sequence[Attribute]) -> None:
    if len(attributes) > translate.MOST or len(orjson.dumps(documents(attributes))) > LARGEST:
        raise translate.too_many()
