"""The call at hand: from where it came and, once that is known, who makes it."""

from contextvars import ContextVar

from polyfleet.fleet.rights import Principal

UNKNOWN_ADDRESS = "unknown"


class Call:
    """One request. Identity writes down what it learns; limits and the audit log read it.

    `management` says that the caller was asked for a person's or a program's credentials:
    calls that devices make with their own do not count as such. `reading` says that a call only
    reads although its method does not tell: a search by POST.
    """

    __slots__ = ("address", "management", "principal", "reading")

    def __init__(self, address: str = UNKNOWN_ADDRESS) -> None:
        self.address = address
        self.management = False
        self.reading = False
        self.principal: Principal | None = None


_current: ContextVar[Call | None] = ContextVar("polyfleet_call", default=None)


def begin(address: str) -> Call:
    """Begin a call: what runs in this task and its children belongs to it."""
    call = Call(address)
    _current.set(call)
    return call


def current() -> Call:
    """Return the call at hand; outside of any, one that nobody looks at."""
    return _current.get() or Call()
