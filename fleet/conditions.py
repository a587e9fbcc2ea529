"""What the conditions of an object say, be it ours or one of Kubernetes' own."""

from collections.abc import Iterable
from typing import Protocol, TypeVar


class _Told(Protocol):
    """A condition."""

    @property
    def type(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def reason(self) -> str: ...


ToldT_co = TypeVar("ToldT_co", bound=_Told, covariant=True)
Told = TypeVar("Told", bound=_Told)


class _Status(Protocol[ToldT_co]):
    @property
    def conditions(self) -> Iterable[ToldT_co]: ...


class Telling(Protocol[ToldT_co]):
    """An object whose status has conditions."""

    @property
    def status(self) -> _Status[ToldT_co]:
        """The object's status."""
        ...


def condition(item: Telling[Told], type_: str) -> Told | None:
    """Return the condition of that type; None if it is absent."""
    return next((one for one in item.status.conditions if one.type == type_), None)


def holds(item: Telling[_Told], type_: str) -> bool | None:
    """Say whether a condition holds; None if it is absent or unknown."""
    found = condition(item, type_)
    return None if found is None else {"True": True, "False": False}.get(found.status)


def has_reason(item: Telling[_Told], type_: str, reason: str) -> bool:
    """Say whether a condition is there for that reason."""
    found = condition(item, type_)
    return found is not None and found.reason == reason
