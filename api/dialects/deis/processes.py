"""Process types and how many instances of each are wanted."""

import re
from typing import Any, cast

from polyfleet.api.core.errors import Invalid
from polyfleet.api.dialects.deis import bodies
from polyfleet.fleet.objects.build import Build

DEFAULT = "cmd"
"""The type that runs an image as it is."""
WEB = "web"
MOST_TYPES = 64
MOST_INSTANCES = 10_000
_TYPE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"\s*[+-]?[0-9]+\s*")
_FORMAT = "Invalid scaling format"
_NEGATIVE = "Must be greater than or equal to zero"


def is_type(name: str) -> bool:
    """Say whether a process type can have this name."""
    return _TYPE.fullmatch(name) is not None


def counts_of(fields: bodies.Fields, name: str) -> dict[str, int]:
    """Return counts by process type, given as an object or as its JSON. Raises Invalid."""
    return counts(bodies.mapping(fields, name) or {}, name)


def counts(given: Any, field: str = "") -> dict[str, int]:
    """Return counts by process type: numbers, or texts that hold one. Raises Invalid."""
    found = {}
    for name, value in given.items():
        found[name] = _count(value, field)
        if not is_type(name):
            raise Invalid(field, f"'{name[:64]}' is no process type: it must be a-z, 0-9 and -")
    if len(found) > MOST_TYPES:
        raise Invalid(field, f"There are at most {MOST_TYPES} process types.")
    return found


def types_of(build: Build) -> set[str]:
    """Return the process types that a build has."""
    return {DEFAULT, *build.spec.procfile}


def first_scale(procfile: dict[str, str]) -> dict[str, int]:
    """Return what the first build of an application runs: one web, else the image as it is."""
    return {WEB: 1} if WEB in procfile else {DEFAULT: 1}


def _count(value: object, field: str) -> int:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise Invalid(field, _FORMAT)
    try:
        count = int(cast("str", value))  # of whatever type: what is no number raises
    except (TypeError, ValueError, OverflowError):
        raise Invalid(field, _FORMAT) from None
    if count < 0:
        raise Invalid(field, _NEGATIVE)
    if count > MOST_INSTANCES:
        raise Invalid(field, f"Must be less than or equal to {MOST_INSTANCES}")
    return count
