"""What the fields of this dialect are on a device of the fleet."""

from collections.abc import Callable, Mapping

from polyfleet.api.dialects.inventory.index.query import FieldName, Value
from polyfleet.fleet import attributes
from polyfleet.fleet.attributes import Attribute
from polyfleet.fleet.objects.device import Device

INVENTORY = "inventory"
"""The scope of all attributes, whoever told them."""
SCOPES = frozenset({INVENTORY, "identity", "system", "tags", "monitor"})
"""What clients may name; the fleet knows nothing in the last two."""

APPLICATION: FieldName = ("application", "")
"""The application's object name: a field of our own, for what a caller may see."""
ID: FieldName = ("identity", "id")
STATUS: FieldName = ("identity", "status")
GROUP: FieldName = ("system", "group")
CREATED: FieldName = ("system", "created_ts")
UPDATED: FieldName = ("system", "updated_ts")

_MICROSECONDS = len("2026-03-01T12:00:00.000000Z")
_SECONDS = len("2026-03-01T12:00:00Z")
_EXACT = 2**53


class Facts:
    """One device's fields, each read when it is asked for; its attributes are decoded once."""

    def __init__(
        self,
        device: Device,
        name_of: Callable[[Device], str | None],
        group_of: Callable[[Device], str | None],
    ) -> None:
        self._device = device
        self._name_of = name_of
        self._group_of = group_of
        self._attributes: Mapping[str, Attribute] | None = None

    def value(self, field: FieldName) -> Value | None:
        """Return what the device holds in the field; None if it has none."""
        scope, name = field
        if scope == INVENTORY:
            attribute = self.attributes().get(name)
            return None if attribute is None else comparable(attribute)
        reader = _READERS.get(field)
        return None if reader is None else reader(self)

    def attributes(self) -> Mapping[str, Attribute]:
        """Return all attributes, merged."""
        if self._attributes is None:
            self._attributes = attributes.merged(self._device)
        return self._attributes

    def application(self) -> Value:
        """Return the application's object name."""
        return self._device.spec.application

    def identifier(self) -> Value | None:
        """Return the id in the one flat space of ids."""
        return self._name_of(self._device)

    def status(self) -> Value:
        """Return whether the device is let in, in the words of Mender's authentication."""
        return "rejected" if self._device.spec.disabled else "accepted"

    def group(self) -> Value | None:
        """Return the name of the active group."""
        return self._group_of(self._device)

    def created(self) -> Value:
        """Return when the device was made."""
        return created_at(self._device)

    def updated(self) -> Value:
        """Return when its attributes last changed, as far as is known."""
        return updated_at(self._device, self.attributes())


_READERS: Mapping[FieldName, Callable[[Facts], Value | None]] = {
    APPLICATION: Facts.application,
    ID: Facts.identifier,
    STATUS: Facts.status,
    GROUP: Facts.group,
    CREATED: Facts.created,
    UPDATED: Facts.updated,
}


def comparable(attribute: Attribute) -> Value:
    """Return a value as it is searched and sorted by: numbers with a float's precision."""
    value = attribute.value
    if value.string is not None:
        return value.string
    if value.number is not None:
        return as_float(value.number)
    if value.strings is not None:
        return value.strings
    return tuple([as_float(number) for number in value.numbers or ()])


def as_float(number: float) -> int | float:
    """Return an integer as it is if a float holds it exactly, else rounded as one."""
    return number if isinstance(number, float) or abs(number) <= _EXACT else float(number)


def created_at(device: Device) -> str:
    """Return when the device was made, with microseconds, so that such texts can be compared."""
    return full_instant(device.spec.created_at or device.metadata.creation_timestamp)


def updated_at(device: Device, merged: Mapping[str, Attribute]) -> str:
    """Return when an attribute of those last changed; when the device was made, if that is later.

    What people declare bears no time.
    """
    told = max((attribute.at for attribute in merged.values()), default="")
    return max(full_instant(told), created_at(device))


def full_instant(text: str) -> str:
    """Return an RFC 3339 text in UTC with exactly six digits after the second."""
    if len(text) == _MICROSECONDS:
        return text
    if len(text) == _SECONDS:
        return f"{text[:-1]}.000000Z"
    head, _, fraction = text.rstrip("Z").partition(".")
    return f"{head}.{fraction[:6]:0<6}Z" if head else ""
