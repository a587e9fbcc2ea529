"""The device's WebSocket: greeted, held open, and listened to."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
import structlog
from anyio import create_task_group
from starlette.websockets import WebSocket, WebSocketState

from polyfleet.api.core.errors import Invalid, PolyfleetError
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.rdfm.auth import SOURCE
from polyfleet.api.dialects.rdfm.connections import Connection, Connections
from polyfleet.fleet.attributes import VERSION_KEY, attributes_of
from polyfleet.fleet.objects.device import Device

PATH = "/api/v1/devices/ws"

NOT_TEXT = 1003
UNAUTHORIZED = 4000
INVALID_REQUEST = 4001
SECOND_CONNECTION = 4002

_MOST_CAPABILITIES = 64
_LONGEST_CAPABILITY = 63
_LONGEST_VERSION = 1024
_COMPLETE = 100

Message = Mapping[str, Any]

log = structlog.get_logger("polyfleet.rdfm")


class DeviceSockets:
    """Serves the devices' WebSockets. Pings are the server's own, each 25 seconds."""

    def __init__(self, facade: Facade, connections: Connections) -> None:
        self._facade = facade
        self._connections = connections
        self._methods: Mapping[str, Callable[[Device, Message], Awaitable[None]]] = {
            "capability_report": self._capabilities,
            "update_progress": self._progress,
            "update_version": self._version,
        }

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection to its end."""
        await socket.accept()
        try:
            principal = await self._facade.identity.authenticate_device_request(socket.headers)
        except PolyfleetError as error:
            await socket.close(UNAUTHORIZED, error.message)
            return
        connection = self._connections.open(principal.device.metadata.uid)
        if connection is None:
            await socket.close(SECOND_CONNECTION, "the device is connected already")
            return
        try:
            await self._hold(socket, connection)
        finally:
            self._connections.close(connection)

    async def _hold(self, socket: WebSocket, connection: Connection) -> None:
        await _alert(socket, "connected")
        async with create_task_group() as tasks:
            tasks.start_soon(_close_when_gone, socket, connection)
            await self._listen(socket, connection)
            tasks.cancel_scope.cancel()

    async def _listen(self, socket: WebSocket, connection: Connection) -> None:
        while True:
            received = await socket.receive()
            if received["type"] == "websocket.disconnect":
                return
            device = self._facade.cache.devices.by_uid(connection.uid)
            if device is None:
                return
            self._facade.activity.seen(device)
            text = received.get("text")
            if text is None:
                await _close(socket, NOT_TEXT, "frames must be text")
                return
            message = _parsed(text)
            if message is None:
                await _close(socket, INVALID_REQUEST, "a message is an object with a method")
                return
            await self._answer(socket, device, message)

    async def _answer(self, socket: WebSocket, device: Device, message: Message) -> None:
        method = self._methods.get(message["method"])
        if method is None:
            await _alert(socket, f"the method {message['method'][:64]!r} is not known")
            return
        try:
            await method(device, message)
        except Invalid as error:
            await _alert(socket, f"{error.field}: {error.message}")
        except PolyfleetError as error:
            log.warning("message of a device not stored", reason=error.message)
            await _alert(socket, "the message could not be stored")

    async def _capabilities(self, device: Device, message: Message) -> None:
        found = message.get("capabilities")
        if (
            not isinstance(found, dict)
            or len(found) > _MOST_CAPABILITIES
            or not all(0 < len(name) <= _LONGEST_CAPABILITY for name in found)
            or not all(isinstance(value, bool) for value in found.values())
        ):
            raise Invalid("capabilities", "must be a few truth values by name")
        await self._facade.reports.merge(device, SOURCE, (), capabilities=found, excess="keep")

    async def _version(self, device: Device, message: Message) -> None:
        version = message.get("version")
        if not isinstance(version, str) or not 0 < len(version) <= _LONGEST_VERSION:
            raise Invalid("version", f"must be a text of 1 to {_LONGEST_VERSION} characters")
        told = attributes_of({VERSION_KEY: version})
        await self._facade.reports.merge(device, SOURCE, told, version=version, excess="keep")

    async def _progress(self, device: Device, message: Message) -> None:
        progress = message.get("progress")
        if (
            not isinstance(progress, int | float)
            or isinstance(progress, bool)
            or not 0 <= progress <= _COMPLETE
        ):
            raise Invalid("progress", f"must be a number from 0 to {_COMPLETE}")
        self._facade.reports.progress(device, int(progress))


async def _close_when_gone(socket: WebSocket, connection: Connection) -> None:
    await connection.gone.wait()
    await _close(socket, UNAUTHORIZED, "the device was removed")


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        await socket.close(code, reason)


async def _alert(socket: WebSocket, text: str) -> None:
    body = orjson.dumps({"method": "alert", "alert": {"message": text}})
    await socket.send_text(body.decode())


def _parsed(text: str) -> Message | None:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    known = isinstance(message, dict) and isinstance(message.get("method"), str)
    return message if known else None
