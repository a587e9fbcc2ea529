"""Devices: list, make, show, change, remove."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core import errors
from polyfleet.api.core.addresses import base_url
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.drogue import finalizers, listing, patching, resources, schemas, writing
from polyfleet.api.dialects.drogue.access import Caller, caller_of, is_shown
from polyfleet.api.dialects.drogue.credentials import CredentialGuard, PreSharedKeys, references
from polyfleet.api.dialects.drogue.documents import Documents, data_of, device_document
from polyfleet.api.dialects.drogue.errors import ReferenceNotFound
from polyfleet.api.dialects.drogue.resources import Given, Preconditions
from polyfleet.api.dialects.drogue.routes import Route, parameter
from polyfleet.fleet.claims import ClaimedName, claimed_by, device_names
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import application_label, object_name
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.claim import Claim, ClaimHolder
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.fleet.objects.lock import is_disabled, without_lock
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, SERIAL_LABEL
from polyfleet.fleet.rights import Right
from polyfleet.kube import claims
from polyfleet.kube.devices import find_device
from polyfleet.kube.errors import ApiError, Conflict, Invalid, NotFound

BASE = "/api/registry/v1alpha1/apps/{appId}/devices"


class DeviceRoutes:
    """The routes of devices below /api/registry."""

    def __init__(self, facade: Facade, documents: Documents, order: listing.Order) -> None:
        self._facade = facade
        self._documents = documents
        self._order = order
        self._guard = CredentialGuard()
        self._keys = PreSharedKeys(facade.client)

    async def list(self, request: Request) -> Response:
        """List the devices of an application."""
        caller = await caller_of(self._facade, request)
        application = caller.application(parameter(request, "appId"))
        wanted = listing.wanted_of(request)
        shown = None if application.present else _shown_in(application)
        found = self._order.devices(application.metadata.name, wanted, shown)
        secret = caller.has(Right.WRITE, application)
        return listing.answer(
            found, lambda item: self._documents.device(item, application, secret=secret)
        )

    async def create(self, request: Request) -> Response:
        """Make a device."""
        caller = await caller_of(self._facade, request)
        try:
            application = caller.application(parameter(request, "appId"), Right.WRITE)
        except errors.NotFound as error:
            raise ReferenceNotFound(error.message) from None
        given = resources.device_of(await resources.read(request))
        if given.application not in (None, application.spec.name):
            raise errors.Invalid("metadata.application", "must be the application in the path")
        if not application.present:
            raise ReferenceNotFound("the application is being deleted")
        home = application.metadata.name
        if find_device(self._facade.cache.devices, home, given.name) is not None:
            raise errors.AlreadyExists("the name is taken")
        await self._make(application, given)
        place = f"{quote(application.spec.name)}/devices/{quote(given.name, safe='')}"
        location = f"{base_url(self._facade, request)}/api/registry/v1alpha1/apps/{place}"
        return Response(status_code=201, headers={"Location": location})

    async def get(self, request: Request) -> Response:
        """Show a device."""
        caller = await caller_of(self._facade, request)
        application = caller.application(parameter(request, "appId"))
        device = caller.device_of(application, parameter(request, "deviceId"))
        secret = caller.has(Right.WRITE, application)
        body = self._documents.device(device, application, secret=secret)
        return Response(body, media_type="application/json")

    async def put(self, request: Request) -> Response:
        """Replace what clients of this API wrote about a device."""
        _, application, device = await self._writable(request)
        given = resources.device_of(await resources.read(request))
        _check_names(given, application, device)
        await self._replace(device, lambda _: given, Preconditions())
        return Response(status_code=204)

    async def patch(self, request: Request) -> Response:
        """Change a device by a JSON patch."""
        _, application, device = await self._writable(request)
        patch = patching.checked(await resources.read(request))

        def make(item: Device) -> Given:
            document = device_document(item, application, secret=True)
            given = resources.device_of(patching.apply(patch, document))
            _check_names(given, application, item)
            return given

        await self._replace(device, make, resources.queried(request))
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        """Remove a device."""
        _, _, device = await self._writable(request)
        document = await resources.read(request, optional=True)
        preconditions = resources.queried(request, document)
        writer = self._facade.writer

        async def attempt(item: Device) -> bool:
            if item.metadata.terminating:
                raise errors.NotFound("it is being deleted already")
            unused: Sequence[Claim] = ()
            if not item.metadata.finalizers:
                unused = await claims.held(writer, claimed_by(item), _holder(item))
            try:
                await writer.delete(DEVICES, item)
            except Conflict:
                return False
            await claims.release(writer, unused)
            return True

        await writing.until_written(writer, DEVICES, device, preconditions, attempt)
        return Response(status_code=204)

    async def _writable(self, request: Request) -> tuple[Caller, Application, Device]:
        caller = await caller_of(self._facade, request)
        application = caller.application(parameter(request, "appId"), Right.WRITE)
        return caller, application, caller.device_of(application, parameter(request, "deviceId"))

    async def _make(self, application: Application, given: Given) -> None:
        facade, home = self._facade, application.metadata.name
        protected = await self._guard.protect(given.spec, {})
        names = device_names(home, protected.spec)
        _check_aliases(given, names)
        name = object_name(DEVICES.name, home, given.name)
        spec: dict[str, Any] = {
            "application": home,
            "deviceId": given.name,
            "createdAt": timestamp(facade.clock()),
        }
        if data := given.data(without_lock(protected.spec)):
            spec["data"] = data
        if is_disabled(given.spec):
            spec["disabled"] = True
        holder = ClaimHolder(kind=DEVICES.name, name=name)
        taken = await self._take(names, holder, home)
        try:
            device = await facade.writer.create(
                DEVICES,
                name,
                spec,
                labels={
                    **given.labels,
                    APPLICATION_LABEL: application_label(home),
                    SERIAL_LABEL: str(await facade.serials.next(DEVICES)),
                },
                finalizers=finalizers.native(given.finalizers),
            )
        except Invalid:
            await claims.release(facade.writer, taken)
            raise
        await self._confirm(device, taken, protected.keys)

    async def _confirm(self, device: Device, claimed: Sequence[Claim], keys: Any) -> None:
        """Keep a new device only if its name is nobody's alias and its keys are put away.

        Whoever takes an alias looks for devices after that; of two at once, one sees the other.
        """
        facade = self._facade
        own = ClaimedName("Alias", device.spec.device_id, device.spec.application)
        try:
            taken = await claims.holder_of(facade.writer, own, facade.clock()) is not None
            if not taken:
                await self._keys.add(device, keys)
                return
        except (ApiError, errors.Unavailable):
            await self._undo(device, claimed)
            raise
        await self._undo(device, claimed)
        raise errors.AlreadyExists("the name is taken")

    async def _undo(self, device: Device, claimed: Sequence[Claim]) -> None:
        writer = self._facade.writer
        with suppress(ApiError):
            await writer.delete(DEVICES, device, checked=False)
            await claims.release(writer, claimed)

    async def _take(
        self, names: frozenset[ClaimedName], holder: ClaimHolder, home: str
    ) -> Sequence[Claim]:
        facade = self._facade
        taken = await claims.take(facade.writer, names, holder, facade.clock())
        for name in names:
            if await self._is_device(home, name.value):
                await claims.release(facade.writer, taken)
                raise errors.Conflict("the name is taken by a device")
        return taken

    async def _is_device(self, home: str, name: str) -> bool:
        if find_device(self._facade.cache.devices, home, name) is not None:
            return True
        with suppress(NotFound):
            found = await self._facade.writer.read(DEVICES, object_name(DEVICES.name, home, name))
            return found.spec.device_id == name and found.spec.application == home
        return False

    async def _replace(
        self, device: Device, make: Callable[[Device], Given], preconditions: Preconditions
    ) -> None:
        async def attempt(item: Device) -> bool:
            given = make(item)
            item = await writing.settled(self._facade.writer, DEVICES, item, given.preconditions)
            return await self._write(item, given)

        await writing.until_written(self._facade.writer, DEVICES, device, preconditions, attempt)

    async def _write(self, device: Device, given: Given) -> bool:
        """Write what is given; return False if somebody else was faster."""
        home, stored = device.spec.application, data_of(device).spec
        protected = await self._guard.protect(given.spec, stored)
        operations = writing.operations(device, given, given.data(without_lock(protected.spec)))
        disabled = is_disabled(given.spec)
        if disabled != device.spec.disabled or (disabled and operations):
            # In one place only: whoever unlocks it by kubectl need not know of another.
            operations.append({"op": "add", "path": "/spec/disabled", "value": disabled})
        if not operations:
            return True
        names, before = device_names(home, protected.spec), claimed_by(device)
        _check_aliases(given, names)
        holder = _holder(device)
        await self._take(names - before, holder, home)
        # Of a device that is being deleted this may take the last finalizer, and with it the rest.
        unused = names | before if device.metadata.terminating else before - names
        freed = await claims.held(self._facade.writer, unused, holder)
        await self._keys.add(device, protected.keys)
        try:
            changed = await self._facade.writer.patch(DEVICES, device, operations)
        except (Conflict, Invalid) as error:
            await self._keys.forget(device, protected.keys)
            if isinstance(error, Conflict):
                return False
            raise
        await self._tidy(changed, freed)
        await self._keys.forget(changed, references(stored) - references(protected.spec))
        return True

    async def _tidy(self, device: Device, freed: Sequence[Claim]) -> None:
        if device.metadata.terminating and not device.metadata.finalizers:
            self._facade.cache.devices.remove(device, confirmed=False)
        else:
            kept = {name.object_name for name in claimed_by(device)}
            freed = [claim for claim in freed if claim.metadata.name not in kept]
        await claims.release(self._facade.writer, freed)


def routes(devices: DeviceRoutes) -> "list[Route]":
    """Return the routes of devices."""
    single = f"{BASE}/{{deviceId}}"
    return [
        Route(
            method="GET",
            path=BASE,
            endpoint=devices.list,
            summary="List the devices of an application",
            statuses=(200, 400, 401, 404),
            query=("labels", "limit", "offset"),
            unauthenticated=401,
            reply=list[schemas.Device],
        ),
        Route(
            method="POST",
            path=BASE,
            endpoint=devices.create,
            summary="Make a device",
            statuses=(201, 400, 401, 403, 404, 409, 413),
            body=schemas.Device,
            headers=("Location",),
        ),
        Route(
            method="GET",
            path=single,
            endpoint=devices.get,
            summary="Show a device",
            statuses=(200, 401, 403, 404),
            reply=schemas.Device,
        ),
        Route(
            method="PUT",
            path=single,
            endpoint=devices.put,
            summary="Replace a device",
            statuses=(204, 400, 401, 403, 404, 409, 413),
            body=schemas.Device,
        ),
        Route(
            method="DELETE",
            path=single,
            endpoint=devices.delete,
            summary="Remove a device",
            statuses=(204, 400, 401, 403, 404, 409),
            query=("uid", "resourceVersion"),
            body=schemas.Deletion,
            body_required=False,
        ),
        Route(
            method="PATCH",
            path=single,
            endpoint=devices.patch,
            summary="Change a device by a JSON patch",
            statuses=(204, 400, 401, 403, 404, 409, 413),
            query=("uid", "resourceVersion"),
            body=schemas.Patch,
        ),
    ]


def _check_names(given: Given, application: Application, device: Device) -> None:
    if given.name != device.spec.device_id:
        raise errors.Invalid("metadata.name", "must be the name of the device in the path")
    if given.application not in (None, application.spec.name):
        raise errors.Invalid("metadata.application", "must be the application in the path")


def _check_aliases(given: Given, names: frozenset[ClaimedName]) -> None:
    if any(name.value == given.name for name in names):
        raise errors.Conflict("the device's own name is no alias")


def _shown_in(application: Application) -> Callable[[Device], bool]:
    return lambda device: is_shown(device, application)


def _holder(device: Device) -> ClaimHolder:
    meta = device.metadata
    return ClaimHolder(kind=DEVICES.name, name=meta.name, uid=meta.uid)
