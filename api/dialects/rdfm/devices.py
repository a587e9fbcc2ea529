"""Devices, in both versions of the API: list, show, remove."""

from collections.abc import AsyncIterator, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from polyfleet.api.core.access import Caller, flat_name
from polyfleet.api.core.errors import NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.rdfm import schemas
from polyfleet.api.dialects.rdfm.access import Access
from polyfleet.api.dialects.rdfm.connections import Connections
from polyfleet.api.dialects.rdfm.routes import Route, serial_of
from polyfleet.api.dialects.rdfm.translate import device as translate
from polyfleet.api.dialects.rdfm.translate.wire import EMPTY_OBJECT, encode, encode_list
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.rights import Right

_REMEMBERED = 16_384
_WHOLE = 500
"""Devices that are answered in one piece; more are streamed."""
_CHUNK = 200

Tag = tuple[str, int, bool]


class DeviceDocuments:
    """Encoded devices, kept while nothing that they show changes."""

    def __init__(self, facade: Facade, connections: Connections, *, v2: bool) -> None:
        self._facade = facade
        self._connections = connections
        self._v2 = v2
        self._catalogue: Catalogue | None = None
        self._encoded: dict[str, tuple[Tag, bytes]] = {}

    def encoded(self, device: Device) -> bytes | None:
        """Return the device's document; None for one that has no name in RDFM's world."""
        catalogue = self._facade.catalogue()
        if catalogue is not self._catalogue:
            self._encoded.clear()
            self._catalogue = catalogue
        uid = device.metadata.uid
        last_seen = self._facade.activity.last_seen(device)
        seconds = int(last_seen.timestamp()) if last_seen else -1
        tag = (device.metadata.resource_version, seconds, self._connections.has(uid))
        known = self._encoded.get(uid)
        if known is not None and known[0] == tag:
            return known[1]
        name = flat_name(self._facade, device.spec.application, device.spec.device_id)
        if name is None:
            return None
        document = translate.document(device, name=name, last_access=last_seen)
        groups = [
            serial for group in catalogue.groups_of(device) if (serial := group.serial) is not None
        ]
        if self._v2:
            document |= {"groups": groups, "connected": tag[2]}
        else:
            document["group"] = groups[0] if groups else None
        return self._keep(uid, tag, encode(document))

    def _keep(self, uid: str, tag: Tag, body: bytes) -> bytes:
        self._encoded.pop(uid, None)
        while len(self._encoded) >= _REMEMBERED:
            del self._encoded[next(iter(self._encoded))]
        self._encoded[uid] = (tag, body)
        return body


class DeviceRoutes:
    """The routes below /api/v1/devices and /api/v2/devices."""

    def __init__(self, facade: Facade, access: Access, documents: DeviceDocuments) -> None:
        self._facade = facade
        self._access = access
        self._documents = documents

    async def list(self, request: Request) -> Response:
        """List the devices that the caller may see."""
        caller = await self._access.caller(request, Right.READ)
        devices = tuple(self._facade.cache.devices.in_serial_order())
        if len(devices) <= _WHOLE:
            body = encode_list(_encoded(devices, caller, self._documents.encoded))
            return Response(body, media_type="application/json")
        return StreamingResponse(self._stream(devices, caller), media_type="application/json")

    async def get(self, request: Request) -> Response:
        """Show a device."""
        return await self.show(request, serial_of(request))

    async def show(self, request: Request, serial: int) -> Response:
        """Show the device of that identifier."""
        caller = await self._access.caller(request, Right.READ)
        device = caller.numbered(self._facade.cache.devices, serial)
        body = self._documents.encoded(device)
        if body is None:
            raise NotFound(f"there is no object with the identifier {serial}")
        return Response(body, media_type="application/json")

    async def delete(self, request: Request) -> Response:
        """Remove a device; its token holds no longer, and it may ask to be let in again."""
        caller = await self._access.caller(request, Right.WRITE)
        device = caller.numbered(self._facade.cache.devices, serial_of(request), Right.WRITE)
        await self._facade.writer.delete(DEVICES, device, checked=False)
        return Response(EMPTY_OBJECT, media_type="application/json")

    async def _stream(self, devices: Sequence[Device], caller: Caller) -> AsyncIterator[bytes]:
        before = b"["
        for start in range(0, len(devices), _CHUNK):
            chunk = devices[start : start + _CHUNK]
            items = _encoded(chunk, caller, self._documents.encoded)
            if items:
                yield before + encode_list(items)[1:-2]
                before = b","
        yield b"]\n" if before == b"," else b"[]\n"


def routes(devices: DeviceRoutes, *, v2: bool) -> "list[Route]":
    """Return the routes of one version of the API."""
    path = "/api/v2/devices" if v2 else "/api/v1/devices"
    shape = schemas.DeviceV2 if v2 else schemas.Device
    single = f"{path}/{{identifier:serial}}"
    return [
        Route(
            method="GET",
            path=path,
            endpoint=devices.list,
            summary="List devices",
            reply=list[shape],  # type: ignore[valid-type]  # a model chosen at run time
            statuses=(401, 403),
        ),
        Route(
            method="GET",
            path=single,
            endpoint=devices.get,
            summary="Show a device",
            reply=shape,
            statuses=(401, 403, 404),
        ),
        Route(
            method="DELETE",
            path=single,
            endpoint=devices.delete,
            summary="Remove a device",
            reply=schemas.Nothing,
            statuses=(401, 403, 404),
        ),
    ]


def _encoded(
    devices: Sequence[Device], caller: Caller, encoded: Callable[[Device], bytes | None]
) -> list[bytes]:
    return [
        body for device in devices if caller.sees(device) and (body := encoded(device)) is not None
    ]
