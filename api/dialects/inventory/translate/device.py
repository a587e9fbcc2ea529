"""Devices in the two forms that clients get: the document's, and that of the search."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import orjson

from polyfleet.api.dialects.inventory.index.facts import (
    CREATED,
    GROUP,
    ID,
    INVENTORY,
    STATUS,
    UPDATED,
    Facts,
    as_float,
    full_instant,
)
from polyfleet.api.dialects.inventory.index.query import FieldName
from polyfleet.api.dialects.inventory.translate.dates import instant
from polyfleet.fleet.attributes import Attribute, AttributeValue

_EXACT = 2**53
_LONG = 10**21
"""From here on the original writes a number with an exponent."""
_SYSTEM: Mapping[FieldName, Callable[[str], str]] = {
    GROUP: str,
    CREATED: instant,
    UPDATED: instant,
    STATUS: str,
}


def document(facts: Facts, *, name: str) -> bytes:
    """Return the document's form; `name` is the id in the one flat space of ids."""
    found: dict[str, Any] = {"id": name}
    attributes = facts.attributes()
    if attributes:
        found["attributes"] = [_plain(attribute) for attribute in attributes.values()]
    found["updated_ts"] = instant(str(facts.updated()))
    return orjson.dumps(found)


def scoped(facts: Facts, *, name: str, chosen: Collection[FieldName] | None) -> bytes:
    """Return the search's form: every attribute with its scope, all of them or the chosen."""
    entries: list[dict[str, Any]] = []
    for field in (ID, *_SYSTEM) if chosen is None else chosen:
        if field[0] != INVENTORY:
            value = name if field == ID else facts.value(field)
            if isinstance(value, str) and field in (ID, *_SYSTEM):
                text = _SYSTEM.get(field, str)(value)
                entries.append({"name": field[1], "value": text, "scope": field[0]})
    attributes = facts.attributes()
    for attribute in attributes.values():
        if chosen is None or (INVENTORY, attribute.name) in chosen:
            entry = _plain(attribute) | {"scope": INVENTORY}
            if attribute.at:
                entry["timestamp"] = instant(full_instant(attribute.at))
            entries.append(entry)
    found: dict[str, Any] = {"id": name}
    if entries:
        found["attributes"] = entries
    found["updated_ts"] = instant(str(facts.updated()))
    return orjson.dumps(found)


def _plain(attribute: Attribute) -> dict[str, Any]:
    found: dict[str, Any] = {"name": attribute.name, "value": _value(attribute.value)}
    if attribute.description is not None:
        found["description"] = attribute.description
    return found


def _value(value: AttributeValue) -> Any:
    if value.string is not None:
        return value.string
    if value.number is not None:
        return _number(value.number)
    if value.strings is not None:
        return value.strings
    return [_number(number) for number in value.numbers or ()]


def _number(number: float) -> Any:
    """Return a number as the original writes it: a float in the fewest digits, 1.0 as 1."""
    number = as_float(number)
    if isinstance(number, int):
        return number
    if not number.is_integer() or abs(number) >= _LONG:
        return number
    if abs(number) <= _EXACT:
        return int(number)
    digits, _, exponent = repr(number).partition("e")
    whole, _, fraction = digits.partition(".")
    places = int(exponent or 0)
    return orjson.Fragment(f"{whole}{fraction.rstrip('0'):0<{places}}")
