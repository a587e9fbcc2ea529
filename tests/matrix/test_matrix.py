"""Every row of the matrix against every column, over real HTTP and with real kubectl."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.matrix.page import MATTERS, PAGE, rendered
from tests.matrix.table import Change, Facts, Look, Making, Matter, Removal
from tests.matrix.world import World
from tests.operator.conftest import eventually


def rows(of: Callable[[Matter], Sequence[Any]]) -> list[Any]:
    return [
        pytest.param(matter, row, id=f"{matter.name}: {row.face} {row.how}")
        for matter in MATTERS
        for row in of(matter)
    ]


@pytest.mark.parametrize(("matter", "making"), rows(lambda matter: matter.makings))
def test_what_one_makes_all_others_see(
    world: World, name: str, matter: Matter, making: Making
) -> None:
    facts = making.make(world, name)
    assert facts.keys() == set(making.gives), "the table says something else"
    all_see(world, name, matter, matter.looks, facts)


@pytest.mark.parametrize(("matter", "change"), rows(lambda matter: matter.changes))
def test_what_one_changes_all_others_see(
    world: World, name: str, matter: Matter, change: Change
) -> None:
    facts = change.by.make(world, name)
    patient = [look for look in matter.looks if not look.takes]
    all_see(world, name, matter, patient, facts)
    news = change.change(world, name)
    assert news.keys() == set(change.gives), "the table says something else"
    all_see(world, name, matter, patient, {**facts, **news})


@pytest.mark.parametrize(("matter", "removal"), rows(lambda matter: matter.removals))
def test_what_one_removes_nobody_sees(
    world: World, name: str, matter: Matter, removal: Removal
) -> None:
    facts = removal.by.make(world, name)
    patient = [look for look in matter.looks if not look.takes]
    all_see(world, name, matter, patient, facts)
    removal.remove(world, name)
    for look in matter.looks:
        if matter.common(removal.by.gives, look):
            eventually(
                lambda look=look: look.see(world, name) is None,
                lambda look=look: f"{look.face} {look.how} still shows {look.see(world, name)}",
            )


def test_the_page_is_what_the_tables_say() -> None:
    assert PAGE.read_text() == rendered(), "docs/matrix.md is out of date: run `make matrix`"


def all_see(world: World, name: str, matter: Matter, looks: Sequence[Look], facts: Facts) -> None:
    """Wait until all looks show of the facts what they have words for."""
    for look in looks:
        words = matter.common(tuple(facts), look)
        if not words:
            continue
        expected = {word: facts[word] for word in words}
        seen: list[Facts | None] = [None]

        def shows(
            look: Look = look, expected: Facts = expected, seen: list[Facts | None] = seen
        ) -> bool:
            seen[0] = look.see(world, name)
            return seen[0] is not None and {word: seen[0][word] for word in expected} == expected

        eventually(
            shows,
            lambda look=look, expected=expected, seen=seen: (
                f"{look.face} {look.how} shows {seen[0]}, not {expected}"
            ),
            seconds=30.0,
        )
