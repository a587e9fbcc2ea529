"""What a simulated device will do: drawn from the seed and its number alone.

So the same seed gives the same devices with the same faults at the same points of their lives,
whatever the server answers and however long it takes.
"""

from dataclasses import dataclass
from random import Random
from typing import Literal

from polyfleet.simulator.faults import HOPELESS, Fault, Rates

Lie = Literal["version", "type"]

_MOST_DEATHS = 3
_MOST_ROUNDS_DEAD = 3
_AWAY = 0.5


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a device's life: it asks, and does what it is told."""

    away: bool
    pause: float
    """How long it waits afterwards, in intervals."""
    lag: float
    """How long it waits before each request, in intervals."""


@dataclass(frozen=True, slots=True)
class Death:
    """A loss of power in the middle of an update."""

    at: float
    """After which share of the download."""
    rounds: int
    """How many rounds it lasts."""
    keeps: bool
    """Whether what was downloaded so far is still there afterwards."""


class Script:
    """The life of device `number` of a fleet that was drawn with `seed`."""

    def __init__(self, seed: int, number: int, rates: Rates, *, sockets: float = 0.0) -> None:
        self._origin = f"{seed}/{number}"
        draw = Random(self._origin)
        self.faults = frozenset(fault for fault in Fault if draw.random() < rates.get(fault, 0.0))
        self.start: float = draw.random()
        """After how much of an interval it first speaks."""
        lie: Lie = draw.choice(("version", "type"))
        self.lie: Lie | None = lie if Fault.LYING in self.faults else None
        deaths = [_death(draw) for _ in range(draw.randint(1, _MOST_DEATHS))]
        self.deaths: tuple[Death, ...] = tuple(deaths) if Fault.DYING in self.faults else ()
        """What becomes of its first attempts to install something."""
        self.holds_socket: bool = draw.random() < sockets
        """Whether it keeps a connection open, where its dialect has one."""

    @property
    def hopeful(self) -> bool:
        """Whether the device can be expected to come to run what it should."""
        return not self.faults & HOPELESS

    def round(self, number: int) -> Round:
        """Return what the device does in that round, from 0."""
        draw = Random(f"{self._origin}/{number}")
        pause, away, lag = draw.uniform(0.5, 1.5), draw.random() < _AWAY, draw.uniform(0.2, 1.0)
        return Round(
            away=away and Fault.FLAPPING in self.faults,
            pause=pause,
            lag=lag if Fault.SLOW in self.faults else 0.0,
        )


def _death(draw: Random) -> Death:
    return Death(draw.random(), draw.randint(1, _MOST_ROUNDS_DEAD), draw.random() < _AWAY)
