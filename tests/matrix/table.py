"""The matrix: who makes, changes and removes something, and who then sees what of it.

A row is an act of one face of Polyfleet (a dialect, or kubectl), a column a look through another.
What a row gives and a column shows, both by the same words, is what must be seen. The tests of
this folder run every row against every column; docs/matrix.md is drawn from the same tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.matrix.world import World

Facts = Mapping[str, Any]
"""What is so, by words that are the same for all faces."""


@dataclass(frozen=True)
class Look:
    """A column: what a face shows of a thing; None where it is not there."""

    face: str
    how: str
    shows: tuple[str, ...]
    see: Callable[[World, str], Facts | None]
    takes: bool = False
    """To look is to take it away."""


@dataclass(frozen=True)
class Making:
    """A row: a face makes the thing; what it returns are the facts that it `gives`."""

    face: str
    how: str
    gives: tuple[str, ...]
    make: Callable[[World, str], Facts]


@dataclass(frozen=True)
class Change:
    """A row: a face changes the thing that `by` made; it returns the facts that it `gives`."""

    face: str
    how: str
    gives: tuple[str, ...]
    by: Making
    change: Callable[[World, str], Facts]


@dataclass(frozen=True)
class Removal:
    """A row: a face removes the thing that `by` made."""

    face: str
    how: str
    by: Making
    remove: Callable[[World, str], object]


@dataclass(frozen=True)
class Matter:
    """What one table is about."""

    name: str
    title: str
    makings: tuple[Making, ...]
    looks: tuple[Look, ...]
    changes: tuple[Change, ...] = ()
    removals: tuple[Removal, ...] = ()

    def common(self, given: tuple[str, ...], look: Look) -> tuple[str, ...]:
        """Return what of the given is seen by that look."""
        return tuple(word for word in given if word in look.shows)
