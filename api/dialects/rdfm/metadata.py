"""The flat metadata that devices send: which keys must be there and what values may be."""

from dataclasses import dataclass

from polyfleet.api.core.errors import Invalid
from polyfleet.fleet.attributes import ID_KEY, TYPE_KEY, VERSION_KEY, Attribute, attributes_of
from polyfleet.fleet.visible_text import has_controls

Flat = dict[str, str | list[str] | list[int | float]]

LONGEST_IDENTIFIER = 1024
LARGEST = 8 * 1024
"""All names and values together, in characters."""

_MOST_KEYS = 200
_LONGEST_NAME = 1024
_LONGEST_TEXT = 4096
_LONGEST_LIST = 100
_LONGEST_ITEM = 1024
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
    reference server. The id is any text without control characters: devices behind a gateway
    send names, not addresses.
    """
    if not isinstance(document, dict):
        raise Invalid(field, "must be an object of texts and lists")
    for key in _COMPULSORY:
        if key not in document:
            raise Invalid(key, "is required")
        if not isinstance(document[key], str):
            raise Invalid(key, "must be a text")
        if len(document[key]) > LONGEST_IDENTIFIER:
            raise Invalid(key, f"is longer than {LONGEST_IDENTIFIER} characters")
    if len(document) > _MOST_KEYS:
        raise Invalid(field, f"has more than {_MOST_KEYS} keys")
    if _size(document) > LARGEST:
        raise Invalid(field, f"is larger than {LARGEST} characters")
    identifier = document[ID_KEY]
    if not identifier:
        raise Invalid(ID_KEY, "may not be empty")
    if has_controls(identifier):
        raise Invalid(ID_KEY, "may have no control characters")
    return DeviceMetadata(identifier, document[TYPE_KEY], document[VERSION_KEY], document)


def attributes(metadata: DeviceMetadata) -> tuple[Attribute, ...]:
    """Return the metadata as attributes, in the order of their names."""
    return attributes_of(dict(sorted(metadata.values.items())))


def _size(document: dict[str, object]) -> int:
    """Return how many characters there are in all; Invalid if a key or value may not be so."""
    size = 0
    for key, value in document.items():
        length = len(key)
        if not 0 < length <= _LONGEST_NAME:
            raise Invalid(key or "metadata", f"a key must have 1 to {_LONGEST_NAME} characters")
        if isinstance(value, str):
            if len(value) > _LONGEST_TEXT:
                raise Invalid(key, f"is longer than {_LONGEST_TEXT} characters")
            size += length + len(value)
        else:
            size += length + _size_of_list(key, value)
    return size


def _size_of_list(key: str, value: object) -> int:
    if not isinstance(value, list):
        raise Invalid(key, "must be a text or a list")
    if len(value) > _LONGEST_LIST:
        raise Invalid(key, f"has more than {_LONGEST_LIST} items")
    if all(isinstance(item, str) and len(item) <= _LONGEST_ITEM for item in value):
        return sum(map(len, value))
    if all(_is_number(item) for item in value):
        return len(value)
    raise Invalid(key, "must be a list of texts or a list of numbers")


def _is_number(item: object) -> bool:
    return isinstance(item, int | float) and not isinstance(item, bool)
