"""Draws docs/matrix.md from the tables: `python -m tests.matrix.page`, or `make matrix`."""

from collections.abc import Iterator
from pathlib import Path

from tests.matrix import (
    applications,
    commands,
    configurations,
    devices,
    domains,
    groups,
    memberships,
    offers,
    packages,
    people,
    releases,
    rollouts,
    running,
)
from tests.matrix.table import Look, Matter

PAGE = Path(__file__).resolve().parents[2] / "docs" / "matrix.md"
MATTERS = (
    devices.MATTER,
    groups.MATTER,
    memberships.MATTER,
    packages.MATTER,
    offers.MATTER,
    rollouts.MATTER,
    running.MATTER,
    applications.MATTER,
    releases.MATTER,
    configurations.MATTER,
    domains.MATTER,
    commands.MATTER,
    people.MATTER,
)
_INTRODUCTION = """\
# One fleet, many dialects: what is seen where

What one dialect or `kubectl` makes, changes or removes is seen through every other that has a word
for it. Each row of these tables is an act, each column a look; the cell names what the act gave and
the look shows. Drawn by `make matrix` from the tables of `tests/matrix`, which try every cell
against a running facade and operator; `make test` fails if this page says something else.

`native` is Polyfleet's own API.
"""


def rendered() -> str:
    """Return the page."""
    return _INTRODUCTION + "".join(f"\n## {matter.title}\n\n{_table(matter)}" for matter in MATTERS)


def _table(matter: Matter) -> str:
    heads = [f"{look.face} {look.how}" for look in matter.looks]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    lines += [f"| {act} | {' | '.join(cells)} |" for act, cells in _rows(matter)]
    return "\n".join(lines) + "\n"


def _rows(matter: Matter) -> Iterator[tuple[str, list[str]]]:
    def cells(given: tuple[str, ...]) -> list[str]:
        return [", ".join(matter.common(given, look)) for look in matter.looks]

    for making in matter.makings:
        yield f"made by {making.face}: {making.how}", cells(making.gives)
    for change in matter.changes:
        yield f"changed by {change.face}: {change.how}", cells(change.gives)
    for removal in matter.removals:
        yield (
            f"removed by {removal.face}: {removal.how}",
            [_gone(matter, look) for look in matter.looks],
        )


def _gone(matter: Matter, look: Look) -> str:
    return "gone" if any(matter.common(m.gives, look) for m in matter.makings) else ""


def main() -> None:
    """Write the page."""
    PAGE.write_text(rendered())


if __name__ == "__main__":
    main()
