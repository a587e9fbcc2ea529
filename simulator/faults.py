"""What can be wrong with a simulated device, and how often it is."""

from collections.abc import Mapping
from enum import StrEnum


class Fault(StrEnum):
    """A way in which a device is not as it should be."""

    OFFLINE = "offline"
    """It never speaks."""
    SLOW = "slow"
    """It pauses before each request, and between the parts of a download."""
    LYING = "lying"
    """It says that it runs what it was offered and does not, or says that it is another type."""
    FAILING = "failing"
    """It fetches what it is offered and never gets it installed."""
    DYING = "dying"
    """It loses power in the middle of its first updates, and begins anew."""
    FLAPPING = "flapping"
    """It is away every now and then, and has lost its token and connections when it is back."""
    REPEATING = "repeating"
    """It sends each request twice at once."""


HOPELESS = frozenset({Fault.OFFLINE, Fault.LYING, Fault.FAILING})
"""Nobody expects a device with one of these to come to run what it should."""

Rates = Mapping[Fault, float]
"""The share of devices, from 0 to 1, that have a fault; a device may have several."""


def parse_rates(text: str) -> dict[Fault, float]:
    """Read `offline=0.1,slow=0.05`. Raises ValueError that says what is allowed."""
    rates: dict[Fault, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, rate = part.partition("=")
        if name not in list(Fault):
            raise ValueError(f"{name!r} is no fault; there are {', '.join(Fault)}")
        try:
            share = float(rate)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            raise ValueError(f"the rate of {name} must be a number from 0 to 1, as in {name}=0.1")
        rates[Fault(name)] = share
    return rates
