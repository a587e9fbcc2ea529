"""How a decision was reached: one step a check, winners and losers alike."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

Verdict = Literal["chosen", "passed", "failed", "lost", "info"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One check: what was looked at, how it went, in words and as data."""

    check: str
    verdict: Verdict
    message: str
    facts: dict[str, Any] = {}


class Trace:
    """Collects the steps of one decision, in the order in which they were taken."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    def add(self, check: str, verdict: Verdict, message: str, **facts: Any) -> None:
        """Add a step; `facts` are JSON data."""
        self._steps.append(Step(check=check, verdict=verdict, message=message, facts=facts))

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)

    def as_dict(self) -> dict[str, Any]:
        """Return the steps as JSON data."""
        return {"steps": [msgspec.to_builtins(step) for step in self._steps]}
