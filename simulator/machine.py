"""A simulated device as it is; what it says of itself may be something else."""

from dataclasses import dataclass, field

from polyfleet.simulator.script import Script


@dataclass(frozen=True, slots=True)
class Told:
    """What a device says of itself."""

    identifier: str
    device_type: str
    version: str


@dataclass(slots=True)
class Machine:
    """A device: what it runs, and what became of what it was offered."""

    number: int
    identifier: str
    dialect: str
    device_type: str
    version: str
    """What it runs."""
    script: Script
    claimed: str | None = None
    """What it says that it runs, if that is a lie."""
    acknowledged: str | None = None
    """The version that it told last and the server answered well to."""
    offered: int = 0
    attempts: int = 0
    installed: int = 0
    failed: int = 0
    died: int = 0
    entered: bool = field(default=False)
    """Whether the server has let it in."""

    def told(self) -> Told:
        """Return what it says of itself."""
        other = self.script.lie == "type"
        return Told(
            self.identifier,
            f"{self.device_type}-of-another-make" if other else self.device_type,
            self.claimed or self.version,
        )

    def runs(self, version: str) -> bool:
        """Say whether it runs that version and the server was told so."""
        return self.version == version == self.acknowledged
