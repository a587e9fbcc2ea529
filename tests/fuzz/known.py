"""A small fleet whose names the fuzzer knows, so that it gets past "there is no such thing"."""

from typing import Any

from polyfleet.api.core.identity.endpoint_tokens import digest
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import application_label, object_name
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import APPLICATIONS, DEVICES, GROUPS, PACKAGES
from polyfleet.fleet.objects.metadata import APPLICATION_LABEL, FINALIZER, SERIAL_LABEL
from tests.facade_fixtures import FacadeServer

NAMES = ("known", "default", "other")
"""Applications, and a device and a group of each name in each of them."""
SERIALS = (1, 2, 3, 4, 5, 6)


def make_known_fleet(server: FacadeServer) -> None:
    """Make applications, and a device, a group and a package of every known name in each."""
    server.call(_make(server), seconds=60)


def give_application(server: FacadeServer, person: str) -> None:
    """Make an application that belongs to a person who is there."""
    server.call(_give(server, person))


async def _give(server: FacadeServer, person: str) -> None:
    facade = server.facade
    user = facade.identity.directory.user(person)
    assert user is not None
    spec: dict[str, Any] = {
        "name": f"of-{person}",
        "createdAt": timestamp(facade.clock()),
        "owner": {"user": person, "uid": user.metadata.uid},
    }
    await facade.writer.create(APPLICATIONS, spec["name"], spec, finalizers=[FINALIZER])


def make_device(server: FacadeServer, device_id: str) -> Device:
    """Make a device of the application `default`."""
    facade = server.facade

    async def make() -> Device:
        spec = {"application": "default", "deviceId": device_id}
        name = object_name(DEVICES.name, "default", device_id)
        labels = {
            APPLICATION_LABEL: application_label("default"),
            SERIAL_LABEL: str(await facade.serials.next(DEVICES)),
        }
        return await facade.writer.create(DEVICES, name, spec, labels=labels)

    return server.call(make())


async def _make(server: FacadeServer) -> None:
    facade = server.facade
    born = timestamp(facade.clock())
    for name in NAMES:
        if facade.cache.applications.get(name) is None:
            spec: dict[str, Any] = {"name": name, "createdAt": born}
            await facade.writer.create(APPLICATIONS, name, spec, finalizers=[FINALIZER])
    for home in NAMES:
        for name in NAMES:
            given = (
                (DEVICES, {"deviceId": name, "createdAt": born, **_endpoint(home, name)}),
                (GROUPS, {"name": name, "createdAt": born}),
                (PACKAGES, {"version": name, "createdAt": born}),
            )
            for kind, spec in given:
                labels = {
                    APPLICATION_LABEL: application_label(home),
                    SERIAL_LABEL: str(await facade.serials.next(kind)),
                }
                object_ = object_name(kind.name, home, name)
                await facade.writer.create(
                    kind, object_, {"application": home, **spec}, labels=labels
                )


def _endpoint(home: str, name: str) -> dict[str, Any]:
    """Return by which token a device calls: its name is that of one device."""
    return {"endpointTokenHashes": [digest(name)]} if home == NAMES[0] else {}
