"""Attributes as clients write them, checked with the texts of the original."""

from collections.abc import Sequence
from typing import Any

from polyfleet.api.core.errors import Invalid
from polyfleet.api.dialects.inventory.bodies import fields_of, text_of
from polyfleet.api.dialects.inventory.index.facts import as_float
from polyfleet.fleet.attributes import Attribute, AttributeValue, value_of

LONGEST_NAME = 1024
MOST = 200
"""Attributes of one device that one side, people or the device, may have here."""

_LONGEST_TEXT = 16_384
_LONGEST_DESCRIPTION = 1024
_MOST_ITEMS = 1000
_LONGEST_ITEM = 1024
_LONGEST_SHOWN = 200
_MOST_SHOWN = 100


def read(document: object, failure: str, *, nesting: str) -> tuple[tuple[Attribute, ...], str]:
    """Return the attributes of a list, the last of each name, and all that is wrong with them.

    `failure` begins the text of an Invalid for what is no list of attributes; `nesting` is what
    ends each fault, one semicolon a level.
    """
    if document is None:
        return (), ""
    if not isinstance(document, list):
        raise Invalid("", f"{failure}: a list of attributes is expected")
    found: dict[str, Attribute] = {}
    faults = []
    for item in document:
        fields = fields_of(item, failure)
        name = text_of(fields, "name", failure)
        description = text_of(fields, "description", failure)
        faults += [fault + nesting for fault in _faults(name, description)]
        value = _value(fields.get("value"))
        if isinstance(value, str):
            faults.append(value + nesting)
        elif not faults:
            given = description if isinstance(fields.get("description"), str) else None
            found.pop(name, None)
            found[name] = Attribute(name=name, value=value, description=given)
    if len(found) > MOST:
        raise too_many()
    return tuple(found.values()), "".join(faults)


def too_many() -> Invalid:
    """Return the error for more attributes than a device may have."""
    return Invalid("", "the number of attributes in the scope is above the limit")


def _faults(name: str, description: str) -> Sequence[str]:
    faults = []
    if not name:
        faults.append("Name: non zero value required;")
    elif len(name) > LONGEST_NAME:
        faults.append(f"Name: {_shown(name)} does not validate as length(1|{LONGEST_NAME});")
    if len(description) > _LONGEST_DESCRIPTION:
        faults.append(
            f"Description: {_shown(description)} does not validate as "
            f"length(0|{_LONGEST_DESCRIPTION});"
        )
    return faults


def _value(plain: object) -> AttributeValue | str:
    """Return the typed value, or what is wrong with it."""
    if isinstance(plain, str) and len(plain) > _LONGEST_TEXT:
        return f"Value: {_shown(plain)} does not validate as length(0|{_LONGEST_TEXT});"
    if isinstance(plain, list):
        if len(plain) > _MOST_ITEMS:
            return f"Value: {_shown(plain)} does not validate as length(0|{_MOST_ITEMS});"
        if any(isinstance(item, str) and len(item) > _LONGEST_ITEM for item in plain):
            return f"Value: {_shown(plain)} does not validate as length(0|{_LONGEST_ITEM});"
        plain = [_rounded(item) for item in plain]
    try:
        return value_of(_rounded(plain))
    except ValueError:
        return f"Value: {_shown(plain)} does not validate as deviceAttributeValueValidator;"


def _rounded(plain: Any) -> Any:
    is_number = isinstance(plain, int | float) and not isinstance(plain, bool)
    return as_float(plain) if is_number else plain


def _shown(plain: object, room: int = _LONGEST_SHOWN) -> str:
    """Return a value as the original's language prints it, cut to some length.

    Each level has what room its opening leaves: so nothing is read that would not be seen,
    however deep it is.
    """
    if room <= 0:
        return ""
    match plain:
        case None:
            text = "<nil>"
        case bool():
            text = str(plain).lower()
        case list():
            inner = room - len("[")
            text = f"[{' '.join([_shown(item, inner) for item in plain[:_MOST_SHOWN]])}]"
        case dict():
            inner = room - len("map[:")
            items = [f"{key}:{_shown(plain[key], inner)}" for key in sorted(plain)]
            text = f"map[{' '.join(items)}]"
        case _:
            text = str(plain)
    return text[:room]
