"""How tests wait for what happens a moment later."""

import time
from collections.abc import Callable
from typing import Any

SECONDS = 60.0


def eventually(condition: Callable[[], Any], *, seconds: float = SECONDS) -> Any:
    """Return the condition's first true value; fail if there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value
