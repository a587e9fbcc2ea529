"""Who may see and change what: one flat space of ids over applications and their rights."""

from collections.abc import Iterable

from starlette.requests import Request

from polyfleet.api.core.errors import Forbidden, NotFound, Unauthenticated
from polyfleet.api.core.facade import Facade
from polyfleet.fleet.names import flat_id, parse_flat_id
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.rights import Principal, Right, allowed
from polyfleet.kube.devices import find_device

_REFUSAL = "the token does not give sufficient access"


class Access:
    """Rights of callers, by request."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    async def caller(self, request: Request, right: Right) -> "Caller":
        """Return who sent a request of the management API.

        Raises Unauthenticated, and Forbidden if the caller has the right in no application.
        """
        identity = self._facade.identity
        if not identity.insecure and "authorization" not in request.headers:
            raise Unauthenticated("Authorization not present in header")
        principal = await identity.authenticate_management(request.headers, None)
        caller = Caller(self._facade, principal)
        if not caller.may(right, self._facade.settings.default_application) and not any(
            caller.may(right, application.metadata.name)
            for application in self._facade.cache.applications.values()
        ):
            raise Forbidden(_REFUSAL)
        return caller


class Caller:
    """A person or program, and what it may do."""

    def __init__(self, facade: Facade, principal: Principal) -> None:
        self._facade = facade
        self._principal = principal
        self._rights: dict[tuple[Right, str], bool] = {}

    def may(self, right: Right, application: str) -> bool:
        """Whether the caller has the right in the application of that object name."""
        key = (right, application)
        if key not in self._rights:
            found = present(self._facade, application)
            self._rights[key] = found is not None and allowed(
                self._principal,
                right,
                found,
                default_application=self._facade.settings.default_application,
            )
        return self._rights[key]

    def require(self, right: Right, application: str) -> None:
        """Raise Forbidden unless the caller has the right in the application."""
        if not self.may(right, application):
            raise Forbidden(_REFUSAL)

    def readable(self, applications: Iterable[str]) -> frozenset[str] | None:
        """Return in which of the applications the caller may read; None if in all of them."""
        names = tuple(applications)
        found = frozenset(name for name in names if self.may(Right.READ, name))
        return None if len(found) == len(names) else found

    def device(self, identifier: str, right: Right = Right.READ) -> Device:
        """Return the device of that id.

        Raises NotFound if there is none that the caller may know of, Forbidden if it may be read
        but not what `right` says.
        """
        device = self.find(identifier)
        if device is None:
            raise NotFound("Device not found")
        self.require(right, device.spec.application)
        return device

    def find(self, identifier: str) -> Device | None:
        """Return the device of that id if the caller may know of it."""
        place = placed(self._facade, identifier)
        if place is None or not self.may(Right.READ, place[0]):
            return None
        device = find_device(self._facade.cache.devices, *place)
        return None if device is None or device.metadata.terminating else device


def present(facade: Facade, application: str) -> Application | None:
    """Return the application of that object name unless it is absent or on its way out."""
    found = facade.cache.applications.get(application)
    return found if found is not None and found.present else None


def placed(facade: Facade, flat: str) -> tuple[str, str] | None:
    """Return the application (its object name) and the own name that a flat name stands for."""
    try:
        return parse_flat_id(flat, default_application=facade.settings.default_application)
    except ValueError:
        return None


def flat_name(facade: Facade, application: str, name: str) -> str | None:
    """Return the flat name of a device or group; None if it can have none here."""
    default = facade.settings.default_application
    if application != default:
        home = facade.cache.applications.get(application)
        if home is None:
            return None
        application = home.spec.name
    try:
        return flat_id(application, name, default_application=default)
    except ValueError:
        return None
