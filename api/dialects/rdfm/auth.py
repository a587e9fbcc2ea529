"""Device authorization: tokens for devices that are let in, a waiting room for the others."""

import structlog
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.access import Caller, flat_name, present
from polyfleet.api.core.documentation import parameter
from polyfleet.api.core.enrollments import Candidate, Enrollments
from polyfleet.api.core.errors import (
    Invalid,
    NotFound,
    PolyfleetError,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.requests import decode_json
from polyfleet.api.dialects.rdfm import bodies, metadata, schemas
from polyfleet.api.dialects.rdfm.access import Access
from polyfleet.api.dialects.rdfm.errors import render
from polyfleet.api.dialects.rdfm.metadata import DeviceMetadata
from polyfleet.api.dialects.rdfm.refusals import Refusals
from polyfleet.api.dialects.rdfm.routes import Route
from polyfleet.api.dialects.rdfm.signatures import (
    SIGNATURE_HEADER,
    DeviceKey,
    Signatures,
    device_key,
    signature_of,
)
from polyfleet.api.dialects.rdfm.translate import device as translate
from polyfleet.api.dialects.rdfm.translate.dates import birth
from polyfleet.api.dialects.rdfm.translate.wire import EMPTY_OBJECT, encode, encode_list
from polyfleet.fleet.names import parse_flat_id
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.kinds import ENROLLMENTS
from polyfleet.fleet.rights import Right
from polyfleet.kube.devices import find_device
from polyfleet.kube.enrollment import accept

SOURCE = "rdfm"
LARGEST_BODY = 64 * 1024

_EXAMPLES = "/api/v1/auth/registrations"
"""What the document's examples of listing and accepting have for a path."""
_NOT_AUTHORIZED = "the device is not authorized"
_MOST_TOLD = 256
"""Ids that no device can get in by, of which the log has told."""

log = structlog.get_logger("polyfleet.rdfm")


class AuthRoutes:
    """The routes below /api/v1/auth."""

    def __init__(self, facade: Facade, access: Access, enrollments: Enrollments) -> None:
        self._facade = facade
        self._access = access
        self._enrollments = enrollments
        self._signatures = Signatures()
        self._told: set[str] = set()
        settings = facade.settings.rdfm
        self._refusals = Refusals(seconds=settings.refusal_delay, most=settings.delayed_refusals)
        self._default = facade.settings.default_application

    async def device(self, request: Request) -> Response:
        """Give a token to a device that is let in; else note that it asks.

        Clients repeat a request at once and for ever on anything but 200 and 401. So a request
        that is at fault is answered late, and what we cannot cope with is answered by 401.
        """
        try:
            return await self._authorize(request)
        except Unauthenticated as error:
            return render(error)
        except (RateLimited, Unavailable) as error:
            log.warning("device authorization put off", reason=error.message)
            return render(Unauthenticated(_NOT_AUTHORIZED))
        except PolyfleetError as error:
            held = await self._refusals.hold()
            return render(error if held else Unauthenticated(_NOT_AUTHORIZED))

    async def pending(self, request: Request) -> Response:
        """List the devices that wait to be let in."""
        caller = await self._access.caller(request, Right.READ)
        items = [
            encode(self._registration(item, name))
            for item in self._enrollments.pending()
            if caller.sees(item)
            and not self._is_let_in(item)
            and (name := flat_name(self._facade, item.spec.application, item.spec.device_id))
            is not None
        ]
        return Response(encode_list(items), media_type="application/json")

    async def register(self, request: Request) -> Response:
        """Let a waiting device in."""
        enrollment = await self._referenced(request)
        facade = self._facade
        await accept(
            facade.writer,
            facade.cache,
            facade.serials,
            enrollment,
            facade.clock(),
            attribute_labels=facade.settings.attribute_labels,
        )
        return Response(EMPTY_OBJECT, media_type="application/json")

    async def remove(self, request: Request) -> Response:
        """Forget a waiting device; it may ask again."""
        enrollment = await self._referenced(request)
        await self._facade.writer.delete(ENROLLMENTS, enrollment, checked=False)
        return Response(EMPTY_OBJECT, media_type="application/json")

    async def _authorize(self, request: Request) -> Response:
        body = await bodies.read(request, LARGEST_BODY)
        told, pem = _question(decode_json(body))
        signature = signature_of(request.headers.get(SIGNATURE_HEADER))
        key = device_key(pem)
        await self._signatures.check(key, signature, body)
        device = self._known(told.identifier, key)
        if device is None:
            await self._ask(request, told, key)
            raise Unauthenticated(_NOT_AUTHORIZED)
        self._facade.activity.seen(device)
        await self._report(device, told)
        identity = self._facade.identity
        token = identity.issue_device_token(device)
        return Response(
            encode({"expires": identity.device_tokens.lifetime, "token": token}),
            media_type="application/json",
        )

    def _known(self, identifier: str, key: DeviceKey) -> Device | None:
        """Return the device of that id if it is let in with that key."""
        place = self._place(identifier)
        if place is None or present(self._facade, place[0]) is None:
            return None
        device = find_device(self._facade.cache.devices, *place)
        if device is None or device.metadata.terminating or device.spec.disabled:
            return None
        return device if any(map(key.is_same_as, device.spec.public_keys)) else None

    def _is_let_in(self, item: Enrollment) -> bool:
        """Whether the device was let in, and whoever did that died before the Enrollment went."""
        devices = self._facade.cache.devices
        device = find_device(devices, item.spec.application, item.spec.device_id)
        return device is not None and item.spec.public_key in device.spec.public_keys

    async def _ask(self, request: Request, told: DeviceMetadata, key: DeviceKey) -> None:
        place = self._place(told.identifier)
        # A stranger asks for the default application only; `~<application>~<id>` is no way in.
        if place is None or place[0] != self._default:
            self._tell_once(told.identifier)
            return
        if present(self._facade, self._default) is None:
            return
        known = find_device(self._facade.cache.devices, *place)
        if known is not None and known.spec.disabled:
            return
        await self._enrollments.ask(
            Candidate(
                application=place[0],
                device_id=place[1],
                public_key=key.pem,
                key=key.fingerprint,
                source_address=request.client.host if request.client else None,
                attributes=metadata.attributes(told),
            )
        )

    def _tell_once(self, identifier: str) -> None:
        """Note why a device waits for ever: nothing else shows it."""
        if identifier not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(identifier)
            log.info("an id with one ~ cannot ask: its own ~ must be doubled", id=identifier[:64])

    async def _report(self, device: Device, told: DeviceMetadata) -> None:
        try:
            await self._facade.reports.replace(
                device, SOURCE, metadata.attributes(told), version=told.version or None
            )
        except PolyfleetError as error:
            # The token is what was asked for; the device tells its metadata again with the next.
            log.warning("metadata not written", reason=error.message)

    def _registration(self, item: Enrollment, name: str) -> dict[str, object]:
        appeared = self._facade.appearances.last_seen(item)
        return translate.registration(
            item, name=name, last_appeared=appeared or birth(item.metadata, item.spec.created_at)
        )

    async def _referenced(self, request: Request) -> Enrollment:
        """Return the pending registration that a request's body names."""
        caller = await self._access.caller(request, Right.WRITE)
        body = await bodies.read(request, LARGEST_BODY)
        # Unlike elsewhere, other fields are passed over: some send the listed item as it is.
        fields = bodies.object_of(decode_json(body))
        identifier = bodies.text(fields.get("mac_address"), "mac_address")
        pem = bodies.text(fields.get("public_key"), "public_key")
        found = self._find(caller, identifier, pem)
        if found is None or found.spec.approval == "Denied":
            raise NotFound("there is no such registration request")
        caller.require(Right.WRITE, found.spec.application)
        return found

    def _find(self, caller: Caller, identifier: str, pem: str) -> Enrollment | None:
        place = self._place(identifier)
        if place is None:
            return None
        try:
            found = self._enrollments.find(*place, device_key(pem).fingerprint)
        except Invalid:
            return None
        return found if found is not None and caller.sees(found) else None

    def _place(self, identifier: str) -> tuple[str, str] | None:
        """Return the application (by object name) and the id that a flat id stands for."""
        default = self._facade.settings.default_application
        try:
            application, device_id = parse_flat_id(identifier, default_application=default)
        except ValueError:
            return None
        return application, device_id


def routes(auth: AuthRoutes) -> list[Route]:
    """Return the routes."""
    registration = schemas.RegistrationReference
    return [
        Route(
            method="POST",
            path="/api/v1/auth/device",
            endpoint=auth.device,
            summary="Authorize a device",
            security=None,
            body=schemas.DeviceAuthorization,
            reply=schemas.DeviceToken,
            statuses=(400, 401),
            extra={
                "description": "The body is signed (PKCS #1 v1.5, SHA-256) with the device's key.",
                "parameters": [parameter("X-RDFM-Device-Signature", "header", required=True)],
            },
        ),
        Route(
            method="GET",
            path="/api/v1/auth/pending",
            endpoint=auth.pending,
            summary="List pending registrations",
            also=_EXAMPLES,
            reply=list[schemas.Registration],
            statuses=(401, 403),
        ),
        Route(
            method="POST",
            path="/api/v1/auth/register",
            endpoint=auth.register,
            summary="Accept a registration",
            also=_EXAMPLES,
            body=registration,
            reply=schemas.Nothing,
            statuses=(400, 401, 403, 404),
        ),
        Route(
            method="DELETE",
            path="/api/v1/auth/pending",
            endpoint=auth.remove,
            summary="Remove a pending registration",
            body=registration,
            reply=schemas.Nothing,
            statuses=(400, 401, 403, 404),
        ),
    ]


def _question(document: object) -> tuple[DeviceMetadata, str]:
    fields = bodies.exactly(document, ("metadata", "public_key", "timestamp"))
    told = metadata.read(fields["metadata"])
    pem = bodies.text(fields["public_key"], "public_key")
    _check_timestamp(fields["timestamp"])
    return told, pem


def _check_timestamp(value: object) -> None:
    """Check the form only: clients send seconds or milliseconds, and repeat old requests."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return
    if isinstance(value, str):
        try:
            int(value)
        except ValueError:
            raise Invalid("timestamp", "must be an integer") from None
        return
    raise Invalid("timestamp", "must be an integer")
