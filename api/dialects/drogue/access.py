"""Who calls, and which applications that lets them see and change."""

from starlette.requests import Request

from polyfleet.api.core import access, errors
from polyfleet.api.core.facade import Facade
from polyfleet.api.core.identity.authenticator import ANYONE
from polyfleet.api.core.identity.credentials import credential_of
from polyfleet.api.dialects.drogue import finalizers
from polyfleet.api.dialects.drogue.errors import LoginNeeded, NotLoggedIn
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.rights import Principal, Right
from polyfleet.kube.devices import find_device


async def authenticate(facade: Facade, request: Request) -> Principal:
    """Return who sent a request, by its header or its query.

    Raises NotLoggedIn without credentials, and Unauthenticated for ones that do not hold.
    """
    if facade.identity.insecure:
        return ANYONE
    credential = credential_of(request.headers, request.query_params)
    if credential is None:
        raise NotLoggedIn("credentials are needed")
    return await facade.identity.principal(credential)


async def caller_of(facade: Facade, request: Request, *, hidden: bool = False) -> "Caller":
    """Return who sent a request; errors as of `authenticate`.

    With `hidden`, missing credentials are a LoginNeeded.
    """
    try:
        return Caller(facade, await authenticate(facade, request))
    except NotLoggedIn:
        if hidden:
            raise LoginNeeded("credentials are needed") from None
        raise


class Caller(access.Caller):
    """A person or program, and the applications and devices that it names."""

    def require_in(self, right: Right, application: Application) -> None:
        """Raise Forbidden unless the caller has the right in the application."""
        if not self.has(right, application):
            raise errors.Forbidden("the caller lacks the right")

    def application(self, name: str, right: Right = Right.READ) -> Application:
        """Return the application of that name, also one that is being deleted.

        Raises NotFound if there is none, or none in which the caller has the right.
        """
        found = self.any_application(name)
        if not self.has(right, found):
            raise errors.NotFound("there is no such application")
        return found

    def any_application(self, name: str) -> Application:
        """Return the application of that name whatever the caller may do. Raises NotFound."""
        return application_of_name(self._facade, name)

    def device_of(self, application: Application, name: str) -> Device:
        """Return the device of that name. Raises NotFound."""
        return device_of_name(self._facade, application, name)


def application_of_name(facade: Facade, name: str) -> Application:
    """Return the application of that name, whoever asks. Raises NotFound."""
    found = facade.cache.applications.get(name)
    if found is None:
        raise errors.NotFound("there is no such application")
    return found


def device_of_name(facade: Facade, application: Application, name: str) -> Device:
    """Return the device of that name, whoever asks. Raises NotFound."""
    found = find_device(facade.cache.devices, application.metadata.name, name)
    if found is None or not is_shown(found, application):
        raise errors.NotFound("there is no such device")
    return found


def is_shown(device: Device, application: Application) -> bool:
    """Say whether the device can be seen.

    What belongs to an application that is being deleted cannot, but for the devices that still
    wait for somebody to take a finalizer away: nobody could otherwise.
    """
    if device.duplicate:
        return False
    return application.present or bool(finalizers.shown(device.metadata))
