"""What is known about a device: enrolled, declared by people, reported by the device.

Readers see the three merged: reported over declared over enrolled. Each dialect is a source that
replaces or merges only its own reported entries.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.metadata import ATTRIBUTE_LABEL_PREFIX, View
from polyfleet.fleet.visible_text import visible

VERSION_KEY = "rdfm.software.version"
TYPE_KEY = "rdfm.hardware.devtype"
ID_KEY = "rdfm.hardware.macaddr"
MENDER_TYPE_KEY = "device_type"

Number = int | float
PlainValue = str | Number | Sequence[str] | Sequence[Number]

_LABEL_TEXT = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


class AttributeValue(View, frozen=True, kw_only=True, omit_defaults=True):
    """A value: exactly one of the four is set."""

    string: str | None = None
    number: Number | None = None
    strings: tuple[str, ...] | None = None
    numbers: tuple[Number, ...] | None = None


class Attribute(View, frozen=True, kw_only=True, omit_defaults=True):
    """A named value; reported ones know their source and when they last changed (RFC 3339)."""

    name: str
    value: AttributeValue
    description: str | None = None
    source: str = ""
    at: str = ""


class _Enrolled(View, frozen=True, kw_only=True):
    at: str = ""
    metadata: tuple[Attribute, ...] = ()


class _Text(View, frozen=True, kw_only=True):
    string: str | None = None


class _Told(View, frozen=True, kw_only=True):
    """As much of a reported attribute as must be read to find one text."""

    name: str
    value: _Text = _Text()
    at: str = ""


_decode_texts: Callable[[msgspec.Raw], tuple[_Told, ...]] = msgspec.json.Decoder(
    tuple[_Told, ...]
).decode
_decode_list: Callable[[msgspec.Raw], tuple[Attribute, ...]] = msgspec.json.Decoder(
    tuple[Attribute, ...]
).decode
_decode_enrolled: Callable[[msgspec.Raw], _Enrolled] = msgspec.json.Decoder(_Enrolled).decode


def decode(raw: msgspec.Raw) -> tuple[Attribute, ...]:
    """Read a list of attributes as `spec.attributes` and `status.reported` hold it."""
    return _decode_list(raw)


def value_of(plain: object) -> AttributeValue:
    """Return the typed form of a text, a number, or a list of one of them.

    Raises ValueError for anything else (null, a boolean, an object, a mixed list). An empty list
    is a list of texts.
    """
    if isinstance(plain, str):
        return AttributeValue(string=plain)
    if _is_number(plain):
        return AttributeValue(number=plain)  # type: ignore[arg-type]  # the line above checks
    if isinstance(plain, list | tuple):
        if all(isinstance(item, str) for item in plain):
            return AttributeValue(strings=tuple(plain))
        if all(_is_number(item) for item in plain):
            return AttributeValue(numbers=tuple(plain))
    raise ValueError("a value is a text, a number, or a list of only texts or only numbers")


def plain(value: AttributeValue) -> str | Number | list[str] | list[Number]:
    """Return the value as plain JSON data."""
    if value.string is not None:
        return value.string
    if value.number is not None:
        return value.number
    return list(value.strings) if value.strings is not None else list(value.numbers or ())


def text(value: AttributeValue) -> str | list[str]:
    """Return the value as a text or a list of texts; a number as JSON writes it."""
    if value.string is not None:
        return value.string
    if value.number is not None:
        return _number_text(value.number)
    if value.strings is not None:
        return list(value.strings)
    return [_number_text(number) for number in value.numbers or ()]


def attributes_of(mapping: Mapping[str, object]) -> tuple[Attribute, ...]:
    """Return the attributes that a mapping of plain values spells; ValueError names a bad one."""
    found = []
    for name, value in mapping.items():
        try:
            found.append(Attribute(name=name, value=value_of(value)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return tuple(found)


def documents(attributes: Iterable[Attribute]) -> list[dict[str, Any]]:
    """Return the attributes as a custom resource holds them."""
    return [msgspec.to_builtins(attribute) for attribute in attributes]


def enrolled(device: Device) -> tuple[Attribute, ...]:
    """Return what the device said about itself when it was let in."""
    return _decode_enrolled(device.spec.enrolled).metadata


def merged(device: Device) -> dict[str, Attribute]:
    """Return all attributes by name: reported over declared over enrolled.

    Where two sources report one name, the value that changed last is seen. The version is the one
    that the device last said it runs, by whichever way it did.
    """
    found = {attribute.name: attribute for attribute in enrolled(device)}
    found.update((attribute.name, attribute) for attribute in decode(device.spec.attributes))
    found.update((attribute.name, attribute) for attribute in _latest(device))
    software = device.status.software
    if software is not None:
        known = found.get(VERSION_KEY)
        told = known.value.string if known is not None else None
        if told is None or visible(told) != software.version:
            value = AttributeValue(string=software.version)
            found[VERSION_KEY] = Attribute(name=VERSION_KEY, value=value, at=software.at)
    return found


def device_type(attributes: Mapping[str, Attribute]) -> str | None:
    """Return the device type: RDFM's, else Mender's; None if neither is a text."""
    for key in (TYPE_KEY, MENDER_TYPE_KEY):
        attribute = attributes.get(key)
        if attribute is not None and attribute.value.string is not None:
            return attribute.value.string
    return None


def device_type_of(device: Device) -> str | None:
    """Return the type of a device, as `device_type` finds it in all that is known about it.

    Mostly one list, read as far as that takes, answers it: this is asked of whole fleets.
    """
    found = None
    for told in _decode_texts(device.status.reported):
        if told.name == TYPE_KEY and (found is None or told.at >= found.at):
            found = told
    if found is not None and found.value.string is not None:
        return found.value.string
    return device_type(merged(device))


def replace_source(
    reported: msgspec.Raw, source: str, new: Iterable[Attribute], at: str
) -> list[dict[str, Any]] | None:
    """Return `status.reported` with the source's entries replaced; None if nothing changes.

    Entries that stay as they are keep their time; a repeated name counts once, the last.
    """
    return _reported(reported, source, new, at, keep=False)


def merge_source(
    reported: msgspec.Raw, source: str, new: Iterable[Attribute], at: str
) -> list[dict[str, Any]] | None:
    """Return `status.reported` with `new` set among the source's; None if nothing changes."""
    return _reported(reported, source, new, at, keep=True)


def mirrored_labels(device: Device, names: Iterable[str]) -> dict[str, str | None]:
    """Return the label changes that mirror the named attributes; empty when all are right.

    None takes a label away. A declared value wins, so that a device cannot talk itself into
    another ring; values and names that are no label texts are not mirrored.
    """
    wanted = _mirrored(device, names)
    current = {
        key: value
        for key, value in device.metadata.labels.items()
        if key.startswith(ATTRIBUTE_LABEL_PREFIX)
    }
    changes: dict[str, str | None] = {key: None for key in current if key not in wanted}
    changes.update((key, value) for key, value in wanted.items() if current.get(key) != value)
    return changes


def _mirrored(device: Device, names: Iterable[str]) -> dict[str, str]:
    usable = [name for name in names if _LABEL_TEXT.fullmatch(name)]
    if not usable:
        return {}
    attributes = merged(device)
    attributes.update((attribute.name, attribute) for attribute in decode(device.spec.attributes))
    labels = {}
    for name in usable:
        attribute = attributes.get(name)
        value = text(attribute.value) if attribute is not None else None
        if isinstance(value, str) and (not value or _LABEL_TEXT.fullmatch(value)):
            labels[ATTRIBUTE_LABEL_PREFIX + name] = value
    return labels


def _latest(device: Device) -> list[Attribute]:
    reported = decode(device.status.reported)
    return sorted(reported, key=lambda attribute: attribute.at)


def _reported(
    reported: msgspec.Raw, source: str, new: Iterable[Attribute], at: str, *, keep: bool
) -> list[dict[str, Any]] | None:
    before = decode(reported)
    own = {attribute.name: attribute for attribute in before if attribute.source == source}
    after = dict(own) if keep else {}
    for attribute in new:
        after[attribute.name] = _stamped(attribute, own.get(attribute.name), source, at)
    if after == own:
        return None
    others = [attribute for attribute in before if attribute.source != source]
    return documents([*others, *after.values()])


def _stamped(new: Attribute, old: Attribute | None, source: str, at: str) -> Attribute:
    if old is not None and (old.value, old.description) == (new.value, new.description):
        return old
    return Attribute(
        name=new.name, value=new.value, description=new.description, source=source, at=at
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number_text(number: Number) -> str:
    # Kubernetes stores 1.0 as 1; both must read alike whether or not they were stored yet.
    if isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
        return str(int(number))
    return msgspec.json.encode(number).decode()
