"""Who calls, and which application or device that lets them see; all else is not there."""

from starlette.requests import Request

from polyfleet.api.core.access import Caller, placed
from polyfleet.api.core.errors import NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.rights import Right
from polyfleet.kube.devices import find_device

_NO_APPLICATION = "there is no application {!r}, or it may not be used with these credentials"
_NO_ENDPOINT = "there is no endpoint {!r}, or it may not be seen with these credentials"


async def caller_of(facade: Facade, request: Request) -> Caller:
    """Return who sent a request. Raises Unauthenticated, RateLimited and Unavailable."""
    return Caller(facade, await facade.identity.authenticate_management(request.headers, None))


async def application_for(facade: Facade, request: Request, right: Right) -> Application:
    """Return the application that the path names.

    Raises NotFound if there is none in which the caller has the right, and as `caller_of`.
    """
    caller = await caller_of(facade, request)
    name = request.path_params["appName"]
    found = facade.cache.applications.get(name)
    if found is None or not caller.may(right, name):
        raise NotFound(_NO_APPLICATION.format(name))
    return found


async def device_for(facade: Facade, request: Request) -> Device:
    """Return the device that the path names, by its flat id or its object's uid.

    Raises NotFound if there is none that the caller may see, and as `caller_of`.
    """
    caller = await caller_of(facade, request)
    text = request.path_params["endpointId"]
    place = placed(facade, text)
    devices = facade.cache.devices
    found = find_device(devices, *place) if place is not None else None
    found = found or devices.by_uid(text)
    if (
        found is None
        or found.metadata.terminating
        or not caller.may(Right.READ_DEVICES, found.spec.application)
    ):
        raise NotFound(_NO_ENDPOINT.format(text))
    return found
