"""The flat metadata that devices send: which keys must be there and what values may be."""

from dataclasses import dataclass

from polyfleet.api.core.errors import Invalid
from polyfleet.fleet.attributes import ID_KEY, TYPE_KEY, VERSION_KEY, Attribute, attributes_of

Flat = dict[str, str | list[str] | list[int | float]]

LONGEST_IDENTIFIER = 1024
_COMPULSORY = (ID_KEY, TYPE_KEY, VERSION_KEY)


@dataclass(frozen=True, slots=True)
class DeviceMetadata:
    """What a device says about itself: its id, type and version, and all of it together."""

    identifier: str
    device_type: str
    version: str
    values: Flat


def read(document: object, field: str = "metadata") -> DeviceMetadata:
    """Check a device's metadata; Invalid names the key at fault.

    A value is a text or a list; numbers, null, truth values and objects are refused, as in the
    reference server. The id is any text: devices behind a gateway send names, not addresses.
    """
    if not isinstance(document, dict):
        raise Invalid(field, "must be an object of texts and lists")
    for key in _COMPULSORY:
        if key not in document:
            raise Invalid(key, "is required")
        if not isinstance(document[key], str):
            raise Invalid(key, "must be a text")
    for key, value in document.items():
        if not isinstance(value, str):
            _check_list(key, value)
    identifier = document[ID_KEY]
    if not 0 < len(identifier) <= LONGEST_IDENTIFIER:
        raise Invalid(ID_KEY, f"must have 1 to {LONGEST_IDENTIFIER} characters")
    return DeviceMetadata(identifier, document[TYPE_KEY], document[VERSION_KEY], document)


def attributes(metadata: DeviceMetadata) -> tuple[Attribute, ...]:
    """Return the metadata as attributes, in the order of their names."""
    return attributes_of(dict(sorted(metadata.values.items())))


def _check_list(key: str, value: object) -> None:
    if not isinstance(value, list):
        raise Invalid(key, "must be a text or a list")
    texts = all(isinstance(item, str) for item in value)
    if not texts and not all(_is_number(item) for item in value):
        raise Invalid(key, "must be a list of texts or a list of numbers")


def _is_number(item: object) -> bool:
    return isinstance(item, int | float) and not isinstance(item, bool)
