"""The query string of a list: which page, which devices, in which order."""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from polyfleet.api.core.errors import Invalid
from polyfleet.api.dialects.inventory.index.facts import (
    CREATED,
    GROUP,
    INVENTORY,
    SCOPES,
    UPDATED,
    as_float,
)
from polyfleet.api.dialects.inventory.index.query import Condition, FieldName, Order, Scalar
from polyfleet.fleet.instants import parse, timestamp
from polyfleet.fleet.memory import remembering

DEFAULT_PER_PAGE = 10
MOST_PER_PAGE = 500
MOST_CONDITIONS = 16
MOST_SORT_KEYS = 8

_RESERVED = frozenset({"page", "per_page", "sort", "has_group", "group"})
_MOST_PARAMETERS = 64
_LARGEST = 2**32
_COUNT = re.compile("0*[0-9]{1,10}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TRUTHS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
_REMEMBERED = 1024


class Paging(NamedTuple):
    """Which page; `before` and `after` are the query string around its number, for links."""

    page: int
    per_page: int
    before: str
    after: str

    @property
    def start(self) -> int:
        """The position of the page's first item, from 0."""
        return (self.page - 1) * self.per_page

    def links(self, target: str, *, more: bool) -> list[str]:
        """Return the values of the Link headers: prev, next, first, as far as there are any."""
        numbers = {"prev": self.page - 1, "next": self.page + 1 if more else 0, "first": 1}
        return [
            f'<{target}?{self.before}page={number}{self.after}>; rel="{relation}"'
            for relation, number in numbers.items()
            if number
        ]


class Listing(NamedTuple):
    """What the query string of `GET /devices` says."""

    paging: Paging
    conditions: tuple[Condition, ...]
    order: tuple[Order, ...]


@remembering(lambda query_string: (query_string,), _REMEMBERED)
def read_listing(query_string: bytes) -> Listing:
    """Read a list of devices' query string. Raises Invalid."""
    given = _parameters(query_string)
    paging = _paging(query_string, given)
    conditions = []
    has_group = given.get("has_group", "")
    if has_group:
        if has_group not in _TRUTHS:
            raise Invalid("has_group", "Can't parse param has_group")
        conditions.append(Condition(GROUP, "exists", _TRUTHS[has_group]))
    if given.get("group"):
        conditions.append(Condition(GROUP, "in", frozenset((given["group"],))))
    filters = [(name, value) for name, value in given.items() if name not in _RESERVED]
    if len(filters) > MOST_CONDITIONS:
        raise Invalid("", f"at most {MOST_CONDITIONS} attributes can be searched at once")
    conditions += [_filter(name, value) for name, value in filters]
    return Listing(paging, tuple(conditions), _order(given.get("sort", "")))


@remembering(lambda query_string: (query_string,), _REMEMBERED)
def read_paging(query_string: bytes) -> Paging:
    """Read the query string of a list that is only paged. Raises Invalid."""
    return _paging(query_string, _parameters(query_string))


def field_of(name: str) -> FieldName:
    """Return the field of a name: `<scope>/<name>`, or only a name for an attribute."""
    scope, slash, rest = name.partition("/")
    return (scope, rest) if slash and scope in SCOPES else (INVENTORY, name)


def operands(field: FieldName, value: Scalar) -> frozenset[Scalar]:
    """Return what equals the value in the field: as it is written, and in the field's own form."""
    return frozenset((value, operand(field, value)))


def operand(field: FieldName, value: Scalar) -> Scalar:
    """Return the value in the field's own form: an instant can be written variously."""
    if not isinstance(value, str):
        return as_float(value)
    if field in (CREATED, UPDATED):
        try:
            return timestamp(parse(value))
        except ValueError:
            return value
    return value


def _parameters(query_string: bytes) -> dict[str, str]:
    """Return the first value of each name."""
    given: dict[str, str] = {}
    for name, value in _pairs(query_string):
        given.setdefault(name, value)
    return given


def _pairs(query_string: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query_string.decode("latin-1"),
            keep_blank_values=True,
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise Invalid("", "too many request parameters") from None


def _paging(query_string: bytes, given: dict[str, str]) -> Paging:
    page = _count(given, "page", 1, _LARGEST - 1)
    per_page = _count(given, "per_page", DEFAULT_PER_PAGE, MOST_PER_PAGE)
    others = [pair for pair in _pairs(query_string) if pair[0] not in {"page", "per_page"}]
    before = sorted([pair for pair in others if pair[0] < "page"])
    after = sorted([*(pair for pair in others if pair[0] > "page"), ("per_page", str(per_page))])
    return Paging(
        page,
        per_page,
        f"{urlencode(before)}&" if before else "",
        f"&{urlencode(after)}",
    )


def _count(given: dict[str, str], name: str, default: int, largest: int) -> int:
    text = given.get(name, "")
    if not text:
        return default
    count = int(text.lstrip("0") or "0") if _COUNT.fullmatch(text) else _LARGEST
    if count >= _LARGEST:
        raise Invalid(name, f"Can't parse param {name}")
    if not 1 <= count <= largest:
        raise Invalid(name, f"Param {name} is out of bounds")
    return count


def _filter(name: str, text: str) -> Condition:
    field = field_of(name)
    text = text.removeprefix("eq:")
    wanted = operands(field, text)
    if _NUMBER.fullmatch(text):
        wanted |= {as_float(float(text))}
    return Condition(field, "in", wanted)


def _order(text: str) -> tuple[Order, ...]:
    """Read `name1:asc,name2:desc`; without a direction it is descending."""
    keys = []
    for part in text.split(","):
        name, colon, direction = part.strip().rpartition(":")
        if not colon:
            name, direction = direction, "desc"
        if direction not in {"asc", "desc"}:
            raise Invalid("sort", "invalid sort order")
        if name:
            keys.append(Order(field_of(name), direction == "desc"))
    if len(keys) > MOST_SORT_KEYS:
        raise Invalid("sort", f"at most {MOST_SORT_KEYS} attributes can be sorted by")
    return tuple(keys)
