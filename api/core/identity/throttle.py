"""Slows the guessing of passwords."""

from polyfleet.api.core.errors import RateLimited
from polyfleet.api.core.identity.clock import Monotonic, monotonic_clock
from polyfleet.api.core.identity.memo import Memo

FREE_ATTEMPTS = 5
LONGEST_PAUSE = 60.0
FORGOTTEN_AFTER = 900.0
NAMES = 4_096


class Throttle:
    """Counts the attempts on each name since its last success.

    After five, the next must wait a second, then two, four, up to a minute. Names that exist and
    names that do not are counted alike. A credential that is remembered passes without an
    attempt, and access tokens are no passwords: a stranger who keeps failing hinders nobody who
    is already at work.
    """

    def __init__(self, *, monotonic: Monotonic = monotonic_clock) -> None:
        """Measure time by `monotonic`."""
        self._monotonic = monotonic
        self._attempts: Memo[tuple[int, float]] = Memo(
            lifetime=FORGOTTEN_AFTER, capacity=NAMES, monotonic=monotonic
        )

    def attempt(self, name: str) -> None:
        """Count an attempt before it is made. Raises RateLimited if it comes too early.

        It counts from its start, so that many at once gain nothing.
        """
        key = self._attempts.key(name)
        count, last = self._attempts.get(key) or (0, 0.0)
        now = self._monotonic()
        if count >= FREE_ATTEMPTS:
            pause = min(LONGEST_PAUSE, 2.0 ** min(count - FREE_ATTEMPTS, 10))
            if now < last + pause:
                raise RateLimited("too many failed logins", retry_after=last + pause - now)
        self._attempts.put(key, (count + 1, now))

    def succeeded(self, name: str) -> None:
        """Forget the attempts on a name."""
        self._attempts.discard(self._attempts.key(name))
