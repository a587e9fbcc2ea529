"""The clocks that everything here is given, so that time can be tested.

What ends at a date goes by the wall clock. How long something lasts goes by one that only grows:
the wall clock can be set back, and would make a pause of seconds one of hours.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
Monotonic = Callable[[], float]
"""Seconds since some moment, which nobody sets."""

monotonic_clock: Monotonic = time.monotonic


def wall_clock() -> datetime:
    """Return the present, aware, in UTC."""
    return datetime.now(UTC)
