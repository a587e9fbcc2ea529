"""Commands to devices: sent by people, fetched and answered by devices."""

import asyncio
import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core import errors
from polyfleet.api.core.call import current
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.identity import access_tokens
from polyfleet.api.core.identity.credentials import Basic, Bearer, credential_of
from polyfleet.api.core.requests import read_body
from polyfleet.api.dialects.drogue import schemas
from polyfleet.api.dialects.drogue.access import (
    Caller,
    application_of_name,
    caller_of,
    device_of_name,
)
from polyfleet.api.dialects.drogue.deliveries import OCTETS, delivery, is_header
from polyfleet.api.dialects.drogue.device_login import DevicePasswords, Place, concerns
from polyfleet.api.dialects.drogue.documents import data_of
from polyfleet.api.dialects.drogue.errors import NotAcceptable, NotLoggedIn
from polyfleet.api.dialects.drogue.inboxes import Inboxes, address_of
from polyfleet.api.dialects.drogue.routes import Route, parameter
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import application_label
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.command import Command
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import APPLICATIONS, COMMANDS, DEVICES
from polyfleet.fleet.objects.lock import is_disabled
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL
from polyfleet.fleet.rights import Right
from polyfleet.fleet.visible_text import has_controls
from polyfleet.kube.errors import NotFound
from polyfleet.kube.tasks import cancel_and_wait

BASE = "/api/command/v1alpha1"
LARGEST_PAYLOAD = 64 * 1024
_LONGEST_NAME = 1024
_LONGEST_CONTENT_TYPE = 256
_LONGEST_STATUS = 256
_CODE = re.compile("0|[1-9][0-9]{0,2}")
_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")


class CommandRoutes:
    """The routes below /api/command."""

    def __init__(self, facade: Facade, inboxes: Inboxes) -> None:
        self._facade = facade
        self._inboxes = inboxes
        self._passwords = DevicePasswords(facade.identity.limits)

    async def send(self, request: Request) -> Response:
        """Put a command into a device's inbox."""
        caller = await caller_of(self._facade, request)
        application = caller.application(parameter(request, "appId"), Right.WRITE)
        name = _one(request, "command", _LONGEST_NAME)
        if name is None:
            raise errors.Invalid("command", "is required")
        payload = await _payload(request)
        device = _reachable(caller, application, parameter(request, "deviceId"))
        now = self._facade.clock()
        lifetime = timedelta(seconds=self._facade.settings.drogue.command_lifetime)
        spec: dict[str, Any] = {
            "application": device.spec.application,
            "device": device.spec.device_id,
            "name": name,
            "createdAt": timestamp(now),
            "expiresAt": timestamp(now + lifetime),
        }
        if payload is not None:
            spec["payload"] = payload
        labels = {APPLICATION_LABEL: application_label(device.spec.application)}
        identifier = await self._inboxes.send(device, spec, labels)
        return Response(status_code=202, headers={"Request": identifier})

    async def inbox(self, request: Request) -> Response:
        """Give a device its next command; wait for one as long as it asks."""
        device = await self._device(request)
        seconds = _seconds(_one(request, "timeout", 16))

        async def still_allowed() -> bool:
            found = await self._device(request)
            return found.metadata.uid == device.metadata.uid

        command = await self._inboxes.take(
            address_of(device),
            seconds=min(seconds, self._facade.settings.drogue.longest_wait),
            gone=_gone(request, self._facade.stopping),
            still_allowed=still_allowed,
            read_again=lambda: self._read_again(device),
        )
        if command is None:
            raise errors.NotFound("there is no command")
        return delivery(command)

    async def outbox(self, request: Request) -> Response:
        """Keep a device's answer to a command."""
        device = await self._device(request)
        status = _status(_one(request, "status", _LONGEST_STATUS))
        payload = await _payload(request)
        command = self._inboxes.delivered(address_of(device), _one(request, "request", 64))
        if command is None:
            raise errors.NotFound("there is no such command")
        told: dict[str, Any] = {"status": status}
        if payload is not None:
            told["payload"] = payload
        await self._answer(command, told)
        return Response(status_code=200)

    async def _answer(self, command: Command, told: Mapping[str, Any]) -> None:
        def decide(item: Command) -> Mapping[str, Any] | None:
            if item.metadata.uid != command.metadata.uid:
                raise errors.NotFound("there is no such command")
            if item.status.answer is None:
                at = timestamp(self._facade.clock())
                return {"status": {"answer": {"at": at, **told}}}
            if _told(item) == told:
                return None
            raise errors.Conflict("the command has another answer")

        await self._facade.writer.update(
            COMMANDS, command.metadata.name, decide, subresource="status"
        )

    async def _read_again(self, device: Device) -> None:
        """Let the cache know all that was written about a device so far, by anybody."""
        writer = self._facade.writer
        with suppress(NotFound):
            await writer.read(APPLICATIONS, device.spec.application)
        try:
            await writer.read(DEVICES, device.metadata.name)
        except NotFound:
            self._facade.cache.devices.remove(device, confirmed=False)

    async def _device(self, request: Request) -> Device:
        """Return the device whose inbox it is: it asks itself, or somebody who may change it."""
        place = Place(parameter(request, "appId"), parameter(request, "deviceId"))
        credential = None
        if not self._facade.identity.insecure:
            credential = credential_of(request.headers, request.query_params)
            if credential is None:
                raise NotLoggedIn("credentials are needed")
            device = await self._itself(credential, place)
            if device is not None:
                self._facade.activity.seen(device)
                return device
        caller = await caller_of(self._facade, request)
        if isinstance(credential, Basic):
            self._passwords.is_persons(credential, place)
        application = caller.application(place.application, Right.WRITE)
        return caller.device_of(application, place.device)

    async def _itself(self, credential: Basic | Bearer, place: Place) -> Device | None:
        """Return the device if the credential is its own and holds; None if it is a person's."""
        identity = self._facade.identity
        if isinstance(credential, Bearer):
            try:
                found = (await identity.authenticate_device(credential.token)).device
            except errors.Unauthenticated:
                return None
            home = self._facade.cache.applications.get(found.spec.application)
            if home is None or not _is_open(found, home):
                raise errors.Unauthenticated("the device is locked out")
            if (home.spec.name, found.spec.device_id) != place:
                raise errors.NotFound("it is another device's inbox")
            return found
        if access_tokens.looks_like_one(credential.secret):
            return None
        application, device = self._find(place)
        if not concerns(credential, place, device):
            known = identity.passwords.remembered(credential.user, credential.secret)
            if known is not None:
                return None
        # Whoever this is: who is refused is not to learn by the time what there is.
        if await self._passwords.hold(credential, place, device):
            if device is None or application is None or not _is_open(device, application):
                raise errors.Unauthenticated("the device is locked out")
            return device
        if place.is_own_name(credential.user):
            identity.limits.mistake(current().address)
            raise errors.Unauthenticated("the credentials do not hold")
        return None

    def _find(self, place: Place) -> tuple[Application | None, Device | None]:
        application = None
        with suppress(errors.NotFound):
            application = application_of_name(self._facade, place.application)
            return application, device_of_name(self._facade, application, place.device)
        return application, None


def routes(facade: Facade, inboxes: Inboxes) -> list[Route]:
    """Return the routes below /api/command."""
    commands = CommandRoutes(facade, inboxes)
    return [
        Route(
            method="POST",
            path=f"{BASE}/apps/{{appId}}/devices/{{deviceId}}",
            endpoint=commands.send,
            summary="Send a command to a device",
            statuses=(202, 400, 401, 404, 406, 413, 503),
            query=("command!",),
            body=schemas.Payload,
            body_required=False,
            headers=("Request",),
            unauthenticated=401,
        ),
        Route(
            method="GET",
            path=f"{BASE}/inbox/apps/{{appId}}/devices/{{deviceId}}",
            endpoint=commands.inbox,
            summary="Wait for a command",
            statuses=(200, 400, 401, 404, 503),
            query=("timeout",),
            reply=schemas.Payload,
            headers=("Command", "Request"),
            unauthenticated=401,
            heads=False,
        ),
        Route(
            method="POST",
            path=f"{BASE}/outbox/apps/{{appId}}/devices/{{deviceId}}",
            endpoint=commands.outbox,
            summary="Answer a command",
            statuses=(200, 400, 401, 404, 409, 413),
            query=("request", "status!"),
            body=schemas.Payload,
            body_required=False,
            unauthenticated=401,
        ),
    ]


def _reachable(caller: Caller, application: Application, name: str) -> Device:
    try:
        device = caller.device_of(application, name)
    except errors.NotFound:
        raise NotAcceptable("there is no such device") from None
    if not _is_open(device, application):
        raise NotAcceptable("the device is disabled")
    return device


def _is_open(device: Device, application: Application) -> bool:
    """Say whether the device may be spoken to."""
    if device.metadata.terminating or device.spec.disabled or not application.present:
        return False
    return not is_disabled(data_of(application).spec)


async def _payload(request: Request) -> dict[str, str] | None:
    body = await read_body(request, LARGEST_PAYLOAD)
    content_type = request.headers.get("content-type", "").strip()
    if not body and not content_type:
        return None
    if len(content_type) > _LONGEST_CONTENT_TYPE:
        raise errors.Invalid("content-type", f"has more than {_LONGEST_CONTENT_TYPE} characters")
    if content_type and not is_header(content_type):
        raise errors.Invalid("content-type", "must be of printable ASCII characters")
    kind = content_type.partition(";")[0].strip().lower()
    if body and (kind == "application/json" or kind.endswith("+json")):
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError:
            raise NotAcceptable("the payload is not the JSON that it is said to be") from None
    return {
        "contentType": content_type or OCTETS,
        "base64": base64.b64encode(body).decode(),
    }


def _told(command: Command) -> dict[str, Any] | None:
    answer = command.status.answer
    if answer is None:
        return None
    told: dict[str, Any] = {"status": answer.status}
    if answer.payload is not None:
        payload = answer.payload
        told["payload"] = {"contentType": payload.content_type, "base64": payload.base64}
    return told


async def _gone(request: Request, stopping: asyncio.Event) -> None:
    """Wait until the client has gone, or this process is to end."""
    ends = {asyncio.create_task(_disconnected(request)), asyncio.create_task(stopping.wait())}
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(*ends)


async def _disconnected(request: Request) -> bool:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return True


def _one(request: Request, name: str, longest: int) -> str | None:
    given = request.query_params.getlist(name)
    if len(given) > 1 or any(len(text) > longest for text in given):
        raise errors.Invalid(name, f"must be given once, with at most {longest} characters")
    return given[0] if given and given[0] else None


def _seconds(text: str | None) -> float:
    if text is None:
        return 0.0
    if not _SECONDS.fullmatch(text):
        raise errors.Invalid("timeout", "must be a number of seconds")
    return float(text)


def _status(text: str | None) -> int | str:
    """Return a device's status: the document says a text, and most send a number."""
    if text is None:
        raise errors.Invalid("status", "is required")
    if has_controls(text):
        raise errors.Invalid("status", "must have no control characters")
    return int(text) if _CODE.fullmatch(text) else text
