"""The body of a search: filters, sort keys, which attributes to show."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from polyfleet.api.core.errors import Invalid
from polyfleet.api.dialects.inventory.bodies import fields_of, texts_of
from polyfleet.api.dialects.inventory.index.facts import ID, SCOPES, as_float
from polyfleet.api.dialects.inventory.index.query import (
    Condition,
    FieldName,
    Operator,
    Order,
    Scalar,
    pattern,
)
from polyfleet.api.dialects.inventory.listing import (
    MOST_CONDITIONS,
    MOST_PER_PAGE,
    MOST_SORT_KEYS,
    operand,
    operands,
)

FAILURE = "failed to decode request body"
DEFAULT_PER_PAGE = 20
MOST_SHOWN = 100

_LARGEST = 2**32


class Search(NamedTuple):
    """What is searched; `shown` None means all attributes."""

    page: int
    per_page: int
    conditions: tuple[Condition, ...]
    order: tuple[Order, ...]
    shown: frozenset[FieldName] | None


def read_search(document: object) -> Search:
    """Read the decoded body. Raises Invalid."""
    fields = fields_of(document, FAILURE)
    if fields.get("text"):
        raise Invalid("text", "text: full text search is not offered.")
    conditions = [
        _condition(item, f"filters: ({number}: (%s).).")
        for number, item in enumerate(_list(fields, "filters", MOST_CONDITIONS))
    ]
    if (identifiers := fields.get("device_ids")) is not None:
        wanted = frozenset[Scalar](texts_of(identifiers, FAILURE))
        if wanted:
            conditions.append(Condition(ID, "in", wanted))
    order = [
        _sort_key(item, f"sort: ({number}: (%s).).")
        for number, item in enumerate(_list(fields, "sort", MOST_SORT_KEYS))
    ]
    shown = [
        _field(fields_of(item, FAILURE), f"attributes: ({number}: (%s).).")
        for number, item in enumerate(_list(fields, "attributes", MOST_SHOWN))
    ]
    return Search(
        _count(fields, "page", 1, _LARGEST - 1),
        _count(fields, "per_page", DEFAULT_PER_PAGE, MOST_PER_PAGE),
        tuple(conditions),
        tuple(order),
        frozenset(shown) or None,
    )


def _list(fields: Mapping[str, Any], name: str, most: int) -> list[Any]:
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Invalid(name, f"{FAILURE}: {name} must be a list")
    if len(value) > most:
        raise Invalid(name, f"{name}: the length must be no more than {most}.")
    return value


def _count(fields: Mapping[str, Any], name: str, default: int, largest: int) -> int:
    value = fields.get(name)
    if value is None or value == 0:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid(name, f"{FAILURE}: {name} must be an integer")
    if not 1 <= value <= largest:
        raise Invalid(name, f"{name}: must be between 1 and {largest}.")
    return value


def _field(fields: Mapping[str, Any], place: str) -> FieldName:
    scope, name = fields.get("scope"), fields.get("attribute")
    for key, value in (("attribute", name), ("scope", scope)):
        if not value:
            raise Invalid(key, place % f"{key}: cannot be blank.")
        if not isinstance(value, str):
            raise Invalid(key, place % f"{key}: must be a string.")
    if scope not in SCOPES:
        raise Invalid("scope", place % "scope: must be a valid value.")
    return str(scope), str(name)


def _sort_key(item: object, place: str) -> Order:
    fields = fields_of(item, FAILURE)
    field = _field(fields, place)
    if not fields.get("order"):
        raise Invalid("order", place % "order: cannot be blank.")
    if fields["order"] not in ("asc", "desc"):
        raise Invalid("order", place % "order: must be a valid value.")
    return Order(field, fields["order"] == "desc")


def _condition(item: object, place: str) -> Condition:
    fields = fields_of(item, FAILURE)
    field = _field(fields, place)
    kind = fields.get("type")
    if not kind:
        raise Invalid("type", place % "type: cannot be blank.")
    known = _OPERATORS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise Invalid("type", place % "type: must be a valid value.")
    if fields.get("value") is None:
        raise Invalid("value", place % "value: cannot be blank.")
    operator, read = known
    try:
        return Condition(field, operator, read(field, fields["value"]))
    except ValueError as error:
        raise Invalid("value", place % f"value: {error}.") from None


def _scalar(value: object) -> Scalar:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and math.isfinite(value):  # type: ignore[arg-type]  # the line above checks
        return as_float(value)  # type: ignore[arg-type]  # likewise
    if isinstance(value, str):
        return value
    raise ValueError("must be a string or a number")


def _one(field: FieldName, value: object) -> frozenset[Scalar]:
    return operands(field, _scalar(value))


def _several(field: FieldName, value: object) -> frozenset[Scalar]:
    if not isinstance(value, list):
        raise ValueError("must be an array of strings or numbers")  # noqa: TRY004 - one kind
    return frozenset[Scalar]().union(*(_one(field, item) for item in value))


def _compared(field: FieldName, value: object) -> Scalar:
    return operand(field, _scalar(value))


def _truth(_field: FieldName, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be a boolean")  # noqa: TRY004 - one kind
    return value


def _pattern(_field: FieldName, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")  # noqa: TRY004 - one kind
    pattern(value)
    return value


_OPERATORS: Mapping[str, tuple[Operator, Callable[[FieldName, object], Any]]] = {
    "$eq": ("in", _one),
    "$ne": ("not in", _one),
    "$in": ("in", _several),
    "$nin": ("not in", _several),
    "$gt": ("more", _compared),
    "$gte": ("at least", _compared),
    "$lt": ("less", _compared),
    "$lte": ("at most", _compared),
    "$ltne": ("less or absent", _compared),
    "$exists": ("exists", _truth),
    "$regex": ("pattern", _pattern),
}
