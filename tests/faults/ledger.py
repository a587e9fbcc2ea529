"""What clients were told, to be compared with what is there in the end."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Acknowledged writes of a run.

    Each thing has one writer, so what was acknowledged last is what must be there.
    """

    policies: dict[int, str] = field(default_factory=dict)
    """By the serial of the group."""
    members: dict[int, frozenset[int]] = field(default_factory=dict)
    """The serials of the devices in a group, by the serial of the group."""
    labels: dict[str, str] = field(default_factory=dict)
    """The label `round` of Drogue's applications, by name."""
    devices: set[str] = field(default_factory=set)
    """Names of devices that were made and not deleted."""
    deleted: set[str] = field(default_factory=set)
    """Names of devices that were deleted."""
    packages: dict[int, bytes] = field(default_factory=dict)
    """The content of the files, by the serial of the package."""
    commands: set[str] = field(default_factory=set)
    """The identifiers of commands, as they were answered."""
    answers: Counter[str] = field(default_factory=Counter)
    """How often who was answered what: `<writer> <status>`, or `<writer> lost`."""

    @property
    def writes(self) -> int:
        """Return how many answers were of success."""
        return sum(
            number for what, number in self.answers.items() if what.rpartition(" ")[2][0] == "2"
        )
