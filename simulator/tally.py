"""What a simulation counts: requests by route and status, and how long answers took."""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field

_STEP = math.log(1.02)
_SMALLEST = 1e-6


class Durations:
    """Seconds, kept to 2 % in as much memory as they differ, however many they are."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[math.ceil(math.log(max(seconds, _SMALLEST)) / _STEP)] += 1

    def __len__(self) -> int:
        return self._counts.total()

    def quantile(self, share: float) -> float:
        """Return the duration that this share of all did not exceed; 0 if there are none."""
        left = math.ceil(share * len(self))
        for step, count in sorted(self._counts.items()):
            left -= count
            if left <= 0:
                return math.exp(step * _STEP)
        return 0.0


@dataclass(slots=True)
class RouteTally:
    """What became of the requests to one route."""

    statuses: Counter[int] = field(default_factory=Counter)
    lost: int = 0
    """Requests without an answer: the connection failed or it took too long."""
    durations: Durations = field(default_factory=Durations)


class Tally:
    """Counts by route, and of what is not a request."""

    def __init__(self) -> None:
        self.routes: defaultdict[str, RouteTally] = defaultdict(RouteTally)
        self.events: Counter[str] = Counter()
        """How often something happened that has no route."""
        self.deliveries = Durations()
        """From the POST of a command until the device had it."""

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        tally = self.routes[route]
        tally.statuses[status] += 1
        tally.durations.add(seconds)

    def lost(self, route: str) -> None:
        """Count a request that got no answer."""
        self.routes[route].lost += 1
