"""What is asked for: which devices, and in which order."""

import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic_core import SchemaError, SchemaValidator, core_schema

Scalar = str | int | float
Value = Scalar | tuple[Scalar, ...]
"""What one field holds on one device; a list matches if any of its elements does."""
FieldName = tuple[str, str]
"""Scope and name."""
Operator = Literal[
    "in", "not in", "exists", "less", "at most", "more", "at least", "less or absent", "pattern"
]
Test = Callable[[Value | None], bool]

LONGEST_PATTERN = 256
_MOST_PATTERNS = 16
_PATTERN_BYTES = 8 * 2**20
"""What even a short pattern can take: the engine's own limit."""
_SCALAR_BYTES = 100
"""What a scalar in a set takes beside its characters."""

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "less": operator.lt,
    "at most": operator.le,
    "more": operator.gt,
    "at least": operator.ge,
}


class Condition(NamedTuple):
    """One condition on one field.

    The operand is a frozenset of scalars (in, not in), a truth value (exists), a scalar
    (comparisons, which never hold between a text and a number), or a text (pattern).
    """

    field: FieldName
    operator: Operator
    operand: Any


class Order(NamedTuple):
    """One key to sort by. A device without the field counts as lowest."""

    field: FieldName
    descending: bool


class Query(NamedTuple):
    """Devices that meet all conditions, sorted; ties, and all without a key, by creation."""

    conditions: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = ()

    def fields(self) -> set[FieldName]:
        """Return the fields that it reads."""
        return {part.field for part in self.conditions} | {part.field for part in self.order}

    def size(self) -> int:
        """Return about how many bytes it takes to remember the query and its tests."""
        names = sum(len(name) for _, name in self.fields())
        return 4 * names + sum(map(_size, self.conditions))


def predicate(condition: Condition) -> Test:
    """Return the function that says whether a device's value (None: it has none) fits."""
    match condition.operator:
        case "in":
            return _any(condition.operand.__contains__)
        case "not in":
            holds = _any(condition.operand.__contains__)
            return lambda value: not holds(value)
        case "exists":
            wanted = condition.operand
            return lambda value: (value is not None) is wanted
        case "less or absent":
            less = _any(_comparison("less", condition.operand))
            return lambda value: value is None or less(value)
        case "pattern":
            return _any(pattern(condition.operand))
        case comparison:
            return _any(_comparison(comparison, condition.operand))


@lru_cache(_MOST_PATTERNS)
def pattern(text: str) -> Callable[[Scalar], bool]:
    """Return a test for texts that hold a match of the regular expression.

    Raises ValueError for one that is none. The engine takes linear time whatever the pattern:
    Python's own could be kept busy for years by a short one.
    """
    if len(text) > LONGEST_PATTERN:
        raise ValueError(f"a regular expression has at most {LONGEST_PATTERN} characters")
    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=text, strict=True))
    except SchemaError:
        raise ValueError("not a regular expression that is understood here") from None
    return validator.isinstance_python


def _size(condition: Condition) -> int:
    if condition.operator == "pattern":
        return _PATTERN_BYTES
    operand = condition.operand
    scalars = operand if isinstance(operand, frozenset) else (operand,)
    return sum(
        _SCALAR_BYTES + 4 * len(each) if isinstance(each, str) else _SCALAR_BYTES
        for each in scalars
    )


def _any(holds: Callable[[Any], bool]) -> Test:
    def test(value: Value | None) -> bool:
        if isinstance(value, tuple):
            return any(holds(element) for element in value)
        return value is not None and holds(value)

    return test


def _comparison(name: str, operand: Scalar) -> Callable[[Scalar], bool]:
    compare = _COMPARISONS[name]
    is_text = isinstance(operand, str)
    return lambda value: isinstance(value, str) is is_text and compare(value, operand)
