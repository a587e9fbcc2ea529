"""The clock that everything here is given, so that time can be tested."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Return the present, aware, in UTC."""
    return datetime.now(UTC)
