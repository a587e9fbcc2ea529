"""How many devices have left the groups that are being deleted."""


class SweepCounts:
    """Counts a sweep over all its attempts; what is counted goes with its group."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[str, int]] = {}

    def add(self, name: str, uid: str) -> None:
        """Count a device that has left the group of that object name and uid."""
        self._counts[name] = (uid, self.of(name, uid) + 1)

    def of(self, name: str, uid: str) -> int:
        """Return how many devices have left that very group."""
        known, count = self._counts.get(name, (uid, 0))
        return count if known == uid else 0

    def forget(self, name: str) -> None:
        """Drop the count, because the group is gone or its count is told."""
        self._counts.pop(name, None)
