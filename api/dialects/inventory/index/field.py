"""One field of all devices: what each holds, and who holds a value."""

from collections.abc import Collection

from polyfleet.api.dialects.inventory.index.query import Condition, Scalar, Value

_NOBODY: frozenset[int] = frozenset()


class Field:
    """Values by device key, and device keys by value (by each element, for a list)."""

    def __init__(self) -> None:
        self.values: dict[int, Value] = {}
        # Most values of some fields belong to one device only: a bare key then, no set.
        self._keys: dict[Scalar, int | set[int]] = {}

    def put(self, key: int, value: Value | None) -> bool:
        """Take the device's value, None for none; return whether it is another than before."""
        old = self.values.get(key)
        if old == value and type(old) is type(value):
            return False
        for scalar in _scalars(old):
            self._remove(scalar, key)
        for scalar in _scalars(value):
            self._add(scalar, key)
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value
        return True

    def having(self, scalar: Scalar) -> Collection[int]:
        """Return the devices that hold the value, alone or in a list."""
        found = self._keys.get(scalar)
        if found is None:
            return _NOBODY
        return (found,) if isinstance(found, int) else found

    def held(self) -> Collection[Scalar]:
        """Return all values that some device holds."""
        return self._keys.keys()

    def candidates(self, condition: Condition) -> Collection[int] | None:
        """Return the devices that may meet a condition on this field; None for all devices."""
        if condition.operator == "in":
            parts = [self.having(scalar) for scalar in condition.operand]
            if len(parts) == 1:
                return parts[0]
            if sum(map(len, parts)) < len(self.values):
                return set[int]().union(*parts)
            return self.values.keys()
        if condition.operator in {"not in", "less or absent"} or condition.operand is False:
            return None
        return self.values.keys()

    def _add(self, scalar: Scalar, key: int) -> None:
        found = self._keys.get(scalar)
        if found is None:
            self._keys[scalar] = key
        elif isinstance(found, set):
            found.add(key)
        elif found != key:
            self._keys[scalar] = {found, key}

    def _remove(self, scalar: Scalar, key: int) -> None:
        found = self._keys.get(scalar)
        if isinstance(found, set):
            found.discard(key)
            if not found:
                del self._keys[scalar]
        elif found == key:
            del self._keys[scalar]


def _scalars(value: Value | None) -> tuple[Scalar, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
