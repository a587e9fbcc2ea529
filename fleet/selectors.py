"""Kubernetes label selectors: the rules by which they match, and their text form."""

import re
from collections.abc import Mapping

from polyfleet.fleet.objects.group import LabelSelector, SelectorRequirement

MAX_TEXT = 8192

_KEY = (
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_LABEL_KEY = re.compile(_KEY)
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
# Spaces are taken possessively (`*+`): a value may be empty, so they could else be split in
# exponentially many ways.
_SET = rf"\(\s*+(?P<values>{_VALUE}(?:\s*+,\s*+{_VALUE})*)\s*+\)"
_PART = re.compile(
    rf"\s*+(?:!\s*+(?P<absent>{_KEY})"
    rf"|(?P<key>{_KEY})(?:\s*+(?P<equality>==|=|!=)\s*+(?P<value>{_VALUE})"
    rf"|\s++(?P<operator>in|notin)\s*+{_SET})?)\s*+(?:,|$)"
)


def matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Say whether the labels satisfy every part of the selector; an empty one matches all."""
    for key, value in selector.match_labels.items():
        if labels.get(key) != value:
            return False
    return all(_holds(requirement, labels) for requirement in selector.match_expressions)


def parse(text: str) -> LabelSelector:
    """Read a selector text: `=`, `==`, `!=`, `in`, `notin`, key present, `!key` absent.

    Raises ValueError that quotes where it stops making sense. An empty text selects all.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"a label selector has at most {MAX_TEXT} characters")
    requirements: list[SelectorRequirement] = []
    position = 0
    end = len(text.rstrip())
    if text[:end].endswith(","):
        raise ValueError("a label selector may not end with a comma")
    while position < end:
        part = _PART.match(text, position)
        if part is None:
            raise ValueError(f"not a label selector from here: {text[position : position + 40]!r}")
        requirements.append(_requirement(part))
        position = part.end()
    return LabelSelector(match_expressions=tuple(requirements))


def invalid_keys(selector: LabelSelector) -> list[str]:
    """Return the keys that no label can have, so that the selector can never mean them."""
    keys = [*selector.match_labels, *(part.key for part in selector.match_expressions)]
    return [key for key in keys if not _LABEL_KEY.fullmatch(key)]


def text(selector: LabelSelector) -> str:
    """Write a selector as text; an empty one, which selects all, is an empty text."""
    parts = [f"{key}={value}" for key, value in selector.match_labels.items()]
    return ",".join([*parts, *map(_requirement_text, selector.match_expressions)])


def _requirement_text(requirement: SelectorRequirement) -> str:
    match requirement.operator:
        case "Exists":
            return requirement.key
        case "DoesNotExist":
            return f"!{requirement.key}"
        case operator:
            return f"{requirement.key} {operator.lower()} ({','.join(requirement.values)})"


def _requirement(part: re.Match[str]) -> SelectorRequirement:
    if part["absent"]:
        return SelectorRequirement(key=part["absent"], operator="DoesNotExist")
    if part["equality"]:
        operator = "NotIn" if part["equality"] == "!=" else "In"
        return SelectorRequirement(key=part["key"], operator=operator, values=(part["value"],))
    if part["operator"]:
        values = tuple(value.strip() for value in part["values"].split(","))
        operator = "In" if part["operator"] == "in" else "NotIn"
        return SelectorRequirement(key=part["key"], operator=operator, values=values)
    return SelectorRequirement(key=part["key"], operator="Exists")


def _holds(requirement: SelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":  # as in Kubernetes, a missing label is not in any set
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:  # an operator that no API server would have stored
            return False
