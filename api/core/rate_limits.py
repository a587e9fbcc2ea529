"""Token buckets by key: a burst, then one in an interval."""

_ROUNDING = 1e-3


class TokenBuckets:
    """One bucket of `burst` tokens a key; a token comes back each `interval` seconds.

    Holds no more than `maximum` keys: full buckets are forgotten, which changes nothing, and if
    all are in use the oldest goes.
    """

    def __init__(self, *, burst: int, interval: float, maximum: int = 200_000) -> None:
        self.burst = burst
        self.interval = interval
        self._maximum = maximum
        self._buckets: dict[str, float] = {}  # key -> when its bucket will be full again

    def take(self, key: str, now: float) -> bool:
        """Take a token at `now`, in seconds; False if the bucket is empty.

        `now` is of a clock that nobody sets: set back, it would keep all buckets empty.
        """
        full_at = max(self._buckets.pop(key, now), now)
        allowed = full_at - now <= (self.burst - 1) * self.interval + _ROUNDING
        if len(self._buckets) >= self._maximum:
            self._shrink(now)
        self._buckets[key] = full_at + self.interval if allowed else full_at
        return allowed

    def wait(self, key: str, now: float) -> float:
        """Return in how many seconds the next token can be taken; 0 if at once."""
        full_at = self._buckets.get(key, now)
        return max(0.0, full_at - now - (self.burst - 1) * self.interval)

    def _shrink(self, now: float) -> None:
        self._buckets = {key: at for key, at in self._buckets.items() if at > now}
        while len(self._buckets) >= self._maximum:
            del self._buckets[next(iter(self._buckets))]
