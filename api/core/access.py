"""What a caller may see and change, over applications; and the one flat space of their ids.

A dialect says how a credential looks on its wire, makes a `Caller` of the principal, and asks it
for every object that a request touches.
"""

from collections.abc import Iterable
from typing import TypeVar

from polyfleet.api.core.errors import Forbidden, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.fleet.names import flat_id, parse_flat_id
from polyfleet.fleet.objects.application import Application
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.enrollment import Enrollment
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.rights import Principal, Right, allowed
from polyfleet.kube.devices import find_device
from polyfleet.kube.store import Store

Numbered = TypeVar("Numbered", Device, DeviceGroup, Package)
Owned = Device | DeviceGroup | Package | Enrollment

REFUSAL = "the token does not give sufficient access"


class Caller:
    """A person or program, and what it may do; remembers for the length of one request."""

    def __init__(self, facade: Facade, principal: Principal) -> None:
        self._facade = facade
        self.principal = principal
        self._rights: dict[tuple[Right, str], bool] = {}

    def may(self, right: Right, application: str) -> bool:
        """Whether the caller has the right in the application of that object name.

        Nobody has any in one that is absent or on its way out.
        """
        key = (right, application)
        if key not in self._rights:
            found = present(self._facade, application)
            self._rights[key] = found is not None and self.has(right, found)
        return self._rights[key]

    def has(self, right: Right, application: Application) -> bool:
        """Whether the caller has the right in the application, be it on its way out or not."""
        default = self._facade.settings.default_application
        return allowed(self.principal, right, application, default_application=default)

    def require(self, right: Right, application: str) -> None:
        """Raise Forbidden unless the caller has the right in the application."""
        if not self.may(right, application):
            raise Forbidden(REFUSAL)

    def require_somewhere(self, right: Right) -> None:
        """Raise Forbidden if the caller has the right in no application at all.

        For dialects that refuse before they look at the body.
        """
        if not self.may(right, self._facade.settings.default_application) and not any(
            self.may(right, application.metadata.name)
            for application in self._facade.cache.applications.values()
        ):
            raise Forbidden(REFUSAL)

    def readable(self, applications: Iterable[str]) -> frozenset[str] | None:
        """Return in which of the applications the caller may read; None if in all of them."""
        names = tuple(applications)
        found = frozenset(name for name in names if self.may(Right.READ, name))
        return None if len(found) == len(names) else found

    def sees(self, item: Owned) -> bool:
        """Whether the caller may know of the object, and it is one: not on its way out.

        A second Device of an id is none.
        """
        there = item.present if isinstance(item, Device) else not item.metadata.terminating
        return there and self.may(Right.READ, item.spec.application)

    def numbered(self, store: Store[Numbered], serial: int, right: Right = Right.READ) -> Numbered:
        """Return the object of that serial.

        Raises NotFound if there is none that the caller may know of, Forbidden if it may be read
        but not what `right` says.
        """
        item = store.by_serial(serial)
        if item is None or not self.sees(item):
            raise NotFound(f"there is no object with the identifier {serial}")
        self.require(right, item.spec.application)
        return item

    def device(self, identifier: str, right: Right = Right.READ) -> Device:
        """Return the device of that flat id.

        Raises NotFound if there is none that the caller may know of, Forbidden if it may be read
        but not what `right` says.
        """
        device = self.find_device(identifier)
        if device is None:
            raise NotFound("Device not found")
        self.require(right, device.spec.application)
        return device

    def find_device(self, identifier: str) -> Device | None:
        """Return the device of that flat id if the caller may know of it."""
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
    """Return the flat name of a device or group; None if it can have none here.

    `application` is an object name.
    """
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
