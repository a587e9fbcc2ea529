"""Who may see and change what: RDFM's flat world over applications and their rights."""

from typing import TypeVar

from starlette.requests import Request

from polyfleet.api.core.errors import Forbidden, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.fleet.names import flat_id
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.rights import Principal, Right, allowed
from polyfleet.kube.store import Store

Numbered = TypeVar("Numbered", Device, DeviceGroup, Package)
AnyOwned = Device | DeviceGroup | Package | Enrollment

_REFUSAL = "the token does not give sufficient access"


class Access:
    """Rights of callers, by request."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    async def identified(self, request: Request) -> "Caller":
        """Return who sent a request of the management API. Raises Unauthenticated."""
        principal = await self._facade.identity.authenticate_management(request.headers, None)
        return Caller(self._facade, principal)

    async def caller(self, request: Request, right: Right) -> "Caller":
        """Return who sent a request of the management API.

        Raises Unauthenticated, and Forbidden if the caller has the right in no application at
        all: before the body is looked at, as in the reference server.
        """
        caller = await self.identified(request)
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

    def sees(self, item: AnyOwned) -> bool:
        """Whether the caller may know of the object and it is not on its way out."""
        return not item.metadata.terminating and self.may(Right.READ, item.spec.application)

    def find(self, store: Store[Numbered], serial: int, right: Right = Right.READ) -> Numbered:
        """Return the object of that serial.

        Raises NotFound if there is none that the caller may know of, Forbidden if it may be read
        but not what `right` says.
        """
        item = store.by_serial(serial)
        if item is None or not self.sees(item):
            raise NotFound(f"there is no object with the identifier {serial}")
        self.require(right, item.spec.application)
        return item


def present(facade: Facade, application: str) -> Application | None:
    """Return the application of that object name unless it is absent or on its way out."""
    found = facade.cache.applications.get(application)
    return found if found is not None and found.present else None


def flat_name(facade: Facade, item: Device | Enrollment) -> str | None:
    """Return the name of a device in RDFM's one space of ids; None if it can have none there."""
    default = facade.settings.default_application
    application = item.spec.application
    if application != default:
        home = facade.cache.applications.get(application)
        if home is None:
            return None
        application = home.spec.name
    try:
        return flat_id(application, item.spec.device_id, default_application=default)
    except ValueError:
        return None
